//! Who holds which slot, who waits, and when something is opened and closed.
//!
//! - [`state`], [`words`], [`table`]: the slot table, the only truth about who holds what.
//! - [`fifo`], [`line`], [`deadlines`], [`backoff`]: the parts a queue is made of.
//! - [`request`], [`endpoint`], [`settings`], [`stats`], [`pulse`], [`event`]: what the engine knows.
//! - `core`: every decision, under one lock, without an await.
//! - [`engine`]: the decisions carried out; [`face`] is what it asks of a pool.
//! - `keeper`: what must happen in time; `snapshot`: the engine as it looks at one moment.
//! - [`options`], [`endpoint_options`]: the option table of the connection pool.
//! - [`call`], [`blenders`], [`connection_pool`]: the engine over connections to Blenders.
//!
//! The engine is generic over what a slot holds. This room never imports napi.

mod affinity;
mod alarm;
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
mod keeper;
pub mod line;
pub mod options;
pub mod pulse;
pub mod request;
pub mod settings;
mod snapshot;
pub mod state;
pub mod stats;
pub mod table;
pub mod words;

pub use call::{CallOptions, Command, LeaseInfo, Sink};
pub use connection_pool::{ConnectionPool, Held};
pub use engine::{Cancelled, Engine};
pub use face::{CloseReport, Face, Grant, Habits, HookCall, Opened, Start};
pub use options::Options;
pub use request::{Ask, Kind, RequestKey};
pub use table::Lease;
