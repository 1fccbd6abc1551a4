//! The contents of a stream that are in memory: the newest messages, for consumers that keep up, and
//! pages that were read from disk for those that are behind.
//!
//! ```text
//!      page           page                                  tail
//!  [ 5 .. 4100 ]  [ 9000 .. 13095 ]              [ 990000 ........ 1000000 ]
//! ```
//!
//! Pages do not overlap, neither among them nor with the tail when they are asked for. Consumers that
//! stand in the same page share it; one in which nobody stands, nor in the one before it, goes.

use std::collections::{BTreeMap, VecDeque};

use crate::record::Sequence;
use crate::{Message, limits};

#[derive(Debug)]
struct Newest {
    message: Message,
    weight: usize,
}

#[derive(Debug)]
pub(super) struct Page {
    /// All that there is up to this place is in the page.
    pub(super) through: Sequence,
    pub(super) messages: Vec<(Sequence, Message)>,
    bytes: usize,
}

/// What is in memory from a place on.
pub(super) enum Run<'a> {
    /// The newest messages, from this one of them on.
    Tail(usize),
    /// A page, from this message of it on.
    Page(&'a Page, usize),
    /// Nothing: what is to be read ends with this place at the latest.
    Missing(Sequence),
}

#[derive(Debug, Default)]
pub(super) struct Contents {
    tail: VecDeque<Newest>,
    /// The place behind the last message of the tail.
    end: Sequence,
    tail_bytes: usize,
    pages: BTreeMap<Sequence, Page>,
    page_bytes: usize,
}

impl Contents {
    pub(super) fn new(end: Sequence) -> Self {
        Self { end, ..Self::default() }
    }

    /// What all of it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.tail_bytes + self.page_bytes
    }

    pub(super) fn page_bytes(&self) -> usize {
        self.page_bytes
    }

    pub(super) fn tail_bytes(&self) -> usize {
        self.tail_bytes
    }

    /// The place of the first message of the tail, or the one behind all.
    pub(super) fn tail_first(&self) -> Sequence {
        self.end - self.tail.len() as u64
    }

    /// A message came. The tail keeps the newest ones that take `bytes_max` together.
    pub(super) fn push(&mut self, sequence: Sequence, message: &Message, bytes_max: usize) {
        let shares = self.tail.back().is_some_and(|last| last.message.is_of_same_batch(message));
        let batch = if shares { 0 } else { message.batch_bytes() };
        let weight = batch + limits::ENTRY_BYTES;
        self.tail.push_back(Newest { message: message.clone(), weight });
        self.end = sequence + 1;
        self.tail_bytes += weight;
        while self.tail_bytes > bytes_max && self.pop_oldest() {}
    }

    /// A message came that nobody is there to read.
    pub(super) fn pass(&mut self, sequence: Sequence) {
        self.end = sequence + 1;
    }

    fn pop_oldest(&mut self) -> bool {
        let popped = self.tail.pop_front();
        self.tail_bytes -= popped.as_ref().map_or(0, |newest| newest.weight);
        if self.tail.is_empty() && self.tail.capacity() > limits::HEAD_KEPT {
            self.tail = VecDeque::new();
        }
        popped.is_some()
    }

    /// Nobody wants what stands before `place`.
    pub(super) fn trim(&mut self, place: Sequence) {
        while self.tail_first() < place && self.pop_oldest() {}
        while let Some(entry) = self.pages.first_entry() {
            if entry.get().through >= place {
                return;
            }
            self.page_bytes -= entry.remove().bytes;
        }
    }

    /// Nobody reads.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.end);
    }

    /// What is in memory from `place` on; `place` is below the end.
    pub(super) fn run(&self, place: Sequence) -> Run<'_> {
        let tail_first = self.tail_first();
        if place >= tail_first {
            return Run::Tail((place - tail_first) as usize);
        }
        let page = self.pages.range(..=place).next_back();
        if let Some((_, page)) = page.filter(|(_, page)| page.through >= place) {
            let at = page.messages.partition_point(|(sequence, _)| *sequence < place);
            return Run::Page(page, at);
        }
        let next = self.pages.range(place..).next().map_or(tail_first, |(first, _)| *first);
        Run::Missing(next - 1)
    }

    /// The message of the tail with this number, if there is one.
    pub(super) fn newest(&self, at: usize) -> Option<&Message> {
        self.tail.get(at).map(|newest| &newest.message)
    }

    /// The key of the page that covers a place.
    pub(super) fn page_at(&self, place: Sequence) -> Option<Sequence> {
        let (first, page) = self.pages.range(..=place).next_back()?;
        (page.through >= place).then_some(*first)
    }

    /// The page behind the one with this key, if it follows at once.
    pub(super) fn page_behind(&self, first: Sequence) -> Option<Sequence> {
        let behind = self.pages.get(&first)?.through + 1;
        self.pages.contains_key(&behind).then_some(behind)
    }

    /// Takes what was read of the places from `first` to `through`.
    pub(super) fn add_page(
        &mut self,
        first: Sequence,
        through: Sequence,
        messages: Vec<(Sequence, Message)>,
    ) {
        let mut bytes = 0;
        let mut before: Option<&Message> = None;
        for (_, message) in &messages {
            let shares = before.is_some_and(|before| before.is_of_same_batch(message));
            bytes += if shares { 0 } else { message.batch_bytes() } + limits::ENTRY_BYTES;
            before = Some(message);
        }
        self.page_bytes += bytes;
        if let Some(old) = self.pages.insert(first, Page { through, messages, bytes }) {
            self.page_bytes -= old.bytes;
        }
    }

    pub(super) fn has_pages(&self) -> bool {
        !self.pages.is_empty()
    }

    /// Drops the pages that are not among these, which are in order.
    pub(super) fn keep_pages(&mut self, wanted: &[Sequence]) {
        let page_bytes = &mut self.page_bytes;
        self.pages.retain(|first, page| {
            let stays = wanted.binary_search(first).is_ok();
            *page_bytes -= if stays { 0 } else { page.bytes };
            stays
        });
    }

    /// Checks that the counts agree with what is there.
    pub(super) fn check(&self) -> Result<(), String> {
        let tail: usize = self.tail.iter().map(|newest| newest.weight).sum();
        let pages: usize = self.pages.values().map(|page| page.bytes).sum();
        if (tail, pages) != (self.tail_bytes, self.page_bytes) {
            return Err("the bytes of the stream in memory are counted wrongly".to_owned());
        }
        let pairs = self.pages.iter().zip(self.pages.iter().skip(1));
        for ((_, page), (first, _)) in pairs {
            if page.through >= *first {
                return Err("pages of the stream overlap".to_owned());
            }
        }
        Ok(())
    }
}
