//! A reply's document in the form in which its reader takes it without any more work.
//!
//! A JavaScript engine keeps text in units of one byte (Latin-1) or two (UTF-16). What came as UTF-8 is
//! brought into that form here, by the thread that read it, so that the engine's own thread only copies.

/// A document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// As it came, for who asked for that.
    Bytes(Vec<u8>),
    /// Text without a character above U+00FF, each in one byte; where all are ASCII, as it came.
    Latin1(Vec<u8>),
    /// Any other text.
    Utf16(Vec<u16>),
}

impl Body {
    /// The text of a document that is known to be UTF-8, and whether it is ASCII.
    pub(super) fn text(bytes: Vec<u8>, ascii: bool) -> Self {
        if ascii {
            return Body::Latin1(bytes);
        }
        let text = String::from_utf8_lossy(&bytes);
        // The first byte of a character up to U+00FF is C2 or C3 at most.
        if text.bytes().all(|byte| byte < 0xC4) {
            return Body::Latin1(text.chars().map(|character| character as u8).collect());
        }
        let mut units = Vec::with_capacity(text.len());
        units.extend(text.encode_utf16());
        Body::Utf16(units)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Body {
        Body::text(text.into(), text.is_ascii())
    }

    #[test]
    fn ascii_stays_as_it_came() {
        assert_eq!(of("{\"a\":\"\x7f\"}"), Body::Latin1(b"{\"a\":\"\x7f\"}".to_vec()));
    }

    #[test]
    fn text_up_to_u00ff_takes_a_byte_for_each_character() {
        assert_eq!(of("a\u{80}é\u{ff}"), Body::Latin1(vec![b'a', 0x80, 0xe9, 0xff]));
    }

    #[test]
    fn one_character_above_makes_units_of_two_bytes() {
        for text in ["\u{100}", "é\u{ffff}", "世界", "a🎬b"] {
            assert_eq!(of(text), Body::Utf16(text.encode_utf16().collect()), "{text}");
        }
    }
}
