//! The choice among targets, by its properties.

use proptest::prelude::*;
use warren_amqp::FieldTable;

use super::*;
use crate::QueueId;

fn target(queue: u64) -> Target {
    Target::Queue(QueueId(queue))
}

fn binding(queue: u64, key: &str) -> BindingRecord {
    BindingRecord {
        source: "x".to_owned(),
        destination: Destination::Queue(format!("queue-{queue}")),
        routing_key: key.to_owned(),
        arguments: FieldTable::default(),
    }
}

fn router(choice: Choice, bindings: &[(u64, &str)]) -> ChoiceRouter {
    let mut router = ChoiceRouter::new(choice);
    for (queue, key) in bindings {
        router.insert(&binding(*queue, key), target(*queue));
    }
    router
}

fn consistent(bindings: &[(u64, &str)]) -> ChoiceRouter {
    router(Choice::Consistent(HashOn::RoutingKey), bindings)
}

fn routed(router: &mut ChoiceRouter, key: &str) -> Option<Target> {
    let mut found = vec![];
    let asked = Asked { keys: &[key], headers: &[], properties: &[0, 0], random: 0 };
    router.route(&asked, &mut found);
    assert!(found.len() <= 1, "one target at most");
    found.first().copied()
}

/// How many of the first 10,000 numbers as keys go to each of these queues.
fn spread(router: &mut ChoiceRouter, queues: &[u64]) -> Vec<usize> {
    let keys: Vec<_> = (0..10_000).map(|key: u32| routed(router, &key.to_string())).collect();
    queues
        .iter()
        .map(|queue| keys.iter().filter(|found| **found == Some(target(*queue))).count())
        .collect()
}

#[test]
fn keys_are_spread_by_weight() {
    let even = spread(&mut consistent(&[(1, "7"), (2, "7"), (3, "7"), (4, "7")]), &[1, 2, 3, 4]);
    assert!(even.iter().all(|count| (2300..2700).contains(count)), "{even:?}");
    let uneven = spread(&mut consistent(&[(1, "1"), (2, "2"), (3, "5")]), &[1, 2, 3]);
    for (count, share) in uneven.iter().zip([1250, 2500, 6250]) {
        assert!(count.abs_diff(share) < 200, "{uneven:?}");
    }
}

#[test]
fn the_first_binding_of_a_target_counts() {
    let mut router = consistent(&[(1, "1"), (1, "50"), (2, "1")]);
    let before = spread(&mut router, &[1, 2]);
    assert!(before.iter().all(|count| (4700..5300).contains(count)), "{before:?}");
    router.remove("1", target(1));
    let after = spread(&mut router, &[1, 2]);
    assert!(after.first().is_some_and(|count| *count > 9500), "the next one: {after:?}");
    router.remove("50", target(1));
    assert_eq!(spread(&mut router, &[1, 2]), [0, 10_000]);
}

#[test]
fn a_modulus_counts_each_binding() {
    let mut router = router(Choice::Modulus, &[(1, "a"), (1, "b"), (1, ""), (2, "a")]);
    let counts = spread(&mut router, &[1, 2]);
    assert!(counts.first().is_some_and(|count| (7200..7800).contains(count)), "{counts:?}");
    assert_eq!(counts.iter().sum::<usize>(), 10_000);
}

#[test]
fn a_key_that_is_no_weight_is_refused_as_by_the_plugin() {
    let refused = |key| weight(key).map_err(|error| error.to_string());
    assert_eq!(refused("0"), Err("The binding key must be greater than 0".to_owned()));
    assert_eq!(refused("-1"), Err("The binding key must be greater than 0".to_owned()));
    for (key, written) in [("x", "<<\"x\">>"), ("", "<<>>"), ("1.5", "<<\"1.5\">>")] {
        assert_eq!(refused(key), Err(format!("The binding key must be an integer: {written}")));
    }
    assert_eq!([refused("+3"), refused("01")], [Ok(3), Ok(1)]);
    assert_eq!(refused("99999999999999999999"), Ok(u32::MAX));
}

/// Where keys go is on nobody's disk, and must be the same in every version.
#[test]
fn the_choice_is_the_same_in_every_version() {
    let bindings: Vec<(u64, String)> = (1..=5).map(|queue| (queue, queue.to_string())).collect();
    let bindings: Vec<(u64, &str)> =
        bindings.iter().map(|(queue, key)| (*queue, key.as_str())).collect();
    let mut router = consistent(&bindings);
    let chosen: Vec<_> = ["", "a", "order-17", "b.c"].map(|key| routed(&mut router, key)).into();
    assert_eq!(format!("{:x}", hash_of_keys(&["order-17"])), "a2b13ff1a62e905e");
    let queues = chosen.into_iter().flatten().map(|target| match target {
        Target::Queue(QueueId(queue)) => queue,
        Target::Exchange(_) => 0,
    });
    assert_eq!(queues.collect::<Vec<_>>(), [5, 4, 3, 5]);
}

#[test]
fn a_number_is_hashed_by_its_value_and_texts_by_their_bytes() {
    let number = |value| hash_of_value(Some(Value::Int(value)));
    assert_eq!(number(5), number(5));
    assert_ne!(number(5), number(6));
    assert_ne!(hash_of_value(Some(Value::Bytes(b"5"))), number(5));
    assert_eq!(hash_of_value(None), hash_of_value(Some(Value::Bytes(b""))));
}

proptest! {
    /// What comes takes keys from others, what goes gives its own away; all else stays.
    #[test]
    fn only_the_keys_of_a_target_that_comes_or_goes_move(
        weights in proptest::collection::vec(1_u32..9, 1..8),
        new in 1_u32..9,
        keys in proptest::collection::vec("[a-z]{0,6}", 1..60),
    ) {
        let bindings: Vec<_> = weights.iter().map(u32::to_string).collect();
        let bindings: Vec<(u64, &str)> =
            (1..).zip(bindings.iter().map(String::as_str)).collect();
        let mut router = consistent(&bindings);
        let before: Vec<_> = keys.iter().map(|key| routed(&mut router, key)).collect();
        router.insert(&binding(100, &new.to_string()), target(100));
        let with: Vec<_> = keys.iter().map(|key| routed(&mut router, key)).collect();
        for (before, with) in before.iter().zip(&with) {
            prop_assert!(before == with || *with == Some(target(100)));
        }
        router.remove(&new.to_string(), target(100));
        let after: Vec<_> = keys.iter().map(|key| routed(&mut router, key)).collect();
        prop_assert_eq!(before, after);
    }

    /// The order in which bindings are made again, as after a restart, changes nothing.
    #[test]
    fn the_order_of_the_bindings_does_not_matter(
        weights in proptest::collection::vec(1_u32..9, 1..8),
        keys in proptest::collection::vec("[a-z]{0,6}", 1..40),
        consistently in any::<bool>(),
    ) {
        let choice = || match consistently {
            true => Choice::Consistent(HashOn::RoutingKey),
            false => Choice::Modulus,
        };
        let bindings: Vec<_> = weights.iter().map(u32::to_string).collect();
        let mut bindings: Vec<(u64, &str)> =
            (1..).zip(bindings.iter().map(String::as_str)).collect();
        let mut forward = router(choice(), &bindings);
        bindings.reverse();
        let mut backward = router(choice(), &bindings);
        for key in &keys {
            prop_assert_eq!(routed(&mut forward, key), routed(&mut backward, key));
        }
    }
}
