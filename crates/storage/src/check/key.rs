//! Finds the log key again when the database that holds it is lost.
//!
//! The key is what every record's checksum begins with. Run backwards over a whole record, the
//! checksum gives the key's own checksum, and any key with that checksum does the same work.
//! Records vouch for each other: a damaged one gives a key that no other record gives.

use std::collections::BTreeMap;
use std::io;

use super::files::Files;
use crate::bytes::Cursor;
use crate::limits::{KEY_RECORD_BYTES_MAX, KEY_RECORDS_AGREEING, KEY_RECORDS_MAX};
use crate::record::{Replayed, Writes, verified_message};
use crate::segment::{
    self, HEADER_BYTES, Header, RECORD_ALIGNMENT, RECORD_HEADER_BYTES, SegmentScan,
};
use crate::{Disk, Error, flip};

/// A key that the log's records were written with, or one that does the same; None if no record
/// tells. `start` is what the key begins with.
pub(super) fn recovered(disk: &dyn Disk, files: &Files, start: u32) -> Result<Option<u64>, Error> {
    let mut votes: BTreeMap<u32, usize> = BTreeMap::new();
    let mut records = 0;
    for number in files.segments.keys().rev() {
        let name = segment::name(*number);
        let file = disk.open(&name);
        let file = file.map_err(|error| Error::io("open", &disk.path(&name), &error))?;
        let scan = SegmentScan::new(file, *number, 0);
        let told = scan.and_then(|mut scan| vote(&mut scan, &mut votes, &mut records));
        told.map_err(|error| Error::io("read", &disk.path(&name), &error))?;
        let agreeing = votes.values().max().is_some_and(|votes| *votes >= KEY_RECORDS_AGREEING);
        if agreeing || records >= KEY_RECORDS_MAX {
            break;
        }
    }
    let most = votes.into_iter().max_by_key(|(_, votes)| *votes);
    Ok(most.map(|(checksum, _)| {
        u64::from_le_bytes(flip::bytes_with_checksum(checksum, start.to_le_bytes()))
    }))
}

/// Lets the first records of a segment tell the checksum of the key.
fn vote(
    scan: &mut SegmentScan,
    votes: &mut BTreeMap<u32, usize>,
    records: &mut usize,
) -> Result<(), io::Error> {
    let head = scan.slice(0, HEADER_BYTES)?.to_vec();
    let header = Header::decoded(&head, scan.number(), std::path::Path::new(""));
    let mut next = header.ok().flatten().map(|header| header.first_record);
    let mut offset = HEADER_BYTES;
    for _ in 0..KEY_RECORDS_AGREEING {
        let mut frame = Cursor::new(scan.slice(offset, RECORD_HEADER_BYTES as u32)?);
        let fields = (frame.u32(), frame.u32(), frame.u64(), frame.u64(), frame.u64());
        let (Some(length), Some(checksum), Some(number), Some(0), Some(0)) = fields else {
            return Ok(());
        };
        let length_is_good = (1..=KEY_RECORD_BYTES_MAX).contains(&length);
        if !length_is_good || next.is_some_and(|next| next != number) {
            return Ok(());
        }
        let record = scan.slice(offset, length + RECORD_HEADER_BYTES as u32)?.to_vec();
        let Some((_, payload)) = record.split_at_checked(RECORD_HEADER_BYTES) else {
            return Ok(());
        };
        *records += 1;
        if is_sound(payload) {
            let mut behind = u64::from(scan.number()).to_le_bytes().to_vec();
            behind.extend_from_slice(&length.to_le_bytes());
            behind.extend_from_slice(record.get(8..).unwrap_or_default());
            *votes.entry(flip::checksum_before(checksum, &behind)).or_default() += 1;
        }
        let end = offset + length + RECORD_HEADER_BYTES as u32;
        offset = end.next_multiple_of(RECORD_ALIGNMENT as u32);
        next = number.checked_add(1);
    }
    Ok(())
}

/// True if a payload reads well, and each message in it matches its own checksum.
fn is_sound(payload: &[u8]) -> bool {
    Writes::new(payload).all(|write| match write {
        Some(Replayed::Enqueued { message, .. } | Replayed::Moved { message, .. }) => {
            let stored = payload.get(message.offset as usize..).unwrap_or_default();
            verified_message(stored, message.encoded.len() as u32).is_ok()
        }
        Some(
            Replayed::Settled { .. }
            | Replayed::Delivered { .. }
            | Replayed::Returned { .. }
            | Replayed::Topology(_),
        ) => true,
        None => false,
    })
}
