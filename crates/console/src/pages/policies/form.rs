//! The form of a policy, and what was filled in.

use serde_json::{Value, json};

use super::Kind;
use crate::error::Error;
use crate::form::{Field, Form, TypedRow};
use crate::frame::Frame;
use crate::value::{at, text};
use crate::visit::Visit;

/// A policy as it was filled in.
#[derive(Debug, Clone, Default)]
pub(super) struct Filled {
    pub(super) virtual_host: String,
    pub(super) name: String,
    pub(super) pattern: String,
    pub(super) apply_to: String,
    pub(super) priority: String,
    pub(super) definition: Vec<TypedRow>,
}

impl Filled {
    /// What the form begins with; an address may say some of it.
    pub(super) fn new(visit: &Visit) -> Self {
        let query = &visit.query;
        let host = if query.has("vhost") { query.get("vhost") } else { visit.virtual_host() };
        Self {
            virtual_host: host.to_owned(),
            name: query.get("name").to_owned(),
            pattern: query.get("pattern").to_owned(),
            apply_to: query.get("apply_to").to_owned(),
            priority: "0".to_owned(),
            definition: vec![],
        }
    }

    pub(super) fn read(visit: &Visit) -> Self {
        let form = &visit.form;
        let mut definition = TypedRow::read(form, "definition");
        for row in &mut definition {
            // Whoever picks a known setting need not say what its values are.
            if let Some(setting) = SETTINGS.iter().find(|setting| setting.name == row.name) {
                setting.kind.clone_into(&mut row.kind);
            }
        }
        Self {
            virtual_host: form.get("vhost").to_owned(),
            name: form.get("name").trim().to_owned(),
            pattern: form.get("pattern").to_owned(),
            apply_to: form.get("apply_to").to_owned(),
            priority: form.get("priority").trim().to_owned(),
            definition,
        }
    }

    pub(super) fn of(policy: &Value) -> Self {
        Self {
            virtual_host: text(policy, "vhost").to_owned(),
            name: text(policy, "name").to_owned(),
            pattern: text(policy, "pattern").to_owned(),
            apply_to: text(policy, "apply-to").to_owned(),
            priority: at(policy, "priority").as_i64().unwrap_or(0).to_string(),
            definition: TypedRow::of(at(policy, "definition")),
        }
    }

    pub(super) fn named(mut self, virtual_host: &str, name: &str) -> Self {
        virtual_host.clone_into(&mut self.virtual_host);
        name.clone_into(&mut self.name);
        self
    }

    /// As the API takes it.
    pub(super) fn body(&self) -> Result<Value, Error> {
        let priority = if self.priority.is_empty() { "0" } else { &self.priority };
        let wrong = || Error::wrong("The priority must be a whole number, such as 0 or 10.");
        let priority: i64 = priority.parse().map_err(|_| wrong())?;
        if self.definition.is_empty() {
            return Err(Error::wrong("The policy sets nothing yet. Choose at least one setting."));
        }
        Ok(json!({
            "pattern": self.pattern,
            "apply-to": self.apply_to,
            "priority": priority,
            "definition": TypedRow::object(&self.definition)?,
        }))
    }
}

/// What policies can be for: the API's word, and words for people.
const APPLY_TO: [(&str, &str); 6] = [
    ("queues", "queues"),
    ("classic_queues", "classic queues"),
    ("quorum_queues", "quorum queues"),
    ("streams", "streams"),
    ("exchanges", "exchanges"),
    ("all", "queues and exchanges"),
];

pub(super) fn apply_to_words(name: &str) -> &str {
    APPLY_TO.iter().find(|(known, _)| *known == name).map_or(name, |(_, words)| words)
}

/// A setting that there is.
struct Setting {
    name: &'static str,
    /// What its values are, as [`TypedRow`] has it.
    kind: &'static str,
    help: &'static str,
    /// Operators can set it.
    is_for_operators: bool,
}

const fn setting(
    name: &'static str,
    kind: &'static str,
    is_for_operators: bool,
    help: &'static str,
) -> Setting {
    Setting { name, kind, help, is_for_operators }
}

const SETTINGS: [Setting; 13] = [
    setting("message-ttl", "number", true, "Messages go after this time: milliseconds"),
    setting("expires", "number", true, "The queue goes when it was not used so long: milliseconds"),
    setting("max-length", "number", true, "How many messages may wait"),
    setting("max-length-bytes", "number", true, "How many bytes of messages may wait"),
    setting(
        "overflow",
        "string",
        true,
        "What happens at a limit: drop-head (the oldest go), reject-publish (new ones are refused) \
         or reject-publish-dlx (refused ones become dead letters)",
    ),
    setting(
        "delivery-limit",
        "number",
        true,
        "Quorum queues: how often a message may come back; -1 is no limit",
    ),
    setting(
        "dead-letter-exchange",
        "string",
        false,
        "Where messages go that expire, are refused or are too many: the name of an exchange",
    ),
    setting("dead-letter-routing-key", "string", false, "The routing key that they get then"),
    setting(
        "consumer-timeout",
        "number",
        false,
        "How long a delivery may stay unacknowledged: milliseconds",
    ),
    setting("max-age", "string", false, "Streams: what is older goes, such as 7D or 12h"),
    setting(
        "stream-max-segment-size-bytes",
        "number",
        false,
        "Streams: what goes at once: bytes up to 3000000000",
    ),
    setting(
        "alternate-exchange",
        "string",
        false,
        "Exchanges: where messages go that no binding leads on: the name of an exchange",
    ),
    setting(
        "queue-leader-locator",
        "string",
        false,
        "Taken for clients that set it, and without an effect here",
    ),
];

/// The form. Where one is made, `frame` knows the virtual hosts.
pub(super) fn policy_form(
    kind: Kind,
    filled: &Filled,
    frame: Option<&Frame>,
    action: String,
) -> Form {
    let mut form = Form::new(action, if frame.is_some() { "Add the policy" } else { "Save" });
    if let Some(frame) = frame {
        let hosts = frame.virtual_hosts.iter().map(|host| (host.clone(), host.clone()));
        let chosen = if filled.virtual_host.is_empty() {
            frame.first_virtual_host()
        } else {
            &filled.virtual_host
        };
        form = form
            .with(Field::choice("vhost", "Virtual host", hosts, chosen))
            .with(Field::text("name", "Name", &filled.name).required());
    }
    let known: Vec<_> = SETTINGS
        .iter()
        .filter(|setting| setting.is_for_operators || kind == Kind::User)
        .map(|setting| (setting.name, setting.help))
        .collect();
    let apply_to = if filled.apply_to.is_empty() { "queues" } else { &filled.apply_to };
    form.with(Field::text("pattern", "Pattern", &filled.pattern).help(
        "A regular expression that is found anywhere in a name. ^orders\\. is for names that begin \
         with \u{201c}orders.\u{201d}; an empty pattern is for all.",
    ))
    .with(Field::choice("apply_to", "For", APPLY_TO, apply_to))
    .with(
        Field::number("priority", "Priority", &filled.priority)
            .help("Of several that match, the one with the highest number holds."),
    )
    .with(Field::rows("definition", "What it sets", filled.definition.clone(), &known))
    .or("preview", "Show what it would hold for")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_policy_comes_back_from_its_form_as_it_was() {
        let policy = json!({"vhost": "/", "name": "a", "pattern": "^x", "apply-to": "queues",
                            "priority": -3, "definition": {"max-length": 5, "overflow": "drop-head"}});
        let body = Filled::of(&policy).body().unwrap();
        for member in ["pattern", "apply-to", "priority", "definition"] {
            assert_eq!(body[member], policy[member], "{member}");
        }
    }

    #[test]
    fn a_policy_that_sets_nothing_and_a_priority_that_is_no_number_are_refused() {
        let empty = Filled::default();
        assert!(empty.body().unwrap_err().to_string().contains("sets nothing"));
        let odd = Filled { priority: "high".to_owned(), ..empty };
        assert!(odd.body().unwrap_err().to_string().contains("whole number"));
    }
}
