//! Bugs that a test can switch on, one at a time and for its own thread, to see whether the
//! simulation notices them. Without the feature `planted` none can be, and the compiler takes the
//! sites out.

/// A bug of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A confirm does not wait for the disk.
    ConfirmBeforeSync,
    /// `channel.close-ok` does not wait for the disk.
    CloseBeforeSync,
    /// `queue.declare-ok` does not wait for the disk.
    DeclareBeforeSync,
    /// One of the messages that a channel held when it ended is forgotten.
    RequeueForgetsOne,
    /// Requeued messages go to the end of the queue.
    RequeueAtEnd,
    /// Requeued messages come without the redelivered flag.
    RequeueForgetsFlag,
    /// How far a queue was delivered is not written.
    DeliveredNotWritten,
    /// A delivery has the tag of the one before.
    DeliveryTagReused,
    /// The last queue of a fan-out gets no copy.
    FanOutLosesCopy,
    /// A message that cannot be routed is not returned.
    ReturnForgotten,
    /// A purge forgets that deliveries are unacknowledged.
    PurgeForgetsHeld,
    /// The last message of a purge comes back after a restart.
    PurgeNotWritten,
    /// How often messages came back is not written.
    ReturnsNotWritten,
    /// A dead letter stays in its old queue as well, after a restart.
    DeadLetterStays,
    /// A dead letter overtakes those before it.
    DeadLetterOvertakes,
    /// A rejected message comes back after a restart.
    RejectNotWritten,
    /// A range of settled messages reaches one too far.
    SettledTooFar,
    /// An auto-delete queue stays for as long as it has messages.
    AutoDeleteKeepsMessages,
    /// The queues of a connection stay when it goes.
    ExclusiveQueueStays,
    /// Bindings of a deleted queue come back after a restart.
    BindingStays,
    /// Queues made after a restart have the numbers of those before.
    QueueNumberReused,
    /// Contents from disk bring back messages that have left the queue.
    LoadBringsBack,
    /// The last message of an answer from disk is forgotten.
    PageInForgetsLast,
    /// A new message goes into memory though others before it are on disk.
    NewOvertakesDisk,
    /// A message that went to disk to save memory is settled under the durable name.
    SpilledSettledAsDurable,
    /// While the rest of a queue is on disk, requeued messages come before all others.
    RequeueOvertakes,
    /// Later answers on a channel pass a `basic.get` that waits.
    GetPassed,
    /// `tx.commit-ok` does not wait for the disk.
    CommitBeforeSync,
    /// What a transaction acknowledged comes back after a restart.
    CommitForgetsSettled,
    /// A rollback carries out the acknowledgements.
    RollbackSettles,
    /// Consumers of a stream get messages that are not durable yet.
    StreamBeforeSync,
    /// The last message of what was read for a consumer of a stream is forgotten.
    StreamForgetsLast,
    /// A purge does not write that what was on disk is gone.
    PurgeLeavesRange,
    /// Messages without a priority come before those with one.
    UrgentWaits,
    /// A consumer that is to wait for the active one is served beside it.
    TwoActive,
    /// A consumer of a quorum queue goes on though one with a higher priority waits.
    NobodyYields,
    /// A channel with a delivery that is unacknowledged for too long stays open.
    TimeoutForgotten,
    /// A channel is closed when half of the time is over.
    TimeoutTooEarly,
    /// What a stream need not keep stays.
    RetentionForgotten,
    /// A stream loses a segment more than it has to.
    RetentionTakesMore,
    /// A stream loses its last segment as well.
    RetentionTakesLast,
    /// What a stream did not keep is there again after a restart.
    RetentionNotWritten,
    /// An exchange that chooses by chance always makes the same choice.
    ChanceAlwaysSame,
    /// An exchange that chooses by chance gives one more queue a copy.
    ChanceTakesTwo,
    /// A new binding does not get the last message that an exchange kept.
    HistoryForgetsLast,
    /// An exchange keeps one message more than it should.
    HistoryTooLong,
    /// A queue with a limit has room for one message more.
    RoomForOneMore,
    /// A queue with a limit has room for one message less.
    RoomForOneLess,
    /// A limit of bytes is none.
    BytesForgotten,
    /// What is unacknowledged counts against a limit.
    HeldCounts,
    /// The oldest messages do not go though a queue has no room for them.
    DropForgotten,
    /// A message that a queue had no room for comes back after a restart.
    DropNotWritten,
    /// A message that a queue had no room for does not become a dead letter.
    DropNotDeadLettered,
    /// A dead letter tells another reason than that its queue had no room.
    DropTellsOtherReason,
    /// Consumers of a queue without room are not served before messages go or are refused.
    ConsumersComeLast,
    /// A message that is refused is in the queue all the same.
    RefusedGoesIn,
    /// The publisher of a refused message is told that it is taken.
    RefusalConfirmed,
    /// A refused message does not become a dead letter.
    RefusedNotDeadLettered,
    /// A commit is told to be whole though a queue refused a message.
    CommitForgetsRefusal,
    /// A limit that was declared is forgotten in a restart.
    LimitLostAtRestart,
    /// A restart finds no policies.
    PoliciesLostAtRestart,
    /// Policies hold for queues that are declared after them alone.
    PolicyForNewAlone,
    /// The policy with the lowest priority wins.
    LowestPriorityWins,
    /// What a policy says wins against the declaration.
    PolicyBeatsArgument,
    /// What a user's policy says wins against the operator's.
    OperatorLoses,
    /// The greatest of numbers holds.
    GreatestNumberHolds,
    /// A new time does not hold for messages that wait.
    WaitingKeepTime,
    /// An unused queue may be gone as soon as a policy says so, as the time begins before.
    UnusedBeforePolicy,
    /// Routes that are remembered outlive the policy that they follow from.
    RoutesOutlivePolicy,
    /// Consumers keep the timeout that they began with.
    ConsumerKeepsTimeout,
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
