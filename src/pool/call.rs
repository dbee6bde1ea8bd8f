//! What callers hand in and what they get back.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::event::{Errand, Event, Hook};
use super::face::{CloseReport, Face, Grant, HookCall};
use super::request::{Ask, Kind};
use super::table::Lease;
use crate::conn::{Poller, Reply};
use crate::fault::Fault;
use crate::wire::Dialect;

/// Where results go. Called from any thread, in order, under the pool's lock (but for `flush`); must
/// not block and must not call back.
pub trait Sink: Send + Sync + 'static {
    /// The reply to a command.
    fn reply(&self, ticket: u64, reply: Reply, dialect: &'static Dialect);
    /// A connection for a caller that asked to hold one.
    fn lease(&self, ticket: u64, lease: LeaseInfo);
    /// Whether somebody was given a connection and has not heard of it yet.
    fn owes_a_lease(&self) -> bool {
        false
    }
    /// A call came to nothing.
    fn fault(&self, ticket: u64, fault: Fault);
    /// Something happened (JSON with its name under `event`).
    fn event(&self, event: Value);
    /// What a call asked for is there, beside a reply or a connection.
    fn done(&self, _ticket: u64, _report: Value) {}
    /// User code is to run over this lease; `ticket` is that of the call that asked for it, or 0.
    /// Never called for a pool without hooks that recycles nothing.
    fn hook(&self, _number: u64, _hook: Hook, _ticket: u64, _lease: LeaseInfo) {}
    /// JavaScript is to do something about what it makes as number `id`; `exchange` names a check.
    /// Called without any lock, and only for a pool of what JavaScript makes.
    fn errand(&self, _errand: Errand, _id: u64, _exchange: u64) {}
    /// Somebody waits on the other side, and there may be something to be had here.
    fn call_for_waiting(&self) {}
    /// More may have come: time to wake whoever reads. Called without any lock.
    fn flush(&self) {}
    /// Who watches the sockets of warm connections; `None`: their tasks do.
    fn poller(&self) -> Option<Arc<Poller>> {
        None
    }
    /// The pool is closed.
    fn closed(&self, report: CloseReport);
}

/// How a call to hold a slot went.
#[derive(Debug)]
pub enum Held {
    /// At once.
    Now(LeaseInfo),
    /// It waits; the number cancels it.
    Later(f64),
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
    /// What it speaks, where slots hold connections.
    pub dialect: Option<&'static Dialect>,
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
    /// How long the caller has waited already.
    pub waited: Duration,
    /// Whether it waits nowhere but in the engine: its caller may turn away, for one.
    pub stays: bool,
}

impl CallOptions {
    pub(super) fn ask(&self, kind: Kind) -> Ask {
        let affinity = self.affinity.as_deref().map(super::affinity::key);
        let CallOptions { endpoint, timeout, priority, waited, stays, .. } = *self;
        Ask { kind, endpoint, affinity, timeout, priority, waited, stays }
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

/// A face whose callers are known by tickets, and what all such faces have in common.
pub trait Holds: Face<Job = Call> {
    /// Where results go.
    fn sink(&self) -> &dyn Sink;

    /// An endpoint's name.
    fn name_of(&self, endpoint: usize) -> &str;

    /// Where an endpoint is, if it is anywhere.
    fn address_of(&self, _endpoint: usize) -> Option<String> {
        None
    }

    /// What an endpoint speaks, as far as that is known.
    fn dialect_at(&self, _endpoint: usize) -> Option<&'static Dialect> {
        None
    }

    /// What a slot's content speaks.
    fn dialect_of(&self, _resource: &Self::Resource) -> Option<&'static Dialect> {
        None
    }

    /// For [`Face::granted`].
    fn hand(&self, job: &Call, grant: &Grant<Self::Resource>) -> bool {
        let Want::Hold(answer) = &job.want else { unreachable!("only holders are granted a slot") };
        let info = self.lease_info(grant);
        let mut answer = lock(answer);
        match *answer {
            // Only who can wait is told behind those who were served before; `tryAcquire` cannot.
            Answer::Awaited if job.ticket == 0 || !self.sink().owes_a_lease() => {
                *answer = Answer::Here(info);
                true
            }
            _ => {
                *answer = Answer::ByTicket;
                drop(answer);
                self.sink().lease(job.ticket, info);
                false
            }
        }
    }

    /// For [`Face::hook`].
    fn call_hook(&self, call: &HookCall<Self>) {
        let ticket = call.job.as_ref().map_or(0, |job| job.ticket);
        self.sink().hook(call.number, call.hook, ticket, self.lease_info(&call.grant));
    }

    /// For [`Face::observed`].
    fn tell_event(&self, event: &Event) {
        let name_of = |endpoint: usize| self.name_of(endpoint);
        let dialect_of = |endpoint: usize| self.dialect_at(endpoint).map(|dialect| dialect.name);
        self.sink().event(event.to_json(&name_of, &dialect_of));
    }

    /// A grant as JavaScript sees it.
    fn lease_info(&self, grant: &Grant<Self::Resource>) -> LeaseInfo {
        LeaseInfo {
            lease: grant.lease,
            id: grant.id,
            endpoint: grant.endpoint,
            created_at_ms: epoch_ms(grant.age).round(),
            uses: grant.uses,
            dialect: self.dialect_of(&grant.resource),
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The moment `age` ago, in milliseconds since 1970.
pub(super) fn epoch_ms(age: Duration) -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(age).as_secs_f64() * 1e3
}
