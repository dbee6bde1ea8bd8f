//! Holders that may not have a slot yet, though there is one: the rate is reached.
//!
//! A hold counts as started when its holder says so, not when it is granted: JavaScript may be
//! busy in between, and two starts must not come closer to each other than the rate allows.

use tokio::time::Instant;

use super::{Core, Effects, Timer};
use crate::fault::Fault;
use crate::pool::face::Face;
use crate::pool::rate::Next;
use crate::pool::request::Kind;
use crate::pool::table::Lease;

impl<F: Face> Core<F> {
    /// Whether the rate lets one more holder go ahead now. If not, and it is known when it will,
    /// that is minded.
    pub(super) fn may_go_ahead(&mut self, now: Instant) -> bool {
        !self.rate.is_limited() || self.rate_lets_go_ahead(now)
    }

    fn rate_lets_go_ahead(&mut self, now: Instant) -> bool {
        match self.rate.next(now) {
            Next::Now => true,
            Next::Unknown => false,
            Next::At(at) => {
                // It comes later with every start; and when one turns back, now is early enough.
                if self.waiting() > 0 && !self.pacing {
                    self.pacing = true;
                    self.deadlines.insert(at, Timer::Rate);
                }
                false
            }
        }
    }

    /// A slot was granted to a holder. Without a limit nobody says when it starts: it does now.
    pub(super) fn goes_ahead(&mut self, at: u32, now: Instant) {
        if self.rate.is_limited() {
            self.rate.go_ahead(1);
            self.slots[at as usize].ahead = true;
        } else if self.settings.rate.is_some() && !self.has_shelf() {
            self.rate.start(now, 1);
        }
    }

    /// A holder has started.
    pub(in crate::pool) fn started(&mut self, lease: Lease, now: Instant, fx: &mut Effects<F>) {
        if self.check_holder(lease).is_err() {
            return;
        }
        if std::mem::take(&mut self.slots[lease.slot as usize].ahead) {
            self.rate.start(now, 1);
            self.serve(now, fx);
        }
    }

    /// A slot leaves its holder; if that has not started, it never will.
    pub(super) fn turns_back(&mut self, at: u32) {
        if std::mem::take(&mut self.slots[at as usize].ahead) {
            self.rate.turn_back(1);
        }
    }

    /// Refuses all who wait for a slot.
    pub(in crate::pool) fn turn_away(&mut self, fault: &Fault, now: Instant, fx: &mut Effects<F>) {
        for key in self.queued() {
            if matches!(self.requests[key.index].kind, Kind::Hold | Kind::Run) {
                self.turn_down(key, fault.clone(), now, fx);
            }
        }
        self.serve(now, fx);
    }
}
