//! The long commands of `perf`, as short as they go: the benchmarks and their document, and the
//! soak. The measurements themselves are made by `cargo xtask bench` and `cargo xtask soak`.

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use warren_tests::places;
use warren_tests::program::Program;

/// Many small loads, each of which starts and ends.
const LIMIT: Duration = Duration::from_secs(240);

/// Runs `perf` in a folder, with the broker beside it where it needs one.
fn perf(folder: &Path, arguments: &str) -> String {
    let mut command = Command::new(places::built_program("perf"));
    command.args(arguments.split_whitespace()).current_dir(folder);
    if !arguments.starts_with("document") {
        command.arg("--warren").arg(places::built_program("warren"));
        command.arg("--dir").arg(folder.join("data"));
    }
    Program::start(&mut command).finish(LIMIT)
}

#[test]
fn benchmarks_give_numbers_a_page_and_its_charts() {
    let folder = tempfile::tempdir().unwrap();
    let to = "--json numbers.json --out page.md --without-rabbitmq --quick";
    let parts = "messages,pauses,leaving,queues,connections";
    perf(folder.path(), &format!("compare {to} --seconds 0.1 --backlog 1000 --only ersistent"));
    perf(
        folder.path(),
        &format!("growth {to} --only {parts} --messages 2000 --queues 10 --seconds 0.2"),
    );

    let numbers = fs::read_to_string(folder.path().join("numbers.json")).unwrap();
    let numbers: Value = serde_json::from_str(&numbers).unwrap();
    assert!(numbers["comparison"]["cases"].as_array().unwrap().len() > 8, "{numbers}");
    assert_eq!(numbers["growth"]["series"].as_array().unwrap().len(), 5, "{numbers}");

    let page = fs::read_to_string(folder.path().join("page.md")).unwrap();
    let charts: Vec<&str> =
        page.split("](charts/").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert!(charts.len() > 10, "{page}");
    for chart in charts {
        let svg = fs::read_to_string(folder.path().join("charts").join(chart)).unwrap();
        assert!(svg.starts_with("<svg") && svg.contains("Warren"), "{chart}");
    }

    perf(folder.path(), "document --from numbers.json --to again/page.md");
    let again = fs::read_to_string(folder.path().join("again/page.md")).unwrap();
    assert_eq!(again, page, "the page depends on more than the numbers");
}

#[test]
fn a_short_soak_with_restarts_finds_no_fault() {
    let folder = tempfile::tempdir().unwrap();
    let soak = "soak --minutes 0.15 --restart-seconds 3 --rate 3000 --sample-seconds 1 --json";
    let printed = perf(folder.path(), soak);
    let begin = printed.find('{').expect("a report in JSON");
    let end = printed.rfind('}').expect("a report in JSON");
    let report: Value = serde_json::from_str(&printed[begin..=end]).expect("a report in JSON");
    let number = |name: &str| report[name].as_u64().expect("a number");
    assert_eq!(number("faults"), 0, "{printed}");
    assert!(number("killed") >= 1 && number("stopped") >= 1, "{printed}");
    assert!(number("confirmed") > 1000, "there was hardly any load: {printed}");
    assert!(number("deliveries") > 1000, "hardly anything came: {printed}");
    assert!(!report["samples"].as_array().unwrap().is_empty(), "{printed}");
}
