//! What callers hand in and what they get back.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use super::event::Hook;
use super::face::CloseReport;
use super::request::{Ask, Kind};
use super::table::Lease;
use crate::conn::Reply;
use crate::fault::Fault;
use crate::wire::Dialect;

/// Where results go. Called from any thread, in order, under the pool's lock (but for `flush`); must
/// not block and must not call back.
pub trait Sink: Send + Sync + 'static {
    /// The reply to a command.
    fn reply(&self, ticket: u64, reply: Reply, dialect: &'static Dialect, raw: bool);
    /// A connection for a caller that asked to hold one.
    fn lease(&self, ticket: u64, lease: LeaseInfo);
    /// A call came to nothing.
    fn fault(&self, ticket: u64, fault: Fault);
    /// Something happened (JSON with its name under `event`).
    fn event(&self, event: Value);
    /// What a call asked for is there, beside a reply or a connection.
    fn done(&self, _ticket: u64, _report: Value) {}
    /// User code is to run over this lease; `ticket` is that of the call that asked for it, or 0.
    /// Never called for a pool without hooks that recycles nothing.
    fn hook(&self, _number: u64, _hook: Hook, _ticket: u64, _lease: LeaseInfo) {}
    /// More may have come: time to wake whoever reads. Called without any lock.
    fn flush(&self) {}
    /// The pool is closed.
    fn closed(&self, report: CloseReport);
}

/// A held connection, as its holder sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct LeaseInfo {
    /// What to hand back.
    pub lease: Lease,
    /// The connection's number.
    pub id: u64,
    /// Index of its endpoint.
    pub endpoint: usize,
    /// When it was opened, in milliseconds since 1970.
    pub created_at_ms: f64,
    /// How often it was used before.
    pub uses: u64,
    /// What it speaks.
    pub dialect: &'static Dialect,
}

/// A command in the pool's own terms; the dialect's row turns it into bytes.
#[derive(Clone, Debug)]
pub struct Command {
    /// Its type.
    pub kind: String,
    /// Its parameters: the text of one JSON object.
    pub params: String,
    /// Whether the caller wants the reply's bytes as they are.
    pub raw: bool,
}

/// The options of one call.
#[derive(Clone, Debug, Default)]
pub struct CallOptions {
    /// Only this endpoint will do.
    pub endpoint: Option<usize>,
    /// One deadline over everything.
    pub timeout: Option<Duration>,
    /// Higher first.
    pub priority: i32,
    /// The same key, the same endpoint, while that is healthy.
    pub affinity: Option<String>,
}

impl CallOptions {
    pub(super) fn ask(&self, kind: Kind) -> Ask {
        let affinity = self.affinity.as_deref().map(super::affinity::key);
        let CallOptions { endpoint, timeout, priority, .. } = *self;
        Ask { kind, endpoint, affinity, timeout, priority }
    }
}

/// What a caller handed in. Opaque; public because the engine is.
#[derive(Debug)]
pub struct Call {
    pub(super) ticket: u64,
    pub(super) want: Want,
}

#[derive(Debug)]
pub(super) enum Want {
    Command(Command),
    /// To be told when the minimum stands, when a slot is recycled, or how everything does.
    Told,
    Hold(Arc<Mutex<Answer>>),
}

/// Where the grant of a held connection goes: to the call that is still being made, or to its
/// ticket.
#[derive(Debug)]
pub(super) enum Answer {
    Awaited,
    Here(LeaseInfo),
    ByTicket,
}
