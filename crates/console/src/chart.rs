//! Charts: numbers over time, from the samples that the API gives. The browser draws them; beside each
//! stands a table of its numbers.

use serde_json::{Value, json};

use crate::format;
use crate::links;
use crate::value::{float, items, number};
use crate::visit::Visit;

/// A time that charts can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    /// Seconds in all, and from sample to sample: those for which the past is kept.
    age: u32,
    step: u32,
}

/// All of them. The last one is kept of virtual hosts, the broker and the node alone.
pub(crate) const RANGES: [Range; 4] = [
    Range { name: "1m", label: "1 minute", age: 60, step: 1 },
    Range { name: "10m", label: "10 minutes", age: 600, step: 5 },
    Range { name: "1h", label: "1 hour", age: 3_600, step: 60 },
    Range { name: "24h", label: "24 hours", age: 86_400, step: 600 },
];

/// What the numbers of a chart are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Count,
    Bytes,
    /// Differences by time of what was counted.
    Rate,
    /// The same of bytes.
    ByteRate,
}

/// A line: its label and the member of the object that has the samples.
pub(crate) type Line = (&'static str, &'static str);

/// A chart.
#[derive(Debug)]
pub(crate) struct Chart {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) unit: Unit,
    pub(crate) labels: Vec<&'static str>,
    /// Seconds since 1970, from the oldest on.
    times: Vec<u64>,
    /// For each line a number for each time.
    values: Vec<Vec<f64>>,
}

impl Range {
    /// The range that a page was asked for; the first if none.
    pub(crate) fn wanted(visit: &Visit) -> Self {
        let name = visit.query.get("range");
        RANGES.into_iter().find(|range| range.name == name).unwrap_or(RANGES[0])
    }

    /// The parameters of a request for samples of these kinds: `lengths`, `msg_rates`, `data_rates`,
    /// `node_stats`.
    pub(crate) fn parameters(self, kinds: &[&str]) -> String {
        let pair = |kind: &&str| format!("{kind}_age={}&{kind}_incr={}", self.age, self.step);
        kinds.iter().map(pair).collect::<Vec<_>>().join("&")
    }
}

/// Links to a page with each of the ranges: label, address, whether it is this one.
pub(crate) fn range_links(visit: &Visit, ranges: &[Range]) -> Vec<(&'static str, String, bool)> {
    let here = Range::wanted(visit);
    let link = |range: &Range| {
        let href = format!("{}{}", visit.uri.path(), links::query([("range", range.name)]));
        (range.label, href, *range == here)
    };
    ranges.iter().map(link).collect()
}

impl Unit {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Bytes => "bytes",
            Self::Rate => "rate",
            Self::ByteRate => "byterate",
        }
    }

    fn text(self, value: f64) -> String {
        let whole = value.max(0.0).round() as u64;
        match self {
            Self::Count => format::count(whole),
            Self::Bytes => format::bytes(whole),
            Self::Rate => format::rate(value),
            Self::ByteRate => format!("{}/s", format::bytes(whole)),
        }
    }

    fn is_rate(self) -> bool {
        matches!(self, Self::Rate | Self::ByteRate)
    }
}

impl Chart {
    /// A chart of an object's samples: of each line the member `LINE_details`.
    pub(crate) fn new(
        id: &'static str,
        title: &'static str,
        unit: Unit,
        object: &Value,
        lines: &[Line],
    ) -> Self {
        let mut times = vec![];
        let mut values = vec![];
        for (_, member) in lines {
            let samples = items(object, &format!("{member}_details.samples"));
            let mut points: Vec<(u64, f64)> = samples.iter().filter_map(point).collect();
            points.reverse();
            let line = if unit.is_rate() { rates(&points) } else { points };
            if times.is_empty() {
                times = line.iter().map(|(time, _)| *time).collect();
            }
            values.push(line.into_iter().map(|(_, value)| value).collect());
        }
        // A line of which nothing is known yet is at zero.
        let length = times.len();
        let fill = |mut line: Vec<f64>| {
            line.resize(length, 0.0);
            line
        };
        let mut values: Vec<Vec<f64>> = values.into_iter().map(fill).collect();
        if unit == Unit::Bytes {
            // A broker that runs takes memory, and has a disk: these are times before its start.
            let is_nothing = |at: &usize| values.iter().all(|line| line[*at] == 0.0);
            let before = (0..length).take_while(is_nothing).count();
            times.drain(..before);
            values.iter_mut().for_each(|line| _ = line.drain(..before));
        }
        let labels = lines.iter().map(|(label, _)| *label).collect();
        Self { id, title, unit, labels, times, values }
    }

    /// What the browser draws: times, then each line.
    pub(crate) fn data(&self) -> String {
        let lines = self.values.iter().map(|line| json!(rounded(line)));
        Value::Array(std::iter::once(json!(self.times)).chain(lines).collect()).to_string()
    }

    /// The labels, for the browser.
    pub(crate) fn label_list(&self) -> String {
        json!(self.labels).to_string()
    }

    /// Some of the numbers, the newest first, as a table: time and values.
    pub(crate) fn rows(&self) -> Vec<(u64, Vec<String>)> {
        const ROWS: usize = 12;
        let step = self.times.len().div_ceil(ROWS).max(1);
        let at = (0..self.times.len()).rev().step_by(step);
        at.map(|at| {
            let values = self.values.iter().map(|line| self.unit.text(line[at])).collect();
            (self.times[at] * 1000, values)
        })
        .collect()
    }

    /// The newest numbers, in words.
    pub(crate) fn now(&self) -> Vec<(&'static str, String)> {
        let last = self.values.iter().map(|line| line.last().copied().unwrap_or(0.0));
        let texts = last.map(|value| self.unit.text(value));
        self.labels.iter().copied().zip(texts).collect()
    }
}

fn point(sample: &Value) -> Option<(u64, f64)> {
    Some((number(sample, "timestamp")? / 1000, float(sample, "sample")?))
}

/// From what was counted until each time to how fast it rose.
fn rates(points: &[(u64, f64)]) -> Vec<(u64, f64)> {
    let pairs = points.windows(2).filter_map(|pair| match pair {
        [(before, old), (time, new)] if time > before => {
            Some((*time, ((new - old) / (time - before) as f64).max(0.0)))
        }
        _ => None,
    });
    pairs.collect()
}

fn rounded(line: &[f64]) -> Vec<f64> {
    line.iter().map(|value| (value * 10.0).round() / 10.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(values: &[f64]) -> Value {
        let newest_first = values.iter().enumerate().rev();
        let sample = |(at, value): (usize, &f64)| json!({"sample": value, "timestamp": at * 5_000});
        json!({"samples": newest_first.map(sample).collect::<Vec<_>>()})
    }

    #[test]
    fn lengths_are_drawn_as_they_are_from_the_oldest_on() {
        let object = json!({"messages_details": samples(&[0.0, 5.0, 20.0])});
        let lines = [("Messages", "messages"), ("Missing", "none")];
        let chart = Chart::new("c", "C", Unit::Count, &object, &lines);
        assert_eq!(chart.data(), "[[0,5,10],[0.0,5.0,20.0],[0.0,0.0,0.0]]");
        assert_eq!(chart.now(), [("Messages", "20".to_owned()), ("Missing", "0".to_owned())]);
        assert_eq!(chart.rows()[0], (10_000, vec!["20".to_owned(), "0".to_owned()]));
    }

    #[test]
    fn memory_is_drawn_from_the_start_of_the_broker_on() {
        let object = json!({"mem_used_details": samples(&[0.0, 0.0, 7.0, 0.0, 9.0])});
        let chart = Chart::new("c", "C", Unit::Bytes, &object, &[("Used", "mem_used")]);
        assert_eq!(chart.data(), "[[10,15,20],[7.0,0.0,9.0]]");
    }

    #[test]
    fn what_was_counted_is_drawn_as_rates() {
        let object = json!({"publish_details": samples(&[0.0, 50.0, 45.0, 145.0])});
        let chart = Chart::new("c", "C", Unit::Rate, &object, &[("Published", "publish")]);
        assert_eq!(chart.data(), "[[5,10,15],[10.0,0.0,20.0]]");
    }
}
