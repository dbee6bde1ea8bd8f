//! Finds the end of a frame in bytes that arrive in any pieces.
//!
//! No byte is looked at twice, so a reply that trickles in costs as much as one that comes at once, and
//! what may be buffered without an end in sight is bounded. It keeps positions, never bytes: the buffer
//! is the caller's.

use super::document::Document;
use super::framing::{Framing, is_whitespace};
use memchr::memchr;
use std::fmt;

/// Where a whole frame lies in the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// First byte of the payload.
    pub start: usize,
    /// One past the last byte of the payload.
    pub end: usize,
    /// Bytes to drop from the front of the buffer: the payload with whatever came before it, and its delimiter.
    pub consumed: usize,
}

/// Why the bytes can never become a frame. The stream is of no further use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// More bytes than allowed.
    TooLarge {
        /// Bytes allowed before the delimiter, or as payload where the length is declared.
        limit: usize,
        /// Bytes declared, or received so far without an end.
        size: usize,
    },
    /// A byte that no document begins with.
    Malformed {
        /// Bytes of the frame before it.
        offset: usize,
        /// The byte.
        found: u8,
    },
    /// Text where a length should be.
    NotALength {
        /// The four bytes.
        found: [u8; 4],
    },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::TooLarge { limit, size } => {
                write!(f, "the reply is larger than allowed: {size} bytes, limit {limit}")
            }
            FrameError::Malformed { offset, found } => write!(
                f,
                "expected a JSON object at byte {offset} of the reply, found '{}' (0x{found:02x}): \
                 whatever listens there does not speak this dialect",
                found.escape_ascii()
            ),
            FrameError::NotALength { found } => write!(
                f,
                "expected the length of the reply in four bytes, found '{}': \
                 whatever listens there does not speak this dialect",
                found.escape_ascii()
            ),
        }
    }
}

impl std::error::Error for FrameError {}

/// The resumable scan for one framing.
#[derive(Debug, Clone)]
pub struct Framer {
    framing: Framing,
    max_bytes: usize,
    /// Delimited framings: the first byte not looked at yet.
    at: usize,
    /// Newline framing: where the present line began.
    line: usize,
    document: Document,
}

impl Framer {
    /// A framer that refuses a frame of more than `max_bytes`. Counted is what must be buffered before the
    /// delimiter, padding in front included; with [`Framing::Length32`] the payload.
    pub fn new(framing: Framing, max_bytes: usize) -> Self {
        Framer { framing, max_bytes, at: 0, line: 0, document: Document::default() }
    }

    /// Looks for the end of the present frame. `buf` is everything received since the frame began: the same
    /// bytes as in the last call, with more behind them. With a frame returned, drop `consumed` bytes;
    /// the framer stands at the start of the next one. Without one, call again when bytes have come.
    ///
    /// # Errors
    /// [`FrameError`]; nothing after it on the stream can be trusted.
    pub fn scan(&mut self, buf: &[u8]) -> Result<Option<Frame>, FrameError> {
        let frame = match self.framing {
            Framing::BareJson => self.scan_document(buf)?,
            Framing::Newline => self.scan_line(buf)?,
            Framing::Nul => {
                self.find(0, buf)?.map(|end| Frame { start: 0, end, consumed: end + 1 })
            }
            Framing::Length32 => self.scan_length(buf)?,
        };
        if frame.is_some() {
            self.reset();
        }
        Ok(frame)
    }

    /// Forgets the present frame: the next `scan` begins at the front of its buffer.
    pub fn reset(&mut self) {
        *self = Framer::new(self.framing, self.max_bytes);
    }

    fn scan_document(&mut self, buf: &[u8]) -> Result<Option<Frame>, FrameError> {
        // Not a byte beyond the limit is looked at: the outcome must not depend on how the bytes were cut.
        let window = &buf[..buf.len().min(self.max_bytes)];
        match self.document.advance(window) {
            Ok(Some(range)) => {
                Ok(Some(Frame { start: range.start, end: range.end, consumed: range.end }))
            }
            Ok(None) => self.unfinished(buf),
            Err(offset) => Err(FrameError::Malformed { offset, found: buf[offset] }),
        }
    }

    fn scan_line(&mut self, buf: &[u8]) -> Result<Option<Frame>, FrameError> {
        while let Some(newline) = self.find(b'\n', buf)? {
            let start = self.line;
            let line = &buf[start..newline];
            if line.iter().all(|byte| is_whitespace(*byte)) {
                self.line = newline + 1;
                continue;
            }
            let end = newline - usize::from(line.ends_with(b"\r"));
            return Ok(Some(Frame { start, end, consumed: newline + 1 }));
        }
        Ok(None)
    }

    fn scan_length(&self, buf: &[u8]) -> Result<Option<Frame>, FrameError> {
        let Some((prefix, payload)) = buf.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let size = u32::from_be_bytes(*prefix) as usize;
        if size > self.max_bytes {
            // Text read as a length is half a gigabyte at least, and nobody should raise the limit for it.
            if prefix.iter().all(|byte| is_whitespace(*byte) || matches!(byte, b' '..=b'~')) {
                return Err(FrameError::NotALength { found: *prefix });
            }
            return Err(FrameError::TooLarge { limit: self.max_bytes, size });
        }
        let end = prefix.len() + size;
        Ok((payload.len() >= size).then_some(Frame { start: prefix.len(), end, consumed: end }))
    }

    /// The next delimiter, at most `max_bytes` from the front.
    fn find(&mut self, delimiter: u8, buf: &[u8]) -> Result<Option<usize>, FrameError> {
        let window = &buf[..buf.len().min(self.max_bytes.saturating_add(1))];
        let unseen = window.get(self.at..).unwrap_or_default();
        match memchr(delimiter, unseen) {
            Some(found) => {
                let at = self.at + found;
                self.at = at + 1;
                Ok(Some(at))
            }
            None => {
                self.at = window.len();
                self.unfinished(buf).map(|_| None)
            }
        }
    }

    fn unfinished(&self, buf: &[u8]) -> Result<Option<Frame>, FrameError> {
        if buf.len() > self.max_bytes {
            return Err(FrameError::TooLarge { limit: self.max_bytes, size: buf.len() });
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(framing: Framing, max: usize, bytes: &[u8]) -> Result<Option<Frame>, FrameError> {
        Framer::new(framing, max).scan(bytes)
    }

    fn frame(start: usize, end: usize, consumed: usize) -> Result<Option<Frame>, FrameError> {
        Ok(Some(Frame { start, end, consumed }))
    }

    #[test]
    fn each_framing_finds_its_payload_and_what_to_drop() {
        assert_eq!(one(Framing::BareJson, 99, b"\n{}\n"), frame(1, 3, 3));
        assert_eq!(one(Framing::Newline, 99, b"{}\r\n{"), frame(0, 2, 4));
        assert_eq!(one(Framing::Newline, 99, b"\r\n \n{}\n"), frame(4, 6, 7));
        assert_eq!(one(Framing::Nul, 99, b"{\n}\0{"), frame(0, 3, 4));
        assert_eq!(one(Framing::Length32, 99, b"\0\0\0\x02{}\0"), frame(4, 6, 6));
    }

    #[test]
    fn an_unfinished_frame_is_not_an_error() {
        assert_eq!(one(Framing::BareJson, 99, b"{\"a\":"), Ok(None));
        assert_eq!(one(Framing::Newline, 99, b"{}"), Ok(None));
        assert_eq!(one(Framing::Nul, 99, b"{}\n"), Ok(None));
        assert_eq!(one(Framing::Length32, 99, b"\0\0\0"), Ok(None));
        assert_eq!(one(Framing::Length32, 99, b"\0\0\0\x02{"), Ok(None));
    }

    #[test]
    fn a_frame_as_large_as_the_limit_passes_and_one_byte_more_does_not() {
        let whole: [(Framing, &[u8], &[u8]); 4] = [
            (Framing::BareJson, b"{   }", b"{    }"),
            (Framing::Newline, b"{   }\n", b"{    }\n"),
            (Framing::Nul, b"{   }\0", b"{    }\0"),
            (Framing::Length32, b"\0\0\0\x05{   }", b"\0\0\0\x06{    }"),
        ];
        for (framing, fits, exceeds) in whole {
            assert!(matches!(one(framing, 5, fits), Ok(Some(_))), "{framing:?}");
            assert!(
                matches!(one(framing, 5, exceeds), Err(FrameError::TooLarge { limit: 5, .. })),
                "{framing:?}"
            );
        }
    }

    #[test]
    fn bytes_without_an_end_are_refused_as_soon_as_they_exceed_the_limit() {
        for framing in [Framing::BareJson, Framing::Newline, Framing::Nul] {
            assert_eq!(one(framing, 5, b"{    "), Ok(None), "{framing:?}");
            let refused = Err(FrameError::TooLarge { limit: 5, size: 6 });
            assert_eq!(one(framing, 5, b"{     "), refused, "{framing:?}");
        }
    }

    #[test]
    fn a_declared_length_above_the_limit_is_refused_before_any_payload() {
        let refused = Err(FrameError::TooLarge { limit: 99, size: 100 });
        assert_eq!(one(Framing::Length32, 99, b"\0\0\0\x64"), refused);
        let refused = Err(FrameError::TooLarge { limit: 99, size: 0xffff_ffff });
        assert_eq!(one(Framing::Length32, 99, b"\xff\xff\xff\xff"), refused);
    }

    #[test]
    fn text_where_a_length_should_be_is_another_dialect_and_not_a_large_reply() {
        for text in [b"{\"st", b"HTTP", b"[1,\n"] {
            let refused = one(Framing::Length32, 99, text).unwrap_err();
            assert_eq!(refused, FrameError::NotALength { found: *text });
        }
        let refused = one(Framing::Length32, 99, b"{\"status\"").unwrap_err().to_string();
        assert!(refused.contains(r#"found '{\"st'"#), "{refused}");
    }

    #[test]
    fn endless_padding_is_bounded_too() {
        let padding = b" \n".repeat(50);
        assert!(one(Framing::BareJson, 99, &padding).is_err());
        assert!(one(Framing::Newline, 99, &padding).is_err());
    }

    #[test]
    fn a_byte_that_begins_no_document_is_named() {
        let refused = one(Framing::BareJson, 99, b"\nHTTP").unwrap_err();
        assert_eq!(refused, FrameError::Malformed { offset: 1, found: b'H' });
        assert!(refused.to_string().contains("'H' (0x48)"), "{refused}");
    }

    #[test]
    fn no_byte_is_looked_at_twice_when_bytes_come_one_at_a_time() {
        let text = br#"{"a":["text \" with \\ escapes",[1,2,3],{"b":null}]}"#;
        for framing in [Framing::BareJson, Framing::Newline, Framing::Nul] {
            let mut framer = Framer::new(framing, 99);
            for end in 1..text.len() {
                assert_eq!(framer.scan(&text[..end]), Ok(None));
                let seen = match framing {
                    Framing::BareJson => framer.document.seen(),
                    _ => framer.at,
                };
                assert_eq!(seen, end, "{framing:?}");
            }
        }
    }

    #[test]
    fn a_frame_leaves_the_framer_at_the_start_of_the_next() {
        let mut framer = Framer::new(Framing::BareJson, 99);
        assert_eq!(framer.scan(b"{\"a\":1}{}"), frame(0, 7, 7));
        assert_eq!(framer.scan(b"{}"), frame(0, 2, 2));
    }

    #[test]
    fn reset_forgets_a_frame_half_read() {
        let mut framer = Framer::new(Framing::BareJson, 99);
        assert_eq!(framer.scan(b"{\"a"), Ok(None));
        framer.reset();
        assert_eq!(framer.scan(b"[]"), frame(0, 2, 2));
    }
}
