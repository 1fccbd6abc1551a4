//! Sessions and their channels: consumers, delivery tags and what is unacknowledged.
//!
//! A channel hands out delivery tags in rising order and remembers each delivery that wants an
//! acknowledgement until it is settled. Everything here is bookkeeping; what follows from it for
//! queues is in `virtual_host`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use warren_amqp::FieldTable;

use crate::access::Rights;
use crate::backlog::Entry;
use crate::counters::MessageCounters;
use crate::held::Held;
use crate::planted::{self, Bug};
use crate::queue::WaitingGet;
use crate::transaction::Transaction;
use crate::virtual_host::Marks;
use crate::{Access, Error, Milliseconds, QueueId, limits};

/// A client's connection.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) rights: Rights,
    pub(crate) channels: FxHashMap<u16, Channel>,
    /// What the messages from queues weigh that wait to be written to the client.
    pub(crate) outbox_bytes: usize,
    /// `basic.get` requests that wait for room in the outbox or for one before them.
    pub(crate) gets: VecDeque<(QueueId, WaitingGet)>,
    /// A `basic.get` is with its queue and not answered yet.
    pub(crate) is_getting: bool,
    /// Queues that belong to this connection.
    pub(crate) exclusive_queues: FxHashSet<QueueId>,
    /// What the transactions of all its channels hold, in bytes.
    pub(crate) transaction_bytes: usize,
    /// The channel that had the last delivery: when the outbox has room again, its turn comes after
    /// the others.
    pub(crate) last_served: u16,
}

impl Session {
    pub(crate) fn new(access: Arc<Access>) -> Self {
        Self {
            rights: Rights::new(access),
            channels: FxHashMap::default(),
            outbox_bytes: 0,
            gets: VecDeque::new(),
            is_getting: false,
            exclusive_queues: FxHashSet::default(),
            transaction_bytes: 0,
            last_served: 0,
        }
    }

    pub(crate) fn outbox_is_full(&self) -> bool {
        self.outbox_bytes >= limits::OUTBOX_BYTES
    }
}

#[derive(Debug, Default)]
pub(crate) struct Channel {
    /// Consumers by number. Ordered, so that what happens to all of them has one order.
    pub(crate) consumers: BTreeMap<u32, Consumer>,
    consumer_tags: FxHashMap<String, u32>,
    last_delivery_tag: u64,
    /// The consumer that had the last delivery: what its consumers share goes to the others first.
    pub(crate) last_served: u32,
    pub(crate) unacknowledged: Unacknowledged,
    /// Deliveries to consumers that are unacknowledged; what `basic.get` took is not among them.
    pub(crate) in_flight: u32,
    /// `basic.qos` with `global`: for all consumers together; 0 is no limit.
    pub(crate) prefetch_channel: u16,
    /// `basic.qos` without `global`: for each consumer to come; 0 is no limit.
    pub(crate) prefetch_consumer: u16,
    /// The number of the last message published since `confirm.select`.
    pub(crate) confirms: Option<u64>,
    /// What waits for `tx.commit`, since `tx.select`.
    pub(crate) transaction: Option<Transaction>,
    /// The consumer of `amq.rabbitmq.reply-to`.
    pub(crate) replies: Option<Box<ReplyConsumer>>,
    /// The queue that an empty name stands for.
    pub(crate) last_queue: Option<String>,
    /// A durable message was settled here, so that closing must wait for the disk.
    pub(crate) has_settled: bool,
    /// What waits for the answer of a `basic.get`.
    pub(crate) held: Held,
    /// How old deliveries are (see `virtual_host/timeout.rs`).
    pub(crate) marks: Option<Box<Marks>>,
    /// Tells channels apart that have the same number one after the other.
    pub(crate) incarnation: u64,
    pub(crate) messages: MessageCounters,
    /// On the list of channels to be shown, or nobody looks.
    pub(crate) is_noted: bool,
}

/// A consumer of direct replies.
#[derive(Debug)]
pub(crate) struct ReplyConsumer {
    pub(crate) number: u32,
    pub(crate) tag: String,
    /// Where replies are published to.
    pub(crate) name: String,
}

/// A subscription.
#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) tag: String,
    pub(crate) queue: QueueId,
    pub(crate) no_ack: bool,
    /// 0 is no limit.
    pub(crate) prefetch: u16,
    /// How long a delivery may stay unacknowledged, in milliseconds, if the consumer or its queue
    /// says so.
    pub(crate) timeout: Option<Milliseconds>,
    /// It is the consumer that says so.
    pub(crate) has_own_timeout: bool,
    /// Consumers with a higher one are served first.
    pub(crate) priority: i64,
    pub(crate) in_flight: u32,
    /// The consumer had no credit when a message was there for it, and is not in its queue's
    /// round until it has; or the queue serves another one alone.
    pub(crate) is_parked: bool,
    pub(crate) exclusive: bool,
    pub(crate) arguments: FieldTable,
    /// What was delivered to it, how much of that not for the first time, and what it acknowledged.
    pub(crate) delivered: u64,
    pub(crate) redelivered: u64,
    pub(crate) acknowledged: u64,
    /// On the list of consumers to be shown, or nobody looks.
    pub(crate) is_noted: bool,
    /// It was shown what the consumer is.
    pub(crate) is_shown: bool,
}

impl Channel {
    pub(crate) fn new(incarnation: u64) -> Self {
        Self { incarnation, is_noted: true, ..Self::default() }
    }

    pub(crate) fn next_delivery_tag(&mut self) -> u64 {
        if !planted::is(Bug::DeliveryTagReused) || self.last_delivery_tag % 8 != 7 {
            self.last_delivery_tag += 1;
        }
        self.last_delivery_tag
    }

    pub(crate) fn last_delivery_tag(&self) -> u64 {
        self.last_delivery_tag
    }

    /// All deliveries that are not settled, also those whose settlement waits for a commit.
    pub(crate) fn deliveries(&self) -> impl Iterator<Item = &Delivery> {
        let held = self.transaction.iter().flat_map(Transaction::deliveries);
        self.unacknowledged.iter().chain(held)
    }

    /// How many these are.
    pub(crate) fn unsettled(&self) -> usize {
        let held = self.transaction.as_ref().map_or(0, |held| held.deliveries().count());
        self.unacknowledged.len() + held
    }

    /// Ends the transaction without a trace; gives how many bytes it held.
    pub(crate) fn end_transaction(&mut self) -> usize {
        let Some(transaction) = self.transaction.take() else { return 0 };
        let bytes = transaction.bytes();
        for (_, deliveries) in transaction.into_parts().1 {
            self.unacknowledged.restore(deliveries);
        }
        bytes
    }

    pub(crate) fn has_consumer_tag(&self, tag: &str) -> bool {
        self.consumer_tags.contains_key(tag)
    }

    pub(crate) fn add_consumer(&mut self, number: u32, consumer: Consumer) {
        self.consumer_tags.insert(consumer.tag.clone(), number);
        self.consumers.insert(number, consumer);
    }

    pub(crate) fn consumer_number(&self, tag: &str) -> Option<u32> {
        self.consumer_tags.get(tag).copied()
    }

    pub(crate) fn remove_consumer(&mut self, number: u32) -> Option<Consumer> {
        let consumer = self.consumers.remove(&number)?;
        self.consumer_tags.remove(&consumer.tag);
        Some(consumer)
    }

    /// How many more deliveries the channel and the consumer's prefetch allow: none while a
    /// `basic.get` of the channel waits, as they come after its answer.
    pub(crate) fn credit(&self, consumer: &Consumer) -> u32 {
        if !self.held.is_empty() {
            return 0;
        }
        if consumer.no_ack {
            return u32::MAX;
        }
        let left = |limit: u16, used: u32| match limit {
            0 => u32::MAX,
            limit => u32::from(limit).saturating_sub(used),
        };
        left(consumer.prefetch, consumer.in_flight).min(left(self.prefetch_channel, self.in_flight))
    }
}

/// A delivery that wants an acknowledgement.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) tag: u64,
    /// The consumer's number; `None` for `basic.get`.
    pub(crate) consumer: Option<u32>,
    pub(crate) queue: QueueId,
    /// When it was delivered.
    pub(crate) since: Milliseconds,
    pub(crate) entry: Entry,
}

/// Unacknowledged deliveries in the order of their tags. Settling out of order leaves gaps, which
/// are closed when they have become the greater part, so that one delivery that is never
/// acknowledged does not make the rest grow.
#[derive(Debug, Default)]
pub(crate) struct Unacknowledged {
    deliveries: VecDeque<(u64, Option<Delivery>)>,
    live: usize,
}

impl Unacknowledged {
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    pub(crate) fn push(&mut self, delivery: Delivery) {
        self.live += 1;
        self.deliveries.push_back((delivery.tag, Some(delivery)));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Delivery> {
        self.deliveries.iter().filter_map(|(_, delivery)| delivery.as_ref())
    }

    fn position(&self, tag: u64) -> Option<usize> {
        let at = match self.deliveries.front() {
            Some((front, _)) if *front == tag => 0,
            _ => self.deliveries.binary_search_by_key(&tag, |(tag, _)| *tag).ok()?,
        };
        self.deliveries.get(at).is_some_and(|(_, delivery)| delivery.is_some()).then_some(at)
    }

    /// Takes one delivery, or all up to `tag`, or all for `tag` 0 with `multiple`.
    pub(crate) fn take(&mut self, tag: u64, multiple: bool) -> Result<Vec<Delivery>, Error> {
        if !multiple {
            return Ok(vec![self.take_one(tag)?]);
        }
        if tag == 0 {
            return Ok(self.take_all());
        }
        let Some(at) = self.position(tag) else {
            return Err(Error::UnknownDeliveryTag { delivery_tag: tag });
        };
        let taken: Vec<_> =
            self.deliveries.drain(..=at).filter_map(|(_, delivery)| delivery).collect();
        self.live -= taken.len();
        self.close_gaps();
        Ok(taken)
    }

    /// Takes one delivery by its tag: the way of nearly all acknowledgements.
    pub(crate) fn take_one(&mut self, tag: u64) -> Result<Delivery, Error> {
        let unknown = Error::UnknownDeliveryTag { delivery_tag: tag };
        let at = self.position(tag).ok_or_else(|| unknown.clone())?;
        let slot = if at == 0 {
            self.deliveries.pop_front().and_then(|(_, delivery)| delivery)
        } else {
            self.deliveries.get_mut(at).and_then(|(_, delivery)| delivery.take())
        };
        let delivery = slot.ok_or(unknown)?;
        self.live -= 1;
        self.close_gaps();
        Ok(delivery)
    }

    /// Puts back what was taken and is not settled after all.
    pub(crate) fn restore(&mut self, deliveries: Vec<Delivery>) {
        let mut all = self.take_all();
        all.extend(deliveries);
        all.sort_unstable_by_key(|delivery| delivery.tag);
        all.into_iter().for_each(|delivery| self.push(delivery));
    }

    pub(crate) fn take_all(&mut self) -> Vec<Delivery> {
        self.live = 0;
        self.deliveries.drain(..).filter_map(|(_, delivery)| delivery).collect()
    }

    fn close_gaps(&mut self) {
        while let Some((_, None)) = self.deliveries.front() {
            self.deliveries.pop_front();
        }
        if self.deliveries.len() > 64 && self.deliveries.len() > 2 * self.live {
            self.deliveries.retain(|(_, delivery)| delivery.is_some());
        }
    }
}
