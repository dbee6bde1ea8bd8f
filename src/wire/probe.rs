//! Which dialect a port speaks, asked on a connection that is thrown away afterwards.
//!
//! One object that every text dialect can answer, and answers in a shape of its own. Write [`REQUEST`];
//! if nothing comes within half a second, write [`NUDGE`]; show what came to [`recognise`]. An add-on that is
//! busy stays silent, so silence says nothing. Length-prefixed add-ons take the request for a length of
//! 2 GB and stay silent too.

use super::dialect::Dialect;
use super::framer::Framer;
use super::framing::{Framing, is_whitespace};
use super::table::DIALECTS;
use serde_json::Value;

/// The object to send first: a line, and complete JSON in itself.
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
    for row in DIALECTS.iter().filter(|row| has_shape(row, &reply)) {
        match closing(row.framing, rest) {
            Closing::Done => return Verdict::Known(row),
            Closing::Missing => unfinished = true,
            Closing::Wrong => {}
        }
    }
    if unfinished { Verdict::NeedMore } else { Verdict::Unknown }
}

/// Whether an object is this row's answer to [`REQUEST`].
fn has_shape(row: &Dialect, reply: &Value) -> bool {
    let id_fits = match row.request.id() {
        // Null: it could not read the request.
        Some(id) => {
            matches!(reply.get(id.field), Some(Value::Null))
                || reply.get(id.field).is_some_and(|echo| echo == "probe")
        }
        // An id, though the row has none: another add-on.
        None => reply.get("id").is_none(),
    };
    let status = reply.get(row.reply.ok.field);
    let status_fits = match status.and_then(|status| row.reply.ok.equals.compare(status)) {
        Some(true) => true,
        Some(false) => {
            let text = row.reply.message.iter().try_fold(reply, |value, field| value.get(field));
            text.is_some_and(Value::is_string)
        }
        None => false,
    };
    id_fits && status_fits
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

    fn name(bytes: &[u8]) -> Result<&'static str, Verdict> {
        match recognise(bytes) {
            Verdict::Known(row) => Ok(row.name),
            verdict => Err(verdict),
        }
    }

    /// What each add-on answers to [`REQUEST`], followed by [`NUDGE`] where it waits for one.
    const ANSWERS: [(&str, &[u8]); 8] = [
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
    ];

    #[test]
    fn each_add_on_is_known_by_its_answer() {
        for (row, answer) in ANSWERS {
            assert_eq!(name(answer), Ok(row), "{}", answer.escape_ascii());
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
    }

    #[test]
    fn anything_else_is_unknown() {
        let strange: [&[u8]; 10] = [
            b"HTTP/1.1 400 Bad Request\r\n",
            b"SSH-2.0-OpenSSH\r\n",
            b"\0\0\0\x10{\"status\":\"ok\"}",
            b"[]\n",
            b"{nonsense}",
            b"{\"jsonrpc\":\"2.0\",\"error\":{},\"id\":null}\n",
            b"{\"id\":\"probe\",\"success\":false,\"error\":{\"code\":1,\"message\":\"no\"}}\n",
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
    fn the_request_is_one_line_and_one_object_with_what_each_row_asks_for() {
        let (line, newline) = REQUEST.split_at(REQUEST.len() - 1);
        assert_eq!(newline, b"\n");
        assert!(!line.contains(&b'\n') && line.is_ascii());
        let request: Value = serde_json::from_slice(line).unwrap();
        for row in &DIALECTS {
            for member in row.request.members {
                assert!(request.get(member.field()).is_some(), "{} {member:?}", row.name);
            }
        }
        assert_eq!(request["strict_json"], true);
        assert_eq!(request["id"], "probe");
    }
}
