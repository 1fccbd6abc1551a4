//! What needs somebody's attention: what is stuck, grows without an end, gets lost or is about to be
//! refused, the worst first. The console shows it in front of all else; scripts can ask for it.

mod findings;
mod queues;

use std::cmp::Reverse;

use findings::{Finding, Kind};

use crate::answer::{self, Answer};
use crate::authorize::monitors;
use crate::call::Call;
use crate::limits;
use schemars::JsonSchema;
use serde::Serialize;
use warren_server::view::{ExchangeView, Measured, Ranges, Series};

/// All that was found.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Attention {
    /// The worst first; some of each kind.
    findings: Vec<Finding>,
    /// How many more there are that are not in the list.
    left_out: usize,
}

/// `GET /api/attention`.
pub(crate) async fn get(call: Call) -> Answer {
    let view = call.api.view().await;
    let mut all = vec![];
    if monitors(&call.identity) {
        all.extend(of_the_node(&call));
    }
    let one_host = call.one_virtual_host()?;
    // All that can be wrong with a queue is about messages.
    let listing = view.queues_holding(one_host);
    let clock = listing.clock;
    let seen = listing.items.into_iter().filter(|it| call.sees_virtual_host(&it.virtual_host));
    let seen: Vec<_> = seen.collect();
    let host = one_host.map(str::to_owned);
    let work = move || queues::look(&view, clock, &seen, host.as_deref());
    let found = match tokio::task::spawn_blocking(work).await {
        Ok(found) => found,
        Err(error) => return Err(crate::error::Error::Internal(error.to_string())),
    };
    let queues::Found { findings, unsettled } = found;
    all.extend(findings);
    all.extend(queues::unacknowledged(&call, unsettled).await);
    all.extend(unroutable(&call, one_host).await);
    answer::ok(&sorted(all))
}

/// The worst first, and of each kind no more than can be read.
fn sorted(mut all: Vec<Finding>) -> Attention {
    all.sort_by_key(|finding| (finding.kind, Reverse(finding.messages)));
    let count = all.len();
    let mut of_kind = (None, 0);
    all.retain(|finding| {
        of_kind = if of_kind.0 == Some(finding.kind) {
            (of_kind.0, of_kind.1 + 1)
        } else {
            (Some(finding.kind), 1)
        };
        of_kind.1 <= limits::FINDINGS_OF_A_KIND
    });
    let left_out = count - all.len();
    Attention { findings: all, left_out }
}

fn of_the_node(call: &Call) -> Vec<Finding> {
    let management = &call.api.management;
    let mut found = vec![];
    if let Some(reason) = management.status().failure() {
        let reason = format!("The broker has failed and stops: {reason}");
        found.push(Finding::of_the_broker(Kind::Failure, reason));
    }
    let node = management.node();
    let memory = node.memory_used.unwrap_or(0);
    if node.memory_alarm {
        let reason = "Publishers are blocked: the broker takes more memory than it may.";
        found.push(Finding::of_the_broker(Kind::Alarm, reason.to_owned()));
    } else if node.memory_limit > 0 && memory > node.memory_limit / 10 * 9 {
        let reason = "Memory is nearly used up: soon publishers will be blocked.";
        found.push(Finding::of_the_broker(Kind::NearLimit, reason.to_owned()));
    }
    let free = node.disk_free.unwrap_or(u64::MAX);
    if node.disk_free_alarm {
        let reason = "Publishers are blocked: the disk has less free space than it must have.";
        found.push(Finding::of_the_broker(Kind::Alarm, reason.to_owned()));
    } else if free < node.disk_free_limit.saturating_mul(2) {
        let reason = "The disk is nearly full: soon publishers will be blocked.";
        found.push(Finding::of_the_broker(Kind::NearLimit, reason.to_owned()));
    }
    let overview = management.view().overview();
    let opened = overview.churn.rate(Series::ConnectionCreated, overview.clock).unwrap_or(0.0);
    if opened > limits::CONNECTIONS_OPENED_A_SECOND {
        let reason = format!(
            "{opened:.0} connections a second are opened. Clients work best when they keep one open."
        );
        found.push(Finding::of_the_broker(Kind::Churn, reason));
    }
    found
}

/// Exchanges whose messages went nowhere of late.
async fn unroutable(call: &Call, one_host: Option<&str>) -> Vec<Finding> {
    let view = call.api.management.view();
    let hosts = view.virtual_hosts();
    let lost = |name: &str| {
        let host = hosts.items.iter().find(|host| *host.name == *name);
        let readings = host.map(|host| host.totals.readings(hosts.clock, &Ranges::default()));
        let nowhere = [Series::DropUnroutable, Series::ReturnUnroutable];
        readings.into_iter().flatten().any(|it| nowhere.contains(&it.series) && it.total > 0)
    };
    let exchanges = view.exchanges(one_host);
    let since = exchanges.clock.now.saturating_sub(limits::UNROUTABLE_RECENT_MS);
    let mut used: Vec<_> = exchanges
        .items
        .iter()
        .filter(|it| it.counters.publish_in > 0 && lost(&it.virtual_host))
        .filter(|it| call.sees_virtual_host(&it.virtual_host))
        .collect();
    used.sort_by_key(|exchange| Reverse(exchange.counters.publish_in));
    let mut found = vec![];
    for exchange in used.into_iter().take(limits::UNROUTABLE_ASKED) {
        let ExchangeView { virtual_host, record, .. } = &**exchange;
        let asked = call.api.management.unroutable(virtual_host, &record.name).await;
        let Ok((count, last)) = asked else { continue };
        let Some(last) = last.first().filter(|last| last.time >= since) else { continue };
        let reason = format!(
            "{} found no queue since the start, the last one with the routing key {:?}.",
            queues::messages(count),
            last.routing_key
        );
        let host = virtual_host.to_string();
        let name = record.name.clone();
        found.push(Finding::of_exchange(Kind::Unroutable, host, name, reason, count));
    }
    found
}
