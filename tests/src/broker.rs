//! A broker under test: a process of its own, in a folder of its own, on ports of its own.

use crate::places;
use crate::{GLANCE, PATIENCE, eventually};
use serde_json::Value;
use std::env;
use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Instant, SystemTime};
use tempfile::TempDir;

/// Lines of a broker's log that a failing test prints.
const LOG_LINES_SHOWN: usize = 60;

/// How a broker is started where a test wants it otherwise than all the others.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The data folder; without it a folder that goes away with the broker.
    pub data_dir: Option<PathBuf>,
    /// Where AMQP is served; without it any free port of the loopback address.
    pub amqp_listen: Option<String>,
    /// Lines for the head of the configuration file, for instance `handshake_timeout_seconds = 1`.
    pub config: String,
}

/// A broker that ran and ended by itself.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote.
    pub log: String,
}

/// A broker that accepts connections, and its process, which ends when this value is dropped.
#[derive(Debug)]
pub struct Broker {
    child: Option<Child>,
    folder: TempDir,
    settings: Settings,
    amqp: String,
    http: String,
}

impl Broker {
    /// The broker that `WARREN_TEST_AMQP` names, or a fresh one as [`Broker::own`] starts it.
    ///
    /// For tests that need no control over the process and no empty broker.
    pub fn start() -> Self {
        match env::var("WARREN_TEST_AMQP") {
            Ok(amqp) => Self {
                child: None,
                folder: temporary_folder(),
                settings: Settings::default(),
                amqp,
                http: String::new(),
            },
            Err(_) => Self::own(),
        }
    }

    /// A fresh broker with nothing in it.
    pub fn own() -> Self {
        Self::with(Settings::default())
    }

    /// A fresh broker, started in another way.
    ///
    /// # Panics
    /// When it does not accept connections in time; its log is in the message.
    pub fn with(settings: Settings) -> Self {
        let folder = temporary_folder();
        let (amqp, http) = (String::new(), String::new());
        let mut broker = Self { child: None, folder, settings, amqp, http };
        broker.launch();
        broker
    }

    /// Starts a broker that is expected to end by itself, and waits for its end.
    ///
    /// # Panics
    /// When it is still running after [`PATIENCE`].
    pub fn run_to_its_end(arguments: &[&str]) -> Ended {
        let folder = temporary_folder();
        let log = folder.path().join("broker.log");
        let mut child = spawn(arguments, folder.path(), &log);
        let status = wait(&mut child).unwrap_or_else(|| {
            end(&mut child);
            panic!("the broker goes on running:\n{}", tail(&log))
        });
        Ended { status, log: fs::read_to_string(&log).unwrap_or_default() }
    }

    /// Where AMQP is served, as `127.0.0.1:40001`.
    pub fn amqp_address(&self) -> &str {
        &self.amqp
    }

    /// Where HTTP is served, as `127.0.0.1:40002`.
    pub fn http_address(&self) -> &str {
        &self.http
    }

    /// The address as clients write it, with the default user.
    pub fn uri(&self) -> String {
        format!("amqp://guest:guest@{}/%2f", self.amqp)
    }

    /// The folder of the broker's data.
    pub fn data_dir(&self) -> PathBuf {
        self.settings.data_dir.clone().unwrap_or_else(|| self.folder.path().join("data"))
    }

    /// Everything the broker wrote to its standard output and error.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// A name that no other test and no earlier run uses: other tests may share the broker.
    pub fn name(&self, stem: &str) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let run = now.map(|elapsed| elapsed.as_micros()).unwrap_or_default();
        format!("{stem}-{run:x}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Resident memory of the process in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let path = format!("/proc/{}/status", self.pid());
        let status = fs::read_to_string(path).expect("the process is running");
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kibibytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        kibibytes.expect("the kernel tells VmRSS in kB") * 1024
    }

    /// The process id.
    ///
    /// # Panics
    /// When the broker is not a process of this test, or has ended.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("this test owns a running broker").id()
    }

    /// Ends the process at once, with SIGKILL: it can write nothing more.
    pub fn kill(&mut self) {
        let child = self.child.as_mut().expect("this test owns a running broker");
        end(child);
        self.child = None;
    }

    /// Asks the process to end, with SIGTERM, and gives its exit code.
    ///
    /// # Panics
    /// When it has not ended after [`PATIENCE`].
    pub fn terminate(&mut self) -> Option<i32> {
        signal(self.pid(), "-TERM");
        self.wait_for_its_end().code()
    }

    /// Waits until the process has ended by itself.
    ///
    /// # Panics
    /// When it has not ended after [`PATIENCE`].
    pub fn wait_for_its_end(&mut self) -> ExitStatus {
        let child = self.child.as_mut().expect("this test owns a running broker");
        let status = wait(child).expect("the broker ends in time");
        self.child = None;
        status
    }

    /// Starts the broker again on the same folder, on any port, after it was killed or terminated.
    pub fn restart(&mut self) {
        assert!(self.child.is_none(), "a broker is restarted after it was stopped");
        self.launch();
    }

    /// Starts the broker again on the same folder and the same AMQP port.
    pub fn restart_on_the_same_port(&mut self) {
        self.settings.amqp_listen = Some(self.amqp.clone());
        self.restart();
    }

    /// Starts the process and waits until it tells its addresses and accepts a connection.
    fn launch(&mut self) {
        let config = self.folder.path().join("warren.toml");
        // Small segments: a fresh broker should not write 64 MiB of zeros for each small test.
        let storage = "[storage]\nsegment_bytes = 1048576\nspare_segments = 1\n";
        fs::write(&config, format!("{}\n{storage}", self.settings.config)).expect("can write");
        let data_dir = self.data_dir();
        let listen = self.settings.amqp_listen.as_deref().unwrap_or("127.0.0.1:0");
        let arguments = [
            "server",
            "--config",
            config.to_str().expect("the path is text"),
            "--data-dir",
            data_dir.to_str().expect("the path is text"),
            "--amqp-listen",
            listen,
            "--http-listen",
            "127.0.0.1:0",
        ];
        let mut child = spawn(&arguments, self.folder.path(), &self.log_path());
        let deadline = Instant::now() + PATIENCE;
        let addresses = loop {
            if let Some(addresses) = listeners(&data_dir, child.id()) {
                break addresses;
            }
            let ended = child.try_wait().expect("the child can be asked");
            if ended.is_some() || Instant::now() > deadline {
                end(&mut child);
                panic!("the broker did not start ({ended:?}):\n{}", tail(&self.log_path()));
            }
            std::thread::sleep(GLANCE);
        };
        self.child = Some(child);
        (self.amqp, self.http) = addresses;
        eventually("the broker accepts", || TcpStream::connect(&self.amqp).ok());
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("broker.log")
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            end(child);
        }
        if std::thread::panicking() {
            eprintln!("--- the broker's log ---\n{}\n---", tail(&self.log_path()));
        }
    }
}

/// The addresses that the broker with this process id wrote into its data folder.
fn listeners(data_dir: &Path, pid: u32) -> Option<(String, String)> {
    let text = fs::read_to_string(data_dir.join("listeners.json")).ok()?;
    let value: Value = serde_json::from_str(&text).ok()?;
    if value.get("pid")?.as_u64()? != u64::from(pid) {
        return None;
    }
    let address = |key: &str| Some(value.get(key)?.as_str()?.to_owned());
    Some((address("amqp")?, address("http")?))
}

/// Starts the broker in `folder`, where no `warren.toml` of a developer is found.
fn spawn(arguments: &[&str], folder: &Path, log: &Path) -> Child {
    let options = File::options().create(true).append(true).open(log);
    let log = options.expect("the log can be opened");
    Command::new(places::built_program("warren"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a file handle can be copied"))
        .stderr(log)
        .spawn()
        .expect("the broker's program can be started")
}

/// How the process ended, or nothing when it still runs after [`PATIENCE`].
fn wait(child: &mut Child) -> Option<ExitStatus> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().expect("the child can be asked") {
            return Some(status);
        }
        std::thread::sleep(GLANCE);
    }
    None
}

fn end(child: &mut Child) {
    // It may have ended by itself; then there is nothing to kill and wait gives its status.
    let _ = child.kill();
    let _ = child.wait();
}

/// Sends a signal, named as `kill` names it, to a process that the test started.
pub fn signal(pid: u32, signal: &str) {
    let sent = Command::new("kill").arg(signal).arg(pid.to_string()).status();
    assert!(sent.expect("kill can be run").success(), "process {pid} takes {signal}");
}

fn temporary_folder() -> TempDir {
    tempfile::Builder::new().prefix("warren-test-").tempdir().expect("a folder can be made")
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
}
