//! Whether policies may say what they say, with the texts of RabbitMQ 3.10.8.

use thiserror::Error;

use super::keys::Key;
use super::{Definition, PolicyRecord, PolicyValue};
use crate::pattern::check_pattern;

/// What is wrong with a policy. RabbitMQ's API answers `Validation failed`, an empty line, this and
/// the end of the line.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PolicyProblem {
    /// It says nothing.
    #[error("no policy provided")]
    Empty,
    /// Settings that there are not, or that operators may not say.
    #[error("[{0}] are not recognised policy settings")]
    NotRecognised(String),
    /// A value that a setting does not have.
    #[error("{0}")]
    Value(String),
    /// A pattern that is no regular expression.
    #[error("pattern should be regular expression but is invalid: {0}")]
    Pattern(String),
}

impl PolicyRecord {
    /// Whether the policy may be.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn check(&self, operator: bool) -> Result<(), PolicyProblem> {
        check_pattern(&self.pattern).map_err(|error| PolicyProblem::Pattern(error.problem))?;
        validate_policy(&self.definition, operator)
    }
}

/// Whether a policy, or an operator's policy, may say this.
///
/// # Errors
///
/// The first value that is wrong, or all settings that there are not.
pub fn validate_policy(definition: &Definition, operator: bool) -> Result<(), PolicyProblem> {
    if definition.is_empty() {
        return Err(PolicyProblem::Empty);
    }
    let mut unknown = vec![];
    for (name, value) in definition {
        let key = Key::named(name).filter(|key| key.is_for_operators || !operator);
        let Some(key) = key else {
            unknown.push(format!("{{{},{value}}}", PolicyValue::Text(name.clone())));
            continue;
        };
        if let Some(problem) = key.problem(value) {
            return Err(PolicyProblem::Value(problem));
        }
    }
    if !operator {
        together(definition).map_err(PolicyProblem::Value)?;
    }
    match unknown.is_empty() {
        true => Ok(()),
        false => Err(PolicyProblem::NotRecognised(unknown.join(","))),
    }
}

/// Settings that hang together, and mean nothing here.
fn together(definition: &Definition) -> Result<(), String> {
    mirrors(definition)?;
    shards(definition)?;
    let federated = definition.keys().filter(|name| name.starts_with("federation-upstream"));
    if federated.count() > 1 {
        return Err("cannot specify federation-upstream, federation-upstream-set or \
                    federation-upstream-pattern together"
            .to_owned());
    }
    match definition.get("federation-upstream-pattern") {
        Some(PolicyValue::Text(pattern)) => check_pattern(pattern).map_err(|error| {
            let problem = error.problem;
            format!("could not compile pattern {pattern} to a regular expression. Error: {problem}")
        }),
        _ => Ok(()),
    }
}

fn shards(definition: &Definition) -> Result<(), String> {
    match definition.get("shards-per-node") {
        None if definition.contains_key("routing-key") => {
            Err("shards-per-node must be specified".to_owned())
        }
        None | Some(PolicyValue::Number(0..)) => Ok(()),
        Some(PolicyValue::Number(number)) => {
            Err(format!("shards-per-node should be greater than 0, actually was {number}"))
        }
        Some(other) => Err(format!("shards-per-node should be a number, actually was {other}")),
    }
}

fn mirrors(definition: &Definition) -> Result<(), String> {
    let get = |name: &str| definition.get(name);
    let Some(mode) = get("ha-mode") else {
        return match definition.keys().any(|name| name.starts_with("ha-")) {
            true => Err("ha-mode must be specified to specify ha-params, ha-sync-mode or \
                         ha-promote-on-shutdown"
                .to_owned()),
            false => Ok(()),
        };
    };
    let given = get("ha-params").map_or("none".to_owned(), PolicyValue::to_string);
    let text = |value: &PolicyValue| match value {
        PolicyValue::Text(text) => text.clone(),
        other => other.to_string(),
    };
    match (text(mode).as_str(), get("ha-params")) {
        ("all", None)
        | ("exactly", Some(PolicyValue::Number(1..)))
        | ("nodes", Some(PolicyValue::List(_))) => {}
        ("all", Some(_)) => return Err("ha-mode=\"all\" does not take parameters".to_owned()),
        ("exactly", _) => {
            return Err(format!("ha-mode=\"exactly\" takes an integer, {given} given"));
        }
        ("nodes", _) => return Err(format!("ha-mode=\"nodes\" takes a list, {given} given")),
        _ => return Err(format!("{mode} is not a valid ha-mode value")),
    }
    if get("ha-params") == Some(&PolicyValue::List(vec![])) {
        return Err("ha-mode=\"nodes\" list must be non-empty".to_owned());
    }
    match get("ha-sync-batch-size") {
        None | Some(PolicyValue::Number(1..)) => {}
        Some(other) => {
            return Err(format!(
                "ha-sync-batch-size takes an integer greater than 0, {other} given"
            ));
        }
    }
    for (name, one, other) in [
        ("ha-sync-mode", "manual", "automatic"),
        ("ha-promote-on-shutdown", "always", "when-synced"),
        ("ha-promote-on-failure", "always", "when-synced"),
    ] {
        match get(name) {
            Some(value) if ![one, other].contains(&text(value).as_str()) => {
                return Err(format!("{name} must be \"{one}\" or \"{other}\", got {value}"));
            }
            _ => {}
        }
    }
    Ok(())
}
