//! What all threads of a soak share: the lanes of messages, their books, and whether the broker is
//! being restarted.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::ledger::{Ledger, Sent};
use crate::connection::{CHANNEL, Connection, Declare, Target};
use crate::encode::Arguments;
use crate::error::Error;
use crate::methods;
use crate::producer::is_timeout;
use crate::run::Run;

/// Longest wait for a restarted broker, or for an answer to a close.
const WAIT_MAX: Duration = Duration::from_secs(120);
/// How often a thread looks whether the broker is back.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// How the messages of one publisher go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lane {
    /// Name and type; the empty name is the default exchange.
    pub(super) exchange: (&'static str, &'static str),
    pub(super) binding_key: &'static str,
    pub(super) routing_key: &'static str,
    pub(super) queues: &'static [&'static str],
    pub(super) durable: bool,
    pub(super) persistent: bool,
    pub(super) confirms: bool,
    pub(super) size_max: u64,
    /// Of a hundred messages, so many are of this lane.
    pub(super) share: u64,
}

const PLAIN: Lane = Lane {
    exchange: ("", ""),
    binding_key: "",
    routing_key: "",
    queues: &[],
    durable: true,
    persistent: true,
    confirms: true,
    size_max: 512,
    share: 0,
};

/// Every kind of exchange and of durability.
pub(super) const LANES: [Lane; 7] = [
    Lane { routing_key: "soak-orders", queues: &["soak-orders"], share: 25, ..PLAIN },
    Lane {
        exchange: ("soak-fanout", "fanout"),
        queues: &["soak-copy-a", "soak-copy-b"],
        size_max: 1024,
        share: 10,
        ..PLAIN
    },
    Lane {
        exchange: ("soak-topic", "topic"),
        binding_key: "soak.*.price",
        routing_key: "soak.beans.price",
        queues: &["soak-prices"],
        share: 20,
        ..PLAIN
    },
    Lane { exchange: ("soak-headers", "headers"), queues: &["soak-headers"], share: 10, ..PLAIN },
    Lane {
        exchange: ("soak-direct", "direct"),
        binding_key: "transient",
        routing_key: "transient",
        queues: &["soak-transient"],
        persistent: false,
        share: 20,
        ..PLAIN
    },
    Lane {
        routing_key: "soak-gone",
        queues: &["soak-gone"],
        durable: false,
        persistent: false,
        confirms: false,
        share: 14,
        ..PLAIN
    },
    Lane {
        routing_key: "soak-large",
        queues: &["soak-large"],
        size_max: 64 * 1024,
        share: 1,
        ..PLAIN
    },
];

/// One queue with its book.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) name: &'static str,
    pub(super) lane: usize,
    pub(super) ledger: Mutex<Ledger>,
}

/// Everything that is shared.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) target: Target,
    /// Messages a second of all lanes together.
    pub(super) rate: u64,
    pub(super) run: Run,
    /// What each lane has sent.
    pub(super) sent: Vec<Mutex<Sent>>,
    pub(super) queues: Vec<Queue>,
    /// The load is over: publishers end, consumers behave well until everything is empty.
    pub(super) draining: AtomicBool,
    restarting: AtomicBool,
    restarts: AtomicU64,
    kills: AtomicU64,
    /// What other threads did, for the summary.
    pub(super) broken_connections: AtomicU64,
    pub(super) visits: AtomicU64,
}

/// Which broker a connection was made to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Era {
    pub(super) restarts: u64,
    pub(super) kills: u64,
}

/// Takes a lock; a thread that failed while holding it has stopped the run.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(target: Target, rate: u64) -> Self {
        let of_lane = |(lane, what): (usize, &Lane)| {
            let publisher = u32::try_from(lane).unwrap_or(u32::MAX);
            let survives = what.durable && what.persistent;
            what.queues.iter().map(move |name| Queue {
                name,
                lane,
                ledger: Mutex::new(Ledger::new(publisher, survives)),
            })
        };
        Self {
            target,
            rate,
            run: Run::default(),
            sent: LANES.iter().map(|_| Mutex::default()).collect(),
            queues: LANES.iter().enumerate().flat_map(of_lane).collect(),
            draining: AtomicBool::new(false),
            restarting: AtomicBool::new(false),
            restarts: AtomicU64::new(0),
            kills: AtomicU64::new(0),
            broken_connections: AtomicU64::new(0),
            visits: AtomicU64::new(0),
        }
    }

    /// What a lane has sent.
    pub(super) fn sent(&self, lane: usize) -> Option<MutexGuard<'_, Sent>> {
        self.sent.get(lane).map(lock)
    }

    pub(super) fn over(&self) -> bool {
        self.run.stopped() || self.draining.load(Ordering::Relaxed)
    }

    /// Waits until the broker is there. Returns which one it is.
    pub(super) fn wait_up(&self) -> Era {
        let deadline = Instant::now() + WAIT_MAX;
        while self.restarting.load(Ordering::SeqCst)
            && !self.run.stopped()
            && Instant::now() < deadline
        {
            thread::sleep(LOOK_INTERVAL);
        }
        self.era()
    }

    fn era(&self) -> Era {
        Era {
            restarts: self.restarts.load(Ordering::SeqCst),
            kills: self.kills.load(Ordering::SeqCst),
        }
    }

    /// From now on broken connections are what is wanted.
    pub(super) fn begin_restart(&self, killed: bool) {
        self.restarting.store(true, Ordering::SeqCst);
        self.restarts.fetch_add(1, Ordering::SeqCst);
        self.kills.fetch_add(u64::from(killed), Ordering::SeqCst);
    }

    /// The broker has gone: every book is told. Whoever connected in its last moments sees another
    /// era now.
    pub(super) fn broker_is_down(&self, killed: bool) {
        self.restarts.fetch_add(1, Ordering::SeqCst);
        self.kills.fetch_add(u64::from(killed), Ordering::SeqCst);
        for queue in &self.queues {
            if let Some(sent) = self.sent(queue.lane) {
                lock(&queue.ledger).restarted(&sent, killed);
            }
        }
    }

    pub(super) fn end_restart(&self) {
        self.restarting.store(false, Ordering::SeqCst);
    }

    /// Takes the end of a connection: a failure is one only when no restart explains it.
    pub(super) fn judge(&self, era: Era, result: Result<(), Error>) {
        let Err(error) = result else { return };
        self.broken_connections.fetch_add(1, Ordering::Relaxed);
        if self.era() == era && !self.restarting.load(Ordering::SeqCst) {
            self.run.fail(error);
        } else {
            thread::sleep(LOOK_INTERVAL);
        }
    }

    /// Declares exchanges, queues and bindings; what is there already stays.
    pub(super) fn declare(&self) -> Result<(), Error> {
        let mut connection = Connection::open(&self.target)?;
        for lane in LANES {
            let (exchange, kind) = lane.exchange;
            if !exchange.is_empty() {
                connection.declare_exchange(exchange, kind)?;
            }
            for queue in lane.queues {
                let declare = if lane.durable { Declare::Durable } else { Declare::Transient };
                connection.declare_queue(queue, declare)?;
                if !exchange.is_empty() {
                    connection.bind(queue, exchange, lane.binding_key)?;
                }
            }
        }
        connection.close()
    }

    /// Waits until the broker knows that a queue has no consumer any more.
    pub(super) fn wait_for_no_consumer(&self, queue: &str) -> Result<(), Error> {
        let mut connection = Connection::open(&self.target)?;
        let deadline = Instant::now() + WAIT_MAX;
        while Instant::now() < deadline && !self.run.stopped() {
            let (_, consumers) = connection.declare_and_count(queue, Declare::Passive)?;
            if consumers == 0 {
                return connection.close();
            }
            thread::sleep(LOOK_INTERVAL);
        }
        let what = format!("the end of the consumer of {queue}");
        Err(Error::Timeout { what, seconds: WAIT_MAX.as_secs() })
    }
}

/// Closes a connection in order while deliveries may still come, which are not looked at.
pub(super) fn close_in_order(connection: &mut Connection) -> Result<(), Error> {
    let close = Arguments::new().short(200).short_string("done").short(0).short(0);
    write(connection, &close.frame(0, methods::CONNECTION_CLOSE))?;
    let deadline = Instant::now() + WAIT_MAX;
    while Instant::now() < deadline {
        while let Some(frame) = connection.reader.next()? {
            if frame.method() == Some(methods::CONNECTION_CLOSE_OK) {
                return Ok(());
            }
        }
        match connection.reader.fill(&mut connection.stream) {
            Ok(0) => return Err(Error::Disconnected { during: "closing in order" }),
            Ok(_) => {}
            Err(error) if is_timeout(&error) => {}
            Err(error) => return Err(Error::io("read from the broker", error)),
        }
    }
    Err(Error::Timeout { what: "an answer to a close".to_owned(), seconds: WAIT_MAX.as_secs() })
}

/// Writes everything, over poll intervals.
pub(super) fn write(connection: &mut Connection, bytes: &[u8]) -> Result<(), Error> {
    use std::io::Write;
    let mut rest = bytes;
    let deadline = Instant::now() + WAIT_MAX;
    while !rest.is_empty() {
        match connection.stream.write(rest) {
            Ok(0) => return Err(Error::Disconnected { during: "writing" }),
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(error) if is_timeout(&error) && Instant::now() < deadline => {}
            Err(error) => return Err(Error::io("write to the broker", error)),
        }
    }
    Ok(())
}

/// `basic.nack`.
pub(super) fn nack_frame(delivery_tag: u64, multiple: bool, requeue: bool) -> Vec<u8> {
    let bits = u8::from(multiple) | u8::from(requeue) << 1;
    Arguments::new().long_long(delivery_tag).octet(bits).frame(CHANNEL, methods::BASIC_NACK)
}

/// `basic.reject`.
pub(super) fn reject_frame(delivery_tag: u64, requeue: bool) -> Vec<u8> {
    let requeue = u8::from(requeue);
    Arguments::new().long_long(delivery_tag).octet(requeue).frame(CHANNEL, methods::BASIC_REJECT)
}
