//! The options of a store and its fixed limits, each with its reason.

/// The version of everything on disk that this code writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 4;

/// What an owner of a store may choose.
#[derive(Debug, Clone)]
pub struct Options {
    /// The size of a segment file of the log, in bytes. A segment is the unit in which disk space
    /// comes back: smaller ones free it sooner, larger ones need fewer file operations.
    pub segment_bytes: u64,
    /// How many written-ahead segments are kept ready, so that the committer neither waits for
    /// zeros to be written nor pays for syncs of a growing file.
    pub spare_segments: usize,
    /// The size of the file `reserve`, which is given back when the disk is full, in bytes. Enough
    /// for some checkpoints and for the acknowledgements that let them free segments; 0 is none.
    pub reserve_bytes: u64,
    /// The cache of redb, in bytes. Memory is this and a few MB, whatever the file's size; the
    /// index is written and read in order, so that a large cache gains nothing.
    pub cache_bytes: usize,
    /// How many bytes of log make a checkpoint due. Recovery replays at most about this much.
    pub checkpoint_bytes: u64,
    /// A random number, used only when the folder is made and kept in it: it enters every
    /// checksum of the log. With it, nobody can publish a body that a recovery would take for a
    /// record of the log after the segment that held it was recycled.
    pub log_key: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            spare_segments: 2,
            reserve_bytes: 8 << 20,
            cache_bytes: 8 << 20,
            checkpoint_bytes: 64 << 20,
            log_key: 0,
        }
    }
}

/// Dead segments that are kept for reuse, for each one that is to be written ahead. Under load a
/// checkpoint frees several at a time, and each that is deleted then must be written ahead again
/// a moment later, which costs the disk as much as the messages do.
pub(crate) const RECYCLED_PER_SPARE: usize = 3;

/// The size of a segment that is made where there is no room for a whole one, in bytes: several
/// of them fit into the reserve, and each holds thousands of acknowledgements.
pub(crate) const SMALL_SEGMENT_BYTES: u64 = 1 << 20;

/// The smallest segment, in bytes: a header and a few records.
pub(crate) const SEGMENT_BYTES_MIN: u64 = 4 << 10;

/// The largest segment, in bytes: places inside a segment are 32 bits wide.
pub(crate) const SEGMENT_BYTES_MAX: u64 = 1 << 30;

/// A pending record that reaches this many bytes is written by `append` without waiting for
/// `flush`: lengths in the log are 32 bits wide, and a record has to fit into memory twice.
pub(crate) const RECORD_BYTES_MAX: usize = 256 << 20;

/// A buffer for pending records that has grown larger than this is given back.
pub(crate) const PENDING_BYTES_KEPT: usize = 4 << 20;

/// The largest encoded message, in bytes. The record that holds it must stay below 4 GiB.
pub(crate) const MESSAGE_BYTES_MAX: usize = 1 << 30;

/// A row of the index is packed up to this many bytes, and its checksum follows: one leaf page of
/// redb has 4096, and a row that does not fit takes a page of twice that.
pub(crate) const ROW_BYTES_MAX: usize = 3_896;

/// A row longer than this is left alone when messages are added behind it.
pub(crate) const ROW_BYTES_FULL: usize = ROW_BYTES_MAX * 3 / 4;

/// Two wanted messages at most this far apart in a segment are read together: a read of this many
/// bytes costs about as much as a second system call and seek.
pub(crate) const READ_GAP_BYTES_MAX: u32 = 32 << 10;

/// The most bytes that one read of message contents fetches.
pub(crate) const READ_BYTES_MAX: u32 = 4 << 20;

/// The window through which recovery reads a segment, in bytes.
pub(crate) const REPLAY_WINDOW_BYTES: usize = 1 << 20;

/// Zeros are written ahead in pieces of this many bytes.
pub(crate) const ZERO_BYTES: usize = 1 << 20;

/// Nested tables and arrays in stored arguments: deeper than any that the protocol layer lets in.
pub(crate) const ARGUMENTS_DEPTH_MAX: usize = 64;

/// The messages of sparse segments are moved while what waits in all covered segments is less
/// than one part in so many of their size. A segment that is cleared then costs at most a third
/// of the bytes that come back, and no full one is ever copied: at least one is below the share
/// of all.
pub(crate) const SPARSE_PARTS: u64 = 4;

/// What a message takes in a segment beside its own bytes, about: kind, places, length, checksum.
/// Counted, so that a segment full of empty messages does not pass for a sparse one.
pub(crate) const ENTRY_OVERHEAD_BYTES: u64 = 32;

/// Messages are moved in pieces that end when they reach this many bytes: the committer writes
/// one between two of its groups, and nobody should notice.
pub(crate) const MOVE_BYTES: usize = 1 << 20;

/// One step of looking for messages to move reads at most about this many bytes of a segment, so
/// that a checkpoint never waits long for it.
pub(crate) const WALK_BYTES: u32 = 4 << 20;

/// So many places are looked up at most under the lock that the committer needs.
pub(crate) const LOOKUPS_MAX: usize = 1_024;

/// How often a load looks again for messages whose segment went away while it looked.
pub(crate) const LOAD_ATTEMPTS_MAX: usize = 3;

/// Entries of a queue in memory lie in chunks of at most this many: 12 KiB.
pub(crate) const CHUNK_ENTRIES_MAX: usize = 512;

/// A checkpoint is due when so many entries and settled ranges wait for it, whatever the bytes of
/// log behind them: they take some 30 bytes each, in this layer and in the frozen one.
pub(crate) const LAYER_ENTRIES_MAX: usize = 200_000;

/// What one step of a load takes from each source at most: entries and settled ranges of a layer,
/// which are walked under the lock that the committer needs.
pub(crate) const LOAD_WINDOW_ENTRIES: usize = 4_096;

/// Messages that are read back are laid into allocations of this many bytes; a larger message has
/// its own. The allocation stays as long as any of them.
pub(crate) const LOAD_BATCH_BYTES: usize = 32 << 10;

/// The rows of the index that one step of a load reads at most.
pub(crate) const LOAD_WINDOW_ROWS: usize = 16;

/// The rows of a database of at most this many bytes are counted when it is opened, to find some
/// that are missing: that takes a few milliseconds. Larger ones are left to a check of their own.
pub(crate) const OPEN_CHECK_BYTES_MAX: u64 = 4 << 20;

/// A check lists this much damage and counts the rest: nobody reads more, and each takes memory.
pub(crate) const FINDINGS_MAX: usize = 10_000;

/// How many salvage folders may stand beside each other.
pub(crate) const SALVAGES_MAX: u32 = 10_000;

/// The log key is recovered from this many records at most, and holds when so many agree.
pub(crate) const KEY_RECORDS_MAX: usize = 64;
pub(crate) const KEY_RECORDS_AGREEING: usize = 4;

/// A record longer than this is not used to recover the log key: that takes steps for every bit.
pub(crate) const KEY_RECORD_BYTES_MAX: u32 = 4 << 20;
