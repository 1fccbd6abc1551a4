//! What would become of a message in a queue: whether there is room, how long it stays, who gets it.

use serde_json::Value;

use crate::format::{bytes, duration, grouped};
use crate::value::{at, is_true, number, text};

/// A queue, and what is to be known of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) name: String,
    pub(super) href: String,
    /// Sentences.
    pub(super) text: Vec<String>,
    /// The message would not be there, or not for long.
    pub(super) is_bad: bool,
}

impl Fate {
    /// Of a queue as the API gives it, for a message with this expiration.
    pub(super) fn of(queue: &Value, expiration: &str, href: String) -> Self {
        let mut fate =
            Self { name: text(queue, "name").to_owned(), href, text: vec![], is_bad: false };
        fate.room(queue);
        fate.time(queue, expiration);
        fate.consumers(queue);
        fate
    }

    fn say(&mut self, text: String) {
        self.text.push(text);
    }

    fn warn(&mut self, text: String) {
        self.text.push(text);
        self.is_bad = true;
    }

    fn room(&mut self, queue: &Value) {
        let waiting = number(queue, "messages_ready").unwrap_or(0);
        if let Some(most) = limit(queue, "max-length") {
            if waiting >= most {
                let most = grouped(most);
                self.warn(format!("It is full, with {most} messages: {}", full(queue)));
            } else {
                self.say(format!("It has room for {} more messages.", grouped(most - waiting)));
            }
        }
        if let Some(most) = limit(queue, "max-length-bytes") {
            let held = number(queue, "message_bytes_ready").unwrap_or(0);
            let (held, most) = (bytes(held), bytes(most));
            self.say(format!(
                "It holds {most} of messages, and has {held}. If it is full, {}",
                full(queue)
            ));
        }
    }

    fn time(&mut self, queue: &Value, expiration: &str) {
        let own = expiration.trim().parse().ok();
        let Some(time) = [own, limit(queue, "message-ttl")].into_iter().flatten().min() else {
            return;
        };
        let after = match time {
            0 => "It expires at once, unless a consumer takes it right away".to_owned(),
            time => format!("It expires after {}", duration(time as f64 / 1000.0)),
        };
        let then = dead_letters(queue)
            .map_or("is gone then".to_owned(), |to| format!("goes to the exchange {to} then"));
        let text = format!("{after}, and {then}.");
        if time == 0 { self.warn(text) } else { self.say(text) }
    }

    fn consumers(&mut self, queue: &Value) {
        if text(queue, "type") == "stream" {
            self.say("It is a stream: everybody who reads it sees the message.".to_owned());
        } else if is_true(queue, "paused") {
            self.warn("It is paused: consumers get nothing until it is resumed.".to_owned());
        } else {
            let text = match number(queue, "consumers").unwrap_or(0) {
                0 => "Nobody consumes from it: the message waits.".to_owned(),
                1 => "1 consumer is there for it.".to_owned(),
                count => format!("One of {} consumers gets it.", grouped(count)),
            };
            self.say(text);
        }
    }
}

/// A limit: of what the queue was declared with and what policies say, the lower one.
fn limit(queue: &Value, name: &str) -> Option<u64> {
    let declared = number(at(queue, "arguments"), &format!("x-{name}"));
    let by_policy = number(at(queue, "effective_policy_definition"), name);
    [declared, by_policy].into_iter().flatten().min()
}

/// A setting: as declared, or else as policies say.
fn setting<'a>(queue: &'a Value, name: &str) -> &'a str {
    let declared = text(at(queue, "arguments"), &format!("x-{name}"));
    let by_policy = text(at(queue, "effective_policy_definition"), name);
    if declared.is_empty() { by_policy } else { declared }
}

/// The dead letter exchange in words, if there is one.
fn dead_letters(queue: &Value) -> Option<String> {
    let has = |member: &str, name: &str| at(queue, member).get(name).is_some();
    let is_set = has("arguments", "x-dead-letter-exchange")
        || has("effective_policy_definition", "dead-letter-exchange");
    let name = setting(queue, "dead-letter-exchange");
    is_set.then(|| if name.is_empty() { "(default)".to_owned() } else { name.to_owned() })
}

/// What a full queue does.
fn full(queue: &Value) -> String {
    let to = dead_letters(queue);
    match (setting(queue, "overflow"), to) {
        ("reject-publish", _) => "it refuses the message, and the publisher is told.".to_owned(),
        ("reject-publish-dlx", Some(to)) => {
            format!("it refuses the message, which goes to the exchange {to}.")
        }
        ("reject-publish-dlx", None) => {
            "it refuses the message, and the publisher is told.".to_owned()
        }
        (_, Some(to)) => format!("its oldest message goes to the exchange {to} for it."),
        (_, None) => "its oldest message is dropped for it.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(queue: &Value, expiration: &str) -> (String, bool) {
        let fate = Fate::of(queue, expiration, String::new());
        (fate.text.join(" "), fate.is_bad)
    }

    #[test]
    fn a_full_queue_tells_what_it_does() {
        let mut queue = json!({
            "name": "q", "messages_ready": 5, "consumers": 1,
            "arguments": {"x-max-length": 10, "x-overflow": "reject-publish"},
            "effective_policy_definition": {"max-length": 5},
        });
        let (text, is_bad) = told(&queue, "");
        assert_eq!(
            text,
            "It is full, with 5 messages: it refuses the message, and the publisher is told. \
             1 consumer is there for it."
        );
        assert!(is_bad);
        queue["arguments"] = json!({"x-max-length": 10, "x-dead-letter-exchange": ""});
        assert!(told(&queue, "").0.contains("its oldest message goes to the exchange (default)"));
        queue["messages_ready"] = json!(2);
        let (text, is_bad) = told(&queue, "");
        assert!(text.starts_with("It has room for 3 more messages."), "{text}");
        assert!(!is_bad);
    }

    #[test]
    fn the_shorter_time_counts() {
        let queue = json!({"name": "q", "arguments": {"x-message-ttl": 60_000}});
        assert!(told(&queue, "").0.starts_with("It expires after 1 min 0 s, and is gone then."));
        assert!(told(&queue, "2000").0.starts_with("It expires after 2 s, and is gone then."));
        let (text, is_bad) = told(&queue, "0");
        assert!(text.starts_with("It expires at once, unless a consumer takes it right away"));
        assert!(is_bad);
    }
}
