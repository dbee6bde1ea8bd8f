//! A connection pool for Blender: it never runs more than its limit, never mixes two answers,
//! always says what became of a command, and tells what went wrong.
//!
//! The rooms, from the top down; arrows point down only.
//!
//! - [`node`]: the Node addon. Tickets in, one coalesced wake-up out. Only with feature `node`.
//! - [`pool`]: the slot engine, and the connection pool made of it.
//! - [`conn`]: one live connection.
//! - [`wire`]: bytes to and from one JSON document, and the dialect table. Pure.
//! - [`fault`]: what can go wrong, in one table.

pub mod conn;
pub mod fault;
#[cfg(feature = "node")]
#[allow(unsafe_code)]
pub mod node;
pub mod pool;
pub mod wire;
