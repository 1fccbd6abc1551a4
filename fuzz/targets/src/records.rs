//! What is on disk, read from raw bytes: payloads of log records, rows of the index, headers of
//! segments. What can be read is written again, and from then on is the same.
//!
//! The first byte chooses which of them the rest is.

use warren_storage::fuzzing;

/// Runs the checks on one input.
pub fn run(data: &[u8]) {
    match data.split_first() {
        Some((0..=127, payload)) => record(payload),
        Some((128..=207, rest)) => row(rest),
        Some((_, header)) => segment_header(header),
        None => {}
    }
}

fn record(payload: &[u8]) {
    let Some(written) = fuzzing::rewritten(payload) else { return };
    let again = fuzzing::rewritten(&written).expect("what was written can be read");
    assert_eq!(again, written);
}

fn row(rest: &[u8]) {
    let Some((first, row)) = rest.split_first_chunk::<8>() else { return };
    let Some(rows) = fuzzing::repacked(u64::from_le_bytes(*first), row) else { return };
    for (first, row) in rows {
        let again = fuzzing::repacked(first, &row).expect("what was written can be read");
        assert_eq!(again, [(first, row)]);
    }
}

fn segment_header(bytes: &[u8]) {
    let number = bytes.get(16).copied().unwrap_or(1);
    if let Ok(Some(header)) = fuzzing::segment_header(bytes, u32::from(number)) {
        let again = fuzzing::segment_header(&header, u32::from(number));
        assert_eq!(again, Ok(Some(header)));
    }
}
