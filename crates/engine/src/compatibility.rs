//! Arguments that clients still send and that mean nothing here: RabbitMQ has retired them, or they
//! are about the nodes of a cluster. They are accepted, checked as RabbitMQ checks them, and
//! counted, so that an operator sees who sends what.

use std::collections::BTreeMap;

use warren_amqp::FieldTable;

use crate::settings::{Problem, not_negative, number, one_of, string};

/// Arguments without an effect.
const WITHOUT_EFFECT: [&str; 10] = [
    "x-ha-policy",
    "x-initial-cluster-size",
    "x-max-in-memory-bytes",
    "x-max-in-memory-length",
    "x-queue-leader-locator",
    "x-queue-master-locator",
    "x-queue-mode",
    "x-queue-version",
    "x-quorum-initial-group-size",
    "x-cancel-on-ha-failover",
];

/// How often each argument without an effect was sent since the start.
#[derive(Debug, Default)]
pub(crate) struct Compatibility {
    counts: BTreeMap<&'static str, u64>,
    /// How many policies have each setting without an effect.
    in_policies: BTreeMap<&'static str, u64>,
}

impl Compatibility {
    /// Counts the arguments of a declaration or a subscription. Gives those that came for the first
    /// time.
    pub(crate) fn count(&mut self, arguments: &FieldTable) -> Vec<&'static str> {
        if arguments.inner().is_empty() {
            return vec![];
        }
        let mut new = vec![];
        for name in WITHOUT_EFFECT.into_iter().filter(|name| arguments.contains_key(name)) {
            let count = self.counts.entry(name).or_default();
            *count += 1;
            if *count == 1 {
                new.push(name);
            }
        }
        new
    }

    /// Takes how many policies have each setting without an effect. Gives the settings that no
    /// policy had before.
    pub(crate) fn set_policies(
        &mut self,
        counts: BTreeMap<&'static str, u64>,
    ) -> Vec<&'static str> {
        let before = std::mem::replace(&mut self.in_policies, counts);
        let new = self.in_policies.keys().filter(|name| !before.contains_key(*name));
        new.copied().collect()
    }

    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.counts.iter().chain(&self.in_policies).map(|(name, count)| (*name, *count))
    }
}

/// Checks the values of such arguments in a queue's declaration.
pub(crate) fn check(arguments: &FieldTable) -> Result<(), Problem> {
    const VERSION: &str = "x-queue-version";
    not_negative(arguments, "x-max-in-memory-length")?;
    not_negative(arguments, "x-max-in-memory-bytes")?;
    mode(arguments)?;
    if let Some(version) = number(arguments, VERSION)?
        && ![1, 2].contains(&version)
    {
        return Err((VERSION, format!("\"unsupported queue version '{version}'\"")));
    }
    positive(arguments, "x-quorum-initial-group-size")?;
    positive(arguments, "x-initial-cluster-size")?;
    one_of(
        arguments,
        "x-queue-leader-locator",
        &["client-local", "balanced", "random", "least-leaders"],
        "invalid_queue_locator_arg",
    )
}

fn mode(arguments: &FieldTable) -> Result<(), Problem> {
    const MODE: &str = "x-queue-mode";
    match string(arguments, MODE)? {
        None | Some(b"default" | b"lazy") => Ok(()),
        Some(other) => {
            let other = String::from_utf8_lossy(other);
            Err((MODE, format!("\"unsupported queue mode '{other}'\"")))
        }
    }
}

fn positive(arguments: &FieldTable, name: &'static str) -> Result<(), Problem> {
    match not_negative(arguments, name)? {
        Some(0) => Err((name, "{value_zero,0}".to_owned())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use warren_amqp::FieldValue;

    use super::*;

    #[test]
    fn each_argument_is_new_once_and_counted_always() {
        let mut compatibility = Compatibility::default();
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-mode".into(), FieldValue::LongString("lazy".into()));
        arguments.insert("x-max-length".into(), FieldValue::LongInt(5));
        assert_eq!(compatibility.count(&arguments), ["x-queue-mode"]);
        arguments.insert("x-queue-version".into(), FieldValue::LongInt(2));
        assert_eq!(compatibility.count(&arguments), ["x-queue-version"]);
        let counts: Vec<_> = compatibility.counts().collect();
        assert_eq!(counts, [("x-queue-mode", 2), ("x-queue-version", 1)]);
    }
}
