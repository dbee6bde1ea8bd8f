//! The way of a pool before it is closed.
//!
//! ```text
//!   PAUSED <──pause, clear── READY       close, from both ──> CLOSING ──> CLOSED
//!      └────────ready──────────^
//! ```
//!
//! As in the MongoDB Connection Monitoring and Pooling specification, clearing makes everything
//! that is open stale and pauses the pool, so that nobody waits for what is known to be gone. As
//! there, clearing one endpoint of several does not pause the others.

use tokio::time::Instant;

use super::{Core, Effect, Effects, Name, Phase};
use crate::fault::{Code, Fault};
use crate::pool::event::{Event, Reason};
use crate::pool::face::Face;
use crate::pool::state::State;

impl<F: Face> Core<F> {
    /// From now on the pool opens by itself what it should keep open.
    pub(in crate::pool) fn begin(&mut self, now: Instant, fx: &mut Effects<F>) {
        self.begun = true;
        self.serve(now, fx);
    }

    /// Slots are given out from now on. Of a pool that is ready already: nothing.
    ///
    /// # Errors
    /// [`Code::Closed`].
    pub(in crate::pool) fn ready(
        &mut self,
        now: Instant,
        fx: &mut Effects<F>,
    ) -> Result<(), Fault> {
        self.check_not_closed()?;
        self.begun = true;
        if self.phase == Phase::Paused {
            self.phase = Phase::Ready;
            self.tell(Name::PoolReady, fx, || Event::PoolReady);
            self.serve(now, fx);
        }
        Ok(())
    }

    /// Nothing is given out until the pool is ready again; who waits is turned down. What is held
    /// and what runs goes on, and what is open stays open.
    ///
    /// # Errors
    /// [`Code::Closed`].
    pub(in crate::pool) fn pause(
        &mut self,
        now: Instant,
        fx: &mut Effects<F>,
    ) -> Result<(), Fault> {
        self.check_not_closed()?;
        if self.phase == Phase::Ready {
            self.phase = Phase::Paused;
            let fault = Fault::new(Code::Cleared, "the pool was paused while this call waited");
            for key in self.queued() {
                self.turn_down(key, fault.clone(), now, fx);
            }
            self.turn_down_warming(&fault, now, fx);
        }
        Ok(())
    }

    /// Makes everything stale that is open, at `endpoint` or everywhere: what is idle is closed
    /// now, what is held when it is let go of (with `interrupt`: now).
    ///
    /// # Errors
    /// [`Code::Closed`].
    pub(in crate::pool) fn clear(
        &mut self,
        endpoint: Option<usize>,
        interrupt: bool,
        now: Instant,
        fx: &mut Effects<F>,
    ) -> Result<(), Fault> {
        self.check_not_closed()?;
        let all = 0..self.endpoints.len();
        let cleared = all.filter(|at| endpoint.is_none_or(|one| one == *at)).collect::<Vec<_>>();
        for at in &cleared {
            let place = &mut self.endpoints[*at];
            place.generation = place.generation.wrapping_add(1);
        }
        self.table.touch_all();
        let was_ready = self.phase == Phase::Ready;
        if endpoint.is_none() && was_ready {
            self.phase = Phase::Paused;
        }
        if was_ready {
            self.tell(Name::PoolCleared, fx, || Event::PoolCleared { endpoint, interrupt });
        }
        let fault = Fault::new(Code::Cleared, "the pool was cleared while this call waited");
        for key in self.queued() {
            if endpoint.is_none() || self.requests[key.index].endpoint == endpoint {
                self.turn_down(key, fault.clone(), now, fx);
            }
        }
        if endpoint.is_none() {
            self.turn_down_warming(&fault, now, fx);
        }
        for at in 0..self.slots.len() as u32 {
            if cleared.contains(&self.slots[at as usize].endpoint) {
                self.make_stale(at, interrupt, now, fx);
            }
        }
        self.serve(now, fx);
        Ok(())
    }

    fn make_stale(&mut self, at: u32, interrupt: bool, now: Instant, fx: &mut Effects<F>) {
        match self.table.read(at).0 {
            State::Initializing => self.drop_opening(at, Reason::Stale, now, fx),
            State::Idle => self.retire(at, Reason::Stale, None, fx),
            State::InUse if interrupt => {
                let message =
                    format!("the pool was cleared while this {} was in use", F::WORDING.thing);
                let fault = Fault::new(Code::Cleared, message).advice(F::WORDING.cleared_advice);
                self.interrupt(at, Reason::Stale, fault, fx);
            }
            State::Unusable if self.slots[at as usize].check.is_some() => {
                self.drop_check(at, Reason::Stale, fx);
            }
            State::Unusable if interrupt && self.slots[at as usize].hook.is_some() => {
                let fault = self.lost_fault(at, "the pool was cleared");
                self.interrupt(at, Reason::Stale, fault, fx);
            }
            // What is under a hook is found to be stale when that is over.
            State::InUse | State::Unusable => {}
            State::Empty | State::Created | State::Closed => {}
        }
    }

    /// Sets how many slots are kept filled and how many there may be.
    ///
    /// # Errors
    /// [`Code::Closed`].
    pub(in crate::pool) fn resize(
        &mut self,
        min: Option<u32>,
        max: Option<u32>,
        now: Instant,
        fx: &mut Effects<F>,
    ) -> Result<(), Fault> {
        self.check_not_closed()?;
        self.settings.min_slots = min.unwrap_or(self.settings.min_slots);
        self.settings.max_slots = max.unwrap_or(self.settings.max_slots);
        self.table.resize(self.settings.max_slots);
        self.make_slots(now);
        self.shed(fx);
        self.serve(now, fx);
        Ok(())
    }

    /// Closes idle slots above the limit, those first that were used longest ago. What is held
    /// goes when it is let go of.
    fn shed(&mut self, fx: &mut Effects<F>) {
        let mut idle: Vec<u32> = (0..self.slots.len() as u32)
            .filter(|at| self.table.read(*at).0 == State::Idle)
            .collect();
        idle.sort_unstable_by_key(|at| self.slots[*at as usize].order);
        for at in idle.into_iter().take(self.surplus()) {
            self.retire(at, Reason::Idle, None, fx);
        }
    }

    /// How many slots are taken above the limit, those on their way out not counted.
    pub(super) fn surplus(&self) -> usize {
        let taken = self.table.taken() as usize;
        let max = self.settings.max_slots as usize;
        if taken <= max {
            return 0;
        }
        let leaving = self.slots.iter().filter(|slot| slot.reason.is_some()).count();
        (taken - leaving.min(taken)).saturating_sub(max)
    }

    pub(super) fn check_not_closed(&self) -> Result<(), Fault> {
        if self.phase.is_open() { Ok(()) } else { self.check_open() }
    }

    /// Ends the attempt to open something for a slot, or what user code does on what was opened.
    pub(super) fn drop_opening(
        &mut self,
        at: u32,
        reason: Reason,
        now: Instant,
        fx: &mut Effects<F>,
    ) {
        let going = self.slots[at as usize].reason.is_some();
        if self.table.read(at).0 != State::Initializing || going {
            return;
        }
        let slot = &mut self.slots[at as usize];
        if slot.resource.is_some() {
            let fault = self.was_closed(at, " as it opened");
            return self.interrupt(at, reason, fault, fx);
        }
        if let Some(handle) = slot.opening.take() {
            fx.push(Effect::Abort(handle));
        }
        let endpoint = self.slots[at as usize].endpoint;
        self.give_up_opening(at, None, reason, fx);
        if self.endpoints[endpoint].habits.quiet && self.phase.is_open() {
            // Whatever was reached there is hung up on.
            self.hush(endpoint, now);
        }
    }
}
