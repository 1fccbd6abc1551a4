//! Bugs that a test can switch on, one at a time and for its own thread, to see whether the
//! simulation notices them. Without the feature `planted` none can be, and the compiler takes the
//! sites out.

/// A bug of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A part of the syncs of the log is left out.
    SyncSkipped,
    /// A checkpoint says that it covers one record more than it does.
    CoveredTooFar,
    /// A segment is deleted with one waiting message in it.
    SegmentDeletedAlive,
    /// A recovery forgets what was delivered.
    DeliveredForgotten,
    /// A range of settled messages reaches one too far.
    SettledTooFar,
    /// Records are taken for whole whatever segment and number they were written for.
    StaleRecordAccepted,
    /// The name of a new segment is not made durable.
    NameNotSynced,
    /// What a recovery replayed is not made durable.
    ReplayNotSynced,
    /// Messages that a running checkpoint moves are not found.
    FrozenOverlooked,
    /// A row from which messages were settled loses its last one too.
    RowLosesLast,
    /// Rows of a deleted queue stay, and hold their segments.
    DeletedRowsStay,
    /// A message that is written anew counts though it was settled meanwhile.
    MovedThoughSettled,
    /// Messages that no restart survives come back after one.
    SpilledComeBack,
    /// A recovery counts messages that the log says were settled.
    ReplayCountsSettled,
    /// A recovery counts what it replayed twice.
    StandingCountedTwice,
    /// The messages with a priority stay when their queue is deleted.
    LanesStay,
    /// A recovery forgets the messages with a priority.
    LanesForgotten,
    /// Writes that belong together get a record each.
    TogetherTorn,
}

#[cfg(feature = "planted")]
thread_local! {
    static SWITCHED_ON: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Switches a bug on for this thread, or with `None` the one that is on off.
#[cfg(feature = "planted")]
pub fn on(bug: Option<Bug>) {
    SWITCHED_ON.set(bug);
}

/// True if the bug is switched on.
#[cfg(feature = "planted")]
pub(crate) fn is(bug: Bug) -> bool {
    SWITCHED_ON.get() == Some(bug)
}

/// True if the bug is switched on: never.
#[cfg(not(feature = "planted"))]
pub(crate) const fn is(_: Bug) -> bool {
    false
}
