//! A client's connection: one task that reads, asks the shard, and writes.
//!
//! The protocol is `warren_amqp::Connection`; `input` turns its events into commands, `output`
//! turns the engine's events into frames, `handing` gives the commands to the shard, `login` knows
//! whose the connection is, and `block` keeps publishers waiting during an alarm. This file moves
//! the bytes and keeps the time.

mod block;
pub(crate) mod checks;
mod handing;
mod input;
mod login;
mod output;
mod requests;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustc_hash::FxHashMap;
use tokio::io::{AsyncRead, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{Instant, Sleep};
use tracing::{debug, info};
use warren_amqp::{Millis, ReplyCode, Timeout};
use warren_engine::{Command, Event, SessionId};

use crate::alarm::Alarm;
use crate::broker::{News, Shared, Stage};
use crate::census::{self, Answered, ChannelPlace, ConnectionState, Traffic};
use crate::confirms::Confirms;
use crate::half_open::Place;
use crate::limits;
use crate::login::Identity;
use crate::shard::{Outbox, ToConnection, ToShard};
use handing::{Handing, finished};
use login::{Deciding, decided};
use requests::Requests;

thread_local! {
    /// Where sockets are read into: one for each worker thread, not one for each connection, of
    /// which there may be ten thousand. What is left of a frame moves to its connection.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Why a connection ends without a word to the peer.
#[derive(Debug)]
enum Ended {
    /// The peer closed the socket, or it broke.
    Socket(Option<io::Error>),
    /// The peer was silent for too long.
    Timeout(Timeout),
    /// The login held for a time that is over, and no virtual host is open.
    Expired,
    /// The broker stops and has waited long enough.
    Stopped,
}

/// The session in the engine that goes with an open connection. When it is dropped, in whatever
/// way, the engine hears of it.
#[derive(Debug)]
struct Session {
    id: SessionId,
    shard: mpsc::Sender<ToShard>,
    /// Bounds what this session has on the way to the shard.
    on_the_way: Arc<Semaphore>,
    /// The engine knows that the session is over.
    closed: bool,
    /// Counts the connection as open.
    place: census::Place,
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.closed {
            return;
        }
        let close = Command::CloseSession { session: self.id, reply: false };
        let message = ToShard::Commands(self.id, vec![close], None);
        if let Err(mpsc::error::TrySendError::Full(message)) = self.shard.try_send(message) {
            let shard = self.shard.clone();
            tokio::spawn(async move { shard.send(message).await });
        }
    }
}

/// A `connection.close` of the broker's.
#[derive(Debug)]
struct Close {
    code: ReplyCode,
    text: String,
    class_id: u16,
    method_id: u16,
}

/// What the connection knows of one of its channels.
#[derive(Debug, Default)]
struct ChannelState {
    confirms: Confirms,
    /// How many messages were confirmed or refused, for those who look.
    answered: Answered,
    /// Consumer tags by the engine's numbers.
    consumers: FxHashMap<u32, Arc<str>>,
    /// The consumer of direct replies: its tag, and the name that replies are published to.
    replies: Option<(String, String)>,
    /// Counts the channel as open.
    _place: Option<ChannelPlace>,
}

pub(crate) struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    shared: Arc<Shared>,
    amqp: warren_amqp::Connection,
    /// Counts the connection as half open until it has logged in.
    half_open: Option<Place>,
    /// Who has logged in.
    user: Box<str>,
    /// What is known of the user.
    identity: Option<Identity>,
    /// When the login does not hold any more.
    expires: Option<Millis>,
    /// A login or a new secret that is being looked at.
    deciding: Option<Deciding>,
    /// How the user logged in.
    mechanism: Box<str>,
    /// Where.
    virtual_host: Box<str>,
    traffic: Arc<Traffic>,
    /// The user may publish in the name of others.
    is_impersonator: bool,
    session: Option<Session>,
    channels: FxHashMap<u16, ChannelState>,
    /// The beginning of a frame whose end has not come yet.
    unread: Vec<u8>,
    /// What the read at hand asks of the shard; `opening` goes before.
    opening: Option<ToShard>,
    requests: Requests,
    outbox: mpsc::UnboundedReceiver<ToConnection>,
    outbox_sender: Option<Outbox>,
    /// Events that are to be encoded.
    events: VecDeque<std::vec::IntoIter<Event>>,
    /// Properties that are made for one delivery.
    properties: Vec<u8>,
    /// What those of the events weigh that are not deliveries, in bytes.
    reply_bytes: usize,
    /// How much of the output is written.
    written: usize,
    /// The weight of the deliveries that were encoded since the engine was told last.
    flushed: usize,
    /// The broker's own close, which is sent when the engine has ended the session and everything
    /// that it had given out is encoded.
    closing: Option<Close>,
    /// The connection is over, and it is for the peer to close the socket.
    lingers: bool,
    /// Bytes that the protocol layer answered by itself since the output was empty.
    answer_bytes: usize,
    /// When a finished connection is dropped even if the peer has not taken the rest.
    drop_at: Option<Millis>,
    news: watch::Receiver<News>,
    alarm: Alarm,
    /// The client publishes here, and is told of alarms.
    publishes: bool,
    /// The client was told of an alarm that is still on, or would have been, if it could be.
    told: bool,
    /// A message came during the alarm: nothing more is read until it is over.
    blocked: bool,
    /// The peer sends nothing more, though not all that it sent is read.
    hung_up: bool,
    /// What the shard's inbox had no room for yet; until it has, nothing more is read.
    handing: Option<Handing>,
    /// When that began.
    handing_since: Millis,
}

impl Connection {
    /// In a box: a task that is given a value keeps room for it twice.
    pub(crate) fn new(
        stream: TcpStream,
        peer: SocketAddr,
        shared: Arc<Shared>,
        half_open: Place,
        news: watch::Receiver<News>,
    ) -> Box<Self> {
        let (outbox_sender, outbox) = mpsc::unbounded_channel();
        let alarm = news.borrow().alarm;
        Box::new(Self {
            amqp: warren_amqp::Connection::new(shared.settings(), shared.now()),
            stream,
            peer,
            shared,
            half_open: Some(half_open),
            user: Box::default(),
            identity: None,
            expires: None,
            deciding: None,
            mechanism: Box::default(),
            virtual_host: Box::default(),
            traffic: Arc::default(),
            is_impersonator: false,
            session: None,
            channels: FxHashMap::default(),
            unread: Vec::new(),
            opening: None,
            requests: Requests::default(),
            outbox,
            outbox_sender: Some(outbox_sender),
            events: VecDeque::new(),
            properties: Vec::new(),
            reply_bytes: 0,
            written: 0,
            flushed: 0,
            closing: None,
            lingers: false,
            answer_bytes: 0,
            drop_at: None,
            alarm,
            news,
            publishes: false,
            told: false,
            blocked: false,
            hung_up: false,
            handing: None,
            handing_since: 0,
        })
    }

    /// Serves the client until either side ends it.
    pub(crate) async fn run(mut self: Box<Self>) {
        match self.serve().await {
            Ok(()) => debug!(peer = %self.peer, "connection closed"),
            // The connection was closed before the socket, as it should be.
            Err(_) if self.lingers => debug!(peer = %self.peer, "connection closed"),
            Err(Ended::Socket(None)) if self.session.is_none() => {
                debug!(peer = %self.peer, "the peer left before it had opened a virtual host");
            }
            Err(Ended::Socket(None)) => {
                info!(peer = %self.peer, "client closed the socket without closing the connection");
            }
            Err(Ended::Socket(Some(error))) => info!(peer = %self.peer, %error, "socket broke"),
            Err(Ended::Timeout(Timeout::Handshake)) => {
                info!(peer = %self.peer, "handshake took too long");
            }
            Err(Ended::Timeout(Timeout::Heartbeat)) => {
                info!(peer = %self.peer, "missed heartbeats from client");
            }
            Err(Ended::Timeout(Timeout::Close)) => {
                debug!(peer = %self.peer, "the peer did not confirm that the connection is closed");
            }
            Err(Ended::Expired) => info!(peer = %self.peer, "the login has expired"),
            Err(Ended::Stopped) => debug!(peer = %self.peer, "dropped as the broker stops"),
        }
    }

    async fn serve(&mut self) -> Result<(), Ended> {
        let mut timer = Box::pin(tokio::time::sleep(Duration::ZERO));
        let mut armed: Option<Millis> = None;
        let mut stopping = false;
        loop {
            self.follow_alarm();
            if self.hung_up && self.blocked {
                // What it sent would not be looked at for a while, and nobody is there to wait.
                return Err(Ended::Socket(None));
            }
            self.send_output()?;
            self.hand_on();
            self.tell_what_it_is_at();
            if self.amqp.is_finished() {
                if self.unsent() == 0 && !self.lingers && self.handing.is_none() {
                    return Ok(());
                }
                let patience = limits::LAST_WORDS.as_millis() as Millis;
                self.drop_at.get_or_insert(self.shared.now() + patience);
            }
            self.arm(&mut timer, &mut armed);
            let may_read = self.may_read();
            let may_write = self.unsent() > 0;
            // Also when it is not read from, the peer may hang up. `PRIORITY` asks for that: nothing
            // else of it ever comes, as the socket is not registered for urgent data.
            let reading = if may_read { Interest::READABLE } else { Interest::PRIORITY };
            let interest = match (may_read || !self.hung_up, may_write) {
                (true, false) => reading,
                (true, true) => reading | Interest::WRITABLE,
                (false, _) => Interest::WRITABLE,
            };
            tokio::select! {
                // While something waits for the shard, what comes from it gathers, for larger writes.
                Some(told) = self.outbox.recv(), if self.handing.is_none() => self.hear(told),
                ready = self.stream.ready(interest), if may_read || may_write || !self.hung_up => {
                    let ready = ready.map_err(|error| Ended::Socket(Some(error)))?;
                    if ready.is_readable() && may_read {
                        self.read()?;
                    } else if ready.is_read_closed() && !may_read {
                        self.hung_up = true;
                    }
                }
                () = &mut timer, if armed.is_some() => {
                    armed = None;
                    self.keep_time()?;
                }
                () = finished(&mut self.handing), if self.handing.is_some() => self.handed_on(),
                decision = decided(&mut self.deciding), if self.deciding.is_some() => {
                    self.decided(decision);
                }
                changed = self.news.changed() => {
                    let News { stage, alarm } = *self.news.borrow_and_update();
                    self.alarm = alarm;
                    self.stop(stage, changed.is_ok(), &mut stopping)?;
                }
            }
        }
    }

    /// Tells whoever looks at the connection from outside.
    fn tell_what_it_is_at(&self) {
        let state = if self.session.as_ref().is_none_or(|session| session.closed) {
            ConnectionState::Closing
        } else if self.blocked {
            ConnectionState::Blocked
        } else if self.publishes && self.alarm.is_on() {
            ConnectionState::Blocking
        } else if self.handing.is_some() {
            ConnectionState::Flow
        } else {
            ConnectionState::Running
        };
        self.traffic.is_at(state, self.channels.len());
    }

    /// Deliveries that the peer does not take keep nobody from reading its acknowledgements, as
    /// the engine bounds them; replies that it does not take do.
    fn may_read(&self) -> bool {
        self.handing.is_none()
            && self.deciding.is_none()
            && !self.blocked
            && self.reply_bytes < limits::WAITING_REPLY_BYTES
            && self.answer_bytes < limits::WAITING_REPLY_BYTES
            && (self.lingers || !self.amqp.is_finished())
    }

    fn hear(&mut self, told: ToConnection) {
        match told {
            ToConnection::Events(batch) => self.take_events(batch),
            ToConnection::Close(code, text) => self.refuse(code, &text, 0, 0),
            ToConnection::MayImpersonate(may) => self.is_impersonator = may,
        }
    }

    fn take_events(&mut self, batch: Vec<Event>) {
        let replies = batch.iter().filter(|event| !event.is_delivery());
        self.reply_bytes += replies.map(Event::weight).sum::<usize>();
        self.events.push_back(batch.into_iter());
    }

    /// The broker stops: first the peer is told, then there is no more waiting for it.
    fn stop(&mut self, stage: Stage, known: bool, stopping: &mut bool) -> Result<(), Ended> {
        match stage {
            _ if !known => Err(Ended::Stopped),
            Stage::Running => Ok(()),
            Stage::Stopping(code, text) if !*stopping => {
                *stopping = true;
                if self.session.is_none() {
                    return Err(Ended::Stopped);
                }
                self.close(code, text, 0, 0);
                Ok(())
            }
            Stage::Stopping(..) => Ok(()),
            Stage::Stopped => Err(Ended::Stopped),
        }
    }

    /// Sets the timer if the protocol's next deadline is before what it is set to.
    fn arm(&self, timer: &mut Pin<Box<Sleep>>, armed: &mut Option<Millis>) {
        let deadline = self.drop_at.or_else(|| self.amqp.deadline());
        let Some(deadline) = deadline.into_iter().chain(self.expiry_look()).min() else { return };
        if armed.is_none_or(|at| deadline < at) {
            let wait = Duration::from_millis(deadline.saturating_sub(self.shared.now()));
            timer.as_mut().reset(Instant::now() + wait);
            *armed = Some(deadline);
        }
    }

    fn keep_time(&mut self) -> Result<(), Ended> {
        let now = self.shared.now();
        if self.drop_at.is_some_and(|at| at <= now) {
            return Err(Ended::Timeout(Timeout::Close));
        }
        self.expire(now)?;
        if !self.may_read() {
            self.amqp.was_not_read(now);
        }
        if let Some(timeout) = self.amqp.handle_deadline(now) {
            return Err(Ended::Timeout(timeout));
        }
        if self.unsent() == 0 {
            self.amqp.output().shrink_to(limits::IDLE_OUTPUT_BYTES);
            self.unread.shrink_to(0);
        }
        Ok(())
    }

    /// Reads what the socket has, once, and takes the protocol's events out of it.
    fn read(&mut self) -> Result<(), Ended> {
        SCRATCH.with_borrow_mut(|scratch| {
            let kept = self.unread.len();
            if scratch.len() < kept + limits::READ_BYTES {
                scratch.resize(kept + limits::READ_BYTES, 0);
            }
            let (before, room) = scratch.split_at_mut(kept);
            before.copy_from_slice(&self.unread);
            // Polled, because that notes that a read which did not fill the room has emptied the
            // socket; after `try_read` the next turn would ask the kernel just to hear of it.
            let mut room = ReadBuf::new(room);
            let mut nobody = Context::from_waker(Waker::noop());
            let read = match Pin::new(&mut self.stream).poll_read(&mut nobody, &mut room) {
                Poll::Ready(Ok(())) if room.filled().is_empty() => {
                    return Err(Ended::Socket(None));
                }
                Poll::Ready(Ok(())) => room.filled().len(),
                Poll::Pending => return Ok(()),
                Poll::Ready(Err(error)) => return Err(Ended::Socket(Some(error))),
            };
            self.traffic.received(read);
            let input = scratch.get(..kept + read).unwrap_or_default();
            let unsent = self.amqp.output().len();
            let consumed = self.take_input(input);
            self.answer_bytes += self.amqp.output().len().saturating_sub(unsent);
            self.unread.clear();
            self.unread.extend_from_slice(input.get(consumed..).unwrap_or_default());
            Ok(())
        })
    }

    /// Bytes of output that the socket has not taken yet.
    fn unsent(&mut self) -> usize {
        self.amqp.output().len() - self.written
    }

    /// Encodes and writes until there is nothing more or the socket takes nothing more.
    fn send_output(&mut self) -> Result<(), Ended> {
        loop {
            self.encode_events();
            if self.unsent() == 0 {
                break;
            }
            let output = self.amqp.output();
            let rest = output.get(self.written..).unwrap_or_default();
            match self.stream.try_write(rest) {
                Ok(0) => return Err(Ended::Socket(None)),
                Ok(sent) => {
                    self.written += sent;
                    self.traffic.sent(sent, output.len() - self.written);
                    if self.written == output.len() {
                        output.clear();
                        self.written = 0;
                        self.answer_bytes = 0;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(Ended::Socket(Some(error))),
            }
            let now = self.shared.now();
            self.amqp.sent(now);
        }
        Ok(())
    }

    /// Closes the connection for a reason of the broker's.
    fn refuse(&mut self, code: ReplyCode, text: &str, class_id: u16, method_id: u16) {
        self.close(code, text, class_id, method_id);
        info!(peer = %self.peer, code = code.number(), text, "closing connection");
    }

    /// Closes the connection: first the engine ends the session, so that it gives out nothing more
    /// that the peer would not get.
    fn close(&mut self, code: ReplyCode, text: &str, class_id: u16, method_id: u16) {
        if self.session.as_ref().is_some_and(|session| !session.closed) {
            self.closing = Some(Close { code, text: text.to_owned(), class_id, method_id });
            // It ends even if the peer does not read what comes before the close.
            let patience = 2 * limits::LAST_WORDS.as_millis() as Millis;
            self.drop_at.get_or_insert(self.shared.now() + patience);
            self.end_session(true);
        } else if self.closing.is_none() {
            self.amqp.close(code, text, class_id, method_id);
        }
    }

    /// The engine has ended the session.
    fn session_closed(&mut self) {
        match self.closing.take() {
            Some(Close { code, text, class_id, method_id }) => {
                self.drop_at = None;
                self.amqp.close(code, &text, class_id, method_id);
            }
            None => self.amqp.close_ok(),
        }
    }
}
