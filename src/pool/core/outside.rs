//! Callers who wait in JavaScript, though they had asked the engine: as long as all there is to give is in hand
//! there, they are passed it there.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Core;
use crate::pool::face::Face;

/// Of a longer queue nobody is served soon, wherever it is.
const MOST_OUTSIDE: usize = 256;

impl<F: Face> Core<F> {
    /// How many wait in JavaScript.
    pub(in crate::pool) fn waiting_outside(&self) -> usize {
        self.shelving.as_ref().map_or(0, |shelving| shelving.shelf.waiting() as usize)
    }

    /// Whether those who wait could as well wait in JavaScript, which has all there is to give.
    pub(in crate::pool) fn may_wait_outside(&self) -> bool {
        let waiting = self.waiting();
        self.shelving.is_some()
            && (1..=MOST_OUTSIDE).contains(&waiting)
            && self.anywhere.holds.len() == waiting
            && self.special == 0
            && self.is_exhausted()
            && self.may_help_itself_but_for_those_who_wait()
    }

    /// Sends those who wait back to JavaScript, if they may wait there: their jobs, and for how long they
    /// have been waiting.
    pub(in crate::pool) fn send_outside(&mut self, now: Instant) -> Vec<(Arc<F::Job>, Duration)> {
        if !self.may_wait_outside() {
            return Vec::new();
        }
        let sent = self.queued().into_iter().map(|key| {
            let request = self.take_out(key);
            (request.job, now.saturating_duration_since(request.queued_at))
        });
        sent.collect()
    }
}
