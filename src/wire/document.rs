//! The end of one bare JSON document, found in a single pass over its bytes.
//!
//! It looks at quotes, escapes and depth and at nothing else: whether the document is valid JSON, and
//! whether its text is UTF-8, is asked once it is whole. Working on bytes is what makes a character
//! that straddles two reads harmless: no byte of one is a quote, a backslash or a bracket.

use super::framing::is_whitespace;
use memchr::memchr2;
use std::ops::Range;

/// A scan that can be taken up again when more bytes have come.
#[derive(Debug, Clone, Default)]
pub(super) struct Document {
    /// The first byte not looked at yet.
    at: usize,
    /// Where the document began, once it has.
    start: Option<usize>,
    /// Brackets open, of either kind.
    depth: usize,
    in_string: bool,
    /// The last byte was a backslash in a string: the next one is text, whatever it is.
    escaped: bool,
}

impl Document {
    /// Looks at the bytes it has not seen; returns where the document lies once it is whole.
    ///
    /// # Errors
    /// The offset of a byte that no object or array begins with.
    pub(super) fn advance(&mut self, buf: &[u8]) -> Result<Option<Range<usize>>, usize> {
        let start = match self.start {
            Some(start) => start,
            None => match self.begin(buf)? {
                Some(start) => start,
                None => return Ok(None),
            },
        };
        while self.at < buf.len() {
            if self.in_string {
                self.skip_text(buf);
            } else if self.skip_structure(buf) {
                return Ok(Some(start..self.at));
            }
        }
        Ok(None)
    }

    fn begin(&mut self, buf: &[u8]) -> Result<Option<usize>, usize> {
        while let Some(&byte) = buf.get(self.at) {
            match byte {
                b'{' | b'[' => {
                    self.start = Some(self.at);
                    return Ok(self.start);
                }
                byte if is_whitespace(byte) => self.at += 1,
                _ => return Err(self.at),
            }
        }
        Ok(None)
    }

    /// Up to the end of a string, or of the bytes.
    fn skip_text(&mut self, buf: &[u8]) {
        if self.escaped {
            self.escaped = false;
            self.at += 1;
            return;
        }
        match memchr2(b'"', b'\\', &buf[self.at..]) {
            Some(found) => {
                self.at += found + 1;
                match buf[self.at - 1] {
                    b'"' => self.in_string = false,
                    _ => self.escaped = true,
                }
            }
            None => self.at = buf.len(),
        }
    }

    /// Up to the next string; true when the outermost bracket has closed.
    fn skip_structure(&mut self, buf: &[u8]) -> bool {
        let mut depth = self.depth;
        let mut at = self.at;
        while let Some(&byte) = buf.get(at) {
            at += 1;
            match byte {
                b'"' => {
                    self.in_string = true;
                    break;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => {
                    depth -= 1;
                    if depth == 0 {
                        break;
                    }
                }
                _ => {}
            }
        }
        self.at = at;
        self.depth = depth;
        depth == 0
    }

    /// How many bytes it has looked at.
    #[cfg(test)]
    pub(super) fn seen(&self) -> usize {
        self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end_of(text: &str) -> Option<Range<usize>> {
        Document::default().advance(text.as_bytes()).unwrap()
    }

    #[test]
    fn brackets_and_escaped_quotes_in_strings_close_nothing() {
        for text in [r#"{"a":"}"}"#, r#"{"a":"\"}"}"#, r#"{"a":"\\"}"#, r#"["]","\\\"]"]"#] {
            assert_eq!(end_of(&format!("{text}{{")), Some(0..text.len()), "{text}");
        }
    }

    #[test]
    fn a_backslash_before_the_closing_quote_keeps_the_string_open() {
        assert_eq!(end_of(r#"{"a":"\"}"#), None);
    }

    #[test]
    fn leading_whitespace_is_not_part_of_the_document() {
        assert_eq!(end_of(" \r\n\t{} {}"), Some(4..6));
    }

    #[test]
    fn anything_but_an_object_or_an_array_is_refused_where_it_stands() {
        for text in ["HTTP/1.1", "\"{}\"", "null", "}", "\0{}"] {
            assert_eq!(Document::default().advance(text.as_bytes()), Err(0), "{text:?}");
        }
        assert_eq!(Document::default().advance(b"\n\nx"), Err(2));
    }

    #[test]
    fn a_hundred_thousand_levels_need_no_stack() {
        let text = "[".repeat(100_000) + &"]".repeat(100_000);
        assert_eq!(end_of(&text), Some(0..200_000));
    }
}
