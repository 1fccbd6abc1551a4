//! Checking and repairing a damaged folder: damage is named, what is whole stays, nothing else
//! comes.

mod any_bit;
mod returns;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use redb::ReadableTable;
use tempfile::TempDir;
use warren_engine::{BindingRecord, Destination, Load, QueueId, Sequence, Write};
use warren_storage::{CheckReport, Error, Opened, RepairReport, check, open, repair};

use crate::harness::options;
use crate::model::{HOST, Model, declared, delivered, enqueued, settled};

/// A folder and what was written to it.
struct Store {
    folder: TempDir,
    /// What waits.
    model: Model,
    /// Every message that was ever there.
    ever: Model,
}

fn queue(counter: u32) -> QueueId {
    QueueId::new(HOST, counter)
}

fn body(queue: u32, sequence: Sequence) -> Vec<u8> {
    format!("<queue {queue} message {sequence}>").repeat(12).into_bytes()
}

impl Store {
    /// Two queues with messages 1 to 60, of which the checkpoint and the log behind it hold a
    /// part each.
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = Self { folder, model: Model::default(), ever: Model::default() };
        let mut opened = open(store.path(), options()).expect("the store opens");
        store.flush(&mut opened, &[declared(1), declared(2), bound("queue-1"), bound("queue-2")]);
        store.publish(&mut opened, 1..=50);
        store.flush(&mut opened, &[settled(queue(1), 1, 4), delivered(queue(1), 6)]);
        store.flush(&mut opened, &[returned(1, 5, 6, 2), returned(1, 9, 12, 1)]);
        checkpoint(&mut opened);
        store.flush(&mut opened, &[settled(queue(2), 9, 9), returned(1, 6, 6, 3)]);
        store.publish(&mut opened, 51..=60);
        store
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    fn flush(&mut self, opened: &mut Opened, writes: &[Write]) {
        for write in writes {
            self.model.apply(write);
            if !matches!(write, Write::Settled { .. }) {
                self.ever.apply(write);
            }
        }
        opened.log.append(writes).expect("no fault");
        opened.log.flush(true).expect("no fault");
    }

    fn publish(&mut self, opened: &mut Opened, sequences: std::ops::RangeInclusive<Sequence>) {
        for sequence in sequences {
            let one = |counter| enqueued(&body(counter, sequence), &[(queue(counter), sequence)]);
            self.flush(opened, &[one(1), one(2)]);
        }
    }

    fn segments(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.file("log")).expect("a folder");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let mut found: Vec<PathBuf> =
            paths.filter(|path| path.extension().is_some_and(|it| it == "seg")).collect();
        found.sort();
        found
    }

    /// The file and the place in it where the body of a message stands.
    fn place(&self, counter: u32, sequence: Sequence) -> (PathBuf, usize) {
        let wanted = body(counter, sequence);
        let found = self.segments().into_iter().find_map(|path| {
            let content = fs::read(&path).expect("a segment");
            let at = content.windows(wanted.len()).position(|window| window == wanted)?;
            Some((path, at))
        });
        found.expect("the body is in a segment")
    }

    fn check(&self) -> CheckReport {
        let before = content_of(self.path());
        let report = check(self.path(), &options(), &mut |_| {}).expect("it can be checked");
        assert_eq!(before, content_of(self.path()), "a check changes nothing");
        report
    }

    /// Finds exactly this damage: words that stand in the file's name and in the message.
    fn finds(&self, expected: &[(&str, &str)]) -> CheckReport {
        let report = self.check();
        let damage: Vec<_> = report.findings.iter().filter(|finding| finding.is_damage).collect();
        for (file, words) in expected {
            let named = damage.iter().any(|finding| {
                finding.file.to_string_lossy().contains(file) && finding.message.contains(words)
            });
            assert!(named, "{words} in {file} is not among {damage:#?}");
        }
        report
    }

    /// Repairs, and looks at the folder again: it is clean, opens without a complaint, and a
    /// second repair has nothing to do.
    fn repair(&self) -> RepairReport {
        let report = repair(self.path(), &options(), &mut |_| {}).expect("it can be repaired");
        assert!(!report.before.is_clean());
        let after = report.after.as_ref().expect("it was repaired");
        assert!(after.is_clean(), "{after:#?}");
        assert!(self.check().is_clean());
        let again = repair(self.path(), &options(), &mut |_| {}).expect("it can be repaired");
        assert!(again.after.is_none(), "{again:#?}");
        report
    }

    /// The places of what a start delivers; each message is the one that was written there.
    fn delivers(&self) -> BTreeMap<u32, Vec<Sequence>> {
        let opened = open(self.path(), options()).expect("the store opens");
        assert_eq!(opened.report.damaged, vec![]);
        self.places(&opened)
    }

    fn places(&self, opened: &Opened) -> BTreeMap<u32, Vec<Sequence>> {
        let mut all = BTreeMap::new();
        for found in &opened.recovered.queues {
            let id = found.record.id;
            let written = self.ever.messages(id);
            let load = Load {
                queue: id,
                first: 1,
                last: Sequence::MAX,
                messages_max: u32::MAX,
                only: None,
            };
            let loaded = opened.reader.load(&load, usize::MAX).expect("no fault");
            for (sequence, message) in &loaded.messages {
                let expected = written.get(sequence).map(Vec::as_slice);
                assert_eq!(Some(message.encoded()), expected, "{id:?} {sequence}");
            }
            let places = loaded.messages.iter().map(|(sequence, _)| *sequence).collect();
            all.insert(id.counter(), places);
        }
        all
    }

    fn waiting(&self) -> BTreeMap<u32, Vec<Sequence>> {
        let places = |counter| self.model.messages(queue(counter)).into_keys().collect();
        [1, 2].map(|counter| (counter, places(counter))).into_iter().collect()
    }

    /// Without these messages.
    fn waiting_without(&self, lost: &[(u32, Sequence)]) -> BTreeMap<u32, Vec<Sequence>> {
        let mut waiting = self.waiting();
        for (counter, sequence) in lost {
            let places = waiting.get_mut(counter).expect("a queue");
            places.retain(|place| place != sequence);
        }
        waiting
    }
}

fn checkpoint(opened: &mut Opened) {
    let delta = opened.log.begin_checkpoint().expect("no fault").expect("a delta");
    let outcome = opened.checkpointer.run(&delta).expect("no fault");
    opened.log.finish_checkpoint(outcome).expect("no fault");
}

fn returned(counter: u32, first: Sequence, last: Sequence, count: u32) -> Write {
    Write::Returned { queue: queue(counter), first, last, count }
}

fn bound(name: &str) -> Write {
    let record = BindingRecord {
        source: "amq.topic".to_owned(),
        destination: Destination::Queue(name.to_owned()),
        routing_key: "a.#".to_owned(),
        arguments: Default::default(),
    };
    Write::Bound(HOST, record)
}

/// All files with their bytes.
fn content_of(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            all.extend(content_of(&path));
        } else {
            all.insert(path.clone(), fs::read(&path).expect("a file"));
        }
    }
    all
}

fn flip(path: &Path, at: usize, bit: u8) {
    let mut content = fs::read(path).expect("a file");
    content[at] ^= 1 << bit;
    fs::write(path, content).expect("no fault");
}

fn cut(path: &Path, bytes: u64) {
    let file = fs::OpenOptions::new().write(true).open(path).expect("a file");
    file.set_len(bytes).expect("no fault");
}

#[test]
fn a_whole_folder_is_clean_and_a_repair_leaves_it_alone() {
    let store = Store::new();
    let report = store.check();
    assert_eq!(report.findings, vec![]);
    assert_eq!((report.queues, report.messages), (2, 95));
    let before = content_of(store.path());
    let repaired = repair(store.path(), &options(), &mut |_| {}).expect("it can be repaired");
    assert!(repaired.after.is_none());
    assert_eq!(before, content_of(store.path()));
    assert_eq!(store.delivers(), store.waiting());
}

#[test]
fn a_folder_in_use_and_one_without_a_store_cannot_be_checked() {
    let store = Store::new();
    let opened = open(store.path(), options()).expect("the store opens");
    let error = check(store.path(), &options(), &mut |_| {}).expect_err("it is in use");
    assert!(matches!(error, Error::Locked { .. }), "{error}");
    drop(opened);
    let empty = tempfile::tempdir().expect("a folder");
    for path in [empty.path().to_owned(), empty.path().join("missing")] {
        let error = check(&path, &options(), &mut |_| {}).expect_err("there is no store");
        assert_eq!(error, Error::NoStore { path });
    }
    assert_eq!(content_of(empty.path()), BTreeMap::new());
}

#[test]
fn a_flipped_bit_in_a_message_costs_that_message_alone() {
    let store = Store::new();
    let (path, at) = store.place(2, 20);
    flip(&path, at + 5, 3);
    let name = path.file_name().expect("a name").to_string_lossy().into_owned();
    let report = store.finds(&[(&name, "message 20 of queue \"queue-2\" is lost")]);
    assert_eq!((report.findings.len(), report.lost_messages), (1, 1));
    let repaired = store.repair();
    assert_eq!(store.delivers(), store.waiting_without(&[(2, 20)]));
    let folder = repaired.folder.expect("a folder");
    let kept = fs::read(folder.join(format!("message-{}-20.bin", queue(2).0))).expect("a file");
    assert!(kept.windows(8).any(|window| window == &body(2, 20)[8..16]));
    assert!(folder.join(name).is_file() && folder.join("warren.redb").is_file());
}

#[test]
fn a_damaged_message_that_was_settled_is_no_damage() {
    let store = Store::new();
    let (path, at) = store.place(2, 9);
    flip(&path, at + 5, 3);
    assert!(store.check().is_clean());
}

#[test]
fn a_damaged_record_behind_the_checkpoint_is_named_and_left_out() {
    let store = Store::new();
    let (path, at) = store.place(1, 53);
    flip(&path, at + 5, 3);
    store.finds(&[(".seg", "bytes of the log are unreadable")]);
    store.repair();
    assert_eq!(store.delivers(), store.waiting_without(&[(1, 53), (2, 53)]));
}

#[test]
fn a_flipped_bit_in_the_last_record_does_not_pass_for_a_power_cut() {
    let store = Store::new();
    let (path, at) = store.place(2, 60);
    for (distance, bit) in [(-280_isize, 0), (-100, 2), (5, 3), (100, 7)] {
        flip(&path, at.checked_add_signed(distance).expect("inside"), bit);
        store.finds(&[(".seg", "a bit of the last record is flipped")]);
        flip(&path, at.checked_add_signed(distance).expect("inside"), bit);
    }
    assert!(store.check().is_clean());
    // Torn, it is what a power cut leaves.
    let mut content = fs::read(&path).expect("a segment");
    content[at + 50..at + 90].fill(0);
    fs::write(&path, content).expect("no fault");
    let report = store.check();
    assert!(report.is_clean());
    assert!(report.findings[0].message.contains("the last record is not whole"));
}

#[test]
fn a_damaged_header_is_written_anew() {
    let store = Store::new();
    let segments = store.segments();
    for path in [&segments[0], segments.last().expect("a segment")] {
        flip(path, 26, 1);
    }
    let first = segments[0].to_string_lossy().into_owned();
    store.finds(&[(&first, "header of the segment is unreadable")]);
    store.repair();
    assert_eq!(store.delivers(), store.waiting());
}

#[test]
fn a_segment_that_is_cut_off_keeps_what_is_left() {
    let store = Store::new();
    let (path, at) = store.place(1, 12);
    cut(&path, at as u64 + 7);
    let name = path.to_string_lossy().into_owned();
    let report = store.finds(&[(&name, "the file has"), (&name, "its segment ends before it")]);
    assert!(report.lost_messages > 2, "{report:#?}");
    // Reading goes as far as the file.
    let opened = open(store.path(), options()).expect("the store opens");
    let places = store.places(&opened);
    assert!(places[&1].contains(&11) && places[&2].contains(&11), "{places:?}");
    drop(opened);
    store.repair();
    assert_eq!(store.delivers(), places);
}

#[test]
fn a_missing_segment_costs_what_stood_in_it() {
    let store = Store::new();
    let (path, _) = store.place(1, 12);
    fs::remove_file(&path).expect("it was there");
    let name = path.to_string_lossy().into_owned();
    store.finds(&[(&name, "of queue \"queue-1\" are lost: its segment is missing")]);
    store.repair();
    let places = store.delivers();
    assert!(!places[&1].contains(&12) && places[&1].contains(&60), "{places:?}");
}

#[test]
fn a_folder_without_its_last_segments_goes_on() {
    let store = Store::new();
    for path in store.segments().iter().skip(1) {
        fs::remove_file(path).expect("it was there");
    }
    store.finds(&[(".seg", "the segment is missing")]);
    store.repair();
    let places = store.delivers();
    assert!(places[&1].starts_with(&[5, 6, 7]), "{places:?}");
    // What is published now survives.
    let mut opened = open(store.path(), options()).expect("the store opens");
    let next = opened.recovered.queues[0].next_sequence;
    let write = enqueued(&body(1, next), &[(queue(1), next)]);
    opened.log.append(&[write]).expect("no fault");
    opened.log.flush(true).expect("no fault");
    drop(opened);
    let opened = open(store.path(), options()).expect("the store opens");
    assert_eq!(opened.recovered.queues[0].waiting.last, next);
}

#[test]
fn a_lost_database_is_made_anew_from_the_log() {
    let losses: [fn(&Path); 4] = [
        |path| fs::remove_file(path).expect("it was there"),
        |path| cut(path, 0),
        |path| cut(path, 5_000),
        |path| fs::write(path, "not a database").expect("no fault"),
    ];
    for lose in losses {
        let store = Store::new();
        lose(&store.file("warren.redb"));
        store.finds(&[("warren.redb", "")]);
        assert!(open(store.path(), options()).is_err());
        let report = store.repair();
        assert!(report.notes.iter().any(|note| note.contains("made anew")), "{report:#?}");
        // All of the log is there, so that nothing is lost.
        assert_eq!(store.delivers(), store.waiting());
        let opened = open(store.path(), options()).expect("the store opens");
        assert_eq!(opened.recovered.bindings.len(), 2);
        assert!(opened.recovered.queues.iter().all(|queue| queue.delivered_through == 60));
    }
}

#[test]
fn messages_of_a_queue_without_a_record_are_kept_under_another_name() {
    let store = Store::new();
    fs::remove_file(store.file("warren.redb")).expect("it was there");
    // The topology was in it.
    fs::remove_file(&store.segments()[0]).expect("it was there");
    let report = store.repair();
    let name = format!("salvaged.{}", queue(1).0);
    assert!(report.notes.iter().any(|note| note.contains(&name)), "{report:#?}");
    let opened = open(store.path(), options()).expect("the store opens");
    let found = &opened.recovered.queues[0];
    assert_eq!(found.record.name, name);
    assert!(found.record.durable);
    let places = store.places(&opened);
    assert!(places[&1].ends_with(&[58, 59, 60]) && places[&2].ends_with(&[58, 59, 60]));
}

/// Changes values of the database as they stand there.
fn edit(store: &Store, change: impl Fn(&redb::WriteTransaction)) {
    let database = redb::Database::open(store.file("warren.redb")).expect("a database");
    let transaction = database.begin_write().expect("no fault");
    change(&transaction);
    transaction.commit().expect("no fault");
}

const MESSAGES: redb::TableDefinition<'_, (u64, u64), &[u8]> =
    redb::TableDefinition::new("messages");
const QUEUES: redb::TableDefinition<'_, u64, &[u8]> = redb::TableDefinition::new("queues");
const STANDINGS: redb::TableDefinition<'_, u64, &[u8]> = redb::TableDefinition::new("standings");
const DEFINITIONS: redb::TableDefinition<'_, &str, &[u8]> =
    redb::TableDefinition::new("definitions");
const SEGMENTS: redb::TableDefinition<'_, u32, &[u8]> = redb::TableDefinition::new("segments");
const STORE: redb::TableDefinition<'_, &str, &[u8]> = redb::TableDefinition::new("store");

fn spoiled(value: &[u8]) -> Vec<u8> {
    let mut value = value.to_vec();
    value[1] ^= 4;
    value
}

#[test]
fn rows_that_were_swapped_are_damaged() {
    let store = Store::new();
    edit(&store, |transaction| {
        let mut table = transaction.open_table(MESSAGES).expect("a table");
        let (one, two) = ((queue(1).0, 5), (queue(2).0, 1));
        let first = table.get(one).expect("no fault").expect("a row").value().to_vec();
        let second = table.insert(two, first.as_slice()).expect("no fault");
        let second = second.expect("a row").value().to_vec();
        table.insert(one, second.as_slice()).expect("no fault");
    });
    let words = "the row does not match its checksum";
    let report = store.finds(&[("warren.redb", words)]);
    assert_eq!(report.lost_messages, 96, "{report:#?}");
    store.repair();
    let rest: Vec<Sequence> = (51..=60).collect();
    assert_eq!(store.delivers(), [(1, rest.clone()), (2, rest)].into_iter().collect());
}

#[test]
fn damaged_standings_and_counts_are_counted_anew() {
    let store = Store::new();
    edit(&store, |transaction| {
        let mut standings = transaction.open_table(STANDINGS).expect("a table");
        let value = standings.get(queue(1).0).expect("no fault").expect("a row").value().to_vec();
        standings.insert(queue(1).0, spoiled(&value).as_slice()).expect("no fault");
        let mut segments = transaction.open_table(SEGMENTS).expect("a table");
        let value = segments.get(1).expect("no fault").expect("a row").value().to_vec();
        segments.insert(1, spoiled(&value).as_slice()).expect("no fault");
    });
    store.finds(&[("warren.redb", "table standings"), ("warren.redb", "table segments")]);
    store.repair();
    assert_eq!(store.delivers(), store.waiting());
}

#[test]
fn a_queue_whose_record_is_damaged_keeps_its_messages() {
    let store = Store::new();
    edit(&store, |transaction| {
        let mut queues = transaction.open_table(QUEUES).expect("a table");
        let value = queues.get(queue(2).0).expect("no fault").expect("a row").value().to_vec();
        queues.insert(queue(2).0, spoiled(&value).as_slice()).expect("no fault");
    });
    store.finds(&[
        ("warren.redb", "table queues"),
        ("warren.redb", "whose record is not there"),
        ("warren.redb", "leads to"),
    ]);
    let report = store.repair();
    assert!(report.notes.iter().any(|note| note.contains("salvaged.")), "{report:#?}");
    assert_eq!(store.delivers(), store.waiting());
}

#[test]
fn a_damaged_definition_is_named_and_the_others_are_kept() {
    let mut store = Store::new();
    let mut opened = open(store.path(), options()).expect("the store opens");
    let write = |name: &str| Write::DefinitionSet { key: name.into(), value: name.into() };
    store.flush(&mut opened, &["user ann", "user bob", "vhost v"].map(write));
    checkpoint(&mut opened);
    drop(opened);
    edit(&store, |transaction| {
        let mut definitions = transaction.open_table(DEFINITIONS).expect("a table");
        let value = definitions.get("user bob").expect("no fault").expect("a row").value().to_vec();
        definitions.insert("user bob", spoiled(&value).as_slice()).expect("no fault");
    });
    store.finds(&[("warren.redb", "table definitions"), ("warren.redb", "user bob")]);
    store.repair();
    let opened = open(store.path(), options()).expect("the store opens");
    let kept = |name: &str| (name.to_owned(), name.as_bytes().to_vec());
    assert_eq!(opened.recovered.definitions, ["user ann", "vhost v"].map(kept));
    drop(opened);
    assert_eq!(store.delivers(), store.waiting());
}

#[test]
fn a_lost_place_in_the_log_is_found_again() {
    let store = Store::new();
    edit(&store, |transaction| {
        let mut table = transaction.open_table(STORE).expect("a table");
        let value = table.get("log").expect("no fault").expect("a row").value().to_vec();
        table.insert("log", spoiled(&value).as_slice()).expect("no fault");
    });
    store.finds(&[("warren.redb", "the place of the last checkpoint")]);
    assert!(open(store.path(), options()).is_err());
    store.repair();
    assert_eq!(store.delivers(), store.waiting());
}

#[test]
fn a_flipped_bit_in_the_format_does_not_pass_for_a_newer_version() {
    let store = Store::new();
    let path = store.file("warren.redb");
    let key = b"format";
    let content = fs::read(&path).expect("a database");
    // The value stands right behind its key, in one of the pages that were current once.
    let keys = content.windows(key.len()).enumerate().filter(|(_, window)| window == key);
    let is_format = |at: &usize| content[*at] == warren_storage::FORMAT_VERSION as u8;
    let values: Vec<usize> = keys.map(|(at, _)| at + key.len()).filter(is_format).collect();
    assert!(!values.is_empty());
    values.into_iter().for_each(|at| flip(&path, at, 6));
    store.finds(&[("warren.redb", &(warren_storage::FORMAT_VERSION + 64).to_string())]);
    assert!(open(store.path(), options()).is_err());
    store.repair();
    assert_eq!(store.delivers(), store.waiting());
}

#[test]
fn an_interrupted_repair_is_done_again() {
    let store = Store::new();
    let (path, at) = store.place(1, 30);
    flip(&path, at, 0);
    let damaged = fs::read(store.file("warren.redb")).expect("a database");
    store.repair();
    let whole = fs::read(store.file("warren.redb")).expect("a database");
    // As it is just before the new database takes the place of the old one.
    fs::write(store.file("warren.redb.new"), whole).expect("no fault");
    fs::write(store.file("warren.redb"), damaged).expect("no fault");
    let report = store.repair();
    assert!(report.folder.expect("a folder").ends_with("salvage-2"));
    assert_eq!(store.delivers(), store.waiting_without(&[(1, 30)]));
}

#[test]
fn unknown_files_are_named_and_no_damage() {
    let store = Store::new();
    fs::write(store.file("log/notes.txt"), "x").expect("no fault");
    let report = store.check();
    assert!(report.is_clean());
    assert!(report.findings[0].file.ends_with("log/notes.txt"), "{report:#?}");
}
