//! The last messages that came to an exchange, in memory, within a number and a number of bytes.

use std::collections::VecDeque;

use crate::planted::{self, Bug};
use crate::{Message, limits};

#[derive(Debug)]
pub(crate) struct History {
    messages: VecDeque<Message>,
    messages_max: usize,
    bytes: usize,
}

impl History {
    pub(crate) fn new(messages_max: usize) -> Self {
        Self { messages: VecDeque::new(), messages_max, bytes: 0 }
    }

    fn weight(message: &Message) -> usize {
        message.encoded_bytes() + limits::ENTRY_BYTES
    }

    /// Keeps a message, and forgets the oldest ones for it.
    pub(crate) fn keep(&mut self, message: &Message) {
        let weight = Self::weight(message);
        if weight > limits::RECENT_HISTORY_BYTES {
            // It would push all others out and then not be kept itself.
            return;
        }
        self.messages.push_back(message.alone());
        self.bytes += weight;
        let more = usize::from(planted::is(Bug::HistoryTooLong));
        while self.messages.len() > self.messages_max + more
            || self.bytes > limits::RECENT_HISTORY_BYTES
        {
            let Some(oldest) = self.messages.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(Self::weight(&oldest));
        }
    }

    /// The oldest one first.
    pub(crate) fn messages(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::MessageBatch;

    fn kept(history: &History) -> Vec<usize> {
        history.messages().map(|message| message.body().len()).collect()
    }

    fn message(body_bytes: usize) -> Message {
        let mut batch = MessageBatch::default();
        batch.push("x", "k", &[0, 0], &vec![b'.'; body_bytes]);
        Message::new(&Arc::new(batch), 0).expect("a message")
    }

    #[test]
    fn the_oldest_go_by_number_and_by_bytes() {
        let mut history = History::new(3);
        (1..=5).for_each(|bytes| history.keep(&message(bytes)));
        assert_eq!(kept(&history), [3, 4, 5]);
        let large = limits::RECENT_HISTORY_BYTES / 2;
        history.keep(&message(large));
        assert_eq!(kept(&history), [4, 5, large]);
        history.keep(&message(large - 1000));
        assert_eq!(kept(&history), [5, large, large - 1000]);
        history.keep(&message(large));
        assert_eq!(kept(&history), [large - 1000, large]);
    }

    #[test]
    fn a_message_that_is_too_large_alone_is_not_kept() {
        let mut history = History::new(3);
        history.keep(&message(1));
        history.keep(&message(limits::RECENT_HISTORY_BYTES));
        assert_eq!(kept(&history), [1]);
    }
}
