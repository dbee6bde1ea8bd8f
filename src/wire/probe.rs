//! Which dialect a port speaks, asked on a connection that is thrown away afterwards.
//!
//! One object that every text dialect can answer, and answers in a shape of its own. Write [`REQUEST`];
//! if nothing comes within half a second, write [`NUDGE`]; show what came to [`recognise`]. An add-on that is
//! busy stays silent, so silence says nothing. Length-prefixed add-ons take the request for a length of
//! 2 GB and stay silent too: [`can_find`] tells which rows there is an answer from.

use super::dialect::Dialect;
use super::framer::Framer;
use super::framing::{Framing, is_whitespace};
use super::table::DIALECTS;
use serde_json::Value;

/// The object to send first: a line, and complete JSON in itself. It lacks what some add-ons ask for, on
/// purpose: a complaint is as good an answer, and changes nothing in Blender.
pub const REQUEST: &[u8] = b"{\"type\":\"execute\",\"id\":\"probe\",\"command\":\"ping\",\
\"code\":\"result = {}\",\"strict_json\":true,\"params\":{}}\n";

/// What completes the request for add-ons that wait for a NUL. It wedges the others: send it late.
pub const NUDGE: &[u8] = b"\0";

/// No add-on needs more to answer [`REQUEST`].
const MAX_REPLY_BYTES: usize = 64 * 1024;

/// What the bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// This row's add-on answered.
    Known(&'static Dialect),
    /// No whole answer yet; ask again when more has come.
    NeedMore,
    /// No dialect of the table answers like this.
    Unknown,
}

/// Whether this row's add-on can answer [`REQUEST`] at all. The others must be configured.
pub fn can_find(row: &Dialect) -> bool {
    row.framing != Framing::Length32
}

/// Recognises the row that answered from everything received so far.
pub fn recognise(bytes: &[u8]) -> Verdict {
    let frame = match Framer::new(Framing::BareJson, MAX_REPLY_BYTES).scan(bytes) {
        Ok(Some(frame)) => frame,
        Ok(None) => return Verdict::NeedMore,
        Err(_) => return Verdict::Unknown,
    };
    let Ok(reply) = serde_json::from_slice(&bytes[frame.start..frame.end]) else {
        return Verdict::Unknown;
    };
    let rest = &bytes[frame.consumed..];
    let mut unfinished = false;
    let mut known = None;
    for row in DIALECTS.iter().filter(|row| can_find(row) && has_shape(row, &reply)) {
        match closing(row.framing, rest) {
            // An answer that two rows could have given tells neither.
            Closing::Done if known.is_some() => return Verdict::Unknown,
            Closing::Done => known = Some(row),
            Closing::Missing => unfinished = true,
            Closing::Wrong => {}
        }
    }
    match known {
        Some(row) => Verdict::Known(row),
        None if unfinished => Verdict::NeedMore,
        None => Verdict::Unknown,
    }
}

/// Whether an object is this row's answer to [`REQUEST`].
fn has_shape(row: &Dialect, reply: &Value) -> bool {
    let id_fits = match row.request.id() {
        Some(id) => reply
            .get(id.field)
            .is_some_and(|echo| echo == "probe" || id.is_unread(&echo.to_string())),
        // An id, though the row has none: another add-on.
        None => reply.get("id").is_none(),
    };
    id_fits && row.reply.fits(reply)
}

enum Closing {
    Done,
    Missing,
    Wrong,
}

/// Whether what follows the object is how the framing closes it.
fn closing(framing: Framing, rest: &[u8]) -> Closing {
    let Some(first) = rest.iter().find(|byte| !is_whitespace(**byte)) else {
        return match framing {
            Framing::BareJson => Closing::Done,
            Framing::Newline if rest.contains(&b'\n') => Closing::Done,
            Framing::Newline | Framing::Nul => Closing::Missing,
            // Its length would have come first.
            Framing::Length32 => Closing::Wrong,
        };
    };
    match framing {
        Framing::Nul if *first == 0 => Closing::Done,
        _ => Closing::Wrong,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Member, Scalar};
    use serde_json::json;

    fn name(bytes: &[u8]) -> Result<&'static str, Verdict> {
        match recognise(bytes) {
            Verdict::Known(row) => Ok(row.name),
            verdict => Err(verdict),
        }
    }

    /// What each add-on answers to [`REQUEST`], followed by [`NUDGE`] where it waits for one.
    const ANSWERS: [(&str, &[u8]); 11] = [
        ("blender-mcp", b"{\"status\": \"error\", \"message\": \"Unknown command type: execute\"}"),
        ("blender-mcp", b"{\"status\":\"success\",\"result\":{}}"),
        (
            "blender-mcp",
            b"{\"status\": \"error\", \"message\": \"Unknown command type: execute\"}\n",
        ),
        ("worker", b"{\"id\":\"probe\",\"status\":\"error\",\"message\":\"unknown type\"}\n"),
        ("worker", b"{\"id\":\"probe\",\"status\":\"success\",\"result\":{}}\r\n"),
        ("blender-lab", b"{\"status\": \"ok\", \"result\": {}}\0"),
        ("blender-lab", b"{\"status\": \"error\", \"message\": \"Authentication failed\"}\0"),
        (
            "blender-mcp-server",
            b"{\"id\": \"probe\", \"success\": false, \"error\": \"Unknown command: ping\"}\n",
        ),
        // The two below complain of the type and of the command alone.
        (
            "category-action",
            b"{\"id\": \"probe\", \"success\": false, \"error\": {\"code\": \"UNKNOWN_MESSAGE_TYPE\", \
              \"message\": \"Unknown message type: execute\"}}\n",
        ),
        (
            "niua",
            b"{\"ok\": false, \"error\": {\"code\": \"unknown_tool\", \
              \"message\": \"unknown command: ping\"}}\n",
        ),
        ("niua", b"{\"ok\": true, \"result\": {}}\n"),
    ];

    #[test]
    fn each_add_on_is_known_by_its_answer() {
        for (row, answer) in ANSWERS {
            assert_eq!(name(answer), Ok(row), "{}", answer.escape_ascii());
        }
    }

    #[test]
    fn each_row_that_can_be_found_has_an_answer_here() {
        for row in &DIALECTS {
            let answered = ANSWERS.iter().any(|(name, _)| *name == row.name);
            assert_eq!(answered, can_find(row), "{}", row.name);
        }
    }

    /// A success and a failure as the row's add-on would answer, framed.
    fn replies(row: &Dialect) -> [Vec<u8>; 2] {
        let shape = row.reply;
        let id = row.request.id().map(|id| (id.field, Value::from("probe")));
        let body = |ok: Scalar, path: &[&'static str], value: Value| {
            let (first, deeper) = path.split_first().unwrap();
            let value = deeper.iter().rfold(value, |value, field| json!({ *field: value }));
            let ok = match ok {
                Scalar::Text(text) => Value::from(text),
                Scalar::Flag(flag) => Value::from(flag),
            };
            let fields = [(shape.ok.field, ok), (*first, value)].into_iter().chain(id.clone());
            let object: serde_json::Map<_, _> =
                fields.map(|(field, value)| (field.to_owned(), value)).collect();
            row.framing.wrap(Value::from(object).to_string().into_bytes())
        };
        let no = match shape.ok.equals {
            Scalar::Text(_) => Scalar::Text("error"),
            Scalar::Flag(flag) => Scalar::Flag(!flag),
        };
        [body(shape.ok.equals, &[shape.result], json!({})), body(no, shape.message, "no".into())]
    }

    #[test]
    fn whatever_a_row_answers_never_fits_another() {
        for row in &DIALECTS {
            for reply in replies(row) {
                let expected = can_find(row).then_some(row.name).ok_or(Verdict::Unknown);
                assert_eq!(name(&reply), expected, "{}", reply.escape_ascii());
            }
        }
    }

    #[test]
    fn half_an_answer_says_nothing_yet() {
        for (_, answer) in ANSWERS {
            for end in 0..answer.len() - 2 {
                assert_eq!(name(&answer[..end]), Err(Verdict::NeedMore), "{end}");
            }
        }
    }

    #[test]
    fn an_answer_whose_delimiter_is_still_to_come_is_not_taken_for_bare_json() {
        let worker = b"{\"id\":\"probe\",\"status\":\"error\",\"message\":\"\"}";
        assert_eq!(name(worker), Err(Verdict::NeedMore));
        assert_eq!(name(b"{\"status\":\"ok\",\"result\":{}}"), Err(Verdict::NeedMore));
    }

    #[test]
    fn an_add_on_that_could_not_read_the_request_is_known_all_the_same() {
        let answer = b"{\"id\": null, \"success\": false, \"error\": \"Invalid JSON: \"}\n";
        assert_eq!(name(answer), Ok("blender-mcp-server"));
        let answer = b"{\"id\":null,\"status\":\"error\",\"message\":\"bad JSON\"}\n";
        assert_eq!(name(answer), Ok("worker"));
        let answer = b"{\"id\":\"unknown\",\"success\":false,\"error\":{\"message\":\"\"}}\n";
        assert_eq!(name(answer), Ok("category-action"));
        let answer = b"{\"id\":\"unknown\",\"success\":false,\"error\":\"\"}\n";
        assert_eq!(name(answer), Err(Verdict::Unknown));
    }

    #[test]
    fn anything_else_is_unknown() {
        let strange: [&[u8]; 15] = [
            b"HTTP/1.1 400 Bad Request\r\n",
            b"SSH-2.0-OpenSSH\r\n",
            b"\0\0\0\x10{\"status\":\"ok\"}",
            b"[]\n",
            b"{nonsense}",
            b"{\"jsonrpc\":\"2.0\",\"error\":{},\"id\":null}\n",
            b"{\"id\":\"probe\",\"success\":false,\"error\":{\"code\":1,\"message\":2}}\n",
            b"{\"id\":\"probe\",\"success\":false,\"error\":{\"code\":1}}\n",
            // Which of the two that say so would be seen by its result.
            b"{\"id\":\"probe\",\"success\":true}\n",
            b"{\"id\":\"probe\",\"ok\":true,\"result\":{}}\n",
            b"{\"ok\":false,\"error\":\"no\"}\n",
            b"{\"ok\":1,\"result\":{}}\n",
            b"{\"id\":\"other\",\"status\":\"error\",\"message\":\"\"}\n",
            b"{\"status\":\"error\"}",
            b"{\"status\":\"success\"}\0",
        ];
        for bytes in strange {
            assert_eq!(name(bytes), Err(Verdict::Unknown), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn an_answer_without_end_is_unknown() {
        let endless = [b"{\"status\":\"".as_slice(), &b"x".repeat(MAX_REPLY_BYTES)].concat();
        assert_eq!(name(&endless), Err(Verdict::Unknown));
    }

    #[test]
    fn the_request_is_one_line_and_one_object_with_what_names_a_command() {
        let (line, newline) = REQUEST.split_at(REQUEST.len() - 1);
        assert_eq!(newline, b"\n");
        assert!(!line.contains(&b'\n') && line.is_ascii());
        let request: Value = serde_json::from_slice(line).unwrap();
        for row in DIALECTS.iter().filter(|row| can_find(row)) {
            let names_it = row.request.members.iter().filter(|member| {
                matches!(
                    member,
                    Member::Id(_)
                        | Member::Kind { .. }
                        | Member::Param { .. }
                        | Member::Constant { field: "type", .. }
                )
            });
            for member in names_it {
                assert!(request.get(member.field()).is_some(), "{} {member:?}", row.name);
            }
        }
        assert_eq!(request["strict_json"], true);
        assert_eq!(request["id"], "probe");
        assert_eq!(request["params"], json!({}));
    }

    #[test]
    fn a_length_prefixed_add_on_takes_the_request_for_a_length_it_waits_for_in_vain() {
        let (prefix, rest) = REQUEST.split_first_chunk::<4>().unwrap();
        assert!(u32::from_be_bytes(*prefix) as usize > 1_000_000_000 + rest.len());
    }
}
