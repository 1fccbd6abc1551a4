//! What the documents promise: programs that are as they show them, commands that exist, and lists
//! of keys, errors and pages that leave nothing out.
//!
//! A fenced block whose first line names a file after the language, as in
//! `rust examples/src/bin/send.rs`, shows that file and nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use warren_tests::broker::Settings;
use warren_tests::program::Program;
use warren_tests::{Broker, places};

/// The architecture is to be read in one go.
const ARCHITECTURE_LINES_MAX: usize = 200;

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

fn read(path: &str) -> String {
    fs::read_to_string(places::workspace().join(path)).unwrap()
}

/// The text of the first block in this language.
fn first_block(document: &str, language: &str) -> String {
    let blocks = blocks(&places::workspace().join(document));
    let block = blocks.into_iter().find(|block| block.info == language);
    block.unwrap_or_else(|| panic!("{document} has no block in {language}")).text
}

#[test]
fn the_readmes_example_works_as_it_stands() {
    let broker = Broker::own();
    let example = first_block("README.md", "python");
    assert!(example.contains("127.0.0.1:5672"));
    let example = example.replace("127.0.0.1:5672", broker.amqp_address());
    let mut command = Command::new(places::installed("WARREN_PYTHON"));
    command.arg("-c").arg(example);
    let printed = Program::start(&mut command).finish(Duration::from_secs(30));
    assert_eq!(printed, "the message is on disk\nreceived Hello World!");
}

/// Runs the first Python block of a document against a fresh broker.
fn printed_by(document: &str) -> String {
    printed_with(&Broker::own(), document)
}

/// Runs the first Python block of a document.
fn printed_with(broker: &Broker, document: &str) -> String {
    let (host, port) = broker.amqp_address().rsplit_once(':').unwrap();
    let example = first_block(document, "python");
    let address = format!("\"{host}\", {port}");
    assert!(example.contains("\"127.0.0.1\", 5672"), "{document}");
    let mut command = Command::new(places::installed("WARREN_PYTHON"));
    command.arg("-c").arg(example.replace("\"127.0.0.1\", 5672", &address));
    Program::start(&mut command).finish(Duration::from_secs(30))
}

#[test]
fn the_example_of_transactions_works_as_it_stands() {
    let expected = "all of it is on disk\ntasks None\nresults b'42'\nnotes b'calculated 6 * 7'";
    assert_eq!(printed_by("docs/transactions.md"), expected);
}

#[test]
fn the_example_of_direct_replies_works_as_it_stands() {
    assert_eq!(printed_by("docs/direct-reply-to.md"), "1 you said hello");
}

#[test]
fn the_example_configuration_starts_the_broker() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("example.toml");
    fs::write(&config, first_block("docs/configuration.md", "toml")).unwrap();
    let mut command = Command::new(places::built_program("warren"));
    command.current_dir(folder.path()).arg("--config").arg(config);
    // Other tests and other brokers run beside this one.
    command.args(["--amqp-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"]);
    Program::start(&mut command).wait_for_line("server startup complete");
    assert!(folder.path().join("data").is_dir(), "the example says data_dir = \"data\"");
}

/// The names of a struct's fields, as its source lists them.
fn fields(source: &str, name: &str) -> Vec<String> {
    let body = source.split(&format!("struct {name} {{\n")).nth(1).unwrap();
    let lines = body.split("\n}").next().unwrap().lines();
    let names = lines.filter_map(|line| line.trim().split_once(": "));
    names.map(|(field, _)| field.to_owned()).collect()
}

#[test]
fn every_key_of_the_configuration_is_documented() {
    let source = read("crates/warren/src/file.rs");
    let sections = [("", "File"), ("http.", "Http"), ("storage.", "Storage")];
    let example: toml::Table = first_block("docs/configuration.md", "toml").parse().unwrap();
    let document = read("docs/configuration.md");
    let mut keys = 0;
    for (section, name) in sections {
        let names = fields(&source, name);
        assert!(names.len() > 2, "{name}: {names:?}");
        let is_section = |name: &String| matches!(name.as_str(), "http" | "storage" | "oauth2");
        for name in names.iter().filter(|name| !is_section(name)) {
            let row = format!("\n| `{section}{name}` |");
            assert!(document.contains(&row), "no row for {section}{name}");
            let table = match section.strip_suffix('.') {
                None => &example,
                Some(section) => example[section].as_table().unwrap(),
            };
            assert!(table.contains_key(name), "the example leaves out {section}{name}");
            keys += 1;
        }
    }
    let rows = document.split("\n## ").find(|part| part.starts_with("Keys\n")).unwrap();
    assert_eq!(rows.matches("\n| `").count(), keys, "a row for a key that there is not");
}

#[test]
fn every_key_about_tokens_is_documented() {
    let names = fields(&read("crates/warren/src/file/oauth2.rs"), "OAuth2");
    let document = read("docs/configuration.md");
    let rows =
        document.split("\n## ").find(|part| part.starts_with("Keys about tokens\n")).unwrap();
    for name in &names {
        assert!(rows.contains(&format!("\n| `oauth2.{name}` |")), "no row for oauth2.{name}");
    }
    assert_eq!(rows.matches("\n| `").count(), names.len(), "a row for a key that there is not");
}

#[test]
fn the_example_of_tokens_works_as_it_stands() {
    let config = blocks(&places::workspace().join("docs/authentication.md"));
    let config = config.into_iter().find(|block| block.text.contains("signing_keys")).unwrap();
    let settings = Settings { config: config.text, ..Settings::default() };
    let printed = printed_with(&Broker::with(settings), "docs/authentication.md");
    let expected = "received one coffee\n403 ACCESS_REFUSED - configure access to queue \
                    'invoices' in vhost '/' refused for user 'shop'";
    assert_eq!(printed, expected);
}

#[test]
fn every_page_is_listed_in_the_index_of_its_folder() {
    for folder in ["docs", "docs/decisions"] {
        let index = read(&format!("{folder}/README.md"));
        for page in markdown(&places::workspace().join(folder)) {
            let name = page.file_name().unwrap().to_str().unwrap();
            let listed = name == "README.md" || index.contains(&format!("]({name})"));
            assert!(listed, "{folder}/README.md does not link to {name}");
        }
    }
}

#[test]
fn a_decision_tells_its_context_status_and_what_would_change_it() {
    let decisions = markdown(&places::workspace().join("docs/decisions"));
    for page in decisions.iter().filter(|page| !page.ends_with("README.md")) {
        let text = fs::read_to_string(page).unwrap();
        let sections: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        let expected = ["Context", "Decision", "Consequences", "Status", "What would change it"];
        assert_eq!(sections, expected, "{}", page.display());
        let status = text.split("## Status\n\n").nth(1).unwrap_or_default();
        let known = ["Accepted", "Proposed", "Replaced by"];
        assert!(known.iter().any(|word| status.starts_with(word)), "{}", page.display());
    }
}

#[test]
fn the_architecture_can_be_read_in_one_go() {
    let lines = read("docs/architecture.md").lines().count();
    assert!(lines <= ARCHITECTURE_LINES_MAX, "{lines} lines");
}

/// The texts of the engine's errors, with their values in braces.
fn error_texts() -> Vec<String> {
    let source = read("crates/engine/src/error.rs");
    let attributes = source.split("#[error(").skip(1);
    let quoted = attributes.map(|rest| rest.split(")]").next().unwrap().trim().trim_matches('"'));
    // A long text goes on in the next line behind a backslash.
    let joined = quoted.map(|text| text.split("\\\n").map(str::trim_start).collect::<String>());
    // Texts that are all value stand elsewhere: they have no words of their own.
    joined.filter(|text| !text.starts_with('{') || text.contains(' ')).collect()
}

#[test]
fn every_error_of_the_engine_is_in_the_protocols_list() {
    let texts = error_texts();
    assert!(texts.len() > 10, "{texts:#?}");
    let document = read("docs/protocol.md");
    for text in texts {
        assert!(document.contains(&format!("`{text}`")), "docs/protocol.md lacks: {text}");
    }
}
