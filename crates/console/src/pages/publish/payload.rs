//! The payload of a message as it is typed.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::error::Error;
use crate::format::bytes;

/// A payload as it is typed or given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Payload {
    pub(super) text: String,
    /// The text is bytes, written as base64.
    pub(super) is_base64: bool,
}

impl Payload {
    /// As a form sent it. Browsers end lines of what is typed with two characters; one is meant.
    pub(super) fn typed(text: &str, encoding: &str) -> Self {
        Self { text: text.replace("\r\n", "\n"), is_base64: encoding == "base64" }
    }

    /// As somebody else gives it. What typing would change is shown as base64.
    pub(super) fn given(text: &str, encoding: &str) -> Self {
        if encoding != "base64" && text.contains(['\r', '\0']) {
            return Self { text: STANDARD.encode(text), is_base64: true };
        }
        Self { text: text.to_owned(), is_base64: encoding == "base64" }
    }

    pub(super) fn encoding(&self) -> &'static str {
        if self.is_base64 { "base64" } else { "string" }
    }

    /// As the API takes it: base64 without the spaces and lines that may be in it.
    pub(super) fn sent(&self) -> String {
        if self.is_base64 {
            self.text.chars().filter(|c| !c.is_whitespace()).collect()
        } else {
            self.text.clone()
        }
    }

    /// The payload of the message with this number, where `{n}` stands for it.
    pub(super) fn numbered(&self, number: usize) -> String {
        let text = self.sent();
        if self.is_base64 { text } else { text.replace("{n}", &number.to_string()) }
    }

    /// What queues get.
    ///
    /// # Errors
    ///
    /// It was to be base64, and is none.
    pub(super) fn bytes(&self) -> Result<Cow<'_, [u8]>, Error> {
        if !self.is_base64 {
            return Ok(Cow::Borrowed(self.text.as_bytes()));
        }
        let decoded = STANDARD.decode(self.sent());
        let wrong = |error| Error::wrong(format!("The payload is no base64. {error}"));
        decoded.map(Cow::Owned).map_err(wrong)
    }

    /// What there is in it, if it is JSON.
    ///
    /// # Errors
    ///
    /// It is none, with the place where it ends to be some.
    pub(super) fn check_json(&self) -> Result<String, Error> {
        let content = self.bytes()?;
        let value: Value = serde_json::from_slice(&content)
            .map_err(|error| Error::wrong(format!("The payload is no JSON: {error}.")))?;
        let what = match value {
            Value::Object(members) => counted("an object", members.len(), "member"),
            Value::Array(items) => counted("a list", items.len(), "item"),
            Value::String(_) => "a text".to_owned(),
            Value::Number(_) => "a number".to_owned(),
            Value::Bool(_) => "true or false".to_owned(),
            Value::Null => "null".to_owned(),
        };
        Ok(format!("The payload is JSON: {what}, {}.", bytes(content.len() as u64)))
    }
}

fn counted(what: &str, count: usize, part: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{what} with {count} {part}{s}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_told_from_what_is_none() {
        let check = |text, encoding| Payload::typed(text, encoding).check_json();
        assert_eq!(
            check("{\"a\": [1, 2]}", "string").unwrap(),
            "The payload is JSON: an object with 1 member, 13 B."
        );
        assert_eq!(
            check(" W10= \r\n", "base64").unwrap(),
            "The payload is JSON: a list with 0 items, 2 B."
        );
        let error = check("{\"a\": }", "string").unwrap_err().to_string();
        assert!(error.starts_with("The payload is no JSON: expected value at line 1"), "{error}");
        assert!(
            check("?", "base64").unwrap_err().to_string().starts_with("The payload is no base64")
        );
    }

    #[test]
    fn a_payload_comes_through_a_form_as_it_was() {
        for text in ["a\nb", "", "\n\nx", " a "] {
            let given = Payload::given(text, "string");
            let by_browser = given.text.replace('\n', "\r\n");
            assert_eq!(Payload::typed(&by_browser, given.encoding()).sent(), text);
        }
        let given = Payload::given("a\r\nb", "string");
        assert_eq!((given.sent().as_str(), given.is_base64), ("YQ0KYg==", true));
    }

    #[test]
    fn numbers_are_put_in_where_they_are_wanted() {
        let payload = Payload::typed("{\"id\": {n}, \"again\": \"{n}\"}", "");
        assert_eq!(payload.numbered(7), "{\"id\": 7, \"again\": \"7\"}");
        assert_eq!(Payload::typed("e24=", "base64").numbered(7), "e24=");
    }
}
