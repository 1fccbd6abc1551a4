//! Every limit of the HTTP side, each with its reason.

use std::time::Duration;

/// The largest body of a request if nothing else is configured, in bytes: definitions of 50,000
/// queues, or a message of 15 MiB in base64.
pub const BODY_BYTES: usize = 20 * 1024 * 1024;

/// Requests that are worked on at a time if nothing else is configured. Each may hold a body and a
/// page of a list; one more is told to come back.
pub const REQUESTS: usize = 64;

/// How long a request may take if nothing else is configured. A disk that hangs must not hold
/// requests for ever.
pub const REQUEST_TIME: Duration = Duration::from_secs(60);

/// After what time without a request a browser's session ends, if nothing else is configured.
pub const SESSION_IDLE: Duration = Duration::from_secs(3600);

/// After what time a browser's session ends however it is used, if nothing else is configured:
/// RabbitMQ's, a working day.
pub const SESSION_LONGEST: Duration = Duration::from_secs(8 * 3600);

/// Sessions of browsers, each of which takes about 500 bytes.
pub(crate) const SESSIONS: usize = 4_096;

/// Sessions of one user: some browsers on some machines.
pub(crate) const USER_SESSIONS: usize = 16;

/// Bytes of a form with a name and a password, or a token.
pub(crate) const LOGIN_BYTES: usize = 64 * 1024;

/// Lines of the log on a page where the client does not say: a screen or two.
pub(crate) const LOG_PAGE_BY_DEFAULT: u64 = 100;

/// Objects that are named in a preview of a policy: what somebody may look through.
pub(crate) const PREVIEW_OBJECTS: usize = 200;

/// How long a preview of a policy may take. Patterns that look around may need much time for each
/// name.
pub(crate) const PREVIEW_TIME: Duration = Duration::from_secs(2);

/// Objects on a page where the client does not say: RabbitMQ's.
pub(crate) const PAGE_SIZE: usize = 100;

/// Objects on a page at most: RabbitMQ's. A list without pages is sent as it is made.
pub(crate) const PAGE_SIZE_MAX: usize = 500;

/// Objects of a list without pages that are made at a time: some 200 KiB of JSON.
pub(crate) const LIST_CHUNK: usize = 256;

/// Characters of a name filter: RabbitMQ's.
pub(crate) const FILTER_CHARACTERS: usize = 1024;

/// Memory of a compiled name filter, in bytes. Counted repetitions inside each other could take
/// gigabytes.
pub(crate) const FILTER_BYTES: usize = 1024 * 1024;

/// Parts of a `sort` path or of a column, and columns: more are no object of ours.
pub(crate) const PATH_PARTS: usize = 8;

/// Columns of a list.
pub(crate) const COLUMNS: usize = 256;

/// Samples of one history: RabbitMQ's.
pub(crate) const SAMPLES: i64 = 500;

/// Tables inside tables of a JSON body's arguments: what the wire allows.
pub(crate) const TABLE_DEPTH: usize = 32;

/// The largest body of a request for a binding, in bytes: RabbitMQ's.
pub(crate) const BINDING_BYTES: usize = 5_000;

/// Objects of a list that are filtered and ordered at once, in the task that serves the socket:
/// less than a millisecond. More are worked on by a thread for such things.
pub(crate) const LIST_AT_ONCE: usize = 1_000;

/// Messages that one request fetches at most; it may ask again.
pub(crate) const FETCHED_MESSAGES: usize = 10_000;

/// Bytes of bodies, as they are sent, after which a request fetches no more messages.
pub(crate) const FETCHED_BYTES: usize = 32 * 1024 * 1024;

/// Sessions by which a definitions file is imported into a virtual host at a time. Each waits for the
/// disk, and one sync serves all of them.
pub(crate) const IMPORT_SESSIONS: usize = 64;

/// Messages on a page of those that wait where the client does not say.
pub(crate) const BROWSED_BY_DEFAULT: usize = 50;

/// Entries on a page of the audit log where the client does not say.
pub(crate) const AUDIT_PAGE_BY_DEFAULT: u64 = 100;

/// Bytes of each body on such a page where the client does not say.
pub(crate) const BROWSED_BODY_BYTES: usize = 16 * 1024;

/// Seconds that messages are lent for where the client does not say.
pub(crate) const LEASE_SECONDS: f64 = 30.0;

/// Streams of events at a time. Each answers its request anew every second.
pub(crate) const STREAMS: usize = 200;

/// How often a stream looks for something new: what statistics are made at.
pub(crate) const STREAM_PERIOD: Duration = Duration::from_secs(1);

/// After so long without an event a stream says that it is alive, for proxies.
pub(crate) const STREAM_SILENCE: Duration = Duration::from_secs(15);

/// Findings of one kind that need attention: what can be read. More are counted.
pub(crate) const FINDINGS_OF_A_KIND: usize = 5;

/// Dead letter exchanges whose queues are looked for.
pub(crate) const DEAD_LETTER_TARGETS: usize = 1_000;

/// Exchanges that are asked for messages that went nowhere, those with the most traffic.
pub(crate) const UNROUTABLE_ASKED: usize = 20;

/// For how long a message that went nowhere needs attention, in milliseconds.
pub(crate) const UNROUTABLE_RECENT_MS: u64 = 5 * 60 * 1000;

/// A queue without consumers in which something happened so lately grows, in milliseconds.
pub(crate) const GROWING_RECENT_MS: u64 = 60 * 1000;

/// Consumers that could take something in less than this part of the last seconds are stuck, if they
/// acknowledge nothing: what is left after ten seconds in which they took nothing.
pub(crate) const STUCK_CAPACITY: f64 = 0.36;

/// A delivery that is not acknowledged after this time needs attention, in milliseconds: a sixth of
/// what consumers usually have.
pub(crate) const UNACKNOWLEDGED_LONG_MS: u64 = 5 * 60 * 1000;

/// Connections opened in a second, above which clients seem to open one for each message.
pub(crate) const CONNECTIONS_OPENED_A_SECOND: f64 = 20.0;

/// The largest answer of the API that a page of the console is made from, in bytes.
pub(crate) const INNER_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// The largest answer that a stream repeats, in bytes: a page of 500 queues.
pub(crate) const STREAM_BYTES: usize = 2 * 1024 * 1024;

/// What the names of queues begin with in which the console keeps what was purged, for a while.
pub const TRASH_PREFIX: &str = "warren.trash.";
