//! A caller's request, from the moment it is made until the caller is told.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::deadlines::Stamp;
use super::fifo::{Linked, Links};
use super::table::Lease;

/// Names a request; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestKey {
    pub(super) index: usize,
    pub(super) number: u64,
}

const INDEX_BITS: u32 = 22;
const NUMBER_BITS: u32 = 53 - INDEX_BITS;

impl RequestKey {
    /// As a number that JavaScript holds exactly (below 2^53).
    pub fn to_number(self) -> f64 {
        let number = self.number & ((1 << NUMBER_BITS) - 1);
        (number << INDEX_BITS | self.index as u64) as f64
    }

    /// Whether `packed` was made from this key.
    pub(super) fn is(self, packed: f64) -> bool {
        self.to_number() == packed
    }

    pub(super) fn index_of(packed: f64) -> usize {
        (packed as u64 & ((1 << INDEX_BITS) - 1)) as usize
    }

    /// The most requests that can live at the same time.
    pub(super) const MAX: usize = 1 << INDEX_BITS;
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// To hold a slot until it is released.
    Hold,
    /// To run one job on any slot.
    Run,
    /// To run one job on the slot that this lease holds.
    RunHeld(Lease),
    /// To be told when as many slots are filled as always should be.
    Warm,
}

/// A request, as a caller makes it.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// For what.
    pub kind: Kind,
    /// Only this endpoint will do.
    pub endpoint: Option<usize>,
    /// The same number, the same endpoint, while that is healthy.
    pub affinity: Option<u64>,
    /// One deadline over everything.
    pub timeout: Option<Duration>,
    /// Higher first.
    pub priority: i32,
    /// How long the caller has waited already.
    pub waited: Duration,
    /// It is never sent outside.
    pub stays: bool,
}

impl Ask {
    /// For this, anywhere, in turn, within the pool's own limits.
    pub fn new(kind: Kind) -> Self {
        Ask {
            kind,
            endpoint: None,
            affinity: None,
            timeout: None,
            priority: 0,
            waited: Duration::ZERO,
            stays: false,
        }
    }

    /// Only at this endpoint.
    pub fn at(self, endpoint: Option<usize>) -> Self {
        Ask { endpoint, ..self }
    }
}

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Waits for a slot.
    Queued,
    /// Has its slot, waits until its endpoint may run another job.
    Turn,
    /// Has its slot, waits behind other jobs of the same holder.
    Behind,
    /// Runs on this slot.
    Running(u32),
    /// Waits for slots to be filled.
    Warming,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Request<J> {
    pub job: Arc<J>,
    pub kind: Kind,
    /// Only this endpoint will do.
    pub endpoint: Option<usize>,
    /// The endpoint follows from this, and may change while the request waits.
    pub affinity: Option<u64>,
    pub priority: i32,
    /// It is never sent outside.
    pub stays: bool,
    pub number: u64,
    pub place: Place,
    pub queued_at: Instant,
    /// The caller's own deadline over everything.
    pub until: Option<Instant>,
    /// The entry among the deadlines.
    pub stamp: Option<Stamp>,
    pub links: Links,
}

impl<J> Request<J> {
    /// Whether it asks for more than to hold any slot in its turn.
    pub fn is_special(&self) -> bool {
        self.kind != Kind::Hold
            || self.endpoint.is_some()
            || self.affinity.is_some()
            || self.until.is_some()
            || self.priority != 0
            || self.stays
    }
}

impl<J> Linked for Request<J> {
    fn links(&mut self) -> &mut Links {
        &mut self.links
    }

    fn behind(&self) -> Option<usize> {
        self.links.behind()
    }

    fn number(&self) -> u64 {
        self.number
    }

    fn priority(&self) -> i32 {
        self.priority
    }
}
