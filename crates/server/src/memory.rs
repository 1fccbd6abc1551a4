//! What the system tells of the process and the machine: above all how much memory the process has,
//! and how much it may have.

use std::fs;
use std::path::Path;

use crate::limits;

/// Resident memory of this process, in bytes; None where the system does not tell.
pub(crate) fn resident_bytes() -> Option<u64> {
    kibibytes(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

/// Files and sockets that this process has open; None where the system does not tell.
pub(crate) fn open_files() -> Option<u64> {
    // Newer kernels tell the number as the size, without a look at each of them.
    let count = fs::metadata("/proc/self/fd").ok()?.len();
    match count {
        0 => Some(fs::read_dir("/proc/self/fd").ok()?.count() as u64),
        count => Some(count),
    }
}

/// How many files and sockets this process may have open; None where the system does not tell.
pub(crate) fn open_files_limit() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/limits").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Threads of this process; None where the system does not tell.
pub(crate) fn threads() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Threads:"))?;
    line.trim().parse().ok()
}

/// Threads that the system may have; None where it does not tell.
pub(crate) fn threads_limit() -> Option<u64> {
    fs::read_to_string("/proc/sys/kernel/threads-max").ok()?.trim().parse().ok()
}

/// The name of this machine; None where the system does not tell.
pub(crate) fn host_name() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?.trim().to_owned();
    Some(name).filter(|name| !name.is_empty())
}

/// The limit that holds if none is configured, in bytes: a part of what the machine has or, if
/// that is less, the control group (a container). 0, which is none, where the system does not tell.
pub(crate) fn default_limit() -> u64 {
    let machine = fs::read_to_string("/proc/meminfo").ok();
    let machine = machine.and_then(|text| kibibytes(&text, "MemTotal:"));
    let available = machine.into_iter().chain(control_group_limit()).min().unwrap_or(0);
    available / 100 * limits::MEMORY_PERCENT
}

/// The number behind `key` in a file of the kernel's that has lines like `VmRSS:  1234 kB`.
fn kibibytes(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with(key))?;
    let number: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    number.checked_mul(1024)
}

/// The least limit of the control groups that this process is in, of either version.
fn control_group_limit() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let root = Path::new("/sys/fs/cgroup");
    // A container often sees its own group as the root.
    let second = root.join(group);
    let second = second.ancestors().filter(|folder| folder.starts_with(root));
    let second = second.map(|folder| folder.join("memory.max"));
    let first = root.join("memory/memory.limit_in_bytes");
    // Without a limit the file says `max`, or a number larger than any machine.
    let limits = second.chain([first]).filter_map(|file| fs::read_to_string(file).ok());
    limits.filter_map(|text| text.trim().parse().ok()).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_in_the_kernels_files() {
        let text = "Name:\twarren\nVmPeak:\t  900 kB\nVmRSS:\t  1234 kB\n";
        assert_eq!(kibibytes(text, "VmRSS:"), Some(1234 * 1024));
        assert_eq!(kibibytes(text, "VmSwap:"), None);
        assert_eq!(kibibytes("VmRSS: many kB", "VmRSS:"), None);
    }

    #[test]
    fn the_default_limit_is_below_what_the_machine_has_and_above_what_a_broker_takes() {
        let machine = fs::read_to_string("/proc/meminfo").unwrap();
        let limit = default_limit();
        assert!(limit < kibibytes(&machine, "MemTotal:").unwrap());
        assert!(limit > resident_bytes().unwrap(), "{limit}");
    }
}
