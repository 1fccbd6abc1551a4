//! The command lines that publish the same message.

use serde_json::{Value, json};

use crate::links;

/// The longest command line that is offered: systems have limits for them.
const LONGEST: usize = 100_000;

/// A message with its address.
#[derive(Debug)]
pub(super) struct Published<'a> {
    pub(super) virtual_host: &'a str,
    /// As in paths: the default one is `amq.default`.
    pub(super) exchange: &'a str,
    pub(super) routing_key: &'a str,
    pub(super) properties: &'a Value,
    pub(super) payload: &'a str,
    /// `string` or `base64`.
    pub(super) encoding: &'a str,
}

/// The broker as the reader's browser reaches it, and who the reader is there.
#[derive(Debug)]
pub(super) struct Broker<'a> {
    /// Name and perhaps port.
    pub(super) host: &'a str,
    pub(super) is_secure: bool,
    pub(super) user: &'a str,
}

/// A program and the command line for it; or why there is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Command {
    /// The part of its element's id.
    pub(super) id: &'static str,
    pub(super) program: &'static str,
    pub(super) line: Result<String, &'static str>,
}

/// All that there is for a message.
pub(super) fn commands(message: &Published<'_>, broker: &Broker<'_>) -> [Command; 2] {
    let short = |line: String| {
        if line.len() > LONGEST {
            Err("The message is too long for a command line.")
        } else {
            Ok(line)
        }
    };
    [
        Command { id: "curl", program: "curl", line: short(curl(message, broker)) },
        Command {
            id: "rabbitmqadmin",
            program: "rabbitmqadmin 2",
            line: rabbitmqadmin(message, broker).and_then(short),
        },
    ]
}

fn curl(message: &Published<'_>, broker: &Broker<'_>) -> String {
    let scheme = if broker.is_secure { "https" } else { "http" };
    let path = links::path(["exchanges", message.virtual_host, message.exchange, "publish"]);
    let body = json!({
        "routing_key": message.routing_key,
        "properties": message.properties,
        "payload": message.payload,
        "payload_encoding": message.encoding,
    });
    format!(
        "curl -u {}:\"$PASSWORD\" -H 'content-type: application/json' \\\n  -d {} \\\n  {}",
        quoted(broker.user),
        quoted(&body.to_string()),
        quoted(&format!("{scheme}://{}/api{path}", broker.host))
    )
}

fn rabbitmqadmin(message: &Published<'_>, broker: &Broker<'_>) -> Result<String, &'static str> {
    if message.encoding != "string" {
        return Err("rabbitmqadmin publishes text alone.");
    }
    if [message.routing_key, message.payload].iter().any(|text| text.contains('\0')) {
        return Err("A command line cannot have a zero byte in it.");
    }
    let (host, port) = host_and_port(broker);
    let secure = if broker.is_secure { " --use-tls" } else { "" };
    Ok(format!(
        "rabbitmqadmin --host={} --port={port}{secure} --username={} --password=\"$PASSWORD\" \
         --vhost={} \\\n  publish message --exchange={} --routing-key={} \\\n  --properties={} \\\n  \
         --payload={}",
        quoted(host),
        quoted(broker.user),
        quoted(message.virtual_host),
        quoted(message.exchange),
        quoted(message.routing_key),
        quoted(&message.properties.to_string()),
        quoted(message.payload)
    ))
}

fn host_and_port<'a>(broker: &Broker<'a>) -> (&'a str, &'a str) {
    let usual = if broker.is_secure { "443" } else { "80" };
    match broker.host.rsplit_once(':') {
        // The colons of an address in brackets are its own.
        Some((host, port)) if port.chars().all(|c| c.is_ascii_digit()) => (host, port),
        _ => (broker.host, usual),
    }
}

/// A text as a shell takes it for one word that means nothing but itself.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use std::process;

    use super::*;

    /// The words that a shell makes of a line.
    fn words(line: &str) -> Vec<String> {
        let script = format!("for word in {line}; do printf '%s\\0' \"$word\"; done");
        let output = process::Command::new("sh").args(["-c", &script]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_terminator('\0').map(str::to_owned).collect()
    }

    const HOSTILE: &str = "it's \"$(touch x)\" `y` \\ $HOME !! \n<img src=x> * ~ \u{e4}";

    #[test]
    fn a_shell_takes_a_text_for_one_word() {
        for text in ["", "orders", "-x", "a b", "'", "''", HOSTILE, "~", "*"] {
            assert_eq!(words(&quoted(text)), [text]);
        }
    }

    #[test]
    fn hostile_messages_stay_words() {
        let properties = json!({"headers": {"h": HOSTILE}});
        let message = Published {
            virtual_host: "/",
            exchange: HOSTILE,
            routing_key: HOSTILE,
            properties: &properties,
            payload: HOSTILE,
            encoding: "string",
        };
        let broker = Broker { host: "[::1]:15672", is_secure: true, user: "o'neil" };
        let [curl, admin] = commands(&message, &broker);
        let line = curl.line.unwrap();
        let found = words(&line.replace("\"$PASSWORD\"", "p"));
        assert_eq!(found[..5], ["curl", "-u", "o'neil:p", "-H", "content-type: application/json"]);
        let body: Value = serde_json::from_str(&found[6]).unwrap();
        assert_eq!(body["payload"], HOSTILE);
        assert!(found[7].starts_with("https://[::1]:15672/api/exchanges/%2F/it%27s"), "{line}");
        let found = words(&admin.line.unwrap().replace("\"$PASSWORD\"", "p"));
        assert_eq!(found[1..4], ["--host=[::1]", "--port=15672", "--use-tls"]);
        assert_eq!(found.last().unwrap(), &format!("--payload={HOSTILE}"));
    }

    #[test]
    fn what_no_command_line_can_hold_is_not_offered() {
        let properties = json!({});
        let mut message = Published {
            virtual_host: "/",
            exchange: "x",
            routing_key: "",
            properties: &properties,
            payload: "AAE=",
            encoding: "base64",
        };
        let broker = Broker { host: "warren", is_secure: false, user: "guest" };
        let [curl, admin] = commands(&message, &broker);
        assert!(curl.line.is_ok() && admin.line.is_err());
        let long = "x".repeat(LONGEST);
        (message.payload, message.encoding) = (long.as_str(), "string");
        assert!(commands(&message, &broker).iter().all(|command| command.line.is_err()));
    }
}
