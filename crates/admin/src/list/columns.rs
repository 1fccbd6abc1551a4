//! Which parts of objects a client wants.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::error::Error;
use crate::limits;
use crate::query::Query;

/// The wanted parts: `columns=name,message_stats.publish_details.rate`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Columns(Option<Branch>);

/// What is wanted of an object: keys, each with what is wanted of its value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Branch(BTreeMap<String, Option<Self>>);

impl Columns {
    /// Reads `columns`. Without it everything is wanted.
    pub(crate) fn read(query: &Query) -> Result<Self, Error> {
        let Some(columns) = query.get("columns") else { return Ok(Self(None)) };
        let mut root = Branch::default();
        for (count, column) in columns.split(',').filter(|it| !it.is_empty()).enumerate() {
            let parts: Vec<_> = column.split('.').filter(|it| !it.is_empty()).collect();
            if count >= limits::COLUMNS || parts.len() > limits::PATH_PARTS {
                return Err(Error::bad_request("there are too many columns, or parts of one"));
            }
            root.add(&parts);
        }
        Ok(Self(Some(root)))
    }

    /// The wanted parts of an object.
    pub(crate) fn of(&self, object: &impl Serialize) -> Result<Value, Error> {
        let value = serde_json::to_value(object);
        let mut value = value.map_err(|reason| Error::Internal(reason.to_string()))?;
        if let Self(Some(root)) = self {
            root.prune(&mut value);
        }
        Ok(value)
    }
}

impl Branch {
    fn add(&mut self, parts: &[&str]) {
        let [first, rest @ ..] = parts else { return };
        let entry = self.0.entry((*first).to_owned());
        if rest.is_empty() {
            entry.insert_entry(None);
        } else if let Some(branch) = entry.or_insert_with(|| Some(Self::default())) {
            branch.add(rest);
        }
    }

    /// Takes away what is not wanted; of a list, from each of its elements.
    fn prune(&self, value: &mut Value) {
        match value {
            Value::Object(object) => {
                object.retain(|key, value| match self.0.get(key) {
                    Some(Some(branch)) => {
                        branch.prune(value);
                        true
                    }
                    Some(None) => true,
                    None => false,
                });
            }
            Value::Array(elements) => elements.iter_mut().for_each(|it| self.prune(it)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_wanted_parts_are_given() {
        let object = json!({
            "name": "a",
            "stats": {"publish": 1, "publish_details": {"rate": 0.5, "avg": 1}},
            "list": [{"x": 1, "y": 2}, {"y": 3}],
        });
        for (columns, expected) in [
            ("", object.clone()),
            ("columns=name", json!({"name": "a"})),
            ("columns=", json!({})),
            ("columns=nothing", json!({})),
            ("columns=stats.publish", json!({"stats": {"publish": 1}})),
            (
                "columns=name,stats.publish_details.rate",
                json!({"name": "a", "stats": {"publish_details": {"rate": 0.5}}}),
            ),
            ("columns=list.y", json!({"list": [{"y": 2}, {"y": 3}]})),
            ("columns=stats.publish,stats", json!({"stats": object["stats"]})),
            ("columns=stats,stats.publish", json!({"stats": object["stats"]})),
            ("columns=name.x", json!({"name": "a"})),
        ] {
            let columns = Columns::read(&Query::from(columns)).unwrap();
            assert_eq!(columns.of(&object).unwrap(), expected, "{columns:?}");
        }
    }

    #[test]
    fn columns_have_their_limits() {
        let deep = format!("columns={}", ["a"; 9].join("."));
        let many = format!("columns={}", ["a"; 257].join(","));
        for query in [deep, many] {
            assert!(Columns::read(&Query::from(query.as_str())).is_err());
        }
    }
}
