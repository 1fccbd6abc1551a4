//! Reads messages that the index points to, and compares them with their checksums.

use std::sync::Arc;

use warren_engine::MessageBatch;

use crate::delta::Entry;
use crate::reader::{fetch, runs, stored};
use crate::record::{body_bytes, verified_message};
use crate::{Disk, DiskFile, Error};

/// A message that cannot be used.
pub(super) struct Bad<'a> {
    pub(super) reason: &'static str,
    /// Its bytes with length and checksum, as far as they are there.
    pub(super) bytes: Option<&'a [u8]>,
}

/// Is told of a message, and whether it can be used.
type Each<'e> = &'e mut dyn FnMut(&Entry, Result<(), Bad<'_>>) -> Result<(), Error>;

/// Reads messages; neighbours in a segment together.
pub(super) struct Messages<'a> {
    disk: &'a dyn Disk,
    buffer: Vec<u8>,
    file: Option<(u32, Arc<dyn DiskFile>)>,
}

impl<'a> Messages<'a> {
    pub(super) fn new(disk: &'a dyn Disk) -> Self {
        Self { disk, buffer: Vec::new(), file: None }
    }

    /// Looks at the messages of these entries, one after the other.
    pub(super) fn look_at(&mut self, entries: &[Entry], each: Each<'_>) -> Result<(), Error> {
        for run in runs(entries) {
            let start = fetch(self.disk, run, &mut self.buffer, &mut self.file)?;
            for entry in run {
                let bytes = start.and_then(|start| stored(&self.buffer, start, entry));
                let result = match (start, bytes) {
                    (None, _) => Err("its segment is missing or ends before it"),
                    (Some(_), None) => Err("its segment ends before it"),
                    (_, Some(bytes)) => look(bytes, entry),
                };
                each(entry, result.map_err(|reason| Bad { reason, bytes }))?;
            }
        }
        Ok(())
    }
}

fn look(stored: &[u8], entry: &Entry) -> Result<(), &'static str> {
    let encoded = verified_message(stored, entry.length)?;
    let mut batch = MessageBatch::with_capacity(1, encoded.len());
    if !batch.push_encoded(encoded) {
        return Err("its bytes are not a message");
    }
    if body_bytes(encoded) != entry.body_bytes {
        return Err("the index has another length of its body");
    }
    Ok(())
}
