//! What jobs come to, and what becomes of their slots.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Core, Effect, Effects};
use crate::fault::Fault;
use crate::pool::event::Reason;
use crate::pool::face::Face;
use crate::pool::request::{Kind, Request, RequestKey};
use crate::pool::state::State;

impl<F: Face> Core<F> {
    /// The job that was started on `at` is over. What the slot holds is fit for more, or else it
    /// has ended and will [say so](Self::ended). Returns the job, unless its caller has gone.
    pub(in crate::pool) fn finished(
        &mut self,
        at: u32,
        id: u64,
        failed: bool,
        fit: bool,
        now: Instant,
        fx: &mut Effects<F>,
    ) -> Option<Arc<F::Job>> {
        if self.slots[at as usize].id == id && self.slots[at as usize].check.is_some() {
            self.check_answered(at, fit, now, fx);
            return None;
        }
        let key = self.running_on(at, id)?;
        let endpoint = self.slots[at as usize].endpoint;
        self.count_at(endpoint, |counters| counters.command_errors += u64::from(failed));
        self.note_command(at, now);
        if self.table.read(at).0 != State::Initializing {
            // Of what is being opened, the whole attempt decides.
            self.prove(endpoint, now, fx);
        }
        let request = self.take_out(key);
        if fit {
            self.end_flight(at);
            self.next_for(at, now, fx);
            self.serve(now, fx);
        } else {
            let fault = self.went(at, "fell out of step");
            self.take_away(at, Reason::Error, fault, fx);
        }
        Some(request.job)
    }

    fn note_command(&mut self, at: u32, now: Instant) {
        let slot = &self.slots[at as usize];
        let (endpoint, took) = (slot.endpoint, now.saturating_duration_since(slot.used_at));
        self.note_at(endpoint, |tally| tally.command.note(took));
        self.endpoints[endpoint].pulse.beat(took);
        let slot = &mut self.slots[at as usize];
        slot.seen_at = now;
        // Its latency is that of its checks: a job takes as long as it takes.
        slot.pulse.failures = 0;
    }

    /// The job that was started on `at` is over and broke what the slot holds; that it
    /// [ended](Self::ended) follows.
    pub(in crate::pool) fn broke(
        &mut self,
        at: u32,
        id: u64,
        fault: &Fault,
        now: Instant,
        fx: &mut Effects<F>,
    ) -> Option<Arc<F::Job>> {
        if self.slots[at as usize].id == id && self.slots[at as usize].check.is_some() {
            self.check_failed(at, fault, now, fx);
            return None;
        }
        let key = self.running_on(at, id)?;
        let endpoint = self.slots[at as usize].endpoint;
        self.count_at(endpoint, |counters| counters.command_errors += 1);
        let request = self.take_out(key);
        self.take_away(at, Reason::Error, fault.clone(), fx);
        Some(request.job)
    }

    /// The job could not start on `at`, which is not fit; it is as if it had never left the queue.
    pub(in crate::pool) fn not_started(
        &mut self,
        key: RequestKey,
        at: u32,
        id: u64,
        now: Instant,
        fx: &mut Effects<F>,
    ) {
        if self.running_on(at, id) != Some(key) {
            return;
        }
        let endpoint = self.slots[at as usize].endpoint;
        self.count_at(endpoint, |counters| counters.commands -= 1);
        self.end_flight(at);
        let lost = self.went(at, "was found dead before the command was written");
        if let Kind::RunHeld(_) = self.requests[key.index].kind {
            // The caller asked for this very connection: another will not do.
            let request = self.take_out(key);
            fx.push(Effect::Refuse { job: request.job, fault: lost.clone() });
        } else {
            self.slots[at as usize].running = None;
            self.go_back(key, now, fx);
        }
        self.retire(at, Reason::Error, Some(&lost), fx);
        self.serve(now, fx);
    }

    /// Nothing could be opened for the job that was started on `at`, and nothing was sent. It
    /// waits for another try, unless patience with that endpoint is over.
    pub(in crate::pool) fn unsent(
        &mut self,
        at: u32,
        id: u64,
        fault: Fault,
        now: Instant,
        fx: &mut Effects<F>,
    ) {
        if self.slots[at as usize].id == id && self.slots[at as usize].check.is_some() {
            return self.check_unsent(at, fault, now, fx);
        }
        let Some(key) = self.running_on(at, id) else {
            return;
        };
        let began = self.slots[at as usize].used_at;
        let endpoint = self.slots[at as usize].endpoint;
        self.count_at(endpoint, |counters| {
            counters.connect_failures += 1;
            counters.commands -= 1;
        });
        self.end_flight(at);
        let held = matches!(self.requests[key.index].kind, Kind::RunHeld(_));
        if fault.is_retryable() && !held {
            self.slots[at as usize].running = None;
            self.go_back(key, now, fx);
            self.retire(at, Reason::Error, Some(&fault), fx);
        } else {
            let request = self.take_out(key);
            fx.push(Effect::Refuse { job: request.job, fault: fault.clone() });
            if held {
                self.next_for(at, now, fx);
            } else {
                self.retire(at, Reason::Error, Some(&fault), fx);
            }
        }
        self.retire_at_rest(endpoint, &fault, fx);
        self.note_failure(endpoint, began, fault, now, fx);
        self.serve(now, fx);
    }

    /// Those at rest at an endpoint where nothing could be opened have not dialled yet either; what
    /// listens there next may be something else.
    pub(super) fn retire_at_rest(&mut self, endpoint: usize, fault: &Fault, fx: &mut Effects<F>) {
        while let Some(idle) = self.table.find_idle(&self.endpoints[endpoint].members, 0) {
            self.retire(idle, Reason::Error, Some(fault), fx);
        }
    }

    /// The job can never run where it was started; nothing was sent and the slot is as it was.
    pub(in crate::pool) fn refused(
        &mut self,
        key: RequestKey,
        at: u32,
        id: u64,
        fault: Fault,
        now: Instant,
        fx: &mut Effects<F>,
    ) {
        if self.running_on(at, id) != Some(key) {
            return;
        }
        let endpoint = self.slots[at as usize].endpoint;
        self.count_at(endpoint, |counters| counters.commands -= 1);
        let request = self.take_out(key);
        self.end_flight(at);
        fx.push(Effect::Refuse { job: request.job, fault });
        self.next_for(at, now, fx);
        self.serve(now, fx);
    }

    pub(super) fn running_on(&self, at: u32, id: u64) -> Option<RequestKey> {
        let slot = &self.slots[at as usize];
        slot.running.filter(|_| slot.id == id)
    }

    pub(super) fn end_flight(&mut self, at: u32) {
        let slot = &mut self.slots[at as usize];
        if std::mem::take(&mut slot.in_flight) {
            self.endpoints[slot.endpoint].in_flight -= 1;
        }
    }

    /// The slot's job is done: the holder's next one, or the slot is free.
    pub(super) fn next_for(&mut self, at: u32, now: Instant, fx: &mut Effects<F>) {
        let slot = &mut self.slots[at as usize];
        if let Some(next) = slot.behind.first() {
            slot.behind.leave(&mut self.requests, next);
            let key = self.key_of(next);
            self.await_turn(key, at);
        } else if !slot.held || slot.leaving {
            self.vacate(at, now, fx);
        }
    }

    /// A holder's job that had not begun is gone: whatever it stood before goes on.
    pub(super) fn go_on(&mut self, gone: &Request<F::Job>, now: Instant, fx: &mut Effects<F>) {
        if let Kind::RunHeld(lease) = gone.kind {
            let slot = &self.slots[lease.slot as usize];
            if slot.running.is_none() && slot.turn.is_none() {
                self.next_for(lease.slot, now, fx);
            }
        }
    }

    /// Nobody claims the slot any more.
    pub(super) fn vacate(&mut self, at: u32, now: Instant, fx: &mut Effects<F>) {
        if self.slots[at as usize].hook.is_some() {
            return self.hook_rests(at, now, fx);
        }
        self.last_order += 1;
        let order = self.last_order;
        let slot = &mut self.slots[at as usize];
        slot.used_at = now;
        slot.order = order;
        self.came_back(at);
        let by_hook = self.leaves_by_hook(at);
        // Its holder asked for the hook, and waits for it: then it runs, whatever becomes of the slot.
        let asked_for = by_hook && self.slots[at as usize].recycling.is_some();
        if !asked_for && let Some(reason) = self.unfit(at, now) {
            return self.retire(at, reason, None, fx);
        }
        if by_hook {
            return self.begin_leaving_hook(at, now, fx);
        }
        self.check_in(at, now, fx);
        let slot = &mut self.slots[at as usize];
        let Some(lease) = slot.lease.take() else { unreachable!("a slot in use has a lease") };
        if std::mem::take(&mut slot.held) {
            self.held -= 1;
            self.endpoints[slot.endpoint].held -= 1;
        }
        slot.leaving = false;
        self.endpoints[slot.endpoint].hint = at;
        self.put_back();
        self.freed = Some(lease);
    }

    /// Why a slot that was let go of must not be used again, if so.
    pub(super) fn unfit(&self, at: u32, now: Instant) -> Option<Reason> {
        let slot = &self.slots[at as usize];
        if slot.generation != self.endpoints[slot.endpoint].generation {
            Some(Reason::Stale)
        } else if slot.uses >= self.settings.max_uses {
            Some(Reason::Uses)
        } else if self.is_expired(at, now) {
            Some(Reason::Lifetime)
        } else if self.surplus() > 0 || self.gives_way(slot.endpoint, now) {
            Some(Reason::Idle)
        } else {
            None
        }
    }
}
