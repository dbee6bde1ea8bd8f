//! What a pool tells those who listen.
//!
//! The names are those of the MongoDB Connection Monitoring and Pooling specification.

use std::time::Duration;

use crate::fault::Fault;

/// Why something was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The peer went away, or an exchange broke.
    Error,
    /// The pool was closed.
    PoolClosed,
    /// Nobody used it, and its slot was needed elsewhere.
    Idle,
    /// It had served as often as it may.
    Uses,
    /// Its holder threw it away.
    Discarded,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Reason; 5] =
        [Reason::Error, Reason::PoolClosed, Reason::Idle, Reason::Uses, Reason::Discarded];

    /// The word JavaScript sees.
    pub fn text(self) -> &'static str {
        match self {
            Reason::Error => "error",
            Reason::PoolClosed => "poolClosed",
            Reason::Idle => "idle",
            Reason::Uses => "uses",
            Reason::Discarded => "discarded",
        }
    }
}

/// One event. `id` numbers what was opened, from 1.
#[derive(Clone, Debug)]
pub enum Event {
    /// A slot was reserved and opening began.
    ConnectionCreated {
        /// Its number.
        id: u64,
        /// Where.
        endpoint: usize,
    },
    /// It is open and fit for use.
    ConnectionReady {
        /// Its number.
        id: u64,
        /// Where.
        endpoint: usize,
        /// How long opening took.
        took: Duration,
    },
    /// It is gone.
    ConnectionClosed {
        /// Its number.
        id: u64,
        /// Where.
        endpoint: usize,
        /// Why.
        reason: Reason,
        /// The error behind it, if there is one.
        fault: Option<Fault>,
    },
    /// Bytes came that nobody had asked for; the connection is closed.
    Desync {
        /// Its number.
        id: u64,
        /// Where.
        endpoint: usize,
        /// What came.
        fault: Fault,
    },
    /// The pool is closed: the last event.
    PoolClosed,
}
