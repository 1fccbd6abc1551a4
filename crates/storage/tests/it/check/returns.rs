//! How often messages came back: damage to the counts is named, and a repair keeps what is whole.

use super::*;

const RETURNS: redb::TableDefinition<'_, (u64, u64), &[u8]> = redb::TableDefinition::new("returns");

/// What a start says of how often the messages of a queue came back.
fn counts(store: &Store, counter: u32) -> BTreeMap<Sequence, u32> {
    let opened = open(store.path(), options()).expect("the store opens");
    let (queue, last) = (queue(counter), Sequence::MAX);
    let load = Load { queue, first: 1, last, messages_max: u32::MAX, only: None };
    opened.reader.load(&load, usize::MAX).expect("no fault").returns.into_iter().collect()
}

/// Puts a row into the table as the store writes it.
fn put(store: &Store, queue: u64, first: Sequence, last: Sequence, count: u32) {
    let value = [&last.to_le_bytes()[..], &count.to_le_bytes()].concat();
    let sealed = [b"returns\0", &queue.to_le_bytes()[..], &first.to_le_bytes(), &value].concat();
    let value = [value, crc32c::crc32c(&sealed).to_le_bytes().to_vec()].concat();
    edit(store, |transaction| {
        let mut table = transaction.open_table(RETURNS).expect("a table");
        table.insert((queue, first), value.as_slice()).expect("no fault");
    });
}

#[test]
fn counts_outlive_a_repair_of_something_else() {
    let store = Store::new();
    let whole = [(5, 2), (6, 3), (9, 1), (10, 1), (11, 1), (12, 1)].into_iter().collect();
    assert_eq!(counts(&store, 1), whole);
    let (path, at) = store.place(2, 20);
    flip(&path, at + 5, 3);
    store.repair();
    assert_eq!(counts(&store, 1), whole);
    assert_eq!(counts(&store, 2), BTreeMap::new());
}

#[test]
fn a_damaged_count_is_named_and_the_others_stay() {
    let store = Store::new();
    edit(&store, |transaction| {
        let mut table = transaction.open_table(RETURNS).expect("a table");
        let value = table.get((queue(1).0, 9)).expect("no fault").expect("a row").value().to_vec();
        table.insert((queue(1).0, 9), spoiled(&value).as_slice()).expect("no fault");
    });
    let words = format!("table returns, key ({}, 9): it does not match its checksum", queue(1).0);
    let report = store.finds(&[("warren.redb", &words)]);
    assert_eq!((report.findings.len(), report.lost_messages), (1, 0));
    store.repair();
    assert_eq!(counts(&store, 1), [(5, 2), (6, 3)].into_iter().collect());
    assert_eq!(store.delivers(), store.waiting());
}

#[test]
fn counts_that_cannot_be_true_are_named_and_left_out() {
    let store = Store::new();
    let nobody = QueueId::new(HOST, 77).0;
    let one = queue(1).0;
    put(&store, one, 12, 14, 4);
    put(&store, one, 30, 29, 5);
    put(&store, queue(2).0, 50, 51, 6);
    put(&store, nobody, 1, 1, 7);
    let expected = [
        format!("key ({one}, 12): the range overlaps the one beside it"),
        format!("key ({one}, 30): the range ends before it begins, with 29"),
        format!("key ({}, 50): messages up to place 51 came back to", queue(2).0),
        format!("key ({nobody}, 1): messages came back to the queue with number {nobody}"),
    ];
    let expected: Vec<_> = expected.iter().map(|words| ("warren.redb", words.as_str())).collect();
    assert_eq!(store.finds(&expected).findings.len(), expected.len());
    store.repair();
    let whole = [(5, 2), (6, 3), (9, 1), (10, 1), (11, 1), (12, 4), (13, 4), (14, 4)];
    assert_eq!(counts(&store, 1), whole.into_iter().collect());
    assert_eq!(counts(&store, 2), [(50, 6)].into_iter().collect());
    assert_eq!(store.delivers(), store.waiting());
}

#[test]
fn counts_of_a_queue_that_the_log_deletes_are_no_damage() {
    let mut store = Store::new();
    let mut opened = open(store.path(), options()).expect("the store opens");
    store.flush(&mut opened, &[Write::QueueDeleted(queue(1))]);
    drop(opened);
    let report = store.check();
    let about_counts = report.findings.iter().filter(|finding| finding.message.contains("returns"));
    assert_eq!(about_counts.count(), 0, "{report:#?}");
}

#[test]
fn a_database_without_the_table_is_whole() {
    let store = Store::new();
    edit(&store, |transaction| {
        assert!(transaction.delete_table(RETURNS).expect("no fault"));
    });
    assert!(store.check().is_clean());
    assert_eq!(counts(&store, 1), [(6, 3)].into_iter().collect());
}
