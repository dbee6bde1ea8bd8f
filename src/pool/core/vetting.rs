//! A slot that is checked because somebody wants it: what lay idle may have died since, and what
//! its last holder complained of may be why.
//!
//! The caller waits for the verdict in its place in the queue; an answer serves it, and any other
//! verdict has something new opened. One that answers nothing in time keeps nobody waiting: from
//! then on it is a check like any other. (HikariCP calls the time for which it trusts an idle
//! connection `aliveBypassWindowMs`.)

use tokio::time::Instant;

use super::{Core, Effects};
use crate::pool::face::Face;
use crate::pool::table::Lease;

impl<F: Face> Core<F> {
    /// Whether an idle slot must be checked before a holder gets it.
    pub(super) fn is_to_be_vetted(&self, at: u32, now: Instant) -> bool {
        let Some(trusted) = self.settings.vet_after else { return false };
        let slot = &self.slots[at as usize];
        // At the very moment of the answer it is trusted, however short that may last.
        slot.doubted || now > slot.used_at.max(slot.answered_at) + trusted
    }

    /// How many are checked because somebody waits.
    pub(super) fn vetting(&self) -> usize {
        self.endpoints.iter().map(|endpoint| endpoint.vetting).sum()
    }

    /// Checks an idle slot, or one that was let go of a moment ago, for who waits for it.
    pub(super) fn vet(&mut self, at: u32, now: Instant, fx: &mut Effects<F>) {
        if self.freed.is_some_and(|freed| freed.slot == at) {
            self.put_back();
        }
        self.begin_check(at, now, fx);
        let slot = &mut self.slots[at as usize];
        if let Some(check) = &mut slot.check {
            check.awaited = true;
            self.endpoints[slot.endpoint].vetting += 1;
        }
    }

    /// Nobody waits for this check any more.
    pub(super) fn end_vetting(&mut self, at: u32) {
        let slot = &mut self.slots[at as usize];
        if let Some(check) = &mut slot.check
            && std::mem::take(&mut check.awaited)
        {
            self.endpoints[slot.endpoint].vetting -= 1;
        }
    }

    /// The holder has met trouble with what the slot holds: it is checked before anybody else gets
    /// it.
    pub(in crate::pool) fn doubt(&mut self, lease: Lease) {
        if self.check_holder(lease).is_ok() {
            self.slots[lease.slot as usize].doubted = true;
            self.table.touch(lease.slot);
        }
    }
}
