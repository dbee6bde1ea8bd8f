//! The engine over connections to Blenders: commands in, replies out.
//!
//! Callers are known by a ticket, a number of their own choosing. Each ticket that was accepted is
//! settled through the [`Sink`] exactly once, unless it was cancelled in time.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::blenders::{Blender, Blenders, Limits, cannot_encode, epoch_ms, lock, too_large};
use super::call::{Answer, Call, CallOptions, Command, LeaseInfo, Sink, Want};
use super::endpoint_options::{EndpointOptions, refuse};
use super::engine::{Cancelled, Engine};
use super::event::Observed;
use super::options::Options;
use super::request::{Ask, Kind};
use super::table::{Lease, MAX_SLOTS};
use crate::conn::Target;
use crate::conn::connection::Owner;
use crate::fault::{Code, Fault};

/// How a call to hold a connection went.
#[derive(Debug)]
pub enum Held {
    /// At once.
    Now(LeaseInfo),
    /// It waits; the number cancels it.
    Later(f64),
}

/// See the module.
pub struct ConnectionPool {
    engine: Arc<Engine<Blenders>>,
}

impl ConnectionPool {
    /// A pool whose I/O runs on `runtime`. Connects to nothing yet.
    pub fn new(options: Options, runtime: Handle, sink: Arc<dyn Sink>) -> Self {
        let span = tracing::info_span!("pool", name = %options.name);
        let limits = |endpoint: &EndpointOptions| Limits {
            min: endpoint.min_connections as usize,
            max: endpoint.max_connections,
        };
        let named = |endpoint: &EndpointOptions| {
            let habits = Blenders::habits(&options, endpoint.dialect, limits(endpoint));
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
                limits: limits(endpoint),
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
        options: &CallOptions,
    ) -> Result<f64, Fault> {
        self.check(&command, options.endpoint)?;
        let call = Call { ticket, want: Want::Command(command) };
        self.engine.submit(options.ask(Kind::Run), call).map(|key| key.to_number())
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
        let ask = Ask { timeout, ..Ask::new(Kind::RunHeld(lease)) };
        self.engine.submit(ask, call).map(|key| key.to_number())
    }

    /// Asks to hold a connection.
    ///
    /// # Errors
    /// The fault, when the call is refused at once; then the ticket is not used.
    pub fn acquire(&self, ticket: u64, options: &CallOptions) -> Result<Held, Fault> {
        let answer = Arc::new(Mutex::new(Answer::Awaited));
        let call = Call { ticket, want: Want::Hold(answer.clone()) };
        let key = self.engine.submit(options.ask(Kind::Hold), call)?;
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
    pub fn try_acquire(&self, options: &CallOptions) -> Result<Option<LeaseInfo>, Fault> {
        let answer = Arc::new(Mutex::new(Answer::Awaited));
        let call = Call { ticket: 0, want: Want::Hold(answer.clone()) };
        self.engine.try_hold(options.ask(Kind::Hold), call)?;
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

    /// From now on the pool opens by itself what it should keep open.
    pub fn begin(&self) {
        self.engine.begin();
    }

    /// Gives out connections, after a pause.
    ///
    /// # Errors
    /// [`Code::Closed`].
    pub fn ready(&self) -> Result<(), Fault> {
        self.engine.ready()
    }

    /// Gives out none until it is ready; see [`Engine::pause`].
    ///
    /// # Errors
    /// [`Code::Closed`].
    pub fn pause(&self) -> Result<(), Fault> {
        self.engine.pause()
    }

    /// Makes all that is open stale; see [`Engine::clear`].
    ///
    /// # Errors
    /// [`Code::Closed`].
    pub fn clear(&self, endpoint: Option<usize>, interrupt: bool) -> Result<(), Fault> {
        self.engine.clear(endpoint, interrupt)
    }

    /// Settles `ticket` when `minConnections` are open. The number cancels it.
    ///
    /// # Errors
    /// [`Code::Closed`], [`Code::Cleared`].
    pub fn warm(&self, ticket: u64) -> Result<f64, Fault> {
        let call = Call { ticket, want: Want::Told };
        self.engine.submit(Ask::new(Kind::Warm), call).map(|key| key.to_number())
    }

    /// Sets how many connections are kept open and how many there may be.
    ///
    /// # Errors
    /// [`Code::Closed`], [`Code::InvalidOption`].
    pub fn resize(&self, min: Option<u32>, max: Option<u32>) -> Result<(), Fault> {
        let (least, most) = self.engine.limits();
        let (new_min, new_max) = (min.unwrap_or(least), max.unwrap_or(most));
        if new_min > new_max {
            return Err(refuse(
                "minConnections",
                new_min,
                &format!("is more than maxConnections ({new_max})"),
            ));
        }
        if !(1..=MAX_SLOTS).contains(&new_max) {
            let why = format!("is outside 1 to {MAX_SLOTS}");
            return Err(refuse("maxConnections", new_max, &why));
        }
        self.engine.resize(min, max)
    }

    /// Settles `ticket` with a report on how everything does.
    pub fn check_health(&self, ticket: u64) {
        self.engine.check_health(Call { ticket, want: Want::Told });
    }

    /// Takes a held connection out of the pool for user code; see [`Engine::recycle`].
    ///
    /// # Errors
    /// [`Code::NotHeld`].
    pub fn recycle(&self, lease: Lease, ticket: u64) -> Result<(), Fault> {
        self.engine.recycle(lease, Call { ticket, want: Want::Told })
    }

    /// User code is done with a connection, or has failed.
    pub fn hook_done(&self, lease: Lease, number: u64, error: Option<String>) {
        self.engine.hook_done(lease, number, error);
    }

    /// Gives back what a holder held that was garbage collected; says whether it held anything.
    pub fn reclaim(&self, lease: Lease) -> bool {
        self.engine.reclaim(lease)
    }

    /// Which events are worth making.
    pub fn observe(&self, observed: Observed) {
        self.engine.observe(observed);
    }

    /// `paused`, `ready`, `closing` or `closed`.
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
                "healthFailures": view.failures,
                "healthScore": view.score,
                "latencyMs": view.latency.map(|took| took.as_secs_f64() * 1e3),
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
