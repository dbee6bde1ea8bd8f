//! What JavaScript lends by itself, and the engine's part in it; see [`Shelf`].

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::engine::Engine;
use super::face::{Face, Grant};
use super::shelf::Shelf;
use super::table::Lease;

impl<F: Face> Engine<F> {
    /// Lets JavaScript, whose clock says `clock_ms`, take idle slots and put them back by itself; see
    /// [`Shelf`]. `None`: this pool must know of each hold as it begins or ends. At most once.
    pub fn make_shelf(&self, clock_ms: f64) -> Option<Arc<Shelf>> {
        let now = Instant::now();
        self.lock(now).make_shelf(clock_ms, now)
    }

    /// JavaScript's thread, in a call to the engine, takes a lease in hand that it was told of.
    pub fn delivered(&self, lease: Lease) {
        let mut core = self.core();
        if core.check_holder(lease).is_ok() {
            core.in_hand(lease);
        }
    }

    /// Sends those who wait back to JavaScript, if that has all there is to give and they are not too many: their
    /// jobs, for none of which anything follows, and for how long they have been waiting.
    pub fn send_outside(&self) -> Vec<(Arc<F::Job>, Duration)> {
        let now = Instant::now();
        let mut core = self.lock(now);
        if self.face().owes() { Vec::new() } else { core.send_outside(now) }
    }

    /// The lease of what JavaScript has taken from slot `slot` of the shelf, if it has it still, and what
    /// the slot holds.
    pub fn hold_in_hand(&self, slot: u32) -> Option<Grant<F::Resource>> {
        let now = Instant::now();
        let core = self.lock(now);
        let lease = core.hold_in_hand(slot)?;
        Some(core.slots[slot as usize].grant(lease, now))
    }
}
