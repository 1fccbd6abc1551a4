//! Exchanges, queues and bindings of a definitions file: declared by sessions of the broker's own, many
//! at a time, so that one sync of the disk serves many of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::JoinSet;
use warren_amqp::{FieldTable, FieldValue, ReplyCode};
use warren_engine::{Declaration, Destination, Request};
use warren_server::{Client, ClientError, Management, reply_code};

use super::file::{Binding, Exchange, Queue};
use super::report::{Outcome, Report};
use crate::{field_table, limits};

/// Something to declare.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    /// Where.
    pub(crate) virtual_host: String,
    /// For the report.
    pub(crate) name: String,
    /// What.
    pub(crate) request: Request,
}

/// An exchange as something to declare, or why it is passed over or refused.
pub(crate) fn exchange(virtual_host: &str, exchange: Exchange) -> Result<Item, Outcome> {
    let Exchange { name, kind, durable, auto_delete, internal, arguments } = exchange;
    if name.is_empty() || name.starts_with("amq.") {
        return Err(Outcome::Skipped("the broker makes it itself".to_owned()));
    }
    let declaration = Declaration { durable, auto_delete, internal, ..Declaration::default() };
    let arguments = table(&arguments)?;
    let request = Request::ExchangeDeclare { name: name.clone(), kind, declaration, arguments };
    Ok(Item { virtual_host: virtual_host.to_owned(), name, request })
}

/// A queue as something to declare, or why it is passed over or refused.
pub(crate) fn queue(virtual_host: &str, queue: Queue) -> Result<Item, Outcome> {
    let Queue { name, durable, auto_delete, arguments, kind } = queue;
    if name.is_empty() {
        return Err(Outcome::Failed("name: is empty".to_owned()));
    }
    if name.starts_with("amq.") {
        return Err(Outcome::Skipped("a name that begins with amq. is reserved".to_owned()));
    }
    let declaration = Declaration { durable, auto_delete, ..Declaration::default() };
    let mut arguments = table(&arguments)?;
    if let Some(kind) = kind.filter(|kind| kind != "classic")
        && !arguments.inner().contains_key("x-queue-type")
    {
        arguments.insert("x-queue-type".into(), FieldValue::LongString(kind.into()));
    }
    let (generated, shown) = (false, name.clone());
    let request = Request::QueueDeclare { name, generated, declaration, arguments };
    Ok(Item { virtual_host: virtual_host.to_owned(), name: shown, request })
}

/// A binding as something to bind, or why it is passed over or refused.
pub(crate) fn binding(virtual_host: &str, binding: Binding) -> Result<Item, Outcome> {
    let Binding { source, destination, destination_type, routing_key, arguments } = binding;
    let name = format!("{source} -> {destination_type} {destination} ({routing_key})");
    if source.is_empty() {
        return Err(Outcome::Skipped("every queue is bound to the default exchange".to_owned()));
    }
    let destination = match destination_type.as_str() {
        "queue" => Destination::Queue(destination),
        "exchange" => Destination::Exchange(destination),
        other => {
            let reason = format!("destination_type: {other} is neither queue nor exchange");
            return Err(Outcome::Failed(reason));
        }
    };
    let (arguments, no_wait) = (table(&arguments)?, false);
    let request = Request::Bind { source, destination, routing_key, arguments, no_wait };
    Ok(Item { virtual_host: virtual_host.to_owned(), name, request })
}

fn table(arguments: &serde_json::Map<String, serde_json::Value>) -> Result<FieldTable, Outcome> {
    field_table::from_json(arguments).map_err(|error| Outcome::Failed(error.to_string()))
}

/// Declares all of these. Objects of which some are there already, `known` says it.
pub(crate) async fn declare(
    management: &Management,
    category: &'static str,
    items: Vec<Item>,
    known: impl Fn(&Item) -> bool,
    report: &mut Report,
) {
    let mut by_host: BTreeMap<String, Vec<(Item, bool)>> = BTreeMap::new();
    for item in items {
        let is_there = known(&item);
        by_host.entry(item.virtual_host.clone()).or_default().push((item, is_there));
    }
    for (virtual_host, items) in by_host {
        let virtual_host: Arc<str> = virtual_host.into();
        let size = items.len().div_ceil(limits::IMPORT_SESSIONS).max(1);
        let mut sessions = JoinSet::new();
        let mut items = items.into_iter();
        for number in 0.. {
            let part: Vec<_> = items.by_ref().take(size).collect();
            if part.is_empty() {
                break;
            }
            let (management, virtual_host) = (management.clone(), Arc::clone(&virtual_host));
            sessions.spawn(async move {
                (number, declare_part(&management, &virtual_host, part).await)
            });
        }
        let mut parts = sessions.join_all().await;
        parts.sort_by_key(|(number, _)| *number);
        for (name, outcome) in parts.into_iter().flat_map(|(_, outcomes)| outcomes) {
            report.add(category, Some(&virtual_host), name, outcome);
        }
    }
}

async fn declare_part(
    management: &Management,
    virtual_host: &str,
    items: Vec<(Item, bool)>,
) -> Vec<(String, Outcome)> {
    let mut outcomes = vec![];
    let mut client = match management.open_trusted(virtual_host).await {
        Ok(client) => client,
        Err(error) => {
            let failed = |(item, _): (Item, bool)| (item.name, Outcome::Failed(error.to_string()));
            return items.into_iter().map(failed).collect();
        }
    };
    for (item, is_there) in items {
        let outcome = outcome(&mut client, item.request, is_there).await;
        outcomes.push((item.name, outcome));
    }
    client.close().await;
    outcomes
}

async fn outcome(client: &mut Client, request: Request, is_there: bool) -> Outcome {
    match client.request(request).await {
        Ok(_) if is_there => Outcome::Unchanged,
        Ok(_) => Outcome::Created,
        // It cannot change any more, and is left as it is.
        Err(ClientError::Refused(refusal))
            if is_there && reply_code(&refusal) == ReplyCode::PreconditionFailed =>
        {
            Outcome::Kept(refusal.to_string())
        }
        Err(error) => Outcome::Failed(error.to_string()),
    }
}
