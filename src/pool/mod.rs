//! Who holds which slot, who waits, and when something is opened and closed.
//!
//! - [`state`], [`words`], [`table`]: the slot table, the only truth about who holds what.
//! - [`fifo`], [`line`], [`deadlines`], [`backoff`]: the parts a queue is made of.
//! - [`request`], [`endpoint`], [`settings`], [`stats`], [`pulse`], [`event`], [`wording`]: what the
//!   engine knows.
//! - `core`: every decision, under one lock, without an await.
//! - [`engine`]: the decisions carried out; [`face`] is what it asks of a pool.
//! - `keeper`: what must happen in time; `snapshot`: the engine as it looks at one moment.
//! - [`option_table`]: every option; [`options`], [`endpoint_options`]: the connection pool's, read.
//! - [`call`], [`any_pool`]: what every pool can be asked, and by whom.
//! - [`blenders`], [`connection_pool`]: the engine over connections to Blenders; [`resources`],
//!   [`resource_pool`]: over what user code makes; [`permits`], [`limiter`]: over nothing.
//!
//! The engine is generic over what a slot holds. This room never imports napi.

mod affinity;
mod alarm;
pub mod any_pool;
pub mod backoff;
pub mod blenders;
mod breaker;
pub mod call;
mod codel;
pub mod connection_pool;
mod core;
pub mod deadlines;
mod endpoint;
pub mod endpoint_options;
pub mod engine;
pub mod event;
mod event_json;
pub mod face;
pub mod fifo;
mod given;
mod keeper;
pub mod limiter;
pub mod line;
pub mod option_table;
pub mod options;
pub mod permits;

pub mod pulse;
pub mod rate;
pub mod request;
pub mod resource_pool;
pub mod resources;
pub mod settings;
mod snapshot;
pub mod state;
pub mod stats;
pub mod table;
pub mod wording;
pub mod words;

pub use any_pool::{AnyPool, Pool};
pub use call::{CallOptions, Command, Held, Holds, LeaseInfo, Sink};
pub use connection_pool::ConnectionPool;
pub use engine::{Cancelled, Engine};
pub use face::{CloseReport, Face, Grant, Habits, HookCall, Opened, Start};
pub use limiter::Limiter;
pub use options::Options;
pub use request::{Ask, Kind, RequestKey};
pub use resource_pool::ResourcePool;
pub use table::Lease;
