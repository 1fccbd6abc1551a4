//! `warren check`: the folder of a broker that was killed, damaged, checked, repaired and used.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use warren_tests::{Broker, client, places};

fn warren(arguments: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(places::built_program("warren"));
    command.arg("check").args(arguments).arg(folder).output().unwrap()
}

/// Runs the command; gives its exit code and what it printed.
fn check(arguments: &[&str], folder: &Path) -> (i32, String) {
    let output = warren(arguments, folder);
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

/// What the messages hold: texts that stand nowhere else in a folder, as salts and hashes might.
fn orders() -> Vec<String> {
    (0..20).map(|number| format!("order number {number}.")).collect()
}

/// A killed broker with 20 messages in the queue `orders`.
fn killed_broker() -> Broker {
    let mut broker = Broker::own();
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        let queue = client::durable_queue(&channel, "orders").await;
        for body in orders() {
            client::publish_persistent(&channel, &queue, body.as_bytes()).await;
        }
    });
    broker.kill();
    broker
}

fn messages(broker: &Broker, queue: &str) -> Vec<String> {
    client::run(async {
        let (_connection, channel) = client::open(broker).await;
        client::drain(&channel, queue).await
    })
}

fn first_segment(broker: &Broker) -> PathBuf {
    broker.data_dir().join("log/00000000000000000001.seg")
}

/// Flips a bit of the message with this body.
fn damage(path: &Path, body: &str) {
    let mut content = fs::read(path).unwrap();
    let body = body.as_bytes();
    let at = content.windows(body.len()).position(|window| window == body).unwrap();
    content[at] ^= 1;
    fs::write(path, content).unwrap();
}

#[test]
fn a_folder_in_use_or_missing_cannot_be_checked() {
    let broker = Broker::own();
    let output = warren(&[], &broker.data_dir());
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("is in use by another process"), "{said}");
    let output = warren(&[], &broker.data_dir().join("none"));
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("holds no data of Warren"), "{said}");
}

#[test]
fn what_a_killed_broker_leaves_is_clean() {
    let broker = killed_broker();
    let (code, printed) = check(&[], &broker.data_dir());
    assert_eq!(code, 0, "{printed}");
    assert!(printed.contains("clean: 1 queues"), "{printed}");
    let (code, printed) = check(&["--repair"], &broker.data_dir());
    assert_eq!(code, 0, "{printed}");
    assert!(printed.ends_with("nothing to repair\n"), "{printed}");
}

#[test]
fn a_damaged_folder_is_repaired_and_the_rest_is_delivered() {
    let mut broker = killed_broker();
    let bodies: Vec<String> = orders();
    damage(&first_segment(&broker), &bodies[7]);
    let (code, printed) = check(&["--json"], &broker.data_dir());
    assert_eq!(code, 1, "{printed}");
    let report: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(report["clean"], false);
    assert_eq!(report["findings"][0]["file"], "log/00000000000000000001.seg");
    assert!(report["findings"][0]["offset"].as_u64().unwrap() > 64, "{printed}");
    let (code, printed) = check(&["--repair"], &broker.data_dir());
    assert_eq!(code, 1, "{printed}");
    assert!(printed.contains("salvage-1"), "{printed}");
    let (code, printed) = check(&[], &broker.data_dir());
    assert_eq!(code, 0, "{printed}");
    broker.restart();
    let expected: Vec<&String> = bodies.iter().filter(|body| **body != bodies[7]).collect();
    assert_eq!(messages(&broker, "orders").iter().collect::<Vec<_>>(), expected);
    assert!(!broker.log().contains("damaged"));
}

#[test]
fn a_broker_whose_database_is_lost_goes_on_after_a_repair() {
    let mut broker = killed_broker();
    fs::write(broker.data_dir().join("warren.redb"), "lost").unwrap();
    let (code, printed) = check(&["--repair"], &broker.data_dir());
    assert_eq!(code, 1, "{printed}");
    assert!(printed.contains("the database was made anew"), "{printed}");
    broker.restart();
    assert_eq!(messages(&broker, "orders"), orders());
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        client::publish_persistent(&channel, "orders", b"new").await;
    });
    broker.kill();
    broker.restart();
    assert_eq!(messages(&broker, "orders"), ["new"]);
}

/// The session of docs/check.md, with its numbers as they come out here.
#[test]
fn the_page_on_checks_shows_what_is_printed() {
    let broker = killed_broker();
    let bodies: Vec<String> = orders();
    let page = fs::read_to_string(places::workspace().join("docs/check.md")).unwrap();
    let mut shown = page.split("```text\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut same = |arguments: &[&str]| {
        let (_, printed) = check(arguments, &broker.data_dir());
        let printed = printed.replace(broker.data_dir().to_str().unwrap(), "/var/lib/warren");
        let expected = shown.next().unwrap();
        assert_eq!(without_numbers(&printed), without_numbers(expected), "{printed}");
    };
    same(&[]);
    damage(&first_segment(&broker), &bodies[7]);
    same(&[]);
    same(&["--repair"]);
}

/// Sizes and places differ from run to run.
fn without_numbers(text: &str) -> String {
    let word = |word: &str| {
        let bare = word.trim_end_matches([':', ',']);
        let is_number = !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { word.replace(bare, "N") } else { word.to_owned() }
    };
    let line = |line: &str| line.split(' ').map(word).collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}
