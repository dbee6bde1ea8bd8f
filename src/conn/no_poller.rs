//! Where a set of sockets is not a thing that an event loop can watch, each connection's task reads.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use tokio::runtime::Handle;

/// There is none here.
#[derive(Debug)]
pub struct Poller(Infallible);

impl Poller {
    /// Fails.
    ///
    /// # Errors
    /// `Unsupported`.
    pub fn new(_runtime: &Handle) -> io::Result<Arc<Self>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Never called.
    pub fn loop_polls(&self) {}

    /// Never called.
    pub fn read(&self) -> bool {
        match self.0 {}
    }
}
