//! One Blender, as everything that connects to it needs to know it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;

use super::address::Address;
use super::connection::Owner;
use super::poller::Poller;

/// One Blender as connections see it: the same for all connections to it.
#[derive(Debug)]
pub struct Target {
    /// The pool's name, for log lines.
    pub pool: Arc<str>,
    /// The endpoint's name.
    pub name: Arc<str>,
    /// Where it listens.
    pub address: Address,
    /// For one attempt, and for the ping after it.
    pub connect_timeout: Duration,
    /// A longer reply ends the connection.
    pub max_reply_bytes: usize,
    /// Overrides the dialect's own habit.
    pub ping_on_connect: Option<bool>,
    /// Where per-request streams are served.
    pub runtime: Handle,
    /// Watches the sockets of warm connections; none: each connection's task does.
    pub poller: Option<Arc<Poller>>,
    /// Who is told what becomes of connections.
    pub owner: Weak<dyn Owner>,
}
