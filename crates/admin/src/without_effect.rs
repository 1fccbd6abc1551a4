//! Arguments of clients and settings of policies that are taken and mean nothing here.

use schemars::JsonSchema;
use serde::Serialize;

use crate::answer::{self, Answer};
use crate::call::Call;

/// An argument or a setting, in a virtual host.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct WithoutEffect {
    vhost: String,
    argument: &'static str,
    /// How often it was sent since the start; of a setting, how many policies have it.
    count: u64,
}

/// `GET /api/arguments-without-effect`.
pub(crate) async fn get(call: Call) -> Answer {
    let hosts = call.api.management.status().summary().await;
    let all = hosts.into_iter().flat_map(|host| {
        let vhost = host.name;
        host.without_effect.into_iter().map(move |(argument, count)| WithoutEffect {
            vhost: vhost.clone(),
            argument,
            count,
        })
    });
    answer::ok(&all.collect::<Vec<_>>())
}
