//! What was measured, as it stands in `docs/benchmarks.json`: everything that the document and its
//! charts show, so that they can be written again without measuring again.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::metric::Metric;
use crate::error::Error;
use crate::machine::Machine;

/// The whole file. Each part is replaced by the command that measures it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Benchmarks {
    pub(crate) comparison: Option<Comparison>,
    pub(crate) growth: Option<Growth>,
}

/// Where and with what a part was measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Setting {
    pub(crate) machine: Machine,
    pub(crate) warren: String,
    /// Nothing when it was left out.
    pub(crate) rabbitmq: Option<String>,
}

/// What `perf compare` measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Comparison {
    pub(crate) setting: Setting,
    pub(crate) rounds: usize,
    pub(crate) seconds: f64,
    pub(crate) cases: Vec<Case>,
    pub(crate) rawlog: Vec<RawlogRow>,
}

/// Which chart and which chapter a load belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Group {
    Transient,
    Persistent,
    Fanout,
    Latency,
    Churn,
    Memory,
}

/// A load with its numbers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Case {
    pub(crate) group: Group,
    /// A heading.
    pub(crate) title: String,
    /// The same in a few words, for a chart.
    pub(crate) label: String,
    /// The arguments of `perf` that run this load alone.
    pub(crate) command: Option<String>,
    pub(crate) rows: Vec<Row>,
}

/// One kind of number: the value of every round.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) metric: Metric,
    pub(crate) warren: Vec<f64>,
    pub(crate) rabbitmq: Vec<f64>,
    /// What the disk alone does at this batch size, measured right before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) raw: Vec<f64>,
}

/// The bare append and sync of one batch size; a value for every round.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RawlogRow {
    pub(crate) batch: usize,
    pub(crate) messages_per_second: Vec<f64>,
    pub(crate) sync_median_us: Vec<f64>,
}

/// What `perf growth` measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Growth {
    pub(crate) setting: Setting,
    pub(crate) series: Vec<Series>,
}

/// What grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Growing {
    /// Messages of 100 bytes in one queue.
    Messages,
    /// Backlogs of other shapes.
    Shapes,
    /// Latency of another queue meanwhile.
    Pauses,
    /// Messages that leave without being taken, and streams, with latency of another queue.
    Leaving,
    Queues,
    Connections,
}

/// Points of one curve for one broker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Series {
    pub(crate) growing: Growing,
    pub(crate) broker: String,
    /// Where and with what it was measured, if that was not with the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) setting: Option<Setting>,
    pub(crate) points: Vec<Point>,
}

/// One measurement of a curve.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Point {
    pub(crate) count: u64,
    /// What distinguishes points of the same count.
    pub(crate) title: String,
    pub(crate) values: Vec<(Metric, f64)>,
}

impl Benchmarks {
    /// Reads the file; an absent one holds nothing.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        if !path.exists() {
            return Ok(Self::default());
        }
        let text =
            fs::read_to_string(path).map_err(|e| Error::io(path.display().to_string(), e))?;
        Ok(serde_json::from_str(&text)?)
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), Error> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        fs::write(path, text).map_err(|e| Error::io(path.display().to_string(), e))
    }
}

impl Case {
    /// The row of a metric.
    pub(crate) fn row(&self, metric: Metric) -> Option<&Row> {
        self.rows.iter().find(|row| row.metric == metric)
    }
}

impl Point {
    /// The value of a metric, when it was measured.
    pub(crate) fn value(&self, metric: Metric) -> Option<f64> {
        self.values.iter().find(|(name, _)| *name == metric).map(|(_, value)| *value)
    }
}

/// The middle value, or the mean of the two middle ones; nothing without values.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle).copied()?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    sorted.get(middle.checked_sub(1)?).map(|lower| (lower + upper) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_and_even_counts() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }
}
