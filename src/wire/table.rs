//! The dialects. Adding one is adding a row here, and its tests.
//!
//! Each figure comes from the add-on's public source or from measuring it at work; the reason stands
//! beside it. Where a row says nothing, the pool decides.

use super::dialect::{Dialect, Ping, Policy};
use super::framing::Framing;
use super::reply::{OkField, ReplyShape, Scalar};
use super::request::{IdShape, Kinds, Member, RequestShape, ValueKind};

const ID: IdShape = IdShape { field: "id", text: false, unread: "null" };

/// Every dialect this crate speaks.
pub static DIALECTS: [Dialect; 8] = [
    Dialect {
        name: "blender-mcp",
        addon: "ahujasid/blender-mcp and its forks",
        port: 9876,
        framing: Framing::BareJson,
        request: RequestShape {
            kinds: Kinds::Any,
            members: &[Member::Kind { field: "type" }, Member::Params { field: "params" }],
        },
        reply: ReplyShape {
            ok: OkField { field: "status", equals: Scalar::Text("success") },
            result: "result",
            message: &["message"],
            extras: &[],
        },
        // A type it does not know is answered from the main thread at once, and prints nothing.
        ping: Some(Ping { kind: "ping", params: "{}" }),
        policy: Policy {
            // It parses its whole buffer after each read: a character cut in two ends the connection.
            ascii: true,
            // Its backlog is 1: a connect is sure to have been accepted only once it has been answered.
            max_connecting: 1,
            ping_on_connect: true,
            // A second command while Blender is busy is lost or runs twice.
            max_in_flight: 1,
            // It prints on connect and disconnect, and a running command captures all of stdout.
            quiet: true,
            ..Policy::PLAIN
        },
    },
    Dialect {
        name: "worker",
        addon: "blender-pool's own headless worker",
        port: 9876,
        framing: Framing::Newline,
        request: RequestShape {
            kinds: Kinds::Any,
            members: &[
                Member::Id(ID),
                Member::Kind { field: "type" },
                Member::Params { field: "params" },
            ],
        },
        reply: ReplyShape {
            ok: OkField { field: "status", equals: Scalar::Text("success") },
            result: "result",
            message: &["message"],
            extras: &["stdout", "traceback"],
        },
        ping: Some(Ping { kind: "ping", params: "{}" }),
        policy: Policy { ping_on_connect: true, ..Policy::PLAIN },
    },
    Dialect {
        name: "blender-lab",
        addon: "the official Blender Lab add-on (Blender 5.1 and later)",
        port: 9876,
        framing: Framing::Nul,
        request: RequestShape {
            kinds: Kinds::Only(&["execute_code"]),
            members: &[
                Member::Constant { field: "type", json: "\"execute\"" },
                Member::Param { field: "code", kind: ValueKind::Text, default: None },
                // Not strict: a value that is not JSON comes back as its `repr` instead of failing the command.
                Member::Param {
                    field: "strict_json",
                    kind: ValueKind::Flag,
                    default: Some("false"),
                },
            ],
        },
        reply: ReplyShape {
            ok: OkField { field: "status", equals: Scalar::Text("ok") },
            result: "result",
            message: &["message"],
            extras: &["stdout", "stderr"],
        },
        ping: Some(Ping { kind: "execute_code", params: r#"{"code":"result = {}"}"# }),
        policy: Policy {
            // It closes after each reply, evicts a silent client after 10 s, and in background mode serves nobody meanwhile.
            per_request: true,
            max_connecting: 1,
            // 50 requests at once took two hundred times as long as one after another.
            max_in_flight: 1,
            // Its own limit. With a window, requests above some 150 KB fail and replies from 4 MB on come back
            // cut; both depend on timing, so neither is refused here.
            max_request_bytes: 10 * 1024 * 1024,
            ..Policy::PLAIN
        },
    },
    Dialect {
        name: "blender-mcp-server",
        addon: "djeada/blender-mcp-server",
        port: 9876,
        framing: Framing::Newline,
        request: RequestShape {
            kinds: Kinds::Any,
            members: &[
                Member::Id(ID),
                Member::Kind { field: "command" },
                Member::Params { field: "params" },
            ],
        },
        reply: ReplyShape {
            ok: OkField { field: "success", equals: Scalar::Flag(true) },
            result: "result",
            message: &["error"],
            extras: &[],
        },
        // It logs a traceback for a command it does not know; this one it knows, and only reads.
        ping: Some(Ping { kind: "scene.get_info", params: "{}" }),
        policy: Policy {
            // The same backlog of 1 as `blender-mcp`. Commands of all connections share one queue on
            // Blender's main thread, in order, so nothing is lost by sending several.
            max_connecting: 1,
            ping_on_connect: true,
            ..Policy::PLAIN
        },
    },
    Dialect {
        name: "category-action",
        addon: "harveyxiacn/blender-mcp",
        port: 9876,
        framing: Framing::Newline,
        request: RequestShape {
            kinds: Kinds::Any,
            members: &[
                // Its own client sends a string. A request it cannot read has this one.
                Member::Id(IdShape { field: "id", text: true, unread: "\"unknown\"" }),
                Member::Constant { field: "type", json: "\"command\"" },
                Member::KindBefore { field: "category", separator: '.' },
                Member::KindAfter { field: "action", separator: '.' },
                Member::Params { field: "params" },
            ],
        },
        reply: ReplyShape {
            ok: OkField { field: "success", equals: Scalar::Flag(true) },
            result: "data",
            message: &["error", "message"],
            // Its code and a suggestion stand beside the message.
            extras: &["error"],
        },
        ping: Some(Ping { kind: "system.get_info", params: "{}" }),
        policy: Policy {
            // It decodes each read of 4 KiB by itself: a character cut in two ends the connection.
            ascii: true,
            ping_on_connect: true,
            // Each command waits in a timer of its own, which Blender forgets when a file is loaded: whoever
            // waits there is told of a timeout half a minute later.
            max_in_flight: 1,
            // It prints on connect and disconnect, and `utility.execute_python` captures all of stdout.
            quiet: true,
            ..Policy::PLAIN
        },
    },
    Dialect {
        name: "blender-ai-mcp",
        addon: "PatrykIti/blender-ai-mcp",
        port: 8765,
        framing: Framing::Length32,
        request: RequestShape {
            kinds: Kinds::Any,
            members: &[
                // An id that Python holds for false, as 0, is none here.
                Member::Id(IdShape { field: "request_id", text: true, unread: "null" }),
                Member::Kind { field: "cmd" },
                Member::Params { field: "args" },
                // Seconds. Left to itself it calls a command failed after 30, though it runs on. Not for ever:
                // a command that a file load made Blender forget holds up everybody for so long.
                Member::Constant { field: "timeout_seconds", json: "240" },
            ],
        },
        reply: ReplyShape {
            ok: OkField { field: "status", equals: Scalar::Text("ok") },
            result: "result",
            message: &["error"],
            extras: &["error_code", "error_boundary"],
        },
        // Answered beside Blender's main thread: it tells that this client is the one being served.
        ping: Some(Ping { kind: "ping", params: "{}" }),
        policy: Policy {
            // It serves one client until that one goes. The kernel lets the next connect, and nobody reads what it sends.
            max_connections: 1,
            max_connecting: 1,
            // So only an answer tells whether another program got there first.
            ping_on_connect: true,
            ..Policy::PLAIN
        },
    },
    Dialect {
        name: "blender-mcp-pro",
        addon: "youichi-uda/blender-mcp-pro",
        port: 9877,
        framing: Framing::Length32,
        request: RequestShape {
            kinds: Kinds::Any,
            members: &[Member::Kind { field: "command" }, Member::Params { field: "params" }],
        },
        reply: ReplyShape {
            ok: OkField { field: "status", equals: Scalar::Text("ok") },
            result: "result",
            message: &["message"],
            extras: &["hint", "traceback"],
        },
        // A command it does not know is answered with the names of all it does, and stays on display as its last error.
        ping: Some(Ping { kind: "get_scene_info", params: "{}" }),
        policy: Policy {
            // It reads one request, answers it, and closes.
            per_request: true,
            // It prints whatever it receives, and `execute_python` captures all of stdout. It takes one command
            // each 50 ms, however many wait: one at a time is no slower.
            max_in_flight: 1,
            ..Policy::PLAIN
        },
    },
    Dialect {
        name: "niua",
        addon: "OhaoTech/niua-blender-mcp",
        port: 8765,
        framing: Framing::Newline,
        request: RequestShape {
            kinds: Kinds::Any,
            members: &[
                Member::Kind { field: "command" },
                Member::Params { field: "payload" },
                // Seconds, at most 600; without it, 60. The pool's own deadline is to be the one that counts:
                // what the add-on gives up waiting for runs on all the same, and holds up nobody's connection.
                Member::Constant { field: "timeout", json: "600" },
            ],
        },
        reply: ReplyShape {
            ok: OkField { field: "ok", equals: Scalar::Flag(true) },
            result: "result",
            message: &["error", "message"],
            // Its code, and what to do about it, stand beside the message.
            extras: &["error"],
        },
        ping: Some(Ping { kind: "system.health", params: "{}" }),
        policy: Policy {
            // It reads one line, answers it, and closes. Commands wait in one queue that survives a file load
            // and is emptied at each beat, so several at once lose nothing and save beats.
            per_request: true,
            ..Policy::PLAIN
        },
    },
];

/// The row of that name.
pub fn dialect(name: &str) -> Option<&'static Dialect> {
    DIALECTS.iter().find(|row| row.name == name)
}

impl Dialect {
    /// The row's place in [`DIALECTS`]; the length of the table for a row that is not in it.
    pub fn index(&self) -> usize {
        DIALECTS.iter().position(|row| std::ptr::eq(row, self)).unwrap_or(DIALECTS.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_row_is_found_by_its_name_and_place() {
        for (place, row) in DIALECTS.iter().enumerate() {
            assert_eq!(dialect(row.name).map(Dialect::index), Some(place));
        }
        assert_eq!(dialect("auto"), None);
    }

    #[test]
    fn constants_and_defaults_in_rows_are_json() {
        for row in &DIALECTS {
            for member in row.request.members {
                let text = match *member {
                    Member::Constant { json, .. } => json,
                    Member::Param { default: Some(json), .. } => json,
                    _ => continue,
                };
                assert!(
                    serde_json::from_str::<serde_json::Value>(text).is_ok(),
                    "{} {text}",
                    row.name
                );
            }
        }
    }

    #[test]
    fn every_ping_can_be_encoded_and_is_small() {
        for row in &DIALECTS {
            let frame = row.encode_ping(1).unwrap_or_else(|| panic!("{} has no ping", row.name));
            assert!(frame.len() < 100, "{}", row.name);
        }
    }

    #[test]
    fn rows_whose_backlog_is_one_dial_singly_and_ask_for_an_answer() {
        for name in ["blender-mcp", "blender-mcp-server"] {
            let policy = dialect(name).unwrap().policy;
            assert_eq!((policy.max_connecting, policy.ping_on_connect), (1, true), "{name}");
        }
    }

    #[test]
    fn rows_whose_add_on_closes_after_its_reply_have_a_connection_per_request() {
        let rows = DIALECTS.iter().filter(|row| row.policy.per_request).map(|row| row.name);
        assert!(rows.eq(["blender-lab", "blender-mcp-pro", "niua"]));
    }

    #[test]
    fn the_row_whose_add_on_serves_one_client_has_one_connection() {
        let rows = DIALECTS.iter().filter(|row| row.policy.max_connections > 0);
        let rows: Vec<_> = rows.map(|row| (row.name, row.policy.max_connections)).collect();
        assert_eq!(rows, [("blender-ai-mcp", 1)]);
        // One that is accepted and not served must not pass for open.
        assert!(dialect("blender-ai-mcp").unwrap().policy.ping_on_connect);
    }

    #[test]
    fn a_row_whose_add_on_decodes_each_read_by_itself_sends_ascii() {
        let rows = DIALECTS.iter().filter(|row| row.policy.ascii).map(|row| row.name);
        assert!(rows.eq(["blender-mcp", "category-action"]));
    }

    #[test]
    fn rows_that_refuse_some_types_are_known_before_a_command_waits_for_anything() {
        let rows = DIALECTS.iter().filter(|row| !row.takes_any_kind()).map(|row| row.name);
        assert!(rows.eq(["blender-lab", "category-action"]));
    }

    #[test]
    fn every_row_listens_where_its_add_on_does() {
        let ports: Vec<_> = DIALECTS.iter().map(|row| (row.name, row.port)).collect();
        for (name, port) in ports {
            let expected = match name {
                "blender-ai-mcp" | "niua" => 8765,
                "blender-mcp-pro" => 9877,
                _ => 9876,
            };
            assert_eq!(port, expected, "{name}");
        }
    }

    #[test]
    fn the_described_row_says_how_to_read_a_reply() {
        let described = dialect("blender-lab").unwrap().describe();
        assert_eq!(described["framing"], "nul");
        assert_eq!(described["request"]["types"], json!(["execute_code"]));
        assert_eq!(described["policy"]["perRequest"], true);
        assert_eq!(
            described["reply"],
            json!({
                "ok": { "field": "status", "equals": "ok" },
                "result": "result",
                "message": ["message"],
                "extras": ["stdout", "stderr"],
            })
        );
        let described = dialect("blender-mcp-server").unwrap().describe();
        assert_eq!(described["reply"]["ok"], json!({ "field": "success", "equals": true }));
        assert_eq!(described["id"], "id");
        let described = dialect("niua").unwrap().describe();
        assert_eq!(described["reply"]["message"], json!(["error", "message"]));
        assert_eq!(described["id"], serde_json::Value::Null);
    }
}
