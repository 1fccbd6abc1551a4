//! Whether the store works. Once it has failed, nothing is confirmed any more and the broker ends.

use std::sync::OnceLock;

use tokio::sync::Notify;
use tracing::error;
use warren_storage::Error;

/// The state of the store, shared by everybody who uses it or tells of it.
#[derive(Debug, Default)]
pub struct Health {
    failure: OnceLock<Error>,
    failed: Notify,
}

impl Health {
    pub(crate) fn fail(&self, error: &Error) {
        if self.failure.set(error.clone()).is_ok() {
            error!(%error, "the store has failed: nothing is confirmed any more");
            self.failed.notify_waiters();
        }
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failure.get().is_some()
    }

    /// Why the store failed, if it did.
    #[must_use]
    pub fn failure(&self) -> Option<&Error> {
        self.failure.get()
    }

    /// Waits until the store fails.
    pub async fn failed(&self) -> Error {
        loop {
            let notified = self.failed.notified();
            if let Some(error) = self.failure.get() {
                return error.clone();
            }
            notified.await;
        }
    }
}
