//! The loads, one module each, and what they share: options and the queues they use.

pub(crate) mod api;
pub(crate) mod backlog;
pub(crate) mod churn;
pub(crate) mod connections;
pub(crate) mod fanout;
pub(crate) mod latency;
mod plan;
pub(crate) mod queues;
pub(crate) mod rawlog;
pub(crate) mod throughput;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::brokers::Peer;
use crate::connection::{Connection, Declare, Target};
use crate::error::Error;
use crate::run::Run;

/// Options of every command that talks to a running broker.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Common {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Process id of the broker: reports its CPU time a message and its memory, children included.
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// Data folder of the broker: reports what is on disk.
    #[arg(long)]
    pub(crate) data_dir: Option<PathBuf>,
    /// Print JSON instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

impl Common {
    /// A broker that this program started.
    pub(crate) fn of(peer: &Peer) -> Self {
        Self {
            target: peer.broker.target.clone(),
            pid: Some(peer.broker.pid()),
            data_dir: Some(peer.launch.data_dir()),
            json: false,
        }
    }
}

/// Queues of one load, all with names of their own, so that runs never meet.
#[derive(Debug)]
pub(crate) struct Topology {
    pub(crate) queues: Vec<String>,
    /// A fanout exchange bound to every queue; without it producers use the default exchange.
    pub(crate) exchange: Option<String>,
}

impl Topology {
    /// Declares `queues` queues, and a fanout exchange over them when asked for.
    pub(crate) fn create(
        control: &mut Connection,
        queues: usize,
        declare: Declare,
        fanout: bool,
    ) -> Result<Self, Error> {
        let prefix = unique_name();
        let exchange = fanout.then(|| format!("{prefix}-fanout"));
        if let Some(exchange) = &exchange {
            control.declare_exchange(exchange, "fanout")?;
        }
        let queues: Vec<String> = (0..queues).map(|number| format!("{prefix}-{number}")).collect();
        for queue in &queues {
            control.declare_queue(queue, declare)?;
            if let Some(exchange) = &exchange {
                control.bind(queue, exchange, "")?;
            }
        }
        Ok(Self { queues, exchange })
    }

    /// Deletes everything again.
    pub(crate) fn delete(&self, control: &mut Connection) -> Result<(), Error> {
        for queue in &self.queues {
            control.delete_queue(queue)?;
        }
        match &self.exchange {
            Some(exchange) => control.delete_exchange(exchange),
            None => Ok(()),
        }
    }

    /// The queues of the consumer with this number, spread as evenly as possible. With more
    /// consumers than queues several share one.
    pub(crate) fn queues_of(&self, consumer: usize, consumers: usize) -> Vec<String> {
        let queues = self.queues.len().max(1);
        if consumers >= queues {
            return self.queues.get(consumer % queues).cloned().into_iter().collect();
        }
        self.queues.iter().skip(consumer).step_by(consumers).cloned().collect()
    }

    /// Exchange and routing key of the producer with this number.
    pub(crate) fn destination(&self, producer: usize) -> (&str, &str) {
        match &self.exchange {
            Some(exchange) => (exchange, ""),
            None => {
                let queue = self.queues.get(producer % self.queues.len().max(1));
                ("", queue.map_or("", String::as_str))
            }
        }
    }
}

/// The result of a load: its own failure before that of cleaning up after it.
pub(crate) fn finish<T>(
    run: &Run,
    outcome: Result<T, Error>,
    cleaned: Result<(), Error>,
) -> Result<T, Error> {
    run.result()?;
    let outcome = outcome?;
    cleaned.map(|()| outcome)
}

/// A name that no other load on this machine uses.
pub(crate) fn unique_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("warren-perf-{}-{number}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topology(queues: usize) -> Topology {
        Topology { queues: (0..queues).map(|n| format!("q{n}")).collect(), exchange: None }
    }

    #[test]
    fn consumers_share_out_all_queues() {
        let topology = topology(5);
        assert_eq!(topology.queues_of(0, 2), ["q0", "q2", "q4"]);
        assert_eq!(topology.queues_of(1, 2), ["q1", "q3"]);
        assert_eq!(topology.queues_of(6, 7), ["q1"]);
    }

    #[test]
    fn producers_take_turns_over_queues() {
        let topology = topology(2);
        assert_eq!(topology.destination(0), ("", "q0"));
        assert_eq!(topology.destination(3), ("", "q1"));
    }
}
