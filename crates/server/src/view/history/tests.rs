use super::*;

/// A history of one number that rises by one every second, up to this second.
fn rising(depth: Depth, seconds: std::ops::RangeInclusive<u64>) -> History {
    let mut history = History::new(depth, &[0]);
    for (value, second) in (1..).zip(seconds) {
        history.note(second, &[value], false);
    }
    history
}

fn at(history: &History, seconds: &[u64]) -> Vec<u64> {
    history.at(seconds).iter().map(|values| values[0]).collect()
}

#[test]
fn numbers_come_back_as_they_were_noted() {
    let mut history = History::new(Depth::Object, &[5, 0, 1_000_000_000_000]);
    history.note(100, &[7, 0, 0], false);
    history.note(101, &[3, u64::MAX, 1], false);
    history.note(103, &[3, 2, 1], false);
    let found = history.at(&[104, 103, 102, 101, 100, 99, 1]);
    let found: Vec<&[u64]> = found.iter().map(|values| values.as_slice()).collect();
    let last: &[u64] = &[3, 2, 1];
    assert_eq!(
        found,
        [
            last,
            last,
            &[3, u64::MAX, 1],
            &[3, u64::MAX, 1],
            &[7, 0, 0],
            &[5, 0, 1_000_000_000_000],
            &[5, 0, 1_000_000_000_000],
        ]
    );
}

#[test]
fn integers_of_all_lengths_survive() {
    for value in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
        let mut bytes = vec![];
        put(&mut bytes, value);
        put(&mut bytes, 3);
        let mut rest = bytes.as_slice();
        assert_eq!((take(&mut rest), take(&mut rest), rest.len()), (value, 3, 0));
    }
}

#[test]
fn the_last_minute_is_known_by_the_second_and_what_is_older_in_longer_steps() {
    // The number at second `s` is `s - 100_000`.
    let now = 103_599;
    let history = rising(Depth::Object, 100_001..=now);
    let exact: Vec<u64> = (now - 60..=now).rev().collect();
    assert_eq!(
        at(&history, &exact),
        exact.iter().map(|second| second - 100_000).collect::<Vec<_>>()
    );
    for (age, step) in [(600, 5), (3_500, 60)] {
        let asked: Vec<u64> = (now - age..now).rev().step_by(7).collect();
        for (second, value) in asked.iter().zip(at(&history, &asked)) {
            let true_value = second - 100_000;
            // What happened within a step counts from its end on.
            let early = true_value.abs_diff(value) <= step;
            assert!(early, "{value} at {second}, {true_value} is true, to {step}");
        }
    }
}

#[test]
fn sums_are_exact_at_the_ends_of_steps() {
    let now = 100_000_000;
    let history = rising(Depth::Total, now - 90_000..=now);
    let value = |second: u64| second - (now - 90_000) + 1;
    for step in [5, 60, 600] {
        let ends: Vec<u64> = (now - 80_000..now).filter(|second| second % 600 == 0).rev().collect();
        let expected: Vec<u64> = ends.iter().map(|second| value(*second)).collect();
        assert_eq!(at(&history, &ends), expected, "{step}");
    }
}

#[test]
fn what_is_too_old_goes_and_takes_no_memory() {
    for (depth, seconds) in [(Depth::Object, 4_800), (Depth::Total, 108_000)] {
        let mut history = rising(depth, 1_000_000..=1_000_030);
        let empty = History::new(depth, &[0]).bytes();
        assert!(history.bytes() > empty);
        history.age(1_000_030 + seconds / 2, false);
        assert!(!history.is_empty(), "half of the time is not all of it");
        // A chunk goes when all of it is too old.
        history.age(1_000_030 + seconds + 30_000, false);
        assert!(history.is_empty());
        assert_eq!(history.bytes(), empty);
    }
}

#[test]
fn a_busy_object_takes_little_memory_however_long_it_is_busy() {
    let mut most = [0, 0];
    for (most, depth) in most.iter_mut().zip([Depth::Object, Depth::Total]) {
        let mut history = History::new(depth, &[0; 10]);
        for second in 1..200_000_u64 {
            // Some thousand messages a second in and out, and a length that goes up and down.
            let moved = second * 4_000;
            let values = [second * 37 % 500, second % 100, moved, moved, 0, 0, 0, 0, 0, moved];
            history.note(second, &values, false);
            *most = history.bytes().max(*most);
        }
    }
    let [object, total] = most;
    assert!(object < 6_000, "{object}");
    assert!(total < 10_000, "{total}");
}

#[test]
fn without_room_what_becomes_old_is_forgotten() {
    let mut history = History::new(Depth::Object, &[0]);
    for second in 1..=1_000 {
        history.note(second, &[second], true);
    }
    let kept = at(&history, &[1_000, 941, 200]);
    assert_eq!(kept[..2], [1_000, 941]);
    assert!(kept[2] > 800, "{} is the oldest that is known", kept[2]);
}
