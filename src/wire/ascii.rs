//! JSON text without a byte above 127.
//!
//! Some add-ons decode each chunk they receive on its own; a character cut in two ends the connection.
//! Written as `\uXXXX` it can be cut anywhere. It takes valid JSON, where such characters stand in strings
//! only, and changes nothing that a parser could see.

/// The same JSON with every character above 127 as `\uXXXX`, in surrogate pairs where one unit is not enough.
pub(super) fn escape(json: String) -> String {
    if json.is_ascii() {
        return json;
    }
    // Characters of two bytes grow threefold; longer ones grow less.
    let mut escaped = String::with_capacity(json.len() * 2);
    let mut rest = json.as_str();
    while let Some(at) = rest.bytes().position(|byte| !byte.is_ascii()) {
        let (plain, foreign) = rest.split_at(at);
        escaped.push_str(plain);
        let plain_again = foreign.bytes().position(|byte| byte.is_ascii()).unwrap_or(foreign.len());
        let (foreign, tail) = foreign.split_at(plain_again);
        for unit in foreign.encode_utf16() {
            escaped.push_str("\\u");
            for shift in [12, 8, 4, 0] {
                escaped.push(char::from(b"0123456789abcdef"[usize::from(unit >> shift & 15)]));
            }
        }
        rest = tail;
    }
    escaped.push_str(rest);
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_beyond_the_first_plane_become_surrogate_pairs() {
        assert_eq!(escape(r#"{"é":"世a🎬"}"#.into()), r#"{"\u00e9":"\u4e16a\ud83c\udfac"}"#);
    }

    #[test]
    fn ascii_text_is_left_as_it_is() {
        let text = r#"{"a":"\n\u00e9\\"}"#;
        assert_eq!(escape(text.into()), text);
    }

    #[test]
    fn a_parser_sees_no_difference() {
        let text = r#"["ä\\ö","\u00fc","\ud83c\udfac🎬","","\u007f","\ufeff"]"#;
        let escaped = escape(text.into());
        assert!(escaped.is_ascii());
        let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(parse(&escaped), parse(text));
    }
}
