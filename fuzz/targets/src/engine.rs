//! Commands to a virtual host, with a disk that answers late, in parts, or not at all.
//!
//! An input is a list of commands. After each of them the virtual host's invariants hold and its
//! writes make sense to a naive disk; a restart now and then gives back what the disk has; and the
//! same commands to a second virtual host have the same effects.

mod commands;
// The disk of the engine's own tests.
#[path = "../../../crates/engine/tests/it/durable.rs"]
#[allow(dead_code, clippy::too_many_lines)]
mod durable;

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::hash::{DefaultHasher, Hasher};

use arbitrary::{Result, Unstructured};
use warren_engine::{
    Command, Effects, Event, Load, MemoryLimits, SessionId, VirtualHost, VirtualHostId,
};

use self::durable::Durable;

const ID: VirtualHostId = VirtualHostId(1);
/// Commands of one input.
const COMMANDS_MAX: usize = 250;

/// Runs the checks on one input.
pub fn run(data: &[u8]) {
    let first = play(data);
    let second = play(data);
    assert_eq!(first, second, "the same commands had other effects");
}

/// Plays an input to a fresh virtual host; gives a hash over all effects.
fn play(data: &[u8]) -> u64 {
    let mut bytes = Unstructured::new(data);
    let mut world = World::new(&mut bytes);
    for _ in 0..COMMANDS_MAX {
        if bytes.is_empty() || world.step(&mut bytes).is_err() {
            break;
        }
    }
    world.restart();
    world.transcript.0.finish()
}

/// A hash over text.
#[derive(Default)]
struct Hashed(DefaultHasher);

impl fmt::Write for Hashed {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

/// A virtual host and what is around it.
struct World {
    host: VirtualHost,
    memory: MemoryLimits,
    disk: Durable,
    /// Loads that are not answered.
    loads: Vec<Load>,
    /// What the deliveries weigh that no `Flushed` has told of.
    outboxes: BTreeMap<SessionId, usize>,
    /// The highest delivery tag on each channel; a channel that closes begins anew.
    tags: BTreeMap<(SessionId, u16), u64>,
    transcript: Hashed,
}

impl World {
    fn new(bytes: &mut Unstructured<'_>) -> Self {
        let limits = [usize::MAX / 2, 1200, 300, 120, 0];
        let limit = bytes.choose(&limits).copied().unwrap_or(300);
        let memory = MemoryLimits {
            queue_bytes: limit,
            host_bytes: 2 * limit,
            transient_queue_bytes: limit,
            transient_host_bytes: 2 * limit,
        };
        let mut host = VirtualHost::new(ID, "/");
        host.set_memory_limits(memory);
        let (disk, loads) = (Durable::default(), vec![]);
        let (outboxes, tags, transcript) = (BTreeMap::new(), BTreeMap::new(), Hashed::default());
        Self { host, memory, disk, loads, outboxes, tags, transcript }
    }

    fn step(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        match bytes.int_in_range(0..=31_u8)? {
            0 => self.restart(),
            1 => {
                let session = commands::session(bytes)?;
                let outbox = self.outboxes.entry(session).or_default();
                let part = if bytes.arbitrary()? { *outbox } else { *outbox / 2 };
                *outbox -= part;
                self.apply(Command::Flushed { session, bytes: part });
            }
            2..=5 => self.answer(bytes)?,
            _ => {
                let command = commands::command(bytes)?;
                self.apply(command);
            }
        }
        Ok(())
    }

    /// Answers one of the open loads: all of it, a part, or with losses.
    fn answer(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        if self.loads.is_empty() {
            return Ok(());
        }
        let at = bytes.choose_index(self.loads.len())?;
        let load = self.loads.remove(at);
        let mut messages = self.disk.contents(&load);
        let full = messages.len() == load.messages_max as usize;
        let last = messages.last().map(|(place, _)| *place);
        let mut through = last.filter(|_| full).unwrap_or(load.last);
        let how: u8 = bytes.arbitrary()?;
        if how & 1 == 1 {
            through = messages.first().map_or(through, |(place, _)| *place);
        }
        messages.retain(|(place, _)| *place <= through);
        let mut damaged = vec![];
        if how & 6 == 6 {
            let unread = messages.len() / 2;
            for (place, message) in messages.split_off(unread) {
                damaged.push((place, message.body().len() as u32));
            }
        }
        if how & 24 == 24 {
            // The disk does not know of it any more.
            messages.pop();
        }
        let returns = messages.iter().map(|(place, _)| (*place, (*place % 3) as u32)).collect();
        self.apply(Command::Loaded { load, through, messages, damaged, returns });
        Ok(())
    }

    fn apply(&mut self, command: Command) {
        let text = match &command {
            Command::Publish(batch) => format!("{:?} {:?}", batch.session, batch.publishes),
            Command::Loaded { load, through, .. } => format!("loaded {load:?} through {through}"),
            command => format!("{command:?}"),
        };
        if let Command::CloseSession { session, .. } = &command {
            self.forget(*session);
        }
        let mut effects = Effects::default();
        self.host.apply(command, &mut effects);
        if let Err(fault) = self.host.check_invariants() {
            panic!("after {text}: {fault}");
        }
        for write in &effects.writes {
            if let Err(fault) = self.disk.apply(write) {
                panic!("after {text}: {fault}");
            }
        }
        for outgoing in &effects.events {
            self.check_event(outgoing.session, &outgoing.event, &text);
        }
        self.loads.extend(effects.loads.iter().cloned());
        write!(self.transcript, "{effects:?}").expect("hashing does not fail");
    }

    fn check_event(&mut self, session: SessionId, event: &Event, text: &str) {
        if event.is_delivery() {
            *self.outboxes.entry(session).or_default() += event.weight();
        }
        match event {
            Event::Deliver { channel, delivery_tag, .. }
            | Event::GetOk { channel, delivery_tag, .. } => {
                let before = self.tags.insert((session, *channel), *delivery_tag);
                let rises = before.is_none_or(|before| before < *delivery_tag);
                assert!(rises, "after {text}: tag {delivery_tag} after {before:?}");
            }
            Event::ChannelError { channel, .. }
            | Event::Reply { channel, reply: warren_engine::Reply::ChannelCloseOk } => {
                self.tags.remove(&(session, *channel));
            }
            Event::SessionClosed | Event::SessionError { .. } => self.forget(session),
            _ => {}
        }
    }

    fn forget(&mut self, session: SessionId) {
        self.outboxes.remove(&session);
        self.tags.retain(|(other, _), _| *other != session);
    }

    /// Memory is gone; what the disk has is there again.
    fn restart(&mut self) {
        let recovered = self.disk.recovered(ID);
        let waiting: u64 = recovered.queues.iter().map(|queue| queue.waiting.messages).sum();
        let queues = recovered.queues.len();
        self.host = VirtualHost::recover(ID, "/", &recovered);
        self.host.set_memory_limits(self.memory);
        self.loads.clear();
        self.outboxes.clear();
        self.tags.clear();
        if let Err(fault) = self.host.check_invariants() {
            panic!("after a restart: {fault}");
        }
        let summary = self.host.summary();
        assert_eq!((summary.queues, summary.messages_ready as u64), (queues, waiting));
        assert_eq!((summary.sessions, summary.messages_unacknowledged), (0, 0));
    }
}
