//! What the process's memory consists of, as far as that is known.

use schemars::JsonSchema;
use serde::Serialize;

use crate::answer::{self, Answer};
use crate::call::Call;

/// Memory, in bytes.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct MemoryObject {
    /// What the process has resident.
    total: u64,
    /// Queues, with their messages that are in memory.
    queues: u64,
    /// What waits to be sent to clients.
    unsent: u64,
    /// All else: the program, caches, statistics, and what the allocator keeps for later.
    other: u64,
    /// Above so much publishers are stopped; 0: never.
    limit: u64,
}

/// `GET /api/memory`.
pub(crate) async fn get(call: Call) -> Answer {
    let facts = call.api.management.node();
    let view = call.api.view().await;
    let sum = tokio::task::spawn_blocking(move || {
        view.queues(None).items.iter().map(|queue| queue.counts().memory_bytes).sum::<u64>()
    });
    let queues = sum.await.map_err(|error| crate::error::Error::Internal(error.to_string()))?;
    let connections = call.api.management.connections();
    let unsent: u64 = connections.iter().map(|connection| connection.traffic.unsent_bytes()).sum();
    let total = facts.memory_used.unwrap_or_default();
    let other = total.saturating_sub(queues).saturating_sub(unsent);
    answer::ok(&MemoryObject { total, queues, unsent, other, limit: facts.memory_limit })
}
