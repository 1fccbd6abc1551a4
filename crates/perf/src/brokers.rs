//! Starts and stops brokers, each with its own ports and folder, on loopback only, and starts them
//! again with the data they had.

use std::fs::{self, OpenOptions};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::connection::{Connection, Target};
use crate::error::Error;
use crate::process::Broker;

/// Seconds a broker may take to accept a login.
const START_SECONDS: u64 = 120;
/// Seconds a broker may take to end in order.
const STOP_SECONDS: u64 = 60;

/// Which programs are compared, and where their data goes.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Programs {
    /// The Warren binary; by default the one beside this program.
    #[arg(long)]
    pub(crate) warren: Option<PathBuf>,
    /// RabbitMQ's start script.
    #[arg(long, default_value = "/usr/lib/rabbitmq/bin/rabbitmq-server")]
    pub(crate) rabbitmq: PathBuf,
    /// Measure Warren alone.
    #[arg(long)]
    pub(crate) without_rabbitmq: bool,
    /// Directory for the data of the brokers, on the disk to be measured; it is made and removed.
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,
}

impl Programs {
    /// The directory for the data.
    pub(crate) fn folder(&self) -> PathBuf {
        let name = || format!("warren-perf-data-{}", std::process::id());
        self.dir.clone().unwrap_or_else(|| std::env::temp_dir().join(name()))
    }

    /// Warren, not yet started.
    pub(crate) fn warren(&self, dir: &Path) -> Result<Launch, Error> {
        let program = match &self.warren {
            Some(program) => program.clone(),
            None => std::env::current_exe()
                .map_err(|e| Error::io("find this program", e))?
                .with_file_name("warren"),
        };
        if !program.exists() {
            let hint = "build it first, or give --warren";
            return Err(Error::Usage(format!("{} does not exist: {hint}", program.display())));
        }
        Launch::new(Kind::Warren, program, dir.join("warren"))
    }

    /// RabbitMQ, not yet started; nothing when it was left out.
    pub(crate) fn rabbitmq(&self, dir: &Path) -> Result<Option<Launch>, Error> {
        if self.without_rabbitmq {
            return Ok(None);
        }
        if !self.rabbitmq.exists() {
            let script = self.rabbitmq.display();
            let hint = "install RabbitMQ with: apt-get install rabbitmq-server";
            return Err(Error::Usage(format!("{script} does not exist; {hint}")));
        }
        let program = self.rabbitmq.clone();
        Launch::new(Kind::RabbitMq, program, dir.join("rabbitmq")).map(Some)
    }
}

/// Which broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Warren,
    RabbitMq,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Warren => "Warren",
            Self::RabbitMq => "RabbitMQ",
        }
    }
}

/// How a broker is started, the same at every start.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    pub(crate) kind: Kind,
    program: PathBuf,
    pub(crate) dir: PathBuf,
    amqp: u16,
    /// Warren's HTTP port, or RabbitMQ's port for other nodes.
    second: u16,
    /// Port of the Erlang port mapper that RabbitMQ starts.
    epmd: u16,
}

/// A running broker with what has to be tidied up after it.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) launch: Launch,
    pub(crate) broker: Broker,
    pub(crate) version: String,
}

impl Launch {
    fn new(kind: Kind, program: PathBuf, dir: PathBuf) -> Result<Self, Error> {
        let (amqp, second, epmd) = (free_port()?, free_port()?, free_port()?);
        Ok(Self { kind, program, dir, amqp, second, epmd })
    }

    /// Starts with an empty data folder.
    pub(crate) fn start_empty(&self) -> Result<Peer, Error> {
        if self.dir.exists() {
            fs::remove_dir_all(&self.dir)
                .map_err(|e| Error::io(self.dir.display().to_string(), e))?;
        }
        let broker = self.start()?;
        let version = match self.kind {
            Kind::Warren => warren_version(&self.program),
            Kind::RabbitMq => Connection::log_in(&self.target())?.server_version,
        };
        Ok(Peer { launch: self.clone(), broker, version })
    }

    pub(crate) fn target(&self) -> Target {
        Target::local(self.amqp)
    }

    /// The folder with the broker's data.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.dir.join("data")
    }

    fn start(&self) -> Result<Broker, Error> {
        let data = self.data_dir();
        fs::create_dir_all(&data).map_err(|e| Error::io(data.display().to_string(), e))?;
        // The child is a shell script at RabbitMQ; the broker is the Erlang machine below it.
        let (mut command, process) = match self.kind {
            Kind::Warren => (self.warren_command(), None),
            Kind::RabbitMq => (self.rabbitmq_command()?, Some("beam.smp")),
        };
        log_to(&mut command, &self.dir.join("output.log"))?;
        let name = self.kind.name();
        Broker::start(name, &mut command, &self.target(), process, START_SECONDS)
    }

    fn warren_command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(["server", "--data-dir"])
            .arg(self.data_dir())
            .args(["--amqp-listen", &format!("127.0.0.1:{}", self.amqp)])
            .args(["--http-listen", &format!("127.0.0.1:{}", self.second)]);
        command
    }

    /// A node name and ports of its own, and no plugins.
    fn rabbitmq_command(&self) -> Result<Command, Error> {
        let home = &self.dir;
        let plugins = home.join("enabled_plugins");
        fs::write(&plugins, "[].\n").map_err(|e| Error::io(plugins.display().to_string(), e))?;
        let mut command = Command::new(&self.program);
        command
            .env("HOME", home)
            .env("RABBITMQ_NODENAME", format!("warren-perf-{}@localhost", self.amqp))
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", self.amqp.to_string())
            .env("RABBITMQ_DIST_PORT", self.second.to_string())
            .env("ERL_EPMD_PORT", self.epmd.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-kernel inet_dist_use_interface {127,0,0,1}",
            )
            .env("RABBITMQ_MNESIA_BASE", self.data_dir())
            .env("RABBITMQ_LOG_BASE", home.join("log"))
            .env("RABBITMQ_CONFIG_FILE", home.join("none"))
            .env("RABBITMQ_CONF_ENV_FILE", home.join("none-env"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", &plugins)
            .env("RABBITMQ_PID_FILE", home.join("pid"));
        Ok(command)
    }
}

impl Peer {
    pub(crate) fn stop(&mut self) -> Result<(), Error> {
        self.broker.stop(STOP_SECONDS)
    }

    /// Starts the broker again after it was stopped or killed.
    pub(crate) fn start_again(&mut self) -> Result<(), Error> {
        self.broker = self.launch.start()?;
        Ok(())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.broker.kill());
        if self.launch.kind == Kind::RabbitMq {
            // The port mapper on that port is ours alone. That it has gone already is no mistake.
            let mut command = Command::new("epmd");
            command.arg("-kill").env("ERL_EPMD_PORT", self.launch.epmd.to_string());
            drop(command.stdout(Stdio::null()).stderr(Stdio::null()).status());
        }
    }
}

fn warren_version(program: &Path) -> String {
    let output = Command::new(program).arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let text = text.unwrap_or_default();
    text.split_whitespace().nth(1).unwrap_or("unknown").to_owned()
}

/// A port that was free a moment ago. The system does not hand the same one out again at once.
fn free_port() -> Result<u16, Error> {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|e| Error::io("find a free port", e))
}

fn log_to(command: &mut Command, path: &Path) -> Result<(), Error> {
    let io = |e| Error::io(path.display().to_string(), e);
    let file = OpenOptions::new().create(true).append(true).open(path).map_err(io)?;
    let second = file.try_clone().map_err(io)?;
    command.stdout(Stdio::from(file)).stderr(Stdio::from(second));
    Ok(())
}
