//! `warren`: flags and file become a configuration, the broker starts, serves and stops.

mod check;
mod cli;
mod file;
mod health;
mod listeners;
mod logs;

use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tracing::{error, info};
use warren_server::Broker;

use crate::cli::{Arguments, Command};
use crate::file::Settings;
use crate::listeners::ListenersFile;

/// mimalloc: messages are freed on other threads than they came from, and a drained backlog must
/// give its memory back (docs/decisions/0006-allocator.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Why the program ends with an error.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{0}")]
    Configuration(#[from] file::Error),
    #[error("{0}")]
    Server(#[from] warren_server::Error),
    #[error("cannot write {}: {reason}", path.display())]
    Write { path: std::path::PathBuf, reason: std::io::Error },
    #[error("cannot start: {0}")]
    Runtime(std::io::Error),
    #[error("stopped after a failure: {0}")]
    Failed(String),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Some(Command::Health(health)) => return health::check(&health),
        Some(Command::Check(check)) => return check::run(&check),
        Some(Command::Server(server)) => run(&server),
        None => run(&arguments.server),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The log may not be set up yet, or be read by a machine: this is for the person.
            eprintln!("warren: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(flags: &cli::Server) -> Result<(), Error> {
    let mut settings = Settings::read(flags)?;
    settings.http.log = logs::start(settings.log_level, settings.log_format);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Error::Runtime)?;
    runtime.block_on(serve(settings))
}

/// How long HTTP requests may take to end when the broker stops.
const HTTP_GRACE: std::time::Duration = std::time::Duration::from_secs(1);

async fn serve(settings: Settings) -> Result<(), Error> {
    // Signals first, so that a stop during a long start is not lost.
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Runtime)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Runtime)?;
    let (http, http_address) = warren_server::listen(settings.http_listen)?;

    let data_dir = settings.server.data_dir.clone();
    let definitions = settings.load_definitions;
    let broker = Broker::start_with(settings.server, async move |management| {
        let Some(path) = definitions else { return Ok(()) };
        let loaded = warren_admin::definitions::load(&management, &path).await;
        loaded.map_err(|error| error.to_string())
    })
    .await?;
    let amqp_address = broker.amqp_address();
    let (stop_http, http_stopped) = oneshot::channel::<()>();
    let stopped = async {
        // A sender that is dropped means the same.
        let _ = http_stopped.await;
    };
    let management = broker.management();
    let pages = warren_console::router;
    let console =
        tokio::spawn(warren_admin::serve(http, management, settings.http, pages, stopped));
    info!(address = %http_address, "listening for HTTP");
    let listeners = match ListenersFile::write(&data_dir, amqp_address, http_address) {
        Ok(listeners) => listeners,
        Err(error) => {
            broker.stop().await;
            return Err(error);
        }
    };
    info!(version = env!("CARGO_PKG_VERSION"), data_dir = %data_dir.display(), "server startup complete");

    let health = broker.health();
    let failure = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        failure = health.failed() => Some(failure),
    };
    broker.stop().await;
    drop(listeners);
    drop(stop_http);
    let unwilling = console.abort_handle();
    match tokio::time::timeout(HTTP_GRACE, console).await {
        Ok(Ok(Err(error))) => error!(%error, "the HTTP listener has failed"),
        Ok(_) => {}
        // A peer that never ends its request must not keep the broker from ending.
        Err(_) => unwilling.abort(),
    }
    failure.map_or(Ok(()), |reason| Err(Error::Failed(reason)))
}
