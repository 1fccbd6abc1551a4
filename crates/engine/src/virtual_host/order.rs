//! The order of answers on a channel: what follows on a `basic.get` waits for its answer, which may
//! have to come from disk or wait for room in the outbox.
//!
//! Commands are carried out as they come, for the rest of the virtual host must not wait. What the
//! channel is told of them is held behind the get. Its consumers have no credit meanwhile, so that
//! only answers are held, and of these a bounded number of bytes.

use super::VirtualHost;
use crate::planted::{self, Bug};
use crate::{Effects, Error, Event, Origin, Outgoing, Reply, SessionId, limits};

const BASIC_GET: Origin = Origin { class_id: 60, method_id: 70 };

impl VirtualHost {
    /// Puts the events from number `first` on into order: holds those that a get must precede, and
    /// lets those go whose get is answered among them.
    pub(super) fn keep_order(&mut self, first: usize, effects: &mut Effects) {
        let mut from = first;
        while !self.holding.is_empty() && from < effects.events.len() {
            let over = self.sort_out(from, effects);
            from = effects.events.len();
            for session in over {
                self.end_session(session, effects);
                let error = Box::new(Error::TooMuchBehindGet { limit: limits::HELD_BYTES });
                effects.send(session, Event::SessionError { error, origin: BASIC_GET });
            }
        }
    }

    /// Gives the sessions for which more is held than may be.
    fn sort_out(&mut self, first: usize, effects: &mut Effects) -> Vec<SessionId> {
        let mut over = vec![];
        for outgoing in effects.events.split_off(first) {
            let Outgoing { session, ref event, .. } = outgoing;
            let at = event.channel().map(|channel| (session, channel));
            let Some(at) = at.filter(|at| self.holding.contains(at)) else {
                effects.events.push(outgoing);
                continue;
            };
            let is_answer =
                matches!(event, Event::GetOk { .. } | Event::Reply { reply: Reply::GetEmpty, .. });
            // Messages by their places come when they come, with tags that are given already.
            let passes = matches!(event, Event::Taken { .. }) || planted::is(Bug::GetPassed);
            if !is_answer && passes {
                effects.events.push(outgoing);
                continue;
            }
            let Some(channel) = self.channel_mut(at) else { continue };
            if !is_answer {
                channel.held.hold(outgoing);
                if channel.held.bytes() > limits::HELD_BYTES && !over.contains(&session) {
                    over.push(session);
                }
                continue;
            }
            effects.events.push(outgoing);
            channel.held.answered(&mut effects.events);
            if channel.held.is_empty() {
                self.holding.remove(&at);
                self.unpark_channel(at);
            }
        }
        over
    }

    /// What comes after this on a channel waits for the answer of a get.
    pub(super) fn hold_behind_get(&mut self, at: (SessionId, u16)) {
        if let Some(channel) = self.channel_mut(at) {
            channel.held.get_begins();
            self.holding.insert(at);
        }
    }
}
