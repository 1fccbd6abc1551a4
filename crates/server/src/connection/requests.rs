//! What one read asks of the shard, put together into few commands.

use warren_amqp::Publish;
use warren_engine::{Acknowledgement, Command, MessageBatch, PublishBatch, Request, SessionId};

use crate::{clock, limits};

/// Commands of one session in the making. Publishes that follow each other become one command, and
/// so do acknowledgements; anything else ends both, so that the order stays.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// None until a virtual host is open; until then nothing is asked.
    session: Option<SessionId>,
    messages: MessageBatch,
    publishes: Vec<(u16, bool)>,
    acknowledgements: Vec<Acknowledgement>,
    commands: Vec<Command>,
}

impl Requests {
    pub(super) fn open(&mut self, session: SessionId) {
        self.session = Some(session);
    }

    /// Adds a message. `rest` is how many bytes of input are still to come, a hint for how much
    /// memory the batch will need.
    #[inline]
    pub(super) fn publish(&mut self, publish: &Publish<'_>, rest: usize) {
        if !self.acknowledgements.is_empty() {
            self.end_acknowledgements();
        }
        let own = publish.properties.len() + publish.body.len() + 64;
        if self.messages.bytes_len() + own > limits::MESSAGE_BATCH_BYTES {
            self.end_publishes();
        }
        if self.publishes.is_empty() {
            let bytes = own.max((rest + own).min(limits::MESSAGE_BATCH_BYTES));
            self.messages = MessageBatch::with_capacity(0, bytes).at(clock::now());
        }
        let Publish { exchange, routing_key, properties, body, .. } = *publish;
        self.messages.push(exchange, routing_key, properties, body);
        self.publishes.push((publish.channel, publish.mandatory));
    }

    #[inline]
    pub(super) fn acknowledge(&mut self, acknowledgement: Acknowledgement) {
        if !self.publishes.is_empty() {
            self.end_publishes();
        }
        self.acknowledgements.push(acknowledgement);
    }

    pub(super) fn request(&mut self, channel: u16, request: Request) {
        if let Some(session) = self.session {
            self.command(Command::Request { session, channel, request });
        }
    }

    pub(super) fn command(&mut self, command: Command) {
        self.end_publishes();
        self.end_acknowledgements();
        self.commands.push(command);
    }

    /// Takes all commands, in order.
    pub(super) fn take(&mut self) -> Vec<Command> {
        self.end_publishes();
        self.end_acknowledgements();
        std::mem::take(&mut self.commands)
    }

    fn end_publishes(&mut self) {
        let publishes = std::mem::take(&mut self.publishes);
        if let (Some(session), false) = (self.session, publishes.is_empty()) {
            self.messages.finish();
            let messages = std::mem::take(&mut self.messages).into();
            let batch = PublishBatch { session, messages, publishes, to: None };
            self.commands.push(Command::Publish(batch));
        }
    }

    fn end_acknowledgements(&mut self) {
        let acknowledgements = std::mem::take(&mut self.acknowledgements);
        if let (Some(session), false) = (self.session, acknowledgements.is_empty()) {
            self.commands.push(Command::Acknowledge { session, acknowledgements });
        }
    }
}
