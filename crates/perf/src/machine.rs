//! What the measurements ran on, as far as the system tells.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// The machine and the moment, in words for the document.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) processor: String,
    pub(crate) memory: String,
    pub(crate) kernel: String,
    pub(crate) file_system: String,
    pub(crate) date: String,
    pub(crate) command: String,
}

/// Describes this machine; `dir` is where the brokers keep their data.
pub(crate) fn describe(dir: &Path) -> Machine {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    Machine {
        cores: thread::available_parallelism().map_or(0, usize::from),
        processor: field(&read("/proc/cpuinfo"), "model name"),
        memory: memory(&field(&read("/proc/meminfo"), "MemTotal")),
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        file_system: file_system(&read("/proc/mounts"), &dir),
        date: date(now.as_secs() / 86_400),
        command: command_line(std::env::args()),
    }
}

/// The value of a line `name : value`.
fn field(text: &str, name: &str) -> String {
    let value = text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    });
    value.unwrap_or_else(|| "unknown".to_owned())
}

/// `24604852 kB` in gibibytes.
fn memory(total: &str) -> String {
    let kib = total.split_whitespace().next().and_then(|number| number.parse::<f64>().ok());
    kib.map_or_else(|| total.to_owned(), |kib| format!("{:.1} GiB", kib / f64::from(1 << 20)))
}

/// The type of the file system that holds `dir`: that of the longest mount point above it.
fn file_system(mounts: &str, dir: &Path) -> String {
    let above = mounts.lines().filter_map(|line| {
        let mut fields = line.split_whitespace();
        let (_, point, kind) = (fields.next()?, fields.next()?, fields.next()?);
        dir.starts_with(point).then_some((point.len(), kind))
    });
    // Of two mounts on the same point the later one is seen.
    above.max_by_key(|(length, _)| *length).map_or("unknown", |(_, kind)| kind).to_owned()
}

/// The program by its name alone, and its arguments.
fn command_line(mut arguments: impl Iterator<Item = String>) -> String {
    let program = arguments.next().unwrap_or_default();
    let name = Path::new(&program).file_name().and_then(|name| name.to_str()).unwrap_or("perf");
    arguments.fold(name.to_owned(), |line, argument| format!("{line} {argument}"))
}

/// A day since 1 January 1970 as year-month-day, by the Gregorian calendar's cycles: 400 years have
/// 146,097 days, and a year that begins in March has its leap day at the end.
fn date(day: u64) -> String {
    let day = day + 719_468;
    let era = day / 146_097;
    let of_era = day % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day_of_month = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year}-{month:02}-{day_of_month:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates_across_leap_years() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(11_016), "2000-02-29");
        assert_eq!(date(19_782), "2024-02-29");
        assert_eq!(date(19_783), "2024-03-01");
        assert_eq!(date(20_088), "2024-12-31");
    }

    #[test]
    fn the_file_system_is_that_of_the_longest_mount_point() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/b /tmp/x xfs rw 0 0\n";
        assert_eq!(file_system(mounts, Path::new("/tmp/y")), "tmpfs");
        assert_eq!(file_system(mounts, Path::new("/tmp/x/z")), "xfs");
        assert_eq!(file_system(mounts, Path::new("/tmpfoo")), "ext4");
    }

    #[test]
    fn the_command_line_names_the_program_without_its_folder() {
        let arguments = ["/a/b/perf", "compare", "--quick"].map(str::to_owned);
        assert_eq!(command_line(arguments.into_iter()), "perf compare --quick");
    }
}
