//! What is known about one slot.

use std::sync::Arc;

use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::health::Check;
use super::hooks::HookRun;
use crate::fault::Fault;
use crate::pool::event::Reason;
use crate::pool::face::{Face, Grant};
use crate::pool::fifo::Fifo;
use crate::pool::pulse::Pulse;
use crate::pool::request::RequestKey;
use crate::pool::table::Lease;

/// What is known about one slot. Means something while the slot is not EMPTY.
pub(in crate::pool) struct Slot<F: Face> {
    pub id: u64,
    pub endpoint: usize,
    /// The endpoint's generation when opening began; an older one is stale.
    pub generation: u32,
    pub resource: Option<Arc<F::Resource>>,
    pub opened_at: Instant,
    /// It is too old from here on.
    pub expires_at: Option<Instant>,
    /// When it came into the state it is in, for states that must pass.
    pub since: Instant,
    /// The watchdog has warned and will give it up next time.
    pub warned: bool,
    /// The attempt to open it, while it runs.
    pub opening: Option<AbortHandle>,
    pub lease: Option<Lease>,
    /// Held by a caller (acquire), rather than claimed for one job.
    pub held: bool,
    /// Its holder has it in hand, and may put it back without asking: see [`Shelf`](crate::pool::shelf::Shelf).
    pub in_hand: bool,
    /// Its holder was let go ahead by the rate and has not said that it started.
    pub ahead: bool,
    /// When it was claimed.
    pub claimed_at: Instant,
    /// This hold was reported as too long.
    pub leaking: bool,
    /// The holder has let go; the slot is free when its jobs are done.
    pub leaving: bool,
    /// The holder lets go by way of user code, for this job of its.
    pub recycling: Option<Arc<F::Job>>,
    pub running: Option<RequestKey>,
    /// The holder's job that waits for the endpoint's leave to run.
    pub turn: Option<usize>,
    /// The number of the job or the check that was started last.
    pub exchange: u64,
    /// Counted in the endpoint's `in_flight`.
    pub in_flight: bool,
    /// Jobs of the holder, behind the one that runs.
    pub behind: Fifo,
    pub uses: u64,
    pub used_at: Instant,
    /// When it last showed that it lives, other than by a check.
    pub seen_at: Instant,
    /// When its last check began.
    pub checked_at: Instant,
    /// When it last answered a check.
    pub answered_at: Instant,
    /// Its last holder met trouble with it.
    pub doubted: bool,
    /// Grows with every release: which idle slot was used last.
    pub order: u64,
    pub check: Option<Check>,
    pub hook: Option<HookRun<F>>,
    /// How it does, by its checks.
    pub pulse: Pulse,
    pub reason: Option<Reason>,
    /// The error behind the reason.
    pub why: Option<Fault>,
}

impl<F: Face> Slot<F> {
    pub fn empty(now: Instant) -> Self {
        Slot {
            id: 0,
            endpoint: 0,
            generation: 0,
            resource: None,
            opened_at: now,
            expires_at: None,
            since: now,
            warned: false,
            opening: None,
            lease: None,
            held: false,
            in_hand: false,
            ahead: false,
            claimed_at: now,
            leaking: false,
            leaving: false,
            recycling: None,
            running: None,
            turn: None,
            exchange: 0,
            in_flight: false,
            behind: Fifo::default(),
            uses: 0,
            used_at: now,
            seen_at: now,
            checked_at: now,
            answered_at: now,
            doubted: false,
            order: 0,
            check: None,
            hook: None,
            pulse: Pulse::default(),
            reason: None,
            why: None,
        }
    }

    /// What whoever has it under `lease` is told of it. It must hold something.
    pub fn grant(&self, lease: Lease, now: Instant) -> Grant<F::Resource> {
        let Some(resource) = self.resource.clone() else {
            unreachable!("only what is open is given out")
        };
        Grant {
            lease,
            resource,
            endpoint: self.endpoint,
            id: self.id,
            age: now.saturating_duration_since(self.opened_at),
            uses: self.uses,
        }
    }
}
