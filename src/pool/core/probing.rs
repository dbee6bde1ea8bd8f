//! Slots for an endpoint that has none: one that is down and may be back, or one that was passed
//! over.
//!
//! Callers who may go anywhere go where something is open, so nobody would ever find out that an
//! endpoint is back, and whichever was there first would keep every slot.

use std::time::Duration;

use tokio::time::Instant;

use super::{Core, Effects, Phase};
use crate::pool::face::Face;

/// An endpoint that is down is probed by itself while somebody was sent elsewhere within so long.
const REMEMBERED: Duration = Duration::from_secs(300);

impl<F: Face> Core<F> {
    /// Opens one at each endpoint that is down and that callers were sent away from, when it may be
    /// tried: nobody has to wait for the outcome, and new callers return to it. Where the others
    /// have all the slots, one of them gives way.
    pub(super) fn probe(&mut self, now: Instant, fx: &mut Effects<F>) {
        if self.phase != Phase::Ready || self.endpoints.len() == 1 {
            return;
        }
        for at in 0..self.endpoints.len() {
            if !self.is_probe_due(at, now) || self.endpoints[at].habits.per_job {
                continue;
            }
            if self.has_room() {
                self.open_at(at, now, fx);
            } else {
                self.make_room(at, fx);
            }
        }
    }

    /// The same where slots hold nothing between jobs. Opening one tries nothing there, so it is
    /// worth no more than room that is left; the rounds of checks, or the next job, do the rest.
    pub(super) fn probe_by_job(&mut self, now: Instant, fx: &mut Effects<F>) {
        if self.phase != Phase::Ready || self.endpoints.len() == 1 {
            return;
        }
        for at in 0..self.endpoints.len() {
            let endpoint = &self.endpoints[at];
            if endpoint.habits.per_job
                && endpoint.slots == 0
                && self.has_room()
                && self.is_probe_due(at, now)
            {
                self.open_at(at, now, fx);
            }
        }
    }

    fn is_probe_due(&self, at: usize, now: Instant) -> bool {
        let endpoint = &self.endpoints[at];
        endpoint.sought_at.is_some_and(|sought_at| now < sought_at + REMEMBERED)
            && endpoint.may_open(now)
            && !(endpoint.habits.quiet && endpoint.in_flight > 0)
            && self.is_down(at)
    }

    /// Whether a slot that was let go of is worth more elsewhere: all are taken, its endpoint has
    /// others, and there is an endpoint without any that callers wait for, or that is to be tried.
    /// Without this, whichever Blender was there first would keep all the connections for good, and
    /// the others would stand by.
    pub(super) fn gives_way(&self, from: usize, now: Instant) -> bool {
        if self.endpoints.len() == 1 || self.phase != Phase::Ready || self.has_room() {
            return false;
        }
        let giver = &self.endpoints[from];
        let goes = |slot: u32| self.slots[slot as usize].reason.is_some();
        if giver.slots <= giver.habits.min_slots.max(1) || (0..self.slots.len() as u32).any(goes) {
            return false;
        }
        (0..self.endpoints.len()).any(|at| {
            let endpoint = &self.endpoints[at];
            let bare = endpoint.slots == 0 && endpoint.may_open(now);
            let awaited = self.anywhere.len() > 0 && endpoint.breaker.failures == 0;
            let tried = !endpoint.habits.per_job && self.is_probe_due(at, now);
            at != from && ((bare && awaited) || tried)
        })
    }
}
