//! A broker that is killed under load loses nothing that it confirmed: a few rounds of
//! `perf verify`. Fifty rounds are run by `cargo xtask verify --rounds 50`.

use serde_json::Value;
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;
use warren_tests::places;
use warren_tests::program::Program;

const ROUNDS: u64 = 5;
/// A round loads for up to a second, restarts and drains.
const LIMIT: Duration = Duration::from_secs(180);

/// A port that is free now. The broker takes it at every start, so it cannot be 0.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
    listener.local_addr().expect("a listener has an address").port()
}

#[test]
fn nothing_that_was_confirmed_is_lost_by_kills_under_load() {
    kill_under_load(&[]);
}

#[test]
fn no_place_of_a_stream_changes_by_kills_during_appends() {
    kill_under_load(&["--streams"]);
}

fn kill_under_load(options: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port().to_string();
    let mut command = Command::new(places::built_program("perf"));
    command.args(["verify", "--port", &port, "--rounds", &ROUNDS.to_string(), "--json"]);
    command.args(["--kill-after-ms-max", "1000"]).args(options).arg("--");
    command.arg(places::built_program("warren")).arg("server");
    command.arg("--data-dir").arg(folder.path().join("data"));
    command.args(["--amqp-listen", &format!("127.0.0.1:{port}")]);
    command.args(["--http-listen", "127.0.0.1:0"]);
    let printed = Program::start(command.current_dir(folder.path())).finish(LIMIT);

    let begin = printed.find('{').expect("a report in JSON");
    let report: Value = serde_json::from_str(&printed[begin..]).expect("a report in JSON");
    let total = |name: &str| report["total"][name].as_u64().expect("a number");
    assert_eq!(report["rounds"].as_array().map(Vec::len), Some(ROUNDS as usize), "{printed}");
    assert!(total("confirmed") > 1000, "there was hardly any load: {printed}");
    assert!(total("delivered") >= total("confirmed"), "{printed}");
    let faults = (total("lost"), total("out_of_order"), total("corrupt"));
    assert_eq!(faults, (0, 0, 0), "{printed}");
}
