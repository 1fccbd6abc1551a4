//! The web console in a real browser: its tests, pictures of its pages, and what it costs.

use crate::interop::{Kind, Programs, source};
use crate::run::{Failure, Step};
use crate::{setup, target_dir};
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Debian's Chromium: Playwright would fetch one of its own, and does not.
const NEEDS: [(&str, &[&str], &str); 4] = [
    ("node", &["--version"], "nodejs"),
    ("npm", &["--version"], "npm"),
    ("chromium", &["--version"], "chromium"),
    ("test", &["-e", "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"], "fonts-dejavu-core"),
];

/// The tests whose files' names contain one of the words, or all; with `--measure` what a page
/// costs in place of the tests.
pub(crate) fn browser(words: &[&str]) -> Result<(), Failure> {
    let is = |option: &str| words.contains(&option);
    let options = ["--built", "--measure"];
    let names: Vec<&str> = words.iter().copied().filter(|word| !options.contains(word)).collect();
    no_options(&names)?;
    let tools = Tools::prepare(is("--built"))?;
    if is("--measure") {
        let mut command = tools.node();
        command.arg(source("browser/measure.js")).args(names);
        return Step::new("what the console costs").run(command);
    }
    let left = target_dir().join(format!("browser-{}", std::process::id()));
    let mut command = tools.node();
    command.arg(tools.modules.join("@playwright/test/cli.js")).arg("test");
    command.arg("--config").arg(source("browser/playwright.config.js"));
    command.arg("--output").arg(&left).args(names);
    let place = left.display();
    Step::new("browser")
        .run(command)
        .map_err(|failure| Failure(format!("{failure}\nwhat failed tests left is in {place}")))?;
    // There is nothing in it, if it is there at all.
    let _ = fs::remove_dir_all(&left);
    Ok(())
}

/// Pictures of all pages, or of those whose names contain one of the words.
pub(crate) fn screenshots(words: &[&str]) -> Result<(), Failure> {
    let (into, words): (PathBuf, &[&str]) = match words {
        ["--into", folder, words @ ..] => (folder.into(), words),
        words => (target_dir().join("screenshots"), words),
    };
    let is_built = words.contains(&"--built");
    let names: Vec<&str> = words.iter().copied().filter(|word| *word != "--built").collect();
    no_options(&names)?;
    let tools = Tools::prepare(is_built)?;
    let mut command = tools.node();
    command.arg(source("browser/screenshots.js")).arg(&into).args(names);
    Step::new("screenshots").run(command)?;
    println!("they are in {}", into.display());
    Ok(())
}

fn no_options(names: &[&str]) -> Result<(), Failure> {
    match names.iter().find(|name| name.starts_with('-')) {
        Some(option) => Err(Failure(format!("there is no option {option}"))),
        None => Ok(()),
    }
}

/// What the programs in `tests/browser` need.
#[derive(Debug)]
struct Tools {
    modules: PathBuf,
    warren: OsString,
}

impl Tools {
    fn prepare(is_built: bool) -> Result<Self, Failure> {
        setup::packages(&NEEDS)?;
        let modules = setup::node(&source("browser"))?;
        let warren = Programs::prepare(Kind::Warren, is_built)?.program().into();
        Ok(Self { modules, warren })
    }

    fn node(&self) -> Command {
        let mut command = Command::new("node");
        command.env("NODE_PATH", &self.modules).env("WARREN_BIN", &self.warren);
        command.env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1");
        // What is printed is for logs too.
        command.env("FORCE_COLOR", "0");
        command
    }
}
