//! The program itself: starting, refusing to start, telling how it is.

use std::fs;
use std::path::Path;
use std::process::Command;
use warren_tests::broker::{Ended, Settings};
use warren_tests::{Broker, Wire, http, places};

/// Arguments that start a broker on any free ports.
fn arguments<'a>(data_dir: &'a str, amqp_listen: &'a str) -> Vec<&'a str> {
    let listen = ["--amqp-listen", amqp_listen, "--http-listen", "127.0.0.1:0"];
    [&["server", "--data-dir", data_dir], &listen[..]].concat()
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// The broker refused to start, and each of these words is in what it says.
fn refused(ended: &Ended, words: &[&str]) {
    assert_eq!(ended.status.code().map(|code| code != 0), Some(true), "{ended:?}");
    for word in words {
        assert!(ended.log.contains(word), "{word:?} is not in: {}", ended.log);
    }
    assert!(!ended.log.contains("panicked"), "{}", ended.log);
}

#[test]
fn a_second_broker_on_the_same_folder_is_refused() {
    let broker = Broker::own();
    let data_dir = text(&broker.data_dir());
    let ended = Broker::run_to_its_end(&arguments(&data_dir, "127.0.0.1:0"));
    refused(&ended, &[&data_dir]);
    // The first one has not been disturbed, nor has its file of addresses.
    crate::handshake::a_connection_works(&broker);
    let listeners = fs::read_to_string(broker.data_dir().join("listeners.json")).unwrap();
    assert!(listeners.contains(&broker.pid().to_string()), "{listeners}");
}

#[test]
fn a_second_broker_on_the_same_port_is_refused() {
    let broker = Broker::own();
    let folder = tempfile::tempdir().unwrap();
    let data_dir = text(&folder.path().join("data"));
    let ended = Broker::run_to_its_end(&arguments(&data_dir, broker.amqp_address()));
    refused(&ended, &[broker.amqp_address()]);
    crate::handshake::a_connection_works(&broker);
}

#[test]
fn a_data_folder_of_a_newer_version_is_refused() {
    let mut broker = Broker::own();
    assert_eq!(broker.terminate(), Some(0));
    let data_dir = broker.data_dir();
    let database = redb::Database::open(data_dir.join("warren.redb")).unwrap();
    let change = database.begin_write().unwrap();
    let meta = redb::TableDefinition::<&str, u64>::new("meta");
    let before =
        change.open_table(meta).unwrap().insert("format", 99).unwrap().map(|it| it.value());
    assert!(before.is_some(), "the database tells its format");
    change.commit().unwrap();
    drop(database);
    let ended = Broker::run_to_its_end(&arguments(&text(&data_dir), "127.0.0.1:0"));
    refused(&ended, &["warren.redb", "99"]);
}

#[test]
fn a_data_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "not a folder").unwrap();
    let data_dir = text(&file.join("data"));
    let ended = Broker::run_to_its_end(&arguments(&data_dir, "127.0.0.1:0"));
    refused(&ended, &[&text(&file)]);
}

#[test]
fn an_address_that_is_none_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = text(&folder.path().join("data"));
    let ended = Broker::run_to_its_end(&arguments(&data_dir, "somewhere:port"));
    refused(&ended, &["somewhere:port"]);
}

#[test]
fn a_config_file_with_a_mistake_is_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = text(&folder.path().join("data"));
    let config = folder.path().join("mistake.toml");
    let cases = [
        ("log_level = \"info\"\n\ncolour = \"red\"\n", "colour", 3),
        ("log_level = \"info\"\nframe_max = \"large\"\n", "frame_max", 2),
        ("[storage]\nsegment_bites = 5\n", "segment_bites", 2),
        ("heartbeat_seconds = 70000\n", "heartbeat_seconds", 1),
        ("log_level = \n", "mistake.toml", 1),
    ];
    for (content, word, line) in cases {
        fs::write(&config, content).unwrap();
        let path = text(&config);
        let mut arguments = arguments(&data_dir, "127.0.0.1:0");
        arguments.extend(["--config", &path]);
        let ended = Broker::run_to_its_end(&arguments);
        refused(&ended, &[&path, word]);
        let forms = [format!("line {line}"), format!("mistake.toml:{line}")];
        let named = forms.iter().any(|form| ended.log.contains(form.as_str()));
        assert!(named, "line {line} is not named in: {}", ended.log);
    }
}

#[test]
fn a_config_file_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = text(&folder.path().join("data"));
    let config = text(&folder.path().join("missing.toml"));
    let mut arguments = arguments(&data_dir, "127.0.0.1:0");
    arguments.extend(["--config", &config]);
    refused(&Broker::run_to_its_end(&arguments), &[&config]);
}

#[test]
fn the_config_file_sets_and_flags_win() {
    let settings = Settings {
        config: "frame_max = 8192\nchannel_max = 7\nheartbeat_seconds = 5\n\
                 default_user = \"anna\"\ndefault_pass = \"secret\"\nloopback_users = []\n\
                 amqp_listen = \"127.0.0.1:1\"\nlog_format = \"json\""
            .into(),
        ..Default::default()
    };
    let broker = Broker::with(settings);
    let mut wire = Wire::connect(broker.amqp_address());
    wire.start();
    wire.login("PLAIN", b"\0anna\0secret");
    let tune = wire.expect_method(0, (10, 30));
    let expected = [&7_u16.to_be_bytes()[..], &8192_u32.to_be_bytes(), &5_u16.to_be_bytes()];
    assert_eq!(tune, expected.concat());
    let log = broker.log();
    let first = log.lines().next().expect("the broker logs its start");
    let line: serde_json::Value = serde_json::from_str(first).expect("a line of JSON");
    assert!(line.is_object(), "{line}");

    let mut wire = Wire::connect(broker.amqp_address());
    wire.start();
    wire.login("PLAIN", b"\0guest\0guest");
    assert_eq!(wire.expect_end().expect("an answer").code, 403);
}

#[test]
fn the_broker_tells_over_http_that_it_is_well_and_who_it_is() {
    let broker = Broker::own();
    let health = http::get(broker.http_address(), "/healthz");
    assert_eq!(health.status, 200, "{health:?}");
    let start = http::get(broker.http_address(), "/");
    assert_eq!((start.status, start.header("location")), (303, Some("/sign-in")));
    let page = http::get(broker.http_address(), "/sign-in");
    assert_eq!(page.status, 200);
    assert!(page.head.to_lowercase().contains("content-type: text/html"), "{}", page.head);
    for word in ["Warren", env!("CARGO_PKG_VERSION")] {
        assert!(page.body.contains(word), "{word} is not on the page: {}", page.body);
    }
    assert_eq!(http::get(broker.http_address(), "/no-such-page").status, 404);
}

#[test]
fn the_health_command_follows_the_broker() {
    let mut broker = Broker::own();
    let address = broker.http_address().to_owned();
    let health = || {
        let mut command = Command::new(places::built_program("warren"));
        command.args(["health", "--http", &address]).output().unwrap()
    };
    let well = health();
    assert!(well.status.success(), "{well:?}");
    broker.kill();
    assert!(!health().status.success());
}

#[test]
fn the_program_explains_itself() {
    let warren = places::built_program("warren");
    let help = Command::new(&warren).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("server") && help.contains("health"), "{help}");
    let version = Command::new(&warren).arg("--version").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    assert_eq!(version.trim(), format!("warren {}", env!("CARGO_PKG_VERSION")));
    let wrong = Command::new(&warren).arg("serve-me").output().unwrap();
    assert!(!wrong.status.success());
}

#[test]
fn the_log_tells_the_addresses_and_nobodys_password() {
    let broker = Broker::own();
    let mut wire = Wire::connect(broker.amqp_address());
    wire.start();
    wire.login("PLAIN", b"\0guest\0not-my-password");
    wire.expect_end();
    let log = broker.log();
    for address in [broker.amqp_address(), broker.http_address()] {
        assert!(log.contains(address), "{address} is not in: {log}");
    }
    assert!(!log.contains("not-my-password"), "{log}");
}

#[test]
fn a_http_peer_that_never_ends_its_request_does_not_keep_the_broker_from_stopping() {
    let mut broker = Broker::start();
    let mut peer = std::net::TcpStream::connect(broker.http_address()).unwrap();
    std::io::Write::write_all(&mut peer, b"GET / HTTP/1.1\r\nHost: x").unwrap();
    assert_eq!(broker.terminate(), Some(0));
}
