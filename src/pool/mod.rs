//! Who holds which slot, who waits, and when something is opened and closed.
//!
//! - [`state`], [`table`]: the slot table, the only truth about who holds what.
//! - [`fifo`], [`line`], [`deadlines`], [`backoff`]: the parts a queue is made of.
//! - [`request`], [`endpoint`], [`settings`], [`stats`], [`pulse`], [`event`], [`wording`]: what the
//!   engine knows.
//! - `core`: every decision, under one lock, without an await.
//! - [`engine`]: the decisions carried out; [`face`] is what it asks of a pool.
//! - `locked`: its one lock; `keeper`: what must happen in time; `snapshot`: the engine as it looks at one moment.
//! - [`shelf`]: what JavaScript takes and puts back by itself; `lending`: the engine's part in that.
//! - [`options`]: every option, in one table, and how they are read.
//! - [`call`], [`any_pool`]: what every pool can be asked, and by whom.
//! - [`faces`]: the engine over connections to Blenders, over what user code makes, and over permits.
//!
//! The engine is generic over what a slot holds. This room never imports napi.

mod affinity;
mod alarm;
pub mod any_pool;
pub mod atomics;
pub mod backoff;
mod breaker;
pub mod call;
mod codel;
mod core;
pub mod deadlines;
mod endpoint;
pub mod engine;
pub mod event;
mod event_json;
pub mod face;
pub mod faces;
pub mod fifo;
mod keeper;
mod lending;
pub mod line;
mod locked;
pub mod options;
pub mod pulse;
pub mod rate;
pub mod request;
pub mod settings;
pub mod shelf;
mod snapshot;
pub mod state;
pub mod stats;
pub mod table;
pub mod wording;

pub use any_pool::{AnyPool, Pool};
pub use call::{CallOptions, Command, Held, Holds, LeaseInfo, Sink};
pub use engine::{Cancelled, Engine};
pub use face::{CloseReport, Face, Grant, Habits, HookCall, Opened, Start};
pub use faces::{ConnectionPool, Limiter, ResourcePool};
pub use options::Options;
pub use request::{Ask, Kind, RequestKey};
pub use table::Lease;
