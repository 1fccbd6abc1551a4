//! The format on disk: recorded folders of every version open, newer ones are refused.

use std::fs;
use std::path::{Path, PathBuf};

use redb::TableDefinition;
use warren_amqp::{FieldTable, FieldValue};
use warren_engine::{BindingRecord, Destination, ExchangeRecord, ExchangeType, QueueId, Write};
use warren_storage::{Error, FORMAT_VERSION, Opened, Options, open};

use crate::harness::{check_contents, options};
use crate::model::{HOST, Model, declared, delivered, enqueued, settled};

/// Set to a folder to have the fixture of the present format written there.
const RECORD: &str = "WARREN_RECORD_FIXTURE";

fn fixture_options() -> Options {
    Options { segment_bytes: 4 << 10, spare_segments: 0, ..options() }
}

/// What the fixture of a version holds: topology and messages of two queues, both in redb and in the
/// log. Written to the store if there is one.
fn fixture(opened: &mut Option<Opened>, version: u32) -> Model {
    let mut model = Model::default();
    let queues = [QueueId::new(HOST, 1_001), QueueId::new(HOST, 1_002)];
    let mut flush = |opened: &mut Option<Opened>, writes: &[Write]| {
        writes.iter().for_each(|write| model.apply(write));
        if let Some(opened) = opened {
            opened.log.append(writes).expect("no fault");
            opened.log.flush(true).expect("no fault");
        }
    };
    flush(opened, &[declared(1_001), declared(1_002)]);
    flush(opened, &topology()[..3]);
    if version >= 4 {
        flush(opened, &[Write::Together(vec![defined("a", "1"), defined("b", "2")])]);
    }
    for sequence in 1..=12 {
        let both = [(queues[0], sequence), (queues[1], sequence)];
        let body = format!("shared {sequence} ").repeat(30);
        flush(opened, &[enqueued(body.as_bytes(), &both)]);
    }
    flush(opened, &[settled(queues[0], 1, 5), settled(queues[1], 7, 7)]);
    flush(opened, &[delivered(queues[0], 6), delivered(queues[1], 9)]);
    // Nothing of these is there after a restart. Format 1 had none.
    let spilled = queues[1].spilled();
    flush(opened, &[enqueued(b"spilled", &[(spilled, 13)]), enqueued(b"too", &[(spilled, 14)])]);
    if let Some(opened) = opened {
        let delta = opened.log.begin_checkpoint().expect("no fault").expect("a delta");
        let outcome = opened.checkpointer.run(&delta).expect("no fault");
        opened.log.finish_checkpoint(outcome).expect("no fault");
    }
    flush(opened, &[settled(queues[1], 1, 3)]);
    for sequence in 13..=16 {
        let body = format!("own {sequence} ").repeat(30);
        flush(opened, &[enqueued(body.as_bytes(), &[(queues[0], sequence)])]);
    }
    flush(opened, &[delivered(queues[0], 13)]);
    flush(opened, &[settled(spilled, 13, 13), enqueued(b"spilled again", &[(spilled, 15)])]);
    flush(opened, &topology());
    if version >= 4 {
        let deleted = Write::DefinitionDeleted { key: "a".to_owned() };
        flush(opened, &[deleted, defined("b", "3"), defined("c", "")]);
    }
    model.restarted()
}

fn defined(key: &str, value: &str) -> Write {
    Write::DefinitionSet { key: key.to_owned(), value: value.as_bytes().to_vec() }
}

/// Exchanges of every type, bindings to both kinds of destination, arguments of several kinds.
fn topology() -> Vec<Write> {
    let mut arguments = FieldTable::default();
    arguments.insert("x-match".into(), FieldValue::LongString("all".into()));
    arguments.insert("number".into(), FieldValue::LongLongInt(-5));
    arguments.insert("list".into(), FieldValue::FieldArray(vec![FieldValue::Void].into()));
    arguments.insert("table".into(), FieldValue::FieldTable(arguments.clone()));
    let exchange = |kind: ExchangeType| {
        let record = ExchangeRecord {
            name: format!("exchange-{}", kind.name()),
            kind,
            durable: true,
            auto_delete: kind == ExchangeType::Fanout,
            internal: kind == ExchangeType::Headers,
            arguments: arguments.clone(),
        };
        Write::ExchangeDeclared(HOST, record)
    };
    let bound = |destination: Destination| {
        let record = BindingRecord {
            source: "exchange-topic".to_owned(),
            destination,
            routing_key: "a.*.c".to_owned(),
            arguments: arguments.clone(),
        };
        Write::Bound(HOST, record)
    };
    vec![
        exchange(ExchangeType::Direct),
        exchange(ExchangeType::Fanout),
        exchange(ExchangeType::Topic),
        exchange(ExchangeType::Headers),
        bound(Destination::Queue("queue-1001".to_owned())),
        bound(Destination::Exchange("exchange-fanout".to_owned())),
        Write::ExchangeDeleted(HOST, "exchange-direct".to_owned()),
    ]
}

fn fixture_folder(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/format-{version}"))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).expect("a copy");
        }
    }
}

#[test]
fn folders_of_every_format_version_open() {
    if let Ok(folder) = std::env::var(RECORD) {
        let opened = open(Path::new(&folder), fixture_options()).expect("a new folder");
        fixture(&mut Some(opened), FORMAT_VERSION);
    }
    for version in 1..=FORMAT_VERSION {
        let folder = tempfile::tempdir().expect("a folder");
        copy(&fixture_folder(version), folder.path());
        let mut opened = open(folder.path(), fixture_options()).expect("the fixture opens");
        assert_eq!(opened.report.damaged, vec![]);
        let model = fixture(&mut None, version);
        model.compare(&opened.recovered).expect("what was recorded");
        check_contents(&opened.reader, &model).expect("what was recorded");
        opened.log.append(&[declared(2_000)]).expect("it goes on");
        opened.log.flush(true).expect("it goes on");
    }
}

#[test]
fn a_database_of_a_newer_format_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(open(folder.path(), options()).expect("the store opens"));
    let path = folder.path().join("warren.redb");
    let database = redb::Database::open(&path).expect("it is a database");
    let transaction = database.begin_write().expect("no fault");
    let meta: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
    transaction
        .open_table(meta)
        .expect("a table")
        .insert("format", u64::from(FORMAT_VERSION) + 1)
        .expect("no fault");
    transaction.commit().expect("no fault");
    drop(database);
    let error = open(folder.path(), options()).expect_err("it is newer");
    let (found, supported) = (FORMAT_VERSION + 1, FORMAT_VERSION);
    assert_eq!(error, Error::NewerFormat { path, found, supported });
}

#[test]
fn a_segment_of_a_newer_format_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(open(folder.path(), options()).expect("the store opens"));
    let path = folder.path().join("log/00000000000000000001.seg");
    let mut bytes = fs::read(&path).expect("a segment");
    bytes[8..12].copy_from_slice(&(FORMAT_VERSION + 1).to_le_bytes());
    let checksum = crc32c::crc32c(&bytes[..40]);
    bytes[40..44].copy_from_slice(&checksum.to_le_bytes());
    fs::write(&path, bytes).expect("no fault");
    let error = open(folder.path(), options()).expect_err("it is newer");
    let (found, supported) = (FORMAT_VERSION + 1, FORMAT_VERSION);
    assert_eq!(error, Error::NewerFormat { path, found, supported });
}
