//! Policies, those of users and those of the operator.

pub(crate) mod preview;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use warren_amqp::FieldTable;
use warren_engine::{ApplyTo, Definition, EffectivePolicies, PolicySource, PolicyValue, QueueType};
use warren_server::catalog::{Change, Done, Policy};

use crate::answer::{self, Answer};
use crate::call::Call;
use crate::change::change;
use crate::error::Error;
use crate::field_table;
use crate::json;
use crate::list::{list, one};

/// A policy.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PolicyObject<'a> {
    vhost: &'a str,
    name: &'a str,
    /// A regular expression of names.
    pattern: &'a str,
    #[serde(rename = "apply-to")]
    apply_to: &'static str,
    /// What the policy says, by key.
    definition: &'a Map<String, Value>,
    /// The highest one that is for something holds for it.
    priority: i64,
}

impl<'a> From<&'a Policy> for PolicyObject<'a> {
    fn from(policy: &'a Policy) -> Self {
        Self {
            vhost: &policy.virtual_host,
            name: &policy.name,
            pattern: &policy.pattern,
            apply_to: policy.apply_to.name(),
            definition: &policy.definition,
            priority: policy.priority,
        }
    }
}

/// What a policy is to be.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct PutPolicy {
    /// A regular expression of names.
    #[schemars(with = "String")]
    pub(crate) pattern: Value,
    /// What the policy says, by key.
    #[schemars(with = "Map<String, Value>")]
    pub(crate) definition: Value,
    /// The highest one that is for something holds for it; 0 if nothing is said.
    #[serde(default)]
    pub(crate) priority: Option<Value>,
    /// `all`, `exchanges`, `queues`, `classic_queues`, `quorum_queues` or `streams`.
    #[serde(rename = "apply-to")]
    pub(crate) apply_to: Option<String>,
}

impl PutPolicy {
    /// The policy of this name.
    pub(crate) fn policy(
        self,
        virtual_host: &str,
        name: &str,
        operator: bool,
    ) -> Result<Policy, Error> {
        let invalid =
            |reason: String| Error::BadRequest(format!("Validation failed\n\n{reason}\n"));
        let priority = match &self.priority {
            None | Some(Value::Null) => 0,
            Some(value) => value.as_i64().ok_or_else(|| {
                invalid(format!("priority should be a number, actually was {value}"))
            })?,
        };
        let apply_to = self.apply_to.as_deref().unwrap_or("all");
        let apply_to = ApplyTo::from_name(apply_to).ok_or_else(|| {
            invalid(format!(
                "apply-to '{apply_to}' unrecognised; should be 'queues', 'classic_queues', \
                 'quorum_queues', 'streams', 'exchanges', or 'all'"
            ))
        })?;
        let Value::String(pattern) = self.pattern else {
            let pattern = self.pattern;
            return Err(invalid(format!("pattern should be a binary, actually was {pattern}")));
        };
        let Value::Object(definition) = self.definition else {
            let definition = self.definition;
            return Err(invalid(format!("definition should be a map, actually was {definition}")));
        };
        let (virtual_host, name) = (virtual_host.to_owned(), name.to_owned());
        Ok(Policy { virtual_host, name, operator, pattern, apply_to, priority, definition })
    }
}

/// A value that holds, and who says so.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SourcedValue {
    value: Value,
    /// `argument`, `policy` or `operator_policy`.
    source: &'static str,
}

/// What holds for a queue or an exchange, by the names of policies.
pub(crate) fn sources(policies: &EffectivePolicies) -> BTreeMap<String, SourcedValue> {
    let sourced = policies.values.iter().map(|held| {
        let source = match held.source {
            PolicySource::Argument => "argument",
            PolicySource::Policy => "policy",
            PolicySource::OperatorPolicy => "operator_policy",
        };
        (held.key.clone(), SourcedValue { value: to_json(&held.value), source })
    });
    sourced.collect()
}

/// What would hold for a queue of some name.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Outlook {
    /// The policy that would hold for it.
    policy: Option<String>,
    /// The operator policy that would.
    operator_policy: Option<String>,
    /// What both say together.
    effective_policy_definition: Map<String, Value>,
    /// The same with the arguments, and who says what.
    effective_policy_sources: BTreeMap<String, SourcedValue>,
}

/// What would hold for a queue of this name, whether there is one or not.
pub(crate) async fn of_queue_named(call: Call) -> Answer {
    let virtual_host = call.virtual_host()?;
    let kind = call.query.get("type").unwrap_or("classic");
    let kind = QueueType::from_name(kind.as_bytes())
        .ok_or_else(|| Error::BadTerm("unknown_queue_type", kind.to_owned()))?;
    let arguments = match call.query.get("arguments") {
        None => FieldTable::default(),
        Some(text) => field_table::from_json(&json::object(text.as_bytes())?)?,
    };
    let policies = call.state.compiled_policies(virtual_host);
    let found = policies.of_queue(call.path("queue"), kind).of_queue(&arguments);
    one(
        &call,
        &Outlook {
            effective_policy_definition: definition(&found.definition),
            effective_policy_sources: sources(&found),
            policy: found.policy,
            operator_policy: found.operator_policy,
        },
    )
}

/// What policies say, as JSON.
pub(crate) fn definition(said: &Definition) -> Map<String, Value> {
    said.iter().map(|(key, value)| (key.clone(), to_json(value))).collect()
}

fn to_json(value: &PolicyValue) -> Value {
    match value {
        PolicyValue::Number(number) => (*number).into(),
        PolicyValue::Text(text) | PolicyValue::Other(text) => text.as_str().into(),
        PolicyValue::Flag(flag) => (*flag).into(),
        PolicyValue::List(values) => values.iter().map(to_json).collect(),
    }
}

async fn answer_list(call: Call, operator: bool) -> Answer {
    let one_host = call.one_virtual_host()?;
    let policies = call.state.policies(operator).filter(|policy| {
        one_host.is_none_or(|host| policy.virtual_host == host)
            && call.sees_virtual_host(&policy.virtual_host)
    });
    let objects =
        policies.filter_map(|policy| serde_json::to_value(PolicyObject::from(&**policy)).ok());
    let objects = objects.collect();
    list(&call, objects, &["vhost", "name"]).await
}

fn found(call: &Call, operator: bool) -> Result<&Policy, Error> {
    let policy = call.state.policy(call.virtual_host()?, call.path("name"), operator);
    policy.map(AsRef::as_ref).ok_or(Error::NoSuchObject)
}

async fn answer_put(mut call: Call, operator: bool) -> Answer {
    call.virtual_host_to_change()?;
    let body: PutPolicy = call.json().await?;
    let policy = body.policy(call.path("vhost"), call.path("name"), operator)?;
    answer::put(change(&call, Change::PutPolicy(policy)).await? == Done::Created)
}

async fn answer_delete(call: Call, operator: bool) -> Answer {
    let Policy { virtual_host, name, .. } = found(&call, operator)?.clone();
    change(&call, Change::DeletePolicy { virtual_host, name, operator }).await?;
    answer::done()
}

pub(crate) async fn all(call: Call) -> Answer {
    answer_list(call, false).await
}

pub(crate) async fn get(call: Call) -> Answer {
    one(&call, &PolicyObject::from(found(&call, false)?))
}

pub(crate) async fn put(call: Call) -> Answer {
    answer_put(call, false).await
}

pub(crate) async fn delete(call: Call) -> Answer {
    answer_delete(call, false).await
}

pub(crate) async fn all_of_operator(call: Call) -> Answer {
    answer_list(call, true).await
}

pub(crate) async fn get_of_operator(call: Call) -> Answer {
    one(&call, &PolicyObject::from(found(&call, true)?))
}

pub(crate) async fn put_of_operator(call: Call) -> Answer {
    answer_put(call, true).await
}

pub(crate) async fn delete_of_operator(call: Call) -> Answer {
    answer_delete(call, true).await
}
