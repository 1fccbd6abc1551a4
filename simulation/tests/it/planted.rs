//! Each planted bug is noticed within some hundred seeds.

use warren_engine::planted::Bug as InEngine;
use warren_simulation::{Outcome, run};
use warren_storage::planted::Bug as InStore;

/// Seeds within which a bug must be noticed.
const SEEDS_MAX: u64 = 300;

#[derive(Debug, Clone, Copy)]
enum Bug {
    Engine(InEngine),
    Store(InStore),
}

const BUGS: [Bug; 88] = [
    Bug::Engine(InEngine::ConfirmBeforeSync),
    Bug::Engine(InEngine::CloseBeforeSync),
    Bug::Engine(InEngine::DeclareBeforeSync),
    Bug::Engine(InEngine::RequeueForgetsOne),
    Bug::Engine(InEngine::RequeueAtEnd),
    Bug::Engine(InEngine::RequeueForgetsFlag),
    Bug::Engine(InEngine::DeliveredNotWritten),
    Bug::Engine(InEngine::DeliveryTagReused),
    Bug::Engine(InEngine::FanOutLosesCopy),
    Bug::Engine(InEngine::ReturnForgotten),
    Bug::Engine(InEngine::PurgeForgetsHeld),
    Bug::Engine(InEngine::PurgeNotWritten),
    Bug::Engine(InEngine::RejectNotWritten),
    Bug::Engine(InEngine::ReturnsNotWritten),
    Bug::Engine(InEngine::DeadLetterStays),
    Bug::Engine(InEngine::DeadLetterOvertakes),
    Bug::Engine(InEngine::SettledTooFar),
    Bug::Engine(InEngine::AutoDeleteKeepsMessages),
    Bug::Engine(InEngine::ExclusiveQueueStays),
    Bug::Engine(InEngine::BindingStays),
    Bug::Engine(InEngine::QueueNumberReused),
    Bug::Engine(InEngine::LoadBringsBack),
    Bug::Engine(InEngine::StreamBeforeSync),
    Bug::Engine(InEngine::StreamForgetsLast),
    Bug::Engine(InEngine::PageInForgetsLast),
    Bug::Engine(InEngine::NewOvertakesDisk),
    Bug::Engine(InEngine::SpilledSettledAsDurable),
    Bug::Engine(InEngine::RequeueOvertakes),
    Bug::Engine(InEngine::GetPassed),
    Bug::Engine(InEngine::PurgeLeavesRange),
    Bug::Engine(InEngine::UrgentWaits),
    Bug::Engine(InEngine::TwoActive),
    Bug::Engine(InEngine::NobodyYields),
    Bug::Engine(InEngine::TimeoutForgotten),
    Bug::Engine(InEngine::TimeoutTooEarly),
    Bug::Engine(InEngine::RetentionForgotten),
    Bug::Engine(InEngine::RetentionTakesMore),
    Bug::Engine(InEngine::RetentionTakesLast),
    Bug::Engine(InEngine::RetentionNotWritten),
    Bug::Engine(InEngine::ChanceAlwaysSame),
    Bug::Engine(InEngine::ChanceTakesTwo),
    Bug::Engine(InEngine::HistoryForgetsLast),
    Bug::Engine(InEngine::HistoryTooLong),
    Bug::Engine(InEngine::RoomForOneMore),
    Bug::Engine(InEngine::RoomForOneLess),
    Bug::Engine(InEngine::BytesForgotten),
    Bug::Engine(InEngine::HeldCounts),
    Bug::Engine(InEngine::DropForgotten),
    Bug::Engine(InEngine::DropNotWritten),
    Bug::Engine(InEngine::DropNotDeadLettered),
    Bug::Engine(InEngine::DropTellsOtherReason),
    Bug::Engine(InEngine::ConsumersComeLast),
    Bug::Engine(InEngine::RefusedGoesIn),
    Bug::Engine(InEngine::RefusalConfirmed),
    Bug::Engine(InEngine::RefusedNotDeadLettered),
    Bug::Engine(InEngine::CommitForgetsRefusal),
    Bug::Engine(InEngine::LimitLostAtRestart),
    Bug::Engine(InEngine::PoliciesLostAtRestart),
    Bug::Engine(InEngine::PolicyForNewAlone),
    Bug::Engine(InEngine::LowestPriorityWins),
    Bug::Engine(InEngine::PolicyBeatsArgument),
    Bug::Engine(InEngine::OperatorLoses),
    Bug::Engine(InEngine::GreatestNumberHolds),
    Bug::Engine(InEngine::WaitingKeepTime),
    Bug::Engine(InEngine::UnusedBeforePolicy),
    Bug::Engine(InEngine::RoutesOutlivePolicy),
    Bug::Engine(InEngine::ConsumerKeepsTimeout),
    Bug::Engine(InEngine::CommitBeforeSync),
    Bug::Engine(InEngine::CommitForgetsSettled),
    Bug::Engine(InEngine::RollbackSettles),
    Bug::Store(InStore::SyncSkipped),
    Bug::Store(InStore::CoveredTooFar),
    Bug::Store(InStore::SegmentDeletedAlive),
    Bug::Store(InStore::DeliveredForgotten),
    Bug::Store(InStore::SettledTooFar),
    Bug::Store(InStore::StaleRecordAccepted),
    Bug::Store(InStore::NameNotSynced),
    Bug::Store(InStore::ReplayNotSynced),
    Bug::Store(InStore::FrozenOverlooked),
    Bug::Store(InStore::RowLosesLast),
    Bug::Store(InStore::DeletedRowsStay),
    Bug::Store(InStore::MovedThoughSettled),
    Bug::Store(InStore::SpilledComeBack),
    Bug::Store(InStore::ReplayCountsSettled),
    Bug::Store(InStore::StandingCountedTwice),
    Bug::Store(InStore::LanesStay),
    Bug::Store(InStore::LanesForgotten),
    Bug::Store(InStore::TogetherTorn),
];

fn plant(bug: Option<Bug>) {
    warren_engine::planted::on(match bug {
        Some(Bug::Engine(bug)) => Some(bug),
        _ => None,
    });
    warren_storage::planted::on(match bug {
        Some(Bug::Store(bug)) => Some(bug),
        _ => None,
    });
}

/// The first seed that notices the bug.
fn caught(bug: Bug) -> Option<Outcome> {
    plant(Some(bug));
    let outcome = (1..=SEEDS_MAX).map(run).find(|outcome| outcome.violation.is_some());
    plant(None);
    outcome
}

#[test]
fn every_planted_bug_is_noticed() {
    let mut missed = vec![];
    // A panic of the broker is one way to be noticed; its text need not fill the screen.
    std::panic::set_hook(Box::new(|_| {}));
    let mut found = vec![];
    let only = std::env::var("WARREN_PLANTED").unwrap_or_default();
    for bug in BUGS.into_iter().filter(|bug| format!("{bug:?}").contains(&only)) {
        match caught(bug) {
            Some(Outcome { seed, violation: Some(violation), .. }) => {
                found.push(format!("{bug:?}: {seed} seeds, {violation}"));
            }
            _ => missed.push(bug),
        }
    }
    drop(std::panic::take_hook());
    println!("{}", found.join("\n"));
    assert!(missed.is_empty(), "not noticed within {SEEDS_MAX} seeds: {missed:?}");
}
