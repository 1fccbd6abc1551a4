//! Writes the comparison as Markdown.

use super::machine::Machine;
use super::{CaseResult, Results, Row};
use crate::load::rawlog::RawlogOutcome;
use crate::report;

/// The whole document.
pub(super) fn render(results: &Results, machine: &Machine) -> String {
    let mut out = introduction(results, machine);
    for case in &results.cases {
        out.push_str(&case_table(case));
    }
    out.push_str(&memory_table(results));
    out.push_str(&rawlog_table(results));
    out
}

fn introduction(results: &Results, machine: &Machine) -> String {
    format!(
        "# Benchmarks\n\n\
         Warren {warren} and RabbitMQ {rabbitmq}, measured on one machine by the load generator in \
         `crates/perf`. This page is written by it:\n\n\
         ```\n{command}\n```\n\n\
         | machine | |\n|---|---|\n\
         | date | {date} |\n\
         | processor | {processor}, {cores} cores |\n\
         | memory | {memory} |\n\
         | kernel | Linux {kernel} |\n\
         | file system of the data | {file_system} |\n\n\
         Both brokers run on this machine with empty data folders and their default settings, \
         RabbitMQ without plugins. The load generator runs on the same cores. Only one broker is \
         loaded at a time; the other stays up and idle. Every load runs on Warren and then on \
         RabbitMQ; rounds of all loads: {rounds}, seconds of each run: {seconds}. \
         Tables show the median and, in brackets, the smallest and largest value. \
         The ratio is Warren's median divided by RabbitMQ's: above 1 is better for rates, below 1 \
         is better for CPU time, latency and memory.\n\n\
         CPU time is that of the broker's processes, user and system, for each message delivered \
         (published when nothing is consumed), each copy of a fanout, or each operation. Latency \
         is measured open loop: messages are sent at planned times, and the time counts from the \
         plan. One churn operation is both halves: making a thing and taking it away.\n",
        warren = results.warren.version,
        rabbitmq = results.rabbitmq.version,
        command = machine.command,
        date = machine.date,
        processor = machine.processor,
        cores = machine.cores,
        memory = machine.memory,
        kernel = machine.kernel,
        file_system = machine.file_system,
        rounds = results.rounds,
        seconds = results.seconds,
    )
}

const HEADER: &str = "| | Warren | RabbitMQ | ratio |\n|---|---:|---:|---:|\n";

fn case_table(case: &CaseResult) -> String {
    let mut out = format!("\n## {}\n\n{HEADER}", case.title);
    for row in &case.rows {
        out.push_str(&case_row(row));
    }
    out
}

fn case_row(row: &Row) -> String {
    let (warren, rabbitmq) = (median(&row.warren), median(&row.rabbitmq));
    let cell = |values: &[f64]| {
        let number = |value: f64| number(row.metric.is_whole(), value);
        if values.len() < 2 {
            return number(median(values));
        }
        let smallest = values.iter().copied().fold(f64::INFINITY, f64::min);
        let largest = values.iter().copied().fold(0.0, f64::max);
        format!("{} ({} to {})", number(median(values)), number(smallest), number(largest))
    };
    let ratio = if row.metric.is_of_broker() { ratio(warren, rabbitmq) } else { String::new() };
    let label = row.metric.label();
    format!("| {label} | {} | {} | {ratio} |\n", cell(&row.warren), cell(&row.rabbitmq))
}

fn memory_table(results: &Results) -> String {
    let messages = report::count(results.backlog_messages as f64);
    let mut out =
        format!("\n## Memory and a backlog of {messages} persistent messages of 100 B\n\n");
    out.push_str(
        "The backlog comes after all other loads. Resident memory of all processes of a broker, \
         MiB.\n\n",
    );
    out.push_str(HEADER);
    let (ours, theirs) = (&results.warren, &results.rabbitmq);
    let (our_backlog, their_backlog) = (&ours.backlog, &theirs.backlog);
    let mebibytes = |bytes: Option<u64>| bytes.map_or(0.0, |b| b as f64 / f64::from(1 << 20));
    for (label, ours, theirs) in [
        ("idle, just started", ours.idle_bytes, theirs.idle_bytes),
        (
            "before the backlog",
            our_backlog.resident_bytes_before,
            their_backlog.resident_bytes_before,
        ),
        (
            "with the backlog",
            our_backlog.resident_bytes_filled,
            their_backlog.resident_bytes_filled,
        ),
        (
            "after draining it",
            our_backlog.resident_bytes_drained,
            their_backlog.resident_bytes_drained,
        ),
    ] {
        let (ours, theirs) = (mebibytes(ours), mebibytes(theirs));
        out.push_str(&format!("| {label} | {ours:.1} | {theirs:.1} | {} |\n", ratio(ours, theirs)));
    }
    for (label, ours, theirs) in [
        (
            "filled, confirmed messages/s",
            our_backlog.filled_per_second,
            their_backlog.filled_per_second,
        ),
        ("drained, messages/s", our_backlog.drained_per_second, their_backlog.drained_per_second),
    ] {
        let cells = format!("{} | {}", number(true, ours), number(true, theirs));
        out.push_str(&format!("| {label} | {cells} | {} |\n", ratio(ours, theirs)));
    }
    out
}

fn rawlog_table(results: &Results) -> String {
    let mut out = String::from(
        "\n## The disk's own limit\n\n\
         Appending messages of 1 KiB to a pre-written file with one `fdatasync` a batch, without \
         any broker: no broker that confirms after a sync can be faster at that batch size.\n\n\
         | messages a sync | messages/s | syncs/s | append and sync, median, us |\n\
         |---:|---:|---:|---:|\n",
    );
    for (batch, outcomes) in &results.rawlog {
        let middle = |pick: fn(&RawlogOutcome) -> f64| {
            report::count(median(&outcomes.iter().map(pick).collect::<Vec<f64>>()))
        };
        out.push_str(&format!(
            "| {} | {} | {} | {} |\n",
            report::count(*batch as f64),
            middle(|outcome| outcome.messages_per_second),
            middle(|outcome| outcome.syncs_per_second),
            middle(|outcome| outcome.sync_median_us),
        ));
    }
    out
}

fn number(is_whole: bool, value: f64) -> String {
    match value {
        value if is_whole || value >= 1000.0 => report::count(value),
        value if value < 1.0 => format!("{value:.3}"),
        value => format!("{value:.2}"),
    }
}

fn ratio(ours: f64, theirs: f64) -> String {
    match (ours, theirs) {
        (_, theirs) if theirs <= 0.0 => "-".to_owned(),
        (ours, theirs) if ours >= theirs * 10.0 => format!("{:.0}", ours / theirs),
        (ours, theirs) => format!("{:.2}", ours / theirs),
    }
}

/// The middle value, or the mean of the two middle ones.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let at = |index: usize| sorted.get(index).copied().unwrap_or(0.0);
    if sorted.len() % 2 == 1 {
        at(middle)
    } else {
        (at(middle.saturating_sub(1)) + at(middle)) / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::super::loads::Metric;
    use super::*;

    #[test]
    fn medians_of_odd_and_even_counts() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0]), 2.5);
        assert_eq!(median(&[]), 0.0);
    }

    #[test]
    fn a_row_shows_medians_their_range_and_the_ratio() {
        let row = Row {
            metric: Metric::Delivered,
            warren: vec![3000.0, 1000.0, 2000.0],
            rabbitmq: vec![1000.0, 1000.0, 1000.0],
        };
        assert_eq!(
            case_row(&row),
            "| delivered, messages/s | 2,000 (1,000 to 3,000) | 1,000 (1,000 to 1,000) | 2.00 |\n"
        );
    }

    #[test]
    fn a_ratio_to_nothing_is_left_out() {
        assert_eq!(ratio(1.0, 0.0), "-");
        assert_eq!(ratio(170.0, 10.0), "17");
    }
}
