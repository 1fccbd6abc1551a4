//! Ways into the crate's inside for the fuzz targets (feature `fuzzing`); nothing else uses them.

use std::path::Path;
use std::sync::Arc;

use warren_engine::{Message, MessageBatch};

use crate::record::{self, Replayed, Writes};
use crate::segment::{self, Header, RECORD_HEADER_BYTES};
use crate::{Error, rows};

/// Reads the payload of a log record and writes it again; None if a write in it is unreadable, or
/// one of its messages is none.
#[must_use]
pub fn rewritten(payload: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for write in Writes::new(payload) {
        match write? {
            Replayed::Enqueued { message, queues } => {
                let mut batch = MessageBatch::default();
                if !batch.push_encoded(message.encoded) {
                    return None;
                }
                let message = Message::new(&Arc::new(batch), 0)?;
                record::put_enqueued(&mut out, &message, &queues);
            }
            Replayed::Moved { from, message, queues } => {
                if !MessageBatch::default().push_encoded(message.encoded) {
                    return None;
                }
                record::put_moved(&mut out, from, message.encoded, &queues);
            }
            Replayed::Settled { queue, first, last } => {
                record::put_settled(&mut out, queue, first, last);
            }
            Replayed::Returned { queue, first, last, count } => {
                record::put_returned(&mut out, queue, first, last, count);
            }
            Replayed::Delivered { queue, through } => {
                record::put_delivered(&mut out, queue, through);
            }
            Replayed::Topology(write) => record::put_topology(&mut out, &write),
        }
    }
    Some(out)
}

/// Reads a row of the index and packs its entries again: first place and bytes of each row. None
/// if the bytes are not a row.
#[must_use]
pub fn repacked(first: u64, row: &[u8]) -> Option<Vec<(u64, Vec<u8>)>> {
    let entries = rows::unpack(first, row)?;
    let mut packer = rows::Packer::default();
    let mut rows: Vec<_> = entries.iter().filter_map(|entry| packer.push(entry)).collect();
    rows.extend(packer.finish());
    Some(rows)
}

/// Reads the header of a segment and writes it again; None if it is not whole or another one's.
///
/// # Errors
/// `NewerFormat` if a newer program wrote it.
pub fn segment_header(bytes: &[u8], number: u32) -> Result<Option<Vec<u8>>, Error> {
    let header = Header::decoded(bytes, number, Path::new("fuzzed"))?;
    Ok(header.map(|header| header.encoded().to_vec()))
}

/// A record of the log with this payload, whatever it is, and a checksum that fits.
#[must_use]
pub fn sealed(payload: &[u8], log_key: u64, segment: u32, number: u64) -> Vec<u8> {
    let mut record = vec![0; RECORD_HEADER_BYTES];
    record.extend_from_slice(payload);
    segment::seal_record(&mut record, log_key, segment, number);
    record
}
