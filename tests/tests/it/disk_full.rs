//! A disk that is full: publishers are blocked, consumers drain, and all goes on by itself. Nothing
//! that was confirmed is lost, and nothing is confirmed that cannot be kept.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use warren_tests::broker::Settings;
use warren_tests::{Broker, client, eventually, http};

use crate::flood::Flood;

/// Room for the first files of the broker and for all that sockets and the broker hold of messages
/// that were sent before it stopped to read.
const DISK_MEBIBYTES: u32 = 96;
const BODY_BYTES: usize = 64 * 1024;
/// More messages than fit.
const MESSAGES: u64 = 4_000;
/// What the alarm leaves free, for acknowledgements and checkpoints.
const ALARM: &str = "disk_free_limit = 8388608";
/// No alarm before the disk is really full.
const NO_ALARM: &str = "disk_free_limit = 0";

/// A disk in memory; unmounted when this value is dropped.
struct Disk {
    folder: TempDir,
}

impl Disk {
    fn mount() -> Self {
        let disk = Self { folder: tempfile::tempdir().unwrap() };
        let size = format!("size={DISK_MEBIBYTES}m");
        run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", disk.path()]);
        disk
    }

    fn path(&self) -> &str {
        let path: &Path = self.folder.path();
        path.to_str().unwrap()
    }

    fn settings(&self, config: &str) -> Settings {
        Settings { data_dir: Some(self.data_dir()), config: config.into(), ..Settings::default() }
    }

    fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn foreign_file(&self) -> PathBuf {
        self.folder.path().join("foreign")
    }

    /// Somebody else takes all that is free, to the last byte.
    fn fill(&self) {
        let mut file = fs::File::options().create(true).append(true).open(self.foreign_file());
        let file = file.as_mut().unwrap();
        let mut piece = vec![b'f'; 1 << 20];
        while !piece.is_empty() {
            if file.write_all(&piece).is_err() {
                piece.truncate(piece.len() / 2);
            }
        }
    }

    fn free(&self) {
        fs::remove_file(self.foreign_file()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Mounting may have failed; then there is nothing to unmount.
        let _ = Command::new("umount").arg(self.path()).status();
    }
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?} needs root: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The numbers of the messages that wait, in order; takes them all.
async fn drain(channel: &lapin::Channel, queue: &str, count: u64) -> Vec<u64> {
    let mut consumer = client::consume(channel, queue).await;
    let mut numbers = Vec::new();
    while numbers.len() < count as usize {
        let delivery = client::next(&mut consumer).await;
        assert_eq!(delivery.data.len(), BODY_BYTES, "a message is whole");
        numbers.push(u64::from_be_bytes(delivery.data[..8].try_into().unwrap()));
        delivery.ack(Default::default()).await.unwrap();
    }
    numbers
}

fn drain_all(broker: &Broker, queue: &str, count: u64) -> Vec<u64> {
    client::run(async {
        let (_connection, channel) = client::open(broker).await;
        let numbers = drain(&channel, queue, count).await;
        channel.close(200, "done".into()).await.unwrap();
        numbers
    })
}

#[test]
fn publishers_are_blocked_until_consumers_have_drained_the_disk() {
    // Declared first, so that it is dropped last, after the broker that works on it.
    let disk = Disk::mount();
    let mut broker = Broker::with(disk.settings(ALARM));
    let mut flood = Flood::open(&broker, "full", BODY_BYTES, true);
    assert!(!flood.send_until(MESSAGES), "the broker goes on reading");
    assert_eq!(flood.wait_until_blocked(), "low on disk");
    let confirmed = flood.confirmed();
    assert!(confirmed > 100, "only {confirmed} messages fitted");
    assert!(confirmed < flood.sent(), "{} messages were sent and confirmed", flood.sent());
    let health = http::get(broker.http_address(), "/healthz");
    assert_eq!((health.status, health.body.contains("low on disk")), (200, true));

    // What was not confirmed stays so, and consumers get all that was.
    assert_eq!(drain_all(&broker, "full", confirmed), (0..confirmed).collect::<Vec<_>>());
    flood.wait_until_unblocked();
    let sent = flood.sent() + 20;
    assert!(flood.send_until(sent), "the broker reads again");
    flood.wait_until_confirmed(sent);
    let kept = 20;
    let taken = drain_all(&broker, "full", sent - confirmed - kept);
    assert_eq!(taken, (confirmed..sent - kept).collect::<Vec<_>>());
    drop(flood);
    broker.kill();
    broker.restart();
    assert_eq!(drain_all(&broker, "full", kept), (sent - kept..sent).collect::<Vec<_>>());
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        assert_eq!(client::ready(&channel, "full").await, 0, "nothing comes twice");
    });
    let log = broker.log();
    assert!(log.contains("alarm: publishers are blocked") && log.contains("low on disk"), "{log}");
    assert!(!log.contains("panicked") && !log.contains("has failed"), "{log}");
}

/// A broker on a disk that somebody else has filled to the last byte, and its publisher.
fn without_a_byte(disk: &Disk) -> (Broker, Flood) {
    let broker = Broker::with(disk.settings(NO_ALARM));
    let mut flood = Flood::open(&broker, "full", BODY_BYTES, true);
    assert!(flood.send_until(50));
    flood.wait_until_confirmed(50);
    disk.fill();
    assert!(!flood.send_until(MESSAGES), "the broker goes on reading");
    assert_eq!(flood.wait_until_blocked(), "low on disk");
    assert!(flood.confirmed() < flood.sent(), "all was confirmed on a full disk");
    (broker, flood)
}

#[test]
fn a_disk_without_a_free_byte_only_makes_publishers_wait() {
    let disk = Disk::mount();
    let (mut broker, mut flood) = without_a_byte(&disk);
    assert_eq!(http::get(broker.http_address(), "/healthz").status, 200);
    disk.free();
    flood.wait_until_unblocked();
    let sent = flood.sent() + 20;
    assert!(flood.send_until(sent), "the broker reads again");
    flood.wait_until_confirmed(sent);
    drop(flood);
    broker.kill();
    broker.restart();
    assert_eq!(drain_all(&broker, "full", sent), (0..sent).collect::<Vec<_>>());
    assert!(!broker.log().contains("has failed"), "{}", broker.log());
    assert_eq!(broker.terminate(), Some(0));
}

#[test]
fn a_broker_on_a_disk_without_a_free_byte_stops_and_keeps_what_it_confirmed() {
    for kill in [false, true] {
        let disk = Disk::mount();
        let (mut broker, flood) = without_a_byte(&disk);
        if kill {
            broker.kill();
        } else {
            assert_eq!(broker.terminate(), Some(0));
        }
        let (confirmed, sent) = (flood.confirmed(), flood.sent());
        drop(flood);
        // Without room there is no start, and no harm.
        let data_dir = disk.data_dir();
        let arguments = ["--data-dir", data_dir.to_str().unwrap(), "--amqp-listen", "127.0.0.1:0"];
        let http = ["--http-listen", "127.0.0.1:0"];
        disk.fill();
        let ended = Broker::run_to_its_end(&[&arguments[..], &http].concat());
        assert_eq!(ended.status.code(), Some(1), "{}", ended.log);
        assert!(ended.log.to_lowercase().contains("no space"), "{}", ended.log);
        disk.free();
        broker.restart();
        let found = client::run(async {
            let (_connection, channel) = client::open(&broker).await;
            u64::from(client::ready(&channel, "full").await)
        });
        // What was not confirmed may be there or not, but never before what was.
        assert!((confirmed..=sent).contains(&found), "{found} of {confirmed} to {sent}");
        assert_eq!(drain_all(&broker, "full", found), (0..found).collect::<Vec<_>>());
    }
}

#[test]
fn the_reserve_is_there_and_is_given_up_before_the_disk_is_full() {
    let disk = Disk::mount();
    let broker = Broker::with(disk.settings(NO_ALARM));
    let reserve = disk.data_dir().join("reserve");
    eventually("the reserve is made", || reserve.exists().then_some(()));
    let mut flood = Flood::open(&broker, "full", BODY_BYTES, true);
    assert!(!flood.send_until(MESSAGES), "the broker goes on reading");
    assert!(!reserve.exists(), "it is kept while there is no room");
}
