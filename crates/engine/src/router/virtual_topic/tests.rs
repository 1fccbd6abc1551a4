//! Groups against the plain definition: of all queues of a group that match, the most exact one.

use std::collections::BTreeMap;

use proptest::prelude::*;
use warren_amqp::FieldTable;

use super::*;
use crate::QueueId;

fn queue(number: u64) -> Target {
    Target::Queue(QueueId(number))
}

fn binding(name: &str, pattern: &str, group: Option<&str>) -> BindingRecord {
    BindingRecord {
        source: "x".to_owned(),
        destination: Destination::Queue(name.to_owned()),
        routing_key: pattern.to_owned(),
        arguments: group.map_or_else(FieldTable::default, group_arguments),
    }
}

fn routed(router: &mut VirtualTopicRouter, keys: &[&str]) -> Vec<Target> {
    let mut found = vec![];
    router.route(keys, &mut found);
    found.sort_unstable();
    found.dedup();
    found
}

#[test]
fn the_most_exact_pattern_of_a_group_gets_the_message() {
    let mut router = VirtualTopicRouter::new(GroupNames::default());
    let all = binding("Consumer.a.orders.>", "orders.>", None);
    let eu = binding("Consumer.a.orders.eu", "orders.eu", None);
    let other = binding("Consumer.b.orders.*", "orders.*", None);
    router.insert(&all, queue(1));
    router.insert(&eu, queue(2));
    router.insert(&other, queue(3));
    assert_eq!(routed(&mut router, &["orders.eu"]), [queue(2), queue(3)]);
    assert_eq!(routed(&mut router, &["orders.us"]), [queue(1), queue(3)]);
    assert_eq!(routed(&mut router, &["orders"]), [queue(1)]);
    assert_eq!(routed(&mut router, &["orders.us", "orders.eu"]), [queue(2), queue(3)]);
    router.remove(&eu, queue(2));
    assert_eq!(routed(&mut router, &["orders.eu"]), [queue(1), queue(3)]);
    assert_eq!(router.shared, 0);
}

#[test]
fn an_argument_names_the_group_of_any_queue() {
    let mut router = VirtualTopicRouter::new(GroupNames::default());
    router.insert(&binding("one", "a.*", Some("g")), queue(1));
    router.insert(&binding("one", "a.#", Some("g")), queue(1));
    router.insert(&binding("two", "a.b", Some("g")), queue(2));
    router.insert(&binding("free", "#", None), queue(3));
    assert_eq!(routed(&mut router, &["a.b"]), [queue(2), queue(3)]);
    assert_eq!(routed(&mut router, &["a.c"]), [queue(1), queue(3)]);
    assert_eq!(routed(&mut router, &["a.b.c"]), [queue(1), queue(3)]);
}

#[test]
fn what_comes_after_the_rest_does_not_count() {
    assert_eq!(pattern("a.>.b.c", '.'), "a.#");
    assert_eq!(pattern(">", '.'), "#");
    assert_eq!(pattern("a.>b", '.'), "a.>b", "only a word of its own");
    assert_eq!(pattern("a.>/>/b", '/'), "a.>/#");
}

/// The definition of a match, as plain as it can be written.
fn matches(pattern: &[&str], words: &[&str]) -> bool {
    match (pattern.split_first(), words.split_first()) {
        (None, None) => true,
        (None, Some(_)) => false,
        (Some((&">", _)), _) => true,
        (Some((&"#", rest)), None) => matches(rest, words),
        (Some((&"#", rest)), Some((_, tail))) => matches(rest, words) || matches(pattern, tail),
        (Some(_), None) => false,
        (Some((&word, rest)), Some((&first, tail))) => {
            (word == "*" || word == first) && matches(rest, tail)
        }
    }
}

proptest! {
    #[test]
    fn each_group_gets_one_copy_if_one_of_its_patterns_matches(
        bindings in proptest::collection::vec((0..5_u64, "[ab*#>](\\.[ab*#>]){0,2}", 0..4_u8), 1..12),
        removed in proptest::collection::vec(any::<bool>(), 12),
        keys in proptest::collection::vec("[abc](\\.[abc]){0,3}", 1..8),
        separator in proptest::sample::select(vec!['.', '/', '\u{b7}']),
    ) {
        let mut router = VirtualTopicRouter::new(GroupNames::apart_by(separator));
        let apart = |text: &str| text.replace('.', separator.encode_utf8(&mut [0; 4]));
        let group = |number: u8| ["g", "h"].get(usize::from(number)).copied();
        let record = |(number, pattern, g): &(u64, String, u8)| {
            binding(&format!("q{number}"), &apart(pattern), group(*g))
        };
        for one in &bindings {
            router.insert(&record(one), queue(one.0));
        }
        let mut kept = vec![];
        for (at, one) in bindings.iter().enumerate() {
            if removed.get(at) == Some(&true) {
                router.remove(&record(one), queue(one.0));
            } else {
                kept.push(one);
            }
        }
        for key in &keys {
            let words: Vec<_> = key.split('.').collect();
            let mut expected: BTreeMap<String, (Rank, u64)> = BTreeMap::new();
            for (number, text, g) in kept.iter().copied() {
                if !matches(&text.split('.').collect::<Vec<_>>(), &words) {
                    continue;
                }
                let name = group(*g).map_or_else(|| format!("own {number}"), str::to_owned);
                let pattern = pattern(text, '.');
                let rank = rank(&pattern, '.', &Destination::Queue(format!("q{number}")));
                let best = expected.entry(name).or_insert_with(|| (rank.clone(), *number));
                if rank < best.0 {
                    *best = (rank, *number);
                }
            }
            let mut queues: Vec<_> = expected.values().map(|(_, number)| queue(*number)).collect();
            queues.sort_unstable();
            queues.dedup();
            prop_assert_eq!(routed(&mut router, &[&apart(key)]), queues, "key {}", key);
        }
    }
}
