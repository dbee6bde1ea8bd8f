//! The engine over connections to Blenders: commands in, replies out.
//!
//! Callers are known by a ticket, a number of their own choosing. Each ticket that was accepted is
//! settled through the [`Sink`] exactly once, unless it was cancelled in time.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::{BoxFuture, FutureExt};
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::time::Instant;
use tracing::{debug, info};

use super::engine::{Cancelled, Engine};
use super::event::Event;
use super::face::{CloseReport, Face, Grant, Habits, Opened, Start};
use super::options::{EndpointOptions, Options};
use super::request::Kind;
use super::table::Lease;
use crate::conn::connection::{Connection, Ending, Outcome, Owner, Reply};
use crate::conn::open::{Opening, Target, open};
use crate::fault::{Code, Delivered, Fault};
use crate::wire::Dialect;

/// Connects in flight for an endpoint whose dialect has no habit of its own.
const DEFAULT_MAX_CONNECTING: usize = 2;

/// Where results go. Called from any thread; must not block and must not call back.
pub trait Sink: Send + Sync + 'static {
    /// The reply to a command.
    fn reply(&self, ticket: u64, reply: Reply, dialect: &'static Dialect, raw: bool);
    /// A connection for a caller that asked to hold one.
    fn lease(&self, ticket: u64, lease: LeaseInfo);
    /// A call came to nothing.
    fn fault(&self, ticket: u64, fault: Fault);
    /// Something happened (JSON with its name under `event`).
    fn event(&self, event: Value);
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

/// What a caller handed in. Opaque; public because the engine is.
#[derive(Debug)]
pub struct Call {
    ticket: u64,
    want: Want,
}

#[derive(Debug)]
enum Want {
    Command(Command),
    Hold(Arc<Mutex<Answer>>),
}

/// Where the grant of a held connection goes: to the call that is still being made, or to its
/// ticket.
#[derive(Debug)]
enum Answer {
    Awaited,
    Here(LeaseInfo),
    ByTicket,
}

/// How a call to hold a connection went.
#[derive(Debug)]
pub enum Held {
    /// At once.
    Now(LeaseInfo),
    /// It waits; the number cancels it.
    Later(f64),
}

/// What the engine needs to know of Blenders. Opaque; public because the engine is.
pub struct Blenders {
    options: Options,
    endpoints: Vec<Blender>,
    sink: Arc<dyn Sink>,
}

struct Blender {
    target: Arc<Target>,
    configured: Option<&'static Dialect>,
    /// What `auto` found, until the endpoint is lost.
    detected: Arc<Mutex<Option<&'static Dialect>>>,
    max_connections: Option<usize>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Blender {
    fn known(&self) -> Option<&'static Dialect> {
        self.configured.or_else(|| *lock(&self.detected))
    }
}

impl Blenders {
    fn habits(
        options: &Options,
        dialect: Option<&Dialect>,
        max_connections: Option<usize>,
    ) -> Habits {
        let all = options.settings.max_slots as usize;
        let or = |own: u32, default: usize| if own == 0 { default } else { own as usize };
        let Some(dialect) = dialect else {
            // One connection finds out what the others will need.
            return Habits {
                max_connecting: 1,
                max_in_flight: options.max_in_flight.unwrap_or(usize::MAX),
                max_slots: max_connections.unwrap_or(all),
                quiet: true,
            };
        };
        let policy = &dialect.policy;
        Habits {
            max_connecting: options
                .max_connecting
                .unwrap_or(or(policy.max_connecting, DEFAULT_MAX_CONNECTING)),
            max_in_flight: options.max_in_flight.unwrap_or(or(policy.max_in_flight, usize::MAX)),
            max_slots: max_connections.unwrap_or(all).min(or(policy.max_connections, usize::MAX)),
            quiet: policy.quiet,
        }
    }

    fn dialect_at(&self, endpoint: usize) -> Option<&'static Dialect> {
        self.endpoints[endpoint].known()
    }

    fn name_of(&self, endpoint: usize) -> &str {
        &self.endpoints[endpoint].target.name
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
        let (dialect, max_connections) = (blender.known(), blender.max_connections);
        let options = self.options.clone();
        debug!(connection = id, endpoint = %target.name, "opening");
        async move {
            match open(target.clone(), Opening { slot, id, dialect }).await {
                Ok(resource) => {
                    let dialect = resource.dialect();
                    *lock(&detected) = Some(dialect);
                    let habits = Blenders::habits(&options, Some(dialect), max_connections);
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
        let bytes = match dialect.encode(exchange, &command.kind, &command.params) {
            Ok(bytes) => bytes,
            Err(error) => return Start::Refused(cannot_encode(dialect, &error)),
        };
        let limit = self.options.request_limit(dialect);
        if bytes.len() > limit {
            return Start::Refused(too_large(bytes.len(), limit));
        }
        match resource.start(exchange, bytes) {
            Ok(()) => Start::Started,
            Err(_) => Start::NotReady,
        }
    }

    fn cut(&self, resource: &Arc<Connection>, exchange: u64, drain: Duration) -> Delivered {
        resource.cut(exchange, drain)
    }

    fn granted(&self, job: &Call, grant: Grant<Connection>) {
        let Want::Hold(answer) = &job.want else { unreachable!("only holders are granted a slot") };
        let info = LeaseInfo {
            lease: grant.lease,
            id: grant.id,
            endpoint: grant.endpoint,
            created_at_ms: epoch_ms(grant.age),
            uses: grant.uses,
            dialect: grant.resource.dialect(),
        };
        let mut answer = lock(answer);
        match *answer {
            Answer::Awaited => *answer = Answer::Here(info),
            Answer::Here(_) | Answer::ByTicket => {
                drop(answer);
                self.sink.lease(job.ticket, info);
            }
        }
    }

    fn failed(&self, job: &Call, fault: Fault) {
        self.sink.fault(job.ticket, fault);
    }

    fn observed(&self, event: Event) {
        let at = |id: u64, endpoint: usize| json!({ "connectionId": id, "endpoint": self.name_of(endpoint) });
        let (name, mut fields) = match &event {
            Event::ConnectionCreated { id, endpoint } => ("connectionCreated", at(*id, *endpoint)),
            Event::ConnectionReady { id, endpoint, took } => {
                let mut fields = at(*id, *endpoint);
                fields["durationMs"] = json!(took.as_secs_f64() * 1e3);
                fields["dialect"] = json!(self.dialect_at(*endpoint).map(|dialect| dialect.name));
                ("connectionReady", fields)
            }
            Event::ConnectionClosed { id, endpoint, reason, fault } => {
                let mut fields = at(*id, *endpoint);
                fields["reason"] = json!(reason.text());
                if let Some(fault) = fault {
                    fields["error"] = fault.to_json();
                }
                ("connectionClosed", fields)
            }
            Event::Desync { id, endpoint, fault } => {
                let mut fields = at(*id, *endpoint);
                fields["error"] = fault.to_json();
                ("desync", fields)
            }
            Event::PoolClosed => ("poolClosed", json!({})),
        };
        fields["event"] = json!(name);
        self.sink.event(fields);
    }

    fn closed(&self, report: CloseReport) {
        info!(cut = report.cut, refused = report.refused, "closed");
        self.sink.closed(report);
    }
}

impl Owner for Engine<Blenders> {
    fn settled(&self, connection: &Arc<Connection>, outcome: Outcome) {
        let (slot, id) = (connection.slot(), connection.id());
        match outcome {
            Outcome::Reply(reply) => {
                if let Some(call) = self.finished(slot, id, !reply.ok) {
                    let raw = matches!(&call.want, Want::Command(command) if command.raw);
                    self.face().sink.reply(call.ticket, reply, connection.dialect(), raw);
                }
            }
            Outcome::Failed(fault) => {
                if let Some(call) = self.broke(slot, id, &fault) {
                    self.face().sink.fault(call.ticket, fault);
                }
            }
            Outcome::Unsent(fault) => self.unsent(slot, id, fault),
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

/// See the module.
pub struct ConnectionPool {
    engine: Arc<Engine<Blenders>>,
}

impl ConnectionPool {
    /// A pool whose I/O runs on `runtime`. Connects to nothing yet.
    pub fn new(options: Options, runtime: Handle, sink: Arc<dyn Sink>) -> Self {
        let span = tracing::info_span!("pool", name = %options.name);
        let named = |endpoint: &EndpointOptions| {
            let habits = Blenders::habits(&options, endpoint.dialect, endpoint.max_connections);
            (Arc::from(endpoint.name.as_str()), habits)
        };
        let endpoints = options.endpoints.iter().map(named).collect();
        let settings = options.settings.clone();
        let engine = Engine::new(settings, endpoints, runtime.clone(), span, |me| {
            let me: Weak<Engine<Blenders>> = me.clone();
            let owner: Weak<dyn Owner> = me;
            let pool: Arc<str> = Arc::from(options.name.as_str());
            let blender = |endpoint: &EndpointOptions| Blender {
                target: Arc::new(Target {
                    pool: pool.clone(),
                    name: Arc::from(endpoint.name.as_str()),
                    address: endpoint.address.clone(),
                    connect_timeout: options.connect_timeout,
                    max_reply_bytes: options.reply_limit(endpoint.dialect),
                    ping_on_connect: options.ping_on_connect,
                    runtime: runtime.clone(),
                    owner: owner.clone(),
                }),
                configured: endpoint.dialect,
                detected: Arc::default(),
                max_connections: endpoint.max_connections,
            };
            Blenders {
                endpoints: options.endpoints.iter().map(blender).collect(),
                options: options.clone(),
                sink,
            }
        });
        ConnectionPool { engine }
    }

    /// Sends a command over any connection (to `endpoint`, when given). The number cancels it.
    ///
    /// # Errors
    /// The fault, when the command is refused at once; then the ticket is not used.
    pub fn execute(
        &self,
        ticket: u64,
        command: Command,
        endpoint: Option<usize>,
        timeout: Option<Duration>,
    ) -> Result<f64, Fault> {
        self.check(&command, endpoint)?;
        let call = Call { ticket, want: Want::Command(command) };
        self.engine.submit(Kind::Run, endpoint, timeout, call).map(|key| key.to_number())
    }

    /// Sends a command over the connection that `lease` holds.
    ///
    /// # Errors
    /// As [`execute`](Self::execute); [`Code::NotHeld`], or [`Code::ConnectionLost`] when the
    /// connection broke while it was held.
    pub fn execute_held(
        &self,
        ticket: u64,
        lease: Lease,
        command: Command,
        timeout: Option<Duration>,
    ) -> Result<f64, Fault> {
        self.check(&command, None)?;
        let call = Call { ticket, want: Want::Command(command) };
        self.engine.submit(Kind::RunHeld(lease), None, timeout, call).map(|key| key.to_number())
    }

    /// Asks to hold a connection.
    ///
    /// # Errors
    /// The fault, when the call is refused at once; then the ticket is not used.
    pub fn acquire(
        &self,
        ticket: u64,
        endpoint: Option<usize>,
        timeout: Option<Duration>,
    ) -> Result<Held, Fault> {
        let answer = Arc::new(Mutex::new(Answer::Awaited));
        let call = Call { ticket, want: Want::Hold(answer.clone()) };
        let key = self.engine.submit(Kind::Hold, endpoint, timeout, call)?;
        let now = std::mem::replace(&mut *lock(&answer), Answer::ByTicket);
        Ok(match now {
            Answer::Here(info) => Held::Now(info),
            Answer::Awaited | Answer::ByTicket => Held::Later(key.to_number()),
        })
    }

    /// A connection now, or nothing.
    ///
    /// # Errors
    /// [`Code::Closed`].
    pub fn try_acquire(&self, endpoint: Option<usize>) -> Result<Option<LeaseInfo>, Fault> {
        let answer = Arc::new(Mutex::new(Answer::Awaited));
        let call = Call { ticket: 0, want: Want::Hold(answer.clone()) };
        self.engine.try_hold(endpoint, call)?;
        let now = std::mem::replace(&mut *lock(&answer), Answer::ByTicket);
        Ok(if let Answer::Here(info) = now { Some(info) } else { None })
    }

    /// Gives a held connection back.
    ///
    /// # Errors
    /// [`Code::NotHeld`].
    pub fn release(&self, lease: Lease) -> Result<(), Fault> {
        self.engine.release(lease)
    }

    /// Gives a held connection back and closes it.
    ///
    /// # Errors
    /// [`Code::NotHeld`].
    pub fn discard(&self, lease: Lease, why: &str) -> Result<(), Fault> {
        let message = if why.is_empty() {
            "its holder discarded the connection".to_owned()
        } else {
            format!("its holder discarded the connection: {why}")
        };
        self.engine.discard(lease, Fault::new(Code::ConnectionLost, message))
    }

    /// Turns away from a call.
    pub fn cancel(&self, request: f64) -> Cancelled {
        self.engine.cancel(request)
    }

    /// Closes the pool; see [`Engine::close`]. Without `within`, `drainTimeoutMs`.
    pub fn close(&self, within: Option<Duration>) {
        self.engine.close(within.unwrap_or(self.engine.face().options.settings.drain_timeout));
    }

    /// Whether events are worth making.
    pub fn observe(&self, on: bool) {
        self.engine.observe(on);
    }

    /// `ready`, `closing` or `closed`.
    pub fn state(&self) -> &'static str {
        self.engine.state()
    }

    /// Gauges and totals, for the pool and for each endpoint.
    pub fn stats(&self) -> Value {
        let mut stats = self.engine.stats();
        if let Some(endpoints) = stats["endpoints"].as_array_mut() {
            for (at, endpoint) in endpoints.iter_mut().enumerate() {
                endpoint["dialect"] =
                    json!(self.engine.face().dialect_at(at).map(|dialect| dialect.name));
            }
        }
        stats
    }

    /// Every connection, those being opened or closed included.
    pub fn connections(&self) -> Value {
        let now = Instant::now();
        let ms = |at: Instant| epoch_ms(now.saturating_duration_since(at)).round();
        let mut shown = Vec::new();
        let face = self.engine.face();
        self.engine.each_slot(|view| {
            shown.push(json!({
                "id": view.id,
                "slot": view.slot,
                "state": view.state.text(),
                "endpoint": face.name_of(view.endpoint),
                "dialect": view.resource.map(|connection| connection.dialect().name),
                "generation": view.generation,
                "createdAt": ms(view.opened_at),
                "lastUsedAt": ms(view.used_at),
                "useCount": view.uses,
            }));
        });
        Value::Array(shown)
    }

    /// Every endpoint: where it is and how it does.
    pub fn endpoints(&self) -> Value {
        let stats = self.stats();
        let mut endpoints = stats["endpoints"].clone();
        if let Some(list) = endpoints.as_array_mut() {
            for (shown, blender) in list.iter_mut().zip(&self.engine.face().endpoints) {
                shown["address"] = json!(blender.target.address.to_string());
            }
        }
        endpoints
    }

    /// Refuses what is known never to work, before it waits for anything.
    fn check(&self, command: &Command, endpoint: Option<usize>) -> Result<(), Fault> {
        let face = self.engine.face();
        let known = match endpoint {
            Some(at) => face.dialect_at(at),
            None if face.endpoints.len() == 1 => face.dialect_at(0),
            None => None,
        };
        let size = command.kind.len() + command.params.len();
        let limit = match known {
            Some(dialect) => face.options.request_limit(dialect),
            None => face.options.max_request_bytes.unwrap_or(face.options.reply_limit(None)),
        };
        if size > limit {
            return Err(too_large(size, limit));
        }
        if let Some(dialect) = known
            && !dialect.takes_any_kind()
        {
            dialect
                .encode(0, &command.kind, &command.params)
                .map_err(|error| cannot_encode(dialect, &error))?;
        }
        Ok(())
    }
}

fn cannot_encode(dialect: &Dialect, error: &dyn std::error::Error) -> Fault {
    Fault::new(
        Code::InvalidCommand,
        format!("the command cannot be said in {}: {error}", dialect.name),
    )
}

fn too_large(size: usize, limit: usize) -> Fault {
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

/// The moment `age` ago, in milliseconds since 1970.
fn epoch_ms(age: Duration) -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(age).as_secs_f64() * 1e3
}
