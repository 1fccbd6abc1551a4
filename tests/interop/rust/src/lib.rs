//! What the programs of this crate share: PROGRAM HOST PORT CONTROL_PORT warren|rabbitmq ... Each
//! check prints a line, and the last line sums up.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The longest that anything is waited for.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// The longest that a check may take.
const CHECK_LIMIT: Duration = Duration::from_secs(120);

/// Why a check failed.
pub type Trouble = Box<dyn Error + Send + Sync>;
/// What a check comes to.
pub type Outcome = Result<(), Trouble>;

/// A check that cannot be made, with the reason.
#[derive(Debug)]
struct Skip(String);

impl fmt::Display for Skip {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Error for Skip {}

/// The broker, the harness, and the counts.
#[derive(Debug)]
pub struct Checks {
    /// Where the broker is.
    pub host: String,
    /// Its port.
    pub port: u16,
    control_port: u16,
    broker: String,
    names: Cell<u32>,
    passed: Cell<u32>,
    failed: Cell<u32>,
    skipped: Cell<u32>,
}

impl Checks {
    /// Reads the command line.
    pub fn from_arguments() -> Result<Self, Trouble> {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let [host, port, control_port, broker, ..] = words.as_slice() else {
            return Err("usage: PROGRAM HOST PORT CONTROL_PORT warren|rabbitmq".into());
        };
        Ok(Self {
            host: host.clone(),
            port: port.parse()?,
            control_port: control_port.parse()?,
            broker: broker.clone(),
            names: Cell::default(),
            passed: Cell::default(),
            failed: Cell::default(),
            skipped: Cell::default(),
        })
    }

    /// Runs a check and tells its outcome.
    pub async fn check(&self, name: &str, body: impl Future<Output = Outcome>) {
        let outcome = match tokio::time::timeout(CHECK_LIMIT, body).await {
            Ok(outcome) => outcome,
            Err(_) => Err("no end".into()),
        };
        let (counter, line) = match outcome {
            Ok(()) => (&self.passed, format!("ok: {name}")),
            Err(trouble) if trouble.is::<Skip>() => {
                (&self.skipped, format!("skipped: {name}: {trouble}"))
            }
            Err(trouble) => {
                let text = trouble.to_string().replace('\n', " ");
                (&self.failed, format!("FAILED: {name}: {text}"))
            }
        };
        counter.set(counter.get() + 1);
        println!("{line}");
    }

    /// Sums up.
    pub fn finish(&self) -> ExitCode {
        let (passed, failed, skipped) = (self.passed.get(), self.failed.get(), self.skipped.get());
        println!("{passed} passed, {failed} failed, {skipped} skipped");
        ExitCode::from(u8::from(failed > 0 || passed == 0))
    }

    /// Ends a check that RabbitMQ cannot pass.
    pub fn only_warren(&self) -> Outcome {
        if self.broker == "warren" {
            return Ok(());
        }
        self.skip("only warren has it")
    }

    /// Ends a check that cannot be made.
    pub fn skip(&self, reason: &str) -> Outcome {
        Err(Box::new(Skip(reason.to_owned())))
    }

    /// A name that nobody else uses.
    pub fn unique(&self, stem: &str) -> String {
        self.names.set(self.names.get() + 1);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let nanoseconds = now.map(|it| it.as_nanos()).unwrap_or_default();
        format!("{stem}-{nanoseconds:x}-{}", self.names.get())
    }

    /// Asks the harness for `restart`, `kill`, `block` or `unblock` of the broker.
    pub async fn control(&self, command: &str) -> Outcome {
        let mut stream = TcpStream::connect((self.host.as_str(), self.control_port)).await?;
        stream.write_all(format!("{command}\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        match answer.trim() {
            "ok" => Ok(()),
            "unavailable" => Err(Box::new(Skip("the harness cannot do it here".to_owned()))),
            other => Err(other.into()),
        }
    }
}

/// Waits for a value, but not for ever.
pub async fn soon<T>(what: &str, step: impl Future<Output = T>) -> Result<T, Trouble> {
    let limited = tokio::time::timeout(PATIENCE, step).await;
    limited.map_err(|_| format!("it did not come about that {what}").into())
}

/// Calls the probe until it gives something.
pub async fn eventually<T, F>(what: &str, mut probe: impl FnMut() -> F) -> Result<T, Trouble>
where
    F: Future<Output = Result<Option<T>, Trouble>>,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = probe().await? {
            return Ok(value);
        }
        if Instant::now() > deadline {
            return Err(format!("it did not come about that {what}").into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Compares.
pub fn equal<T: PartialEq + fmt::Debug>(found: T, expected: T) -> Outcome {
    if found == expected {
        return Ok(());
    }
    let both = [("found", found), ("expected", expected)];
    Err(format!("{both:?}").into())
}

/// Demands.
pub fn that(condition: bool, told: impl fmt::Display) -> Outcome {
    if condition { Ok(()) } else { Err(told.to_string().into()) }
}
