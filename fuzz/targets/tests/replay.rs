//! Every kept input, and every input that once made a target panic, through its target.

// These are tests, also where a helper is not marked as one.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use warren_fuzz_targets::{TARGETS, Target, find, frames, mutate};

/// All kept inputs together may have this many bytes: they are in everybody's clone.
const CORPUS_BYTES_MAX: usize = 1_000_000;

/// The inputs of a target in a folder beside the targets, by path.
fn inputs(folder: &str, target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let targets = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    let folder = Path::new(&targets).join("..").join(folder).join(target.name);
    let Ok(entries) = fs::read_dir(&folder) else { return vec![] };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn replay(target: &Target) {
    let kept = inputs("corpus", target);
    assert!(!kept.is_empty(), "{} has no kept inputs", target.name);
    for (path, input) in kept.into_iter().chain(inputs("crashes", target)) {
        if let Some(words) = mutate::panics(target, &input) {
            panic!("{}: {words}", path.display());
        }
    }
}

#[test]
fn kept_inputs_of_the_wire_pass() {
    for name in ["frames", "tables", "methods", "connection", "handshake_auth"] {
        replay(find(name).unwrap());
    }
}

#[test]
fn kept_inputs_of_the_engine_pass() {
    for name in ["topic", "headers", "engine"] {
        replay(find(name).unwrap());
    }
}

#[test]
fn kept_inputs_of_the_store_pass() {
    for name in ["records", "recovery"] {
        replay(find(name).unwrap());
    }
}

#[test]
fn wherever_kept_frames_are_cut_in_two_the_events_are_the_same() {
    for (_, input) in inputs("corpus", find("frames").unwrap()) {
        frames::run_at_every_cut(&input);
    }
}

#[test]
fn kept_inputs_are_few() {
    let sizes = TARGETS.iter().flat_map(|target| inputs("corpus", target));
    let bytes: usize = sizes.map(|(_, input)| input.len()).sum();
    assert!(bytes < CORPUS_BYTES_MAX, "{bytes} bytes of kept inputs");
}

#[test]
fn the_plain_fuzzer_finds_a_panic_and_repeats_it_from_its_seed() {
    fn run(data: &[u8]) {
        assert!(!data.starts_with(b"ab"), "it starts with ab");
    }
    let target = Target { name: "planted", run };
    let fuzz = || mutate::run(&target, &[b"a?".to_vec()], 1, Duration::from_secs(60));
    let (input, words) = fuzz().crash.unwrap();
    assert!(input.starts_with(b"ab") && words.contains("it starts with ab"));
    assert_eq!(fuzz().crash.unwrap().0, input);
}
