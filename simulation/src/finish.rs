//! The end of each run: faults stop, everything comes to rest, the broker is started again, and
//! all that waits is drained. Then nothing may be left, in memory and on disk.

use warren_amqp::{FieldTable, FieldValue};
use warren_engine::{Command, ConsumeRequest, Declaration, Request, SessionId};

use crate::Violation;
use crate::client::{Client, ClientChannel};
use crate::committer::Checkpoint;
use crate::faults::End;
use crate::limits;
use crate::names::is_stream;
use crate::node::Node;
use crate::random::Random;
use crate::world::World;

impl World {
    pub(crate) fn finish(&mut self) -> Result<(), Violation> {
        self.notes.trace.line(format_args!("faults end"));
        self.disk.heal();
        let failing = |node: &Node| matches!(node.checkpoint, Checkpoint::Ran(Err(_)));
        if self.node.as_ref().is_some_and(failing) {
            self.checkpoint();
        }
        if self.node.as_ref().is_some_and(|node| node.failed.is_some()) {
            self.end(End::Kill)?;
            self.disk.heal();
        }
        self.rest()?;
        self.model.check_times()?;
        self.check_at_rest()?;
        for client in &self.clients {
            client.check_answered()?;
        }
        if self.random.percent(50) {
            self.now += limits::LONG_TIME;
            self.rest()?;
            self.model.check_times()?;
            if self.profile.times_out {
                for _ in 0..2 {
                    self.now += limits::LONG_TIME;
                    self.rest()?;
                }
                self.model.check_overdue()?;
            }
        }
        self.model.check_choices()?;
        for slot in 0..self.clients.len() {
            self.die(slot);
        }
        self.rest()?;
        if self.random.percent(20) {
            self.rot()?;
            self.disk.heal();
        } else if self.random.percent(60) {
            let ends = [End::PowerCut, End::Kill, End::Stop];
            let end = self.random.pick(&ends).unwrap_or(End::Kill);
            self.end(end)?;
            self.disk.heal();
        }
        self.drain()?;
        self.look_at_disk()
    }

    /// Goes on, without a new wish of a client, until nothing is on its way.
    fn rest(&mut self) -> Result<(), Violation> {
        for _ in 0..limits::REST_STEPS_MAX {
            if self.disk.is_off() || self.node.as_ref().is_some_and(|node| node.failed.is_some()) {
                let text = "the store fails without a fault".to_owned();
                return Err(Violation::new("P12", text));
            }
            self.tick()?;
            if self.node.as_ref().is_none_or(Node::is_at_rest) {
                return Ok(());
            }
            self.shard(16)?;
            self.commit(limits::COMMITTER_INBOX, true);
            self.load();
            // Loads wait for a checkpoint that found the disk full, as the database is closed.
            if self.node.as_ref().is_some_and(|node| node.checkpoint_waits) {
                self.checkpoint();
            }
            for slot in 0..self.clients.len() {
                self.receive(slot, usize::MAX)?;
            }
        }
        Err(Violation::new("P12", "it does not come to rest"))
    }

    /// Consumes all that waits, in every queue, and settles it.
    fn drain(&mut self) -> Result<(), Violation> {
        self.clients = vec![Client::default()];
        self.last_session += 1;
        let session = SessionId(self.last_session);
        let queues = self.model.queue_names();
        let Some(client) = self.clients.first_mut() else { return Ok(()) };
        client.session = Some(session);
        let mut channel = ClientChannel::default();
        // A queue comes and goes, so that there is news for a checkpoint.
        let mut requests = vec![Request::ChannelOpen, declare_last(), delete_last()];
        channel.awaited.extend(["queue.declare", "queue.delete"]);
        // Streams want to know how much is taken at a time.
        requests.push(Request::Qos { prefetch_count: u16::MAX, global: false });
        channel.awaited.push_back("qos");
        for queue in queues {
            channel.awaited.push_back("consume");
            let no_ack = self.random.percent(20) && !is_stream(&queue);
            if no_ack {
                channel.no_ack.insert(queue.clone());
            }
            let mut arguments = FieldTable::default();
            if is_stream(&queue) {
                let first = FieldValue::LongString("first".into());
                arguments.insert("x-stream-offset".into(), first);
            }
            requests.push(Request::Consume(ConsumeRequest {
                consumer_tag: queue.clone(),
                queue,
                no_ack,
                arguments,
                ..ConsumeRequest::default()
            }));
        }
        client.channels.insert(1, channel);
        let Some(node) = &mut self.node else { return Ok(()) };
        node.connect(session);
        for request in requests {
            node.inbox.push_back(Command::Request { session, channel: 1, request });
        }
        self.rest()?;
        self.settle_all(session)?;
        self.model.check_streams_read()?;
        self.delete_streams(session)?;
        if self.model.damaged > 0 {
            let text = format!("{} damaged messages are not told of", self.model.damaged);
            return Err(Violation::new("P1", text));
        }
        let left = self.model.waiting();
        if left > 0 {
            return Err(Violation::new("P1", format!("{left} messages are never delivered")));
        }
        let Some(node) = &mut self.node else { return Ok(()) };
        let summary = node.host.summary();
        if summary.messages_ready + summary.messages_unacknowledged > 0 {
            return Err(Violation::new("P10", format!("not empty after the drain: {summary:?}")));
        }
        node.inbox.push_back(Command::CloseSession { session, reply: true });
        self.rest()?;
        match self.clients.first().and_then(|client| client.session) {
            Some(_) => Err(Violation::new("P12", "the session is not closed")),
            None => Ok(()),
        }
    }

    /// Only by this does a stream become empty.
    fn delete_streams(&mut self, session: SessionId) -> Result<(), Violation> {
        for name in self.model.stream_names() {
            let client = self.clients.first_mut();
            if let Some(channel) = client.and_then(|client| client.channels.get_mut(&1)) {
                channel.awaited.push_back("queue.delete");
            }
            let (if_unused, if_empty, no_wait) = (false, false, false);
            let request = Request::QueueDelete { name, if_unused, if_empty, no_wait };
            if let Some(node) = &mut self.node {
                node.inbox.push_back(Command::Request { session, channel: 1, request });
            }
        }
        self.rest()
    }

    fn settle_all(&mut self, session: SessionId) -> Result<(), Violation> {
        let client = self.clients.first_mut();
        let Some(channel) = client.and_then(|client| client.channels.get_mut(&1)) else {
            return Ok(());
        };
        let mut tags = std::mem::take(&mut channel.tags);
        shuffle(&mut tags, &mut self.random);
        let acknowledgements = tags.into_iter().map(|delivery_tag| {
            warren_engine::Acknowledgement { channel: 1, delivery_tag, multiple: false }
        });
        let acknowledgements = acknowledgements.collect();
        if let Some(node) = &mut self.node {
            node.inbox.push_back(Command::Acknowledge { session, acknowledgements });
        }
        self.rest()
    }

    /// After two checkpoints and all housekeeping, emptied queues take no room.
    fn look_at_disk(&mut self) -> Result<(), Violation> {
        if let Some(node) = &mut self.node {
            // What was replayed at the start needs a checkpoint too.
            node.changed = true;
        }
        for _ in 0..limits::LAST_CHECKPOINT_STEPS {
            if self.node.as_ref().is_some_and(|node| node.may_checkpoint()) {
                self.checkpoint();
            }
        }
        for _ in 0..limits::REST_STEPS_MAX {
            let more = self.housekeep();
            self.commit(0, false);
            if !more {
                break;
            }
        }
        let names = self.disk.names();
        let segments: Vec<_> = names.iter().filter(|name| name.ends_with(".seg")).collect();
        let log_files = names.iter().filter(|name| name.starts_with("log/")).count();
        if segments.len() > 1 || log_files > limits::EMPTY_LOG_FILES {
            return Err(Violation::new("P14", format!("after the drain there are {names:?}")));
        }
        let database = self.disk.content("warren.redb").len() as u64;
        if database > limits::DATABASE_BYTES {
            return Err(Violation::new("P14", format!("the database has {database} bytes")));
        }
        Ok(())
    }
}

fn declare_last() -> Request {
    let declaration = Declaration { durable: true, ..Declaration::default() };
    let (name, arguments) = ("last".to_owned(), Default::default());
    Request::QueueDeclare { name, generated: false, declaration, arguments }
}

fn delete_last() -> Request {
    let (name, if_unused, if_empty) = ("last".to_owned(), true, true);
    Request::QueueDelete { name, if_unused, if_empty, no_wait: false }
}

fn shuffle<T>(list: &mut [T], random: &mut Random) {
    for at in (1..list.len()).rev() {
        list.swap(at, random.below(at + 1));
    }
}
