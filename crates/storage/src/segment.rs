//! Segment files: their names, their header, and the frame of a record.
//!
//! ```text
//! header, 64 bytes                          record, at a multiple of 8 bytes
//!  0  8 bytes  "WARRENLG"                    0  u32  length of the payload
//!  8  u32      format version                4  u32  checksum
//! 12  u32      0                             8  u64  record number, from 1, without gaps
//! 16  u64      segment number                16 u32  group id, 0 now
//! 24  u64      first record number           20 u32  0
//! 32  u64      size of the file              24 u64  term, 0 now
//! 40  u32      CRC-32C of the above          32      payload, then zeros up to a multiple of 8
//! ```
//!
//! A record's checksum is the CRC-32C over the store's log key, the segment's number (which is
//! its generation: numbers are never used twice), the rest of the record's frame, and the payload.
//! So what an earlier life of a recycled file left behind never passes for a record of this one.

use std::path::Path;
use std::sync::Arc;

use crate::bytes::Cursor;
use crate::limits::{FORMAT_VERSION, REPLAY_WINDOW_BYTES};
use crate::planted::{self, Bug};
use crate::{DiskFile, Error};

/// The folder of segment files.
pub(crate) const FOLDER: &str = "log";
pub(crate) const HEADER_BYTES: u32 = 64;
pub(crate) const RECORD_HEADER_BYTES: usize = 32;
pub(crate) const RECORD_ALIGNMENT: usize = 8;

const MAGIC: &[u8; 8] = b"WARRENLG";
const HEADER_CHECKED_BYTES: usize = 40;

/// The file of segment `number`.
pub(crate) fn name(number: u32) -> String {
    format!("{FOLDER}/{number:020}.seg")
}

/// The number of the segment in file `name` (without folder), if it is one.
pub(crate) fn number(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(".seg").filter(|digits| digits.len() == 20)?;
    digits.parse().ok().filter(|number| *number > 0)
}

/// A spare file, ready to become a segment.
pub(crate) fn spare_name(number: u64) -> String {
    format!("{FOLDER}/spare-{number}.free")
}

/// The number of the spare file `name` (without folder), if it is one.
pub(crate) fn spare_number(name: &str) -> Option<u64> {
    name.strip_prefix("spare-")?.strip_suffix(".free")?.parse().ok()
}

/// What stands at the start of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) number: u32,
    pub(crate) first_record: u64,
    pub(crate) bytes: u64,
}

impl Header {
    pub(crate) fn encoded(self) -> [u8; HEADER_BYTES as usize] {
        let mut out = Vec::with_capacity(HEADER_BYTES as usize);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        out.extend_from_slice(&0_u32.to_le_bytes());
        out.extend_from_slice(&u64::from(self.number).to_le_bytes());
        out.extend_from_slice(&self.first_record.to_le_bytes());
        out.extend_from_slice(&self.bytes.to_le_bytes());
        out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
        let mut header = [0; HEADER_BYTES as usize];
        for (to, from) in header.iter_mut().zip(out) {
            *to = from;
        }
        header
    }

    /// The header in `bytes`; None if it is not whole or not one of segment `number`.
    ///
    /// # Errors
    /// `NewerFormat` if a newer program wrote it.
    pub(crate) fn decoded(bytes: &[u8], number: u32, path: &Path) -> Result<Option<Self>, Error> {
        let mut cursor = Cursor::new(bytes);
        let checked = bytes.get(..HEADER_CHECKED_BYTES).unwrap_or_default();
        if cursor.take(MAGIC.len()) != Some(MAGIC) {
            return Ok(None);
        }
        let mut rest = || {
            let version = cursor.u32()?;
            cursor.u32()?;
            Some((version, cursor.u64()?, cursor.u64()?, cursor.u64()?, cursor.u32()?))
        };
        let Some((version, found, first_record, bytes, checksum)) = rest() else {
            return Ok(None);
        };
        if checksum != crc32c::crc32c(checked) || found != u64::from(number) {
            return Ok(None);
        }
        if version > FORMAT_VERSION {
            let path = path.to_owned();
            return Err(Error::NewerFormat { path, found: version, supported: FORMAT_VERSION });
        }
        Ok(Some(Self { number, first_record, bytes }))
    }
}

/// Fills in the frame of the record that `record` holds: room for the frame, then the payload.
/// Pads it to the alignment.
pub(crate) fn seal_record(record: &mut Vec<u8>, log_key: u64, segment: u32, number: u64) {
    let payload_bytes = record.len().saturating_sub(RECORD_HEADER_BYTES) as u32;
    let fields: [(usize, &[u8]); 3] =
        [(0, &payload_bytes.to_le_bytes()), (8, &number.to_le_bytes()), (16, &[0; 16])];
    for (at, bytes) in fields {
        put_at(record, at, bytes);
    }
    let checksum = record_checksum(record, log_key, segment);
    put_at(record, 4, &checksum.to_le_bytes());
    record.resize(record.len().next_multiple_of(RECORD_ALIGNMENT), 0);
}

fn put_at(record: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = record.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

/// The checksum of a record without its padding.
pub(crate) fn record_checksum(record: &[u8], log_key: u64, segment: u32) -> u32 {
    let mut seed = [0_u8; 20];
    let (key, rest) = seed.split_at_mut(8);
    key.copy_from_slice(&log_key.to_le_bytes());
    let (generation, length) = rest.split_at_mut(8);
    if !planted::is(Bug::StaleRecordAccepted) {
        generation.copy_from_slice(&u64::from(segment).to_le_bytes());
    }
    length.copy_from_slice(record.get(..4).unwrap_or(&[0; 4]));
    crc32c::crc32c_append(crc32c::crc32c(&seed), record.get(8..).unwrap_or_default())
}

/// A record found in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) number: u64,
    /// Where its payload begins.
    pub(crate) payload: u32,
    pub(crate) payload_bytes: u32,
    /// Where the next record begins.
    pub(crate) end: u32,
}

/// Reads a segment through a window, so that a large segment does not take its size in memory.
#[derive(Debug)]
pub(crate) struct SegmentScan {
    file: Arc<dyn DiskFile>,
    number: u32,
    log_key: u64,
    bytes: u32,
    window: Vec<u8>,
    window_start: u32,
}

impl SegmentScan {
    /// # Errors
    /// Any error of the file.
    pub(crate) fn new(
        file: Arc<dyn DiskFile>,
        number: u32,
        log_key: u64,
    ) -> Result<Self, std::io::Error> {
        let bytes = u32::try_from(file.len()?).unwrap_or(u32::MAX);
        Ok(Self { file, number, log_key, bytes, window: Vec::new(), window_start: 0 })
    }

    /// The segment's number.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// The store's log key.
    pub(crate) fn log_key(&self) -> u64 {
        self.log_key
    }

    /// The segment's size, in bytes.
    pub(crate) fn bytes(&self) -> u32 {
        self.bytes
    }

    /// The bytes at `offset`; an empty slice if the file ends before `offset + length`.
    ///
    /// # Errors
    /// Any error of the file.
    pub(crate) fn slice(&mut self, offset: u32, length: u32) -> Result<&[u8], std::io::Error> {
        let Some(end) = offset.checked_add(length).filter(|end| *end <= self.bytes) else {
            return Ok(&[]);
        };
        let window_end = self.window_start as usize + self.window.len();
        if offset < self.window_start || end as usize > window_end {
            let wanted = (length as usize).max(REPLAY_WINDOW_BYTES);
            let length = wanted.min((self.bytes - offset) as usize);
            self.window.resize(length, 0);
            self.window_start = offset;
            self.file.read_at(u64::from(offset), &mut self.window)?;
        }
        let start = (offset - self.window_start) as usize;
        Ok(self.window.get(start..start + length as usize).unwrap_or_default())
    }

    /// The record at `offset` if a whole one stands there whose number lies in `numbers`.
    ///
    /// # Errors
    /// Any error of the file.
    pub(crate) fn record_at(
        &mut self,
        offset: u32,
        numbers: std::ops::RangeInclusive<u64>,
    ) -> Result<Option<Found>, std::io::Error> {
        let (key, segment) = (self.log_key, self.number);
        let frame_bytes = RECORD_HEADER_BYTES as u32;
        let mut cursor = Cursor::new(self.slice(offset, frame_bytes)?);
        let fields = || Some((cursor.u32()?, cursor.u32()?, cursor.u64()?));
        let Some((payload_bytes, checksum, number)) = { fields }() else {
            return Ok(None);
        };
        let fits = numbers.contains(&number) || planted::is(Bug::StaleRecordAccepted);
        if payload_bytes == 0 || !fits {
            return Ok(None);
        }
        let Some(record_bytes) = payload_bytes.checked_add(frame_bytes) else {
            return Ok(None);
        };
        let record = self.slice(offset, record_bytes)?;
        if record.is_empty() || record_checksum(record, key, segment) != checksum {
            return Ok(None);
        }
        let end = (offset + record_bytes).next_multiple_of(RECORD_ALIGNMENT as u32);
        Ok(Some(Found { number, payload: offset + frame_bytes, payload_bytes, end }))
    }

    /// True if the record at `offset` would be whole with this number in place of its own.
    ///
    /// # Errors
    /// Any error of the file.
    pub(crate) fn fits_number(&mut self, offset: u32, number: u64) -> Result<bool, std::io::Error> {
        let (key, segment) = (self.log_key, self.number);
        let mut cursor = Cursor::new(self.slice(offset, 8)?);
        let (Some(payload_bytes), Some(checksum)) = (cursor.u32(), cursor.u32()) else {
            return Ok(false);
        };
        let bytes = payload_bytes.saturating_add(RECORD_HEADER_BYTES as u32);
        let mut record = self.slice(offset, bytes)?.to_vec();
        put_at(&mut record, 8, &number.to_le_bytes());
        Ok(!record.is_empty() && record_checksum(&record, key, segment) == checksum)
    }
}
