//! Alarms, as one connection follows them.
//!
//! A client that publishes is told with `connection.blocked`. It is read from until its next
//! message comes; after that nothing is read until the alarm is over, so that it waits whatever it
//! does. A client that only consumes goes on, which is what ends the alarm. So does RabbitMQ, but
//! for telling a client only after that message.

use warren_amqp::{Method, ShortString, connection};

use super::Connection;

impl Connection {
    /// A message came in.
    pub(super) fn note_publish(&mut self) {
        self.publishes = true;
        self.blocked |= self.alarm.is_on();
    }

    /// Tells the client of an alarm, and of its end.
    pub(super) fn follow_alarm(&mut self) {
        if !self.publishes {
            return;
        }
        // Whoever closes has to be read from: the answer to the close comes that way.
        let is_open = self.session.as_ref().is_some_and(|session| !session.closed);
        let reason = self.alarm.reason().filter(|_| is_open);
        if self.blocked && reason.is_none() {
            self.blocked = false;
            self.amqp.was_not_read(self.shared.now());
        }
        if self.told == reason.is_some() {
            return;
        }
        self.told = reason.is_some();
        if !is_open || !self.amqp.client_has_capability("connection.blocked") {
            return;
        }
        let method = match reason {
            Some(reason) => {
                let reason = ShortString::try_new(reason).unwrap_or_default();
                connection::AMQPMethod::Blocked(connection::Blocked { reason })
            }
            None => connection::AMQPMethod::Unblocked(connection::Unblocked {}),
        };
        self.amqp.method(0, Method::Connection(method));
    }
}
