//! Goes through the table of how often messages came back: each row is a range of places that were
//! given, of a queue that is there, and the rows of a queue stand in order and do not overlap.

use warren_engine::{QueueId, Sequence};

use super::Known;
use super::findings::{Finding, Findings};
use super::rows::queue_in_words;
use crate::index::{self, Index, Walked};
use crate::returns::Range;
use crate::{Disk, Error};

pub(super) fn check(
    disk: &dyn Disk,
    index: &Index,
    known: &Known,
    findings: &mut Findings,
) -> Result<(), Error> {
    let mut check = Check { disk, known, findings, before: None };
    index.walk_returns(&mut |walked| {
        match walked {
            Walked::Row { queue, row: Some(range), .. } => check.good_row(queue, range),
            Walked::Row { queue, key, row: None } => {
                check.before = None;
                check.findings.damage(index.bad_returns(queue, key));
            }
            Walked::Unreachable { after: (queue, key), reason } => check.damage(format!(
                "table returns: rows behind key ({queue}, {key}) cannot be reached: {reason}"
            )),
        }
        Ok(())
    })
}

struct Check<'a> {
    disk: &'a dyn Disk,
    known: &'a Known,
    findings: &'a mut Findings,
    /// The row in front.
    before: Option<(QueueId, Range)>,
}

impl Check<'_> {
    fn damage(&mut self, message: String) {
        let file = self.disk.path(index::FILE);
        let (offset, lost_messages, is_damage) = (None, 0, true);
        self.findings.push(Finding { file, offset, message, lost_messages, is_damage });
    }

    fn good_row(&mut self, queue: QueueId, range: Range) {
        let (first, last, _) = range;
        let before = self.before.replace((queue, range));
        let overlaps = before.is_some_and(|(other, (start, end, _))| {
            // Behind a place that cannot be read they come in reverse order.
            other == queue && start <= last && end >= first
        });
        let place = format!("table returns, key ({}, {first})", queue.0);
        if last < first {
            self.damage(format!("{place}: the range ends before it begins, with {last}"));
        }
        if overlaps {
            self.damage(format!("{place}: the range overlaps the one beside it"));
        }
        if self.known.changes.get(&queue).is_some_and(|delta| delta.deleted) {
            return;
        }
        let words = queue_in_words(&self.known.topology, queue);
        if !self.known.topology.queues.contains_key(&queue.declared()) {
            self.damage(format!(
                "{place}: messages came back to {words}, whose record is not there"
            ));
        } else if !self.known.bad.standings.contains(&queue) && last >= self.next_sequence(queue) {
            self.damage(format!(
                "{place}: messages up to place {last} came back to {words}, which was not given yet"
            ));
        }
    }

    fn next_sequence(&self, queue: QueueId) -> Sequence {
        let standing = self.known.counts.standings.get(&queue);
        standing.map_or(0, |standing| standing.places.next_sequence)
    }
}
