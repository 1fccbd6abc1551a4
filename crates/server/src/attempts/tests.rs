//! How long somebody waits, as nothing but the times of the attempts decide it.

use proptest::prelude::*;

use super::*;

fn address(last: u8) -> IpAddr {
    [192, 0, 2, last].into()
}

fn attempt(user: &str, address: IpAddr, succeeded: bool) -> Attempt<'_> {
    Attempt { protocol: Protocol::Amqp091, user, address, succeeded }
}

/// Tries if that is allowed; gives the wait if not.
fn attempt_at(
    attempts: &Attempts,
    user: &str,
    from: IpAddr,
    now: Millis,
    succeeded: bool,
) -> Millis {
    match attempts.may_try(user, from, now) {
        Ok(()) => {
            attempts.note(&attempt(user, from, succeeded), now);
            0
        }
        Err(wait) => wait,
    }
}

fn fail(attempts: &Attempts, user: &str, from: IpAddr, now: Millis) -> Millis {
    attempt_at(attempts, user, from, now, false)
}

#[test]
fn after_some_failures_each_further_one_doubles_the_wait() {
    let attempts = Attempts::new(false);
    let mut now = 0;
    for _ in 0..USER.free {
        assert_eq!(fail(&attempts, "anna", address(1), now), 0);
    }
    for expected in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
        assert_eq!(fail(&attempts, "anna", address(1), now), 0);
        let wait = expected * 1_000;
        assert_eq!(attempts.may_try("anna", address(1), now), Err(wait));
        assert_eq!(attempts.may_try("anna", address(1), now + wait - 1), Err(1));
        now += wait;
    }
    assert_eq!(attempts.may_try("anna", address(1), now), Ok(()));
}

#[test]
fn a_wait_is_for_one_name_from_one_address() {
    let attempts = Attempts::new(false);
    for _ in 0..=USER.free {
        fail(&attempts, "anna", address(1), 0);
    }
    assert!(attempts.may_try("anna", address(1), 0).is_err());
    assert!(attempts.may_try("anna", address(2), 0).is_ok());
    assert!(attempts.may_try("otto", address(1), 0).is_ok());
}

#[test]
fn a_success_ends_the_counting_of_failures() {
    let attempts = Attempts::new(false);
    for _ in 0..10 {
        for _ in 0..USER.free {
            assert_eq!(fail(&attempts, "anna", address(1), 0), 0);
        }
        assert_eq!(attempt_at(&attempts, "anna", address(1), 0, true), 0);
    }
}

#[test]
fn failures_are_forgotten_after_a_while() {
    let attempts = Attempts::new(false);
    for _ in 0..USER.free {
        fail(&attempts, "anna", address(1), 0);
    }
    let later = limits::ATTEMPT_MEMORY_MS;
    fail(&attempts, "anna", address(1), later);
    assert!(attempts.may_try("anna", address(1), later).is_ok());
}

#[test]
fn an_address_that_fails_with_many_names_has_to_wait() {
    let attempts = Attempts::new(false);
    for number in 0..=ADDRESS.free {
        assert_eq!(fail(&attempts, &format!("user {number}"), address(1), 0), 0);
    }
    assert_eq!(attempts.may_try("somebody else", address(1), 0), Err(1_000));
    assert!(attempts.may_try("somebody else", address(2), 0).is_ok());
    // It does not grow beyond its limit.
    let mut now = 0;
    for number in 0..20 {
        now += 60_000;
        assert_eq!(fail(&attempts, &format!("later {number}"), address(1), now), 0);
    }
    assert_eq!(attempts.may_try("somebody else", address(1), now), Err(60_000));
}

#[test]
fn whoever_was_let_in_is_not_held_up_by_others_at_the_same_address() {
    let attempts = Attempts::new(false);
    attempt_at(&attempts, "anna", address(1), 0, true);
    for number in 0..=ADDRESS.free {
        fail(&attempts, &format!("user {number}"), address(1), 0);
    }
    assert!(attempts.may_try("otto", address(1), 0).is_err());
    assert!(attempts.may_try("anna", address(1), 0).is_ok());
    // Until that one fails too.
    fail(&attempts, "anna", address(1), 0);
    assert!(attempts.may_try("anna", address(1), 0).is_err());
}

#[test]
fn a_program_with_an_old_password_does_not_hold_up_its_neighbours() {
    let attempts = Attempts::new(false);
    for second in 0..3_600 {
        fail(&attempts, "old", address(1), second * 1_000);
        assert!(attempts.may_try("neighbour", address(1), second * 1_000).is_ok(), "{second}");
    }
}

#[test]
fn an_ipv6_network_is_one_address() {
    let attempts = Attempts::new(false);
    for last in 0..=USER.free {
        let from = format!("2001:db8::{last}").parse().unwrap();
        assert_eq!(fail(&attempts, "anna", from, 0), 0);
    }
    let may_try = |from: &str| attempts.may_try("anna", from.parse().unwrap(), 0).is_ok();
    assert!(!may_try("2001:db8::ffff:ffff"));
    assert!(may_try("2001:db8:0:1::"));
    // An IPv4 address that came in by IPv6 is what it is.
    for _ in 0..=USER.free {
        fail(&attempts, "anna", "::ffff:192.0.2.1".parse().unwrap(), 0);
    }
    assert!(!may_try("192.0.2.1"));
    assert!(may_try("::ffff:192.0.2.2"));
}

#[test]
fn memory_is_bounded_and_what_happened_last_is_kept() {
    let attempts = Attempts::new(true);
    for number in 0..limits::ATTEMPT_USERS as u32 * 3 {
        let from = IpAddr::from(number.to_be_bytes());
        let now = Millis::from(number);
        for _ in 0..=USER.free {
            attempts.note(&attempt("anna", from, false), now);
        }
        assert!(attempts.may_try("anna", from, now).is_err());
    }
    let state = attempts.state();
    assert!(state.users.entries.len() <= limits::ATTEMPT_USERS);
    assert!(state.addresses.entries.len() <= limits::ATTEMPT_ADDRESSES);
    assert_eq!(state.counts.by_source().len(), limits::ATTEMPT_SOURCES);
}

#[test]
fn attempts_are_counted_by_protocol() {
    let attempts = Attempts::new(false);
    assert!(attempts.counts().is_empty());
    attempts.note(&attempt("anna", address(1), true), 0);
    attempts.note(&attempt("anna", address(1), false), 0);
    attempts.count(&attempt("anna", address(1), false));
    let by_http = Attempt { protocol: Protocol::Http, ..attempt("anna", address(1), true) };
    attempts.note(&by_http, 0);
    let counts = attempts.counts();
    assert_eq!(
        counts,
        [
            (Protocol::Amqp091, Counts { failed: 2, succeeded: 1 }),
            (Protocol::Http, Counts { failed: 0, succeeded: 1 }),
        ]
    );
    assert_eq!(counts[0].1.all(), 3);
    assert!(attempts.counts_by_source().is_empty());
    attempts.reset_counts();
    assert!(attempts.counts().is_empty());
}

#[test]
fn attempts_are_counted_by_source_if_that_is_asked_for() {
    let attempts = Attempts::new(true);
    let long = "\u{e4}".repeat(200);
    attempts.note(&attempt("anna", "::ffff:192.0.2.1".parse().unwrap(), true), 0);
    attempts.note(&attempt("anna", address(1), false), 0);
    attempts.note(&attempt(&long, address(2), false), 0);
    let sources = attempts.counts_by_source();
    assert_eq!(sources.len(), 2);
    assert_eq!((sources[0].address, sources[0].user.as_str()), (address(1), "anna"));
    assert_eq!(sources[0].counts, Counts { failed: 1, succeeded: 1 });
    assert_eq!(sources[1].user.len(), 254);
    attempts.reset_counts();
    assert!(attempts.counts_by_source().is_empty());
}

proptest! {
    /// Whatever others do from elsewhere, a user who comes from an address of his own and knows the
    /// password is let in at once.
    #[test]
    fn nobody_is_locked_out_from_elsewhere(
        steps in prop::collection::vec((0_u64..2_000, 0..3_u8, 2..6_u8), 0..400),
    ) {
        let attempts = Attempts::new(false);
        let mut now = 0;
        for (step, user, last) in steps {
            now += step;
            fail(&attempts, &format!("user {user}"), address(last), now);
            prop_assert_eq!(attempt_at(&attempts, "user 0", address(1), now, true), 0);
        }
    }

    /// Guessing is slow, however it is spread over time: in an hour no more than the free ones and
    /// those that the waits leave time for.
    #[test]
    fn guessing_is_slow(steps in prop::collection::vec(1_u64..20_000, 1..600)) {
        let attempts = Attempts::new(false);
        let (mut now, mut tried) = (0, 0);
        for step in steps {
            now += step;
            if now > 3_600_000 {
                break;
            }
            if fail(&attempts, "anna", address(1), now) == 0 {
                tried += 1;
            }
        }
        // 1 + 2 + ... + 256 s for nine, then 300 s for each.
        prop_assert!(tried <= 5 + 9 + 1 + 3_600 / 300, "{tried}");
    }

    /// A wait that is told is right: one moment before it is too soon, then it is not.
    #[test]
    fn the_wait_that_is_told_is_right(failures in 1_u32..30, gap in 0_u64..5_000) {
        let attempts = Attempts::new(false);
        let mut now = 0;
        for _ in 0..failures {
            now += gap;
            fail(&attempts, "anna", address(1), now);
        }
        if let Err(wait) = attempts.may_try("anna", address(1), now) {
            prop_assert!(attempts.may_try("anna", address(1), now + wait - 1).is_err());
            prop_assert!(attempts.may_try("anna", address(1), now + wait).is_ok());
        }
    }
}
