//! Every limit of the engine, each with its reason.

/// Changes that wait to be shown to whoever looks at the virtual host. They are shown once a second;
/// if nobody comes for so long that there are more, everything is shown anew instead, so that the
/// lists do not grow for ever. Each takes at most 24 bytes.
pub const UNSEEN_CHANGES: usize = 1024 * 1024;

/// Bytes of deliveries that may wait in a session's outbox. Above it the session's consumers have
/// no credit, so that a peer that reads slowly costs this much memory and no more. Large enough
/// that a fast consumer never runs dry while its flushed report is on the way.
pub const OUTBOX_BYTES: usize = 2 * 1024 * 1024;

/// What a delivery weighs in the outbox beyond its message's bytes: its frames and bookkeeping.
pub const DELIVERY_OVERHEAD_BYTES: usize = 64;

/// What a message in a queue takes beyond its bytes: its entry, its share of its batch's list, and
/// what growing lists keep in reserve.
pub const ENTRY_BYTES: usize = 80;

/// Contents of durable messages that a queue keeps in memory, in bytes: enough that a consumer that
/// is a little behind is served from memory. The rest stays on disk until its turn comes, so that a
/// backlog takes no memory a message.
pub const QUEUE_RESIDENT_BYTES: usize = 8 * 1024 * 1024;

/// The same for all queues of a virtual host together; beyond it each has an equal share of it.
pub const HOST_RESIDENT_BYTES: usize = 24 * 1024 * 1024;

/// The same for messages that need not survive a restart. Writing them to disk is work that nobody
/// asked for, so that they may pile up more.
pub const TRANSIENT_QUEUE_RESIDENT_BYTES: usize = 32 * 1024 * 1024;

/// The same for messages that need not survive a restart, over all queues of a virtual host.
pub const TRANSIENT_HOST_RESIDENT_BYTES: usize = 96 * 1024 * 1024;

/// Copies of messages in queues after which the rest of a batch of publishes waits until what has
/// followed is handed on. One batch may hold thousands of small messages, each for thousands of
/// queues: all at once they would take gigabytes before the first consumer sees anything.
pub const PUBLISH_STEP_COPIES: usize = 16 * 1024;

/// Messages read back from disk in one go. Enough to keep a consumer busy for the length of a
/// disk read, few enough that they fit in memory for every queue that is being drained.
pub const LOAD_MESSAGES: usize = 4096;

/// The next messages are read from disk when fewer than this are left in memory, so that they are
/// there before the consumers run dry.
pub const LOAD_AHEAD_MESSAGES: usize = LOAD_MESSAGES / 2;

/// And when what is left in memory takes fewer bytes than this: of large messages a few are enough.
pub const LOAD_AHEAD_BYTES: usize = 1024 * 1024;

/// Messages that leave because of their time at one go, over all queues: about a quarter of a
/// millisecond. With every command there may be one go, and a client that sends thousands a second
/// waits for it each time, while millions of messages of others leave. Whoever gives the time does
/// it again when nobody waits.
pub const EXPIRED_MESSAGES: usize = 256;

/// Expired messages of a queue that are read from disk in one go. They may be far apart there, so
/// that each is a read of its own.
pub const EXPIRED_LOAD: usize = 1024;

/// Places of messages on disk whose time is looked at in one go for each queue: about a tenth of a
/// millisecond.
pub const EXPIRY_WORK: usize = 2 * 1024;

/// As how many messages that leave this counts, so that few queues have such work at one time.
pub const EXPIRY_WORK_COST: usize = EXPIRED_MESSAGES / 2;

/// An empty list of messages keeps memory for this many: what one read from a socket brings, so that
/// lists do not grow anew with each; but a queue that was full once must not keep more for ever.
pub const HEAD_KEPT: usize = 8 * 1024;

/// Routes remembered for each exchange. When more keys are in use, the memory starts afresh: a
/// client that makes up keys must not fill the broker's memory.
pub const CACHED_ROUTES_PER_EXCHANGE: usize = 16 * 1024;

/// Requests of `basic.get` that a session may have waiting for their answers, because a message has
/// to come from disk or the client does not read. A client that asks for more has lost count.
pub const WAITING_GETS: usize = 16 * 1024;

/// Bytes of answers that a channel may have waiting behind a `basic.get` whose message is not there
/// yet. A client that asks for more without waiting has lost count.
pub const HELD_BYTES: usize = OUTBOX_BYTES;

/// What the transactions of one connection may hold until they are committed, in bytes: messages
/// with the allocations that they came in, and 80 bytes for each copy that the commit will put into a
/// queue. A commit is carried out in one go, so this bounds the memory and the pause: some hundred
/// thousand small messages, or a few of the largest.
pub const TRANSACTION_BYTES: usize = 64 * 1024 * 1024;

/// Messages whose time begins with their commit are laid end to end in allocations of so many
/// bytes, as many as one read from a socket brings: a message that stays alone keeps all of one.
pub const COMMIT_BATCH_BYTES: usize = 32 * 1024;

/// Deliveries in a session's outbox above which direct replies are dropped, in bytes. They come
/// without being asked for one by one, so that nothing else bounds them; and a client that leaves so
/// many unread waits for none of them.
pub const REPLY_OUTBOX_BYTES: usize = 16 * 1024 * 1024;

/// Consumers on one channel, if nothing else is configured. More than a client has a use for.
pub const CONSUMERS_PER_CHANNEL: usize = 10_000;

/// Messages that go to dead letter exchanges in one command beyond those that the command itself
/// gave up. Each takes some microseconds. The rest follows with the time, for the reason of
/// [`EXPIRED_MESSAGES`].
pub const DEAD_LETTER_STEP: usize = 64;

/// The same for a batch of publishes: what it pushes out goes at once, as it could pile up otherwise.
pub const DEAD_LETTERS_OF_PUBLISH: usize = 4 * PUBLISH_STEP_COPIES;

/// Messages that are made in one batch when they go to a dead letter exchange, and the bytes of one:
/// a message that stays alone keeps the whole of it.
pub const DEAD_LETTER_BATCH: usize = 64;

/// See [`DEAD_LETTER_BATCH`].
pub const DEAD_LETTER_BATCH_BYTES: usize = 16 * 1024;

/// Messages that queues refused and give to their dead letter exchanges at once, in one command.
/// They are in no store, so that the rest of them waits in memory.
pub const REFUSED_STEP: usize = 16 * 1024;

/// Messages that leave a queue for its dead letter exchange while others wait in it whose time is
/// over: enough that there is always something to do, few enough that they take no memory to speak
/// of when millions expire at once.
pub const LEAVING_LONG: usize = 8 * 1024;

/// Places between two messages that leave a queue which are read with them rather than by a wish of
/// their own.
pub const LEAVING_GAP: u64 = 16;

/// A stream's messages are counted in chunks of this many: what is too old or too much goes by whole
/// chunks, and an index of them takes a few bytes for a thousand messages.
pub const STREAM_CHUNK_MESSAGES: u64 = 4096;

/// And a chunk ends when it takes so many bytes: large messages should not go by the gigabyte.
pub const STREAM_CHUNK_BYTES: u64 = 16 << 20;

/// Chunks of one stream, of 56 bytes. Above it they are joined, as small segments make small chunks.
pub const STREAM_CHUNKS_MAX: usize = 64 * 1024;

/// The size of a stream's segment when its declaration says nothing, in bytes, as with RabbitMQ.
pub const STREAM_SEGMENT_BYTES: u64 = 500_000_000;

/// The largest segment that may be asked for, in bytes, as with RabbitMQ.
pub const STREAM_SEGMENT_BYTES_MAX: u64 = 3_000_000_000;

/// What a message of a stream counts beside its body, in bytes: about what it takes on disk.
pub const STREAM_MESSAGE_BYTES: u64 = 64;

/// `x-stream-offset: last` begins with the messages that came together last, and so many at most.
pub const STREAM_BATCH_MESSAGES: u64 = 4096;

/// Messages that came together carry times that differ by less than this, in milliseconds: each
/// connection looks at the clock on its own.
pub const STREAM_TIME_SLACK_MS: u64 = 1000;

/// The newest messages of a stream stay in memory up to this many bytes without asking who may still
/// read them, which costs a look at every consumer.
pub const STREAM_TAIL_BYTES: usize = 256 * 1024;

/// Messages that one consumer of a stream gets before it is another one's turn.
pub const STREAM_TURN: u32 = 256;

/// Messages of one stream that are looked at for its consumers before other work has its turn:
/// thousands of consumers may want the same megabytes.
pub const STREAM_STEP_MESSAGES: usize = 16 * 1024;

/// Chunks of one stream that go before other work has its turn.
pub const STREAM_STEP_CHUNKS: usize = 16;

/// Streams that have their turn when the time has come, before other work has its own.
pub const STREAM_STEP_STREAMS: usize = 64;

/// The longest time that an argument may ask for, in milliseconds: ten years. A longer one is a
/// mistake in the unit.
pub const DURATION_MS_MAX: u64 = 315_360_000_000;

/// How often a message of a quorum queue may come back when its declaration says nothing, as with
/// RabbitMQ 4.
pub const QUORUM_DELIVERY_LIMIT: u32 = 20;

/// How long a delivery may stay unacknowledged if nothing else is configured, as with RabbitMQ.
pub const CONSUMER_TIMEOUT_MS: u64 = 30 * 60 * 1000;

/// Deliveries are looked at so often in the time that they may stay unacknowledged: they may stay
/// longer by two of these parts at most.
pub const CONSUMER_TIMEOUT_PARTS: u64 = 10;

/// But not more often than this, in milliseconds, as a look goes over all channels...
pub const CONSUMER_TIMEOUT_LOOK_MIN_MS: u64 = 50;

/// ...and not less often: RabbitMQ looks once a minute.
pub const CONSUMER_TIMEOUT_LOOK_MAX_MS: u64 = 60 * 1000;

/// Marks that a channel keeps of how old its deliveries are.
pub const CONSUMER_TIMEOUT_MARKS: usize = 64;

/// Deliveries of a channel that are looked at in one go. The oldest ones come first, so that of a
/// channel with more of them only a timeout is late that is shorter than those before it.
pub const CONSUMER_TIMEOUT_DELIVERIES: usize = 1024;

/// Levels of priority in a quorum queue, as with RabbitMQ 4.3.
pub const QUORUM_LEVELS: u8 = 32;

/// The level of messages of a quorum queue that say nothing of a priority, as with RabbitMQ 4.3.
pub const QUORUM_DEFAULT_LEVEL: u8 = 4;

/// A level of priority may have the share of its queue in memory, divided by this and by the number
/// of levels in use, whatever the others have. With 4 the levels of a queue take 2.5 times its share
/// at most, and two of them a million bytes each: a thousand urgent messages of 1 KiB pass a
/// backlog without a look at the disk.
pub const LANE_SHARE_PARTS: usize = 4;

/// How many of the last messages an exchange of type `x-recent-history` keeps when its declaration
/// says nothing, as RabbitMQ's plugin does.
pub const RECENT_HISTORY: usize = 20;

/// What these messages may take in memory, in bytes, for each exchange: the declaration may ask for
/// any number of them, and nobody has to read them.
pub const RECENT_HISTORY_BYTES: usize = 1024 * 1024;

/// Messages that are taken by their places in one request. Their contents come from disk together,
/// and are in memory together.
pub const TAKEN_AT_ONCE: usize = 1_000;

/// Messages that one look at a queue gives.
pub const BROWSED_AT_ONCE: usize = 1_000;

/// Unacknowledged deliveries that one look gives. Finding them means to look at all deliveries of the
/// virtual host's channels.
pub const OUTSTANDING_AT_ONCE: usize = 1_000;

/// Unroutable messages that are remembered for each exchange.
pub(crate) const UNROUTABLE_PER_EXCHANGE: usize = 20;

/// Exchanges whose unroutable messages are remembered; the one that was quiet longest is forgotten.
pub(crate) const UNROUTABLE_EXCHANGES: usize = 100;

/// How much of the body of an unroutable message is remembered, in bytes. All that is remembered
/// stays below 20 MiB a virtual host.
pub(crate) const UNROUTABLE_BODY_BYTES: usize = 4 * 1024;

/// How much of its properties, in bytes.
pub(crate) const UNROUTABLE_PROPERTIES_BYTES: usize = 4 * 1024;

/// Bindings of one exchange that an explanation of a route lists.
pub(crate) const EXPLAINED_BINDINGS: usize = 1_000;

/// Comparisons of two characters that finding the nearest of an exchange's bindings may take: some
/// ten milliseconds, enough for tens of thousands of bindings with keys as they are.
pub(crate) const NEARNESS_COMPARISONS: usize = 5_000_000;

/// Steps back that matching one pattern of a permission or a policy may take, about half a
/// millisecond: names have 255 bytes at most, and honest patterns take a few steps for each.
pub const PATTERN_STEPS: usize = 20_000;

/// What a part of such a pattern may take in memory, in bytes: honest ones take a few thousand.
pub const PATTERN_BYTES: usize = 1024 * 1024;

/// Instructions of such a pattern, for the same reason.
pub const PATTERN_INSTRUCTIONS: usize = 16 * 1024;

/// Answers about its permissions that a session remembers, if they have to be looked for at all.
/// Enough for the exchanges and most routing keys of a publisher; a client that makes up keys must
/// not fill the broker's memory.
pub const ACCESS_DECISIONS: usize = 256;

/// Policies that are held against names in one go when policies change, over all exchanges and
/// queues: about a millisecond, as one takes a part of a microsecond.
pub const POLICY_STEP: usize = 4096;

/// As how many of these a queue counts whose settings change.
pub const POLICY_CHANGE_COST: usize = 16;

/// Messages that a queue drops in one go when it has more than it may: about a tenth of a
/// millisecond, for the reason of [`EXPIRED_MESSAGES`].
pub const SHED_STEP: usize = LOAD_MESSAGES / 8;

/// The same while [`LEAVING_LONG`] messages wait to go to its dead letter exchange: enough that a
/// queue into which more comes becomes no longer.
pub const SHED_STEP_LEAVING: usize = 64;

/// Sessions, queues and exchanges of a deleted virtual host that go at one time, and the writes and
/// events after which the rest waits: about a millisecond.
pub const ENDING_STEP: usize = 256;
