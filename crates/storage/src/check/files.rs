//! The files of a store: which there are, and whether the headers of segments are as they should.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::findings::{Finding, Findings};
use crate::bytes::Cursor;
use crate::checkpoint::NEW_SPARE;
use crate::index::{self, Counts};
use crate::recovery::LOCK_FILE;
use crate::segment::{self, HEADER_BYTES, Header, SegmentScan};
use crate::{Disk, Error};

/// Written by the program, not by the store.
const LISTENERS_FILE: &str = "listeners.json";
const AUDIT_FILE: &str = "audit.log";

/// Room that is kept for times when the disk is full; its bytes mean nothing.
const RESERVE_FILE: &str = "reserve";

/// What stands in the folder.
#[derive(Debug)]
pub(super) struct Files {
    /// Sizes by number.
    pub(super) segments: BTreeMap<u32, u64>,
    /// The database's size, if it is there.
    pub(super) index_bytes: Option<u64>,
}

impl Files {
    pub(super) fn find(disk: &dyn Disk, findings: &mut Findings) -> Result<Self, Error> {
        let mut files = Self { segments: BTreeMap::new(), index_bytes: None };
        let list = |folder: &str| {
            disk.list(folder).map_err(|error| Error::io("list", &disk.path(folder), &error))
        };
        let size = |name: &str| {
            let found = disk.open(name).and_then(|file| file.len());
            found.map_err(|error| Error::io("open", &disk.path(name), &error))
        };
        let unknown = |name: &str| (disk.path(name), "this file is not one of the store's");
        let mut notes = Vec::new();
        for name in list("")? {
            match name.as_str() {
                index::FILE => files.index_bytes = Some(size(&name)?),
                LOCK_FILE | LISTENERS_FILE | RESERVE_FILE => {}
                // The broker keeps who did what beside the store.
                name if name.starts_with(AUDIT_FILE) => {}
                index::NEW_FILE => notes.push((
                    disk.path(&name),
                    "a database whose making was interrupted; the next start or repair makes \
                     it anew if it is needed",
                )),
                _ => notes.push(unknown(&name)),
            }
        }
        for name in list(segment::FOLDER)? {
            let name = format!("{}/{name}", segment::FOLDER);
            let short = name.rsplit('/').next().unwrap_or_default();
            if let Some(number) = segment::number(short) {
                files.segments.insert(number, size(&name)?);
            } else if segment::spare_number(short).is_none() && name != NEW_SPARE {
                notes.push(unknown(&name));
            }
        }
        notes.sort_unstable();
        notes.into_iter().for_each(|(path, text)| findings.note(&path, text.to_owned()));
        Ok(files)
    }

    pub(super) fn last_name(&self) -> String {
        segment::name(self.segments.keys().next_back().copied().unwrap_or(1))
    }

    /// Looks at every header. Gives the segments whose header is bad; replayed ones among them
    /// were reported by the replay.
    pub(super) fn check_headers(
        &self,
        disk: &dyn Disk,
        log_key: Option<u64>,
        counts: &Counts,
        findings: &mut Findings,
    ) -> Result<Vec<u32>, Error> {
        let mut bad = Vec::new();
        for (number, bytes) in &self.segments {
            let name = segment::name(*number);
            let path = disk.path(&name);
            let io = |error| Error::io("read", &path, &error);
            let file = match disk.open(&name) {
                Ok(file) => file,
                // The replay found that nothing was ever written to it.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(io(error)),
            };
            let key = log_key.unwrap_or_default();
            let mut scan = SegmentScan::new(Arc::clone(&file), *number, key).map_err(io)?;
            let head = scan.slice(0, HEADER_BYTES).map_err(io)?.to_vec();
            let header = Header::decoded(&head, *number, &path)?;
            let has_messages = counts.segments.get(number).is_some_and(|share| share.messages > 0);
            let (message, lost) = match header {
                Some(header) if header.bytes == *bytes => continue,
                Some(header) => {
                    (format!("the file has {bytes} bytes, not {}", header.bytes), bytes)
                }
                None => {
                    let first = scan.record_at(HEADER_BYTES, 0..=u64::MAX).map_err(io)?;
                    if first.is_none() && !has_messages && is_unwritten(&head) {
                        continue;
                    }
                    ("the header of the segment is unreadable".to_owned(), &0)
                }
            };
            bad.push(*number);
            if !findings.names(&path, &message) {
                let (file, offset) = (path, Some(*lost));
                findings.push(Finding { file, offset, message, lost_messages: 0, is_damage: true });
            }
        }
        Ok(bad)
    }
}

/// True for the start of a file that has just become a segment: zeros, or the header of the
/// segment that it was before.
fn is_unwritten(head: &[u8]) -> bool {
    let mut cursor = Cursor::new(head);
    let number =
        cursor.take(16).and_then(|_| cursor.u64()).and_then(|number| u32::try_from(number).ok());
    let earlier = number.is_some_and(|number| {
        Header::decoded(head, number, std::path::Path::new("")).is_ok_and(|header| header.is_some())
    });
    earlier || head.iter().all(|byte| *byte == 0)
}
