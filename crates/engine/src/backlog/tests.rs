//! The ready messages of a queue, without a virtual host around them.

use std::sync::Arc;

use super::*;
use crate::MessageBatch;

fn message() -> Message {
    let mut batch = MessageBatch::with_capacity(0, 0);
    batch.push("", "q", &[], b"body");
    Message::new(&Arc::new(batch), 0).unwrap()
}

/// A backlog of `count` messages, all of them taken out: the entries by their places.
fn taken(count: u64) -> (Backlog, Vec<Entry>) {
    let mut backlog = Backlog::default();
    for sequence in 1..=count {
        assert!(backlog.push(sequence, &message(), true, usize::MAX, 0));
    }
    let entries = std::iter::from_fn(|| backlog.pop()).map(|(entry, _)| entry).collect();
    (backlog, entries)
}

fn places(backlog: &Backlog) -> Vec<Sequence> {
    backlog.head.iter().map(|entry| entry.sequence).collect()
}

#[test]
fn many_messages_come_back_among_others_in_order() {
    for few in [3, 5, 40] {
        let (mut backlog, entries) = taken(200);
        let (some, others): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| entry.sequence % few == 0);
        backlog.requeue(some, usize::MAX);
        backlog.requeue(others, usize::MAX);
        assert_eq!(places(&backlog), (1..=200).collect::<Vec<_>>());
        assert_eq!(backlog.body_bytes(), 800);
        backlog.check().unwrap();
    }
}

#[test]
fn contents_that_come_back_beyond_the_share_stay_on_disk() {
    let (mut backlog, entries) = taken(100);
    let one = entries[0].resident_bytes();
    backlog.requeue(entries, 10 * one);
    assert_eq!(backlog.resident_bytes, 10 * one);
    assert_eq!(backlog.head.iter().filter(|entry| entry.message.is_some()).count(), 10);
    assert!(backlog.front().is_some(), "the first ones are wanted first");
}

#[test]
fn what_is_on_disk_takes_no_memory_a_message() {
    let mut backlog = Backlog::default();
    let one = message().encoded_bytes() + limits::ENTRY_BYTES;
    for sequence in 1..=1_000 {
        assert_eq!(backlog.push(sequence, &message(), true, 10 * one, 0), sequence <= 10);
    }
    assert_eq!((backlog.len(), backlog.head.len()), (1_000, 10));
    assert_eq!(backlog.resident_bytes(), 10 * one);
    assert_eq!(backlog.body_bytes(), 4_000);
}

#[test]
fn the_next_messages_are_asked_for_before_the_head_runs_out() {
    let mut backlog = Backlog::default();
    let one = message().encoded_bytes() + limits::ENTRY_BYTES;
    let id = QueueId(1);
    for sequence in 1..=10_000 {
        backlog.push(sequence, &message(), true, 3_000 * one, 0);
    }
    assert!(backlog.load(id, usize::MAX).is_none(), "there is enough in memory");
    while backlog.head.len() >= limits::LOAD_AHEAD_MESSAGES {
        backlog.pop_for_good().unwrap();
    }
    let load = backlog.load(id, usize::MAX).unwrap();
    assert_eq!((load.first, load.last), (3_001, 10_000));
    assert!(backlog.load(id, usize::MAX).is_none(), "an answer is on its way");
}

#[test]
fn messages_of_which_the_disk_knows_nothing_are_counted_when_the_range_ends() {
    let waiting = Waiting { first: 5, last: 9, messages: 4, body_bytes: 16 };
    let mut backlog = Backlog::recovered(waiting, 5);
    let load = backlog.load(QueueId(1), usize::MAX).unwrap();
    let messages = vec![(5, message()), (9, message())];
    let answer = Answer { load, through: 9, messages, damaged: vec![(7, 4)], returns: vec![] };
    let missing = backlog.loaded(answer, true, 0);
    assert_eq!((missing.lost, missing.unknown), (vec![7], 1));
    assert_eq!((backlog.len(), backlog.is_empty()), (2, false));
    let redelivered: Vec<_> = backlog.head.iter().map(|entry| entry.redelivered).collect();
    assert_eq!(redelivered, [true, false]);
    backlog.check().unwrap();
}

#[test]
fn an_answer_to_what_was_purged_takes_nothing_that_came_since() {
    let waiting = Waiting { first: 1, last: 3, messages: 3, body_bytes: 12 };
    let mut backlog = Backlog::recovered(waiting, 0);
    let load = backlog.load(QueueId(1), usize::MAX).unwrap();
    backlog.purge();
    // A message with a place among those comes back, and its content is on disk by now.
    let mut entry = Entry::new(2, message(), Kept::Spilled, None);
    entry.message = None;
    backlog.requeue(vec![entry], usize::MAX);
    assert!(backlog.load(QueueId(1), usize::MAX).is_none(), "an answer is on its way");
    let answer = Answer { load, through: 3, messages: vec![], damaged: vec![], returns: vec![] };
    let missing = backlog.loaded(answer, true, 0);
    assert_eq!((missing.lost, missing.unknown), (vec![], 0));
    assert_eq!(backlog.load(QueueId(1), usize::MAX).unwrap().first, 2, "it is asked for anew");
}

#[test]
fn a_load_brings_about_as_much_as_the_share_allows() {
    let waiting = Waiting { first: 1, last: 1_000, messages: 1_000, body_bytes: 10_000_000 };
    let mut backlog = Backlog::recovered(waiting, 0);
    let load = backlog.load(QueueId(1), 200_000).unwrap();
    assert!((15..=20).contains(&load.messages_max), "{load:?}");
    let mut backlog = Backlog::recovered(waiting, 0);
    assert_eq!(backlog.load(QueueId(1), 0).unwrap().messages_max, 1);
}
