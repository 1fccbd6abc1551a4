//! The page, in Markdown: what was done, the charts, then all numbers.

use super::charts::{Chart, Place};
use super::data::{Benchmarks, Case, Comparison, Group, Growing, Growth, Setting};
use super::{CHARTS, tables};
use crate::machine::Machine;

/// The whole page.
pub(super) fn render(benchmarks: &Benchmarks, charts: &[Chart]) -> String {
    let mut out = String::from(
        "# Benchmarks\n\n\
         Warren beside RabbitMQ and beside what the disk alone can do, and how Warren's cost grows. \
         Everything here is written by the load generator in `crates/perf`: `perf compare` and \
         `perf growth` measure and keep all numbers in [benchmarks.json](benchmarks.json), and \
         `perf document` makes this page and its charts from that file. To measure on your \
         machine:\n\n\
         ```sh\n\
         cargo xtask bench              # compares with RabbitMQ, then grows\n\
         cargo xtask bench document     # this page again from docs/benchmarks.json\n\
         ```\n",
    );
    if let Some(comparison) = &benchmarks.comparison {
        out.push_str(&compared(comparison, charts));
    }
    if let Some(growth) = &benchmarks.growth {
        out.push_str(&grown(growth, charts));
    }
    if let Some(comparison) = &benchmarks.comparison {
        out.push_str(&numbers(comparison));
    }
    out
}

fn compared(comparison: &Comparison, charts: &[Chart]) -> String {
    let mut out = String::from("\n## Warren beside RabbitMQ\n\n");
    out.push_str(&setting(&comparison.setting));
    out.push_str(&format!(
        "Both brokers run on this machine with empty data folders and their default settings, \
         RabbitMQ without plugins. The load generator runs on the same cores. Only one broker is \
         loaded at a time; the other stays up and idle. Every load runs on Warren and then on \
         RabbitMQ, and before persistent loads the disk alone is measured: the same bytes appended \
         to a pre-written file with one `fdatasync` for as many messages as may be unconfirmed. No \
         broker that confirms after a sync can be faster at that batch size. Rounds of all loads: \
         {}, seconds of each run: {}; backlogs run once. Charts show medians.\n\n\
         CPU time is that of the broker's processes, user and system, for each message delivered \
         (published when nothing is consumed), each copy of a fan-out, or each operation. Latency \
         is measured open loop: messages are sent at planned times, and the time counts from the \
         plan. One operation of made and removed is both halves.\n",
        comparison.rounds, comparison.seconds,
    ));
    out.push_str(&images(charts, Place::Summary));
    out
}

fn setting(setting: &Setting) -> String {
    let machine = &setting.machine;
    let rabbitmq = setting.rabbitmq.as_ref().map(|version| format!("| RabbitMQ | {version} |\n"));
    format!(
        "```\n{}\n```\n\n\
         | | |\n|---|---|\n\
         | Warren | {} |\n{}\
         | date | {} |\n\
         | processor | {}, {} cores |\n\
         | memory | {} |\n\
         | kernel | Linux {} |\n\
         | file system of the data | {} |\n\n",
        machine.command,
        setting.warren,
        rabbitmq.unwrap_or_default(),
        machine.date,
        machine.processor,
        machine.cores,
        machine.memory,
        machine.kernel,
        machine.file_system,
    )
}

fn images(charts: &[Chart], place: Place) -> String {
    let here = charts.iter().filter(|chart| chart.place == place);
    let image = |chart: &Chart| format!("\n![{}]({CHARTS}/{})\n", chart.title, chart.file_name());
    here.map(image).collect()
}

fn grown(growth: &Growth, charts: &[Chart]) -> String {
    let mut out = String::from("\n## How cost grows\n\n");
    out.push_str(&setting(&growth.setting));
    out.push_str(
        "Every point has a broker of its own with an empty data folder. Memory is resident memory \
         of all processes of a broker. The restart is after kill -9, from the start of the program \
         to the first login.\n",
    );
    for (growing, title, text) in [
        (
            Growing::Messages,
            "1,000 to 10 million messages",
            "Persistent messages of 100 B wait in one durable queue: filled with confirms (5,000 \
             unconfirmed), broker killed and started, drained with an acknowledgement for every \
             hundred.",
        ),
        (
            Growing::Shapes,
            "Backlogs of other shapes",
            "Several queues filled at the same time, so that their messages lie interleaved on \
             disk; acknowledgements one by one in random order over windows of 20,000 messages; \
             large bodies.",
        ),
        (
            Growing::Pauses,
            "Latency beside a backlog",
            "Persistent messages of 1 KiB at 1,000/s, open loop, confirmed and acknowledged, on a \
             queue of their own, while another queue is filled and drained as fast as it goes on \
             the same cores. What the generator itself was late by is part of the numbers.",
        ),
        (
            Growing::Leaving,
            "10 million messages that leave",
            "Persistent messages of 100 B fill a queue and leave it without being taken: after the \
             time of the queue or one of their own, or as the queue keeps 1,000; to another queue or \
             for good. Of streams, one is read by a consumer from its beginning, one keeps a tenth. \
             Rates count from the first message that left. Beside it, on a queue of its own, the \
             latency load of the chapter before, from the first message filled to the last one gone.",
        ),
        (
            Growing::Queues,
            "1 to 100,000 queues",
            "Durable queues declared by 8 connections at the same time, each waiting for every \
             reply. CPU time is that of 5 seconds without any load.",
        ),
        (
            Growing::Connections,
            "1 to 10,000 connections",
            "Connections with heartbeats of 10 s, each with an open channel. Memory each is what \
             the broker grew by, after every second connection had published; CPU time is measured \
             once with only heartbeats, and once while that half publishes a message each every 5 \
             seconds.",
        ),
    ] {
        let series: Vec<_> = growth.series.iter().filter(|it| it.growing == growing).collect();
        if series.is_empty() {
            continue;
        }
        out.push_str(&format!("\n### {title}\n\n{text}\n"));
        if let Some(Setting { machine, .. }) = series.iter().find_map(|it| it.setting.as_ref()) {
            let Machine { date, processor, command, .. } = machine;
            out.push_str(&format!("\nMeasured on {date} on {processor}: `{command}`.\n"));
        }
        out.push_str(&images(charts, Place::Growth(growing)));
        for series in series {
            out.push_str(&format!("\n{}", tables::of_series(series)));
        }
    }
    out
}

/// All tables of the comparison.
fn numbers(comparison: &Comparison) -> String {
    let mut out = String::from(
        "\n## All numbers of the comparison\n\n\
         Medians, and in brackets the smallest and largest value. The ratio is Warren's median \
         divided by RabbitMQ's: above 1 is better for rates, below 1 is better for CPU time, \
         latency and memory. The command above each table runs that load alone; `--port`, `--pid` \
         and `--data-dir` tell it which broker.\n",
    );
    for group in [
        Group::Transient,
        Group::Persistent,
        Group::Fanout,
        Group::Latency,
        Group::Churn,
        Group::Memory,
    ] {
        for case in comparison.cases.iter().filter(|case| case.group == group) {
            out.push_str(&case_part(case));
        }
    }
    if !comparison.rawlog.is_empty() {
        out.push_str(&format!(
            "\n### The disk alone\n\nMessages of 1 KiB.\n\n{}",
            tables::of_rawlog(&comparison.rawlog)
        ));
    }
    out
}

fn case_part(case: &Case) -> String {
    let command = case.command.as_ref();
    let command = command.map(|command| format!("```\nperf {command}\n```\n\n"));
    let table = tables::of_case(&case.rows);
    format!("\n### {}\n\n{}{table}", case.title, command.unwrap_or_default())
}
