//! Options: every one in one table, how they are read, and those of a connection pool.
//!
//! - [`table`]: the rows. [`given`]: what a facade passes on, read by them.
//! - [`connection`], [`endpoint`]: what a pool of connections to Blenders makes of its own. The
//!   others read theirs where they are made; what all slots need is in
//!   [`settings`](crate::pool::settings).

pub mod connection;
pub mod endpoint;
pub(in crate::pool) mod given;
pub mod table;

pub use connection::Options;
