//! The programs in `tests/interop`, a folder for each language: what they need, how they are built
//! and started.

use super::source;
use crate::run::{Failure, Step};
use crate::{PROFILE, cargo, setup, target_dir};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program that checks a broker with one client.
#[derive(Debug)]
pub(crate) struct Program {
    /// Language and client.
    pub(crate) name: &'static str,
    /// Program and first arguments; address, control port and kind of broker follow.
    pub(crate) command: Vec<OsString>,
    pub(crate) variables: Vec<(&'static str, OsString)>,
}

/// All of them, those that take longest first.
const NAMES: [&str; 14] = [
    "python/celery",
    "python/pika",
    "java/amqp-client",
    "go/amqp091",
    "node/amqplib",
    "python/aio-pika",
    "ruby/bunny",
    "php/php-amqplib",
    "node/rabbitmq-client",
    "node/amqp-client",
    "python/kombu",
    "c/rabbitmq-c",
    "rust/lapin",
    "rust/amqprs",
];

/// How a program is found to be there, and the Debian package that brings it.
pub(super) type Need = (&'static str, &'static [&'static str], &'static str);

/// What each language needs.
const NEEDS: [(&str, &[Need]); 7] = [
    ("python", &[("python3", &["-c", "import venv, ensurepip"], "python3-venv")]),
    ("node", &[("node", &["--version"], "nodejs"), ("npm", &["--version"], "npm")]),
    ("java", &[("javac", &["-version"], "default-jdk-headless"), ("mvn", &["-v"], "maven")]),
    ("go", &[("go", &["version"], "golang-go")]),
    (
        "c",
        &[
            ("cc", &["--version"], "build-essential"),
            ("amqp-publish", &["--help"], "amqp-tools"),
            ("test", &["-e", "/usr/include/amqp.h"], "librabbitmq-dev"),
        ],
    ),
    ("ruby", &[("ruby", &["-e", "require 'bunny'"], "ruby-bunny")]),
    ("php", &[("php", &["-r", "require 'PhpAmqpLib/autoload.php';"], "php-amqplib")]),
];

/// The programs whose names begin so (all, if there are no beginnings), ready to run.
pub(crate) fn prepare(beginnings: &[String]) -> Result<Vec<Program>, Failure> {
    let wanted = |name: &&str| {
        beginnings.is_empty() || beginnings.iter().any(|beginning| name.starts_with(beginning))
    };
    let names: Vec<&str> = NAMES.into_iter().filter(wanted).collect();
    if names.is_empty() {
        return Err(Failure(format!("there is no such program, only {}", NAMES.join(", "))));
    }
    let uses = |language: &str| names.iter().any(|name| split(name).0 == language);
    let needs = NEEDS.iter().filter(|(language, _)| uses(language)).flat_map(|(_, needs)| *needs);
    setup::packages(needs)?;
    let tools = Tools::prepare(&uses)?;
    Ok(names.into_iter().map(|name| tools.program(name)).collect())
}

fn split(name: &str) -> (&str, &str) {
    name.split_once('/').unwrap_or((name, ""))
}

/// Where interpreters, packages and built programs are, of the languages that are used.
#[derive(Debug, Default)]
struct Tools {
    python: PathBuf,
    node_modules: PathBuf,
    java_classes: OsString,
    built: PathBuf,
}

impl Tools {
    fn prepare(uses: &impl Fn(&str) -> bool) -> Result<Self, Failure> {
        let mut tools = Self { built: target_dir().join("interop-programs"), ..Self::default() };
        std::fs::create_dir_all(&tools.built)
            .map_err(|error| Failure(format!("{}: {error}", tools.built.display())))?;
        if uses("python") {
            tools.python = setup::python(&source("interop/python"))?;
        }
        if uses("node") {
            tools.node_modules = setup::node(&source("interop/node"))?;
        }
        if uses("java") {
            tools.java_classes = tools.java()?;
        }
        if uses("go") {
            let mut command = Command::new("go");
            command.args(["build", "-o"]).arg(tools.built.join("amqp091")).arg(".");
            command
                .env("GOFLAGS", "-mod=readonly -buildvcs=false")
                .current_dir(source("interop/go"));
            Step::new("build in Go").run(command)?;
        }
        if uses("c") {
            let mut command = Command::new("cc");
            command.args(["-std=gnu11", "-Wall", "-Wextra", "-O1", "-o"]);
            command.arg(tools.built.join("rabbitmq-c")).arg(source("interop/c/rabbitmq-c.c"));
            command.arg("-lrabbitmq");
            Step::new("build in C").run(command)?;
        }
        if uses("rust") {
            let words = [&["build", "-p", "warren-interop"][..], &PROFILE].concat();
            Step::new("build in Rust").run(cargo(&words))?;
        }
        Ok(tools)
    }

    /// The class path of the program and of the jars that it needs.
    fn java(&self) -> Result<OsString, Failure> {
        let jars = setup::java(&source("interop/java"))?;
        let classes = self.built.join("java");
        let mut command = Command::new("javac");
        let path = class_path(&[&jars.join("*")]);
        command.args(["-Xlint:all", "-d"]).arg(&classes).arg("-cp").arg(&path);
        command
            .arg("-sourcepath")
            .arg(source("interop/java"))
            .arg(source("interop/java/Interop.java"));
        Step::new("build in Java").run(command)?;
        Ok(class_path(&[&classes, &jars.join("*")]))
    }

    fn program(&self, name: &'static str) -> Program {
        let (language, client) = split(name);
        let file = |extension: &str| -> OsString {
            source(&format!("interop/{language}/{client}.{extension}")).into()
        };
        let mut variables: Vec<(&'static str, OsString)> = vec![];
        let command: Vec<OsString> = match language {
            "python" => {
                variables.push(("PYTHONDONTWRITEBYTECODE", "1".into()));
                // A file named as its client would be imported in the client's place.
                let file = format!("interop/python/with_{}.py", client.replace('-', "_"));
                vec![self.python.clone().into(), source(&file).into()]
            }
            "node" => {
                variables.push(("NODE_PATH", self.node_modules.clone().into()));
                vec!["node".into(), file("js")]
            }
            "java" => {
                let class_path = self.java_classes.clone();
                // A small heap and a quick start: nothing is measured here.
                let quick = ["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp"];
                let words = ["java"].into_iter().chain(quick).map(OsString::from);
                words.chain([class_path, "Interop".into()]).collect()
            }
            "ruby" => vec!["ruby".into(), file("rb")],
            "php" => vec!["php".into(), file("php")],
            "rust" => vec![target_dir().join(PROFILE[1]).join(format!("interop-{client}")).into()],
            _ => vec![self.built.join(client).into()],
        };
        Program { name, command, variables }
    }
}

pub(super) fn class_path(parts: &[&Path]) -> OsString {
    let mut path = OsString::new();
    for part in parts {
        if !path.is_empty() {
            path.push(":");
        }
        path.push(part);
    }
    path
}
