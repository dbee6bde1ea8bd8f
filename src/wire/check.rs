//! An answer's way in: is it JSON, is it this row's, is it ours.
//!
//! What passes is left as text for the caller to parse; what does not pass never reaches anybody as a reply.

use super::dialect::Dialect;
use super::envelope::Envelope;
use super::framing::Framing;
use super::reply_error::ReplyError;
use super::table::DIALECTS;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

/// What is known of a reply that passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// The command succeeded, by the row's status field.
    pub ok: bool,
    /// The text holds no byte above 127.
    pub ascii: bool,
}

impl Dialect {
    /// Whether a frame's payload is the answer to request `id`. A failure without an id, or with the one
    /// that the row has for requests it could not read, counts as the answer.
    ///
    /// # Errors
    /// [`ReplyError`]; the command may have run all the same.
    pub fn check_reply(&self, id: u64, payload: &[u8]) -> Result<Checked, ReplyError> {
        let text = std::str::from_utf8(payload)
            .map_err(|error| ReplyError::NotUtf8 { offset: error.valid_up_to() })?;
        let shape = self.request.id();
        let id_field = shape.map(|shape| shape.field);
        let envelope = Envelope::open(text, self.reply.ok.field, id_field)
            .map_err(|error| refuse(text, &error))?;
        let Some(ok) = self.status(&envelope) else {
            let field = self.reply.ok.field;
            return Err(ReplyError::MissingStatus {
                field,
                looks_like: look_elsewhere(self, text),
            });
        };
        if let Some(shape) = shape {
            let got = envelope.id.map_or("null", RawValue::get);
            let unread = !ok && shape.is_unread(got);
            if got != shape.json(id) && !unread {
                return Err(ReplyError::WrongId { expected: id, got: abridge(got) });
            }
        }
        // An add-on that shares status and id with this row refuses all it is sent, in words that this row
        // would not find.
        if !ok
            && !self.has_text(text)
            && let Some(looks_like) = look_elsewhere(self, text)
        {
            return Err(ReplyError::OtherDialect { looks_like });
        }
        Ok(Checked { ok, ascii: text.is_ascii() })
    }

    /// Whether a failure says what failed where this row looks for it.
    fn has_text(&self, text: &str) -> bool {
        serde_json::from_str(text).is_ok_and(|reply| self.reply.fits(&reply))
    }

    /// Success or failure; none when the status field is missing or of another type.
    fn status(&self, envelope: &Envelope) -> Option<bool> {
        self.reply.ok.equals.compare_text(envelope.ok?.get())
    }
}

/// Why text could not be opened as an object.
fn refuse(text: &str, error: &serde_json::Error) -> ReplyError {
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) if error.is_data() => ReplyError::NotAnObject,
        Ok(_) => ReplyError::NotJson { message: error.to_string() },
        Err(error) => ReplyError::NotJson { message: explain(text, &error) },
    }
}

/// Another row whose reply it could be, going by its fields.
fn look_elsewhere(row: &Dialect, text: &str) -> Option<&'static str> {
    let reply = serde_json::from_str(text).ok()?;
    let is_prefixed = |dialect: &Dialect| dialect.framing == Framing::Length32;
    let fits = |other: &&Dialect| {
        let id = other.request.id();
        // An id speaks against rows that have none.
        let field = id.or(row.request.id()).map(|id| id.field);
        let has_id = field.is_some_and(|field| Value::get(&reply, field).is_some());
        // A reply found by a length never came from an add-on that sends none, nor the other way round.
        is_prefixed(other) == is_prefixed(row) && has_id == id.is_some() && other.reply.fits(&reply)
    };
    DIALECTS.iter().filter(|other| other.name != row.name).find(fits).map(|other| other.name)
}

/// The parser's complaint, and what is behind it where that can be seen.
fn explain(text: &str, error: &serde_json::Error) -> String {
    if text.trim().is_empty() {
        return "it is empty".to_owned();
    }
    let before: usize =
        text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let offset = before + error.column().saturating_sub(1);
    // The parser stops behind the sign, or at the first letter.
    for start in [offset.saturating_sub(1), offset] {
        for constant in ["NaN", "Infinity", "-Infinity"] {
            if text.get(start..).is_some_and(|rest| rest.starts_with(constant)) {
                return format!(
                    "{constant} at byte {start}; Python writes it, JSON has no such number. \
                     Replace it in the command's result, with None for instance"
                );
            }
        }
    }
    error.to_string()
}

/// An id that can be shown in a sentence, whatever was sent as one.
fn abridge(json: &str) -> String {
    match json.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &json[..end]),
        None => json.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Scalar, dialect};

    fn check(name: &str, reply: &str) -> Result<Checked, ReplyError> {
        dialect(name).unwrap().check_reply(7, reply.as_bytes())
    }

    fn passed(ok: bool) -> Result<Checked, ReplyError> {
        Ok(Checked { ok, ascii: true })
    }

    #[test]
    fn each_row_tells_success_from_failure_in_its_own_field() {
        assert_eq!(check("blender-mcp", r#"{"status":"success","result":{}}"#), passed(true));
        assert_eq!(check("blender-mcp", r#"{"status":"error","message":"no"}"#), passed(false));
        assert_eq!(check("blender-lab", r#"{"status":"ok","result":{}}"#), passed(true));
        assert_eq!(check("blender-lab", r#"{"status":"success"}"#), passed(false));
        assert_eq!(check("worker", r#"{"id":7,"status":"success"}"#), passed(true));
        assert_eq!(check("worker", r#"{"status":"error","id":7}"#), passed(false));
        assert_eq!(check("blender-mcp-server", r#"{"id":7,"success":true}"#), passed(true));
        assert_eq!(
            check("blender-mcp-server", r#"{"id":7,"success":false,"error":"no"}"#),
            passed(false)
        );
        assert_eq!(
            check("category-action", r#"{"id":"7","success":true,"data":{}}"#),
            passed(true)
        );
        assert_eq!(
            check("category-action", r#"{"id":"7","success":false,"error":{"message":"no"}}"#),
            passed(false)
        );
        assert_eq!(
            check("blender-ai-mcp", r#"{"request_id":"7","status":"ok","result":null}"#),
            passed(true)
        );
        assert_eq!(
            check("blender-ai-mcp", r#"{"request_id":"7","status":"error","error":"no"}"#),
            passed(false)
        );
        assert_eq!(check("blender-mcp-pro", r#"{"status":"ok","result":{}}"#), passed(true));
        assert_eq!(check("blender-mcp-pro", r#"{"status":"error","message":"no"}"#), passed(false));
        assert_eq!(check("niua", r#"{"ok":true,"result":{}}"#), passed(true));
        assert_eq!(check("niua", r#"{"ok":false,"error":{"message":"no"}}"#), passed(false));
    }

    #[test]
    fn the_status_is_the_outermost_one_and_the_last_one() {
        let nested =
            r#"{"result":{"status":"success","x":[{"status":"success"}]},"status":"error"}"#;
        assert_eq!(check("blender-mcp", nested), passed(false));
        let twice = r#"{"status":"error","status":"success"}"#;
        assert_eq!(check("blender-mcp", twice), passed(true));
    }

    #[test]
    fn escapes_and_whitespace_do_not_hide_a_status() {
        let reply = " { \"st\\u0061tus\" : \"s\\u0075ccess\" }\r\n";
        assert_eq!(check("blender-mcp", reply), passed(true));
    }

    #[test]
    fn text_beyond_ascii_is_noted() {
        let checked = check("blender-mcp", r#"{"status":"success","result":"é"}"#);
        assert_eq!(checked, Ok(Checked { ok: true, ascii: false }));
    }

    #[test]
    fn an_answer_to_another_command_is_not_taken() {
        for (reply, got) in [
            (r#"{"id":8,"status":"success"}"#, "8"),
            (r#"{"id":8,"status":"error"}"#, "8"),
            (r#"{"id":"7","status":"success"}"#, "\"7\""),
            (r#"{"id":null,"status":"success"}"#, "null"),
            (r#"{"status":"success"}"#, "null"),
        ] {
            let wrong = ReplyError::WrongId { expected: 7, got: got.to_owned() };
            assert_eq!(check("worker", reply), Err(wrong), "{reply}");
        }
    }

    #[test]
    fn an_id_sent_as_text_comes_back_as_text() {
        for (name, field) in [("category-action", "id"), ("blender-ai-mcp", "request_id")] {
            let ok = match dialect(name).unwrap().reply.ok.equals {
                Scalar::Text(text) => format!("\"status\":\"{text}\""),
                Scalar::Flag(flag) => format!("\"success\":{flag}"),
            };
            assert_eq!(check(name, &format!(r#"{{"{field}":"7",{ok}}}"#)), passed(true), "{name}");
            for got in ["7", "\"8\"", "\"07\"", "\"unknown\"", "null"] {
                let wrong = ReplyError::WrongId { expected: 7, got: got.to_owned() };
                let reply = format!(r#"{{"{field}":{got},{ok}}}"#);
                assert_eq!(check(name, &reply), Err(wrong), "{name}");
            }
        }
    }

    #[test]
    fn a_failure_from_before_the_id_was_known_is_the_answer() {
        let reply = r#"{"id":null,"success":false,"error":"Invalid JSON: x"}"#;
        assert_eq!(check("blender-mcp-server", reply), passed(false));
        assert_eq!(check("worker", r#"{"status":"error","message":"x"}"#), passed(false));
        assert_eq!(
            check("blender-ai-mcp", r#"{"status":"error","error":"Invalid JSON"}"#),
            passed(false)
        );
        let reply = r#"{"id":"unknown","success":false,"error":{"code":"INVALID_JSON"}}"#;
        assert_eq!(check("category-action", reply), passed(false));
        // Elsewhere that is an id as any other.
        assert!(check("worker", r#"{"id":"unknown","status":"error"}"#).is_err());
    }

    #[test]
    fn an_id_of_any_length_makes_a_short_sentence() {
        let reply = format!(r#"{{"id":"{}","status":"success"}}"#, "é".repeat(1000));
        let error = check("worker", &reply).unwrap_err().to_string();
        assert!(error.chars().count() < 120, "{error}");
    }

    #[test]
    fn bytes_that_are_not_text_are_placed() {
        let reply = b"{\"status\":\"success\",\"a\":\"\xff\"}";
        let checked = dialect("blender-mcp").unwrap().check_reply(7, reply);
        assert_eq!(checked, Err(ReplyError::NotUtf8 { offset: 25 }));
    }

    #[test]
    fn numbers_that_only_python_writes_are_named_and_placed() {
        for constant in ["NaN", "Infinity", "-Infinity"] {
            let reply = format!("{{\n\"status\":\"success\",\n\"result\":[1,{constant}]}}");
            let at = reply.find(constant).unwrap();
            let error = check("blender-mcp", &reply).unwrap_err().to_string();
            let says = format!("the reply is not valid JSON: {constant} at byte {at};");
            assert!(error.starts_with(&says), "{error}");
        }
        let in_text = check("blender-mcp", r#"{"status":"success","result":"NaN"}"#);
        assert_eq!(in_text, passed(true));
    }

    #[test]
    fn anything_but_one_whole_document_is_not_json() {
        for reply in
            ["", " ", "{", r#"{"status":"success"}{}"#, "{'status':'success'}", "\u{feff}{}"]
        {
            let error = check("blender-mcp", reply).unwrap_err();
            assert!(matches!(error, ReplyError::NotJson { .. }), "{reply:?}: {error}");
        }
        let empty = check("blender-lab", "").unwrap_err().to_string();
        assert_eq!(empty, "the reply is not valid JSON: it is empty");
    }

    #[test]
    fn json_that_is_no_object_is_told_apart() {
        for reply in ["[]", "null", "1", "\"status\""] {
            assert_eq!(check("worker", reply), Err(ReplyError::NotAnObject), "{reply}");
        }
    }

    #[test]
    fn a_reply_of_another_dialect_is_named() {
        let reply = r#"{"id":7,"success":false,"error":"Unknown command: "}"#;
        assert_eq!(
            check("worker", reply).unwrap_err().to_string(),
            "the reply has no usable \"status\" field; it looks like the dialect 'blender-mcp-server'"
        );
        let reply = r#"{"id":7,"status":"error","message":"unknown"}"#;
        let looks_like = Some("worker");
        let missing = ReplyError::MissingStatus { field: "success", looks_like };
        assert_eq!(check("blender-mcp-server", reply), Err(missing));
        // Two rows share the field, and differ in where the text of a failure stands.
        let reply = r#"{"id":7,"success":false,"error":{"code":"X","message":"no"}}"#;
        let looks_like = Some("category-action");
        let missing = ReplyError::MissingStatus { field: "status", looks_like };
        assert_eq!(check("worker", reply), Err(missing));
        let reply = r#"{"ok":false,"error":{"code":"x","message":"no"}}"#;
        let missing = ReplyError::MissingStatus { field: "status", looks_like: Some("niua") };
        assert_eq!(check("worker", reply), Err(missing));
    }

    #[test]
    fn a_failure_told_as_another_dialect_tells_it_is_that_dialects() {
        let pairs = [
            ("category-action", r#"{"id":"7","success":false,"error":"no"}"#, "blender-mcp-server"),
            (
                "blender-mcp-server",
                r#"{"id":7,"success":false,"error":{"code":"X","message":"no"}}"#,
                "category-action",
            ),
            (
                "blender-mcp-pro",
                r#"{"request_id":null,"status":"error","error":"no"}"#,
                "blender-ai-mcp",
            ),
            ("blender-ai-mcp", r#"{"status":"error","message":"no"}"#, "blender-mcp-pro"),
        ];
        for (row, reply, looks_like) in pairs {
            assert_eq!(check(row, reply), Err(ReplyError::OtherDialect { looks_like }), "{row}");
        }
        // A failure that says nothing at all is nobody else's.
        assert_eq!(check("worker", r#"{"id":7,"status":"error"}"#), passed(false));
        assert_eq!(check("blender-mcp-pro", r#"{"status":"error","error":"no"}"#), passed(false));
    }

    #[test]
    fn a_reply_found_by_its_length_is_not_taken_for_one_without() {
        let reply = r#"{"ok":true,"result":{}}"#;
        let looks_like = Some("niua");
        let missing = ReplyError::MissingStatus { field: "status", looks_like };
        assert_eq!(check("worker", reply), Err(missing));
        let missing = ReplyError::MissingStatus { field: "status", looks_like: None };
        assert_eq!(check("blender-mcp-pro", reply), Err(missing));
    }

    #[test]
    fn a_status_of_another_type_is_none() {
        for status in ["null", "true", "1", "[]", r#"{"a":"success"}"#] {
            let reply = format!(r#"{{"status":{status}}}"#);
            let missing = ReplyError::MissingStatus { field: "status", looks_like: None };
            assert_eq!(check("blender-mcp", &reply), Err(missing), "{status}");
        }
    }

    #[test]
    fn depth_is_no_matter() {
        let nested = "[".repeat(10_000) + &"]".repeat(10_000);
        let reply = format!(r#"{{"result":{nested},"status":"success"}}"#);
        assert_eq!(check("blender-mcp", &reply), passed(true));
    }
}
