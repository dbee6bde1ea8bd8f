//! Opening what those who wait need, and no more.

use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::{Core, Effect, Effects, Name, Phase, Slot, Timer};
use crate::fault::Fault;
use crate::pool::endpoint::Endpoint;
use crate::pool::event::{Event, Reason};
use crate::pool::face::{Face, Opened};
use crate::pool::state::State;

impl<F: Face> Core<F> {
    /// Reserves slots for those who wait and cannot be served by what is open or being opened.
    pub(super) fn open_missing(&mut self, now: Instant, fx: &mut Effects<F>) {
        // Whom the rate holds back, one more slot would not serve.
        if self.phase != Phase::Ready || self.waiting() == 0 || !self.may_go_ahead(now) {
            return;
        }
        // All are taken, and there is no other endpoint that could give one up.
        if self.endpoints.len() == 1 && !self.has_room() {
            return;
        }
        while let Some(endpoint) = self.wants_opening(now) {
            if !self.has_room() {
                // What works is not given up for what only may work again.
                let place = &self.endpoints[endpoint];
                if place.breaker.failures == 0 || place.lines.len() > 0 {
                    self.make_room(endpoint, fx);
                }
                return;
            }
            if !self.open_at(endpoint, now, fx) {
                return;
            }
        }
        self.mind_stalling(now);
    }

    /// Whether one more slot may be taken.
    pub(super) fn has_room(&self) -> bool {
        !self.empty.is_empty() && self.table.taken() < self.settings.max_slots
    }

    /// Takes a slot and begins to open something in it: EMPTY → CREATED → INITIALIZING.
    pub(super) fn open_at(&mut self, endpoint: usize, now: Instant, fx: &mut Effects<F>) -> bool {
        let Some(at) = self.empty.pop() else {
            return false;
        };
        if self.table.reserve(at).is_none() || self.table.begin(at).is_err() {
            // No rule allows it: only this lock takes slots.
            self.race();
            return false;
        }
        self.last_id += 1;
        let id = self.last_id;
        self.count_at(endpoint, |counters| counters.created += 1);
        let place = &mut self.endpoints[endpoint];
        place.adopt(at);
        place.connecting += 1;
        place.dialling += 1;
        place.hushed |= place.habits.quiet;
        let generation = place.generation;
        self.slots[at as usize] = Slot { id, endpoint, generation, ..Slot::empty(now) };
        self.tell_of(at, Name::ConnectionCreated, fx, |_| Event::ConnectionCreated {
            id,
            endpoint,
        });
        fx.push(Effect::Open { endpoint, slot: at, id });
        true
    }

    /// The endpoint at which one more slot would serve somebody who waits, the emptiest first.
    pub(super) fn wants_opening(&self, now: Instant) -> Option<usize> {
        let candidates = self.endpoints.iter().enumerate().filter(|(_, endpoint)| {
            !(endpoint.habits.quiet && endpoint.in_flight > 0) && self.is_missed_at(endpoint, now)
        });
        candidates
            .min_by_key(|(_, endpoint)| (endpoint.breaker.failures, endpoint.slots))
            .map(|(at, _)| at)
    }

    /// Whether one more slot at this endpoint would serve somebody whom nothing that is being
    /// opened will serve, and whom what is open will not serve sooner.
    ///
    /// A spike of callers is not a want of slots. (HikariCP's "Welcome to the Jungle" tells of one:
    /// 50 callers, 5 connections, each used for 2 ms, 150 ms to connect; all can be served long
    /// before the first new connection stands.) So the first is opened at once, and while it is, the
    /// next only when the queue stands still: when nobody got a slot that had been open before for a
    /// quarter of the time that opening takes. What was begun is not given up, though the queue may
    /// be gone: the peer has accepted it already, and a spike seldom comes alone.
    pub(super) fn is_missed_at(&self, endpoint: &Endpoint, now: Instant) -> bool {
        let (named, anybody) = self.lacks_slots(endpoint, now);
        let moves = |moved_at: Option<Instant>| {
            moved_at.is_some_and(|moved_at| now < moved_at + endpoint.stall())
        };
        (named && (endpoint.coming() == 0 || !moves(endpoint.moved_at)))
            || (anybody && (self.promised() == 0 || !moves(self.moved_at())))
    }

    /// Whether callers who named this endpoint, or any callers, are more than is being opened for
    /// them, and one more may be opened here.
    fn lacks_slots(&self, endpoint: &Endpoint, now: Instant) -> (bool, bool) {
        if !endpoint.may_open(now) {
            return (false, false);
        }
        // A job needs a slot only when it could start on it.
        let runs = (endpoint.lines.runs.len() + self.anywhere.runs.len()).min(endpoint.permits());
        let anybody =
            runs + endpoint.lines.holds.len() + self.anywhere.holds.len() > endpoint.coming();
        let named = endpoint.lines.runs.len().min(endpoint.permits()) + endpoint.lines.holds.len()
            > endpoint.coming();
        (named, anybody && self.anywhere.len() > self.promised())
    }

    /// How many are being opened where that may be expected to work: the probe of an endpoint that
    /// fails is no promise to anybody.
    fn promised(&self) -> usize {
        let promising = |endpoint: &&Endpoint| endpoint.breaker.failures == 0;
        self.endpoints.iter().filter(promising).map(Endpoint::coming).sum()
    }

    /// When the queue last moved anywhere.
    fn moved_at(&self) -> Option<Instant> {
        self.endpoints.iter().filter_map(|endpoint| endpoint.moved_at).max()
    }

    /// Looks again when a queue that moves now would have stood still for too long.
    fn mind_stalling(&mut self, now: Instant) {
        if self.stalling {
            return;
        }
        let withheld = |endpoint: &&Endpoint| {
            let (named, anybody) = self.lacks_slots(endpoint, now);
            (named || anybody) && !self.is_missed_at(endpoint, now)
        };
        let stall = self.endpoints.iter().filter(withheld).map(Endpoint::stall).min();
        if let (Some(stall), Some(moved_at)) = (stall, self.moved_at()) {
            self.stalling = true;
            self.deadlines.insert((moved_at + stall).max(now), Timer::Stalled);
        }
    }

    /// All slots are taken, but some are idle at endpoints that nobody wants: give one up, rather
    /// one of an endpoint that has more than its minimum.
    pub(super) fn make_room(&mut self, wanted: usize, fx: &mut Effects<F>) {
        let already_going = self.slots.iter().enumerate().any(|(at, slot)| {
            slot.reason.is_some() && self.table.read(at as u32).0 == State::Unusable
        });
        if already_going {
            return;
        }
        let idle = (0..self.slots.len())
            .filter(|at| {
                self.slots[*at].endpoint != wanted && self.table.read(*at as u32).0 == State::Idle
            })
            .min_by_key(|at| {
                let endpoint = &self.endpoints[self.slots[*at].endpoint];
                (endpoint.slots <= endpoint.habits.min_slots, self.slots[*at].used_at)
            });
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
        slot.resource = Some(opened.resource);
        slot.opening = None;
        slot.since = now;
        let endpoint = slot.endpoint;
        let place = &mut self.endpoints[endpoint];
        place.dialling -= 1;
        place.hushed = place.dialling > 0 && place.habits.quiet;
        place.habits = opened.habits;
        // An endpoint that user code turns down every time must not look as if it came back.
        if !self.begin_connect_hook(at, opened.proven, now, fx) {
            if opened.proven {
                self.prove(endpoint, now, fx);
            }
            self.opened_for_good(at, now, fx);
        }
        self.serve(now, fx);
        self.check_closed(now, fx);
    }

    /// What slot `at` holds is fit for use: INITIALIZING → IDLE.
    pub(super) fn opened_for_good(&mut self, at: u32, now: Instant, fx: &mut Effects<F>) {
        let expires_at = self.expiry(now);
        self.last_order += 1;
        let order = self.last_order;
        let slot = &mut self.slots[at as usize];
        let (id, endpoint) = (slot.id, slot.endpoint);
        let took = now.saturating_duration_since(slot.opened_at);
        slot.opened_at = now;
        slot.used_at = now;
        slot.seen_at = now;
        slot.checked_at = now;
        slot.since = now;
        slot.expires_at = expires_at;
        slot.order = order;
        self.came_back(at);
        let place = &mut self.endpoints[endpoint];
        place.connecting -= 1;
        place.hint = at;
        if self.table.ready(at).is_err() {
            self.race();
        }
        self.endpoints[endpoint].opening_took = took;
        self.note_at(endpoint, |tally| tally.connect.note(took));
        self.tell_of(at, Name::ConnectionReady, fx, |_| Event::ConnectionReady {
            id,
            endpoint,
            took,
        });
        self.report_opened(at, took);
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
        self.count_at(endpoint, |counters| counters.connect_failures += 1);
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
        let dialling = slot.resource.is_none();
        let place = &mut self.endpoints[endpoint];
        place.connecting -= 1;
        if dialling {
            place.dialling -= 1;
            place.hushed = place.dialling > 0 && place.habits.quiet;
        }
        self.report_not_opened(id, fault.as_ref());
        self.count_at(endpoint, |counters| counters.closed(reason));
        self.tell_of(at, Name::ConnectionClosed, fx, |_| Event::ConnectionClosed {
            id,
            endpoint,
            reason,
            fault,
        });
        self.empty_slot(at);
    }
}
