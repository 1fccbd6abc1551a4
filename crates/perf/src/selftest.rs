//! `perf selftest`: the generator against a broker that does nothing but keep up, in this process.
//! It shows what the generator itself can do and costs, so that no broker is judged by it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::connection::Target;
use crate::consumer::AckMode;
use crate::decode::{Fields, Frame, FrameReader};
use crate::encode::{self, Arguments};
use crate::error::Error;
use crate::load::Common;
use crate::load::throughput::{self, Outcome};
use crate::methods;
use crate::producer::{Confirm, is_timeout};
use crate::report;

/// How often a blocked thread of the sham broker looks whether it should end.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Frame size the sham broker proposes.
const FRAME_MAX: usize = 131_072;
/// Bytes of deliveries that are written at a time.
const STREAM_BLOCK_BYTES: usize = 128 * 1024;

/// Options of `perf selftest`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Bytes of a body.
    #[arg(long, default_value_t = 16)]
    size: usize,
    /// Seconds for each part.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn command(options: &Options) -> Result<(), Error> {
    for (title, load) in parts(options) {
        let outcome = measure(options.size, &load)?;
        let table = throughput::table(format!("generator alone: {title}"), &outcome);
        report::print(options.json, &outcome, &table)?;
    }
    Ok(())
}

fn parts(options: &Options) -> Vec<(&'static str, throughput::Options)> {
    let (size, seconds) = (options.size, options.seconds);
    let publish =
        throughput::Options { size, seconds, publish_only: true, ..throughput::Options::default() };
    let consume =
        throughput::Options { size, seconds, producers: 0, ..throughput::Options::default() };
    vec![
        ("publish", publish.clone()),
        ("publish, window 1000", throughput::Options { confirms: Some(1000), ..publish }),
        ("consume", consume.clone()),
        ("consume, ack each", throughput::Options { ack: AckMode::One, ..consume }),
    ]
}

fn measure(size: usize, load: &throughput::Options) -> Result<Outcome, Error> {
    let sham = ShamBroker::start(State { body_bytes: size, ..State::default() })?;
    let target = Target::local(sham.port);
    throughput::run(&Common { target, pid: None, data_dir: None, json: false }, load)
}

/// Accepts every connection, answers every request with success, discards what is published and
/// streams deliveries to every consumer.
#[derive(Debug)]
struct ShamBroker {
    port: u16,
    state: Arc<State>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    stop: AtomicBool,
    published: AtomicU64,
    acknowledged: AtomicU64,
    body_bytes: usize,
    /// Close the channel of whoever publishes instead of discarding what comes.
    refuse_publishes: bool,
}

impl ShamBroker {
    fn start(state: State) -> Result<Self, Error> {
        let io = |e| Error::io("listen for the selftest", e);
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(io)?;
        listener.set_nonblocking(true).map_err(io)?;
        let port = listener.local_addr().map_err(io)?.port();
        let state = Arc::new(state);
        let shared = Arc::clone(&state);
        let accepting = thread::spawn(move || accept(&listener, &shared));
        Ok(Self { port, state, accepting: Some(accepting) })
    }
}

impl Drop for ShamBroker {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::Relaxed);
        if let Some(accepting) = self.accepting.take() {
            drop(accepting.join());
        }
    }
}

fn accept(listener: &TcpListener, state: &Arc<State>) {
    let mut sessions = Vec::new();
    while !state.stop.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((stream, _)) => {
                let state = Arc::clone(state);
                // A session ends with an error when its client goes away, which is as it should be.
                sessions.push(thread::spawn(move || drop(Session::serve(stream, &state))));
            }
            Err(_) => thread::sleep(Duration::from_millis(1)),
        }
    }
    for session in sessions {
        drop(session.join());
    }
}

/// One connection of the sham broker.
struct Session {
    out: Vec<u8>,
    confirms: bool,
    published: u64,
    last_ack: u64,
    consuming: Vec<String>,
    closed: bool,
}

impl Session {
    fn serve(mut stream: TcpStream, state: &Arc<State>) -> Result<(), Error> {
        let io = |e| Error::io("serve the selftest", e);
        stream.set_nonblocking(false).map_err(io)?;
        stream.set_nodelay(true).map_err(io)?;
        stream.set_read_timeout(Some(POLL_INTERVAL)).map_err(io)?;
        stream.set_write_timeout(Some(POLL_INTERVAL)).map_err(io)?;
        stream.read_exact(&mut [0; 8]).map_err(io)?;
        let start = Arguments::new()
            .octet(0)
            .octet(9)
            .empty_table()
            .long_string(b"PLAIN")
            .long_string(b"en_US")
            .frame(0, methods::CONNECTION_START);
        stream.write_all(&start).map_err(io)?;

        let mut reader = FrameReader::new(0);
        reader.grow(FRAME_MAX);
        let mut session = Self {
            out: Vec::new(),
            confirms: false,
            published: 0,
            last_ack: 0,
            consuming: Vec::new(),
            closed: false,
        };
        let mut streams = Vec::new();
        while !session.closed && !state.stop.load(Ordering::Relaxed) {
            match reader.fill(&mut stream) {
                Ok(0) => break,
                Ok(_) => session.take_frames(&mut reader, state)?,
                Err(error) if is_timeout(&error) => continue,
                Err(error) => return Err(io(error)),
            }
            stream.write_all(&session.out).map_err(io)?;
            session.out.clear();
            for tag in session.consuming.drain(..) {
                let (stream, state) = (stream.try_clone().map_err(io)?, Arc::clone(state));
                streams.push(thread::spawn(move || drop(deliver(stream, &tag, &state))));
            }
        }
        for stream in streams {
            drop(stream.join());
        }
        Ok(())
    }

    fn take_frames(&mut self, reader: &mut FrameReader, state: &State) -> Result<(), Error> {
        let before = self.published;
        while let Some(frame) = reader.next()? {
            match frame.method() {
                Some(methods::BASIC_PUBLISH) => self.published += 1,
                Some(methods::BASIC_ACK) => self.take_ack(&frame, state)?,
                Some(method) => self.answer(&frame, method)?,
                None => {}
            }
        }
        let published = self.published - before;
        state.published.fetch_add(published, Ordering::Relaxed);
        if state.refuse_publishes && published > 0 {
            let close = Arguments::new().short(404).short_string("NOT_FOUND").short(60).short(40);
            self.out.extend_from_slice(&close.frame(1, methods::CHANNEL_CLOSE));
        } else if self.confirms && published > 0 {
            self.out.extend_from_slice(&encode::ack_frame(1, self.published, true));
        }
        Ok(())
    }

    fn take_ack(&mut self, frame: &Frame<'_>, state: &State) -> Result<(), Error> {
        if let Some(ack) = Confirm::decode(frame)? {
            let count = if ack.multiple { ack.delivery_tag - self.last_ack } else { 1 };
            self.last_ack = ack.delivery_tag;
            state.acknowledged.fetch_add(count, Ordering::Relaxed);
        }
        Ok(())
    }

    fn answer(&mut self, frame: &Frame<'_>, method: u32) -> Result<(), Error> {
        let reply = Arguments::new();
        let (reply, method) = match method {
            methods::CONNECTION_START_OK => {
                (reply.short(2047).long(131_072).short(60), methods::CONNECTION_TUNE)
            }
            methods::CONNECTION_OPEN => (reply.octet(0), methods::CONNECTION_OPEN_OK),
            methods::CONNECTION_CLOSE => {
                self.closed = true;
                (reply, methods::CONNECTION_CLOSE_OK)
            }
            methods::CHANNEL_OPEN => (reply.long(0), methods::CHANNEL_OPEN_OK),
            methods::CHANNEL_CLOSE => (reply, methods::CHANNEL_CLOSE_OK),
            methods::EXCHANGE_DECLARE => (reply, methods::EXCHANGE_DECLARE_OK),
            methods::EXCHANGE_DELETE => (reply, methods::EXCHANGE_DELETE_OK),
            methods::QUEUE_BIND => (reply, methods::QUEUE_BIND_OK),
            methods::QUEUE_UNBIND => (reply, methods::QUEUE_UNBIND_OK),
            methods::QUEUE_DELETE => (reply.long(0), methods::QUEUE_DELETE_OK),
            methods::BASIC_QOS => (reply, methods::BASIC_QOS_OK),
            methods::QUEUE_DECLARE => {
                let mut fields = frame.arguments();
                fields.short()?;
                let queue = fields.short_string()?;
                (reply.short_string(queue).long(0).long(0), methods::QUEUE_DECLARE_OK)
            }
            methods::CONFIRM_SELECT => {
                self.confirms = true;
                (reply, methods::CONFIRM_SELECT_OK)
            }
            methods::BASIC_CONSUME => {
                let mut fields: Fields<'_> = frame.arguments();
                fields.short()?;
                self.consuming.push(fields.short_string()?.to_owned());
                return Ok(());
            }
            _ => return Ok(()),
        };
        self.out.extend_from_slice(&reply.frame(frame.channel, method));
        Ok(())
    }
}

/// Streams deliveries of the same body, with ascending tags, until the client goes away.
fn deliver(mut stream: TcpStream, consumer_tag: &str, state: &State) -> std::io::Result<()> {
    let mut one = Arguments::new()
        .short_string(consumer_tag)
        .long_long(0)
        .octet(0)
        .short_string("")
        .short_string(consumer_tag)
        .frame(1, methods::BASIC_DELIVER);
    let tag_at = 12 + consumer_tag.len();
    let properties = encode::Properties::default();
    encode::push_content(&mut one, 1, FRAME_MAX, &properties, &vec![b'w'; state.body_bytes]);
    let copies = (STREAM_BLOCK_BYTES / one.len()).max(1);
    let mut block = one.repeat(copies);
    let mut delivery_tag = 0u64;
    while !state.stop.load(Ordering::Relaxed) {
        for copy in 0..copies {
            delivery_tag += 1;
            encode::patch(&mut block, copy * one.len() + tag_at, &delivery_tag.to_be_bytes());
        }
        let mut rest = block.as_slice();
        while !rest.is_empty() && !state.stop.load(Ordering::Relaxed) {
            match stream.write(rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if is_timeout(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn against_sham(load: &throughput::Options) -> (Outcome, u64, u64) {
        let sham = ShamBroker::start(State { body_bytes: load.size, ..State::default() }).unwrap();
        let common =
            Common { target: Target::local(sham.port), pid: None, data_dir: None, json: false };
        let outcome = throughput::run(&common, load).unwrap();
        let state = Arc::clone(&sham.state);
        drop(sham);
        let published = state.published.load(Ordering::Relaxed);
        (outcome, published, state.acknowledged.load(Ordering::Relaxed))
    }

    fn short() -> throughput::Options {
        throughput::Options { seconds: 0.05, ..throughput::Options::default() }
    }

    #[test]
    fn what_is_published_arrives_at_the_broker() {
        let load = throughput::Options { publish_only: true, producers: 2, queues: 2, ..short() };
        let (outcome, arrived, _) = against_sham(&load);
        let counted = outcome.published_per_second * outcome.seconds;
        assert!(counted > 0.0 && arrived as f64 >= counted, "{counted} counted, {arrived} arrived");
    }

    #[test]
    fn every_confirmed_message_was_published() {
        let load = throughput::Options { publish_only: true, confirms: Some(100), ..short() };
        let (outcome, arrived, _) = against_sham(&load);
        let confirmed = outcome.confirmed_per_second.unwrap() * outcome.seconds;
        assert!(confirmed > 0.0 && confirmed <= arrived as f64);
    }

    #[test]
    fn deliveries_are_counted_and_acknowledged() {
        for ack in [AckMode::One, AckMode::Multiple(10)] {
            let load = throughput::Options { producers: 0, ack, ..short() };
            let (outcome, _, acknowledged) = against_sham(&load);
            assert!(outcome.delivered_per_second > 0.0);
            assert!(acknowledged > 0, "{ack:?}");
        }
    }

    #[test]
    fn a_channel_that_the_broker_closes_ends_the_run_with_its_reason() {
        for confirms in [None, Some(10)] {
            let sham =
                ShamBroker::start(State { refuse_publishes: true, ..State::default() }).unwrap();
            let common =
                Common { target: Target::local(sham.port), pid: None, data_dir: None, json: false };
            let load = throughput::Options { publish_only: true, confirms, ..short() };
            let error = throughput::run(&common, &load).unwrap_err();
            assert!(matches!(error, Error::ChannelClosed { code: 404, .. }), "{error}");
            assert_eq!(error.exit_code(), 2);
        }
    }

    #[test]
    fn the_parts_of_the_selftest_all_run() {
        let options = Options { size: 16, seconds: 0.02, json: true };
        for (title, load) in parts(&options) {
            assert!(measure(16, &load).is_ok(), "{title}");
        }
    }
}
