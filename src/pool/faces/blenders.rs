//! What the engine needs to know of Blenders: how one is reached, what its dialect bears, how a
//! command is started and what its outcome means.

use std::cell::Cell;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use serde_json::Value;
use tracing::{debug, info};

use crate::conn::Target;
use crate::conn::connection::{Connection, Ending, Outcome, Owner};
use crate::conn::open::{Opening, open};
use crate::fault::{Code, Delivered, Fault};
use crate::pool::call::{Call, Holds, Sink, Want, lock};
use crate::pool::core::time::NEVER_ANSWERED;
use crate::pool::engine::Engine;
use crate::pool::event::Event;
use crate::pool::face::{CloseReport, Face, Grant, Habits, HookCall, Opened, Start};
use crate::pool::options::Options;
use crate::wire::Dialect;

/// Connects in flight for an endpoint whose dialect has no habit of its own.
const DEFAULT_MAX_CONNECTING: usize = 2;

/// Memory for requests that is kept is no more than this.
const KEEP: usize = 64 * 1024;

thread_local! {
    /// Memory for the next request that this thread writes.
    static REQUEST: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// What the engine needs to know of Blenders. Opaque; public because the engine is.
pub struct Blenders {
    pub(in crate::pool) options: Options,
    pub(in crate::pool) endpoints: Vec<Blender>,
    pub(in crate::pool) sink: Arc<dyn Sink>,
}

pub(in crate::pool) struct Blender {
    pub(in crate::pool) target: Arc<Target>,
    pub(in crate::pool) configured: Option<&'static Dialect>,
    /// What `auto` found, until the endpoint is lost.
    pub(in crate::pool) detected: Arc<Mutex<Option<&'static Dialect>>>,
    pub(in crate::pool) limits: Limits,
}

/// How many connections an endpoint was given.
#[derive(Clone, Copy)]
pub(in crate::pool) struct Limits {
    pub min: usize,
    pub max: Option<usize>,
}

impl Blender {
    fn known(&self) -> Option<&'static Dialect> {
        self.configured.or_else(|| *lock(&self.detected))
    }
}

impl Blenders {
    pub(in crate::pool) fn habits(
        options: &Options,
        dialect: Option<&Dialect>,
        limits: Limits,
    ) -> Habits {
        // What the whole pool may have is the slot table's affair, and may change.
        let max_slots = limits.max.unwrap_or(usize::MAX);
        let or = |own: u32, default: usize| if own == 0 { default } else { own as usize };
        let Some(dialect) = dialect else {
            // One connection finds out what the others will need.
            return Habits {
                max_connecting: 1,
                max_in_flight: options.max_in_flight.unwrap_or(usize::MAX),
                min_slots: limits.min,
                max_slots,
                quiet: true,
                per_job: false,
            };
        };
        let policy = &dialect.policy;
        Habits {
            max_connecting: options
                .max_connecting
                .unwrap_or(or(policy.max_connecting, DEFAULT_MAX_CONNECTING)),
            max_in_flight: options.max_in_flight.unwrap_or(or(policy.max_in_flight, usize::MAX)),
            min_slots: limits.min,
            max_slots: max_slots.min(or(policy.max_connections, usize::MAX)),
            quiet: policy.quiet,
            per_job: policy.per_request,
        }
    }

    /// What listens there after this may be something else.
    fn forget_dialect(&self, target: &Arc<Target>) {
        if let Some(blender) = self.endpoints.iter().find(|b| Arc::ptr_eq(&b.target, target)) {
            *lock(&blender.detected) = None;
        }
    }
}

impl Face for Blenders {
    type Resource = Connection;
    type Job = Call;

    fn open(
        &self,
        endpoint: usize,
        slot: u32,
        id: u64,
    ) -> BoxFuture<'static, Result<Opened<Connection>, Fault>> {
        let blender = &self.endpoints[endpoint];
        let (target, detected) = (blender.target.clone(), blender.detected.clone());
        let (dialect, limits) = (blender.known(), blender.limits);
        let options = self.options.clone();
        debug!(connection = id, endpoint = %target.name, "opening");
        async move {
            match open(target.clone(), Opening { slot, id, dialect }).await {
                Ok(resource) => {
                    let dialect = resource.dialect();
                    *lock(&detected) = Some(dialect);
                    let habits = Blenders::habits(&options, Some(dialect), limits);
                    // A per-request connection has not dialled yet.
                    let proven = !dialect.policy.per_request;
                    Ok(Opened { resource, habits, proven })
                }
                Err(fault) => {
                    // What listens there after this may be something else.
                    *lock(&detected) = None;
                    info!(connection = id, endpoint = %target.name, %fault, "could not open");
                    Err(fault)
                }
            }
        }
        .boxed()
    }

    fn close(&self, resource: &Arc<Connection>) {
        resource.close();
    }

    fn start(&self, resource: &Arc<Connection>, exchange: u64, job: &Call) -> Start {
        let Want::Command(command) = &job.want else { unreachable!("only commands are started") };
        let dialect = resource.dialect();
        let spare = REQUEST.take();
        let mut bytes = match dialect.encode_in(spare, exchange, &command.kind, &command.params) {
            Ok(bytes) => bytes,
            Err(error) => return Start::Refused(cannot_encode(dialect, &error)),
        };
        let limit = self.options.request_limit(dialect);
        if bytes.len() > limit {
            return Start::Refused(too_large(bytes.len(), limit));
        }
        debug!(connection = resource.id(), endpoint = %resource.target().name, command = %command.kind, bytes = bytes.len(), "command");
        let started = resource.start(exchange, &mut bytes, command.raw);
        if bytes.capacity() <= KEEP {
            REQUEST.set(bytes);
        }
        match started {
            Ok(()) => Start::Started,
            Err(_) => Start::NotReady,
        }
    }

    fn check(&self, resource: &Arc<Connection>, exchange: u64) -> Start {
        let dialect = resource.dialect();
        let Some(mut ping) = dialect.encode_ping(exchange) else {
            let message = format!("{} has no command that only asks", dialect.name);
            return Start::Refused(Fault::new(Code::InvalidCommand, message));
        };
        match resource.start(exchange, &mut ping, false) {
            Ok(()) => Start::Started,
            Err(_) => Start::NotReady,
        }
    }

    fn cut(&self, resource: &Arc<Connection>, exchange: u64, drain: Duration) -> Delivered {
        resource.cut(exchange, drain)
    }

    fn granted(&self, job: &Call, grant: &Grant<Connection>) -> bool {
        self.hand(job, grant)
    }

    fn failed(&self, job: &Call, fault: Fault) {
        let fault = if fault.has(NEVER_ANSWERED) {
            fault.advice("It has never answered anything: check the dialect option, and that Blender is not busy and shows no dialog.")
        } else {
            fault
        };
        self.sink.fault(job.ticket, fault);
    }

    fn observed(&self, event: &Event) {
        self.tell_event(event);
    }

    fn done(&self, job: &Call, report: Value) {
        self.sink.done(job.ticket, report);
    }

    fn hook(&self, call: &HookCall<Blenders>) {
        self.call_hook(call);
    }

    fn look(&self) {
        if let Some(poller) = self.sink.poller() {
            poller.read();
        }
    }

    fn owes(&self) -> bool {
        self.sink.owes_a_lease()
    }

    fn call_for_waiting(&self) {
        self.sink.call_for_waiting();
    }

    fn told(&self) {
        self.sink.flush();
    }

    fn closed(&self, report: &CloseReport) {
        info!(cut = report.cut, refused = report.refused, "closed");
        self.sink.closed(report.clone());
    }
}

impl Holds for Blenders {
    fn sink(&self) -> &dyn Sink {
        &*self.sink
    }

    fn name_of(&self, endpoint: usize) -> &str {
        &self.endpoints[endpoint].target.name
    }

    fn address_of(&self, endpoint: usize) -> Option<String> {
        Some(self.endpoints[endpoint].target.address.to_string())
    }

    fn dialect_at(&self, endpoint: usize) -> Option<&'static Dialect> {
        self.endpoints[endpoint].known()
    }

    fn dialect_of(&self, resource: &Connection) -> Option<&'static Dialect> {
        Some(resource.dialect())
    }
}

impl Owner for Engine<Blenders> {
    fn settled(&self, connection: &Arc<Connection>, outcome: Outcome) {
        let (slot, id) = (connection.slot(), connection.id());
        match outcome {
            Outcome::Reply(reply) => {
                self.finished(slot, id, !reply.ok, reply.fit, |call| {
                    self.face().sink.reply(call.ticket, reply, connection.dialect());
                });
            }
            Outcome::Failed(fault) => {
                self.broke(slot, id, &fault, |call| {
                    self.face().sink.fault(call.ticket, fault.clone());
                });
            }
            Outcome::Unsent(fault) => {
                self.face().forget_dialect(connection.target());
                self.unsent(slot, id, fault);
            }
        }
    }

    fn ended(&self, connection: &Arc<Connection>, ending: Ending) {
        let fault = match ending {
            Ending::Closed | Ending::Drained => None,
            Ending::Lost(fault) => Some(fault),
            Ending::Desync(fault) => {
                self.desync(connection.slot(), connection.id(), fault.clone());
                Some(fault)
            }
        };
        Engine::ended(self, connection.slot(), connection.id(), fault);
    }
}

pub(in crate::pool) fn cannot_encode(dialect: &Dialect, error: &dyn std::error::Error) -> Fault {
    Fault::new(
        Code::InvalidCommand,
        format!("the command cannot be said in {}: {error}", dialect.name),
    )
}

pub(in crate::pool) fn too_large(size: usize, limit: usize) -> Fault {
    Fault::new(
        Code::InvalidCommand,
        format!("the command takes {size} bytes, more than maxRequestBytes ({limit})"),
    )
    .advice(
        "Send less at a time, pass a file's path instead of its content, or raise maxRequestBytes.",
    )
    .detail("sizeBytes", size)
    .detail("limitBytes", limit)
}
