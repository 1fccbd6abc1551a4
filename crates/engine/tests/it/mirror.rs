//! What somebody knows who looks at a virtual host now and then.

use std::collections::BTreeMap;
use std::sync::Arc;

use warren_engine::{
    Amount, BindingRecord, ChannelSample, ConsumerDescription, ConsumerSample, Destination,
    ExchangeRecord, ExchangeSample, HostCounters, LossCounters, MessageCounters, Observation,
    QueueCounts, QueueDescription, QueueId, QueueSample, SessionId, VirtualHost,
};

#[derive(Debug, Default)]
pub(crate) struct Mirror {
    /// The number of the last look.
    look: u64,
    has_more: bool,
    pub(crate) known: Known,
}

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Known {
    pub(crate) host: HostCounters,
    pub(crate) queues: BTreeMap<QueueId, (Arc<QueueDescription>, QueueCounts)>,
    exchanges: BTreeMap<u32, (Arc<ExchangeRecord>, ExchangeSample)>,
    pub(crate) bindings: BTreeMap<u64, BindingRecord>,
    pub(crate) channels: BTreeMap<(SessionId, u16), ChannelSample>,
    pub(crate) consumers: BTreeMap<u32, (Arc<ConsumerDescription>, ConsumerSample)>,
}

impl Mirror {
    /// Looks at so many objects, and goes on where the last look was not at its end.
    pub(crate) fn peek(&mut self, host: &mut VirtualHost, items: usize) -> Observation {
        if !self.has_more {
            self.look += 1;
        }
        let mut shown = Observation::default();
        self.has_more = host.observe(self.look, items, &mut shown);
        assert!(shown.len() <= items, "{} are shown, not {items}", shown.len());
        self.known.take(&shown);
        shown
    }

    /// Looks at all that changed up to now.
    pub(crate) fn catch_up(&mut self, host: &mut VirtualHost) {
        while self.has_more {
            self.peek(host, 3);
        }
        self.peek(host, 3);
        while self.has_more {
            self.peek(host, 3);
        }
    }

    /// Shows what has changed, a line each, but for exchanges that are there from the start.
    pub(crate) fn show(&mut self, host: &mut VirtualHost) -> Vec<String> {
        let mut lines = vec![];
        while {
            let shown = self.peek(host, 1);
            lines.extend(self.known.lines(&shown));
            self.has_more
        } {}
        lines.sort();
        lines
    }
}

impl Known {
    fn take(&mut self, shown: &Observation) {
        if shown.is_first {
            *self = Self::default();
        }
        self.host = shown.host;
        self.queues.retain(|id, _| !shown.queues_gone.contains(id));
        self.exchanges.retain(|id, _| !shown.exchanges_gone.contains(id));
        self.bindings.retain(|id, _| !shown.bindings_gone.contains(id));
        self.channels.retain(|_, channel| !shown.channels_gone.contains(&channel.key));
        self.consumers.retain(|number, _| !shown.consumers_gone.contains(number));
        for QueueSample { id, description, counts } in &shown.queues {
            let known = self.queues.remove(id).map(|(known, _)| known);
            let description = description.clone().or(known).expect("a queue is described first");
            self.queues.insert(*id, (description, *counts));
        }
        for sample in &shown.exchanges {
            let known = self.exchanges.remove(&sample.id).map(|(known, _)| known);
            let record = sample.record.clone().or(known).expect("an exchange is described first");
            let sample = ExchangeSample { record: None, ..sample.clone() };
            self.exchanges.insert(sample.id, (record, sample));
        }
        self.bindings.extend(shown.bindings.iter().cloned());
        for channel in &shown.channels {
            self.channels.insert((channel.key.session, channel.key.channel), channel.clone());
        }
        for sample in &shown.consumers {
            let known = self.consumers.remove(&sample.number).map(|(known, _)| known);
            let description = sample.description.clone().or(known).expect("described first");
            let sample = ConsumerSample { description: None, ..sample.clone() };
            self.consumers.insert(sample.number, (description, sample));
        }
    }

    fn lines(&self, shown: &Observation) -> Vec<String> {
        let mut lines = vec![];
        for sample in &shown.queues {
            let (description, counts) = &self.queues[&sample.id];
            lines.push(format!("queue {}{}", description.record.name, queue(counts)));
        }
        lines.extend(shown.queues_gone.iter().map(|_| "queue gone".to_owned()));
        for sample in &shown.exchanges {
            let (record, sample) = &self.exchanges[&sample.id];
            let counters = sample.counters;
            let numbers = [("in", counters.publish_in), ("out", counters.publish_out)];
            let text = text(&numbers);
            if !text.is_empty() || !(record.name.is_empty() || record.name.starts_with("amq.")) {
                lines.push(format!("exchange '{}'{text}", record.name));
            }
        }
        lines.extend(shown.exchanges_gone.iter().map(|_| "exchange gone".to_owned()));
        for (_, binding) in &shown.bindings {
            let to = match &binding.destination {
                Destination::Queue(name) => name.clone(),
                Destination::Exchange(name) => format!("exchange:{name}"),
            };
            lines.push(format!("binding {to} {} '{}'", binding.source, binding.routing_key));
        }
        lines.extend(shown.bindings_gone.iter().map(|_| "binding gone".to_owned()));
        lines.extend(shown.channels.iter().map(channel));
        let gone = shown.channels_gone.iter();
        lines.extend(gone.map(|key| format!("channel s{}.{} gone", key.session.0, key.channel)));
        for sample in &shown.consumers {
            let (description, sample) = &self.consumers[&sample.number];
            let state = if sample.is_active { "" } else { " waits" };
            let numbers = [
                ("deliver", sample.delivered),
                ("redeliver", sample.redelivered),
                ("ack", sample.acknowledged),
                ("out", sample.unacknowledged.into()),
            ];
            lines.push(format!("consumer {}{state}{}", description.tag, text(&numbers)));
        }
        lines.extend(shown.consumers_gone.iter().map(|_| "consumer gone".to_owned()));
        lines
    }
}

/// The numbers that are not zero.
fn text(numbers: &[(&str, u64)]) -> String {
    let numbers = numbers.iter().filter(|(_, number)| *number != 0);
    numbers.map(|(name, number)| format!(" {name}={number}")).collect()
}

fn messages(counted: &MessageCounters) -> String {
    text(&[
        ("publish", counted.publish),
        ("confirm", counted.confirm),
        ("return", counted.return_unroutable),
        ("drop", counted.drop_unroutable),
        ("deliver", counted.deliver),
        ("deliver_no_ack", counted.deliver_no_ack),
        ("get", counted.get),
        ("get_no_ack", counted.get_no_ack),
        ("get_empty", counted.get_empty),
        ("redeliver", counted.redeliver),
        ("ack", counted.ack),
    ])
}

fn losses(counted: &LossCounters) -> String {
    text(&[
        ("expired", counted.expired),
        ("dropped", counted.dropped),
        ("rejected", counted.rejected),
        ("delivery_limit", counted.delivery_limit),
        ("purged", counted.purged),
        ("lost", counted.lost),
        ("refused", counted.refused),
    ])
}

fn amount(name: &str, Amount { messages, bytes }: Amount) -> String {
    match messages {
        0 => String::new(),
        _ => format!(" {name}:{messages}({bytes})"),
    }
}

fn queue(counts: &QueueCounts) -> String {
    let lengths = [
        amount("ready", counts.ready),
        amount("out", counts.unacknowledged),
        amount("persistent", counts.persistent),
    ];
    let in_memory = [
        amount("ready_in_memory", counts.ready_in_memory),
        amount("out_in_memory", counts.unacknowledged_in_memory),
    ];
    let on_disk = counts.ready != counts.ready_in_memory
        || counts.unacknowledged != counts.unacknowledged_in_memory;
    let in_memory = if on_disk { in_memory.concat() } else { String::new() };
    let timestamp = counts.head_timestamp.map_or(String::new(), |time| format!(" head@{time}"));
    let stalled = if counts.is_stalled { " stalled" } else { "" };
    let moved = text(&[
        ("consumers", counts.consumers.into()),
        ("moved_in", counts.moved_in),
        ("stalled_ms", counts.stalled_ms),
    ]);
    let counted = [messages(&counts.messages), losses(&counts.losses)].concat();
    format!("{}{in_memory}{timestamp}{moved}{stalled}{counted}", lengths.concat())
}

fn channel(sample: &ChannelSample) -> String {
    let numbers = [
        ("prefetch", sample.prefetch_count.into()),
        ("global_prefetch", sample.global_prefetch_count.into()),
        ("consumers", sample.consumers.into()),
        ("out", sample.messages_unacknowledged),
        ("messages_uncommitted", sample.messages_uncommitted),
        ("acks_uncommitted", sample.acks_uncommitted),
    ];
    let key = sample.key;
    let flags = [(sample.confirm, " confirms"), (sample.transactional, " tx")];
    let flags: String = flags.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect();
    let messages = messages(&sample.messages);
    format!("channel s{}.{}{flags}{}{messages}", key.session.0, key.channel, text(&numbers))
}
