//! Every limit of the engine, each with its reason.

/// Bytes of deliveries that may wait in a session's outbox. Above it the session's consumers have
/// no credit, so that a peer that reads slowly costs this much memory and no more. Large enough
/// that a fast consumer never runs dry while its flushed report is on the way.
pub const OUTBOX_BYTES: usize = 2 * 1024 * 1024;

/// What a delivery weighs in the outbox beyond its message's bytes: its frames and bookkeeping.
pub const DELIVERY_OVERHEAD_BYTES: usize = 64;

/// Contents that a queue keeps in memory, in bytes of encoded messages: enough that a consumer that
/// is a little behind is served from memory. Above it, contents of messages that survive a restart
/// stay on disk until their turn comes, so that a backlog takes little memory.
pub const QUEUE_RESIDENT_BYTES: usize = 8 * 1024 * 1024;

/// The same for all queues of a virtual host together, each having an equal share of it.
pub const HOST_RESIDENT_BYTES: usize = 128 * 1024 * 1024;

/// The least share of a queue, however many there are: what one delivery run needs.
pub const QUEUE_RESIDENT_BYTES_LEAST: usize = 64 * 1024;

/// Copies of messages in queues after which the rest of a batch of publishes waits until what has
/// followed is handed on. One batch may hold thousands of small messages, each for thousands of
/// queues: all at once they would take gigabytes before the first consumer sees anything.
pub const PUBLISH_STEP_COPIES: usize = 16 * 1024;

/// Messages read back from disk in one go. Enough to keep a consumer busy for the length of a
/// disk read, few enough that they fit in memory for every queue that is being drained.
pub const LOAD_MESSAGES: usize = 2048;

/// Routes remembered for each exchange. When more keys are in use, the memory starts afresh: a
/// client that makes up keys must not fill the broker's memory.
pub const CACHED_ROUTES_PER_EXCHANGE: usize = 16 * 1024;

/// Consumers on one channel. More than a client has a use for.
pub const CONSUMERS_PER_CHANNEL: usize = 10_000;
