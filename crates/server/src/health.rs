//! Whether the broker can keep its promises. Once the store or a part that all depend on has failed,
//! nothing is confirmed any more and the broker ends.

use std::sync::OnceLock;

use tokio::sync::Notify;
use tracing::error;

/// The state of what all depend on, shared by everybody who uses it or tells of it.
#[derive(Debug, Default)]
pub struct Health {
    failure: OnceLock<String>,
    failed: Notify,
}

impl Health {
    pub(crate) fn fail(&self, reason: &(impl ToString + ?Sized)) {
        let reason = reason.to_string();
        if self.failure.set(reason.clone()).is_ok() {
            error!(reason, "the broker has failed: nothing is confirmed any more");
            self.failed.notify_waiters();
        }
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failure.get().is_some()
    }

    /// Why the broker failed, if it did.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// Waits until the broker fails.
    pub async fn failed(&self) -> String {
        loop {
            let notified = self.failed.notified();
            if let Some(reason) = self.failure.get() {
                return reason.clone();
            }
            notified.await;
        }
    }
}
