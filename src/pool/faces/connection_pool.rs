//! The engine over connections to Blenders: commands in, replies out.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;

use super::blenders::{Blender, Blenders, Limits, cannot_encode, too_large};
use crate::conn::Target;
use crate::conn::connection::Owner;
use crate::fault::Fault;
use crate::pool::any_pool::Pool;
use crate::pool::call::{Call, CallOptions, Command, Holds, Sink, Want};
use crate::pool::engine::Engine;
use crate::pool::options::Options;
use crate::pool::options::endpoint::EndpointOptions;
use crate::pool::request::{Ask, Kind};
use crate::pool::table::Lease;

/// A pool of connections to Blenders.
pub type ConnectionPool = Pool<Blenders>;

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
                    poller: sink.poller(),
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
        Pool { engine }
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
    /// As [`execute`](Self::execute); [`Code::NotHeld`](crate::fault::Code::NotHeld), or
    /// [`Code::ConnectionLost`](crate::fault::Code::ConnectionLost) when the
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
