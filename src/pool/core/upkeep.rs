//! What is too old or too few; what is stuck is the watchdog's.
//!
//! Looked for every so often, and before a slot is given out; the minimum also whenever something
//! has changed. Filling up never holds anybody back: what is opened for the minimum serves whoever
//! waits by then.

use serde_json::Value;
use tokio::time::Instant;

use super::{Core, Effect, Effects, Phase, Timer};
use crate::fault::Fault;
use crate::pool::event::Reason;
use crate::pool::face::Face;
use crate::pool::state::State;

/// An idle slot lives this much shorter than it may, at most.
const JITTER: f64 = 0.1;

impl<F: Face> Core<F> {
    /// The regular look at everything.
    pub(super) fn upkeep(&mut self, now: Instant, fx: &mut Effects<F>) {
        if let Some(interval) = self.settings.upkeep_interval
            && self.phase != Phase::Closed
        {
            // While the pool closes, too: what is stuck would keep it from ever being closed.
            self.deadlines.insert(now + interval, Timer::Upkeep);
        }
        self.prune(now, fx);
        self.watch(now, fx);
        self.look_at_shelf();
        self.mind_figures(now, fx);
    }

    /// Closes what is too old or was idle for too long.
    pub(super) fn prune(&mut self, now: Instant, fx: &mut Effects<F>) {
        let mut idle: Vec<u32> = (0..self.slots.len() as u32)
            .filter(|at| self.table.read(*at).0 == State::Idle)
            .collect();
        idle.sort_unstable_by_key(|at| self.slots[*at as usize].order);
        for at in idle {
            if let Some(reason) = self.perished(at, now) {
                self.retire(at, reason, None, fx);
            }
        }
    }

    /// Why an idle slot must not be given out any more, if so.
    pub(super) fn perished(&self, at: u32, now: Instant) -> Option<Reason> {
        let slot = &self.slots[at as usize];
        if slot.generation != self.endpoints[slot.endpoint].generation {
            return Some(Reason::Stale);
        }
        if self.is_expired(at, now) {
            return Some(Reason::Lifetime);
        }
        let idle_since = self.settings.idle_timeout.map(|limit| slot.used_at + limit);
        (idle_since.is_some_and(|over| over <= now) && self.may_spare(at)).then_some(Reason::Idle)
    }

    /// Whether it is too old to be used. At the minimum it stays until another has taken its place,
    /// if there is room for one.
    #[inline]
    pub(super) fn is_expired(&self, at: u32, now: Instant) -> bool {
        self.slots[at as usize].expires_at.is_some_and(|expires| expires <= now)
            && (self.may_spare(at) || !self.has_room())
    }

    /// Whether the minimum would still be there without this slot.
    fn may_spare(&self, at: u32) -> bool {
        let endpoint = self.slots[at as usize].endpoint;
        let (all, here) = self.standing(endpoint, Some(at));
        all >= self.settings.min_slots as usize && here >= self.endpoints[endpoint].habits.min_slots
    }

    /// How many slots, everywhere and at an endpoint, are filled with what will last, but for one.
    fn standing(&self, endpoint: usize, but: Option<u32>) -> (usize, usize) {
        let (mut all, mut here) = (0, 0);
        for at in 0..self.slots.len() as u32 {
            if Some(at) == but || !self.is_standing(at) {
                continue;
            }
            all += 1;
            here += usize::from(self.slots[at as usize].endpoint == endpoint);
        }
        (all, here)
    }

    fn is_standing(&self, at: u32) -> bool {
        let slot = &self.slots[at as usize];
        let filled = match self.table.read(at).0 {
            State::Idle | State::InUse => true,
            State::Unusable => slot.reason.is_none(),
            _ => false,
        };
        filled && slot.expires_at.is_none_or(|expires| expires > Instant::now())
    }

    /// When something that was opened now is too old.
    pub(super) fn expiry(&self, now: Instant) -> Option<Instant> {
        let lifetime = self.settings.max_lifetime?;
        now.checked_add(lifetime.mul_f64(1.0 - JITTER * fastrand::f64()))
    }

    /// Opens in the background what the minimum lacks.
    pub(super) fn fill(&mut self, now: Instant, fx: &mut Effects<F>) {
        let wanted = self.begun
            && self.phase == Phase::Ready
            && (self.settings.upkeep_interval.is_some() || !self.warming.is_empty());
        if wanted {
            while let Some(endpoint) = self.lacks(now) {
                if !self.open_at(endpoint, now, fx) {
                    break;
                }
            }
        }
        if !self.warming.is_empty() && self.is_warm() {
            while let Some(index) = self.warming.first() {
                let key = self.key_of(index);
                let request = self.take_out(key);
                fx.push(Effect::Done { job: request.job, report: Value::Null });
            }
        }
    }

    /// An endpoint at which one more should and may be opened now.
    fn lacks(&self, now: Instant) -> Option<usize> {
        let any_min = self.endpoints.iter().any(|endpoint| endpoint.habits.min_slots > 0);
        if (self.settings.min_slots == 0 && !any_min) || !self.has_room() {
            return None;
        }
        let (mut all, mut here) = (0, vec![0; self.endpoints.len()]);
        for at in 0..self.slots.len() as u32 {
            let opening = self.table.read(at).0 == State::Initializing;
            if opening || self.is_standing(at) {
                all += 1;
                here[self.slots[at as usize].endpoint] += 1;
            }
        }
        let short_of_all = all < self.settings.min_slots as usize;
        let candidates = self.endpoints.iter().enumerate().filter(|(at, endpoint)| {
            (short_of_all || here[*at] < endpoint.habits.min_slots)
                && endpoint.may_open(now)
                && !(endpoint.habits.quiet && endpoint.in_flight > 0)
        });
        candidates
            .min_by_key(|(at, endpoint)| {
                let has_its_own = here[*at] >= endpoint.habits.min_slots;
                (has_its_own, endpoint.breaker.failures, here[*at])
            })
            .map(|(at, _)| at)
    }

    /// Whether the minimum stands.
    fn is_warm(&self) -> bool {
        let each = |at: usize| {
            let (all, here) = self.standing(at, None);
            all >= self.settings.min_slots as usize && here >= self.endpoints[at].habits.min_slots
        };
        (0..self.endpoints.len()).all(each)
    }

    pub(super) fn turn_down_warming(&mut self, fault: &Fault, now: Instant, fx: &mut Effects<F>) {
        while let Some(index) = self.warming.first() {
            let key = self.key_of(index);
            self.turn_down(key, fault.clone(), now, fx);
        }
    }
}
