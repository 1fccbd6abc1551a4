//! Arithmetic of CRC-32C beside computing it: which single bit was flipped, and what a checksum
//! began with.
//!
//! A checksum is a linear function of the bits under it. So the difference between the checksum
//! that is found and the one that is computed tells which bit differs, if it is one, and a
//! checksum can be run backwards over the bytes that entered it last.

use std::io;

use crate::segment::{RECORD_HEADER_BYTES, SegmentScan, record_checksum};

/// CRC-32C's polynomial, its bits reversed, as the checksum is computed.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// Takes one bit of zeros back.
fn back(value: u32) -> u32 {
    if value & 0x8000_0000 == 0 { value << 1 } else { ((value ^ POLYNOMIAL) << 1) | 1 }
}

/// The checksum of `first`, where `whole` is that of `first` with `rest` behind it.
pub(crate) fn checksum_before(whole: u32, rest: &[u8]) -> u32 {
    let steps = rest.len().saturating_mul(8);
    (0..steps).fold(whole ^ crc32c::crc32c(rest), |value, _| back(value))
}

/// Eight bytes with this checksum that begin with `start`.
pub(crate) fn bytes_with_checksum(checksum: u32, start: [u8; 4]) -> [u8; 8] {
    let behind = checksum ^ crc32c::crc32c_combine(crc32c::crc32c(&start), 0, 4);
    let end = !(0..32).fold(!behind, |value, _| back(value));
    let mut bytes = [0; 8];
    let (head, tail) = bytes.split_at_mut(4);
    head.copy_from_slice(&start);
    tail.copy_from_slice(&end.to_le_bytes());
    bytes
}

/// How far from the end of the checked bytes the one flipped bit stands, counted from 1, where
/// `difference` is between the two checksums; None if more than one bit differs.
fn flipped(difference: u32, bits: u64) -> Option<u64> {
    let mut value = difference;
    (1..=bits).find(|_| {
        value = back(value);
        value == 1
    })
}

/// The byte of the record number `next` at `offset` in which one bit is flipped, if that is all
/// that is wrong with it. A write that the power cut short differs in more than one bit.
///
/// # Errors
/// Any error of the file.
pub(crate) fn flipped_byte(
    scan: &mut SegmentScan,
    offset: u32,
    next: u64,
) -> Result<Option<u64>, io::Error> {
    let frame_bytes = RECORD_HEADER_BYTES as u32;
    let frame = scan.slice(offset, frame_bytes)?.to_vec();
    let Some((found_length, _)) = frame.split_first_chunk::<4>() else { return Ok(None) };
    if frame.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    let found_length = u32::from_le_bytes(*found_length);
    let other_lengths = (0..u32::BITS).map(|bit| found_length ^ (1 << bit));
    for length in std::iter::once(found_length).chain(other_lengths) {
        let Some(bytes) = length.checked_add(frame_bytes).filter(|_| length > 0) else { continue };
        let mut record = scan.slice(offset, bytes)?.to_vec();
        let Some(start) = record.get_mut(..4) else { continue };
        start.copy_from_slice(&length.to_le_bytes());
        let place = if length == found_length {
            flip_within(scan, &record, next)
        } else {
            flip_of_length(scan, &record, next, length ^ found_length)
        };
        if let Some(place) = place {
            return Ok(Some(u64::from(offset) + place));
        }
    }
    Ok(None)
}

fn word<const BYTES: usize>(record: &[u8], at: usize) -> Option<[u8; BYTES]> {
    record.get(at..)?.first_chunk::<BYTES>().copied()
}

fn flip_within(scan: &SegmentScan, record: &[u8], next: u64) -> Option<u64> {
    let found = u32::from_le_bytes(word(record, 4)?);
    let number = u64::from_le_bytes(word(record, 8)?);
    let computed = record_checksum(record, scan.log_key(), scan.number());
    let difference = found ^ computed;
    if difference.is_power_of_two() && number == next {
        return Some(4 + u64::from(difference.trailing_zeros() / 8));
    }
    // What an earlier life of the file left has another number.
    if (number ^ next).count_ones() > 1 || difference == 0 {
        return None;
    }
    let bits = (record.len() as u64).saturating_sub(8) * 8;
    let place = record.len() as u64 - flipped(difference, bits)?.div_ceil(8);
    (number == next || (8..16).contains(&place)).then_some(place)
}

fn flip_of_length(scan: &SegmentScan, record: &[u8], next: u64, difference: u32) -> Option<u64> {
    let found = u32::from_le_bytes(word(record, 4)?);
    let number = u64::from_le_bytes(word(record, 8)?);
    let whole = number == next && record_checksum(record, scan.log_key(), scan.number()) == found;
    whole.then(|| u64::from(difference.trailing_zeros() / 8))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_checksum_runs_backwards(first: [u8; 8], rest in proptest::collection::vec(any::<u8>(), 0..99)) {
            let whole = [&first[..], &rest].concat();
            let before = checksum_before(crc32c::crc32c(&whole), &rest);
            prop_assert_eq!(before, crc32c::crc32c(&first));
            let bytes = bytes_with_checksum(before, [first[0], 7, 9, 0]);
            prop_assert_eq!(crc32c::crc32c(&bytes), before);
        }

        #[test]
        fn a_flipped_bit_is_found(
            mut bytes in proptest::collection::vec(any::<u8>(), 1..200),
            at: prop::sample::Index,
            bit in 0..8_u8,
        ) {
            let at = at.index(bytes.len());
            let before = crc32c::crc32c(&bytes);
            bytes[at] ^= 1 << bit;
            let found = flipped(before ^ crc32c::crc32c(&bytes), bytes.len() as u64 * 8);
            prop_assert_eq!(found.map(|bits| bytes.len() - bits.div_ceil(8) as usize), Some(at));
        }
    }
}
