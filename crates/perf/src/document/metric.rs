//! The kinds of numbers that are measured, with their names and units.

use serde::{Deserialize, Serialize};

/// A number that a load gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Metric {
    Delivered,
    Published,
    Copies,
    Operations,
    BrokerCpu,
    GeneratorCpu,
    DeliveryMedian,
    DeliveryP99,
    DeliveryP999,
    DeliveryMax,
    ConfirmMedian,
    ConfirmP99,
    ConfirmMax,
    PausesAbove20Ms,
    Missing,
    SendDelayP99,
    SendDelayMax,
    Filled,
    FillCpu,
    Drained,
    DrainCpu,
    Left,
    ResidentIdle,
    ResidentBefore,
    ResidentFilled,
    ResidentRestarted,
    ResidentDrained,
    ResidentPeak,
    ResidentAfter,
    DiskFilled,
    Written,
    DiskDrained,
    RestartSeconds,
    Declared,
    IdleCpu,
    BytesEach,
    BusyCpu,
}

impl Metric {
    /// The name in a table, with the unit.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Delivered => "delivered, messages/s",
            Self::Published => "published, messages/s",
            Self::Copies => "copies delivered/s",
            Self::Operations => "operations/s",
            Self::BrokerCpu => "broker CPU, us each",
            Self::GeneratorCpu => "generator CPU, us a message",
            Self::DeliveryMedian => "to delivery, median, ms",
            Self::DeliveryP99 => "to delivery, p99, ms",
            Self::DeliveryP999 => "to delivery, p99.9, ms",
            Self::DeliveryMax => "to delivery, largest, ms",
            Self::ConfirmMedian => "to confirm, median, ms",
            Self::ConfirmP99 => "to confirm, p99, ms",
            Self::ConfirmMax => "to confirm, largest, ms",
            Self::PausesAbove20Ms => "messages later than 20 ms",
            Self::Missing => "not delivered 3 s after the end, messages",
            Self::SendDelayP99 => "generator's own delay, part of these, p99, ms",
            Self::SendDelayMax => "generator's own delay, part of these, largest, ms",
            Self::Filled => "filled, confirmed messages/s",
            Self::FillCpu => "broker CPU while filling, us a message",
            Self::Drained => "drained, messages/s",
            Self::DrainCpu => "broker CPU while draining, us a message",
            Self::Left => "left the queue, messages/s",
            Self::ResidentIdle => "memory idle, just started, MiB",
            Self::ResidentBefore => "memory before, MiB",
            Self::ResidentFilled => "memory filled, MiB",
            Self::ResidentRestarted => "memory after a restart, MiB",
            Self::ResidentDrained => "memory drained, MiB",
            Self::ResidentPeak => "largest memory, MiB",
            Self::ResidentAfter => "memory after that, MiB",
            Self::DiskFilled => "disk filled, MiB",
            Self::Written => "given to the disk, bytes a message",
            Self::DiskDrained => "disk drained, MiB",
            Self::RestartSeconds => "login after kill -9 and start, s",
            Self::Declared => "declared/s",
            Self::IdleCpu => "CPU idle, ms/s",
            Self::BytesEach => "memory each, bytes",
            Self::BusyCpu => "CPU, half of them busy, ms/s",
        }
    }

    /// Whether the number says something about the broker and not about the generator.
    pub(crate) fn is_of_broker(self) -> bool {
        !matches!(self, Self::GeneratorCpu | Self::SendDelayP99 | Self::SendDelayMax)
    }

    /// Whether the number is a rate or a count, which is shown without decimals.
    pub(crate) fn is_whole(self) -> bool {
        self.larger_is_better()
            || matches!(
                self,
                Self::Missing | Self::PausesAbove20Ms | Self::BytesEach | Self::Written
            )
    }

    /// Rates; of everything else there should be little.
    pub(crate) fn larger_is_better(self) -> bool {
        matches!(
            self,
            Self::Delivered
                | Self::Published
                | Self::Copies
                | Self::Operations
                | Self::Filled
                | Self::Drained
                | Self::Left
                | Self::Declared
        )
    }
}
