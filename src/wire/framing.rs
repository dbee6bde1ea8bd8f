//! How one JSON document is told from the next.
//!
//! Only the closing of a frame is decided here; finding it in received bytes is `framer`'s part.

/// What separates two documents on the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Nothing: a document ends where its outermost bracket closes.
    BareJson,
    /// A line feed after each document, which itself holds none.
    Newline,
    /// A NUL byte after each document.
    Nul,
    /// Four bytes before each document: its length in bytes, unsigned, big-endian.
    Length32,
}

impl Framing {
    /// The name used in tables and messages.
    pub fn name(self) -> &'static str {
        match self {
            Framing::BareJson => "bare-json",
            Framing::Newline => "newline",
            Framing::Nul => "nul",
            Framing::Length32 => "length32",
        }
    }

    /// Adds the delimiter or the length to a payload; the result can be written as it stands.
    ///
    /// The payload must not hold the delimiter; [`Dialect::encode`](super::Dialect::encode) sees to that.
    ///
    /// # Panics
    /// With [`Framing::Length32`], if the payload is 4 GiB or more: its length cannot be stated.
    pub fn wrap(self, mut payload: Vec<u8>) -> Vec<u8> {
        match self {
            Framing::BareJson => {}
            Framing::Newline => payload.push(b'\n'),
            Framing::Nul => payload.push(0),
            Framing::Length32 => {
                let length = u32::try_from(payload.len()).expect("a frame is below 4 GiB");
                payload.splice(0..0, length.to_be_bytes());
            }
        }
        payload
    }

    /// Whether a byte between two frames means nothing. Any other byte there is a stream out of step.
    pub fn is_padding(self, byte: u8) -> bool {
        match self {
            Framing::BareJson | Framing::Newline | Framing::Nul => is_whitespace(byte),
            // Every byte here belongs to a length.
            Framing::Length32 => false,
        }
    }
}

/// The four bytes JSON calls whitespace.
pub(super) fn is_whitespace(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_framing_closes_a_payload_in_its_own_way() {
        let wrap = |framing: Framing| framing.wrap(b"{}".to_vec());
        assert_eq!(wrap(Framing::BareJson), b"{}");
        assert_eq!(wrap(Framing::Newline), b"{}\n");
        assert_eq!(wrap(Framing::Nul), b"{}\0");
        assert_eq!(wrap(Framing::Length32), b"\0\0\0\x02{}");
    }

    #[test]
    fn whitespace_is_padding_except_where_every_byte_is_a_length() {
        for framing in [Framing::BareJson, Framing::Newline, Framing::Nul] {
            assert!(b" \r\n\t".iter().all(|byte| framing.is_padding(*byte)), "{framing:?}");
            assert!(!b"{x\0\x0b".iter().any(|byte| framing.is_padding(*byte)), "{framing:?}");
        }
        assert!(!(0..=255).any(|byte| Framing::Length32.is_padding(byte)));
    }
}
