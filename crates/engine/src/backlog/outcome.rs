//! What comes from disk, and what is taken out of a queue at once.

use std::collections::VecDeque;

use smallvec::SmallVec;

use super::Entry;
use crate::observation::Amount;
use crate::record::{Sequence, Waiting};
use crate::{Load, Message};

/// The answer to a [`Load`].
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) load: Load,
    /// The last place that was looked at.
    pub(crate) through: Sequence,
    /// What was read, in order.
    pub(crate) messages: Vec<(Sequence, Message)>,
    /// What cannot be read, with the lengths of the bodies.
    pub(crate) damaged: Vec<(Sequence, u32)>,
    /// How often messages came back, of those that did and whose queue counts it.
    pub(crate) returns: Vec<(Sequence, u32)>,
}

/// What an answer from disk came to, beside the messages that it brought.
#[derive(Debug, Default)]
pub(crate) struct Missing {
    /// Messages that could not be read: they are gone.
    pub(crate) lost: Vec<Sequence>,
    /// Messages of which the disk knows nothing any more, not even their places.
    pub(crate) unknown: u64,
    /// Messages that were read because they had expired.
    pub(crate) expired: Vec<Entry>,
    /// Messages that were read because somebody picked them.
    pub(crate) picked: Vec<Entry>,
    /// These were looked for up to this place.
    pub(crate) picked_through: Option<Sequence>,
}

/// What was taken out by a purge.
#[derive(Debug, Default)]
pub(crate) struct Purged {
    pub(crate) head: VecDeque<Entry>,
    /// What was on disk, with its lane.
    pub(crate) on_disk: SmallVec<[(u8, Waiting); 1]>,
    /// What of that need not survive a restart.
    pub(crate) spilled_on_disk: Amount,
}

impl Purged {
    pub(crate) fn len(&self) -> u64 {
        let on_disk: u64 = self.on_disk.iter().map(|(_, on_disk)| on_disk.messages).sum();
        self.head.len() as u64 + on_disk
    }
}
