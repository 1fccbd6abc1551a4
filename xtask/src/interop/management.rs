//! The programs in `tests/management`: what they need, how they are built and started.

use super::programs::{Need, Program, class_path};
use super::source;
use crate::run::{Failure, Step};
use crate::{cargo, setup, target_dir};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// All of them, those that take longest first.
const NAMES: [&str; 10] = [
    "schemathesis",
    "rabbitmqadmin",
    "api",
    "definitions",
    "terraform",
    "live",
    "amqpstorm",
    "rust",
    "go",
    "java",
];

/// Those that are written in Python, in files named so.
const PYTHON: [&str; 7] =
    ["schemathesis", "api", "live", "amqpstorm", "rabbitmqadmin", "definitions", "terraform"];

const PYTHON_NEEDS: Need = ("python3", &["-c", "import venv, ensurepip"], "python3-venv");
const JAVA_NEEDS: [Need; 2] =
    [("javac", &["-version"], "default-jdk-headless"), ("mvn", &["-v"], "maven")];
const GO_NEEDS: Need = ("go", &["version"], "golang-go");

/// RabbitMQ's command line tool of the management API.
const RABBITMQADMIN: &str = "2.35.0";
/// What carries out Terraform's configurations where there is no `terraform`.
const OPENTOFU: &str = "github.com/opentofu/opentofu@v1.12.6";
/// The package of Terraform's provider, as its source names it.
const PROVIDER: &str = "github.com/terraform-providers/terraform-provider-rabbitmq";
/// Modules are as they were pinned, and no version control is asked about them.
const GOFLAGS: &str = "-mod=readonly -buildvcs=false";

/// The programs whose names begin so (all, if there are no beginnings), ready to run.
pub(super) fn prepare(beginnings: &[String]) -> Result<Vec<Program>, Failure> {
    let wanted = |name: &&str| {
        beginnings.is_empty() || beginnings.iter().any(|beginning| name.starts_with(beginning))
    };
    let names: Vec<&str> = NAMES.into_iter().filter(wanted).collect();
    if names.is_empty() {
        return Err(Failure(format!("there is no such program, only {}", NAMES.join(", "))));
    }
    let built = target_dir().join("management-programs");
    std::fs::create_dir_all(&built)
        .map_err(|error| Failure(format!("{}: {error}", built.display())))?;
    let python = if names.iter().any(|name| PYTHON.contains(name)) {
        setup::packages(&[PYTHON_NEEDS])?;
        setup::python(&source("management/python"))?
    } else {
        PathBuf::new()
    };
    let program = |name: &'static str| {
        let command = match name {
            "rust" => rust()?,
            "go" => go(&built)?,
            "java" => java(&built)?,
            _ => vec![
                python.clone().into(),
                source(&format!("management/python/with_{name}.py")).into(),
            ],
        };
        let mut variables: Vec<(&'static str, OsString)> = vec![];
        if PYTHON.contains(&name) {
            variables.push(("PYTHONDONTWRITEBYTECODE", "1".into()));
            variables.push(("PYTHONPATH", source("interop/python").into()));
        }
        match name {
            "rabbitmqadmin" => variables.push(("RABBITMQADMIN", rabbitmqadmin()?.into())),
            "definitions" => setup::rabbitmq()?,
            "terraform" => {
                variables.push(("TERRAFORM", terraform()?.into()));
                variables.push(("TERRAFORM_PROVIDER", provider(&built)?.into()));
            }
            _ => {}
        }
        Ok(Program { name, command, variables })
    };
    names.into_iter().map(program).collect()
}

/// A workspace of its own: an HTTP client's dependencies would slow every build of Warren.
fn rust() -> Result<Vec<OsString>, Failure> {
    let folder = target_dir().join("management");
    let manifest = source("management/rust/Cargo.toml");
    let mut command = cargo(&["build", "--locked", "--manifest-path"]);
    command.arg(manifest).env("CARGO_TARGET_DIR", &folder);
    Step::new("build in Rust").run(command)?;
    Ok(vec![folder.join("debug/management-http-client").into()])
}

fn go(built: &Path) -> Result<Vec<OsString>, Failure> {
    setup::packages(&[GO_NEEDS])?;
    let program = built.join("rabbit-hole");
    go_build("build in Go", &source("management/go"), ".", &program)?;
    Ok(vec![program.into()])
}

fn go_build(
    step: &'static str,
    folder: &Path,
    package: &str,
    program: &Path,
) -> Result<(), Failure> {
    let mut command = Command::new("go");
    command.args(["build", "-o"]).arg(program).arg(package);
    command.env("GOFLAGS", GOFLAGS).current_dir(folder);
    Step::new(step).run(command)
}

fn java(built: &Path) -> Result<Vec<OsString>, Failure> {
    setup::packages(&JAVA_NEEDS)?;
    let jars = setup::java(&source("management/java"))?.join("*");
    let classes = built.join("java");
    let mut sources = OsString::from(source("management/java"));
    sources.push(":");
    sources.push(source("interop/java"));
    let mut command = Command::new("javac");
    command.args(["-Xlint:all", "-d"]).arg(&classes).arg("-cp").arg(class_path(&[&jars]));
    command.arg("-sourcepath").arg(sources).arg(source("management/java/Management.java"));
    Step::new("build in Java").run(command)?;
    let quick = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp"];
    let words = quick.into_iter().map(OsString::from);
    Ok(words.chain([class_path(&[&classes, &jars]), "Management".into()]).collect())
}

/// The tool, built once: unoptimised, and without TLS of the system.
fn rabbitmqadmin() -> Result<PathBuf, Failure> {
    let folder = setup::once_for(&format!("rabbitmqadmin {RABBITMQADMIN}"), |folder| {
        let target = folder.join("target");
        let words = ["install", "rabbitmqadmin", "--version", RABBITMQADMIN, "--locked", "--debug"];
        let mut command = cargo(&words);
        command.args(["--no-default-features", "--root"]).arg(folder);
        command.arg("--target-dir").arg(&target);
        Step::new("build of rabbitmqadmin").run(command)?;
        std::fs::remove_dir_all(&target)
            .map_err(|error| Failure(format!("{}: {error}", target.display())))
    })?;
    Ok(folder.join("bin/rabbitmqadmin"))
}

/// The machine's `terraform` or `tofu`, or OpenTofu, built once.
fn terraform() -> Result<PathBuf, Failure> {
    for name in ["terraform", "tofu"] {
        let mut command = Command::new(name);
        command.arg("version").stdout(Stdio::null()).stderr(Stdio::null());
        if command.status().is_ok_and(|status| status.success()) {
            return Ok(name.into());
        }
    }
    setup::packages(&[GO_NEEDS])?;
    let folder = setup::once_for(OPENTOFU, |folder| {
        let mut download = Command::new("go");
        download.args(["mod", "download", "-json", OPENTOFU]).env("GOFLAGS", GOFLAGS);
        let output = download.output().map_err(|error| Failure(format!("go: {error}")))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // Built where the module is, as its own versions of everything are pinned there.
        let place = text.split("\"Dir\": \"").nth(1).and_then(|rest| rest.split('"').next());
        let place = place.ok_or_else(|| Failure(format!("no {OPENTOFU}: {text}")))?;
        go_build("build of OpenTofu", Path::new(place), "./cmd/tofu", &folder.join("tofu"))
    })?;
    Ok(folder.join("tofu"))
}

/// A folder with Terraform's provider of RabbitMQ.
fn provider(built: &Path) -> Result<PathBuf, Failure> {
    setup::packages(&[GO_NEEDS])?;
    let folder = built.join("provider");
    let program = folder.join("terraform-provider-rabbitmq");
    go_build("build of the provider", &source("management/terraform"), PROVIDER, &program)?;
    Ok(folder)
}
