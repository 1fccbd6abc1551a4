//! What the generator reads: frames found in large reads, with only the needed fields looked at.

use std::io::{self, Read};

use crate::encode::{FRAME_END, FRAME_METHOD, FRAME_OVERHEAD};
use crate::error::Error;
use crate::methods;

/// Bytes asked of one read. Large, so that thousands of small messages cost one system call; small
/// enough to stay in the second-level cache together with what the kernel copies from.
pub(crate) const READ_BYTES: usize = 256 * 1024;

/// One frame inside the read buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: u8,
    pub(crate) channel: u16,
    pub(crate) payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Class and method number, when this is a method frame.
    pub(crate) fn method(&self) -> Option<u32> {
        let id = self.payload.first_chunk::<4>()?;
        (self.kind == FRAME_METHOD).then(|| u32::from_be_bytes(*id))
    }

    /// The arguments of a method frame.
    pub(crate) fn arguments(&self) -> Fields<'a> {
        Fields(self.payload.get(4..).unwrap_or_default())
    }

    /// The broker's reason, when this frame closes the connection or channel or ends a consumer.
    pub(crate) fn refusal(&self) -> Option<Error> {
        let mut fields = self.arguments();
        let mut reason = || {
            let code = fields.short().unwrap_or(0);
            (code, fields.short_string().unwrap_or_default().to_owned())
        };
        match self.method()? {
            methods::CONNECTION_CLOSE => {
                let (code, text) = reason();
                Some(Error::ConnectionClosed { code, text })
            }
            methods::CHANNEL_CLOSE => {
                let (code, text) = reason();
                Some(Error::ChannelClosed { channel: self.channel, code, text })
            }
            methods::BASIC_CANCEL => {
                let tag = self.arguments().short_string().unwrap_or_default().to_owned();
                Some(Error::ConsumerCancelled { tag })
            }
            _ => None,
        }
    }
}

/// The parts of `basic.deliver` that a consumer needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deliver {
    pub(crate) delivery_tag: u64,
    pub(crate) redelivered: bool,
}

impl Deliver {
    /// Reads the arguments of `basic.deliver`.
    ///
    /// # Errors
    /// `Malformed` when the frame ends too early.
    pub(crate) fn decode(frame: &Frame<'_>) -> Result<Self, Error> {
        let mut fields = frame.arguments();
        fields.short_string()?;
        let delivery_tag = fields.long_long()?;
        Ok(Self { delivery_tag, redelivered: fields.octet()? & 1 == 1 })
    }
}

/// Reads field after field from the arguments of a method.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn octet(&mut self) -> Result<u8, Error> {
        self.chunk::<1>().map(|[value]| value)
    }

    pub(crate) fn short(&mut self) -> Result<u16, Error> {
        self.chunk().map(u16::from_be_bytes)
    }

    pub(crate) fn long(&mut self) -> Result<u32, Error> {
        self.chunk().map(u32::from_be_bytes)
    }

    pub(crate) fn long_long(&mut self) -> Result<u64, Error> {
        self.chunk().map(u64::from_be_bytes)
    }

    pub(crate) fn short_string(&mut self) -> Result<&'a str, Error> {
        let size = self.octet()?;
        let bytes = self.bytes(usize::from(size))?;
        std::str::from_utf8(bytes).map_err(|_| Error::Malformed { what: "short string" })
    }

    /// The bytes of a long string or of a table: both start with a 32-bit length.
    pub(crate) fn long_string(&mut self) -> Result<&'a [u8], Error> {
        let size = self.long()?;
        self.bytes(usize::try_from(size).unwrap_or(usize::MAX))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Steps over one value of a field table and returns it when it is a long string.
    pub(crate) fn table_value(&mut self) -> Result<Option<&'a [u8]>, Error> {
        let size = match self.octet()? {
            b'S' => return self.long_string().map(Some),
            b'x' | b'A' | b'F' => return self.long_string().map(|_| None),
            b'V' => 0,
            b't' | b'b' | b'B' => 1,
            b's' | b'u' | b'U' => 2,
            b'I' | b'i' | b'f' => 4,
            b'D' => 5,
            b'l' | b'L' | b'd' | b'T' => 8,
            _ => return Err(Error::Malformed { what: "field table" }),
        };
        self.bytes(size).map(|_| None)
    }

    fn bytes(&mut self, size: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) =
            self.0.split_at_checked(size).ok_or(Error::Malformed { what: "method arguments" })?;
        self.0 = rest;
        Ok(taken)
    }

    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (taken, rest) =
            self.0.split_first_chunk::<N>().ok_or(Error::Malformed { what: "method arguments" })?;
        self.0 = rest;
        Ok(*taken)
    }
}

/// Finds frames in a byte stream without copying their payload.
#[derive(Debug)]
pub(crate) struct FrameReader {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl FrameReader {
    /// A reader whose buffer holds `capacity` bytes, which also bounds the frames it can read.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { buffer: vec![0; capacity.max(FRAME_OVERHEAD)], start: 0, end: 0 }
    }

    /// Makes room for large reads of frames of up to `frame_max` bytes.
    pub(crate) fn grow(&mut self, frame_max: usize) {
        self.buffer.resize(READ_BYTES + frame_max, 0);
    }

    /// Reads once. The incomplete frame at the end of the buffer moves to its front first, so all
    /// complete frames must have been taken out before.
    ///
    /// # Errors
    /// The error of the read; a timeout is an error of kind `WouldBlock`.
    pub(crate) fn fill(&mut self, source: &mut impl Read) -> io::Result<usize> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        let read = source.read(room)?;
        self.end += read;
        Ok(read)
    }

    /// Whether `next` would return a frame.
    ///
    /// # Errors
    /// As `next`.
    pub(crate) fn has_frame(&mut self) -> Result<bool, Error> {
        let start = self.start;
        let found = self.next()?.is_some();
        self.start = start;
        Ok(found)
    }

    /// The next complete frame, or nothing when more bytes are needed.
    ///
    /// # Errors
    /// A frame that is too large for the buffer, or one without its end octet.
    pub(crate) fn next(&mut self) -> Result<Option<Frame<'_>>, Error> {
        let limit = self.buffer.len();
        let pending = self.buffer.get(self.start..self.end).unwrap_or_default();
        let Some((&[kind, c0, c1, s0, s1, s2, s3], rest)) = pending.split_first_chunk::<7>() else {
            return Ok(None);
        };
        let size = usize::try_from(u32::from_be_bytes([s0, s1, s2, s3])).unwrap_or(usize::MAX);
        if size > limit - FRAME_OVERHEAD {
            return Err(Error::FrameTooLarge { bytes: size, limit });
        }
        let Some((payload, end)) = rest.split_at_checked(size) else { return Ok(None) };
        match end.first() {
            None => Ok(None),
            Some(&FRAME_END) => {
                self.start += size + FRAME_OVERHEAD;
                Ok(Some(Frame { kind, channel: u16::from_be_bytes([c0, c1]), payload }))
            }
            Some(_) => Err(Error::Malformed { what: "frame end" }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::{self, Arguments, Properties};

    fn reader_with(mut bytes: &[u8]) -> FrameReader {
        let mut reader = FrameReader::new(4096);
        while !bytes.is_empty() {
            reader.fill(&mut bytes).unwrap();
        }
        reader
    }

    #[test]
    fn frames_split_at_every_byte_are_found_whole() {
        let mut stream = encode::ack_frame(1, 7, false).to_vec();
        encode::push_content(&mut stream, 2, 4096, &Properties::new(true, None), b"body");
        let mut reader = FrameReader::new(4096);
        let mut seen = Vec::new();
        for byte in &stream {
            reader.fill(&mut [*byte].as_slice()).unwrap();
            while let Some(frame) = reader.next().unwrap() {
                seen.push((frame.kind, frame.channel, frame.payload.to_vec()));
            }
        }
        assert_eq!(seen.len(), 3);
        assert_eq!(seen[0].0, encode::FRAME_METHOD);
        assert_eq!((seen[1].0, seen[1].1), (encode::FRAME_HEADER, 2));
        assert_eq!(seen[2], (encode::FRAME_BODY, 2, b"body".to_vec()));
    }

    #[test]
    fn a_frame_without_its_end_octet_is_refused() {
        let mut bytes = encode::ack_frame(1, 7, false);
        bytes[20] = 0;
        assert!(matches!(reader_with(&bytes).next(), Err(Error::Malformed { what: "frame end" })));
    }

    #[test]
    fn a_frame_that_can_never_fit_is_refused() {
        let bytes = [3, 0, 1, 0xff, 0xff, 0xff, 0xff];
        assert!(matches!(reader_with(&bytes).next(), Err(Error::FrameTooLarge { .. })));
    }

    #[test]
    fn a_delivery_gives_its_tag_and_its_redelivered_bit() {
        let bytes = Arguments::new()
            .short_string("consumer")
            .long_long(42)
            .octet(1)
            .short_string("")
            .short_string("q")
            .frame(1, methods::BASIC_DELIVER);
        let mut reader = reader_with(&bytes);
        let frame = reader.next().unwrap().unwrap();
        let deliver = Deliver::decode(&frame).unwrap();
        assert_eq!(deliver, Deliver { delivery_tag: 42, redelivered: true });
    }

    #[test]
    fn a_close_from_the_broker_carries_its_code_and_text() {
        let close = |method| {
            Arguments::new()
                .short(404)
                .short_string("NOT_FOUND - no queue")
                .short(60)
                .short(20)
                .frame(5, method)
        };
        let bytes = close(methods::CHANNEL_CLOSE);
        let mut reader = reader_with(&bytes);
        let error = reader.next().unwrap().unwrap().refusal().unwrap();
        assert_eq!(error.to_string(), "the broker closed channel 5: 404 NOT_FOUND - no queue");
        assert_eq!(error.exit_code(), 2);

        let bytes = close(methods::CONNECTION_CLOSE);
        let mut reader = reader_with(&bytes);
        let error = reader.next().unwrap().unwrap().refusal().unwrap();
        assert!(matches!(error, Error::ConnectionClosed { code: 404, .. }));
    }

    #[test]
    fn table_values_of_every_kind_are_stepped_over() {
        let table = b"t\x01S\x00\x00\x00\x02hiI\x00\x00\x00\x01F\x00\x00\x00\x01zV";
        let mut fields = Fields(table);
        assert_eq!(fields.table_value().unwrap(), None);
        assert_eq!(fields.table_value().unwrap(), Some(b"hi".as_slice()));
        for _ in 0..3 {
            assert_eq!(fields.table_value().unwrap(), None);
        }
        assert!(fields.is_empty());
    }
}
