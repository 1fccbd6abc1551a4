//! Whose turn it is: sessions that ask for something take turns, one command at a time. A session's
//! own commands stay in their order.

use std::collections::{VecDeque, hash_map::Entry};
use std::vec::IntoIter;

use rustc_hash::FxHashMap;
use tokio::sync::OwnedSemaphorePermit;
use warren_engine::{Command, SessionId};

use crate::limits;

/// A command whose turn it is.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) session: SessionId,
    pub(super) command: Command,
    /// It was the last one that came with this permit.
    pub(super) permit: Option<OwnedSemaphorePermit>,
    pub(super) is_last: bool,
    /// It came with much that is published.
    pub(super) is_large: bool,
}

/// Commands that came together.
#[derive(Debug)]
struct Read {
    commands: IntoIter<Command>,
    permit: Option<OwnedSemaphorePermit>,
    is_large: bool,
}

/// What a session waits with: mostly it is one read.
#[derive(Debug)]
struct Waiting {
    first: Read,
    rest: VecDeque<Read>,
}

#[derive(Debug, Default)]
pub(super) struct Turns {
    waiting: FxHashMap<SessionId, Waiting>,
    /// The sessions that wait, the next one in front.
    order: VecDeque<SessionId>,
    reads: usize,
    bytes: usize,
}

impl Turns {
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// True if so much waits that nothing more should be taken in.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= limits::WAITING_TURN_BYTES || self.reads >= limits::WAITING_TURNS
    }

    /// Adds commands of a session behind those that it waits with.
    pub(super) fn add(
        &mut self,
        session: SessionId,
        commands: Vec<Command>,
        permit: Option<OwnedSemaphorePermit>,
    ) {
        if commands.is_empty() {
            return;
        }
        self.reads += 1;
        let bytes = commands.iter().map(bytes_of).sum::<usize>();
        self.bytes += bytes;
        let is_large = bytes >= limits::LARGE_READ_BYTES;
        let read = Read { commands: commands.into_iter(), permit, is_large };
        match self.waiting.entry(session) {
            Entry::Occupied(mut waiting) => waiting.get_mut().rest.push_back(read),
            Entry::Vacant(free) => {
                free.insert(Waiting { first: read, rest: VecDeque::new() });
                self.order.push_back(session);
            }
        }
    }

    /// Takes the next command.
    pub(super) fn next(&mut self) -> Option<Turn> {
        let session = self.order.pop_front()?;
        let Entry::Occupied(mut entry) = self.waiting.entry(session) else { return None };
        let waiting = entry.get_mut();
        let command = waiting.first.commands.next()?;
        self.bytes -= bytes_of(&command);
        let (is_last, is_large) = (waiting.first.commands.len() == 0, waiting.first.is_large);
        let mut permit = None;
        let mut is_done = false;
        if is_last {
            self.reads -= 1;
            permit = waiting.first.permit.take();
            match waiting.rest.pop_front() {
                Some(next) => waiting.first = next,
                None => is_done = true,
            }
        }
        match is_done {
            true => drop(entry.remove()),
            false => self.order.push_back(session),
        }
        Some(Turn { session, command, permit, is_last, is_large })
    }
}

/// What the messages of a command take in memory.
fn bytes_of(command: &Command) -> usize {
    match command {
        Command::Publish(batch) => batch.messages.bytes_len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;
    use warren_engine::{MessageBatch, PublishBatch};

    use super::*;

    /// Commands that are told apart by how many bytes they report.
    fn commands(session: u64, numbers: std::ops::Range<usize>) -> Vec<Command> {
        let session = SessionId(session);
        numbers.map(|bytes| Command::Flushed { session, bytes }).collect()
    }

    fn drain(turns: &mut Turns) -> Vec<(u64, usize, bool)> {
        std::iter::from_fn(|| turns.next())
            .map(|turn| match turn.command {
                Command::Flushed { bytes, .. } => (turn.session.0, bytes, turn.is_last),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn a_session_that_asks_for_little_does_not_wait_for_one_that_asks_for_much() {
        let mut turns = Turns::default();
        turns.add(SessionId(1), commands(1, 0..3), None);
        turns.add(SessionId(1), commands(1, 3..5), None);
        turns.add(SessionId(2), commands(2, 0..1), None);
        let expected =
            [(1, 0, false), (2, 0, true), (1, 1, false), (1, 2, true), (1, 3, false), (1, 4, true)];
        assert_eq!(drain(&mut turns), expected);
        assert!(turns.is_empty() && turns.waiting.is_empty() && turns.reads == 0);
    }

    #[test]
    fn the_permit_of_a_read_comes_with_its_last_command() {
        let permits = Arc::new(Semaphore::new(1));
        let mut turns = Turns::default();
        let permit = Arc::clone(&permits).try_acquire_owned().unwrap();
        turns.add(SessionId(1), commands(1, 0..2), Some(permit));
        assert!(turns.next().unwrap().permit.is_none());
        assert!(turns.next().unwrap().permit.is_some());
        assert!(turns.next().is_none());
        // What asks for nothing keeps nobody.
        let permit = Arc::clone(&permits).try_acquire_owned().unwrap();
        turns.add(SessionId(1), vec![], Some(permit));
        assert!(turns.is_empty() && permits.available_permits() == 1);
    }

    #[test]
    fn much_that_waits_fills_it_until_its_turns_have_come() {
        let mut turns = Turns::default();
        let mut messages = MessageBatch::default();
        messages.push("", "q", &[0, 0], &vec![0; limits::WAITING_TURN_BYTES]);
        let batch = PublishBatch {
            session: SessionId(1),
            messages: Arc::new(messages),
            publishes: vec![(1, false)],
            to: None,
        };
        turns.add(SessionId(1), vec![Command::Publish(batch)], None);
        assert!(turns.is_full());
        assert!(turns.next().unwrap().is_large);
        assert!(!turns.is_full() && turns.bytes == 0);
        for session in 0..limits::WAITING_TURNS as u64 {
            turns.add(SessionId(session), commands(session, 0..1), None);
        }
        assert!(turns.is_full());
        turns.next().unwrap();
        assert!(!turns.is_full());
    }
}
