//! A command's way out: from `{type, params}` to the row's envelope.
//!
//! The parameters stay the text they came as; they are checked, never rebuilt. Whatever leaves here is one
//! whole, valid JSON object, for half a document would leave an add-on waiting for ever.

use super::ascii;
use super::dialect::Dialect;
use super::encode_error::EncodeError;
use super::framing::{Framing, is_whitespace};
use super::request::{Kinds, Member};
use memchr::memchr2;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;

impl Dialect {
    /// A command as a whole frame, ready to be written. `params_json` is the text of a JSON object; nothing,
    /// or `null`, stands for an empty one.
    ///
    /// # Errors
    /// [`EncodeError`], when the row has no way to say it or the parameters are not a JSON object.
    pub fn encode(&self, id: u64, kind: &str, params_json: &str) -> Result<Vec<u8>, EncodeError> {
        self.encode_in(Vec::new(), id, kind, params_json)
    }

    /// The same in the memory of `buffer`, whatever that held. An error drops it.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_in(
        &self,
        mut buffer: Vec<u8>,
        id: u64,
        kind: &str,
        params_json: &str,
    ) -> Result<Vec<u8>, EncodeError> {
        if let Kinds::Only(known) = self.request.kinds
            && !known.contains(&kind)
        {
            let (dialect, kind) = (self.name, kind.to_owned());
            return Err(EncodeError::UnknownKind { dialect, kind, known });
        }
        let params = self.params(params_json)?;
        let mut lifted = None;
        buffer.clear();
        let mut json = String::from_utf8(buffer).unwrap_or_default();
        json.reserve(params.len() + kind.len() + 80);
        for (place, member) in self.request.members.iter().enumerate() {
            json.push(if place == 0 { '{' } else { ',' });
            json.push('"');
            json.push_str(member.field());
            json.push_str("\":");
            match *member {
                Member::Id(shape) => json.push_str(&shape.json(id)),
                Member::Kind { .. } => push_text(&mut json, kind),
                Member::KindBefore { separator, .. } => {
                    push_text(&mut json, self.divide(kind, separator)?.0);
                }
                Member::KindAfter { separator, .. } => {
                    push_text(&mut json, self.divide(kind, separator)?.1);
                }
                Member::Params { .. } => json.push_str(&params),
                Member::Param { field, kind, default } => {
                    let params = match &lifted {
                        Some(params) => params,
                        None => lifted.insert(self.lift(&params)?),
                    };
                    let value = params.get(field).map(|value| value.get()).or(default);
                    let value = value.filter(|value| kind.fits(value));
                    let (dialect, wants) = (self.name, kind.name());
                    let wrong = EncodeError::WrongParam { dialect, param: field, wants };
                    json.push_str(value.ok_or(wrong)?);
                }
                Member::Constant { json: constant, .. } => json.push_str(constant),
            }
        }
        json.push('}');
        if self.policy.ascii {
            json = ascii::escape(json);
        }
        if self.framing == Framing::Length32 && u32::try_from(json.len()).is_err() {
            return Err(EncodeError::TooLarge { size: json.len() });
        }
        Ok(self.framing.wrap(json.into_bytes()))
    }

    /// The row's proof of life as a whole frame; none where the add-on has no harmless command.
    pub fn encode_ping(&self, id: u64) -> Option<Vec<u8>> {
        self.ping.and_then(|ping| self.encode(id, ping.kind, ping.params).ok())
    }

    /// The parameters as an object that holds none of the row's delimiters.
    fn params<'a>(&self, text: &'a str) -> Result<Cow<'a, str>, EncodeError> {
        let text = text.trim_matches(|c| u8::try_from(c).is_ok_and(is_whitespace));
        if text.is_empty() || text == "null" {
            return Ok(Cow::Borrowed("{}"));
        }
        // No tree is built. Control characters in strings, NUL among them, are errors here.
        serde_json::from_str::<IgnoredAny>(text)
            .map_err(|error| EncodeError::BadParams { reason: error.to_string() })?;
        if !text.starts_with('{') {
            return Err(EncodeError::ParamsNotAnObject);
        }
        // A line break in valid JSON stands between tokens, where a space does as well.
        if self.framing == Framing::Newline && memchr2(b'\n', b'\r', text.as_bytes()).is_some() {
            return Ok(Cow::Owned(text.replace(['\n', '\r'], " ")));
        }
        Ok(Cow::Borrowed(text))
    }

    fn divide<'a>(
        &self,
        kind: &'a str,
        separator: char,
    ) -> Result<(&'a str, &'a str), EncodeError> {
        kind.split_once(separator).ok_or_else(|| {
            let (dialect, kind) = (self.name, kind.to_owned());
            EncodeError::UndividedKind { dialect, kind, separator }
        })
    }

    /// The parameters one by one, each a field of the envelope.
    fn lift<'a>(&self, params: &'a str) -> Result<HashMap<String, &'a RawValue>, EncodeError> {
        let params: HashMap<String, &RawValue> = serde_json::from_str(params)
            .map_err(|error| EncodeError::BadParams { reason: error.to_string() })?;
        let has_room = |param: &str| {
            self.request.members.iter().any(|member| match member {
                Member::Param { field, .. } => *field == param,
                Member::Params { .. } => true,
                _ => false,
            })
        };
        match params.keys().find(|param| !has_room(param)) {
            Some(param) => {
                Err(EncodeError::UnknownParam { dialect: self.name, param: param.clone() })
            }
            None => Ok(params),
        }
    }
}

/// Text as a JSON string.
fn push_text(json: &mut String, text: &str) {
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
    if text.bytes().all(plain) {
        json.push('"');
        json.push_str(text);
        json.push('"');
    } else {
        json.push_str(&Value::from(text).to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::request::{IdShape, RequestShape};
    use crate::wire::{DIALECTS, Policy, dialect};

    fn encode(name: &str, kind: &str, params: &str) -> Result<String, EncodeError> {
        let frame = dialect(name).unwrap().encode(7, kind, params)?;
        Ok(String::from_utf8(frame).unwrap())
    }

    /// A type that the row can say.
    fn kind(row: &Dialect) -> &'static str {
        if row.name == "category-action" { "system.execute_python" } else { "execute_code" }
    }

    fn refusal(name: &str, kind: &str, params: &str) -> String {
        encode(name, kind, params).unwrap_err().to_string()
    }

    #[test]
    fn memory_that_is_used_again_holds_nothing_of_the_last_request() {
        for row in &DIALECTS {
            let kind = kind(row);
            let wanted = row.encode(7, kind, r#"{"code":"x"}"#);
            let before = b"\xff not text, and longer than any request here".repeat(20);
            assert_eq!(row.encode_in(before, 7, kind, r#"{"code":"x"}"#), wanted, "{}", row.name);
        }
    }

    #[test]
    fn each_row_has_its_own_envelope() {
        let params = r#"{"code":"x = 1"}"#;
        let sent = |name| encode(name, "execute_code", params).unwrap();
        assert_eq!(sent("blender-mcp"), r#"{"type":"execute_code","params":{"code":"x = 1"}}"#);
        assert_eq!(
            sent("worker"),
            "{\"id\":7,\"type\":\"execute_code\",\"params\":{\"code\":\"x = 1\"}}\n"
        );
        assert_eq!(
            sent("blender-lab"),
            "{\"type\":\"execute\",\"code\":\"x = 1\",\"strict_json\":false}\0"
        );
        assert_eq!(
            sent("blender-mcp-server"),
            "{\"id\":7,\"command\":\"execute_code\",\"params\":{\"code\":\"x = 1\"}}\n"
        );
        assert_eq!(
            encode("category-action", "system.execute_python", params).unwrap(),
            concat!(
                r#"{"id":"7","type":"command","category":"system","action":"execute_python","#,
                r#""params":{"code":"x = 1"}}"#,
                "\n"
            )
        );
        assert_eq!(
            encode("niua", "system.execute_python", params).unwrap(),
            concat!(
                r#"{"command":"system.execute_python","payload":{"code":"x = 1"},"timeout":600}"#,
                "\n"
            )
        );
        let prefixed = |json: &str| {
            let prefix = (json.len() as u32).to_be_bytes();
            [&prefix, json.as_bytes()].concat()
        };
        assert_eq!(
            dialect("blender-ai-mcp").unwrap().encode(7, "scene.list_objects", r#"{"a":"é"}"#),
            Ok(prefixed(concat!(
                r#"{"request_id":"7","cmd":"scene.list_objects","args":{"a":"é"},"#,
                r#""timeout_seconds":240}"#
            )))
        );
        assert_eq!(
            dialect("blender-mcp-pro").unwrap().encode(7, "execute_python", params),
            Ok(prefixed(r#"{"command":"execute_python","params":{"code":"x = 1"}}"#))
        );
    }

    #[test]
    fn a_type_in_two_parts_is_divided_at_its_first_point() {
        let sent = encode("category-action", "mesh.add.cube", "").unwrap();
        assert!(sent.contains(r#""category":"mesh","action":"add.cube","params":{}"#), "{sent}");
        assert_eq!(
            refusal("category-action", "execute_code", "{}"),
            "the category-action add-on wants a type in two parts, as \"category.action\"; \
             \"execute_code\" has no '.'"
        );
    }

    #[test]
    fn missing_and_null_params_go_out_as_an_empty_object() {
        for params in ["", "null", " null\n", "{}"] {
            let sent = encode("blender-mcp", "get_scene_info", params).unwrap();
            assert_eq!(sent, r#"{"type":"get_scene_info","params":{}}"#, "{params:?}");
        }
    }

    #[test]
    fn params_that_are_no_whole_object_never_go_out() {
        for params in ["{", "{\"a\":1}}", "{\"a\":1},\"type\":\"x\"", "{\"a\":NaN}", "undefined"] {
            for row in DIALECTS.iter() {
                let refused = row.encode(7, kind(row), params);
                assert!(matches!(refused, Err(EncodeError::BadParams { .. })), "{params:?}");
            }
        }
        for params in ["[]", "1", "\"text\"", "true"] {
            assert_eq!(refusal("worker", "x", params), "params must be an object");
        }
    }

    #[test]
    fn a_raw_control_character_never_reaches_the_stream() {
        for control in ['\0', '\n', '\r', '\x1b'] {
            for row in DIALECTS.iter() {
                let params = format!("{{\"code\":\"a{control}b\"}}");
                let refused = row.encode(7, kind(row), &params);
                assert!(matches!(refused, Err(EncodeError::BadParams { .. })), "{control:?}");
            }
        }
        assert!(encode("blender-lab", "execute_code", "{\0\"code\":\"\"}").is_err());
    }

    #[test]
    fn line_breaks_between_tokens_do_not_end_the_line() {
        let sent = encode("worker", "x", "{\r\n \"a\": \"\\n\"\n}").unwrap();
        assert_eq!(sent, "{\"id\":7,\"type\":\"x\",\"params\":{   \"a\": \"\\n\" }}\n");
    }

    #[test]
    fn a_type_is_text_and_cannot_break_out_of_its_string() {
        let sent = encode("worker", "x\",\"id\":9,\n\0é", "").unwrap();
        let parsed: Value = serde_json::from_str(&sent).unwrap();
        assert_eq!(parsed["id"], 7);
        assert_eq!(parsed["type"], "x\",\"id\":9,\n\0é");
        assert_eq!(sent.matches('\n').count(), 1);
    }

    #[test]
    fn only_the_rows_that_need_it_escape_characters() {
        let params = r#"{"code":"'世🎬'"}"#;
        let sent = encode("blender-mcp", "é", params).unwrap();
        assert_eq!(sent, r#"{"type":"\u00e9","params":{"code":"'\u4e16\ud83c\udfac'"}}"#);
        let sent = encode("category-action", "é.ü", params).unwrap();
        assert!(sent.is_ascii() && sent.contains(r#""code":"'\u4e16\ud83c\udfac'""#), "{sent}");
        for row in DIALECTS.iter().filter(|row| !row.policy.ascii) {
            let frame = row.encode(7, kind(row), params).unwrap();
            assert!(String::from_utf8_lossy(&frame).contains("世🎬"), "{}", row.name);
        }
    }

    #[test]
    fn blender_lab_takes_code_and_nothing_else() {
        assert_eq!(
            refusal("blender-lab", "get_scene_info", "{}"),
            "the blender-lab add-on has no command \"get_scene_info\"; it knows only execute_code"
        );
        let wants_code = "for the blender-lab add-on params.code must be a string";
        for params in ["", "{}", r#"{"code":1}"#, r#"{"code":null}"#] {
            assert_eq!(refusal("blender-lab", "execute_code", params), wants_code, "{params}");
        }
        assert_eq!(
            refusal("blender-lab", "execute_code", r#"{"code":"","user_prompt":"p"}"#),
            "the blender-lab add-on has no place for params.user_prompt"
        );
    }

    #[test]
    fn blender_lab_code_keeps_its_escapes_and_strictness_can_be_asked_for() {
        let params = r#"{"strict_json": true, "code": "a = \"\\n\u00e9\""}"#;
        assert_eq!(
            encode("blender-lab", "execute_code", params).unwrap(),
            format!("{}\0", r#"{"type":"execute","code":"a = \"\\n\u00e9\"","strict_json":true}"#)
        );
        let params = r#"{"code":"","strict_json":"yes"}"#;
        assert_eq!(
            refusal("blender-lab", "execute_code", params),
            "for the blender-lab add-on params.strict_json must be true or false"
        );
    }

    #[test]
    fn a_row_yet_to_come_needs_no_code() {
        let row = Dialect {
            framing: Framing::Length32,
            request: RequestShape {
                kinds: Kinds::Any,
                members: &[
                    Member::Id(IdShape { field: "request_id", text: true, unread: "null" }),
                    Member::Constant { field: "type", json: "\"command\"" },
                    Member::KindBefore { field: "category", separator: '.' },
                    Member::KindAfter { field: "action", separator: '.' },
                    Member::Params { field: "args" },
                ],
            },
            policy: Policy::PLAIN,
            ping: None,
            ..*dialect("worker").unwrap()
        };
        let json = concat!(
            r#"{"request_id":"7","type":"command","category":"mesh","#,
            r#""action":"add.cube","args":{"size":2}}"#
        );
        let mut frame = (json.len() as u32).to_be_bytes().to_vec();
        frame.extend_from_slice(json.as_bytes());
        assert_eq!(row.encode(7, "mesh.add.cube", r#"{"size":2}"#), Ok(frame));
        assert!(matches!(row.encode(7, "ping", ""), Err(EncodeError::UndividedKind { .. })));
        assert_eq!(row.encode_ping(7), None);
    }
}
