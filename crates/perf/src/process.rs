//! What the system knows about processes: CPU time, resident memory, children; and ending them.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::connection::{Connection, Target};
use crate::error::Error;

/// The kernel reports times to user space in hundredths of a second on every Linux architecture.
const MICROSECONDS_PER_TICK: u64 = 10_000;
/// Pause between two looks at a process or a port.
const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// Deepest chain of children that is followed; a guard against a loop in a racing snapshot.
const GENERATIONS_MAX: usize = 32;

/// What a broker has used at one moment, its children included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// User and system time since the process started.
    pub(crate) cpu_microseconds: u64,
    /// Resident memory.
    pub(crate) resident_bytes: u64,
    /// What was given to the disk since the process started, as far as the system tells.
    pub(crate) written_bytes: u64,
}

/// The usage of a process and all its descendants; nothing when there is no process id or the
/// process is gone.
pub(crate) fn usage(pid: Option<u32>) -> Option<Usage> {
    let processes = snapshot();
    let root = pid?;
    processes.get(&root)?;
    let mut total = Usage::default();
    for pid in tree(&processes, root) {
        if let Some(process) = processes.get(&pid) {
            total.cpu_microseconds += process.cpu_ticks * MICROSECONDS_PER_TICK;
            total.resident_bytes += resident_bytes(pid);
            total.written_bytes += written_bytes(pid);
        }
    }
    Some(total)
}

/// What a process holds at one moment, its children not included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Holdings {
    pub(crate) resident_bytes: u64,
    pub(crate) descriptors: u64,
    pub(crate) threads: u64,
}

/// What one process holds; zeros when it is gone.
pub(crate) fn holdings(pid: u32) -> Holdings {
    let count = |what: &str| {
        fs::read_dir(format!("/proc/{pid}/{what}")).map_or(0, |entries| entries.count() as u64)
    };
    let (descriptors, threads) = (count("fd"), count("task"));
    Holdings { resident_bytes: resident_bytes(pid), descriptors, threads }
}

/// Nanoseconds of CPU that the threads of a process and its descendants have used, as exact as the
/// scheduler knows it. Threads that have ended are not in it.
pub(crate) fn cpu_nanoseconds(root: u32) -> u64 {
    let of_task = |task: &Path| {
        let text = fs::read_to_string(task.join("schedstat")).unwrap_or_default();
        text.split_whitespace().next().and_then(|field| field.parse().ok()).unwrap_or(0u64)
    };
    let tasks = tree(&snapshot(), root)
        .into_iter()
        .flat_map(|pid| fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten());
    tasks.map(|task| of_task(&task.path())).sum()
}

/// Nanoseconds of CPU that a thread of a process has used, by its name; nothing if there is none.
pub(crate) fn named_thread_cpu_nanoseconds(pid: u32, name: &str) -> Option<u64> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let mut named = tasks.filter(|task| {
        let comm = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        comm.trim_end() == name
    });
    let text = fs::read_to_string(named.next()?.path().join("schedstat")).ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// Bytes on disk of everything below a folder: what is allocated, not how long the files are.
pub(crate) fn disk_bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => disk_bytes(&entry.path()),
        // The unit is 512 bytes on every file system.
        Ok(metadata) => metadata.blocks() * 512,
        // Files come and go while the broker runs.
        Err(_) => 0,
    });
    sizes.sum()
}

/// The youngest-generation descendant of `root` with this name, or `root` itself.
fn find_in_tree(root: u32, name: &str) -> Option<u32> {
    let processes = snapshot();
    let named = |pid: &u32| processes.get(pid).is_some_and(|process| process.name == name);
    tree(&processes, root).into_iter().rfind(named)
}

/// Nanoseconds of CPU that the calling thread has used.
pub(crate) fn thread_cpu_nanoseconds() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|field| field.parse().ok()).unwrap_or(0)
}

/// Lets sleeps of the calling thread end within microseconds of their time instead of 50 us late.
pub(crate) fn sharpen_sleep() {
    // The file stands under the thread's own number, which the link's last part tells. Without it
    // sleeps are merely less exact, and the lateness is reported.
    if let Ok(link) = fs::read_link("/proc/thread-self")
        && let Some(thread_id) = link.file_name()
    {
        let file = Path::new("/proc").join(thread_id).join("timerslack_ns");
        drop(fs::write(file, "1"));
    }
}

/// A broker that this program started.
#[derive(Debug)]
pub(crate) struct Broker {
    pub(crate) name: String,
    pub(crate) target: Target,
    /// Name of the process that is the broker, when the child is only a script around it.
    process: Option<String>,
    child: Child,
}

impl Broker {
    /// Starts a process and waits until one can log in.
    ///
    /// # Errors
    /// When the process cannot start, ends, or does not answer within `seconds`.
    pub(crate) fn start(
        name: &str,
        command: &mut Command,
        target: &Target,
        process: Option<&str>,
        seconds: u64,
    ) -> Result<Self, Error> {
        let child = command
            .stdin(Stdio::null())
            .spawn()
            .map_err(|e| Error::io(format!("start {name} ({command:?})"), e))?;
        let mut broker = Self {
            name: name.to_owned(),
            target: target.clone(),
            process: process.map(str::to_owned),
            child,
        };
        match broker.wait_until_ready(seconds) {
            Ok(()) => Ok(broker),
            Err(error) => {
                broker.kill()?;
                Err(error)
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn wait_until_ready(&mut self, seconds: u64) -> Result<(), Error> {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < deadline {
            if let Some(status) = self.exit_status()? {
                return Err(Error::ProcessEnded { what: self.name.clone(), status });
            }
            if let Ok(connection) = Connection::open(&self.target) {
                return connection.close();
            }
            thread::sleep(POLL_INTERVAL);
        }
        Err(Error::Timeout { what: format!("a login to {}", self.name), seconds })
    }

    /// Ends the broker in order; after `seconds` with force.
    pub(crate) fn stop(&mut self, seconds: u64) -> Result<(), Error> {
        signal(self.main_pid(), "-TERM");
        let deadline = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < deadline {
            if self.exit_status()?.is_some() {
                return Ok(());
            }
            thread::sleep(POLL_INTERVAL);
        }
        self.kill()
    }

    /// SIGKILL to the broker: the child, or its descendant of the given name.
    pub(crate) fn kill(&mut self) -> Result<(), Error> {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return Ok(());
        }
        let pid = self.main_pid();
        if pid != self.child.id() {
            signal(pid, "-KILL");
        }
        // Killing a child that has already ended is no mistake.
        drop(self.child.kill());
        self.child.wait().map_err(|e| Error::io(format!("wait for {}", self.name), e))?;
        Ok(())
    }

    fn main_pid(&self) -> u32 {
        let child = self.child.id();
        self.process.as_ref().and_then(|name| find_in_tree(child, name)).unwrap_or(child)
    }

    fn exit_status(&mut self) -> Result<Option<String>, Error> {
        let status = self.child.try_wait();
        let status = status.map_err(|e| Error::io(format!("wait for {}", self.name), e))?;
        Ok(status.map(|status| status.to_string()))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // No broker outlives a run that failed halfway.
        drop(self.kill());
    }
}

/// Sends a signal with the system's own `kill`, since this program contains no unsafe code.
fn signal(pid: u32, signal: &str) {
    drop(Command::new("kill").args([signal, &pid.to_string()]).stderr(Stdio::null()).status());
}

struct Process {
    name: String,
    parent: u32,
    cpu_ticks: u64,
}

fn snapshot() -> HashMap<u32, Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return HashMap::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter_map(|pid| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            Some((pid, parse_stat(&stat)?))
        })
        .collect()
}

/// Reads a line of `/proc/PID/stat`. The name stands in parentheses and may hold any character, so
/// fields are counted from the last closing one. The times of ended children are in the sum.
fn parse_stat(stat: &str) -> Option<Process> {
    let (before, after) = stat.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    let fields: Vec<&str> = after.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let cpu_ticks = number(11)? + number(12)? + number(13)? + number(14)?;
    let parent = u32::try_from(number(1)?).ok()?;
    Some(Process { name: name.to_owned(), parent, cpu_ticks })
}

/// `root` and its descendants, parents before children.
fn tree(processes: &HashMap<u32, Process>, root: u32) -> Vec<u32> {
    let mut found = vec![root];
    let mut generation = vec![root];
    for _ in 0..GENERATIONS_MAX {
        generation = processes
            .iter()
            .filter(|(_, process)| generation.contains(&process.parent))
            .map(|(pid, _)| *pid)
            .collect();
        if generation.is_empty() {
            break;
        }
        found.extend(&generation);
    }
    found
}

fn written_bytes(pid: u32) -> u64 {
    let io = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes:"));
    line.and_then(|line| line.trim().parse().ok()).unwrap_or(0)
}

fn resident_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_even_when_the_name_holds_parentheses() {
        let line = "42 (a (b) c) S 7 1 1 0 -1 0 0 0 0 0 10 20 3 4 20 0 1 0 5";
        let process = parse_stat(line).unwrap();
        assert_eq!((process.name.as_str(), process.parent), ("a (b) c", 7));
        assert_eq!(process.cpu_ticks, 37);
    }

    #[test]
    fn children_are_found_below_their_ancestors() {
        let process = |parent| Process { name: "x".to_owned(), parent, cpu_ticks: 0 };
        let processes =
            HashMap::from([(1, process(0)), (2, process(1)), (3, process(2)), (9, process(8))]);
        assert_eq!(tree(&processes, 1), [1, 2, 3]);
        assert_eq!(tree(&processes, 2), [2, 3]);
    }

    #[test]
    fn the_usage_of_this_process_can_be_read() {
        let usage = usage(Some(std::process::id())).unwrap();
        assert!(usage.resident_bytes > 100_000);
        assert_eq!(super::usage(None), None);
    }
}
