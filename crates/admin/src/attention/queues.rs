//! Queues that need attention.

use std::cell::LazyCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use warren_engine::QueueType;
use warren_server::view::{Clock, Measured, QueueView, Series, View};

use super::findings::{Finding, Kind};
use crate::call::Call;
use crate::field_table;
use crate::limits;
use crate::list::Key;

/// What a look at all queues finds.
pub(super) struct Found {
    pub(super) findings: Vec<Finding>,
    /// Queues with deliveries that nobody acknowledges: how old they are has to be asked for.
    pub(super) unsettled: Vec<Arc<QueueView>>,
}

/// Looks at queues, which are of one virtual host if one is given.
pub(super) fn look(
    view: &View,
    clock: Clock,
    queues: &[Arc<QueueView>],
    one_host: Option<&str>,
) -> Found {
    // This takes a look at every queue that there is, which is not always needed.
    let dead_letter_queues = LazyCell::new(|| dead_letter_queues(view, one_host));
    let mut findings = vec![];
    let mut unsettled: Vec<Arc<QueueView>> = vec![];
    // What somebody purged waits in a queue of its own for a while, so that it can be brought back.
    let others = queues.iter().filter(|queue| !queue.name().starts_with(limits::TRASH_PREFIX));
    for queue in others {
        let counts = queue.counts();
        if counts.losses.lost > 0 {
            let reason =
                format!("{} could not be read back from disk.", messages(counts.losses.lost));
            findings.push(finding(Kind::Lost, queue, reason, counts.losses.lost));
        }
        if counts.unacknowledged.messages > 0 && rate(queue, Series::Ack, clock) == 0.0 {
            unsettled.push(Arc::clone(queue));
        }
        if counts.ready.messages > 0 && queue.description.kind != QueueType::Stream {
            findings.extend(waiting(queue, clock, |queue| dead_letter_queues.contains(queue)));
        }
    }
    unsettled.sort_by_key(|queue| std::cmp::Reverse(queue.counts().unacknowledged.messages));
    unsettled.truncate(limits::FINDINGS_OF_A_KIND);
    Found { findings, unsettled }
}

/// What is wrong with a queue in which messages wait, if something is.
fn waiting(
    queue: &QueueView,
    clock: Clock,
    dead_letter_queues: impl FnOnce(&(String, String)) -> bool,
) -> Option<Finding> {
    let counts = queue.counts();
    let ready = counts.ready.messages;
    let holds = messages(ready);
    let is_changing = clock.now.saturating_sub(queue.changed_at) < limits::GROWING_RECENT_MS;
    let published = rate(queue, Series::Publish, clock);
    if queue.description.record.paused {
        let reason = format!("It is paused, and holds {holds}.");
        return Some(finding(Kind::Paused, queue, reason, ready));
    }
    if counts.consumers > 0 {
        let taken = rate(queue, Series::Ack, clock) + rate(queue, Series::DeliverNoAck, clock);
        let is_stuck = queue.consumer_capacity(clock) < limits::STUCK_CAPACITY && taken == 0.0;
        let held = counts.unacknowledged.messages;
        let reason = if held > 0 {
            format!(
                "It holds {holds}, and its consumers take no more: they have {} and acknowledge \
                 none of them.",
                grouped(held)
            )
        } else {
            format!("It holds {holds}, and its consumers do not read what they are sent.")
        };
        return is_stuck.then(|| finding(Kind::Stuck, queue, reason, ready));
    }
    let key = (queue.virtual_host.to_string(), queue.name().to_owned());
    if dead_letter_queues(&key) {
        let reason = format!("It holds {holds} that could not be dealt with elsewhere.");
        return Some(finding(Kind::DeadLetters, queue, reason, ready));
    }
    if !is_changing {
        return None;
    }
    let grows = if published >= 0.5 {
        format!(", and {published:.0} a second come in")
    } else {
        String::new()
    };
    let reason = format!("It holds {holds}, has no consumers{grows}.");
    Some(finding(Kind::NoConsumers, queue, reason, ready))
}

/// Which of the queues have held deliveries for long.
pub(super) async fn unacknowledged(call: &Call, queues: Vec<Arc<QueueView>>) -> Vec<Finding> {
    let now = warren_server::now();
    let mut found = vec![];
    for queue in queues {
        let (host, name) = (&queue.virtual_host, queue.name());
        let asked = call.api.management.outstanding(host, name, 0, 1).await;
        let Ok((first, count)) = asked else { continue };
        let Some(first) = first.first() else { continue };
        let age = now.saturating_sub(first.since);
        if first.since == 0 || age < limits::UNACKNOWLEDGED_LONG_MS {
            continue;
        }
        let holder = call.api.management.connection_of(first.session);
        let holder =
            holder.map_or_else(String::new, |it| format!(" by the connection {}", it.name));
        let minutes = age / 60_000;
        let reason = format!(
            "Of {} the first one is not acknowledged for {minutes} minutes{holder}.",
            messages(count as u64)
        );
        found.push(finding(Kind::NotAcknowledged, &queue, reason, count as u64));
    }
    found
}

fn finding(kind: Kind, queue: &QueueView, reason: String, messages: u64) -> Finding {
    let host = queue.virtual_host.to_string();
    Finding::of_queue(kind, host, queue.name().to_owned(), reason, messages)
}

/// A count of messages, in words.
pub(super) fn messages(count: u64) -> String {
    if count == 1 { "1 message".to_owned() } else { format!("{} messages", grouped(count)) }
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    if number < 1000 {
        return number.to_string();
    }
    format!("{},{:03}", grouped(number / 1000), number % 1000)
}

fn rate(queue: &QueueView, series: Series, clock: Clock) -> f64 {
    queue.rate(series, clock).unwrap_or(0.0)
}

/// Where dead letters go: virtual host, exchange, routing key if there is one of its own.
type Target = (String, String, Option<String>);

/// The queues that dead letters of any queues there go to, by virtual host and name.
fn dead_letter_queues(view: &View, one_host: Option<&str>) -> HashSet<(String, String)> {
    let mut targets: HashSet<Target> = HashSet::new();
    // What policies say is the same for all queues without such an argument.
    let mut by_policy: HashMap<(String, String), Option<Target>> = HashMap::new();
    for queue in view.queues(one_host).items {
        if targets.len() >= limits::DEAD_LETTER_TARGETS {
            break;
        }
        let description = &queue.description;
        let arguments = &description.record.arguments;
        let host = queue.virtual_host.to_string();
        if let Some(exchange) = text(arguments, "x-dead-letter-exchange") {
            targets.insert((host, exchange, text(arguments, "x-dead-letter-routing-key")));
            continue;
        }
        let names = [description.policies.policy(), description.policies.operator_policy()];
        if names.iter().all(Option::is_none) {
            continue;
        }
        let names = names.map(Option::unwrap_or_default).join("\n");
        let target = by_policy.entry((host.clone(), names)).or_insert_with(|| {
            let definition =
                crate::policies::definition(&description.policies.of_queue(arguments).definition);
            let text = |name: &str| definition.get(name)?.as_str().map(str::to_owned);
            Some((host, text("dead-letter-exchange")?, text("dead-letter-routing-key")))
        });
        targets.extend(target.clone());
    }
    let mut found = HashSet::new();
    for (host, exchange, key) in targets {
        if exchange.is_empty() {
            found.extend(key.map(|queue| (host, queue)));
            continue;
        }
        let bindings = view.bindings_from(&host, &exchange).items;
        let to_queues = bindings.iter().filter(|binding| !binding.to_exchange);
        found.extend(to_queues.map(|binding| (host.clone(), binding.destination.to_string())));
    }
    found
}

fn text(arguments: &warren_amqp::FieldTable, name: &str) -> Option<String> {
    match field_table::key(arguments, name) {
        Key::Text(text) => Some(text.to_owned()),
        _ => None,
    }
}
