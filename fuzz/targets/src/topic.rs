//! Topic patterns and keys against the definition of a match.
//!
//! An input is lines: `+n pattern` binds queue n, `-n pattern` takes that away, anything else is a
//! key that is routed.

use warren_amqp::FieldTable;
use warren_engine::ExchangeType;
use warren_engine::fuzzing::Routes;

/// Runs the checks on one input.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let none = FieldTable::default();
    let mut routes = Routes::new(ExchangeType::Topic);
    let mut bound: Vec<(u64, &str)> = vec![];
    for line in text.split('\n') {
        match line.as_bytes() {
            [b'+', queue, ..] => {
                let binding = (u64::from(*queue), line.get(2..).unwrap_or_default());
                if !bound.contains(&binding) {
                    routes.bind(binding.1, &none, binding.0).expect("no arguments are wrong");
                    bound.push(binding);
                }
            }
            [b'-', queue, ..] => {
                let binding = (u64::from(*queue), line.get(2..).unwrap_or_default());
                if let Some(at) = bound.iter().position(|other| *other == binding) {
                    routes.unbind(binding.1, &none, binding.0);
                    bound.remove(at);
                }
            }
            _ => {
                let key = words(line);
                let matching = bound.iter().filter(|(_, pattern)| matches(&words(pattern), &key));
                let mut expected: Vec<u64> = matching.map(|(queue, _)| *queue).collect();
                expected.sort_unstable();
                expected.dedup();
                assert_eq!(routes.route(line, &[]), expected, "{line:?} of {bound:?}");
            }
        }
    }
}

fn words(text: &str) -> Vec<&str> {
    if text.is_empty() { vec![] } else { text.split('.').collect() }
}

/// Whether a pattern matches words. Row by row: `reached[n]` says that the pattern so far can
/// stand for the first n words.
fn matches(pattern: &[&str], words: &[&str]) -> bool {
    let mut reached = vec![false; words.len() + 1];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    for part in pattern {
        if *part == "#" {
            let mut any = false;
            for place in &mut reached {
                any |= *place;
                *place = any;
            }
            continue;
        }
        let mut next = vec![false; words.len() + 1];
        for ((from, word), to) in reached.iter().zip(words).zip(next.iter_mut().skip(1)) {
            *to = *from && (*part == "*" || part == word);
        }
        reached = next;
    }
    reached.last().copied().unwrap_or_default()
}
