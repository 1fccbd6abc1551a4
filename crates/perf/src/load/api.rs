//! `perf api`: how long a management API takes to answer when there is much to tell and much goes
//! on: very many queues and connections, and messages through a part of the queues all the time.
//!
//! It asks as RabbitMQ's API is asked, so that the same command measures RabbitMQ.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use crate::connection::{self, CHANNEL, Connection, Declare};
use crate::consumer::{self, AckMode, Plan};
use crate::encode::{self, Message};
use crate::error::Error;
use crate::http::{Http, escaped};
use crate::load::plan::{Percentiles, percentiles};
use crate::load::{Common, finish, unique_name};
use crate::methods;
use crate::process;
use crate::producer::write_while_running;
use crate::report::{self, Table};
use crate::run::Run;

/// Clients that declare and delete the queues.
const CLIENTS: usize = 4;
/// Requests that such a client sends before it waits for the answers.
const IN_FLIGHT: usize = 50;
/// The load runs for so long before the first question, so that rates are there.
const WARMUP: Duration = Duration::from_secs(3);
/// Time for which the broker is watched without being asked.
const WATCH: Duration = Duration::from_secs(10);
/// Objects on a page: what RabbitMQ's own pages show.
const PAGE: u64 = 100;
/// The thread of a broker that takes samples, if it has one of its own.
const SAMPLER: &str = "observer";

/// Options of `perf api`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Port of the management API.
    #[arg(long, default_value_t = 15_672)]
    pub(crate) http_port: u16,
    /// Queues.
    #[arg(long, default_value_t = 100_000)]
    pub(crate) queues: usize,
    /// Connections, each with a channel, that do nothing. Both sides need as many open files.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) connections: usize,
    /// Messages a second, published and delivered all the time; 0 for none.
    #[arg(long, default_value_t = 100_000)]
    pub(crate) rate: usize,
    /// Queues that these messages go through, evenly.
    #[arg(long, default_value_t = 1000)]
    pub(crate) busy: usize,
    /// How often each question is asked.
    #[arg(long, default_value_t = 30)]
    pub(crate) requests: usize,
    /// Pause between two questions, in milliseconds.
    #[arg(long, default_value_t = 20)]
    pub(crate) pause: u64,
    /// Durable queues.
    #[arg(long)]
    pub(crate) durable: bool,
}

/// The answers to one question.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Question {
    pub(crate) name: &'static str,
    pub(crate) path: String,
    /// Length of the last answer, in bytes.
    pub(crate) bytes: usize,
    /// Nanoseconds from the request to the end of the answer.
    pub(crate) time: Percentiles,
}

/// What the load brought.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ApiOutcome {
    pub(crate) queues: usize,
    pub(crate) connections: usize,
    /// A second, while nobody asked.
    pub(crate) delivered_per_second: f64,
    /// Of the broker, while nobody asked, in a second.
    pub(crate) broker_cpu_ms_per_second: Option<f64>,
    /// Of its thread that takes samples, while nobody asked, in a second.
    pub(crate) sampling_cpu_ms_per_second: Option<f64>,
    pub(crate) broker_resident_bytes: Option<u64>,
    pub(crate) questions: Vec<Question>,
}

/// Runs the command.
pub(crate) fn command(common: &Common, options: &Options) -> Result<(), Error> {
    let outcome = run(common, options)?;
    let title = format!(
        "{} queues, {} connections, {} messages/s through {} queues; median / p99 / longest",
        options.queues, options.connections, options.rate, options.busy
    );
    let tenths = |value: f64| format!("{value:.1}");
    let mut table = Table::new(title)
        .row("delivered", report::rate(outcome.delivered_per_second))
        .optional("broker CPU, ms a second", outcome.broker_cpu_ms_per_second.map(tenths))
        .optional("sampling CPU, ms a second", outcome.sampling_cpu_ms_per_second.map(tenths))
        .optional("broker memory", outcome.broker_resident_bytes.map(report::mebibytes));
    for Question { name, time, .. } in &outcome.questions {
        let milliseconds = |nanoseconds: u64| nanoseconds as f64 / 1e6;
        let [p50, p99, max] = [time.p50, time.p99, time.max].map(milliseconds);
        table = table.row(*name, format!("{p50:.1} / {p99:.1} / {max:.1} ms"));
    }
    report::print(common.json, &outcome, &table)
}

/// Makes the load, asks, and takes everything away.
pub(crate) fn run(common: &Common, options: &Options) -> Result<ApiOutcome, Error> {
    if options.queues == 0 || options.busy == 0 || options.busy > options.queues {
        return Err(Error::Usage("--busy is at least 1 and at most --queues".to_owned()));
    }
    let prefix = unique_name();
    let names: Vec<String> = (0..options.queues).map(|n| format!("{prefix}-{n:06}")).collect();
    let declare = if options.durable { Declare::Durable } else { Declare::Transient };
    let run = Run::default();
    let declaration = |name: &str| connection::declare_queue(name, declare);
    each(common, &run, &names, declaration, methods::QUEUE_DECLARE_OK);
    let outcome = match run.stopped() {
        true => Err(Error::Usage("the queues could not be declared".to_owned())),
        false => drive(common, options, &prefix, &names, &run),
    };
    let cleaning = Run::default();
    each(common, &cleaning, &names, connection::delete_queue, methods::QUEUE_DELETE_OK);
    finish(&run, outcome, cleaning.result())
}

/// Sends a request for each queue, shared out over some clients.
fn each(
    common: &Common,
    run: &Run,
    names: &[String],
    request: impl Fn(&str) -> Vec<u8> + Sync,
    reply: u32,
) {
    thread::scope(|scope| {
        for names in names.chunks(names.len().div_ceil(CLIENTS).max(1)) {
            let request = &request;
            scope.spawn(move || {
                let ask = || -> Result<(), Error> {
                    let mut connection = Connection::open(&common.target)?;
                    for some in names.chunks(IN_FLIGHT) {
                        let requests: Vec<u8> =
                            some.iter().flat_map(|name| request(name)).collect();
                        connection.call_all(&requests, some.len(), reply)?;
                    }
                    connection.close()
                };
                if let Err(error) = ask() {
                    run.fail(error);
                }
            });
        }
    });
}

/// Runs the load, watches the broker and asks.
fn drive(
    common: &Common,
    options: &Options,
    prefix: &str,
    names: &[String],
    run: &Run,
) -> Result<ApiOutcome, Error> {
    let mut idle = Vec::with_capacity(options.connections);
    for _ in 0..options.connections {
        let mut connection = Connection::log_in(&common.target)?;
        connection.open_channel(CHANNEL)?;
        idle.push(connection);
    }
    let busy: Vec<String> =
        names.iter().step_by(names.len() / options.busy).take(options.busy).cloned().collect();
    let (producing, consuming) =
        (Connection::open(&common.target)?, Connection::open(&common.target)?);
    thread::scope(|scope| {
        let busy = &busy;
        if options.rate > 0 {
            let plan = Plan { ack: AckMode::Auto, prefetch: 0, is_stream: false };
            scope.spawn(move || consumer::consume(consuming, busy, plan, run));
            scope.spawn(move || publish(producing, busy, options.rate, run));
        }
        run.wait_until(Instant::now() + WARMUP);
        let (first, sampled) = (run.sample(common.pid), sampling(common));
        run.wait_until(Instant::now() + WATCH);
        let (last, sampling) = (run.sample(common.pid), sampling(common));
        let seconds = last.seconds_since(&first);
        let questions = questions(common, options, prefix, run);
        run.stop();
        Ok(ApiOutcome {
            queues: options.queues,
            connections: options.connections,
            delivered_per_second: (last.delivered - first.delivered) as f64 / seconds,
            broker_cpu_ms_per_second: last.broker_cpu_since(&first).map(|us| us / 1e3 / seconds),
            sampling_cpu_ms_per_second: sampling
                .zip(sampled)
                .map(|(last, first)| last.saturating_sub(first) as f64 / 1e6 / seconds),
            broker_resident_bytes: last.resident_bytes(),
            questions: questions?,
        })
    })
}

fn sampling(common: &Common) -> Option<u64> {
    process::named_thread_cpu_nanoseconds(common.pid?, SAMPLER)
}

/// Publishes a message to each of the queues again and again, so many messages a second.
fn publish(mut connection: Connection, queues: &[String], rate: usize, run: &Run) {
    let mut round = Vec::new();
    for queue in queues {
        let message = Message {
            exchange: "",
            routing_key: queue,
            persistent: false,
            expiration: None,
            body: &[b'w'; 16],
        };
        encode::push_publish(&mut round, CHANNEL, connection.frame_max, &message);
    }
    let interval = Duration::from_secs_f64(queues.len() as f64 / rate as f64);
    let mut publish = || -> Result<(), Error> {
        connection.poll_for_stop()?;
        let mut due = Instant::now();
        while !run.stopped() {
            let written = write_while_running(&mut connection.stream, &round, run);
            if !written.map_err(|e| Error::io("publish", e))? {
                break;
            }
            run.published.fetch_add(queues.len() as u64, Ordering::Relaxed);
            due += interval;
            run.wait_until(due);
        }
        Ok(())
    };
    if let Err(error) = publish() {
        run.fail(error);
    }
}

/// What is asked, by name.
fn paths(prefix: &str, pages: u64) -> Vec<(&'static str, String)> {
    let page = |number: u64, more: &str| {
        format!("/api/queues?page={}&page_size={PAGE}{more}", number.clamp(1, pages.max(1)))
    };
    let rate = "&sort=message_stats.publish_details.rate&sort_reverse=true";
    let filter = format!("&use_regex=false&name={}", escaped(&format!("{prefix}-00")));
    let regex = format!("&use_regex=true&name={}", escaped(&format!("^{prefix}-.*7$")));
    vec![
        ("overview", "/api/overview".to_owned()),
        ("overview with an hour of history", {
            "/api/overview?lengths_age=3600&lengths_incr=60&msg_rates_age=3600&msg_rates_incr=60"
                .to_owned()
        }),
        ("queues, first page", page(1, "")),
        ("queues, middle page", page(pages / 2, "")),
        ("queues, last page", page(pages, "")),
        ("queues by name, backwards", page(1, "&sort=name&sort_reverse=true")),
        ("queues by messages", page(1, "&sort=messages&sort_reverse=true")),
        ("queues by messages, last page", page(pages, "&sort=messages&sort_reverse=true")),
        ("queues by rate", page(1, rate)),
        ("queues by rate, middle page", page(pages / 2, rate)),
        ("queues with a part of a name", page(1, &filter)),
        ("queues by a regular expression", page(1, &regex)),
        ("one queue", format!("/api/queues/%2F/{prefix}-000000")),
        ("connections, first page", format!("/api/connections?page=1&page_size={PAGE}")),
        ("channels, first page", format!("/api/channels?page=1&page_size={PAGE}")),
    ]
}

fn questions(
    common: &Common,
    options: &Options,
    prefix: &str,
    run: &Run,
) -> Result<Vec<Question>, Error> {
    let target = &common.target;
    let mut http = Http::open(&target.host, options.http_port, &target.user, &target.password)?;
    let pages = (options.queues as u64).div_ceil(PAGE);
    let mut questions = vec![];
    for (name, path) in paths(prefix, pages) {
        let mut times = vec![];
        let mut bytes = 0;
        for _ in 0..options.requests.max(1) {
            if run.stopped() {
                break;
            }
            let begun = Instant::now();
            let body = http.get(&path)?;
            times.push(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
            bytes = body.len();
            check(&path, &body)?;
            run.wait_until(Instant::now() + Duration::from_millis(options.pause));
        }
        questions.push(Question { name, path, bytes, time: percentiles(times) });
    }
    Ok(questions)
}

/// A page has to have something on it: an empty answer is quickly given.
fn check(path: &str, body: &[u8]) -> Result<(), Error> {
    let answer: Value = serde_json::from_slice(body)?;
    let is_there = match path.contains("page=") {
        true => answer.get("items").and_then(Value::as_array).is_some_and(|it| !it.is_empty()),
        false => answer.is_object(),
    };
    if is_there { Ok(()) } else { Err(Error::Usage(format!("GET {path} gave nothing"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_that_are_asked_for_are_there() {
        for pages in [1, 2, 1000] {
            for (name, path) in paths("p", pages) {
                let page = path.split(['?', '&']).find_map(|part| part.strip_prefix("page="));
                let Some(page) = page else { continue };
                let page: u64 = page.parse().unwrap();
                assert!((1..=pages.max(1)).contains(&page), "{name}: {path}");
            }
        }
    }

    #[test]
    fn an_empty_page_is_a_failure() {
        assert!(check("/api/queues?page=1", b"{\"items\":[{}]}").is_ok());
        assert!(check("/api/queues?page=1", b"{\"items\":[]}").is_err());
        assert!(check("/api/overview", b"{}").is_ok());
        assert!(check("/api/overview", b"[").is_err());
    }
}
