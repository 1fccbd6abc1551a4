//! The time of day, as the engine is told it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use warren_engine::Milliseconds;

/// The time now. A clock that stands before 1970 gives 0.
#[must_use]
pub fn now() -> Milliseconds {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Sleeps until a time of day, or for ever without one.
pub(crate) async fn sleep_until(due: Option<Milliseconds>) {
    match due {
        Some(due) => tokio::time::sleep(Duration::from_millis(due.saturating_sub(now()))).await,
        None => std::future::pending().await,
    }
}
