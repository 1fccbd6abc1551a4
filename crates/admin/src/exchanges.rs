//! Exchanges.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use warren_engine::{Declaration, ExchangeType, Request};
use warren_server::view::{Clock, ExchangeView, Measured, Ranges};

use crate::answer::{self, Answer};
use crate::call::Call;
use crate::error::Error;
use crate::field_table::{self, short};
use crate::json::lenient;
use crate::list::{Entry, Key, Wishes, one};
use crate::samples::{self, Kind, numbers, ranges, ranges_of_one};
use crate::session::request;
use crate::totals::Totals;

/// An exchange, at one time.
#[derive(Debug)]
struct ExchangeEntry {
    exchange: Arc<ExchangeView>,
    clock: Clock,
}

/// An exchange.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ExchangeObject {
    /// Empty for the default exchange.
    name: String,
    vhost: String,
    #[serde(rename = "type")]
    kind: &'static str,
    durable: bool,
    auto_delete: bool,
    internal: bool,
    arguments: Map<String, Value>,
    /// The policy that holds for it.
    policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_stats: Option<Map<String, Value>>,
    /// Of a single exchange: channels that publish to it are not counted one by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    incoming: Option<Vec<Value>>,
    /// Of a single exchange: queues that its messages go to are not counted one by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    outgoing: Option<Vec<Value>>,
}

/// What an exchange is to be.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct PutExchange {
    /// `direct` if nothing is said.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// It survives a restart.
    #[serde(default, deserialize_with = "lenient::boolean")]
    durable: bool,
    /// It goes when its last binding goes.
    #[serde(default, deserialize_with = "lenient::boolean")]
    auto_delete: bool,
    /// Only other exchanges may give messages to it.
    #[serde(default, deserialize_with = "lenient::boolean")]
    internal: bool,
    /// `alternate-exchange` and others.
    #[serde(default, deserialize_with = "lenient::table")]
    #[schemars(with = "Map<String, Value>")]
    arguments: Map<String, Value>,
}

impl ExchangeEntry {
    fn object(&self, ranges: &Ranges, totals: Totals) -> ExchangeObject {
        let ExchangeView { virtual_host, record, .. } = &*self.exchange;
        ExchangeObject {
            name: record.name.clone(),
            vhost: virtual_host.to_string(),
            kind: record.kind.name(),
            durable: record.durable,
            auto_delete: record.auto_delete,
            internal: record.internal,
            arguments: field_table::to_json(&record.arguments),
            policy: self.exchange.policies.policy().map(str::to_owned),
            message_stats: totals
                .is_full()
                .then(|| numbers(&self.exchange.readings(self.clock, ranges), Kind::Messages)),
            incoming: None,
            outgoing: None,
        }
    }
}

impl Entry for ExchangeEntry {
    fn name(&self) -> &str {
        &self.exchange.record.name
    }

    fn key(&self, path: &[&str]) -> Key<'_> {
        let ExchangeView { virtual_host, record, .. } = &*self.exchange;
        match path {
            ["name"] => record.name.as_str().into(),
            ["vhost"] => Key::Text(virtual_host),
            ["type"] => record.kind.name().into(),
            ["durable"] => record.durable.into(),
            ["auto_delete"] => record.auto_delete.into(),
            ["internal"] => record.internal.into(),
            ["policy"] => self.exchange.policies.policy().into(),
            ["message_stats", rest @ ..] => {
                samples::key(&*self.exchange, self.clock, Kind::Messages, rest)
            }
            ["arguments", name] => field_table::key(&record.arguments, name),
            _ => Key::Missing,
        }
    }
}

pub(crate) async fn all(call: Call) -> Answer {
    let wishes = Wishes::read(&call.query, &["vhost", "name"])?;
    let (ranges, totals) = (ranges(&call.query)?, Totals::read(&call.query));
    let one_host = call.one_virtual_host()?;
    let listing = call.api.view().await.exchanges(one_host);
    let clock = listing.clock;
    let seen = listing.items.into_iter().filter(|it| call.sees_virtual_host(&it.virtual_host));
    let entries = seen.map(|exchange| ExchangeEntry { exchange, clock }).collect();
    wishes.answer(entries, move |entry: &ExchangeEntry| entry.object(&ranges, totals)).await
}

/// The exchange that the path names.
async fn found(call: &Call) -> Result<ExchangeEntry, Error> {
    let (virtual_host, name) = (call.virtual_host()?, call.exchange("exchange"));
    let found = call.api.view().await.exchange(virtual_host, name);
    let (clock, exchange) = found.ok_or(Error::NoSuchObject)?;
    Ok(ExchangeEntry { exchange, clock })
}

pub(crate) async fn get(call: Call) -> Answer {
    let (ranges, totals) = (ranges_of_one(&call.query)?, Totals::read(&call.query));
    let mut object = found(&call).await?.object(&ranges, totals);
    if totals.is_full() {
        (object.incoming, object.outgoing) = (Some(vec![]), Some(vec![]));
    }
    one(&call, &object)
}

pub(crate) async fn put(mut call: Call) -> Answer {
    let virtual_host = call.virtual_host_to_change()?.to_owned();
    let name = short("the name", call.exchange("exchange")).map_err(Error::BadRequest)?;
    let body: PutExchange = call.json().await?;
    let kind = body.kind.unwrap_or_else(|| ExchangeType::Direct.name().to_owned());
    let was_there = found(&call).await.is_ok();
    let PutExchange { durable, auto_delete, internal, arguments, .. } = body;
    let declaration = Declaration { durable, auto_delete, internal, ..Declaration::default() };
    let arguments = field_table::from_json(&arguments)?;
    let declare = Request::ExchangeDeclare { name, kind, declaration, arguments };
    request(&call, &virtual_host, declare).await?;
    answer::put(!was_there)
}

pub(crate) async fn delete(call: Call) -> Answer {
    let name = found(&call).await?.exchange.record.name.clone();
    let virtual_host = call.virtual_host()?.to_owned();
    let if_unused = call.query.is_true("if-unused");
    let delete = Request::ExchangeDelete { name, if_unused, no_wait: false };
    request(&call, &virtual_host, delete).await?;
    answer::done()
}
