//! Bindings, each with the key that names it in paths.

mod key;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use warren_engine::{BindingRecord, Destination, Request};
use warren_server::view::BindingView;

use crate::answer::{self, Answer};
use crate::call::Call;
use crate::error::Error;
use crate::json::{self, lenient};
use crate::list::{Entry, Key, Wishes, one};
use crate::session::request;
use crate::{field_table, limits};

/// A binding.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct BindingObject {
    /// Empty for the default exchange.
    source: String,
    vhost: String,
    destination: String,
    /// `queue` or `exchange`.
    destination_type: &'static str,
    routing_key: String,
    arguments: Map<String, Value>,
    /// What names it among those between the same two; one more escape is due in a path.
    properties_key: String,
}

/// What a binding is to be.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub(crate) struct PostBinding {
    /// Empty if nothing is said.
    #[serde(default)]
    routing_key: Option<String>,
    /// The arguments.
    #[serde(default, deserialize_with = "lenient::table")]
    #[schemars(with = "Map<String, Value>")]
    arguments: Map<String, Value>,
}

/// A binding, explicit or that of a queue to the default exchange.
#[derive(Debug)]
struct BindingEntry(Arc<BindingView>);

fn ends(destination: &Destination) -> (&str, &'static str) {
    match destination {
        Destination::Queue(name) => (name, "queue"),
        Destination::Exchange(name) => (name, "exchange"),
    }
}

impl BindingEntry {
    fn object(&self) -> BindingObject {
        let BindingView { virtual_host, record } = &*self.0;
        let (destination, destination_type) = ends(&record.destination);
        BindingObject {
            source: record.source.clone(),
            vhost: virtual_host.to_string(),
            destination: destination.to_owned(),
            destination_type,
            routing_key: record.routing_key.clone(),
            arguments: field_table::to_json(&record.arguments),
            properties_key: key::of(record),
        }
    }
}

impl Entry for BindingEntry {
    fn name(&self) -> &str {
        &self.0.record.source
    }

    fn key(&self, path: &[&str]) -> Key<'_> {
        let BindingView { virtual_host, record } = &*self.0;
        match path {
            ["source"] => record.source.as_str().into(),
            ["vhost"] => Key::Text(virtual_host),
            ["destination"] => ends(&record.destination).0.into(),
            ["destination_type"] => ends(&record.destination).1.into(),
            ["routing_key"] => record.routing_key.as_str().into(),
            ["arguments", name] => field_table::key(&record.arguments, name),
            _ => Key::Missing,
        }
    }
}

/// All bindings of a virtual host or of all, those of queues to the default exchange among them.
async fn listing(call: &Call, one_host: Option<&str>) -> Vec<BindingEntry> {
    let view = call.api.management.view();
    let queues = view.queues(one_host).await;
    let by_default = queues.items.iter().map(|queue| {
        let name = &queue.description.record.name;
        Arc::new(BindingView {
            virtual_host: Arc::clone(&queue.virtual_host),
            record: BindingRecord {
                source: String::new(),
                destination: Destination::Queue(name.clone()),
                routing_key: name.clone(),
                arguments: warren_amqp::FieldTable::default(),
            },
        })
    });
    let explicit = view.bindings(one_host).await.items;
    by_default.chain(explicit).map(BindingEntry).collect()
}

async fn answer_those(
    call: &Call,
    one_host: Option<&str>,
    wanted: impl Fn(&BindingRecord) -> bool,
) -> Answer {
    let usual = ["vhost", "source", "destination_type", "destination", "routing_key"];
    let wishes = Wishes::read(&call.query, &usual)?;
    let mut bindings = listing(call, one_host).await;
    bindings.retain(|it| call.sees_virtual_host(&it.0.virtual_host) && wanted(&it.0.record));
    wishes.answer(bindings, BindingEntry::object).await
}

pub(crate) async fn all(call: Call) -> Answer {
    answer_those(&call, call.one_virtual_host()?, |_| true).await
}

pub(crate) async fn of_queue(call: Call) -> Answer {
    let (virtual_host, name) = (call.virtual_host()?, call.path("queue"));
    if call.api.management.view().queue(virtual_host, name).await.is_none() {
        return Err(Error::NoSuchObject);
    }
    let here = |it: &BindingRecord| matches!(&it.destination, Destination::Queue(q) if q == name);
    answer_those(&call, Some(virtual_host), here).await
}

pub(crate) async fn from_exchange(call: Call) -> Answer {
    let (virtual_host, name) = (call.virtual_host()?, call.exchange("exchange"));
    answer_those(&call, Some(virtual_host), |it| it.source == name).await
}

pub(crate) async fn to_exchange(call: Call) -> Answer {
    let (virtual_host, name) = (call.virtual_host()?, call.exchange("exchange"));
    let here =
        |it: &BindingRecord| matches!(&it.destination, Destination::Exchange(x) if x == name);
    answer_those(&call, Some(virtual_host), here).await
}

/// The two ends that the path names.
fn between_ends(call: &Call) -> Result<(String, Destination), Error> {
    let source = call.exchange("source").to_owned();
    let destination = match call.path("kind") {
        "q" => Destination::Queue(call.path("destination").to_owned()),
        "e" => Destination::Exchange(call.exchange("destination").to_owned()),
        _ => return Err(Error::NoSuchObject),
    };
    Ok((source, destination))
}

pub(crate) async fn between(call: Call) -> Answer {
    let virtual_host = call.virtual_host()?;
    let (source, destination) = between_ends(&call)?;
    let here = |it: &BindingRecord| it.source == source && it.destination == destination;
    answer_those(&call, Some(virtual_host), here).await
}

pub(crate) async fn post(mut call: Call) -> Answer {
    let virtual_host = call.virtual_host_to_change()?.to_owned();
    let (source, destination) = between_ends(&call)?;
    let bytes = call.bytes_up_to(limits::BINDING_BYTES).await?;
    let PostBinding { routing_key, arguments } = json::typed(json::object(&bytes)?)?;
    let routing_key = routing_key.unwrap_or_default();
    if routing_key.len() > usize::from(u8::MAX) {
        return Err(Error::bad_request("routing_key: is longer than 255 bytes"));
    }
    let arguments = field_table::from_json(&arguments)?;
    let record = BindingRecord { source, destination, routing_key, arguments };
    let key = key::of(&record);
    let BindingRecord { source, destination, routing_key, arguments } = record;
    let bind = Request::Bind { source, destination, routing_key, arguments, no_wait: false };
    request(&call, &virtual_host, bind).await?;
    // As seen from the request's own path, whose last part is the destination.
    let here = call.uri.path().trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    answer::created(&format!("{here}/{}", key::escaped(&key)))
}

/// The binding that the path names.
async fn found(call: &Call) -> Result<BindingEntry, Error> {
    let virtual_host = call.virtual_host()?;
    let (source, destination) = between_ends(call)?;
    let wanted = key::parse(call.path("properties")).ok_or(Error::NoSuchObject)?;
    let bindings = listing(call, Some(virtual_host)).await;
    let mut between = bindings.into_iter().filter(|BindingEntry(it)| {
        it.record.source == source && it.record.destination == destination
    });
    between.find(|it| wanted.is_of(&it.0.record)).ok_or(Error::NoSuchObject)
}

pub(crate) async fn get(call: Call) -> Answer {
    one(&call, &found(&call).await?.object())
}

pub(crate) async fn delete(call: Call) -> Answer {
    let BindingEntry(binding) = found(&call).await?;
    let virtual_host = call.virtual_host()?.to_owned();
    let BindingRecord { source, destination, routing_key, arguments } = binding.record.clone();
    let unbind = Request::Unbind { source, destination, routing_key, arguments, no_wait: false };
    request(&call, &virtual_host, unbind).await?;
    answer::done()
}
