//! A message that rots on disk: the broker must say that it is lost, and deliver all others.

use crate::faults::End;
use crate::messages::MessageId;
use crate::world::World;
use crate::{Violation, limits};

impl World {
    /// Damages one of the messages that wait on disk and starts the broker again, with all records
    /// of the log covered by a checkpoint: what a recovery would read is damaged in other tests.
    pub(crate) fn rot(&mut self) -> Result<(), Violation> {
        if let Some(node) = &mut self.node {
            node.changed = true;
        }
        for _ in 0..limits::LAST_CHECKPOINT_STEPS {
            if self.node.as_ref().is_some_and(|node| node.may_checkpoint()) {
                self.checkpoint();
            }
        }
        // A stream may let a damaged message go that nobody was told of.
        let long = self.model.durable_messages();
        let long: Vec<MessageId> = long.into_iter().filter(|id| self.is_long(*id)).collect();
        if let Some(id) = self.random.pick(&long) {
            let copies = self.model.rots(id);
            self.notes.trace.line(format_args!("message {id} rots, with {copies} copies"));
            self.flip(id);
            self.holes = true;
        }
        self.end(End::Kill)
    }

    /// True if the body is so long that it stands nowhere else.
    fn is_long(&self, id: MessageId) -> bool {
        let message = self.model.messages.get(id as usize);
        message.is_some_and(|message| message.publication.body_bytes >= limits::LONG_BODY_BYTES)
    }

    /// Flips a byte of the body wherever it stands in the log.
    fn flip(&mut self, id: MessageId) {
        let Some(message) = self.model.messages.get(id as usize) else { return };
        let body = message.publication.body();
        let at = self.random.below(body.len());
        let Some(flipped) = body.get(at).map(|byte| byte ^ 0x10) else { return };
        for name in self.disk.names().iter().filter(|name| name.ends_with(".seg")) {
            let content = self.disk.content(name);
            for found in (0..content.len())
                .filter(|from| content.get(*from..).is_some_and(|rest| rest.starts_with(&body)))
            {
                self.disk.damage(name, found + at, &[flipped]);
            }
        }
    }
}
