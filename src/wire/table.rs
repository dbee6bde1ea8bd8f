//! The dialects. Adding one is adding a row here, and its tests.
//!
//! Each figure comes from the add-on's public source or from measuring it at work; the reason stands
//! beside it. Where a row says nothing, the pool decides.

use super::dialect::{Dialect, Ping, Policy};
use super::framing::Framing;
use super::reply::{OkField, ReplyShape, Scalar};
use super::request::{IdShape, Kinds, Member, RequestShape, ValueKind};

const ID: IdShape = IdShape { field: "id", text: false };

/// Every dialect this crate speaks.
pub static DIALECTS: [Dialect; 4] = [
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
            extras: &[],
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
    }
}
