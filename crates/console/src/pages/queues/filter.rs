//! Which messages of a queue are meant: what somebody filled in, as the API takes it and in words.

use serde_json::{Map, Value, json};

use crate::form::Field;
use crate::visit::Pairs;

/// What messages must be like. Without any of it, all are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Filter {
    key: String,
    /// `name`, or `name=value`.
    header: String,
    body: String,
    expression: String,
}

/// An expression that shows what can be said.
pub(super) const EXAMPLE: &str = "headers.retry > 3 && payload.contains(\"timeout\")";

impl Filter {
    pub(super) fn read(pairs: &Pairs) -> Self {
        let text = |name| pairs.get(name).trim().to_owned();
        Self {
            key: text("key"),
            header: text("header"),
            // Spaces may be what is looked for.
            body: pairs.get("body").to_owned(),
            expression: text("expression"),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The parameters of the API and of the page, those that are filled in.
    pub(super) fn pairs(&self) -> Vec<(&'static str, &str)> {
        let all = [
            ("key", self.key.as_str()),
            ("header", &self.header),
            ("body", &self.body),
            ("expression", &self.expression),
        ];
        all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }

    /// As a job takes it.
    pub(super) fn json(&self) -> Value {
        let mut filter = Map::new();
        for (name, value) in self.pairs().into_iter().filter(|(name, _)| *name != "header") {
            filter.insert(name.to_owned(), value.into());
        }
        if !self.header.is_empty() {
            let (name, value) = match self.header.split_once('=') {
                Some((name, value)) => (name, json!(value)),
                None => (self.header.as_str(), Value::Null),
            };
            filter.insert("headers".to_owned(), json!({name: value}));
        }
        Value::Object(filter)
    }

    /// The fields of a form in which it is filled in.
    pub(super) fn fields(&self) -> [Field; 4] {
        [
            Field::text("key", "Routing key has", &*self.key),
            Field::text("header", "Header", &*self.header).help("name or name=value"),
            Field::text("body", "Body has", &*self.body),
            Field::text("expression", "Expression", &*self.expression)
                .help(format!("in CEL, such as {EXAMPLE}")),
        ]
    }

    /// The fields of a form that takes it along.
    pub(super) fn hidden(&self) -> Vec<Field> {
        self.pairs().into_iter().map(|(name, value)| Field::hidden(name, value)).collect()
    }

    /// In words, behind `messages`; empty if all are meant.
    pub(super) fn text(&self) -> String {
        let mut parts = vec![];
        if !self.key.is_empty() {
            parts.push(format!("with \u{201c}{}\u{201d} in the routing key", self.key));
        }
        if !self.header.is_empty() {
            parts.push(match self.header.split_once('=') {
                Some((name, value)) => format!("whose header {name} is \u{201c}{value}\u{201d}"),
                None => format!("that have a header {}", self.header),
            });
        }
        if !self.body.is_empty() {
            parts.push(format!("with \u{201c}{}\u{201d} in the body", self.body));
        }
        if !self.expression.is_empty() {
            parts.push(format!("for which {} is true", self.expression));
        }
        parts.join(" and ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(pairs: &[(&str, &str)]) -> Filter {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Filter::read(&Pairs(pairs.collect()))
    }

    #[test]
    fn what_is_filled_in_is_what_the_api_is_asked_for() {
        let wanted = filter(&[("key", " order "), ("header", "a=b=c"), ("body", " x"), ("z", "1")]);
        assert_eq!(wanted.pairs(), [("key", "order"), ("header", "a=b=c"), ("body", " x")]);
        assert_eq!(wanted.json(), json!({"key": "order", "headers": {"a": "b=c"}, "body": " x"}));
        assert_eq!(filter(&[("header", "a")]).json(), json!({"headers": {"a": null}}));
        assert!(filter(&[]).is_empty());
    }

    #[test]
    fn it_is_told_in_words() {
        assert_eq!(filter(&[]).text(), "");
        let wanted = filter(&[("header", "a=1"), ("expression", "size > 5")]);
        assert_eq!(
            wanted.text(),
            "whose header a is \u{201c}1\u{201d} and for which size > 5 is true"
        );
    }
}
