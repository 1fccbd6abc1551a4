//! What became of the objects of a definitions file.

use serde::Serialize;
use serde_json::{Value, json};
use warren_server::catalog::Done;

/// What became of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome", content = "reason")]
pub(crate) enum Outcome {
    /// It is new.
    Created,
    /// It was there and is different now.
    Updated,
    /// It was there and is the same.
    Unchanged,
    /// It was there, cannot change, and is not what the file says.
    Kept(String),
    /// It was passed over.
    Skipped(String),
    /// It was refused.
    Failed(String),
}

impl From<Done> for Outcome {
    fn from(done: Done) -> Self {
        match done {
            Done::Created => Self::Created,
            Done::Updated | Done::Deleted => Self::Updated,
            Done::Unchanged => Self::Unchanged,
        }
    }
}

/// An object and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Entry {
    /// The file's key under which it stands, such as `queues`.
    pub(crate) category: &'static str,
    /// The virtual host, if it is in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) vhost: Option<String>,
    /// Its name, or what tells it from others.
    pub(crate) name: String,
    /// What became of it.
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
}

/// What became of all of them.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// In the order in which they were looked at.
    pub(crate) entries: Vec<Entry>,
}

impl Report {
    pub(crate) fn add(
        &mut self,
        category: &'static str,
        vhost: Option<&str>,
        name: impl Into<String>,
        outcome: Outcome,
    ) {
        let (vhost, name) = (vhost.map(str::to_owned), name.into());
        self.entries.push(Entry { category, vhost, name, outcome });
    }

    /// The objects that were refused, each with the reason.
    pub(crate) fn failures(&self) -> impl Iterator<Item = (&Entry, &str)> {
        self.entries.iter().filter_map(|entry| match &entry.outcome {
            Outcome::Failed(reason) => Some((entry, reason.as_str())),
            Outcome::Created
            | Outcome::Updated
            | Outcome::Unchanged
            | Outcome::Kept(_)
            | Outcome::Skipped(_) => None,
        })
    }

    /// Numbers, and the objects of which there is something to say; with `all`, all of them.
    pub(crate) fn json(&self, all: bool) -> Value {
        let count = |is: fn(&Outcome) -> bool| {
            self.entries.iter().filter(|entry| is(&entry.outcome)).count()
        };
        let notable = |entry: &&Entry| {
            all || matches!(
                entry.outcome,
                Outcome::Kept(_) | Outcome::Skipped(_) | Outcome::Failed(_)
            )
        };
        let objects: Vec<&Entry> = self.entries.iter().filter(notable).collect();
        json!({
            "created": count(|it| matches!(it, Outcome::Created)),
            "updated": count(|it| matches!(it, Outcome::Updated)),
            "unchanged": count(|it| matches!(it, Outcome::Unchanged)),
            "kept": count(|it| matches!(it, Outcome::Kept(_))),
            "skipped": count(|it| matches!(it, Outcome::Skipped(_))),
            "failed": count(|it| matches!(it, Outcome::Failed(_))),
            "objects": objects,
        })
    }
}
