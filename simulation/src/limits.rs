//! The sizes of the simulated world, each with its reason.

/// Lines of the trace that are kept for people: enough to see how a fault came about.
pub(crate) const TRACE_LINES: usize = 400;

/// The longest run before the end game, in steps. A run costs some tens of milliseconds, so that
/// thousands fit into an hour, and holds several lives of the broker.
pub(crate) const STEPS_MAX: usize = 4_000;
pub(crate) const STEPS_MIN: usize = 150;

/// Steps within which everything comes to rest when no client asks for more. Only a fault makes
/// it last longer.
pub(crate) const REST_STEPS_MAX: usize = 50_000;

/// Clients at a time: few, so that they meet at the same queues.
pub(crate) const CLIENTS_MAX: usize = 5;
pub(crate) const CHANNELS_MAX: u16 = 3;

/// What waits for the shard and the committer, as in the server.
pub(crate) const INBOX_MAX: usize = 64;
pub(crate) const COMMITTER_INBOX: usize = 16;

/// Records that are written without a sync one after the other. After a power cut any of them may
/// be there, and all combinations are looked at.
pub(crate) const UNSYNCED_RECORDS_MAX: usize = 5;

/// Steps for which a disk is full, at most: long enough that publishers, committer, checkpoint and
/// loader all wait, short enough that a run goes on after it.
pub(crate) const FULL_STEPS_MAX: usize = 300;

/// Steps that a broker whose store has failed lives on, at most.
pub(crate) const FAILED_STEPS_MAX: usize = 12;

/// Small segments, so that a short run fills, frees and recycles many.
pub(crate) const SEGMENT_BYTES: u64 = 8 << 10;
pub(crate) const SPARE_SEGMENTS: usize = 1;

/// Room that is given back when the disk is full: some small segments.
pub(crate) const RESERVE_BYTES: u64 = 16 << 10;
pub(crate) const CHECKPOINT_BYTES: u64 = 12 << 10;
pub(crate) const CACHE_BYTES: usize = 256 << 10;

/// What the log may take when nothing waits: the active segment, one that is still being written
/// ahead, and as many recycled ones as the store keeps for each spare one.
pub(crate) const EMPTY_LOG_FILES: usize = 6;

/// What the database may take when nothing waits. It does not shrink, and no run fills it.
pub(crate) const DATABASE_BYTES: u64 = 8 << 20;

/// Steps in which two checkpoints begin, run and are finished.
pub(crate) const LAST_CHECKPOINT_STEPS: usize = 6;

/// A body so long stands in one place of the log: it begins with its message's number.
pub(crate) const LONG_BODY_BYTES: usize = 24;

/// Attempts to open the store, while faults go on.
pub(crate) const OPEN_ATTEMPTS: usize = 6;

/// The time at which a run begins: not 0, which stands for a time that is not known.
pub(crate) const FIRST_TIME: u64 = 1_000_000;

/// A share of memory in which all contents of a run have room, in bytes.
pub(crate) const MEMORY_BYTES: usize = 1 << 20;

/// How much later than it should a message may expire that is on disk, in milliseconds: a tick.
pub(crate) const LATE_MAX: u64 = 64;

/// Choices between the same queues of an exchange that chooses by chance, after which one must have
/// fallen on another queue: that none does happens once in 2^31 runs at most.
pub(crate) const CHOICES_MIN: usize = 32;

/// So much time passes at the end of some runs, in milliseconds: most of what has a time is over.
pub(crate) const LONG_TIME: u64 = 10_000;
