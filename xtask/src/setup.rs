//! Installing what the tests and benchmarks need, outside the clone.

use crate::run::{Failure, Step};
use crate::workspace;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Programs that the tests run, and the Debian packages that bring them.
const PROGRAMS: [(&str, &[&str], &str); 6] = [
    ("cc", &["--version"], "build-essential"),
    ("python3", &["-c", "import venv, ensurepip"], "python3-venv"),
    ("node", &["--version"], "nodejs"),
    ("npm", &["--version"], "npm"),
    ("mount", &["--version"], "mount"),
    ("curl", &["--version"], "curl"),
];

/// Maven's plugin that fetches jars, with its version.
const MAVEN_COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies";

/// Debian's start script of RabbitMQ.
pub(crate) const RABBITMQ: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
/// While this script forbids it, a newly installed package does not start its service.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Where the clients in other languages are.
#[derive(Debug)]
pub(crate) struct Clients {
    python: PathBuf,
    node_path: PathBuf,
}

impl Clients {
    fn variables(&self) -> [(&'static str, &Path); 2] {
        [("WARREN_PYTHON", &self.python), ("WARREN_NODE_PATH", &self.node_path)]
    }

    /// Shell commands that set the variables.
    pub(crate) fn exports(&self) -> String {
        let lines =
            self.variables().map(|(name, path)| format!("export {name}='{}'", path.display()));
        lines.join("\n")
    }

    /// Sets the variables for a command.
    pub(crate) fn give_to(&self, command: &mut Command) {
        command.envs(self.variables());
    }
}

/// Installs the Debian packages that are missing.
pub(crate) fn packages_for_tests() -> Result<(), Failure> {
    packages(&PROGRAMS)
}

/// Installs the Debian packages of those programs that do not work.
pub(crate) fn packages<'a>(
    programs: impl IntoIterator<Item = &'a (&'static str, &'static [&'static str], &'static str)>,
) -> Result<(), Failure> {
    let missing: Vec<&str> = programs
        .into_iter()
        .filter(|(program, arguments, _)| !works(program, arguments))
        .map(|(_, _, package)| *package)
        .collect();
    install(&missing)
}

/// Installs RabbitMQ without starting its service.
pub(crate) fn rabbitmq() -> Result<(), Failure> {
    if Path::new(RABBITMQ).exists() {
        return Ok(());
    }
    let policy_is_ours = !Path::new(POLICY).exists();
    if policy_is_ours {
        fs::write(POLICY, "#!/bin/sh\nexit 101\n").map_err(|error| failed(POLICY, &error))?;
        run("chmod", &["755", POLICY])?;
    }
    let installed = install(&["rabbitmq-server"]);
    if policy_is_ours {
        fs::remove_file(POLICY).map_err(|error| failed(POLICY, &error))?;
    }
    installed
}

/// Makes a Python environment and a folder of Node modules, once for each content of the files that
/// pin their versions.
pub(crate) fn clients() -> Result<Clients, Failure> {
    let sources = workspace().join("tests/clients");
    let (python, node_path) = (python(&sources.join("python"))?, node(&sources.join("node"))?);
    Ok(Clients { python, node_path })
}

/// The interpreter of an environment with what `requirements.txt` in `sources` names.
pub(crate) fn python(sources: &Path) -> Result<PathBuf, Failure> {
    let folder = once(&[sources.join("requirements.txt")], |folder| {
        let environment = folder.join("venv");
        run("python3", &["-m", "venv", text(&environment)])?;
        let pip = environment.join("bin/pip");
        let file = folder.join("requirements.txt");
        run(text(&pip), &["install", "--quiet", "--disable-pip-version-check", "-r", text(&file)])
    })?;
    Ok(folder.join("venv/bin/python"))
}

/// A folder of the modules that `package-lock.json` in `sources` names.
pub(crate) fn node(sources: &Path) -> Result<PathBuf, Failure> {
    let names = ["package.json", "package-lock.json", ".npmrc"];
    let folder = once(&names.map(|name| sources.join(name)), |folder| {
        let prefix = text(folder);
        run("npm", &["ci", "--prefix", prefix, "--ignore-scripts", "--no-audit", "--no-fund"])
    })?;
    Ok(folder.join("node_modules"))
}

/// A folder of the jars that `pom.xml` in `sources` names.
pub(crate) fn java(sources: &Path) -> Result<PathBuf, Failure> {
    let folder = once(&[sources.join("pom.xml")], |folder| {
        let file = folder.join("pom.xml");
        let output = format!("-DoutputDirectory={}", text(&folder.join("jars")));
        run("mvn", &["--quiet", "--batch-mode", "-f", text(&file), MAVEN_COPY, &output])
    })?;
    Ok(folder.join("jars"))
}

/// A folder in the cache, named by the content of `files`, which are copied into it. `fill` does
/// the rest when it is not complete yet.
fn once(
    files: &[PathBuf],
    fill: impl FnOnce(&Path) -> Result<(), Failure>,
) -> Result<PathBuf, Failure> {
    let mut contents = Vec::new();
    for file in files {
        contents.push(fs::read(file).map_err(|error| failed(text(file), &error))?);
    }
    let key = contents.concat();
    once_for(&String::from_utf8_lossy(&key), |folder| {
        for (file, content) in files.iter().zip(&contents) {
            let name = file.file_name().unwrap_or_default();
            fs::write(folder.join(name), content).map_err(|error| failed(text(file), &error))?;
        }
        fill(folder)
    })
}

/// A folder in the cache, named by the key. `fill` makes it when it is not complete yet.
pub(crate) fn once_for(
    key: &str,
    fill: impl FnOnce(&Path) -> Result<(), Failure>,
) -> Result<PathBuf, Failure> {
    let folder = cache()?.join(format!("{:016x}", fingerprint(key.as_bytes())));
    let complete = folder.join("complete");
    if complete.exists() {
        return Ok(folder);
    }
    // What an interrupted run left behind is made anew.
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|error| failed(text(&folder), &error))?;
    }
    fs::create_dir_all(&folder).map_err(|error| failed(text(&folder), &error))?;
    fill(&folder)?;
    fs::write(&complete, "").map_err(|error| failed(text(&complete), &error))?;
    Ok(folder)
}

fn cache() -> Result<PathBuf, Failure> {
    if let Some(cache) = env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty()) {
        return Ok(Path::new(&cache).join("warren"));
    }
    match env::var_os("HOME") {
        Some(home) => Ok(Path::new(&home).join(".cache/warren")),
        None => Err(Failure("HOME is not set: there is no place for the cache".into())),
    }
}

/// FNV-1a: the same in every build and on every machine, unlike the standard library's hasher.
fn fingerprint(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

fn install(packages: &[&str]) -> Result<(), Failure> {
    if packages.is_empty() {
        return Ok(());
    }
    let mut update = Command::new("apt-get");
    update.args(["-o", "DPkg::Lock::Timeout=300", "update"]);
    let mut install = Command::new("apt-get");
    install.args(["-o", "DPkg::Lock::Timeout=300", "install", "-y", "--no-install-recommends"]);
    install.args(packages).env("DEBIAN_FRONTEND", "noninteractive");
    let advice =
        || Failure(format!("these Debian packages are missing, install them: {packages:?}"));
    Step::new("package lists").run(update).map_err(|_| advice())?;
    Step::new("packages").run(install).map_err(|_| advice())
}

fn works(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    let quiet = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

fn run(program: &str, arguments: &[&str]) -> Result<(), Failure> {
    let mut command = Command::new(program);
    command.args(arguments);
    // `cargo xtask env` is evaluated by a shell, so nothing else may go to our standard output.
    let output = command.output().map_err(|error| failed(program, &error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Failure(format!("`{program} {}` failed:\n{said}", arguments.join(" "))))
}

fn text(path: &Path) -> &str {
    // Paths that are not text would have to be made by somebody on purpose.
    path.to_str().unwrap_or_default()
}

fn failed(what: &str, error: &std::io::Error) -> Failure {
    Failure(format!("{what}: {error}"))
}
