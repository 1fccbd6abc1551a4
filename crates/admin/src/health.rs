//! Health checks: 200 if all is well, 503 with the reason if not.

use serde_json::json;

use crate::answer::{self, Answer};
use crate::api::Api;
use crate::call::Call;
use crate::error::Error;
use crate::session;

fn well() -> Answer {
    answer::ok(&json!({"status": "ok"}))
}

/// No alarm is on.
pub(crate) async fn alarms(call: Call) -> Answer {
    let node = call.api.management.node();
    let resources = [(node.memory_alarm, "memory"), (node.disk_free_alarm, "disk")];
    let name = call.api.node_name();
    let alarms: Vec<_> = resources
        .into_iter()
        .filter(|(is_on, _)| *is_on)
        .map(|(_, resource)| json!({"node": name, "resource": resource}))
        .collect();
    if alarms.is_empty() {
        return well();
    }
    let reason = "There are alarms in effect in the cluster";
    Err(Error::Unhealthy(json!({"status": "failed", "reason": reason, "alarms": alarms})))
}

/// The broker has not failed, and answers.
pub(crate) async fn in_service(call: Call) -> Answer {
    match call.api.management.status().failure() {
        None => well(),
        Some(reason) => Err(Error::Unhealthy(json!({"status": "failed", "reason": reason}))),
    }
}

/// There is room for more connections.
pub(crate) async fn below_connection_limit(call: Call) -> Answer {
    let current = call.api.management.connections().len();
    match call.api.management.config().limits.connections {
        Some(limit) if current >= limit => Err(Error::Unhealthy(json!({
            "status": "failed",
            "reason": "node connection limit is reached",
            "connections": current,
            "limit": limit,
        }))),
        limit => {
            let limit = limit.map_or_else(|| json!("infinity"), |limit| json!(limit));
            answer::ok(&json!({"status": "ok", "connections": current, "limit": limit}))
        }
    }
}

/// Clients can be served: the broker has not failed, and there is room for connections.
pub(crate) async fn ready_for_clients(call: Call) -> Answer {
    if let Some(reason) = call.api.management.status().failure() {
        return Err(Error::Unhealthy(json!({"status": "failed", "reason": reason})));
    }
    below_connection_limit(call).await
}

/// All virtual hosts are up: a shard answers for each.
pub(crate) async fn virtual_hosts(call: Call) -> Answer {
    let running: Vec<_> = call.api.management.status().summary().await;
    let missing: Vec<_> = call
        .state
        .virtual_hosts()
        .filter(|host| !running.iter().any(|it| it.name == host.name))
        .map(|host| host.name.clone())
        .collect();
    if missing.is_empty() {
        return well();
    }
    let reason = "Some virtual hosts are down";
    Err(Error::Unhealthy(json!({"status": "failed", "reason": reason, "virtual-hosts": missing})))
}

/// Something listens on a port.
pub(crate) async fn port(call: Call) -> Answer {
    let Ok(port) = call.path("port").parse::<u16>() else {
        return Err(Error::bad_request("Invalid port"));
    };
    let ports: Vec<u16> =
        call.api.listeners().iter().map(|listener| listener.address.port()).collect();
    if ports.contains(&port) {
        return answer::ok(&json!({"status": "ok", "port": port}));
    }
    Err(Error::Unhealthy(json!({
        "status": "failed",
        "reason": "No active listener",
        "missing": port,
        "ports": ports,
    })))
}

/// Something speaks each of these protocols, which have commas between them.
pub(crate) async fn protocol(call: Call) -> Answer {
    let wanted = call.path("protocol");
    let listeners = call.api.listeners();
    let protocols: Vec<&str> = listeners.iter().map(|listener| listener.protocol).collect();
    let missing: Vec<_> = wanted
        .split(',')
        .filter(|name| {
            let name = protocol_name(name);
            !protocols.iter().any(|protocol| *protocol == name)
        })
        .collect();
    if missing.is_empty() {
        return answer::ok(&json!({"status": "ok", "protocol": wanted}));
    }
    Err(Error::Unhealthy(json!({
        "status": "failed",
        "reason": "No active listener",
        // One is told by itself, as RabbitMQ 3 does; clients expect that.
        "missing": if let [one] = missing.as_slice() { json!(one) } else { json!(missing) },
        "protocols": protocols,
    })))
}

/// A protocol by the name that listeners have.
fn protocol_name(name: &str) -> String {
    match name.trim().to_ascii_lowercase().as_str() {
        "amqp091" | "amqp0.9.1" | "amqp0-9-1" => "amqp".to_owned(),
        "amqps" | "amqp-tls" => "amqp/ssl".to_owned(),
        name => name.to_owned(),
    }
}

/// No certificate of a listener expires within a time.
pub(crate) async fn certificates(call: Call) -> Answer {
    if call.path("within").parse::<u32>().is_err() {
        return Err(Error::bad_request("Invalid expiration value."));
    }
    if !["days", "weeks", "months", "years"].contains(&call.path("unit")) {
        return Err(Error::bad_request(
            "Time unit not recognised. Supported units: days, weeks, months, years.",
        ));
    }
    // A listener without TLS has no certificate, and there are no others.
    if call.api.listeners().iter().any(|listener| listener.tls) {
        return Err(Error::Internal("the certificate of a listener is not known".to_owned()));
    }
    well()
}

/// Queues would have a majority without this node: there is no other one.
pub(crate) async fn single_node(_call: Call) -> Answer {
    answer::ok(&json!({"status": "ok", "reason": "single node cluster"}))
}

/// The cluster has as many nodes as it should: one.
pub(crate) async fn cluster_size(_call: Call) -> Answer {
    well()
}

/// The definitions can be read and say something.
pub(crate) async fn definitions(call: Call) -> Answer {
    if call.state.is_blank() {
        let reason = "there are no virtual hosts and no users";
        return Err(Error::Unhealthy(json!({"status": "failed", "reason": reason})));
    }
    well()
}

/// The old check of a node: the broker has not failed, and no alarm is on.
pub(crate) async fn node(call: Call) -> Answer {
    call.api.check_node(call.path("node"))?;
    let node = call.api.management.node();
    let reason = call.api.management.status().failure().or_else(|| {
        let alarm = node.memory_alarm || node.disk_free_alarm;
        alarm.then(|| "resource alarm(s) in effect".to_owned())
    });
    match reason {
        None => well(),
        Some(reason) => answer::ok(&json!({"status": "failed", "reason": reason})),
    }
}

/// A message goes through a virtual host: declared, published, fetched.
pub(crate) async fn aliveness(call: Call) -> Answer {
    let virtual_host = call.virtual_host()?.to_owned();
    session::aliveness(&call, &virtual_host).await?;
    well()
}

impl Api {
    /// Refuses a node that is another one than this. No name means this one.
    pub(crate) fn check_node(&self, name: &str) -> Result<(), Error> {
        if name.is_empty() || name == self.node_name() {
            return Ok(());
        }
        Err(Error::NoSuchObject)
    }
}
