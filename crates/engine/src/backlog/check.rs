//! What must hold of a backlog, whatever was done to it.

use super::{Backlog, Entry};

impl Backlog {
    /// Checks that the counts agree with what is there.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.head.iter().any(|entry| !entry.is_gone() && entry.lane != self.lane) {
            return Err("a message waits in the lane of another".to_owned());
        }
        if !self.head.iter().is_sorted_by(|a, b| a.sequence < b.sequence) {
            return Err("ready messages are out of order".to_owned());
        }
        let bytes: u64 = self.head.iter().map(|entry| u64::from(entry.body_bytes)).sum();
        if bytes != self.head_bytes {
            return Err(format!("{} ready bytes, {bytes} found", self.head_bytes));
        }
        let resident: usize = self.head.iter().map(Entry::resident_bytes).sum();
        if resident != self.resident_bytes {
            return Err(format!("{} resident bytes, {resident} found", self.resident_bytes));
        }
        self.check_gone()?;
        if let (Some(on_disk), Some(last)) = (self.on_disk, self.head.back())
            && on_disk.first <= last.sequence
        {
            return Err("a message of the head stands behind the first one on disk".to_owned());
        }
        if let Some(on_disk) = self.on_disk
            && on_disk.first > on_disk.last
        {
            return Err(format!("an empty range on disk: {on_disk:?}"));
        }
        Ok(())
    }
}
