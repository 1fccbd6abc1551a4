//! Measures a large backlog: the peak of memory and the processor time a message while it is
//! filled, found again after a crash, drained in order, and acknowledged in random order, with
//! checkpoints on a thread of their own.
//!
//! ```text
//! cargo run --release -p warren-storage --example backlog -- FOLDER [messages] [fill | open]
//! ```
//!
//! With `fill` it fills and ends like a process that is killed; with `open` it only opens.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use smallvec::smallvec;
use warren_amqp::FieldTable;
use warren_engine::{Load, Message, MessageBatch, QueueId, QueueRecord, VirtualHostId, Write};
use warren_storage::{Checkpointed, Delta, Log, Opened, Options, Reader, open};

/// Messages of one group of writes.
const GROUP: u64 = 1_000;

type Failure = Box<dyn Error + Send + Sync>;

/// The committer's end: its log, and the checkpoint thread.
struct Committer {
    log: Log,
    deltas: mpsc::Sender<Delta>,
    done: mpsc::Receiver<Checkpointed>,
    running: bool,
    checkpoints: u64,
}

impl Committer {
    fn write(&mut self, writes: &[Write]) -> Result<(), Failure> {
        self.log.append(writes)?;
        self.log.flush(false)?;
        self.turn(false)
    }

    fn turn(&mut self, wanted: bool) -> Result<(), Failure> {
        if self.running
            && let Ok(outcome) = self.done.try_recv()
        {
            self.log.finish_checkpoint(outcome)?;
            self.running = false;
        }
        if !self.running
            && (wanted || self.log.checkpoint_due())
            && let Some(delta) = self.log.begin_checkpoint()?
        {
            self.deltas.send(delta)?;
            self.running = true;
            self.checkpoints += 1;
        }
        Ok(())
    }

    fn last(&mut self) -> Result<(), Failure> {
        for _ in 0..2 {
            if self.running {
                self.log.finish_checkpoint(self.done.recv()?)?;
                self.running = false;
            }
            self.turn(true)?;
        }
        if self.running {
            self.log.finish_checkpoint(self.done.recv()?)?;
            self.running = false;
        }
        Ok(())
    }
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("usage: backlog FOLDER [messages]")?);
    let messages: u64 = arguments.next().map_or(Ok(10_000_000), |text| text.parse())?;
    println!("what              messages/s  CPU us/message  peak MB  checkpoints  redb MB");
    match arguments.next().as_deref() {
        Some("open") => return phase(&folder, "open", messages, |_, _| Ok(())),
        Some("fill") => phase(&folder, "fill", messages, |committer, _| {
            fill(committer, messages)?;
            std::process::abort()
        })?,
        _ => phase(&folder, "fill", messages, |committer, _| fill(committer, messages))?,
    }
    phase(&folder, "drain in order", messages, |committer, reader| {
        drain(committer, reader, messages)
    })?;
    phase(&folder, "fill again", messages, |committer, _| fill(committer, messages))?;
    phase(&folder, "settle at random", messages, |committer, _| scatter(committer, messages))
}

/// Opens the store, runs `work`, and leaves it without a last checkpoint.
fn phase(
    folder: &Path,
    what: &str,
    messages: u64,
    work: impl FnOnce(&mut Committer, &Reader) -> Result<(), Failure>,
) -> Result<(), Failure> {
    // Begins the peak of memory anew.
    std::fs::write("/proc/self/clear_refs", "5")?;
    let started = Instant::now();
    let Opened { log, mut checkpointer, reader, recovered, report } =
        open(folder, Options::default())?;
    let waiting: u64 = recovered.queues.iter().map(|queue| queue.waiting.messages).sum();
    let replayed = report.replayed_bytes >> 20;
    println!(
        "open: {:?} with {waiting} messages, {replayed} MB replayed, peak {} MB",
        started.elapsed(),
        peak()?,
    );
    let (deltas, inbox) = mpsc::channel::<Delta>();
    let (outbox, done) = mpsc::channel();
    let checkpoints = std::thread::spawn(move || -> Result<(), warren_storage::Error> {
        let mut idle = false;
        loop {
            let delta = if idle { inbox.recv().ok() } else { inbox.try_recv().ok() };
            match delta {
                Some(delta) => {
                    let outcome = checkpointer.run(&delta)?;
                    drop(delta);
                    idle = outbox.send(outcome).is_err();
                }
                None if idle => break,
                None => idle = !checkpointer.prepare_spare()?,
            }
        }
        Ok(())
    });
    let mut committer = Committer { log, deltas, done, running: false, checkpoints: 0 };
    let (wall, processor) = (Instant::now(), processor_time()?);
    work(&mut committer, &reader)?;
    let (wall, spent) = (wall.elapsed(), processor_time()?.saturating_sub(processor));
    println!(
        "{what:<16} {:>11.0}  {:>14.3}  {:>7}  {:>11}  {:>7}",
        messages as f64 / wall.as_secs_f64(),
        spent.as_secs_f64() * 1e6 / messages as f64,
        peak()?,
        committer.checkpoints,
        std::fs::metadata(folder.join("warren.redb"))?.len() >> 20,
    );
    drop(committer);
    checkpoints.join().map_err(|_| "the checkpoint thread failed")??;
    Ok(())
}

fn queue() -> QueueId {
    QueueId::new(VirtualHostId(1), 1)
}

fn fill(committer: &mut Committer, messages: u64) -> Result<(), Failure> {
    committer.write(&[Write::QueueDeclared(QueueRecord {
        id: queue(),
        name: "measured".to_owned(),
        durable: true,
        exclusive: false,
        auto_delete: false,
        paused: false,
        arguments: FieldTable::default(),
    })])?;
    let mut batch = MessageBatch::default();
    for _ in 0..GROUP {
        batch.push("", "measured", &[0x10, 0, 2], &[7; 100]);
    }
    let batch = Arc::new(batch);
    for first in (1..=messages).step_by(GROUP as usize) {
        let contents = (0..GROUP as u32).filter_map(|index| Message::new(&batch, index));
        let writes: Vec<Write> = (first..)
            .zip(contents)
            .map(|(at, message)| Write::Enqueued { message, queues: smallvec![(queue(), at)] })
            .collect();
        committer.write(&writes)?;
    }
    Ok(())
}

fn drain(committer: &mut Committer, reader: &Reader, messages: u64) -> Result<(), Failure> {
    let (mut first, mut found) = (1, 0);
    while first <= messages {
        let load = Load { queue: queue(), first, last: messages, messages_max: 2_048, only: None };
        let loaded = reader.load(&load, 1 << 20)?;
        found += loaded.messages.len() as u64;
        let last = loaded.through;
        committer.write(&[Write::Settled { queue: queue(), first, last }])?;
        first = last + 1;
    }
    if found != messages {
        return Err(format!("{found} of {messages} messages were found").into());
    }
    committer.last()
}

/// Settles all messages one by one, in an order without any locality.
fn scatter(committer: &mut Committer, messages: u64) -> Result<(), Failure> {
    // Prime to every power of ten, so that each place comes once.
    const STRIDE: u64 = 7_368_787;
    let mut at = 0;
    for _ in (0..messages).step_by(GROUP as usize) {
        let writes: Vec<Write> = (0..GROUP)
            .map(|_| {
                at = (at + STRIDE) % messages;
                Write::Settled { queue: queue(), first: at + 1, last: at + 1 }
            })
            .collect();
        committer.write(&writes)?;
    }
    committer.last()
}

/// The peak of resident memory, in MB.
fn peak() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes >> 10)
}

/// The processor time of this process, user and system, all threads.
fn processor_time() -> Result<Duration, Failure> {
    // Fields 14 and 15 behind the name, in ticks of 10 ms.
    let text = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = text.rsplit_once(')').ok_or("no processor time")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    Ok(Duration::from_millis(ticks.sum::<Result<u64, _>>()? * 10))
}
