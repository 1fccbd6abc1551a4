//! Policies of the catalog, as the engine takes them.

use std::sync::Arc;

use serde_json::Value;
use tracing::error;
use warren_engine::{Policies, PolicyRecord, PolicyValue};

use super::records::Policy;
use super::state::State;
use super::term::term;

/// The policies of a virtual host, ready to hold.
pub(crate) fn of(state: &State, virtual_host: &str) -> Arc<Policies> {
    let records = |operator| -> Vec<PolicyRecord> {
        state.policies_in(virtual_host, operator).map(|it| record(it)).filter(is_usable).collect()
    };
    match Policies::compile(&records(false), &records(true)) {
        Ok(policies) => Arc::new(policies),
        Err(reason) => {
            error!(%reason, virtual_host, "no policy holds");
            Arc::default()
        }
    }
}

/// All that are kept have been checked; but an earlier version may have taken other patterns.
fn is_usable(policy: &PolicyRecord) -> bool {
    let checked = warren_engine::check_pattern(&policy.pattern);
    if let Err(reason) = &checked {
        error!(%reason, policy = policy.name, "a policy does not hold");
    }
    checked.is_ok()
}

/// A policy with what it says.
pub(super) fn record(policy: &Policy) -> PolicyRecord {
    let definition = policy.definition.iter();
    PolicyRecord {
        name: policy.name.clone(),
        pattern: policy.pattern.clone(),
        apply_to: policy.apply_to,
        priority: policy.priority,
        definition: definition.map(|(key, said)| (key.clone(), value(said))).collect(),
    }
}

fn value(said: &Value) -> PolicyValue {
    match said {
        Value::Bool(flag) => PolicyValue::Flag(*flag),
        Value::String(text) => PolicyValue::Text(text.clone()),
        Value::Array(values) => PolicyValue::List(values.iter().map(value).collect()),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => PolicyValue::Number(whole),
            None => PolicyValue::Other(number.to_string()),
        },
        Value::Null | Value::Object(_) => PolicyValue::Other(term(said)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_what_json_says() {
        let list = PolicyValue::List(vec![PolicyValue::Text("a".to_owned())]);
        for (said, expected) in [
            (json!(7), PolicyValue::Number(7)),
            (json!(-1), PolicyValue::Number(-1)),
            (json!("7D"), PolicyValue::Text("7D".to_owned())),
            (json!(true), PolicyValue::Flag(true)),
            (json!(["a"]), list),
            (json!(null), PolicyValue::Other("null".to_owned())),
            (json!(1.5), PolicyValue::Other("1.5".to_owned())),
            (json!({"a": 1}), PolicyValue::Other("[{<<\"a\">>,1}]".to_owned())),
        ] {
            assert_eq!(value(&said), expected, "{said}");
        }
    }
}
