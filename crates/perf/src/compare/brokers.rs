//! Starts and stops the two brokers, each with its own ports and folder, on loopback only.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::connection::{Connection, Target};
use crate::error::Error;
use crate::process::Broker;

/// Seconds a broker may take to accept a login.
const START_SECONDS: u64 = 90;
/// Seconds a broker may take to end in order.
const STOP_SECONDS: u64 = 30;

/// A running broker with what has to be tidied up after it.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) broker: Broker,
    pub(super) version: String,
    /// Port of the Erlang port mapper that RabbitMQ started, which would outlive it.
    epmd_port: Option<u16>,
}

impl Peer {
    pub(super) fn stop(&mut self) -> Result<(), Error> {
        self.broker.stop(STOP_SECONDS)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.broker.kill());
        if let Some(port) = self.epmd_port {
            // The port mapper on that port is ours alone. That it has gone already is no mistake.
            let mut command = Command::new("epmd");
            command.arg("-kill").env("ERL_EPMD_PORT", port.to_string());
            drop(command.stdout(Stdio::null()).stderr(Stdio::null()).status());
        }
    }
}

/// Starts Warren with an empty data folder.
pub(super) fn start_warren(program: Option<&Path>, dir: &Path) -> Result<Peer, Error> {
    let program = match program {
        Some(program) => program.to_owned(),
        None => beside_this_program("warren")?,
    };
    if !program.exists() {
        let text =
            format!("{} does not exist: build it first, or give --warren", program.display());
        return Err(Error::Usage(text));
    }
    let (amqp, http) = (free_port()?, free_port()?);
    let data = make_dir(dir, "warren")?;
    let mut command = Command::new(&program);
    command
        .args(["server", "--data-dir"])
        .arg(&data)
        .args(["--amqp-listen", &format!("127.0.0.1:{amqp}")])
        .args(["--http-listen", &format!("127.0.0.1:{http}")]);
    log_to(&mut command, &dir.join("warren.log"))?;
    let broker = Broker::start("Warren", &mut command, &Target::local(amqp), None, START_SECONDS)?;
    Ok(Peer { broker, version: warren_version(&program), epmd_port: None })
}

/// Says how to install RabbitMQ when it is not there.
pub(super) fn check_rabbitmq(script: &Path) -> Result<(), Error> {
    if script.exists() {
        return Ok(());
    }
    let text = format!(
        "{} does not exist; install RabbitMQ with: apt-get install rabbitmq-server",
        script.display()
    );
    Err(Error::Usage(text))
}

/// Starts RabbitMQ with an empty data folder, a node name and ports of its own, and no plugins.
pub(super) fn start_rabbitmq(script: &Path, dir: &Path) -> Result<Peer, Error> {
    let (amqp, dist, epmd) = (free_port()?, free_port()?, free_port()?);
    let home = make_dir(dir, "rabbitmq")?;
    let plugins = home.join("enabled_plugins");
    fs::write(&plugins, "[].\n").map_err(|e| Error::io(plugins.display().to_string(), e))?;
    let mut command = Command::new(script);
    command
        .env("HOME", &home)
        .env("RABBITMQ_NODENAME", format!("warren-perf-{amqp}@localhost"))
        .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODE_PORT", amqp.to_string())
        .env("RABBITMQ_DIST_PORT", dist.to_string())
        .env("ERL_EPMD_PORT", epmd.to_string())
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}")
        .env("RABBITMQ_MNESIA_BASE", home.join("data"))
        .env("RABBITMQ_LOG_BASE", home.join("log"))
        .env("RABBITMQ_CONFIG_FILE", home.join("none"))
        .env("RABBITMQ_CONF_ENV_FILE", home.join("none-env"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", &plugins)
        .env("RABBITMQ_PID_FILE", home.join("pid"));
    log_to(&mut command, &dir.join("rabbitmq.log"))?;
    let target = Target::local(amqp);
    // The child is a shell script; the broker is the Erlang machine below it.
    let broker = Broker::start("RabbitMQ", &mut command, &target, Some("beam.smp"), START_SECONDS)?;
    let version = Connection::log_in(&target)?.server_version;
    Ok(Peer { broker, version, epmd_port: Some(epmd) })
}

fn beside_this_program(name: &str) -> Result<PathBuf, Error> {
    let own = std::env::current_exe().map_err(|e| Error::io("find this program", e))?;
    Ok(own.with_file_name(name))
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

fn make_dir(dir: &Path, name: &str) -> Result<PathBuf, Error> {
    let path = dir.join(name);
    fs::create_dir_all(&path).map_err(|e| Error::io(path.display().to_string(), e))?;
    Ok(path)
}

fn log_to(command: &mut Command, path: &Path) -> Result<(), Error> {
    let io = |e| Error::io(path.display().to_string(), e);
    let file = File::create(path).map_err(io)?;
    let second = file.try_clone().map_err(io)?;
    command.stdout(Stdio::from(file)).stderr(Stdio::from(second));
    Ok(())
}
