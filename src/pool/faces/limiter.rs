//! The engine over permits: so many at a time, so many starts within a second and a minute.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::permits::{HABITS, Permits};
use crate::fault::{Code, Fault};
use crate::pool::any_pool::Pool;
use crate::pool::call::Sink;
use crate::pool::engine::Engine;
use crate::pool::options::endpoint::refuse;
use crate::pool::options::given::Given;
use crate::pool::options::table::Owner;
use crate::pool::rate::Window;
use crate::pool::settings::Settings;
use crate::pool::table::Lease;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// A pool of permits.
pub type Limiter = Pool<Permits>;

impl Limiter {
    /// A limiter whose timers run on `runtime`.
    ///
    /// # Errors
    /// [`Code::InvalidOption`].
    pub fn from_json(text: &str, runtime: Handle, sink: Arc<dyn Sink>) -> Result<Self, Fault> {
        let given = Given::read(text, Owner::Limiter)?;
        let Some(max_slots) = given.number("maxConcurrent")? else {
            return Err(refuse("maxConcurrent", Value::Null, "is missing; say how many may run"));
        };
        let window = |name: &str, length: Duration| -> Result<Option<Window>, Fault> {
            let limit = given.size(name)?.unwrap_or(0);
            Ok((limit > 0).then_some(Window { limit, length }))
        };
        let windows = [window("requestsPerSecond", SECOND)?, window("requestsPerMinute", MINUTE)?];
        let settings = Settings {
            max_slots: max_slots as u32,
            max_waiting: given.size("maxWaiting")?.unwrap_or(usize::MAX),
            acquire_timeout: given.millis("queueTimeoutMs")?,
            rate: Some(windows.into_iter().flatten().collect()),
            ..Settings::default()
        };
        let span = tracing::info_span!("limiter", name = given.text("name")?.unwrap_or("limiter"));
        let endpoints = vec![(Arc::from("permits"), HABITS)];
        let permits = |me: &_| Permits { sink, engine: std::sync::Weak::clone(me) };
        Ok(Pool { engine: Engine::new(settings, endpoints, runtime, span, permits) })
    }

    /// What was let go ahead under this lease has started. Without it, the rate goes on counting it
    /// as about to start.
    pub fn started(&self, lease: Lease) {
        self.engine.started(lease);
    }

    /// One that was let go ahead, and is in hand, will never start.
    pub fn turn_back(&self) {
        self.engine.turn_back();
    }

    /// Refuses all who wait with `reason`; what runs goes on.
    pub fn turn_away(&self, reason: &str) {
        self.engine.turn_away(Fault::new(Code::Cleared, reason));
    }

    /// How many started within the last second and minute, as far as the rate has to know.
    pub fn starts(&self) -> Value {
        let now = Instant::now();
        let core = self.engine.core();
        json!({
            "lastSecond": core.rate.count(SECOND, now),
            "lastMinute": core.rate.count(MINUTE, now),
        })
    }
}
