//! A disk that is full: the broker says so, confirms nothing that it cannot keep, and loses
//! nothing that it confirmed.

use lapin::Confirmation;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use warren_tests::broker::Settings;
use warren_tests::{Broker, client};

/// Room for the broker's first files and some megabytes of messages, which are soon written.
const SMALL_MEBIBYTES: u32 = 16;
/// Room for all that the test publishes.
const LARGE_MEBIBYTES: u32 = 128;
/// More messages than fit into the small disk.
const MESSAGES: usize = 600;
const BODY_BYTES: usize = 64 * 1024;
/// A broker that can keep a message confirms it well within this time.
const REFUSED_AFTER: Duration = Duration::from_secs(5);

/// A disk in memory, of a size that can be changed; unmounted when this value is dropped.
struct Disk {
    folder: TempDir,
}

impl Disk {
    fn mount() -> Self {
        let disk = Self { folder: tempfile::tempdir().unwrap() };
        let size = format!("size={SMALL_MEBIBYTES}m");
        run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", disk.path()]);
        disk
    }

    fn grow(&self) {
        run("mount", &["-o", &format!("remount,size={LARGE_MEBIBYTES}m"), self.path()]);
    }

    fn path(&self) -> &str {
        let path: &Path = self.folder.path();
        path.to_str().unwrap()
    }

    fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
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

fn body(number: usize) -> Vec<u8> {
    let mut body = format!("m{number}").into_bytes();
    body.resize(BODY_BYTES, b'-');
    body
}

/// Publishes until the broker no longer confirms; gives how many it did confirm.
async fn publish_until_refused(broker: &Broker) -> usize {
    let (_connection, channel) = client::open(broker).await;
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    client::durable_queue(&channel, "full").await;
    for number in 0..MESSAGES {
        let options = BasicPublishOptions::default();
        let body = body(number);
        let sent = channel
            .basic_publish("".into(), "full".into(), options, &body, client::persistent())
            .await;
        // A broker that has closed the connection or nacks refuses as well as one that is silent.
        let Ok(sent) = sent else { return number };
        match tokio::time::timeout(REFUSED_AFTER, sent).await {
            Ok(Ok(Confirmation::Ack(_))) => {}
            _ => return number,
        }
    }
    panic!("{MESSAGES} messages were confirmed on a disk of {SMALL_MEBIBYTES} MiB");
}

#[test]
fn nothing_that_was_confirmed_is_lost_when_the_disk_is_full() {
    // Declared first, so that it is dropped last, after the broker that works on it.
    let disk = Disk::mount();
    let settings = Settings { data_dir: Some(disk.data_dir()), ..Settings::default() };
    let mut broker = Broker::with(settings);
    let confirmed = client::run(publish_until_refused(&broker));
    assert!(confirmed > 10, "only {confirmed} messages fitted");
    let log = broker.log().to_lowercase();
    let said =
        log.contains("disk is full") || log.contains("disk full") || log.contains("no space");
    assert!(said, "the log does not say that the disk is full");
    assert!(!log.contains("panicked"), "a full disk is no reason to panic");

    // Whatever it does on a full disk, it can be killed; an operator then makes room.
    broker.kill();
    disk.grow();
    broker.restart();
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        let drained = client::drain(&channel, "full").await;
        let found: Vec<&str> = drained.iter().map(|body| body.trim_end_matches('-')).collect();
        let expected = client::numbered(0..confirmed as u32);
        // What was not confirmed may be there or not, but never before what was, and never torn.
        assert!(found.len() >= expected.len(), "{} of {confirmed} are there", found.len());
        assert_eq!(found[..expected.len()], expected);
        assert!(drained.iter().all(|body| body.len() == BODY_BYTES));
        let more = client::publish_persistent(&channel, "full", b"more").await;
        assert_eq!(more, Confirmation::Ack(None));
        assert_eq!(client::drain(&channel, "full").await, ["more"]);
    });
}
