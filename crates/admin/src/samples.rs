//! Numbers that are measured over time: how they are now, how fast they change, how they were.

use serde_json::{Map, Value, json};
use warren_server::view::{Clock, Measured, Range, Ranges, Reading, Series};

use crate::error::Error;
use crate::limits;
use crate::list::Key;
use crate::query::Query;

/// What numbers are about: they stand together in objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Messages that are there.
    Lengths,
    /// What happens with messages.
    Messages,
    /// Bytes and packets.
    Traffic,
    /// What comes and goes.
    Churn,
    /// The node.
    Node,
}

impl Kind {
    fn series(self) -> &'static [Series] {
        match self {
            Self::Lengths => {
                &[Series::Messages, Series::MessagesReady, Series::MessagesUnacknowledged]
            }
            Self::Messages => &[
                Series::Publish,
                Series::PublishIn,
                Series::PublishOut,
                Series::Confirm,
                Series::ReturnUnroutable,
                Series::DropUnroutable,
                Series::Deliver,
                Series::DeliverNoAck,
                Series::Get,
                Series::GetNoAck,
                Series::GetEmpty,
                Series::DeliverGet,
                Series::Redeliver,
                Series::Ack,
            ],
            Self::Traffic => &[
                Series::ReceivedBytes,
                Series::ReceivedPackets,
                Series::SentBytes,
                Series::SentPackets,
            ],
            Self::Churn => &[
                Series::ConnectionCreated,
                Series::ConnectionClosed,
                Series::ChannelCreated,
                Series::ChannelClosed,
                Series::QueueDeclared,
                Series::QueueCreated,
                Series::QueueDeleted,
            ],
            Self::Node => {
                &[Series::MemoryUsed, Series::FilesUsed, Series::SocketsUsed, Series::DiskFree]
            }
        }
    }
}

/// Reads how much of the past a request wants: `lengths_age`, `lengths_incr` and the like. A kind of
/// which one of both is missing, or no number, has no past.
pub(crate) fn ranges(query: &Query) -> Result<Ranges, Error> {
    let range = |kind: &str| {
        let age = query.number(&format!("{kind}_age"));
        let increment = query.number(&format!("{kind}_incr"));
        let (Some(age), Some(increment)) = (age, increment) else { return Ok(None) };
        let invalid = Error::InvalidRange { age, increment };
        if age <= 0 || increment <= 0 || age / increment > limits::SAMPLES {
            return Err(invalid);
        }
        Range::new(age.unsigned_abs(), increment.unsigned_abs()).map(Some).map_err(|_| invalid)
    };
    Ok(Ranges {
        lengths: range("lengths")?,
        message_rates: range("msg_rates")?,
        data_rates: range("data_rates")?,
        node: range("node_stats")?,
    })
}

/// The same for a single object: there RabbitMQ has no name of its own for what is wrong.
pub(crate) fn ranges_of_one(query: &Query) -> Result<Ranges, Error> {
    ranges(query).map_err(|error| Error::BadRequest(error.to_string()))
}

/// The numbers of a kind: each under its name, and how it changes under `NAME_details`.
pub(crate) fn numbers(readings: &[Reading], kind: Kind) -> Map<String, Value> {
    let mut object = Map::new();
    for reading in readings.iter().filter(|reading| kind.series().contains(&reading.series)) {
        let name = reading.series.name();
        object.insert(name.to_owned(), reading.total.into());
        object.insert(format!("{name}_details"), details(reading));
    }
    object
}

fn details(reading: &Reading) -> Value {
    let mut details = json!({"rate": reading.rate});
    if let Some(samples) = &reading.samples {
        let all = samples.samples.iter();
        let all = all.map(|it| json!({"timestamp": it.timestamp, "sample": it.sample}));
        details["samples"] = all.collect();
        details["avg"] = samples.average.into();
        details["avg_rate"] = samples.average_rate.into();
    }
    details
}

/// A number or its rate, by the path that it has among the numbers of its kind.
pub(crate) fn key<T: Measured>(
    measured: &T,
    clock: Clock,
    kind: Kind,
    path: &[&str],
) -> Key<'static> {
    let (name, is_rate) = match path {
        [name] => (Some(*name), false),
        [details, "rate"] => (details.strip_suffix("_details"), true),
        _ => (None, false),
    };
    let series = kind.series().iter().copied().find(|series| Some(series.name()) == name);
    match series {
        None => Key::Missing,
        Some(series) if is_rate => measured.rate(series, clock).into(),
        Some(series) => measured.total(series).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_two_numbers_and_not_too_many_samples() {
        let read = |query: &str| ranges(&Query::from(query));
        for nothing in ["", "lengths_age=60", "lengths_incr=5", "lengths_age=x&lengths_incr=5"] {
            assert_eq!(read(nothing).unwrap(), Ranges::default(), "{nothing}");
        }
        let ranges = read("lengths_age=60&lengths_incr=5&node_stats_age=500&node_stats_incr=1");
        let ranges = ranges.unwrap();
        assert_eq!(ranges.lengths, Some(Range::new(60, 5).unwrap()));
        assert_eq!(ranges.node, Some(Range::new(500, 1).unwrap()));
        assert_eq!(ranges.message_rates, None);
        for (query, age, increment) in [
            ("lengths_age=6000&lengths_incr=1", 6000, 1),
            ("msg_rates_age=0&msg_rates_incr=0", 0, 0),
            ("data_rates_age=-5&data_rates_incr=1", -5, 1),
        ] {
            assert_eq!(read(query), Err(Error::InvalidRange { age, increment }), "{query}");
        }
    }
}
