//! Numbers as readers want them: how they change, and how they were.

use smallvec::SmallVec;
use thiserror::Error;
use warren_engine::Milliseconds;

use super::history::Values;
use super::meter::Meter;
use super::series::{Group, SUMS, Series};
use crate::limits;

/// When a view was taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Clock {
    /// The time of the view, in milliseconds since 1970.
    pub now: Milliseconds,
    /// The time of the last sample, in milliseconds since 1970. Rates are those between it and the
    /// one before.
    pub sampled: Milliseconds,
}

/// How much of the past is wanted: the parameters `..._age` and `..._incr`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    age: u64,
    increment: u64,
}

/// A [`Range`] that makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RangeError {
    /// One of the numbers is zero.
    #[error("age and increment must be above zero")]
    Zero,
    /// More samples than anybody has a use for.
    #[error("more than {0} samples are asked for")]
    TooMany(u64),
}

impl Range {
    /// The last `age` seconds, a sample every `increment` seconds.
    ///
    /// # Errors
    ///
    /// One of the two is zero, or these are more than 500 samples, as with RabbitMQ.
    pub fn new(age: u64, increment: u64) -> Result<Self, RangeError> {
        if age == 0 || increment == 0 {
            return Err(RangeError::Zero);
        }
        if age / increment > limits::RANGE_SAMPLES {
            return Err(RangeError::TooMany(limits::RANGE_SAMPLES));
        }
        Ok(Self { age, increment })
    }

    /// The times of the samples in seconds since 1970, the newest one first: multiples of the
    /// increment.
    fn seconds(self, clock: Clock) -> Vec<u64> {
        let newest = clock.now / 1000 / self.increment * self.increment;
        let back = (0..=self.age / self.increment).map(|at| at * self.increment);
        back.map(|back| newest.saturating_sub(back)).collect()
    }
}

/// How much of the past is wanted of each group of numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ranges {
    /// Of lengths of queues.
    pub lengths: Option<Range>,
    /// Of message rates and of what comes and goes.
    pub message_rates: Option<Range>,
    /// Of bytes.
    pub data_rates: Option<Range>,
    /// Of the node.
    pub node: Option<Range>,
}

impl Ranges {
    fn of(&self, group: Group) -> Option<Range> {
        match group {
            Group::Lengths => self.lengths,
            Group::MessageRates => self.message_rates,
            Group::DataRates => self.data_rates,
            Group::Node => self.node,
        }
    }
}

/// A number, how it changes and how it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// What.
    pub series: Series,
    /// The number itself.
    pub total: u64,
    /// By how much it changed a second: between the last two samples of the range that was asked
    /// for, or in the last second.
    pub rate: f64,
    /// The past, if a [`Range`] was asked for.
    pub samples: Option<Samples>,
}

/// Samples of the past.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// The average of the samples.
    pub average: f64,
    /// By how much the number changed a second over the whole range.
    pub average_rate: f64,
    /// The samples, the newest one first; at least one. Before the object was there they are 0.
    pub samples: Vec<Sample>,
}

/// A number at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When, in milliseconds since 1970.
    pub timestamp: Milliseconds,
    /// The number.
    pub sample: u64,
}

impl Samples {
    fn of(samples: Vec<Sample>) -> Self {
        let sum: f64 = samples.iter().map(|sample| sample.sample as f64).sum();
        let average = sum / samples.len().max(1) as f64;
        let average_rate = match (samples.first(), samples.last()) {
            (Some(newest), Some(oldest)) => rate(*newest, *oldest),
            _ => 0.0,
        };
        Self { average, average_rate, samples }
    }

    /// By how much the number changed a second between the last two samples.
    fn last_rate(&self) -> f64 {
        match self.samples.as_slice() {
            [newest, before, ..] => rate(*newest, *before),
            [_] | [] => 0.0,
        }
    }
}

fn rate(newer: Sample, older: Sample) -> f64 {
    let milliseconds = newer.timestamp.saturating_sub(older.timestamp);
    if milliseconds == 0 {
        return 0.0;
    }
    (newer.sample as f64 - older.sample as f64) * 1000.0 / milliseconds as f64
}

/// Something of which numbers are measured.
pub trait Measured {
    /// What is measured.
    const SERIES: &'static [Series];

    /// The numbers when the view was taken, in this order.
    fn values(&self) -> impl AsRef<[u64]>;

    /// What is known of the past.
    fn meter(&self) -> &Meter;

    /// A number when the view was taken, or the sum of some; `None` if it is not measured.
    fn total(&self, series: Series) -> Option<u64> {
        let values = self.values();
        sum(Self::SERIES, series, |at| values.as_ref().get(at).copied().unwrap_or_default())
    }

    /// By how much a number changed in the last second; `None` if it is not measured.
    fn rate(&self, series: Series, clock: Clock) -> Option<f64> {
        let meter = self.meter();
        sum(Self::SERIES, series, |at| meter.rate(at, clock))
    }

    /// All numbers, also the sums of some, and as much of the past as is asked for.
    fn readings(&self, clock: Clock, ranges: &Ranges) -> Vec<Reading> {
        let values = self.values();
        let values = values.as_ref();
        let mut known: Vec<(Range, Vec<u64>, Vec<Values>)> = vec![];
        let sums = SUMS.iter().map(|(series, _)| *series);
        let all = Self::SERIES.iter().copied().chain(sums);
        let readings = all.filter_map(|series| {
            let total = self.total(series)?;
            let Some(range) = ranges.of(series.group()) else {
                let rate = self.rate(series, clock).unwrap_or_default();
                return Some(Reading { series, total, rate, samples: None });
            };
            let at = known.iter().position(|(other, ..)| *other == range).unwrap_or_else(|| {
                let seconds = range.seconds(clock);
                let past = self.meter().past(values, &seconds);
                known.push((range, seconds, past));
                known.len() - 1
            });
            let (_, seconds, past) = known.get(at)?;
            let samples = seconds.iter().zip(past).filter_map(|(second, values)| {
                let sample =
                    sum(Self::SERIES, series, |at| values.get(at).copied().unwrap_or_default())?;
                Some(Sample { timestamp: second * 1000, sample })
            });
            let samples = Samples::of(samples.collect());
            let rate = samples.last_rate();
            Some(Reading { series, total, rate, samples: Some(samples) })
        });
        readings.collect()
    }
}

/// A number by the place of its series, or the sum of those that it is made of.
fn sum<T: std::iter::Sum>(
    measured: &[Series],
    wanted: Series,
    number: impl Fn(usize) -> T,
) -> Option<T> {
    let place = |series: &Series| measured.iter().position(|other| other == series);
    if let Some(at) = place(&wanted) {
        return Some(number(at));
    }
    let (_, parts) = SUMS.iter().find(|(sum, _)| *sum == wanted)?;
    let places: Option<SmallVec<[usize; 4]>> = parts.iter().map(place).collect();
    Some(places?.into_iter().map(number).sum())
}
