//! A broker for one program: Warren or RabbitMQ, in a folder and on ports of its own, which can be
//! stopped, killed, started again, and made to run out of disk.

use crate::run::{Failure, Step};
use crate::{PROFILE, cargo, setup, target_dir};
use std::env;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// RabbitMQ takes its time on two busy cores.
const START: Duration = Duration::from_secs(120);
const STOP: Duration = Duration::from_secs(60);
const GLANCE: Duration = Duration::from_millis(20);
/// The file system for a broker's data, in memory: brokers block publishers when it is nearly full.
const DISK_MEGABYTES: u64 = 320;
/// Publishers are blocked while less than this is free.
const FREE_LIMIT_MEGABYTES: u64 = 64;
/// What is written to that end.
const BALLAST_MEGABYTES: u64 = 270;
/// RabbitMQ's limit of a message: clients are told the same by both.
const MESSAGE_BYTES_MAX: u64 = 128 << 20;
/// Exchange types that RabbitMQ has in plugins of its own.
const PLUGINS: [&str; 3] = [
    "rabbitmq_consistent_hash_exchange",
    "rabbitmq_random_exchange",
    "rabbitmq_recent_history_exchange",
];
/// Its management API, and what can be managed over it.
const MANAGEMENT: [&str; 8] = [
    "rabbitmq_management",
    "rabbitmq_federation",
    "rabbitmq_federation_management",
    "rabbitmq_shovel",
    "rabbitmq_shovel_management",
    "rabbitmq_sharding",
    "rabbitmq_jms_topic_exchange",
    "rabbitmq_event_exchange",
];

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

    /// As programs are told.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Warren => "warren",
            Self::RabbitMq => "rabbitmq",
        }
    }
}

/// The broker's program, which is there.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    kind: Kind,
    program: PathBuf,
    /// With RabbitMQ's management API, which takes some seconds more to start.
    management: bool,
}

impl Programs {
    /// Builds Warren, unless it has just been built or `WARREN_BIN` names one, or installs RabbitMQ.
    pub(crate) fn prepare(kind: Kind, is_built: bool) -> Result<Self, Failure> {
        let program = match (kind, env::var_os("WARREN_BIN")) {
            (Kind::RabbitMq, _) => {
                setup::rabbitmq()?;
                PathBuf::from(setup::RABBITMQ)
            }
            (Kind::Warren, Some(path)) => path.into(),
            (Kind::Warren, None) => {
                if !is_built {
                    let words = [&["build", "-p", "warren"][..], &PROFILE].concat();
                    Step::new("build").run(cargo(&words))?;
                }
                target_dir().join(PROFILE[1]).join("warren")
            }
        };
        Ok(Self { kind, program, management: false })
    }

    /// The broker's program.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// The same, with the management API.
    pub(crate) fn with_management(self) -> Self {
        Self { management: true, ..self }
    }

    /// RabbitMQ with its management API, if it is installed.
    pub(crate) fn another_rabbitmq() -> Option<Self> {
        let program = PathBuf::from(setup::RABBITMQ);
        program.exists().then_some(Self { kind: Kind::RabbitMq, program, management: true })
    }
}

/// A running broker. It ends, and its data go, when this is dropped.
#[derive(Debug)]
pub(crate) struct Broker {
    programs: Programs,
    folder: PathBuf,
    amqp: u16,
    http: u16,
    /// RabbitMQ's port for other nodes.
    nodes: u16,
    /// Port of the Erlang port mapper that RabbitMQ starts.
    epmd: u16,
    /// The data folder is a small file system of its own.
    mounted: bool,
    child: Option<Child>,
}

impl Broker {
    /// Starts a broker with nothing in it.
    pub(crate) fn start(programs: &Programs, folder: &Path) -> Result<Self, Failure> {
        Self::start_at(programs, folder, free_port()?, free_port()?)
    }

    /// The same, on ports of choice.
    pub(crate) fn start_at(
        programs: &Programs,
        folder: &Path,
        amqp: u16,
        http: u16,
    ) -> Result<Self, Failure> {
        let (nodes, epmd) = (free_port()?, free_port()?);
        let data = folder.join("data");
        fs::create_dir_all(&data).map_err(|error| failed(&data, &error))?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={DISK_MEGABYTES}m"), "tmpfs"]).arg(&data);
        // Without the rights to mount, programs are told that alarms cannot be had.
        let mounted = quiet(mount);
        let mut broker = Self {
            programs: programs.clone(),
            folder: folder.to_owned(),
            amqp,
            http,
            nodes,
            epmd,
            mounted,
            child: None,
        };
        broker.launch()?;
        Ok(broker)
    }

    pub(crate) fn kind(&self) -> Kind {
        self.programs.kind
    }

    pub(crate) fn port(&self) -> u16 {
        self.amqp
    }

    /// Where Warren serves HTTP, and RabbitMQ if it was started with its management API.
    pub(crate) fn http(&self) -> u16 {
        self.http
    }

    /// Where programs may leave files of their own.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Stops in order, and starts again with the same data.
    pub(crate) fn restart(&mut self) -> Result<(), Failure> {
        self.end("-TERM")?;
        self.launch()
    }

    /// Kills, and starts again with the same data.
    pub(crate) fn kill_and_start(&mut self) -> Result<(), Failure> {
        self.end("-KILL")?;
        self.launch()
    }

    pub(crate) fn can_block(&self) -> bool {
        self.mounted
    }

    /// Leaves little room on the disk.
    pub(crate) fn block(&self) -> Result<(), Failure> {
        let path = self.ballast();
        let fill = || {
            let mut file = File::create(&path)?;
            let megabyte = vec![0; 1 << 20];
            (0..BALLAST_MEGABYTES).try_for_each(|_| file.write_all(&megabyte))
        };
        fill().map_err(|error| failed(&path, &error))
    }

    /// Makes room again.
    pub(crate) fn unblock(&self) -> Result<(), Failure> {
        let path = self.ballast();
        fs::remove_file(&path).map_err(|error| failed(&path, &error))
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("data/ballast")
    }

    fn launch(&mut self) -> Result<(), Failure> {
        let mut command = match self.kind() {
            Kind::Warren => self.warren()?,
            Kind::RabbitMq => self.rabbitmq()?,
        };
        let path = self.folder.join("broker.log");
        let log = File::options().create(true).append(true).open(&path);
        let log = log.map_err(|error| failed(&path, &error))?;
        let errors = log.try_clone().map_err(|error| failed(&path, &error))?;
        command.stdin(Stdio::null()).stdout(log).stderr(errors).current_dir(&self.folder);
        let program = self.programs.program.clone();
        let child = command.spawn().map_err(|error| failed(&program, &error))?;
        let (name, http) = (self.kind().name(), self.programs.management.then_some(self.http));
        let child = self.child.insert(child);
        let deadline = Instant::now() + START;
        while !answers(self.amqp) || !http.is_none_or(manages) {
            let ended = child.try_wait().map_err(|error| failed(&program, &error))?;
            if ended.is_some() || Instant::now() > deadline {
                let log = path.display();
                return Err(Failure(format!("{name} did not start ({ended:?}), see {log}")));
            }
            std::thread::sleep(GLANCE);
        }
        Ok(())
    }

    fn warren(&self) -> Result<Command, Failure> {
        let path = self.folder.join("warren.toml");
        let limit = FREE_LIMIT_MEGABYTES << 20;
        let text = format!(
            "disk_free_limit = {limit}\nmessage_bytes_max = {MESSAGE_BYTES_MAX}\n\
             [storage]\nsegment_bytes = 1048576\nspare_segments = 1\n"
        );
        fs::write(&path, text).map_err(|error| failed(&path, &error))?;
        let mut command = Command::new(&self.programs.program);
        command.args(["server", "--data-dir", "data", "--config"]).arg(path);
        command.args(["--amqp-listen", &format!("127.0.0.1:{}", self.amqp)]);
        command.args(["--http-listen", &format!("127.0.0.1:{}", self.http)]);
        Ok(command)
    }

    fn rabbitmq(&self) -> Result<Command, Failure> {
        let home = &self.folder;
        let write = |name: &str, text: &str| {
            let path = home.join(name);
            fs::write(&path, text).map_err(|error| failed(&path, &error)).map(|()| path)
        };
        let management: &[&str] = if self.programs.management { &MANAGEMENT } else { &[] };
        let plugins = [&PLUGINS, management].concat().join(",");
        let plugins = write("enabled_plugins", &format!("[{plugins}].\n"))?;
        let mut config = format!("disk_free_limit.absolute = {FREE_LIMIT_MEGABYTES}MB\n");
        if self.programs.management {
            let http = self.http;
            config.push_str("collect_statistics_interval = 1000\n");
            config.push_str("management.tcp.ip = 127.0.0.1\n");
            config.push_str(&format!("management.tcp.port = {http}\n"));
        }
        let config = write("rabbitmq.conf", &config)?;
        // It tells in this file that it is there; an old one tells nothing.
        let _ = fs::remove_file(self.pid_file());
        let mut command = Command::new(&self.programs.program);
        command
            .env("HOME", home)
            .env("RABBITMQ_NODENAME", format!("warren-interop-{}@localhost", self.amqp))
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", self.amqp.to_string())
            .env("RABBITMQ_DIST_PORT", self.nodes.to_string())
            .env("ERL_EPMD_PORT", self.epmd.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-kernel inet_dist_use_interface {127,0,0,1}",
            )
            .env("RABBITMQ_MNESIA_BASE", home.join("data"))
            .env("RABBITMQ_LOG_BASE", home.join("log"))
            .env("RABBITMQ_CONFIG_FILE", config)
            .env("RABBITMQ_CONF_ENV_FILE", home.join("none-env"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", plugins)
            .env("RABBITMQ_PID_FILE", self.pid_file());
        Ok(command)
    }

    fn pid_file(&self) -> PathBuf {
        self.folder.join("pid")
    }

    /// The broker's process; RabbitMQ's is below a script.
    fn pid(&self) -> Option<String> {
        match self.kind() {
            Kind::Warren => self.child.as_ref().map(|child| child.id().to_string()),
            Kind::RabbitMq => {
                let text = fs::read_to_string(self.pid_file()).ok()?;
                Some(text.trim().to_owned()).filter(|pid| !pid.is_empty())
            }
        }
    }

    /// Sends a signal and waits for the end.
    fn end(&mut self, signal: &str) -> Result<(), Failure> {
        let pid = self.pid();
        let Some(mut child) = self.child.take() else { return Ok(()) };
        if let Some(pid) = pid {
            let mut kill = Command::new("kill");
            kill.args([signal, &pid]);
            quiet(kill);
        }
        let deadline = Instant::now() + STOP;
        let failed = |error| failed(&self.programs.program, &error);
        while child.try_wait().map_err(failed)?.is_none() {
            if Instant::now() > deadline {
                let _ = child.kill();
                return Err(Failure(format!("{} does not stop", self.kind().name())));
            }
            std::thread::sleep(GLANCE);
        }
        Ok(())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Nothing of it is wanted any more, and its end is no finding.
        let _ = self.end("-KILL");
        if self.kind() == Kind::RabbitMq {
            let mut epmd = Command::new("epmd");
            epmd.arg("-kill").env("ERL_EPMD_PORT", self.epmd.to_string());
            quiet(epmd);
        }
        if self.mounted {
            let mut umount = Command::new("umount");
            umount.arg(self.folder.join("data"));
            quiet(umount);
        }
    }
}

/// Whether somebody speaks AMQP there.
fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let mut frame = [0; 7];
    stream.set_read_timeout(Some(Duration::from_secs(5))).is_ok()
        && stream.write_all(b"AMQP\x00\x00\x09\x01").is_ok()
        && stream.read_exact(&mut frame).is_ok()
}

/// Whether the management API there tells of its node, which it does some seconds after it starts.
fn manages(port: u16) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        // The user guest, with the password guest.
        let login = "Authorization: Basic Z3Vlc3Q6Z3Vlc3Q=";
        write!(stream, "GET /api/nodes HTTP/1.0\r\nHost: localhost\r\n{login}\r\n\r\n")?;
        let mut answer = vec![];
        stream.read_to_end(&mut answer)?;
        std::io::Result::Ok(String::from_utf8_lossy(&answer).contains("\"mem_used\""))
    };
    ask().unwrap_or(false)
}

/// Whether the command succeeds; what it says is nobody's concern.
fn quiet(mut command: Command) -> bool {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// A port that is free now; the broker takes it again after each stop.
pub(crate) fn free_port() -> Result<u16, Failure> {
    let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    address.map(|it| it.port()).map_err(|error| Failure(format!("no free port: {error}")))
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure(format!("{}: {error}", path.display()))
}
