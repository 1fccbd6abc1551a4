//! The broker at a glance.

use serde_json::{Map, Value, json};
use warren_engine::ExchangeType;
use warren_server::view::{
    HostView, Listing, Measured, ObjectTotals, Ranges, Reading, Totals as HostTotals,
};

use crate::answer::Answer;
use crate::api::Api;
use crate::authorize::monitors;
use crate::call::Call;
use crate::list::one;
use crate::samples::{Kind, numbers, ranges_of_one};
use crate::totals::Totals;

/// How long samples of the past are kept, in seconds.
const RETENTION: [u64; 4] = [600, 3600, 28_800, 86_400];

pub(crate) async fn get(call: Call) -> Answer {
    let ranges = ranges_of_one(&call.query)?;
    let totals = Totals::read(&call.query);
    let seen: Option<Vec<String>> = (!monitors(&call.identity)).then(|| {
        let hosts = call.state.virtual_hosts().filter(|host| call.sees_virtual_host(&host.name));
        hosts.map(|host| host.name.clone()).collect()
    });
    let view = call.api.view().await;
    let overview = view.overview();
    let (objects, readings) = match &seen {
        None => (overview.objects, overview.totals.readings(overview.clock, &ranges)),
        Some(seen) => part(&view.virtual_hosts(), seen, &ranges),
    };
    let identity = &call.api.management.config().identity;
    let node = call.api.node_name();
    let mut object = json!({
        "management_version": identity.version,
        "rabbitmq_version": identity.version,
        "product_name": "Warren",
        "product_version": env!("CARGO_PKG_VERSION"),
        "erlang_version": "none: Warren is written in Rust",
        "erlang_full_version": "none: Warren is written in Rust",
        "crypto_lib_version": "none",
        "release_series_support_status": "supported",
        "rates_mode": "basic",
        "sample_retention_policies": {
            "global": RETENTION,
            "basic": RETENTION,
            "detailed": [RETENTION[0]],
        },
        "exchange_types": exchange_types(),
        "cluster_name": call.api.cluster_name(&call.state),
        "cluster_tags": {},
        "node_tags": {},
        "disable_stats": false,
        "enable_queue_totals": false,
        "is_op_policy_updating_enabled": true,
        "default_queue_type": "classic",
        "statistics_db_event_queue": 0,
        "node": node,
        "object_totals": {
            "channels": objects.channels,
            "connections": objects.connections,
            "consumers": objects.consumers,
            "exchanges": objects.exchanges,
            "queues": objects.queues,
        },
    });
    if totals != Totals::Nothing {
        object["queue_totals"] = numbers(&readings, Kind::Lengths).into();
    }
    if totals.is_full() {
        let churn = overview.churn.readings(overview.clock, &ranges);
        object["message_stats"] = numbers(&readings, Kind::Messages).into();
        object["churn_rates"] = numbers(&churn, Kind::Churn).into();
    }
    if monitors(&call.identity) {
        object["listeners"] = listeners(&call.api, &node);
        object["contexts"] = contexts(&call.api, &node);
    }
    one(&call, &object)
}

/// The sum of those virtual hosts that somebody may see.
fn part(
    hosts: &Listing<HostView>,
    seen: &[String],
    ranges: &Ranges,
) -> (ObjectTotals, Vec<Reading>) {
    let mut objects = ObjectTotals::default();
    let mut sum: Vec<Reading> = HostTotals::default().readings(hosts.clock, ranges);
    for host in hosts.items.iter().filter(|host| seen.iter().any(|name| **name == *host.name)) {
        objects += host.objects;
        let readings = host.totals.readings(hosts.clock, ranges);
        sum.iter_mut().zip(&readings).for_each(|(sum, reading)| add(sum, reading));
    }
    (objects, sum)
}

/// Adds a number to another one, which is measured at the same times.
fn add(sum: &mut Reading, other: &Reading) {
    sum.total += other.total;
    sum.rate += other.rate;
    if let (Some(sum), Some(other)) = (&mut sum.samples, &other.samples) {
        sum.average += other.average;
        sum.average_rate += other.average_rate;
        let samples = sum.samples.iter_mut().zip(&other.samples);
        samples.for_each(|(sum, other)| sum.sample += other.sample);
    }
}

/// The exchange types there are, each with what it does.
pub(crate) fn exchange_types() -> Value {
    let types = [
        (ExchangeType::Direct, "Routes by equality of routing key and binding key"),
        (ExchangeType::Fanout, "Routes to everything bound"),
        (ExchangeType::Topic, "Routes by patterns of words"),
        (ExchangeType::Headers, "Routes by the message's headers"),
        (ExchangeType::ConsistentHash, "Routes to one of what is bound, by a hash"),
        (ExchangeType::ModulusHash, "Routes to one of what is bound, by the remainder of a hash"),
        (ExchangeType::Random, "Routes to one of what is bound, by chance"),
        (ExchangeType::LocalRandom, "Routes to one of what is bound, by chance"),
        (ExchangeType::RecentHistory, "Gives the last messages to what is newly bound"),
        (ExchangeType::Delayed, "Routes as another type; messages may ask for a delay"),
        (ExchangeType::VirtualTopic, "Routes by patterns of words, to each group once"),
    ];
    types
        .iter()
        .map(|(kind, text)| json!({"name": kind.name(), "description": text, "enabled": true}))
        .collect()
}

fn listeners(api: &Api, node: &str) -> Value {
    let listeners = api.listeners();
    let object = listeners.iter().map(|listener| {
        json!({
            "node": node,
            "protocol": listener.protocol,
            "ip_address": listener.address.ip().to_string(),
            "port": listener.address.port(),
            "tls": listener.tls,
            "socket_opts": {"nodelay": true},
        })
    });
    object.collect()
}

/// What HTTP serves.
pub(crate) fn contexts(api: &Api, node: &str) -> Value {
    json!([{
        "node": node,
        "description": "Warren management",
        "path": "/",
        "ip": api.http_address.ip().to_string(),
        "port": api.http_address.port().to_string(),
        "ssl_opts": [],
    }])
}

/// What a map of numbers adds to an object.
pub(crate) fn extend(object: &mut Value, numbers: Map<String, Value>) {
    if let Value::Object(object) = object {
        object.extend(numbers);
    }
}
