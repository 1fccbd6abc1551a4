//! What goes wrong: power cuts now or at a later operation of the disk, kills, operations of the
//! disk that fail, a full disk; and orderly restarts.

use warren_storage::fault::{Operation, Survival};

use crate::committer::{Checkpoint, Unsynced};
use crate::node::Node;
use crate::world::World;
use crate::{Violation, limits};

/// How the broker ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// What was not synced is lost, kept or torn.
    PowerCut,
    /// The process is gone, the system lives on with all that was written.
    Kill,
    /// Everything is handed on, synced and moved into the database.
    Stop,
}

impl World {
    /// One fault, now or a little later.
    pub(crate) fn fault(&mut self) -> Result<(), Violation> {
        match self.random.below(26) {
            0..3 => self.end(End::PowerCut),
            3..9 => {
                let at = self.disk.operation_count() + self.random.below(60);
                self.notes.trace.line(format_args!("power will be cut at operation {at}"));
                self.disk.cut_power_at(at);
                Ok(())
            }
            9..12 => self.end(End::Kill),
            12..14 => self.end(End::Stop),
            14..18 => {
                let all = [Operation::Write, Operation::Sync, Operation::Name];
                let operation = self.random.pick(&all).unwrap_or(Operation::Sync);
                let prefix = self.random.pick(&["log/0", "log/0", "log/", "warren.redb"]);
                let prefix = prefix.unwrap_or_default();
                self.notes.trace.line(format_args!("the next {operation:?} of {prefix} fails"));
                self.disk.fail_next(operation, prefix);
                Ok(())
            }
            18..24 => {
                let room = self.random.pick(&[0, 0, 10_000, 40_000]).unwrap_or_default();
                self.notes.trace.line(format_args!("the disk has room for {room} bytes"));
                self.disk.limit_bytes(self.disk.used_bytes() + room);
                self.room_in = self.random.below(limits::FULL_STEPS_MAX);
                Ok(())
            }
            _ => {
                let first = self.disk.operation_count() + self.random.below(20);
                let full = first..first + 1 + self.random.below(20);
                self.notes.trace.line(format_args!("the disk is full during operations {full:?}"));
                self.disk.be_full_during(full);
                Ok(())
            }
        }
    }

    /// Ends a broker whose power is off, or whose store has failed for a while.
    pub(crate) fn after_step(&mut self) -> Result<(), Violation> {
        if self.disk.is_off() {
            return self.end(End::PowerCut);
        }
        if let Some(node) = self.node.as_ref().filter(|node| node.damage_told > 0 && !self.holes) {
            let text = format!("{} damaged places are told of", node.damage_told);
            return Err(Violation::new("P2", text));
        }
        self.check_at_rest()?;
        if self.room_in > 0 {
            self.room_in -= 1;
            if self.room_in == 0 {
                self.notes.trace.line(format_args!("the disk has room again"));
                self.disk.limit_bytes(u64::MAX);
            }
        }
        if self.node.as_ref().is_none_or(|node| node.failed.is_none()) {
            self.ends_in = self.random.below(limits::FAILED_STEPS_MAX);
            return Ok(());
        }
        if self.ends_in > 0 {
            self.ends_in -= 1;
            return Ok(());
        }
        let cut = self.random.percent(30);
        self.end(if cut { End::PowerCut } else { End::Kill })
    }

    /// Ends the broker and starts it again.
    pub(crate) fn end(&mut self, end: End) -> Result<(), Violation> {
        if end == End::Stop {
            self.stop()?;
        }
        self.notes.trace.line(format_args!("the broker ends: {end:?}"));
        let unsynced = self.node.as_ref().map(|node| node.unsynced.clone());
        let mut unsynced = unsynced.unwrap_or_default();
        unsynced.power_cut = end == End::PowerCut;
        self.node = None;
        match end {
            End::PowerCut => self.cut_power(),
            End::Kill | End::Stop => self.notes.counts.restarts += 1,
        }
        self.reopen_after(unsynced)
    }

    fn cut_power(&mut self) {
        let all = [Survival::Nothing, Survival::Everything, Survival::Torn, Survival::Torn];
        let survival = self.random.pick(&all).unwrap_or(Survival::Nothing);
        let seed = self.random.next();
        self.notes.trace.line(format_args!("power is cut: {survival:?}"));
        self.notes.counts.power_cuts += 1;
        self.disk = self.disk.after_power_cut(survival, seed);
    }

    /// Hands everything on, syncs it, and makes a last checkpoint, as the server does.
    fn stop(&mut self) -> Result<(), Violation> {
        self.notes.trace.line(format_args!("the broker stops"));
        for slot in 0..self.clients.len() {
            self.die(slot);
        }
        for _ in 0..limits::REST_STEPS_MAX {
            let Some(node) = &self.node else { break };
            if node.inbox.is_empty() || node.failed.is_some() {
                break;
            }
            self.shard(8)?;
            self.commit(limits::COMMITTER_INBOX, true);
        }
        self.commit(limits::COMMITTER_INBOX, true);
        for _ in 0..6 {
            let Some(node) = &self.node else { break };
            if node.failed.is_some() || !node.may_checkpoint() {
                break;
            }
            self.checkpoint();
            if self.node.as_ref().is_some_and(|node| node.checkpoint_waits) {
                break;
            }
        }
        let done = self.node.as_ref().is_none_or(|node| {
            // Without room it is given up, as is what was not confirmed.
            let gave_up = node.failed.is_some() || node.waits || node.checkpoint_waits;
            gave_up || matches!(node.checkpoint, Checkpoint::Idle)
        });
        if done { Ok(()) } else { Err(Violation::new("P12", "the last checkpoint does not end")) }
    }

    pub(crate) fn reopen(&mut self) -> Result<(), Violation> {
        self.reopen_after(Unsynced::default())
    }

    /// Opens the store, whose log held `unsynced` records. Power may be cut while it opens.
    fn reopen_after(&mut self, mut unsynced: Unsynced) -> Result<(), Violation> {
        for client in &mut self.clients {
            client.reset();
        }
        let mut reason = String::new();
        for attempt in 0..limits::OPEN_ATTEMPTS {
            if attempt + 2 >= limits::OPEN_ATTEMPTS {
                self.disk.heal();
            } else if self.random.percent(8) {
                let at = self.disk.operation_count() + self.random.below(40);
                self.notes.trace.line(format_args!("power will be cut at operation {at}"));
                self.disk.cut_power_at(at);
            }
            match Node::open(&self.disk, &self.profile, &self.policies) {
                Ok((mut node, found)) => {
                    let messages: usize = found.queues.iter().map(|queue| queue.1.len()).sum();
                    self.notes.trace.line(format_args!(
                        "the broker starts: {} queues, {messages} messages",
                        found.queues.len()
                    ));
                    self.holes |= unsynced.may_have_holes();
                    if let Some(damage) = found.damaged.first().filter(|_| !self.holes) {
                        return Err(Violation::new("P2", format!("undamaged, but: {damage}")));
                    }
                    self.model.restarted(&found, &unsynced, &self.policies)?;
                    node.appended_op = self.model.op;
                    self.node = Some(node);
                    return Ok(());
                }
                Err(error) => {
                    self.notes.trace.line(format_args!("the store does not open: {error}"));
                    reason = error.to_string();
                }
            }
            if self.disk.is_off() {
                self.cut_power();
                unsynced.power_cut = true;
            } else if self.random.percent(50) {
                self.disk.heal();
            }
        }
        Err(Violation::new("P1", format!("the store does not open: {reason}")))
    }
}
