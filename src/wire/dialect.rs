//! One row of the table: what an add-on speaks and how it wants to be treated.
//!
//! A row is data. Code that asks for a dialect by name belongs in the row instead.

use super::framing::Framing;
use super::reply::ReplyShape;
use super::request::{Kinds, Member, RequestShape};
use serde_json::{Value, json};

/// What one add-on speaks.
#[derive(Debug, PartialEq, Eq)]
pub struct Dialect {
    /// The name users write.
    pub name: &'static str,
    /// The add-on it belongs to.
    pub addon: &'static str,
    /// The TCP port it listens on unless told otherwise.
    pub port: u16,
    /// How documents are told apart, both ways.
    pub framing: Framing,
    /// A command's envelope.
    pub request: RequestShape,
    /// A reply's envelope.
    pub reply: ReplyShape,
    /// A harmless command that any live add-on answers, be it with an error of its own.
    pub ping: Option<Ping>,
    /// How it wants to be treated.
    pub policy: Policy,
}

/// A command that proves life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ping {
    /// The command's type.
    pub kind: &'static str,
    /// Its parameters, a JSON object.
    pub params: &'static str,
}

/// What an add-on bears. A zero leaves the matter to the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// One request per connection: connect late, close after the reply.
    pub per_request: bool,
    /// Requests go out as ASCII, other characters escaped.
    pub ascii: bool,
    /// Connects in flight per endpoint; 0: the pool's default.
    pub max_connecting: u32,
    /// Commands running on one Blender at a time; 0: unbounded.
    pub max_in_flight: u32,
    /// Connections per endpoint the add-on can serve at all; 0: no limit of its own.
    pub max_connections: u32,
    /// A connection is ready only when it has answered a ping.
    pub ping_on_connect: bool,
    /// Neither dial nor close while a command runs on that Blender: it would show up in the command's output.
    pub quiet: bool,
    /// Bytes of a whole request frame; 0: the pool's default.
    pub max_request_bytes: usize,
    /// Bytes of a reply; 0: the pool's default.
    pub max_reply_bytes: usize,
}

impl Policy {
    /// Leaves everything to the pool; rows state what differs.
    pub const PLAIN: Policy = Policy {
        per_request: false,
        ascii: false,
        max_connecting: 0,
        max_in_flight: 0,
        max_connections: 0,
        ping_on_connect: false,
        quiet: false,
        max_request_bytes: 0,
        max_reply_bytes: 0,
    };
}

impl Dialect {
    /// Whether the add-on takes any type of command, as far as the pool can know.
    pub fn takes_any_kind(&self) -> bool {
        let divides = |member: &Member| {
            matches!(member, Member::KindBefore { .. } | Member::KindAfter { .. })
        };
        self.request.kinds == Kinds::Any && !self.request.members.iter().any(divides)
    }

    /// The row as JSON, for those who apply or print it elsewhere.
    pub fn describe(&self) -> Value {
        let kinds = match self.request.kinds {
            Kinds::Any => Value::Null,
            Kinds::Only(kinds) => json!(kinds),
        };
        let fields: Vec<_> = self.request.members.iter().map(Member::field).collect();
        let policy = &self.policy;
        json!({
            "name": self.name,
            "addon": self.addon,
            "port": self.port,
            "framing": self.framing.name(),
            "id": self.request.id().map(|id| id.field),
            "request": { "types": kinds, "fields": fields },
            "reply": self.reply.describe(),
            "ping": self.ping.map(|ping| ping.kind),
            "policy": {
                "perRequest": policy.per_request,
                "ascii": policy.ascii,
                "maxConnecting": policy.max_connecting,
                "maxInFlight": policy.max_in_flight,
                "maxConnections": policy.max_connections,
                "pingOnConnect": policy.ping_on_connect,
                "quiet": policy.quiet,
                "maxRequestBytes": policy.max_request_bytes,
                "maxReplyBytes": policy.max_reply_bytes,
            },
        })
    }
}
