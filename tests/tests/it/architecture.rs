//! Which crate may know which, and where their dependencies are declared.

use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::process::Command;
use toml::Table;
use warren_tests::places;

/// From left to right; a crate depends only on crates to its left.
const LINE: [&str; 7] = [
    "warren-amqp",
    "warren-engine",
    "warren-storage",
    "warren-server",
    "warren-admin",
    "warren-console",
    "warren",
];

/// Beside the line: clients and tools, which know nothing of the broker's insides.
const BESIDE: [&str; 5] =
    ["warren-perf", "warren-tests", "warren-interop", "warren-examples", "xtask"];

/// Tests that drive the pure crates from inside: they know these alone, and nobody knows them.
const DRIVERS: [&str; 2] = ["warren-fuzz-targets", "warren-simulation"];
const PURE: [&str; 3] = ["warren-amqp", "warren-engine", "warren-storage"];

/// What each crate of the line must not know, whoever stands to its left.
const FORBIDDEN: [(&str, &[&str]); 4] = [
    ("warren-amqp", &["tokio", "redb", "axum", "tracing"]),
    ("warren-engine", &["tokio", "redb", "axum", "tracing"]),
    ("warren-storage", &["tokio", "axum", "tracing"]),
    // Whatever the console shows and changes goes through the API.
    ("warren-console", &["warren-amqp", "warren-engine", "warren-storage", "warren-server"]),
];

/// Name of each member of the workspace, and all that it depends on, also for tests and builds.
fn members() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env::var("CARGO").unwrap_or_else(|_| "cargo".into()))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(places::workspace())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Json = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Json| value["name"].as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap();
            (text(package), dependencies.iter().map(text).collect())
        })
        .collect()
}

#[test]
fn every_member_has_its_place() {
    let known = [&LINE[..], &BESIDE[..], &DRIVERS[..]].concat();
    for name in members().keys() {
        assert!(known.contains(&name.as_str()), "{name} has no place in the architecture");
    }
}

#[test]
fn a_crate_depends_only_on_crates_to_its_left() {
    let members = members();
    for (place, name) in LINE.iter().enumerate() {
        let dependencies = &members[*name];
        for dependency in dependencies {
            let found = LINE.iter().position(|other| other == dependency);
            // A crate may name itself, to switch on a feature for its own tests.
            let to_its_left = found.is_none_or(|found| found < place) || dependency == name;
            assert!(to_its_left, "{name} may not depend on {dependency}");
            let outside = [&BESIDE[..], &DRIVERS[..]].concat();
            assert!(!outside.contains(&dependency.as_str()), "{name} depends on {dependency}");
        }
    }
    for name in BESIDE {
        for dependency in &members[name] {
            let inside = [&LINE[..], &DRIVERS[..]].concat().contains(&dependency.as_str());
            assert!(!inside, "{name} may not know the broker's insides: {dependency}");
        }
    }
    for name in DRIVERS {
        for dependency in &members[name] {
            let ours = dependency.starts_with("warren") || dependency == "xtask";
            let allowed = !ours || PURE.contains(&dependency.as_str());
            assert!(allowed, "{name} may not depend on {dependency}");
        }
    }
}

#[test]
fn crates_do_not_know_what_they_must_not() {
    let members = members();
    for (name, forbidden) in FORBIDDEN {
        for dependency in &members[name] {
            assert!(!forbidden.contains(&dependency.as_str()), "{name} depends on {dependency}");
        }
    }
}

#[test]
fn every_dependency_is_declared_once_with_its_reason() {
    let root = fs::read_to_string(places::workspace().join("Cargo.toml")).unwrap();
    let parsed: Table = root.parse().unwrap();
    let declared = parsed["workspace"]["dependencies"].as_table().unwrap();
    let member_paths = parsed["workspace"]["members"].as_array().unwrap();
    for path in member_paths {
        let path = places::workspace().join(path.as_str().unwrap()).join("Cargo.toml");
        let manifest: Table = fs::read_to_string(&path).unwrap().parse().unwrap();
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(dependencies) = manifest.get(section).and_then(|it| it.as_table()) else {
                continue;
            };
            for (name, value) in dependencies {
                let itself = value.get("path").and_then(|it| it.as_str()) == Some(".");
                if itself && section == "dev-dependencies" {
                    continue;
                }
                let inherited = value.get("workspace").and_then(|it| it.as_bool());
                let place = path.display();
                assert_eq!(inherited, Some(true), "{place}: {name} is not `{name}.workspace`");
                assert!(declared.contains_key(name), "{place}: {name} is not in the workspace's");
            }
        }
    }
    // A comment stands above each group of lines; nothing comes without one.
    let block = root.split("[workspace.dependencies]").nth(1).unwrap();
    let block = block.split("\n[").next().unwrap();
    let mut explained = true;
    for line in block.lines().skip(1) {
        match line {
            "" => explained = false,
            line if line.starts_with('#') => explained = true,
            line => assert!(explained || line.starts_with("warren-"), "no reason for: {line}"),
        }
    }
}

#[test]
fn all_members_take_the_workspaces_lints() {
    let root: Table =
        fs::read_to_string(places::workspace().join("Cargo.toml")).unwrap().parse().unwrap();
    for path in root["workspace"]["members"].as_array().unwrap() {
        let path = places::workspace().join(path.as_str().unwrap()).join("Cargo.toml");
        let manifest: Table = fs::read_to_string(&path).unwrap().parse().unwrap();
        let lints = manifest.get("lints").and_then(|lints| lints.get("workspace"));
        assert_eq!(lints.and_then(|it| it.as_bool()), Some(true), "{}", path.display());
    }
}
