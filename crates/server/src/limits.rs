//! Every limit of the server, each with its reason.

use std::time::Duration;

/// Bytes read from a socket in one go: thousands of small messages, so that every later step
/// works on a batch; and as much as a core's second-level cache takes without trouble.
pub(crate) const READ_BYTES: usize = 256 * 1024;

/// Messages of a read that are laid into one allocation, in bytes; a larger message has its own.
/// The allocation stays as long as any of them, so a message that stays alone keeps this much. Large
/// enough that hundreds of small messages share the cost of a command.
pub(crate) const MESSAGE_BATCH_BYTES: usize = 32 * 1024;

/// Commands that may wait for a shard. When the inbox is full, connections stop reading their
/// sockets: the peers wait, and at most this many reads are in memory.
pub(crate) const SHARD_INBOX: usize = 64;

/// Reads of one connection that may be on the way to its shard or in it: one being carried out and
/// one to follow. What a peer asks for is answered before more of it is read.
pub(crate) const READS_ON_THE_WAY: usize = 2;

/// Bytes of events other than deliveries that may wait to be encoded for a peer that does not
/// read. Above it nothing more is read from the peer, so that it cannot make the broker pile up
/// replies and returned messages.
pub(crate) const WAITING_REPLY_BYTES: usize = 1024 * 1024;

/// Commands that a shard takes before it hands on what follows from them.
pub(crate) const SHARD_BATCH: usize = 32;

/// Effects after which a shard hands on what it has, so that deliveries set out while they are in
/// the cache and the outboxes of consumers fill while there is more to do.
pub(crate) const SHARD_EFFECTS: usize = 4 * 1024;

/// Groups of writes that may wait for the committer. When the disk is slower than the publishers,
/// the shard waits here, then the publishers.
pub(crate) const COMMITTER_INBOX: usize = 16;

/// Writes after which the committer syncs without waiting for more. Bounds what is in memory
/// twice and how long the first of them waits.
pub(crate) const COMMIT_BYTES: usize = 4 * 1024 * 1024;

/// How long acknowledgements wait to be written when nothing else is: nobody is waiting for them.
pub(crate) const IDLE_FLUSH: Duration = Duration::from_millis(20);

/// The pause between two pieces of sparse segments, of which at most 1 MiB is written anew and
/// about 4 MiB is read: 20 and 80 MiB a second, a small part of what a disk gives.
pub(crate) const MOVE_PAUSE: Duration = Duration::from_millis(50);

/// Bytes of messages read back from disk for one wish.
pub(crate) const LOAD_BYTES: usize = 1024 * 1024;

/// Encoded output after which a connection writes to its socket before it encodes more.
pub(crate) const WRITE_BYTES: usize = 128 * 1024;

/// Memory for output that a connection keeps when it has nothing to send.
pub(crate) const IDLE_OUTPUT_BYTES: usize = 16 * 1024;

/// A wait for the shard that counts as silence of the broker's own making.
pub(crate) const NOTED_WAIT: Duration = Duration::from_millis(250);

/// How long a peer may take to read the last bytes of a connection that is over.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(5);

/// How long the broker waits for its peers to answer `connection.close` when it stops.
pub(crate) const STOP_GRACE: Duration = Duration::from_secs(3);

/// How long an accept error such as too many open files keeps the listener from trying again.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections that have not logged in yet, over all addresses: more is an attack, or a herd that
/// does better to try again.
pub(crate) const HALF_OPEN_CONNECTIONS: usize = 2_000;
