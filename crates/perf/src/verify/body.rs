//! Bodies that can be recognised and checked.
//!
//! ```text
//!   round  producer  queue  sequence  crc32c  padding
//!   u32    u32       u32    u64       u32     any length
//! ```
//! The checksum covers everything but itself. Numbers are big-endian.

/// Bytes before the padding.
pub(crate) const HEADER_BYTES: usize = 24;
const CHECKSUM_AT: usize = 20;

/// What a body says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Body {
    pub(crate) round: u32,
    pub(crate) producer: u32,
    pub(crate) queue: u32,
    /// Counts a producer's messages from 0, over all queues.
    pub(crate) sequence: u64,
}

impl Body {
    /// Replaces `out` with this body, padded to `bytes` (at least the header).
    pub(crate) fn encode(&self, bytes: usize, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(&self.round.to_be_bytes());
        out.extend_from_slice(&self.producer.to_be_bytes());
        out.extend_from_slice(&self.queue.to_be_bytes());
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&[0; 4]);
        let [.., filler] = self.sequence.to_be_bytes();
        out.resize(bytes.max(HEADER_BYTES), filler);
        let checksum = checksum(out);
        crate::encode::patch(out, CHECKSUM_AT, &checksum.to_be_bytes());
    }

    /// Reads a body; nothing when it is cut, damaged or somebody else's.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (header, _) = bytes.split_first_chunk::<HEADER_BYTES>()?;
        let long = |at: usize| Some(u32::from_be_bytes(*header.get(at..)?.first_chunk()?));
        let body = Self {
            round: long(0)?,
            producer: long(4)?,
            queue: long(8)?,
            sequence: u64::from_be_bytes(*header.get(12..)?.first_chunk()?),
        };
        (long(CHECKSUM_AT)? == checksum(bytes)).then_some(body)
    }
}

fn checksum(bytes: &[u8]) -> u32 {
    let (before, rest) = bytes.split_at_checked(CHECKSUM_AT).unwrap_or((bytes, &[]));
    let after = rest.get(4..).unwrap_or_default();
    crc32c::crc32c_append(crc32c::crc32c(before), after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_read_back_and_any_changed_bit_is_noticed() {
        let body = Body { round: 1, producer: 2, queue: 3, sequence: 4 };
        let mut bytes = Vec::new();
        body.encode(40, &mut bytes);
        assert_eq!((bytes.len(), Body::decode(&bytes)), (40, Some(body)));
        for place in 0..bytes.len() {
            bytes[place] ^= 1;
            assert_eq!(Body::decode(&bytes), None, "byte {place}");
            bytes[place] ^= 1;
        }
        assert_eq!(Body::decode(&bytes[..39]), None);
        assert_eq!(Body::decode(&bytes[..10]), None);
    }
}
