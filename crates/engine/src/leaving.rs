//! Messages that a queue has given up and that go to its dead letter exchange: neither ready nor
//! unacknowledged any more, but in the store until they have gone.

use std::collections::VecDeque;

use crate::backlog::{Answer, Entry, Mark};
use crate::death::Reason;
use crate::planted::{self, Bug};
use crate::record::Sequence;
use crate::{Load, Message, QueueId, limits};

/// A message on its way out.
#[derive(Debug)]
pub(crate) struct Gone {
    pub(crate) sequence: Sequence,
    pub(crate) reason: Reason,
    /// The name under which the store has it.
    pub(crate) stored: Option<QueueId>,
    /// The lane of its queue that it was in.
    pub(crate) lane: QueueId,
    /// The store has it among messages that are ready (see [`Mark::FromRange`]).
    pub(crate) from_range: bool,
    /// The content; `None` while it is only on disk.
    message: Option<Message>,
    weight: usize,
}

/// The messages that leave a queue, in the order in which it gave them up.
#[derive(Debug, Default)]
pub(crate) struct Leaving {
    list: VecDeque<Gone>,
    /// What their contents take in memory.
    resident_bytes: usize,
    /// The wish that is not answered. It is for the messages in front.
    loading: Option<Load>,
}

impl Leaving {
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// True if so many wait to leave that no more are to be given up because their time is over.
    pub(crate) fn is_long(&self) -> bool {
        self.list.len() >= limits::LEAVING_LONG
    }

    pub(crate) fn resident_bytes(&self) -> usize {
        self.resident_bytes
    }

    pub(crate) fn push(&mut self, entry: &Entry, queue: QueueId, reason: Reason) {
        let (stored, lane) = (entry.stored_under(queue), queue.lane(entry.lane));
        let (sequence, message) = (entry.sequence, entry.message.clone());
        let weight = entry.resident_bytes();
        self.resident_bytes += weight;
        let from_range = entry.marks.has(Mark::FromRange);
        let gone = Gone { sequence, reason, stored, lane, from_range, message, weight };
        match planted::is(Bug::DeadLetterOvertakes) && self.loading.is_none() {
            true => self.list.push_front(gone),
            false => self.list.push_back(gone),
        }
    }

    /// Takes the first message if its content is there.
    pub(crate) fn pop(&mut self) -> Option<(Gone, Message)> {
        let message = self.list.front()?.message.clone()?;
        Some((self.pop_any()?, message))
    }

    /// Takes the first message.
    pub(crate) fn pop_any(&mut self) -> Option<Gone> {
        let gone = self.list.pop_front()?;
        self.resident_bytes -= gone.weight;
        if self.list.is_empty() && self.list.capacity() > limits::HEAD_KEPT {
            self.list = VecDeque::new();
        }
        Some(gone)
    }

    /// What is to be read from disk for the messages in front. Nothing while an answer is on its
    /// way, or if the first content is there.
    pub(crate) fn load(&mut self) -> Option<Load> {
        let front = self.list.front().filter(|front| front.message.is_none())?;
        let (queue, first) = (front.lane, front.sequence);
        if self.loading.is_some() {
            return None;
        }
        let mut last = first;
        for next in self.list.iter().take(limits::LOAD_MESSAGES).skip(1) {
            let near = next.sequence > last && next.sequence - last <= limits::LEAVING_GAP;
            if next.message.is_some() || next.lane != queue || !near {
                break;
            }
            last = next.sequence;
        }
        let messages_max = limits::LOAD_MESSAGES as u32;
        let load = Load { queue, first, last, messages_max, only: None };
        self.loading = Some(load.clone());
        Some(load)
    }

    /// True if this is the wish that is not answered.
    pub(crate) fn awaits(&self, load: &Load) -> bool {
        self.loading.as_ref() == Some(load)
    }

    /// Takes the answer to its wish. Messages that it should have brought are lost, and are given
    /// with the names under which the store had them.
    pub(crate) fn loaded(&mut self, answer: Answer) -> Vec<Gone> {
        self.loading = None;
        let mut lost = vec![];
        let mut messages = answer.messages.into_iter().peekable();
        let mut at = 0;
        let mut before = None;
        while let Some(gone) = self.list.get_mut(at) {
            let is_of_load = gone.message.is_none()
                && gone.lane == answer.load.queue
                && (answer.load.first..=answer.through.min(answer.load.last))
                    .contains(&gone.sequence)
                && before.is_none_or(|before| before < gone.sequence);
            if !is_of_load {
                break;
            }
            before = Some(gone.sequence);
            while messages.next_if(|(sequence, _)| *sequence < gone.sequence).is_some() {}
            match messages.next_if(|(sequence, _)| *sequence == gone.sequence) {
                Some((_, message)) => {
                    gone.weight = message.encoded_bytes() + limits::ENTRY_BYTES;
                    self.resident_bytes += gone.weight;
                    gone.message = Some(message);
                    at += 1;
                }
                None => lost.extend(self.list.remove(at)),
            }
        }
        lost
    }

    /// Checks that the counts agree with what is there.
    pub(crate) fn check(&self) -> Result<(), String> {
        let bytes: usize = self.list.iter().map(|gone| gone.weight).sum();
        if bytes != self.resident_bytes {
            return Err(format!("{} bytes leave, {bytes} found", self.resident_bytes));
        }
        Ok(())
    }
}
