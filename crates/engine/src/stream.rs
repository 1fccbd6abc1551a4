//! A stream: a queue that nothing is taken out of. Each consumer reads it from a place of its own.
//!
//! All messages are on disk, as a range of places in the store, without a gap but for what was lost.
//! In memory are a rough index, the newest messages while somebody reads, and what was read back for
//! consumers that are behind. Consumers get only what is durable: what one was told stands at an
//! offset is there after a crash, too.
//!
//! A consumer is in one of four states: in the round of its queue, as it may have credit and
//! something to read; at the end; waiting for the disk; or parked, without credit.

pub(crate) mod arguments;
mod contents;
mod index;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::backlog::Answer;
use crate::planted::{self, Bug};
use crate::queue::{ConsumerKey, TURNS_LEFT_BEHIND};
use crate::record::{Sequence, Waiting};
use crate::{Load, Message, Milliseconds, QueueId, limits};
use arguments::{Filter, Start, StreamSettings};
use contents::{Contents, Run};
use index::{Index, Retention};

/// A consumer's place in the stream.
#[derive(Debug)]
struct Reader {
    /// The next place to be looked at.
    next: Sequence,
    filter: Option<Filter>,
    /// Messages that came before this time are passed over, up to the first that did not.
    since: Option<Milliseconds>,
    /// Where that is has to be looked for yet.
    is_searching: bool,
    /// As far as is known, it has no credit.
    is_parked: bool,
}

/// What became of a consumer's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Served {
    /// It may have more.
    More,
    /// It is at the end, or waits for the disk.
    Waits,
}

/// What is wanted from disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Want {
    /// Messages, of these places.
    Page(Sequence, Sequence),
    /// The time of the message at a place.
    Time(Sequence),
}

/// What an answer from disk came to.
#[derive(Debug, Default)]
pub(crate) struct Answered {
    /// Consumers that may go on.
    pub(crate) awake: Vec<ConsumerKey>,
    /// Places of messages that are lost.
    pub(crate) lost: Vec<Sequence>,
}

/// What retention came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Nothing is to be done before this time, or before more comes.
    Until(Option<Milliseconds>),
    /// These places go.
    Gone(Sequence, Sequence),
}

#[derive(Debug)]
pub(crate) struct Stream {
    settings: StreamSettings,
    index: Index,
    contents: Contents,
    readers: BTreeMap<ConsumerKey, Reader>,
    /// Consumers that have read all that is durable.
    at_end: Vec<ConsumerKey>,
    /// Consumers that wait for the disk.
    waiting: Vec<ConsumerKey>,
    /// All up to this place is durable.
    durable: Sequence,
    /// It was asked to be told when more is.
    is_syncing: bool,
    /// An answer from disk is on its way.
    loading: Option<Want>,
    /// What the first of those who wait wants.
    wanted: Option<Want>,
    /// A time that retention needs.
    wanted_time: Option<Sequence>,
    /// Where somebody will go on who is near the end of what is in memory.
    ahead: Option<Sequence>,
    /// Somebody left a page, so that one may be wanted by nobody.
    has_left_page: bool,
    /// The place of the first message of the last batch.
    last_batch: Sequence,
    /// The batch is not complete: what comes belongs to it.
    batch_is_open: bool,
    /// When something is to be done next.
    pub(crate) due: Option<Milliseconds>,
    /// Something may be too much.
    pub(crate) has_grown: bool,
}

impl Stream {
    pub(crate) fn new(settings: StreamSettings, next: Sequence) -> Self {
        Self::with(settings, Index::new(next))
    }

    /// What a restart found.
    pub(crate) fn recovered(settings: StreamSettings, waiting: Waiting, next: Sequence) -> Self {
        Self::with(settings, Index::recovered(waiting, next, &settings))
    }

    fn with(settings: StreamSettings, index: Index) -> Self {
        let end = index.end();
        Self {
            settings,
            index,
            contents: Contents::new(end),
            readers: BTreeMap::new(),
            at_end: vec![],
            waiting: vec![],
            durable: end - 1,
            is_syncing: false,
            loading: None,
            wanted: None,
            wanted_time: None,
            ahead: None,
            has_left_page: false,
            last_batch: end.saturating_sub(1).max(1),
            batch_is_open: false,
            due: None,
            has_grown: settings.has_retention(),
        }
    }

    /// How many messages there are.
    /// The place of the oldest message, and the place behind the newest one.
    pub(crate) fn places(&self) -> (Sequence, Sequence) {
        (self.index.first(), self.index.end())
    }

    /// Changes what is kept.
    pub(crate) fn set_settings(&mut self, settings: StreamSettings) {
        if settings != self.settings {
            self.settings = settings;
            self.has_grown = settings.has_retention();
        }
    }

    /// How many messages there are.
    pub(crate) fn len(&self) -> u64 {
        self.index.messages()
    }

    /// What their bodies take, in bytes.
    pub(crate) fn body_bytes(&self) -> u64 {
        self.index.body_bytes()
    }

    /// What contents take in memory, in bytes.
    pub(crate) fn resident_bytes(&self) -> usize {
        self.contents.bytes()
    }

    /// Takes a new message.
    pub(crate) fn push(
        &mut self,
        sequence: Sequence,
        message: &Message,
        now: Milliseconds,
        share: usize,
    ) {
        let body_bytes = u64::from(message.body_bytes());
        let begins = self.index.append(sequence, body_bytes, now, &self.settings);
        self.has_grown |= begins && self.settings.has_retention();
        if planted::is(Bug::StreamBeforeSync) {
            self.durable = sequence;
        }
        let is_full = sequence - self.last_batch >= limits::STREAM_BATCH_MESSAGES;
        if !self.batch_is_open || is_full {
            self.last_batch = sequence;
            self.batch_is_open = true;
        }
        match self.readers.is_empty() {
            true => self.contents.pass(sequence),
            false => self.contents.push(sequence, message, share),
        }
    }

    /// How many consumers there are.
    pub(crate) fn readers(&self) -> usize {
        self.readers.len()
    }

    pub(crate) fn add_reader(&mut self, key: ConsumerKey, start: Start, filter: Option<Filter>) {
        let (next, since) = match start {
            Start::First => (self.index.first(), None),
            Start::Last => (self.last_batch, None),
            Start::Next => (self.index.end(), None),
            Start::Place(place) => (place, None),
            Start::Time(time) => (self.index.first(), Some(time)),
        };
        let is_searching = since.is_some();
        let reader = Reader { next, filter, since, is_searching, is_parked: false };
        self.readers.insert(key, reader);
    }

    pub(crate) fn remove_reader(&mut self, key: ConsumerKey) {
        self.readers.remove(&key);
        self.has_left_page = true;
        let readers = &self.readers;
        for list in [&mut self.at_end, &mut self.waiting] {
            if list.len() > TURNS_LEFT_BEHIND + 2 * readers.len() {
                list.retain(|key| readers.contains_key(key));
            }
        }
        if readers.is_empty() {
            self.contents.clear();
        }
    }

    /// The consumer has no credit.
    pub(crate) fn park(&mut self, key: ConsumerKey) {
        if let Some(reader) = self.readers.get_mut(&key) {
            reader.is_parked = true;
        }
    }

    /// Gives a consumer up to `turn` messages, until `give` breaks off. `looks` is how many more
    /// messages may be looked at.
    pub(crate) fn serve(
        &mut self,
        key: ConsumerKey,
        mut turn: u32,
        looks: &mut usize,
        mut give: impl FnMut(Sequence, &Message) -> ControlFlow<()>,
    ) -> Served {
        let Some(reader) = self.readers.get_mut(&key) else { return Served::Waits };
        reader.is_parked = false;
        if let Some(time) = reader.since.filter(|_| reader.is_searching) {
            match self.index.search(time) {
                Ok(place) => (reader.next, reader.is_searching) = (place, false),
                Err(place) => {
                    self.wanted.get_or_insert(Want::Time(place));
                    self.waiting.push(key);
                    return Served::Waits;
                }
            }
        }
        // One message: true if the turn goes on.
        let mut step = |reader: &mut Reader, sequence: Sequence, message: &Message| {
            if turn == 0 || *looks == 0 {
                return false;
            }
            *looks -= 1;
            reader.next = sequence + 1;
            if !reader.wants(message) {
                return true;
            }
            turn -= 1;
            give(sequence, message).is_continue()
        };
        loop {
            reader.next = reader.next.max(self.index.first());
            if reader.next > self.durable {
                self.at_end.push(key);
                return Served::Waits;
            }
            match self.contents.run(reader.next) {
                Run::Tail(mut at) => {
                    while reader.next <= self.durable
                        && let Some(message) = self.contents.newest(at)
                    {
                        if !step(reader, reader.next, message) {
                            return Served::More;
                        }
                        at += 1;
                    }
                }
                Run::Page(page, at) => {
                    let rest = page.messages.get(at..).unwrap_or_default();
                    if rest.len() < limits::LOAD_AHEAD_MESSAGES {
                        self.ahead = Some(page.through + 1);
                    }
                    for (sequence, message) in rest {
                        if !step(reader, *sequence, message) {
                            return Served::More;
                        }
                    }
                    reader.next = page.through + 1;
                    self.has_left_page = true;
                }
                Run::Missing(last) => {
                    self.wanted.get_or_insert(Want::Page(reader.next, last.min(self.durable)));
                    self.waiting.push(key);
                    return Served::Waits;
                }
            }
        }
    }

    /// After a round of turns: drops what nobody will read, and gives what is to be read from disk.
    pub(crate) fn tidy(&mut self, id: QueueId, share: usize) -> impl Iterator<Item = Load> {
        self.batch_is_open = false;
        let first = self.index.first();
        let behind = match self.contents.tail_bytes() > limits::STREAM_TAIL_BYTES {
            true => self.readers.values().map(|reader| reader.next).min().unwrap_or(first),
            false => first,
        };
        self.contents.trim(behind.max(first));
        if std::mem::take(&mut self.has_left_page) && self.contents.has_pages() {
            self.drop_pages(false);
        }
        let last = self.index.end() - 1;
        let wants_sync = !self.is_syncing && self.durable < last && !self.at_end.is_empty();
        let sync = wants_sync.then(|| {
            self.is_syncing = true;
            Load { queue: id, first: last, last, messages_max: 0, only: None }
        });
        let load = self.load(id, share);
        sync.into_iter().chain(load)
    }

    fn load(&mut self, id: QueueId, share: usize) -> Option<Load> {
        let ahead = self.ahead.take();
        if self.loading.is_some() {
            return None;
        }
        let want = self
            .wanted
            .take()
            .or_else(|| self.wanted_time.take().map(Want::Time))
            .or_else(|| ahead.and_then(|place| self.read_ahead(place)))?;
        self.loading = Some(want);
        let load = match want {
            Want::Time(place) => Load {
                queue: id,
                first: place,
                last: self.durable.max(place),
                messages_max: 1,
                only: None,
            },
            Want::Page(first, last) => {
                if 2 * self.contents.page_bytes() > share {
                    self.drop_pages(true);
                }
                let room = share.saturating_sub(self.contents.page_bytes()) as u64 / 2;
                let one = self.index.message_bytes() + limits::ENTRY_BYTES as u64;
                let most = limits::LOAD_MESSAGES as u64;
                let messages_max = (room / one).clamp(1, most) as u32;
                Load { queue: id, first, last, messages_max, only: None }
            }
        };
        Some(load)
    }

    /// What follows on `place`, if it is durable and not in memory.
    fn read_ahead(&self, place: Sequence) -> Option<Want> {
        let place = place.max(self.index.first());
        if place > self.durable {
            return None;
        }
        match self.contents.run(place) {
            Run::Missing(last) => Some(Want::Page(place, last.min(self.durable))),
            Run::Tail(_) | Run::Page(..) => None,
        }
    }

    /// Drops the pages that nobody stands in or before; those of consumers without credit as well
    /// if room is short.
    fn drop_pages(&mut self, parked_too: bool) {
        let mut wanted = vec![];
        for reader in self.readers.values().filter(|reader| !(parked_too && reader.is_parked)) {
            if let Some(page) = self.contents.page_at(reader.next) {
                wanted.push(page);
                wanted.extend(self.contents.page_behind(page));
            }
        }
        wanted.sort_unstable();
        self.contents.keep_pages(&wanted);
    }

    /// Takes an answer from disk. `now` stands for a time that nobody knows any more.
    pub(crate) fn loaded(&mut self, answer: Answer, now: Milliseconds) -> Answered {
        let Answer { load, through, mut messages, damaged, .. } = answer;
        if load.messages_max == 0 {
            self.is_syncing = false;
            self.durable = self.durable.max(load.last);
            return Answered { awake: std::mem::take(&mut self.at_end), lost: vec![] };
        }
        let first = self.index.first();
        let mut lost = vec![];
        for (sequence, body_bytes) in damaged {
            if sequence >= first {
                self.index.lost(sequence, u64::from(body_bytes));
                lost.push(sequence);
            }
        }
        if planted::is(Bug::StreamForgetsLast) {
            messages.pop();
        }
        match self.loading.take() {
            Some(Want::Time(place)) => {
                let time = messages.first().map(|(_, message)| message.time());
                self.index.learn(place, time.filter(|time| *time > 0).unwrap_or(now));
                self.has_grown |= self.settings.has_retention();
            }
            Some(Want::Page(place, _)) if !self.readers.is_empty() => {
                self.contents.add_page(place, through.min(load.last), messages);
                self.has_left_page = true;
            }
            Some(Want::Page(..)) | None => {}
        }
        self.wanted = None;
        Answered { awake: std::mem::take(&mut self.waiting), lost }
    }

    /// What has to go now; called until nothing has to. What goes is gone.
    pub(crate) fn retain(&mut self, now: Milliseconds) -> Kept {
        self.has_grown = false;
        match self.index.retention(&self.settings, now) {
            Retention::Fine => Kept::Until(None),
            Retention::Later(time) => Kept::Until(Some(time)),
            Retention::Unknown(place) => {
                self.wanted_time = Some(place);
                Kept::Until(None)
            }
            Retention::Gone(first, last) => {
                self.index.remove_oldest();
                Kept::Gone(first, last)
            }
        }
    }

    /// Checks that all agrees. `turns` are those of the queue's round, `parked` tells who is parked.
    pub(crate) fn check(
        &self,
        turns: impl Fn(&ConsumerKey) -> usize,
        parked: impl Fn(&ConsumerKey) -> bool,
    ) -> Result<(), String> {
        self.index.check()?;
        self.contents.check()?;
        for key in self.readers.keys() {
            let lists = self.at_end.iter().chain(&self.waiting);
            let found = lists.filter(|other| *other == key).count() + turns(key);
            if found != usize::from(!parked(key)) {
                return Err(format!("consumer {key:?} has {found} turns"));
            }
        }
        if !self.waiting.is_empty() && self.loading.is_none() {
            return Err("somebody waits for the disk and nobody asked".to_owned());
        }
        let live = |list: &[ConsumerKey]| list.iter().any(|key| self.readers.contains_key(key));
        if live(&self.at_end) && self.durable + 1 < self.index.end() && !self.is_syncing {
            return Err("somebody is at the end of what is durable and nobody asked".to_owned());
        }
        Ok(())
    }
}

impl Reader {
    /// True if the message is for this consumer.
    fn wants(&mut self, message: &Message) -> bool {
        if let Some(since) = self.since {
            let time = message.time();
            if time < since && time > 0 {
                return false;
            }
            self.since = None;
        }
        self.filter.as_ref().is_none_or(|filter| filter.matches(message))
    }
}
