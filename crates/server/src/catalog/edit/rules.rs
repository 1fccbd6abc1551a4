//! What may be in records, and RabbitMQ's words for what may not.

use serde_json::Value;
use warren_engine::ApplyTo;

use crate::catalog::error::{CatalogError, Kind};
use crate::catalog::policies;
use crate::catalog::records::{Parameter, Policy, VirtualHost};
use crate::catalog::term::term;
use crate::limits;

/// The types that a virtual host can give to queues.
const QUEUE_TYPES: [&str; 3] = ["classic", "quorum", "stream"];

pub(super) fn not_found(kind: Kind, name: String) -> CatalogError {
    CatalogError::NotFound { kind, name }
}

pub(super) fn bounded(what: &'static str, there: usize, limit: usize) -> Result<(), CatalogError> {
    if there < limit { Ok(()) } else { Err(CatalogError::TooMany { what, limit }) }
}

/// Names travel in short strings.
pub(super) fn check_name(what: &str, name: &str) -> Result<(), CatalogError> {
    let problem = match name.len() {
        0 => "is empty",
        1..=255 => return Ok(()),
        _ => "is longer than 255 bytes",
    };
    Err(CatalogError::InvalidName(format!("the name of a {what} {problem}")))
}

pub(super) fn check_tags(tags: &[String]) -> Result<(), CatalogError> {
    if tags.len() > limits::TAGS {
        return Err(CatalogError::TooMany { what: "tags", limit: limits::TAGS });
    }
    match tags.iter().find(|tag| tag.is_empty() || tag.len() > 255) {
        Some(tag) => {
            let problem = if tag.is_empty() { "is empty" } else { "is longer than 255 bytes" };
            Err(CatalogError::InvalidTag(format!("a tag {problem}")))
        }
        None => Ok(()),
    }
}

pub(super) fn queue_type(name: &str) -> Result<String, CatalogError> {
    match QUEUE_TYPES.contains(&name) {
        true => Ok(name.to_owned()),
        false => Err(CatalogError::InvalidQueueType(name.to_owned())),
    }
}

fn check_length(pattern: &str) -> Result<(), CatalogError> {
    if pattern.len() <= limits::PATTERN_BYTES {
        return Ok(());
    }
    let reason = format!("it is longer than {} bytes", limits::PATTERN_BYTES);
    let pattern = pattern.chars().take(64).collect();
    Err(CatalogError::InvalidPattern { pattern, reason })
}

pub(super) fn check_pattern(pattern: &str) -> Result<(), CatalogError> {
    check_length(pattern)?;
    warren_engine::check_pattern(pattern).map_err(|bad| {
        let (pattern, reason) = (bad.pattern, bad.problem);
        CatalogError::InvalidPattern { pattern, reason }
    })
}

/// Values are kept as text, in one record each.
pub(super) fn check_value(value: &Value) -> Result<(), CatalogError> {
    let bytes = serde_json::to_vec(value).map_or(0, |text| text.len());
    if bytes > limits::VALUE_BYTES {
        let text = format!("the value is longer than {} bytes", limits::VALUE_BYTES);
        return Err(CatalogError::InvalidParameter(text));
    }
    Ok(())
}

pub(super) fn check_policy(policy: &Policy) -> Result<(), CatalogError> {
    check_length(&policy.pattern)?;
    check_value(&Value::Object(policy.definition.clone()))?;
    let problem = |problem| format!("Validation failed\n\n{problem}\n");
    let checked = policies::record(policy).check(policy.operator);
    checked.map_err(|wrong| CatalogError::InvalidPolicy(problem(wrong)))
}

pub(super) fn virtual_host_limit<'a>(
    host: &'a mut VirtualHost,
    limit: &str,
) -> Option<&'a mut Option<i64>> {
    match limit {
        "max-connections" => Some(&mut host.limits.max_connections),
        "max-queues" => Some(&mut host.limits.max_queues),
        _ => None,
    }
}

/// In RabbitMQ's words for parameters.
pub(super) fn failed(text: &str) -> CatalogError {
    CatalogError::InvalidLimit(format!("Validation failed\n\n{text}\n"))
}

pub(super) fn unknown_limit(name: &str, value: &Value, what: &str) -> String {
    format!("Unrecognised terms [{{<<\"{name}\">>,{}}}] in {what}", term(value))
}

pub(super) fn whole(limit: &str, value: &Value) -> Result<i64, String> {
    let wrong = || format!("{limit} should be a number, actually was {}", term(value));
    value.as_i64().ok_or_else(wrong)
}

/// A parameter of the component `operator_policy`, as the policy that it is.
pub(super) fn as_policy(parameter: &Parameter) -> Result<Policy, CatalogError> {
    let wrong = |what: &str| CatalogError::InvalidPolicy(what.to_owned());
    let Parameter { virtual_host, name, value, .. } = parameter;
    let pattern = value.get("pattern").and_then(Value::as_str);
    let definition = value.get("definition").and_then(Value::as_object);
    let priority = match value.get("priority") {
        None => 0,
        Some(priority) => priority.as_i64().ok_or_else(|| wrong("priority should be a number"))?,
    };
    let apply_to = match value.get("apply-to").map(|name| name.as_str()) {
        None => ApplyTo::All,
        Some(name) => name
            .and_then(ApplyTo::from_name)
            .ok_or_else(|| wrong("apply-to does not say what the policy is for"))?,
    };
    Ok(Policy {
        virtual_host: virtual_host.clone(),
        name: name.clone(),
        operator: true,
        pattern: pattern.ok_or_else(|| wrong("Key \"pattern\" not found"))?.to_owned(),
        apply_to,
        priority,
        definition: definition.ok_or_else(|| wrong("Key \"definition\" not found"))?.clone(),
    })
}
