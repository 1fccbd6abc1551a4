//! The ready messages of a queue by their priority: a [`Backlog`] for each level in use.
//!
//! A queue without priorities has one backlog and nothing else, and a look at an empty pointer is
//! all that it pays. A level that no message has costs nothing in any queue.
//!
//! Each level but one is a lane of its own in the store (see [`QueueId::lane`]), with its own head
//! and its own range on disk. Lane 0, the queue itself, has the messages that say nothing of a
//! priority: the lowest level in classic queues, one in the middle in quorum queues.

mod places;
mod time;

use std::collections::BTreeMap;

use crate::backlog::{Answer, Backlog, Entry, Missing, Purged, QueueTime};
use crate::observation::Amount;
use crate::planted::{self, Bug};
use crate::record::{RecoveredQueue, Sequence};
use crate::settings::{QueueSettings, QueueType};
use crate::{Load, Message, Milliseconds, QueueId, limits};

/// The levels that a queue knows, from 0.
#[derive(Debug, Clone, Copy)]
struct Levels {
    /// Of messages without a priority.
    default: u8,
    /// Of messages with a higher priority, too.
    highest: u8,
    /// How long messages may wait.
    time: QueueTime,
}

impl Levels {
    fn of(settings: &QueueSettings) -> Option<Self> {
        let time = time_of(settings);
        match (settings.kind, settings.max_priority) {
            (QueueType::Classic, Some(highest)) if highest > 0 => {
                Some(Self { default: 0, highest, time })
            }
            (QueueType::Quorum, _) => Some(Self {
                default: limits::QUORUM_DEFAULT_LEVEL,
                highest: limits::QUORUM_LEVELS - 1,
                time,
            }),
            _ => None,
        }
    }

    fn level(self, message: &Message) -> u8 {
        message.priority().map_or(self.default, |priority| priority.min(self.highest))
    }

    /// The lane of a level, and the level of a lane: the default one and 0 change places.
    fn swap(self, number: u8) -> u8 {
        match number {
            0 => self.default,
            number if number == self.default => 0,
            number => number,
        }
    }
}

/// The time that messages may wait from the beginning.
fn time_of(settings: &QueueSettings) -> QueueTime {
    QueueTime { ttl: settings.message_ttl, ..QueueTime::default() }
}

/// How far the durable messages of a lane were delivered that wanted an acknowledgement.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Delivered {
    /// The highest place; 0 if there was none.
    through: Sequence,
    /// What of it is among the writes.
    written: Sequence,
}

impl Delivered {
    pub(crate) fn recovered(through: Sequence) -> Self {
        Self { through, written: through }
    }

    pub(crate) fn note(&mut self, sequence: Sequence) {
        self.through = self.through.max(sequence);
    }

    /// Gives it if it is further than when it was last given.
    pub(crate) fn take(&mut self) -> Option<Sequence> {
        let is_new = self.through > self.written && !planted::is(Bug::DeliveredNotWritten);
        self.written = self.through;
        is_new.then_some(self.through)
    }
}

/// A level other than the default one.
#[derive(Debug, Default)]
struct Lane {
    backlog: Backlog,
    delivered: Delivered,
}

/// The lanes beside the queue itself.
#[derive(Debug, Default)]
struct Others {
    /// By level. One that is empty stays until the deliveries from it are written.
    lanes: BTreeMap<u8, Lane>,
    /// What all of them have.
    messages: u64,
    body_bytes: u64,
    resident_bytes: usize,
    /// Levels that changed since the last look, a bit each.
    touched: [u64; 4],
}

impl Others {
    /// Changes a lane that may be made for it, and keeps count.
    fn change<T>(&mut self, levels: Levels, level: u8, work: impl FnOnce(&mut Backlog) -> T) -> T {
        let lane = self.lanes.entry(level).or_insert_with(|| Lane {
            backlog: Backlog::default().in_lane(levels.swap(level)).with_time(levels.time),
            delivered: Delivered::default(),
        });
        let backlog = &mut lane.backlog;
        self.messages -= backlog.len();
        self.body_bytes -= backlog.body_bytes();
        self.resident_bytes -= backlog.resident_bytes();
        let result = work(backlog);
        self.messages += backlog.len();
        self.body_bytes += backlog.body_bytes();
        self.resident_bytes += backlog.resident_bytes();
        if let Some(word) = self.touched.get_mut(usize::from(level / 64)) {
            *word |= 1 << (level % 64);
        }
        result
    }

    /// One of the levels that changed.
    fn take_touched(&mut self) -> Option<u8> {
        let (at, word) = self.touched.iter_mut().enumerate().find(|(_, word)| **word != 0)?;
        let bit = word.trailing_zeros();
        *word &= !(1 << bit);
        Some(at as u8 * 64 + bit as u8)
    }

    /// The highest level above `above`, or with `None` of all, that has messages.
    fn highest(&self, above: Option<u8>) -> Option<u8> {
        let range = match above {
            Some(u8::MAX) => return None,
            Some(above) => self.lanes.range(above + 1..),
            None => self.lanes.range(..),
        };
        range.rev().find(|(_, lane)| !lane.backlog.is_empty()).map(|(level, _)| *level)
    }
}

/// The ready messages of a queue, the highest level first and each level in the order of the
/// places.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    /// The lane that is the queue itself: all messages if the queue knows no priorities.
    base: Backlog,
    levels: Option<Levels>,
    /// Not there before a message needs it.
    others: Option<Box<Others>>,
}

/// A lane to be taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Base,
    Level(u8),
}

impl Lanes {
    pub(crate) fn new(settings: &QueueSettings) -> Self {
        let base = Backlog::default().with_time(time_of(settings));
        Self { base, levels: Levels::of(settings), ..Self::default() }
    }

    /// What a restart found: all of it on disk.
    pub(crate) fn recovered(settings: &QueueSettings, recovered: &RecoveredQueue) -> Self {
        let mut lanes = Self::new(settings);
        let backlog = |waiting, delivered_through| {
            let found = Backlog::recovered(waiting, delivered_through);
            let found = found.with_time(time_of(settings));
            if recovered.may_expire { found.looked_through_later() } else { found }
        };
        lanes.base = backlog(recovered.waiting, recovered.delivered_through);
        for found in recovered.lanes.iter().filter(|found| found.waiting.messages > 0) {
            // Whatever the arguments say now, nothing that waits is left out.
            let none = Levels { default: 0, highest: 0, time: time_of(settings) };
            let levels = *lanes.levels.get_or_insert(none);
            let backlog = backlog(found.waiting, found.delivered_through);
            let (level, backlog) = (levels.swap(found.lane), backlog.in_lane(found.lane));
            let others = lanes.others.get_or_insert_default();
            others.change(levels, level, |lane| *lane = backlog);
            if let Some(lane) = others.lanes.get_mut(&level) {
                lane.delivered = Delivered::recovered(found.delivered_through);
            }
        }
        lanes
    }

    /// How many messages are ready.
    pub(crate) fn len(&self) -> u64 {
        self.base.len() + self.others.as_ref().map_or(0, |others| others.messages)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.base.is_empty() && self.others.as_ref().is_none_or(|others| others.messages == 0)
    }

    /// What the bodies of all ready messages take, in bytes.
    pub(crate) fn body_bytes(&self) -> u64 {
        self.base.body_bytes() + self.others.as_ref().map_or(0, |others| others.body_bytes)
    }

    /// What the contents in memory take, in bytes.
    pub(crate) fn resident_bytes(&self) -> usize {
        let others = self.others.as_ref().map_or(0, |others| others.resident_bytes);
        self.base.resident_bytes() + others
    }

    /// True if the next message can be taken at once.
    pub(crate) fn has_next(&self) -> bool {
        self.front().is_some()
    }

    /// The next message, if its content is in memory.
    pub(crate) fn front(&self) -> Option<&Message> {
        let others = self.others.as_ref();
        match self.first() {
            At::Base => self.base.front(),
            At::Level(level) => others?.lanes.get(&level)?.backlog.front(),
        }
    }

    /// What is in the heads of all lanes.
    pub(crate) fn in_head(&self) -> Amount {
        let mut all = self.base.in_head();
        for lane in self.others.iter().flat_map(|others| others.lanes.values()) {
            let Amount { messages, bytes } = lane.backlog.in_head();
            all.messages += messages;
            all.bytes += bytes;
        }
        all
    }

    /// The lane that the next message is in.
    fn first(&self) -> At {
        let (Some(others), Some(levels)) = (&self.others, self.levels) else { return At::Base };
        if others.messages == 0 || (planted::is(Bug::UrgentWaits) && !self.base.is_empty()) {
            return At::Base;
        }
        match others.highest(Some(levels.default)) {
            None if !self.base.is_empty() => At::Base,
            None => others.highest(None).map_or(At::Base, At::Level),
            Some(level) => At::Level(level),
        }
    }

    /// Changes a lane, which is made if it is not there.
    fn change<T>(&mut self, at: At, work: impl FnOnce(&mut Backlog) -> T) -> T {
        match (at, self.levels) {
            (At::Level(level), Some(levels)) if level != levels.default => {
                self.others.get_or_insert_default().change(levels, level, work)
            }
            _ => work(&mut self.base),
        }
    }

    fn at(&self, lane: u8) -> At {
        match (lane, self.levels) {
            (0, _) | (_, None) => At::Base,
            (lane, Some(levels)) => At::Level(levels.swap(lane)),
        }
    }

    /// How much a lane may have in memory where the queue may have `share` bytes: what the other
    /// lanes leave, but always some, as what is most urgent comes last and must not wait for the
    /// disk each time. All lanes together stay below three times `share`, however many there are.
    fn share(&self, at: At, share: usize) -> usize {
        let Some(others) = &self.others else { return share };
        let own = match at {
            At::Base => self.base.resident_bytes(),
            At::Level(level) => {
                others.lanes.get(&level).map_or(0, |lane| lane.backlog.resident_bytes())
            }
        };
        let left = share.saturating_sub(self.resident_bytes() - own);
        left.max(share / (limits::LANE_SHARE_PARTS * (others.lanes.len() + 1)))
    }

    /// Puts a new message at the end of its level; gives its lane, and whether it stays in memory
    /// (see [`Backlog::push`]).
    pub(crate) fn push(
        &mut self,
        sequence: Sequence,
        message: &Message,
        durable: bool,
        resident_max: usize,
        now: Milliseconds,
    ) -> (u8, bool) {
        let at = match self.levels {
            None => At::Base,
            Some(levels) => At::Level(levels.level(message)),
        };
        let share = self.share(at, resident_max);
        self.change(at, |lane| (lane.lane(), lane.push(sequence, message, durable, share, now)))
    }

    /// Puts messages back to their places (see [`Backlog::requeue`]).
    pub(crate) fn requeue(&mut self, entries: Vec<Entry>, resident_max: usize) {
        self.put_back_with(entries, resident_max, Backlog::requeue);
    }

    /// The same for messages that nobody got (see [`Backlog::put_back`]).
    pub(crate) fn put_back(&mut self, entries: Vec<Entry>, resident_max: usize) {
        self.put_back_with(entries, resident_max, Backlog::put_back);
    }

    fn put_back_with(
        &mut self,
        entries: Vec<Entry>,
        resident_max: usize,
        put_back: fn(&mut Backlog, Vec<Entry>, usize),
    ) {
        if entries.iter().all(|entry| entry.lane == 0) {
            let share = self.share(At::Base, resident_max);
            return put_back(&mut self.base, entries, share);
        }
        let mut by_lane: BTreeMap<u8, Vec<Entry>> = BTreeMap::new();
        for entry in entries {
            by_lane.entry(entry.lane).or_default().push(entry);
        }
        for (lane, entries) in by_lane {
            let at = self.at(lane);
            let share = self.share(at, resident_max);
            self.change(at, |lane| put_back(lane, entries, share));
        }
    }

    /// Takes the first message, if its content is there. The entry keeps a reference to it.
    pub(crate) fn pop(&mut self) -> Option<(Entry, Message)> {
        self.change(self.first(), Backlog::pop)
    }

    /// Takes the first message, if its content is there. Nobody will want it back.
    pub(crate) fn pop_for_good(&mut self) -> Option<(Entry, Message)> {
        self.change(self.first(), Backlog::pop_for_good)
    }

    /// Takes the first message, with or without its content (see [`Backlog::drop_first`]).
    pub(crate) fn drop_first(&mut self) -> Option<Entry> {
        self.change(self.first(), Backlog::drop_first)
    }

    /// What is to be read from disk next: for the first lane that wants something, as long as the
    /// lanes before it are about to run out (see [`Backlog::load`]).
    pub(crate) fn load(&mut self, queue: QueueId, share: usize) -> Option<Load> {
        let (Some(others), Some(levels)) = (&self.others, self.levels) else {
            return self.base.load(queue, share);
        };
        let mut order: Vec<At> = others.lanes.keys().rev().map(|level| At::Level(*level)).collect();
        let below = others.lanes.range(..levels.default).count();
        order.insert(order.len() - below, At::Base);
        let mut ahead = 0;
        for at in order {
            let share = self.share(at, share);
            let (head, load) = self.change(at, |lane| (lane.head_len(), lane.load(queue, share)));
            // While a lane is being read, what stands behind it can wait.
            ahead += head.unwrap_or(usize::MAX / 2);
            if load.is_some() || ahead >= limits::LOAD_AHEAD_MESSAGES {
                return load;
            }
        }
        None
    }

    /// Takes an answer from disk; `durable` is whether the queue is (see [`Backlog::loaded`]).
    pub(crate) fn loaded(&mut self, answer: Answer, durable: bool, now: Milliseconds) -> Missing {
        let at = self.at(answer.load.queue.lane_number());
        self.change(at, |lane| lane.loaded(answer, durable, now))
    }

    /// Notes that a message of a lane other than the queue itself was delivered.
    pub(crate) fn note_delivered(&mut self, lane: u8, sequence: Sequence) {
        let At::Level(level) = self.at(lane) else { return };
        let lanes = self.others.as_mut().map(|others| &mut others.lanes);
        if let Some(lane) = lanes.and_then(|lanes| lanes.get_mut(&level)) {
            lane.delivered.note(sequence);
        }
    }

    /// Tells how far lanes other than the queue itself were delivered, where it is further than
    /// when it was last told, and takes lanes away that are used up.
    pub(crate) fn tell_delivered(&mut self, mut tell: impl FnMut(u8, Sequence)) {
        let Some(others) = &mut self.others else { return };
        while let Some(level) = others.take_touched() {
            let Some(lane) = others.lanes.get_mut(&level) else { continue };
            if let Some(through) = lane.delivered.take() {
                tell(lane.backlog.lane(), through);
            }
            if lane.backlog.is_empty() && lane.backlog.head_len().is_some() {
                others.lanes.remove(&level);
            }
        }
    }

    /// Takes everything out.
    pub(crate) fn purge(&mut self) -> Purged {
        let mut all = self.base.purge();
        let levels: Vec<u8> =
            self.others.iter().flat_map(|others| others.lanes.keys().copied()).collect();
        for level in levels {
            let mut purged = self.change(At::Level(level), Backlog::purge);
            all.head.append(&mut purged.head);
            all.on_disk.append(&mut purged.on_disk);
            all.spilled_on_disk.messages += purged.spilled_on_disk.messages;
            all.spilled_on_disk.bytes += purged.spilled_on_disk.bytes;
        }
        all
    }

    /// Checks that the counts agree with what is there.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.base.check()?;
        let Some(others) = &self.others else { return Ok(()) };
        let Some(levels) = self.levels else { return Err("lanes without levels".to_owned()) };
        let (mut messages, mut body_bytes, mut resident_bytes) = (0, 0, 0);
        for (level, lane) in &others.lanes {
            let backlog = &lane.backlog;
            backlog.check()?;
            messages += backlog.len();
            body_bytes += backlog.body_bytes();
            resident_bytes += backlog.resident_bytes();
            if *level == levels.default || backlog.lane() != levels.swap(*level) {
                return Err(format!("level {level} is lane {}", backlog.lane()));
            }
        }
        let counted = (others.messages, others.body_bytes, others.resident_bytes);
        if counted != (messages, body_bytes, resident_bytes) {
            return Err(format!(
                "lanes have {counted:?}, {messages} messages, {body_bytes} and {resident_bytes} \
                 bytes are found"
            ));
        }
        Ok(())
    }
}
