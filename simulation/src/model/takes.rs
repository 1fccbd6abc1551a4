//! Messages taken by their places: each is one that waits just there, and nobody else gets it.

use std::cmp::Reverse;

use warren_engine::{Place, Taken};

use super::{At, Delivery, Model};
use crate::Violation;
use crate::messages::{deaths_of, returns_of};
use crate::names::level_in;

/// The lane of a level, and the level of a lane: in the quorum queue two of them change places.
fn lane_of(queue: &str, level: u8) -> u8 {
    match (level_in(queue, None), level) {
        (default, level) if level == default => 0,
        (default, 0) => default,
        (_, level) => level,
    }
}

impl Model {
    /// The places of messages that wait in a queue.
    pub(crate) fn ready_places(&self, name: &str) -> Vec<Place> {
        let queue = self.names.get(name).and_then(|number| self.queues.get(number));
        let ready = queue.iter().flat_map(|queue| &queue.ready);
        let place = |(Reverse(level), place): &(Reverse<u8>, u64)| Place {
            lane: lane_of(name, *level),
            sequence: *place,
        };
        ready.map(place).collect()
    }

    /// Somebody takes messages of a queue, which is used by that.
    pub(super) fn take(&mut self, at: At, queue: &str) {
        let number = self.names.get(queue).copied();
        if let Some(channel) = self.channels.get_mut(&at) {
            channel.takes = number;
        }
        if let Some(queue) = number.and_then(|number| self.queues.get_mut(&number)) {
            queue.used = Some(self.now);
        }
    }

    pub(super) fn taken(&mut self, at: At, taken: &[Taken]) -> Result<(), Violation> {
        taken.iter().try_for_each(|taken| self.taken_one(at, taken))
    }

    fn taken_one(&mut self, at: At, taken: &Taken) -> Result<(), Violation> {
        let id = self.check_content(&taken.message)?;
        let wrong = |property, text: String| {
            Violation::new(property, format!("{at:?} takes message {id}: {text}"))
        };
        let now = self.now;
        let Some(channel) = self.channels.get_mut(&at) else {
            return Err(wrong("P6", "its channel is closed".to_owned()));
        };
        let queue = channel.takes.and_then(|number| Some((number, self.queues.get_mut(&number)?)));
        let Some((number, queue)) = queue else {
            return Err(wrong("P4", "its queue is gone".to_owned()));
        };
        let place = taken.place.sequence;
        let Some(copy) = queue.copies.get_mut(&place).filter(|copy| copy.message == id) else {
            return Err(wrong("P4", format!("it is not at place {place}")));
        };
        if !queue.ready.remove(&(Reverse(copy.level), place)) {
            return Err(wrong("P6", format!("it is held by {:?}", copy.holder)));
        }
        if copy.expires.last < now {
            return Err(wrong("P11", "it has expired".to_owned()));
        }
        let told = (deaths_of(&taken.message), returns_of(&taken.message));
        if told != (copy.past.deaths.clone(), copy.returns) {
            return Err(wrong("P11", format!("it died and came back {told:?} times")));
        }
        if copy.redelivered != taken.redelivered {
            return Err(wrong("P5", format!("redelivered is {}", taken.redelivered)));
        }
        if lane_of(&queue.name, copy.level) != taken.place.lane {
            return Err(wrong("P3", format!("it is said to be in lane {}", taken.place.lane)));
        }
        if taken.delivery_tag <= channel.last_tag {
            return Err(wrong("tags", format!("tag {} again", taken.delivery_tag)));
        }
        copy.holder = Some(at);
        channel.last_tag = taken.delivery_tag;
        channel.hold(
            taken.delivery_tag,
            Delivery { queue: number, place, consumer: None, since: self.now },
        );
        Ok(())
    }
}
