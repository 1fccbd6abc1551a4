//! The same thing done to many objects, and what is told of it.

use warren_admin::inner::Refusal;

use crate::error::explain;
use crate::format::grouped;
use crate::notices::Notice;
use crate::visit::Visit;

/// What became of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    done: u64,
    /// The names of those to which it could not be done, and why.
    failed: Vec<(String, String)>,
}

impl Outcome {
    /// What became of one more of them.
    pub(crate) fn add<T>(&mut self, name: impl Into<String>, result: Result<T, Refusal>) {
        match result {
            Ok(_) => self.done += 1,
            Err(refusal) => self.failed.push((name.into(), explain(&refusal))),
        }
    }

    /// Tells the user: how many of them were, say, `deleted`.
    pub(crate) fn tell(&self, visit: &Visit, noun: (&str, &str), verb: &str) {
        if self.done > 0 {
            visit.tell(Notice::done(self.success(noun, verb)));
        }
        if !self.failed.is_empty() {
            visit.tell(Notice::error(self.failure(noun, verb)));
        }
    }

    fn success(&self, (one, many): (&str, &str), verb: &str) -> String {
        match self.done {
            1 => format!("1 {one} {verb}."),
            done => format!("{} {many} {verb}.", grouped(done)),
        }
    }

    /// The first ones with their reasons, and how many more there are.
    fn failure(&self, (one, many): (&str, &str), verb: &str) -> String {
        const TOLD: usize = 3;
        let noun = if self.failed.len() == 1 { one } else { many };
        let told = self.failed.iter().take(TOLD).map(|(name, why)| format!("{name}: {why}"));
        let told = told.collect::<Vec<_>>().join(" ");
        let more = match self.failed.len().saturating_sub(TOLD) {
            0 => String::new(),
            more => format!(" And {} more.", grouped(more as u64)),
        };
        format!("{} {noun} not {verb}. {told}{more}", grouped(self.failed.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_done_is_told_with_reasons_but_not_without_end() {
        let noun = ("queue", "queues");
        let mut outcome = Outcome { done: 1, failed: vec![] };
        assert_eq!(outcome.success(noun, "deleted"), "1 queue deleted.");
        outcome.failed = vec![("a".into(), "It is in use.".into())];
        assert_eq!(outcome.failure(noun, "deleted"), "1 queue not deleted. a: It is in use.");
        outcome.failed = vec![("a".into(), "No.".into()); 1_003];
        assert_eq!(
            outcome.failure(noun, "deleted"),
            "1,003 queues not deleted. a: No. a: No. a: No. And 1,000 more."
        );
    }
}
