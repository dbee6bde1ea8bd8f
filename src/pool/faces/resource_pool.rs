//! The engine over what user code makes: errands out, answers in.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::resources::{FACTORY, Resources};
use crate::fault::{Code, Fault};
use crate::pool::any_pool::Pool;
use crate::pool::call::Sink;
use crate::pool::engine::Engine;
use crate::pool::face::Habits;
use crate::pool::options::given::Given;
use crate::pool::options::table::Owner;
use crate::pool::settings::Settings;
use crate::pool::table::Lease;

/// Made at the same time, unless told otherwise.
const DEFAULT_MAX_CONNECTING: usize = 2;

/// A pool of what user code makes.
pub type ResourcePool = Pool<Resources>;

impl ResourcePool {
    /// A pool whose timers run on `runtime`. Makes nothing yet.
    ///
    /// # Errors
    /// [`Code::InvalidOption`](crate::fault::Code::InvalidOption).
    pub fn from_json(text: &str, runtime: Handle, sink: Arc<dyn Sink>) -> Result<Self, Fault> {
        let given = Given::read(text, Owner::ResourcePool)?;
        let validates = given.flag("validate")?;
        let trusted = given.millis("validateAfterIdleMs")?;
        let settings =
            Settings { vet_after: validates.then_some(trusted), ..Settings::read(&given)? };
        let create_timeout = given.millis("connectTimeoutMs")?;
        let habits = Habits {
            max_connecting: given.size("maxConnecting")?.unwrap_or(DEFAULT_MAX_CONNECTING),
            max_in_flight: usize::MAX,
            min_slots: 0,
            max_slots: usize::MAX,
            quiet: false,
            per_job: false,
        };
        if !given.flag("create")? {
            return Err(Fault::new(
                Code::InvalidOption,
                "create is missing; it must be a function that makes a resource.",
            )
            .advice("Give create(signal), and validate(resource) and destroy(resource) where there is something to do.")
            .detail("option", "create"));
        }
        let destroy_timeout = settings.drain_timeout;
        let span = tracing::info_span!("pool", name = given.text("name")?.unwrap_or("pool"));
        let endpoints = vec![(Arc::from(FACTORY), habits)];
        let engine = Engine::new(settings, endpoints, runtime.clone(), span, |me| Resources {
            habits,
            validates,
            create_timeout,
            destroy_timeout,
            sink,
            runtime,
            engine: me.clone(),
            making: Arc::default(),
            kept: Default::default(),
        });
        Ok(Pool { engine })
    }

    /// What was asked for as number `id` is there, or `error` came of it. `false`: nobody wants it
    /// any more, and whoever made it must destroy it.
    pub fn made(&self, id: u64, error: Option<String>) -> bool {
        self.engine.face().made(id, error.map_or(Ok(()), Err))
    }

    /// The holder of this lease has met trouble with what it holds.
    pub fn doubt(&self, lease: Lease) {
        self.engine.doubt(lease);
    }

    /// What user code found when it checked `id`: that all is well, or `error`.
    pub fn validated(&self, id: u64, exchange: u64, error: Option<String>) {
        self.engine.face().validated(id, exchange, error);
    }

    /// User code has destroyed `id`, or `error` came of it. Its slot is free, if it was in one.
    /// `false`: the pool is closed, and did not tell of the error.
    pub fn destroyed(&self, id: u64, error: Option<String>) -> bool {
        self.engine.face().destroyed(id, error)
    }
}
