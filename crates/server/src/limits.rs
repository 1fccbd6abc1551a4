//! Every limit of the server, each with its reason.

use std::time::Duration;

/// Free space on the disk below which publishers are blocked, if nothing else is configured, in
/// bytes. A segment of 64 MiB can be taken between two looks, the database needs room for its next
/// checkpoints, and a few segments more are what acknowledgements need while consumers drain.
pub const DISK_FREE_BYTES: u64 = 200 * 1024 * 1024;

/// Consumers on one channel, if nothing else is configured.
pub const CONSUMERS_PER_CHANNEL: usize = warren_engine::limits::CONSUMERS_PER_CHANNEL;

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

/// How long a publisher is held up at most when it is far ahead of consumers that are busy, in
/// milliseconds. It goes on sooner when they have written something to their sockets; consumers
/// that do not read must not stop it.
pub(crate) const BRAKE_MS: u64 = 5;

/// Messages that a shard takes from its inbox at a time.
pub(crate) const SHARD_BATCH: usize = 32;

/// How long a shard carries out commands before it hands on what follows from them and looks at
/// what has come meanwhile. Who comes new waits about this long at most beside one that floods the
/// shard, as each of them has one command in turn; still hundreds of messages share what it costs
/// to hand on.
pub(crate) const SHARD_SLICE: Duration = Duration::from_millis(1);

/// Bytes of messages that wait in a shard for the turns of their sessions. Above it the shard takes
/// nothing more from its inbox.
pub(crate) const WAITING_TURN_BYTES: usize = SHARD_INBOX * READ_BYTES;

/// Reads that wait in a shard for the turns of their sessions, most of which are small.
pub(crate) const WAITING_TURNS: usize = 4 * 1024;

/// Effects after which a shard hands on what it has, so that deliveries set out while they are in
/// the cache and the outboxes of consumers fill while there is more to do.
pub(crate) const SHARD_EFFECTS: usize = 4 * 1024;

/// Bytes of writes that may wait for the committer; then the shard waits. Those who publish much
/// wait long before, so that it comes to this only when very many do, or one command is very large.
pub(crate) const COMMITTER_BYTES: usize = 32 * 1024 * 1024;

/// How long a shard waits before it looks again whether the committer is still behind, in
/// milliseconds.
pub(crate) const BEHIND_PAUSE_MS: u64 = 1;

/// Messages of one read, in bytes, above which the next one waits while the committer is behind.
pub(crate) const LARGE_READ_BYTES: usize = MESSAGE_BATCH_BYTES;

/// Groups of writes that may wait for the committer: what a shard hands on within a second of small
/// loads, when the disk takes so long.
pub(crate) const COMMITTER_INBOX: usize = 1024;

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

/// How long an order to close connections waits for their clients: longer than a client far away
/// takes, short enough to wait for in front of a page.
pub(crate) const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// How long a peer may take to read the last bytes of a connection that is over.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(5);

/// Bytes of a token. Those of identity providers have one to four thousand; a frame before the
/// login takes half as many as this.
pub const TOKEN_BYTES: usize = 16 * 1024;

/// Scopes of a token that are meant for this broker: RabbitMQ's limit. Each is compared with the
/// name of every queue and exchange that is used for the first time.
pub const TOKEN_SCOPES: usize = 2048;

/// Keys in one set. Providers have two or three at a time.
pub const TOKEN_KEYS: usize = 100;

/// Bits of an RSA key: below, its factors can be found; above, a signature takes many milliseconds
/// to check, which somebody could use.
pub const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Bytes of a document with keys: a hundred of the largest keys.
pub const FETCH_BYTES: u64 = 256 * 1024;

/// How long it may take to fetch a document. A login waits for it, sometimes for two, and has ten
/// seconds altogether.
pub const FETCH_TIME: Duration = Duration::from_secs(4);

/// The pause between two questions for keys, in milliseconds. Tokens with unknown keys come from
/// anybody.
pub const KEYS_PAUSE_MS: u64 = 10_000;

/// After what time keys are asked for again, in milliseconds. A key that its owner has taken back
/// is used for so long at most, while the owner answers.
pub const KEYS_AGE_MS: u64 = 600_000;

/// How long a connection waits at most before it looks whether its token has expired, in
/// milliseconds: timers do not reach to the ends of time.
pub(crate) const EXPIRY_LOOK_MS: u64 = 86_400_000;

/// User names at addresses of which failed and good logins are remembered, at 60 bytes each. Above
/// it those are forgotten with which least happened lately.
pub const ATTEMPT_USERS: usize = 16 * 1024;

/// Logins of one user from one address that are looked at at the same time, before the first good
/// one. A hash that takes long to make gives room for guesses; a program has some dozens of
/// connections.
pub const LOGINS_AT_ONCE: u32 = 64;

/// Addresses of which failed logins are remembered.
pub const ATTEMPT_ADDRESSES: usize = 8 * 1024;

/// Addresses with user names for which logins are counted, if they are. Further ones are not.
pub const ATTEMPT_SOURCES: usize = 1_000;

/// For how long somebody who was let in is not held up by what others do from the same address, in
/// milliseconds: a day, as connections come again after days only when something goes wrong.
pub const GOOD_LOGIN_MS: u64 = 86_400_000;

/// After what time without a login its name and address are forgotten, in milliseconds. Longer than
/// the longest wait, which would do nothing otherwise.
pub const ATTEMPT_MEMORY_MS: u64 = 900_000;

/// How long the committer waits at a time for the last checkpoint, before it looks whether the
/// checkpoint thread is still there.
pub(crate) const LAST_CHECKPOINT_LOOK: Duration = Duration::from_millis(50);

/// How long the broker waits for its peers to answer `connection.close` when it stops.
pub(crate) const STOP_GRACE: Duration = Duration::from_secs(3);

/// How often the free space is looked at. A disk that takes 500 MB a second then fills by as much
/// between two looks, hence the look after each new segment as well.
pub(crate) const DISK_LOOK: Duration = Duration::from_secs(1);

/// How often the memory is looked at: transient messages can come with more than a gigabyte a
/// second, and a look takes some microseconds.
pub(crate) const MEMORY_LOOK: Duration = Duration::from_millis(100);

/// An alarm is over when the limit is kept by the limit divided by this: without the step it would
/// go on and off with every message.
pub(crate) const ALARM_STEP: u64 = 10;

/// The part of the memory there is that the broker may have if nothing else is configured, in
/// percent: RabbitMQ's. The rest is for the kernel's cache of files, and for what is read already
/// when publishers are blocked.
pub(crate) const MEMORY_PERCENT: u64 = 60;

/// How long the committer and the checkpoint thread wait before they try again to find room on a
/// full disk.
pub(crate) const FULL_DISK_PAUSE: Duration = Duration::from_millis(500);

/// How long the loader waits before it asks again for an index that is being opened again. Mostly
/// that takes a moment only.
pub(crate) const INDEX_PAUSE: Duration = Duration::from_millis(20);

/// How long an accept error such as too many open files keeps the listener from trying again.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections that have not logged in yet, over all addresses: more is an attack or a herd. Above
/// it the oldest of the address that has most is dropped for each new one.
pub(crate) const HALF_OPEN_CONNECTIONS: usize = 2_000;

/// Characters of a filter's expression, which bounds how deep it nests.
pub const FILTER_EXPRESSION_BYTES: usize = 2_000;

/// How deep tables in headers are looked into by a filter's expression.
pub(crate) const FILTER_DEPTH: usize = 4;

/// Messages that one look with a filter goes through; then it says where to go on, so that a
/// request ends within some seconds however rare what it looks for.
pub const LOOKED_AT_ONCE: usize = 50_000;

/// Messages in one answer to somebody who looks, in bytes; the one that exceeds it is the last.
pub(crate) const LOOKED_AT_BYTES: usize = 16 * 1024 * 1024;

/// Jobs that run at a time: each keeps a session and a few MB of messages, and all of them share the
/// disk with those who publish.
pub const JOBS_RUNNING: usize = 4;

/// Jobs that are remembered; of those that have ended the oldest are forgotten.
pub const JOBS_KEPT: usize = 100;

/// Messages that a job may name one by one.
pub const JOB_PLACES: usize = 10_000;

/// Messages that a job has in hand at a time: enough for a sync to cover many, and few to wait for
/// when it is cancelled.
pub(crate) const JOB_STEP: usize = 200;

/// Messages in a row that nothing takes, after which a job that moves them gives up: there is nobody
/// where they are to go, and each that comes back to a range on disk has to be remembered.
pub const JOB_STAYING: u64 = 1_000;

/// Leases at a time: each has a session in the engine and a task.
pub const LEASES: usize = 10_000;

/// Messages of one lease.
pub const LEASE_MESSAGES: usize = 1_000;

/// Messages of one lease, in bytes; the one that exceeds it is the last.
pub(crate) const LEASE_BYTES: usize = 16 * 1024 * 1024;

/// The longest time that messages are lent for at once; it can be extended.
pub const LEASE_MAX: Duration = Duration::from_secs(12 * 60 * 60);

/// The longest wait for a first message.
pub const LEASE_WAIT_MAX: Duration = Duration::from_secs(60);

/// How long a lease that waits for a first message pauses before it looks again, at first.
pub(crate) const LEASE_LOOK_FIRST: Duration = Duration::from_millis(5);

/// The same in the end: a thousand that wait then cost some percent of a core.
pub(crate) const LEASE_LOOK_LAST: Duration = Duration::from_millis(100);

/// Settlements of one lease that may wait.
pub(crate) const LEASE_ORDERS: usize = 16;

/// How long a delivery may stay unacknowledged if nothing else is configured, in milliseconds.
pub const CONSUMER_TIMEOUT_MS: u64 = warren_engine::limits::CONSUMER_TIMEOUT_MS;

/// How long a request of the HTTP API waits for the engine, or for the disk.
pub const CLIENT_PATIENCE: Duration = Duration::from_secs(20);

/// Virtual hosts. Each takes about 20 KiB of memory as it is, and each connection names one.
pub const VIRTUAL_HOSTS: usize = 10_000;

/// Users.
pub const USERS: usize = 100_000;

/// Permissions, and topic permissions.
pub const PERMISSIONS: usize = 200_000;

/// Policies of all virtual hosts. Each declaration looks at all of its own virtual host.
pub const POLICIES: usize = 20_000;

/// Parameters, and global parameters.
pub const PARAMETERS: usize = 20_000;

/// Compiled permissions that are remembered, one for each user and virtual host with sessions. When
/// there are more, the memory starts afresh.
pub(crate) const ACCESSES: usize = 10_000;

/// Tags of one user or virtual host.
pub const TAGS: usize = 64;

/// Bytes of the value of a parameter or a policy, as text: it is kept as one record.
pub const VALUE_BYTES: usize = 1024 * 1024;

/// Bytes of a pattern in a permission or a policy.
pub const PATTERN_BYTES: usize = 16 * 1024;

/// Samples of the past that one request may ask for, as with RabbitMQ.
pub(crate) const RANGE_SAMPLES: u64 = 500;

/// How often the numbers of the view are sampled, in milliseconds.
pub(crate) const SAMPLE_MS: u64 = 1000;

/// Objects that a shard shows at a time: about a millisecond of its work, in which nobody else is
/// served.
pub(crate) const LOOK_ITEMS: usize = 1000;

/// Objects that changed between two looks above which nobody gets a look of their own, but what the
/// last sample brought: a look at so many takes tens of milliseconds, and clients may ask often.
pub(crate) const LOOK_SOON: usize = 20_000;

/// How long a look waits for a shard, which may itself wait for the disk.
pub(crate) const LOOK_PATIENCE: Duration = Duration::from_millis(500);

/// What the view keeps of the past takes this much memory, in bytes. A queue whose numbers change
/// every second takes up to 6 KB, so that this is good for 10,000 of them; above it, what is older
/// than a minute is forgotten, and of objects that begin to change no past is kept.
pub const HISTORY_BYTES: usize = 64 * 1024 * 1024;

/// How often the view looks for a past that is too old, in seconds.
pub(crate) const HISTORY_LOOK_SECONDS: u64 = 60;

/// An object in which nothing has changed for so long is idle, in milliseconds: RabbitMQ's interval
/// between two reports of a queue.
pub(crate) const IDLE_MS: u64 = 5000;

/// What happened so long ago counts e times less in the capacity of consumers, in milliseconds. As
/// long as it takes until somebody who looks sees a change.
pub(crate) const CAPACITY_WINDOW_MS: f32 = 10_000.0;

/// Engine shards. There is one for each processor, and not more than this: each is a task that has
/// virtual hosts of its own, and what they write is one stream.
pub(crate) const SHARDS: usize = 32;

/// Bytes of messages in memory above which a virtual host counts as busy, and the memory is divided
/// by the number of those. Less where there are thousands of them.
pub(crate) const BUSY_HOST_BYTES: usize = 1024 * 1024;

/// Passwords that are hashed by argon2id at one time: each takes 19 MiB, and a core.
pub(crate) const ARGON2_TURNS: usize = 2;

/// Memory that a hash by argon2id may ask for, in KiB, and passes over it: definitions from elsewhere
/// may say anything, and each login does that work.
pub(crate) const ARGON2_KIB: u32 = 64 * 1024;

/// See [`ARGON2_KIB`].
pub(crate) const ARGON2_PASSES: u32 = 10;

/// How long a password that was checked by argon2id is remembered: a thousand connections that come
/// back at once need one check.
pub(crate) const GOOD_PASSWORD: Duration = Duration::from_secs(300);

/// Such passwords. When there are more, the memory starts afresh.
pub(crate) const GOOD_PASSWORDS: usize = 10_000;

/// Entries of the audit log that may wait to be written. More come only with a flood of refused
/// logins, of which it is enough to know how many.
pub(crate) const AUDIT_INBOX: usize = 4096;

/// Bytes of entries that are written and synced together.
pub(crate) const AUDIT_BATCH_BYTES: usize = 64 * 1024;

/// Bytes of `audit.log` after which it is put aside.
pub(crate) const AUDIT_FILE_BYTES: u64 = 8 * 1024 * 1024;

/// Files of the audit log that were put aside and are kept: together about 200,000 entries.
pub(crate) const AUDIT_FILES: u32 = 4;

/// Entries of the audit log that are in memory as well: what is mostly looked at.
pub(crate) const AUDIT_RECENT: usize = 1000;

/// Characters of a user name that are kept of a refused login.
pub(crate) const AUDIT_NAME: usize = 255;

/// Entries of the audit log that can be asked for at one time.
pub(crate) const AUDIT_PAGE: usize = 500;

/// Bytes of the last lines of the log that are in memory, to be looked at without the machine's own
/// means.
pub(crate) const LOG_TAIL_BYTES: usize = 2 * 1024 * 1024;

/// Such lines: some days of a quiet broker.
pub(crate) const LOG_TAIL_LINES: usize = 10_000;

/// Bytes of one such line. Names in lines are short; what a line quotes may be long.
pub(crate) const LOG_LINE_BYTES: usize = 4 * 1024;

/// Lines of the log that can be asked for at one time.
pub(crate) const LOG_PAGE: usize = 1_000;
