//! Opening what those who wait need, and no more.

use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::{Core, Effect, Effects, Phase};
use crate::fault::Fault;
use crate::pool::endpoint::Endpoint;
use crate::pool::event::{Event, Reason};
use crate::pool::face::{Face, Opened};
use crate::pool::state::State;

impl<F: Face> Core<F> {
    /// Reserves slots for those who wait and cannot be served by what is open or being opened.
    pub(super) fn open_missing(&mut self, now: Instant, fx: &mut Effects<F>) {
        if self.phase != Phase::Ready {
            return;
        }
        while let Some(endpoint) = self.wants_opening(now) {
            let Some(at) = self.empty.pop() else {
                return self.make_room(endpoint, fx);
            };
            if self.table.reserve(at).is_none() || self.table.begin(at).is_err() {
                self.counters.races += 1;
                continue;
            }
            self.last_id += 1;
            self.counters.created += 1;
            let slot = &mut self.slots[at as usize];
            slot.id = self.last_id;
            slot.endpoint = endpoint;
            slot.opened_at = now;
            slot.uses = 0;
            slot.reason = None;
            slot.why = None;
            let place = &mut self.endpoints[endpoint];
            place.adopt(at);
            place.connecting += 1;
            place.hushed |= place.habits.quiet;
            self.tell(fx, |slot| Event::ConnectionCreated { id: slot.id, endpoint }, at);
            fx.push(Effect::Open { endpoint, slot: at, id: self.last_id });
        }
    }

    /// The endpoint at which one more slot would serve somebody who waits, the emptiest first.
    pub(super) fn wants_opening(&self, now: Instant) -> Option<usize> {
        let candidates = self.endpoints.iter().enumerate().filter(|(_, endpoint)| {
            !(endpoint.habits.quiet && endpoint.in_flight > 0) && self.is_missed_at(endpoint, now)
        });
        candidates.min_by_key(|(_, endpoint)| (endpoint.failures, endpoint.slots)).map(|(at, _)| at)
    }

    /// Whether one more slot at this endpoint would serve somebody whom nothing that is being
    /// opened will serve.
    pub(super) fn is_missed_at(&self, endpoint: &Endpoint, now: Instant) -> bool {
        if !endpoint.may_open(now) {
            return false;
        }
        // A job needs a slot only when it could start on it.
        let runs = (endpoint.lines.runs.len() + self.anywhere.runs.len()).min(endpoint.permits());
        let anybody =
            runs + endpoint.lines.holds.len() + self.anywhere.holds.len() > endpoint.connecting;
        let named = endpoint.lines.runs.len().min(endpoint.permits()) + endpoint.lines.holds.len()
            > endpoint.connecting;
        named || (anybody && self.anywhere.len() > self.connecting())
    }

    /// All slots are taken, but some are idle at endpoints that nobody wants: give one up.
    pub(super) fn make_room(&mut self, wanted: usize, fx: &mut Effects<F>) {
        let already_going =
            (0..self.settings.max_slots).any(|at| self.table.read(at).0 == State::Unusable);
        if already_going {
            return;
        }
        let idle = (0..self.slots.len())
            .filter(|at| {
                self.slots[*at].endpoint != wanted && self.table.read(*at as u32).0 == State::Idle
            })
            .min_by_key(|at| self.slots[*at].used_at);
        if let Some(at) = idle {
            self.retire(at as u32, Reason::Idle, None, fx);
        }
    }

    /// Remembers how to stop an attempt to open. Gives it back when the attempt is over or nobody
    /// wants it any more.
    pub(in crate::pool) fn opening(
        &mut self,
        at: u32,
        id: u64,
        handle: AbortHandle,
    ) -> Option<AbortHandle> {
        let slot = &mut self.slots[at as usize];
        if slot.id != id || self.table.read(at).0 != State::Initializing {
            return Some(handle);
        }
        slot.opening = Some(handle);
        None
    }

    /// Slot `at` holds something now.
    pub(in crate::pool) fn opened(
        &mut self,
        at: u32,
        id: u64,
        opened: Opened<F::Resource>,
        now: Instant,
        fx: &mut Effects<F>,
    ) {
        let slot = &mut self.slots[at as usize];
        if slot.id != id || self.table.read(at).0 != State::Initializing {
            // Given up meanwhile.
            fx.push(Effect::Close { resource: opened.resource });
            return;
        }
        let took = now.saturating_duration_since(slot.opened_at);
        slot.resource = Some(opened.resource);
        slot.opening = None;
        slot.opened_at = now;
        slot.used_at = now;
        let endpoint = slot.endpoint;
        let place = &mut self.endpoints[endpoint];
        place.connecting -= 1;
        place.hushed = false;
        place.habits = opened.habits;
        place.hint = at;
        if opened.proven {
            place.prove();
        }
        if self.table.ready(at).is_err() {
            self.counters.races += 1;
        }
        self.tell(fx, |_| Event::ConnectionReady { id, endpoint, took }, at);
        self.serve(now, fx);
    }

    /// Nothing could be opened for slot `at`.
    pub(in crate::pool) fn open_failed(
        &mut self,
        at: u32,
        id: u64,
        fault: Fault,
        now: Instant,
        fx: &mut Effects<F>,
    ) {
        if self.slots[at as usize].id != id || self.table.read(at).0 != State::Initializing {
            return;
        }
        let began = self.slots[at as usize].opened_at;
        let endpoint = self.slots[at as usize].endpoint;
        self.give_up_opening(at, Some(fault.clone()), Reason::Error, fx);
        self.counters.connect_failures += 1;
        self.note_failure(endpoint, began, fault, now, fx);
        self.serve(now, fx);
        self.check_closed(now, fx);
    }

    pub(super) fn give_up_opening(
        &mut self,
        at: u32,
        fault: Option<Fault>,
        reason: Reason,
        fx: &mut Effects<F>,
    ) {
        let slot = &mut self.slots[at as usize];
        let (id, endpoint) = (slot.id, slot.endpoint);
        self.endpoints[endpoint].connecting -= 1;
        self.endpoints[endpoint].hushed = false;
        self.counters.closed(reason);
        self.tell(fx, |_| Event::ConnectionClosed { id, endpoint, reason, fault }, at);
        self.empty_slot(at);
    }
}
