//! The channels of a connection, by number.
//!
//! A client may use any numbers, but only so many at a time. Nearly all count from 1, and theirs
//! stand in a list; numbers far above stand in a map, so that a single high one does not take the
//! memory of all below it.

use std::collections::BTreeMap;

use super::channel::Channel;
use crate::limits;

#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug, Default)]
pub(super) struct Channels {
    /// Indexed by number; it grows with the highest one that was opened.
    low: Vec<Channel>,
    high: BTreeMap<u16, Channel>,
    /// How many are not free.
    used: usize,
}

impl Channels {
    #[inline]
    pub(super) fn get(&self, number: u16) -> Option<&Channel> {
        let index = usize::from(number);
        if index < limits::CHANNELS_LISTED { self.low.get(index) } else { self.high.get(&number) }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, number: u16) -> Option<&mut Channel> {
        let index = usize::from(number);
        if index < limits::CHANNELS_LISTED {
            self.low.get_mut(index)
        } else {
            self.high.get_mut(&number)
        }
    }

    /// Puts a channel into a state; gives the one it was in.
    pub(super) fn set(&mut self, number: u16, state: Channel) -> Channel {
        let index = usize::from(number);
        let is_free = matches!(state, Channel::Free);
        let before = if index >= limits::CHANNELS_LISTED {
            let before =
                if is_free { self.high.remove(&number) } else { self.high.insert(number, state) };
            before.unwrap_or_default()
        } else {
            if index >= self.low.len() {
                self.low.resize_with(index + 1, Channel::default);
            }
            self.low.get_mut(index).map_or(Channel::Free, |slot| std::mem::replace(slot, state))
        };
        self.used += usize::from(!is_free);
        self.used -= usize::from(!matches!(before, Channel::Free));
        before
    }

    /// How many are open, or closed by one side only.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn iter(&self) -> impl Iterator<Item = &Channel> {
        self.low.iter().chain(self.high.values())
    }
}
