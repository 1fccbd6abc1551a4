//! The audit log: who did what, from where, and with which result.

use schemars::JsonSchema;
use serde::Serialize;
use warren_server::AuditEntry;

use crate::answer::{self, Answer};
use crate::call::Call;
use crate::error::Error;
use crate::limits;

/// A page of the log, the newest entry first.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Page {
    entries: Vec<EntryObject>,
    /// What `below` is to be for the next page, if there is one.
    next: Option<u64>,
}

/// Something that was done, or refused.
#[derive(Debug, Serialize, JsonSchema)]
struct EntryObject {
    /// They rise by one.
    number: u64,
    /// In milliseconds since 1970.
    timestamp: u64,
    user: String,
    /// Where the user was.
    address: Option<String>,
    /// `http`, `amqp`, `definitions` (a file of them), `start` (the broker itself).
    via: serde_json::Value,
    /// In words.
    what: String,
    /// `created`, `updated`, `deleted`, `unchanged` or `refused`.
    result: serde_json::Value,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<AuditEntry> for EntryObject {
    fn from(entry: AuditEntry) -> Self {
        let AuditEntry { number, time: timestamp, user, address, via, what, result, reason } =
            entry;
        let address = address.map(|address| address.to_canonical().to_string());
        let (via, result) = (serde_json::json!(via), serde_json::json!(result));
        Self { number, timestamp, user, address, via, what, result, reason }
    }
}

/// `GET /api/audit`.
pub(crate) async fn get(call: Call) -> Answer {
    let number = |name: &str| match (call.query.get(name), call.query.number(name)) {
        (None, _) => Ok(None),
        (Some(_), Some(number)) if number > 0 => Ok(u64::try_from(number).ok()),
        (Some(text), _) => {
            Err(Error::bad_request(format!("{name}: {text:?} is no number above 0")))
        }
    };
    let count = number("count")?.unwrap_or(limits::AUDIT_PAGE_BY_DEFAULT);
    let below = number("below")?;
    let audit = call.api.management.audit();
    let entries = audit.page(below, usize::try_from(count).unwrap_or(usize::MAX)).await;
    let next = entries.last().map(|entry| entry.number).filter(|number| *number > 1);
    let entries = entries.into_iter().map(EntryObject::from).collect();
    answer::ok(&Page { entries, next })
}
