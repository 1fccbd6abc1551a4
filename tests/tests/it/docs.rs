//! What the documents promise: programs that are as they show them, and commands that exist.
//!
//! A fenced block whose first line names a file after the language, as in
//! `rust examples/src/bin/send.rs`, shows that file and nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use warren_tests::places;

/// A fenced block of a Markdown file.
#[derive(Debug)]
struct Block {
    document: PathBuf,
    /// What stands behind the opening fence.
    info: String,
    text: String,
}

/// README.md, CONTRIBUTING.md, ... and all of docs/.
fn documents() -> Vec<PathBuf> {
    let root = places::workspace();
    let mut found = markdown(&root);
    found.extend(markdown(&root.join("docs")));
    found.extend(markdown(&root.join("docs/decisions")));
    found
}

fn markdown(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|it| it == "md")).collect()
}

fn blocks(document: &Path) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut inside = false;
    for line in fs::read_to_string(document).unwrap().lines() {
        if let Some(info) = line.trim_start().strip_prefix("```") {
            inside = !inside;
            if inside {
                let (info, text) = (info.trim().to_owned(), String::new());
                blocks.push(Block { document: document.to_owned(), info, text });
            }
        } else if inside {
            let block = blocks.last_mut().unwrap();
            block.text.push_str(line);
            block.text.push('\n');
        }
    }
    assert!(!inside, "{} has a block without an end", document.display());
    blocks
}

/// The commands in the README's shell blocks, one a line, without comments.
fn readme_commands() -> Vec<String> {
    let readme = places::workspace().join("README.md");
    let blocks = blocks(&readme).into_iter().filter(|block| block.info.starts_with("sh"));
    let text: String = blocks.map(|block| block.text).collect();
    let text = text.replace("\\\n", " ");
    let lines = text.lines().map(|line| line.split(" #").next().unwrap_or(line).trim());
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

#[test]
fn a_document_has_one_title() {
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        let mut fenced = false;
        let titles = text.lines().filter(|line| {
            fenced ^= line.trim_start().starts_with("```");
            !fenced && line.starts_with("# ")
        });
        assert_eq!(titles.count(), 1, "{}", document.display());
    }
}

#[test]
fn a_document_shows_programs_as_they_are() {
    for block in documents().iter().flat_map(|document| blocks(document)) {
        let mut words = block.info.split_whitespace();
        let (language, file) = (words.next(), words.next());
        let shows_a_file = matches!(language, Some("rust" | "python" | "js" | "toml"));
        let (true, Some(file)) = (shows_a_file, file) else { continue };
        let document = block.document.display();
        let path = places::workspace().join(file);
        let content = fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{document} shows {file}: {error}"));
        assert_eq!(block.text.trim(), content.trim(), "{document} shows another {file}");
    }
}

#[test]
fn links_to_files_lead_somewhere() {
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") || file.contains(' ') {
                continue;
            }
            let path = document.parent().unwrap().join(file);
            assert!(path.exists(), "{} links to {target}", document.display());
        }
    }
}

#[test]
fn the_readme_begins_with_two_commands_that_start_and_test_warren() {
    let commands = readme_commands();
    for command in ["cargo run --release", "cargo xtask test"] {
        assert!(commands.iter().any(|it| it.starts_with(command)), "{command}: {commands:#?}");
    }
}

#[test]
fn commands_in_the_readme_exist() {
    let xtask = places::built_program("xtask");
    let xtask = Command::new(xtask).arg("help").output().unwrap();
    let xtask = String::from_utf8(xtask.stdout).unwrap();
    let warren = Command::new(places::built_program("warren")).arg("--help").output().unwrap();
    let warren = String::from_utf8(warren.stdout).unwrap();
    for command in readme_commands() {
        let words: Vec<&str> = command.split_whitespace().collect();
        match words.as_slice() {
            ["cargo", "xtask", name, ..] => assert!(xtask.contains(name), "{command}"),
            ["cargo", "run", ..] => {
                if let Some(at) = words.iter().position(|word| *word == "--bin") {
                    let path = format!("examples/src/bin/{}.rs", words[at + 1]);
                    assert!(places::workspace().join(path).is_file(), "{command}");
                }
            }
            ["warren" | "target/release/warren" | "./target/release/warren", name, ..] => {
                assert!(warren.contains(name), "{command}");
            }
            ["docker", "compose", ..] => {
                assert!(places::workspace().join("docker-compose.yml").is_file());
            }
            _ => {}
        }
    }
}
