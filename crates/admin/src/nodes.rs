//! The node.

use serde_json::{Value, json};
use warren_server::config::Mechanism;
use warren_server::view::Measured;

use crate::answer::{self, Answer};
use crate::call::Call;
use crate::list::{list, one};
use crate::overview::{contexts, exchange_types, extend};
use crate::samples::{Kind, numbers, ranges};

pub(crate) async fn all(call: Call) -> Answer {
    let node = object(&call).await?;
    list(&call, vec![node], &["name"]).await
}

pub(crate) async fn get(call: Call) -> Answer {
    call.api.check_node(call.path("node"))?;
    let node = object(&call).await?;
    one(&call, &node)
}

async fn object(call: &Call) -> Result<Value, crate::error::Error> {
    let ranges = ranges(&call.query)?;
    let name = call.api.node_name();
    let facts = call.api.management.node();
    let config = call.api.management.config();
    let identity = &config.identity;
    let overview = call.api.view().await.overview();
    let mut object = json!({
        "name": name,
        "type": "disc",
        "running": true,
        "being_drained": false,
        "os_pid": facts.process_id.to_string(),
        "uptime": facts.uptime_ms,
        "processors": facts.processors,
        "run_queue": 0,
        "rates_mode": "basic",
        "rabbitmq_version": identity.version,
        "product_name": "Warren",
        "product_version": env!("CARGO_PKG_VERSION"),
        "erlang_version": "none: Warren is written in Rust",
        "mem_calculation_strategy": "rss",
        "mem_used": facts.memory_used.unwrap_or_default(),
        "mem_limit": facts.memory_limit,
        "mem_alarm": facts.memory_alarm,
        "disk_free": facts.disk_free.unwrap_or_default(),
        "disk_free_limit": facts.disk_free_limit,
        "disk_free_alarm": facts.disk_free_alarm,
        "fd_used": facts.files_used.unwrap_or_default(),
        "fd_total": facts.files_total.unwrap_or_default(),
        "sockets_total": facts.files_total.unwrap_or_default(),
        "proc_used": facts.threads_used.unwrap_or_default(),
        "proc_total": facts.threads_total.unwrap_or_default(),
        "net_ticktime": 0,
        "partitions": [],
        "cluster_links": [],
        "enabled_plugins": [],
        "applications": [{
            "name": "warren",
            "description": "Warren",
            "version": env!("CARGO_PKG_VERSION"),
        }],
        "auth_mechanisms": mechanisms(&config.auth_mechanisms),
        "exchange_types": exchange_types(),
        "contexts": contexts(&call.api, &name),
        "db_dir": config.data_dir.display().to_string(),
        "config_files": [],
        "log_files": [],
        "metrics_gc_queue_length": {},
    });
    let readings = overview.node.readings(overview.clock, &ranges);
    extend(&mut object, numbers(&readings, Kind::Node));
    Ok(object)
}

fn mechanisms(enabled: &[Mechanism]) -> Value {
    let all = [
        (Mechanism::Plain, "User and password"),
        (Mechanism::AmqPlain, "User and password in a table"),
        (Mechanism::Anonymous, "Neither"),
    ];
    let object = all.iter().map(|(mechanism, description)| {
        let enabled = enabled.contains(mechanism);
        json!({"name": mechanism.name(), "description": description, "enabled": enabled})
    });
    object.collect()
}

/// Where memory is. The allocator does not tell whose it is.
pub(crate) async fn memory(call: Call) -> Answer {
    call.api.check_node(call.path("node"))?;
    answer::ok(&json!({"memory": "not_available"}))
}
