//! Small rules for all files, checked so that nobody has to remember them.

use std::fs;
use std::path::{Path, PathBuf};
use warren_tests::places;

const LINES_MAX: usize = 600;
/// Folders with nothing that anybody wrote.
const SKIPPED: [&str; 5] = ["target", ".git", "node_modules", ".venv", "__pycache__"];

/// All files of the workspace with this extension, with their text.
fn files(extension: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    collect(&places::workspace(), extension, &mut found);
    assert!(!found.is_empty(), "there are no .{extension} files");
    found
}

fn collect(folder: &Path, extension: &str, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !SKIPPED.contains(&name.as_str()) {
                collect(&path, extension, found);
            }
        } else if path.extension().is_some_and(|it| it == extension) {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
}

#[test]
fn a_rust_file_says_what_it_is_for_and_can_be_read_in_one_go() {
    for (path, text) in files("rs") {
        let path = path.display();
        assert!(text.starts_with("//! "), "{path} does not begin with what it is for");
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "{path} has {lines} lines, more than {LINES_MAX}");
        for (number, line) in text.lines().enumerate() {
            assert!(line.is_ascii(), "{path}:{} is not ASCII", number + 1);
        }
    }
}

#[test]
fn nothing_is_left_to_be_done_later() {
    // Put together here, so that this file does not contain them.
    let marks = [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["XX", "X"].concat()];
    for extension in ["rs", "py", "js", "toml", "md"] {
        for (path, text) in files(extension) {
            for (number, line) in text.lines().enumerate() {
                for mark in &marks {
                    let place = format!("{}:{}", path.display(), number + 1);
                    let as_word = line.split(|c: char| !c.is_alphanumeric()).any(|it| it == mark);
                    assert!(!as_word, "{place} has a mark of unfinished work");
                }
            }
        }
    }
}

#[test]
fn no_test_is_switched_off() {
    let marks = [["#[", "ignore"].concat(), ["#[cfg_attr(", "miri"].concat()];
    for (path, text) in files("rs") {
        for mark in &marks {
            assert!(!text.contains(mark.as_str()), "{} has {mark}", path.display());
        }
    }
}

#[test]
fn lock_files_name_no_mirror() {
    for lock in ["Cargo.lock", "tests/management/rust/Cargo.lock"] {
        let lock = fs::read_to_string(places::workspace().join(lock)).unwrap();
        let usual = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
        for line in lock.lines().filter(|line| line.starts_with("source = ")) {
            assert_eq!(line, usual);
        }
    }
    for folder in ["tests/clients/node", "tests/interop/node", "tests/browser"] {
        let lock = places::workspace().join(folder).join("package-lock.json");
        let lock = fs::read_to_string(lock).unwrap();
        assert!(!lock.contains("\"resolved\"") && !lock.contains("http"), "{lock}");
    }
    for folder in ["tests/clients", "tests/interop", "tests/management"] {
        let folder = places::workspace().join(folder);
        let python = fs::read_to_string(folder.join("python/requirements.txt")).unwrap();
        for line in python.lines() {
            let pinned = line.is_empty() || line.starts_with('#') || line.contains("==");
            assert!(pinned && !line.contains("://"), "{line} is not a name with its version");
        }
    }
}
