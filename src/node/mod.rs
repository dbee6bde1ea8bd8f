//! The Node addon: thin, and without an opinion.
//!
//! - [`native_pool`]: tickets in. Every call is synchronous and returns at once.
//! - [`outbox`]: results out. One queue and one coalesced wake-up for each facade, whatever the
//!   number of pools and replies; a promise for each call is the facade's business.
//! - [`runtime`]: the threads that do the I/O, made when the first pool is.
//! - [`log`]: log lines on stderr, when `BLENDER_POOL_LOG` asks for them.
//! - [`tables`]: options, error codes and dialects, as the facade reads them.
//!
//! Errors cross as text (a fault as JSON): objects made natively belong to another realm under
//! test runners, and a custom `code` does not survive napi's own error type.

#[cfg(unix)]
mod event_loop;
pub mod log;
pub mod native_pool;
pub mod outbox;
pub mod runtime;
pub mod tables;
