//! Measures the log: messages a second and processor time a message, for groups of messages that
//! are appended, flushed and synced together, while they are settled and checkpointed behind.
//!
//! ```text
//! cargo run --release -p warren-storage --example append -- FOLDER [seconds]
//! ```

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use smallvec::smallvec;
use warren_amqp::FieldTable;
use warren_engine::{
    Load, Message, MessageBatch, QueueId, QueueRecord, Sequence, VirtualHostId, Write,
};
use warren_storage::{Opened, Options, open};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: append FOLDER [seconds]")?;
    let seconds = arguments.next().map_or(Ok(2), |text| text.parse())?;
    println!("body  group  what           messages/s  CPU us/message");
    for body_bytes in [16, 1_024] {
        for group in [1, 100, 1_000] {
            for sync in [true, false] {
                let folder = PathBuf::from(&folder).join(format!("{body_bytes}-{group}-{sync}"));
                measure(&folder, body_bytes, group, sync, Duration::from_secs(seconds))?;
            }
        }
    }
    Ok(())
}

fn measure(
    folder: &Path,
    body_bytes: usize,
    group: u32,
    sync: bool,
    duration: Duration,
) -> Result<(), Box<dyn Error>> {
    let mut opened = open(folder, Options { spare_segments: 4, ..Options::default() })?;
    let queue = QueueId::new(VirtualHostId(1), 1);
    opened.log.append(&[Write::QueueDeclared(QueueRecord {
        id: queue,
        name: "measured".to_owned(),
        durable: true,
        exclusive: false,
        auto_delete: false,
        paused: false,
        arguments: FieldTable::default(),
    })])?;
    opened.log.flush(true)?;
    while opened.checkpointer.prepare_spare()? {}
    let mut batch = MessageBatch::default();
    for _ in 0..group {
        batch.push("", "measured", &[0x10, 0, 2], &vec![7; body_bytes]);
    }
    let batch = Arc::new(batch);

    let (mut next, mut spent, mut elapsed) = (1, Duration::ZERO, Duration::ZERO);
    while elapsed < duration {
        let writes = group_of(&batch, group, queue, next);
        next += Sequence::from(group);
        // Only the committer's part is measured: checkpoints run on another thread of a server.
        let (wall, processor) = (Instant::now(), processor_time()?);
        opened.log.append(&writes)?;
        opened.log.flush(sync)?;
        elapsed += wall.elapsed();
        spent += processor_time()?.saturating_sub(processor);
        if opened.log.checkpoint_due() {
            checkpoint(&mut opened)?;
        }
    }
    let messages = (next - 1) as f64;
    println!(
        "{body_bytes:>4}  {group:>5}  {:<12} {:>12.0}  {:>14.3}",
        if sync { "append+sync" } else { "append" },
        messages / elapsed.as_secs_f64(),
        spent.as_secs_f64() * 1e6 / messages,
    );
    if group == 1_000 && !sync {
        fill_and_read(&mut opened, &batch, queue, next, body_bytes)?;
    }
    Ok(())
}

/// Publishes a group, and settles a group that came a while before.
fn group_of(batch: &Arc<MessageBatch>, group: u32, queue: QueueId, next: Sequence) -> Vec<Write> {
    let messages = (0..group).filter_map(|index| Message::new(batch, index));
    let mut writes: Vec<Write> = (next..)
        .zip(messages)
        .map(|(sequence, message)| Write::Enqueued {
            message,
            queues: smallvec![(queue, sequence)],
        })
        .collect();
    let behind = u64::from(group) * 10;
    if let Some(last) = next.checked_sub(behind).filter(|last| *last > 0) {
        let first = last.saturating_sub(u64::from(group)).max(1);
        writes.push(Write::Settled { queue, first, last });
    }
    writes
}

fn checkpoint(opened: &mut Opened) -> Result<(), Box<dyn Error>> {
    if let Some(delta) = opened.log.begin_checkpoint()? {
        let outcome = opened.checkpointer.run(&delta)?;
        opened.log.finish_checkpoint(outcome)?;
    }
    while opened.checkpointer.prepare_spare()? {}
    Ok(())
}

/// Leaves a backlog, and reads it back.
fn fill_and_read(
    opened: &mut Opened,
    batch: &Arc<MessageBatch>,
    queue: QueueId,
    first: Sequence,
    body_bytes: usize,
) -> Result<(), Box<dyn Error>> {
    const GROUPS: u64 = 200;
    let mut next = first;
    for _ in 0..GROUPS {
        let mut writes = group_of(batch, 1_000, queue, next);
        writes.truncate(1_000);
        opened.log.append(&writes)?;
        opened.log.flush(false)?;
        next += 1_000;
    }
    let (wall, processor) = (Instant::now(), processor_time()?);
    let delta = opened.log.begin_checkpoint()?.ok_or("nothing changed")?;
    let outcome = opened.checkpointer.run(&delta)?;
    opened.log.finish_checkpoint(outcome)?;
    let messages = (next - first) as f64;
    let report = |what: &str, wall: Instant, processor: Duration| -> Result<(), Box<dyn Error>> {
        let spent = processor_time()?.saturating_sub(processor);
        println!(
            "{body_bytes:>4}         {what:<12} {:>12.0}  {:>14.3}",
            messages / wall.elapsed().as_secs_f64(),
            spent.as_secs_f64() * 1e6 / messages,
        );
        Ok(())
    };
    report("checkpoint", wall, processor)?;
    let (wall, processor) = (Instant::now(), processor_time()?);
    let mut at = first;
    while at < next {
        let loaded = opened.reader.load(
            &Load { queue, first: at, last: next - 1, messages_max: u32::MAX, only: None },
            256 << 10,
        )?;
        at = loaded.through + 1;
    }
    report("load", wall, processor)
}

/// The processor time of this process, user and system.
fn processor_time() -> Result<Duration, Box<dyn Error>> {
    // Nanoseconds on a processor are the first field.
    let text = std::fs::read_to_string("/proc/self/schedstat")?;
    let field = text.split_whitespace().next().ok_or("no processor time")?;
    Ok(Duration::from_nanos(field.parse()?))
}
