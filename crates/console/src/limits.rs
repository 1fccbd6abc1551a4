//! Every limit of the console, each with its reason.

use std::time::Duration;

/// Bytes of a form that somebody sends: a message's body of 16 MiB, escaped where it has to be.
pub(crate) const FORM_BYTES: usize = 20 * 1024 * 1024;

/// Rows of a list's page if nobody says otherwise: what can be looked through.
pub(crate) const PAGE_SIZE: usize = 50;

/// Sizes of pages that lists offer.
pub(crate) const PAGE_SIZES: [usize; 4] = [25, 50, 100, 200];

/// Entries of the audit log that are asked for at a time: as many as the API gives.
pub(crate) const EXPORT_PAGE_SIZE: usize = 500;

/// Notices that wait for somebody's next page.
pub(crate) const NOTICES: usize = 8;

/// Sessions for which notices wait: the same as there may be sessions.
pub(crate) const NOTICE_SESSIONS: usize = 4_096;

/// Pages that keep themselves up to date at a time.
pub(crate) const LIVE_PAGES: usize = 200;

/// How often a page is made again at most: what statistics are made at.
pub(crate) const LIVE_PERIOD: Duration = Duration::from_secs(1);

/// What part of the time an open page may be made again in: one hundredth.
pub(crate) const LIVE_SHARE: u32 = 100;

/// After so long without news a page's stream says that it is alive, for proxies.
pub(crate) const LIVE_SILENCE: Duration = Duration::from_secs(15);

/// The largest page that keeps itself up to date, in bytes.
pub(crate) const LIVE_BYTES: usize = 4 * 1024 * 1024;

/// For how long a choice that somebody made is kept in their browser, in seconds: a year.
pub(crate) const PREFERENCE_SECONDS: u32 = 365 * 24 * 3600;

/// For how long messages that were purged or deleted can be brought back.
pub(crate) const TRASH_TIME: Duration = Duration::from_secs(600);

/// Messages that are kept for that at most: a job moves them in well less than that time.
pub(crate) const TRASH_MESSAGES: u64 = 1_000_000;

/// For how long a page waits for a job, so that most are done when it is shown.
pub(crate) const JOB_PATIENCE: Duration = Duration::from_secs(2);

/// How often it looks.
pub(crate) const JOB_LOOK: Duration = Duration::from_millis(25);

/// Messages that somebody publishes with one click: what is done in some seconds.
pub(crate) const PUBLISH_TIMES: usize = 1_000;

/// How long that may take: no longer than browsers and proxies wait for an answer.
pub(crate) const PUBLISH_TIME: Duration = Duration::from_secs(25);

/// Entries of the audit log on a page.
pub(crate) const AUDIT_ROWS: usize = 100;

/// Entries of the audit log that are looked at for a page of those that somebody looks for.
pub(crate) const AUDIT_LOOK: usize = 5_000;

/// Entries of the audit log in a file: half of what is kept.
pub(crate) const AUDIT_FILE: usize = 100_000;

/// Lines of the log on a page.
pub(crate) const LOG_ROWS: usize = 200;

/// Lines of the log that are asked for at a time for a file.
pub(crate) const LOG_FILE_PAGE: usize = 1_000;

/// Connections that are closed at the same time: clients that do not answer are waited for together,
/// and other requests of the console still have their place.
pub(crate) const CLOSED_AT_A_TIME: usize = 16;
