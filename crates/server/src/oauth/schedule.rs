//! When keys are read anew.

use warren_amqp::Millis;

use crate::limits;

/// When keys were asked for and when they came. Times only rise.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    asked: Option<Millis>,
    came: Option<Millis>,
}

impl Schedule {
    /// Whether it is time to ask for the keys. `missing` says that a token names one that is not
    /// among those there are. Anybody can send such a token, so that it leads to few questions.
    pub(super) fn is_due(&self, now: Millis, missing: bool) -> bool {
        let Some(asked) = self.asked else { return true };
        if now.saturating_sub(asked) < limits::KEYS_PAUSE_MS {
            return false;
        }
        missing || self.came.is_none_or(|came| now.saturating_sub(came) >= limits::KEYS_AGE_MS)
    }

    /// The keys are asked for.
    pub(super) fn ask(&mut self, now: Millis) {
        self.asked = Some(now);
    }

    /// The keys have come.
    pub(super) fn come(&mut self, now: Millis) {
        self.came = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::limits::{KEYS_AGE_MS, KEYS_PAUSE_MS};

    #[test]
    fn keys_are_asked_for_at_first_use_and_when_they_are_old() {
        let mut schedule = Schedule::default();
        assert!(schedule.is_due(0, false));
        schedule.ask(0);
        schedule.come(5);
        assert!(!schedule.is_due(KEYS_AGE_MS + 4, false));
        assert!(schedule.is_due(KEYS_AGE_MS + 5, false));
    }

    #[test]
    fn a_missing_key_is_asked_for_after_a_pause() {
        let mut schedule = Schedule::default();
        schedule.ask(0);
        schedule.come(5);
        assert!(!schedule.is_due(KEYS_PAUSE_MS - 1, true));
        assert!(schedule.is_due(KEYS_PAUSE_MS, true));
        assert!(!schedule.is_due(KEYS_PAUSE_MS, false));
    }

    #[test]
    fn a_question_without_answer_is_asked_again_after_a_pause() {
        let mut schedule = Schedule::default();
        schedule.ask(0);
        assert!(!schedule.is_due(KEYS_PAUSE_MS - 1, false));
        assert!(schedule.is_due(KEYS_PAUSE_MS, false));
    }

    proptest! {
        #[test]
        fn whoever_asks_however_often_there_is_a_pause(
            steps in prop::collection::vec((0..KEYS_PAUSE_MS, any::<bool>(), any::<bool>()), 1..200),
        ) {
            let (mut schedule, mut now, mut asked) = (Schedule::default(), 0, 0);
            for (step, missing, comes) in steps {
                now += step;
                if schedule.is_due(now, missing) {
                    schedule.ask(now);
                    asked += 1;
                    if comes {
                        schedule.come(now);
                    }
                }
            }
            prop_assert!(asked <= now / KEYS_PAUSE_MS + 1);
        }
    }
}
