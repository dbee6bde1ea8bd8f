//! How a slot leaves the pool: taken from whoever has it, closed at a moment that suits its
//! endpoint, emptied when what it held is gone.

use std::time::Duration;

use tokio::time::Instant;

use super::{Core, Effect, Effects, Name, Running, Timer};
use crate::fault::{Cause, Code, Delivered, Fault};
use crate::pool::event::{Event, Reason};
use crate::pool::face::Face;
use crate::pool::pulse::Pulse;
use crate::pool::request::Kind;
use crate::pool::state::State;
use crate::pool::wording::Wording;

/// After a quiet endpoint was hung up on, its add-on still prints a line or two about it; nothing
/// is started there until that is over, or the line lands in somebody's result.
const HUSH: Duration = Duration::from_millis(25);

impl<F: Face> Core<F> {
    /// Takes a slot out of service and closes what it holds, at a moment that suits its endpoint.
    pub(super) fn retire(
        &mut self,
        at: u32,
        reason: Reason,
        fault: Option<&Fault>,
        fx: &mut Effects<F>,
    ) {
        let fault = fault.cloned().unwrap_or_else(|| self.was_closed(at, ""));
        self.take_away(at, reason, fault, fx);
        let endpoint = self.slots[at as usize].endpoint;
        if self.endpoints[endpoint].habits.quiet && self.phase.is_open() {
            self.endpoints[endpoint].farewells.push(at);
        } else if let Some(resource) = self.slots[at as usize].resource.clone() {
            fx.push(Effect::Close { resource });
        }
    }

    /// The slot leaves its holder or its job, whichever has it: → UNUSABLE. The caller sees to it
    /// that what it holds is closed.
    pub(super) fn take_away(&mut self, at: u32, reason: Reason, fault: Fault, fx: &mut Effects<F>) {
        let (state, _) = self.table.read(at);
        // Whatever became of the running job, nothing was sent of those behind it.
        let fault = fault.delivered(Delivered::No);
        if state == State::InUse && self.slots[at as usize].lease.is_some() {
            self.check_in(at, Instant::now(), fx);
        }
        self.end_hook(at, reason, &fault, fx);
        let slot = &mut self.slots[at as usize];
        if slot.reason.is_none() {
            slot.since = Instant::now();
            slot.warned = false;
            slot.reason = Some(reason);
            slot.why = matches!(reason, Reason::Error | Reason::Unhealthy).then(|| fault.clone());
        }
        let moved = match (state, slot.lease.take()) {
            (State::InUse, Some(lease)) => {
                if std::mem::take(&mut slot.held) {
                    self.held -= 1;
                    self.endpoints[slot.endpoint].held -= 1;
                    if !std::mem::take(&mut slot.leaving) {
                        self.lost.insert(lease, fault.clone());
                    }
                }
                self.table.retire_held(lease)
            }
            (State::Idle, _) => self.table.retire_idle(at),
            _ => Ok(()),
        };
        if moved.is_err() {
            self.race();
        }
        self.refuse_jobs_of_holder(at, fault, fx);
    }

    pub(super) fn refuse_jobs_of_holder(&mut self, at: u32, fault: Fault, fx: &mut Effects<F>) {
        let slot = &self.slots[at as usize];
        let mut theirs: Vec<usize> = slot.turn.into_iter().collect();
        let mut index = slot.behind.first();
        while let Some(this) = index {
            theirs.push(this);
            index = self.requests[this].links.behind();
        }
        for index in theirs {
            let key = self.key_of(index);
            let request = self.take_out(key);
            fx.push(Effect::Refuse { job: request.job, fault: fault.clone() });
        }
    }

    /// The slot's job was taken out because its caller is gone or out of time: what the slot holds
    /// may only drain now. Returns what must be cut.
    pub(super) fn cut_off(
        &mut self,
        at: u32,
        reason: Reason,
        fault: Fault,
        fx: &mut Effects<F>,
    ) -> Option<Running<F::Resource>> {
        self.take_away(at, reason, fault, fx);
        let slot = &self.slots[at as usize];
        slot.resource.clone().map(|resource| (resource, slot.exchange))
    }

    pub(super) fn cut_short(&self, at: u32) -> Fault {
        self.lost_fault(at, "its running command was cut short, and the connection with it")
    }

    pub(super) fn lost_fault(&self, at: u32, message: &str) -> Fault {
        self.about(at, Fault::new(Code::ConnectionLost, message))
    }

    /// What a slot holds went in this way.
    pub(super) fn went(&self, at: u32, how: &str) -> Fault {
        self.lost_fault(at, &format!("the {} {how}", F::WORDING.thing))
    }

    /// What a slot holds was closed; `when` goes on from there.
    pub(super) fn was_closed(&self, at: u32, when: &str) -> Fault {
        self.went(at, &format!("was {}{when}", F::WORDING.closed))
    }

    /// The fault, with where it happened.
    pub(super) fn about(&self, at: u32, fault: Fault) -> Fault {
        let slot = &self.slots[at as usize];
        fault.endpoint(&*self.endpoints[slot.endpoint].name).connection(slot.id)
    }

    /// Whether something is to be closed at a quiet endpoint.
    pub(super) fn has_farewells(&self) -> bool {
        self.endpoints.iter().any(|endpoint| !endpoint.farewells.is_empty())
    }

    /// Closes what was to be closed at a quiet endpoint, as soon as nothing runs there.
    pub(super) fn say_farewells(&mut self, now: Instant, fx: &mut Effects<F>) {
        for at in 0..self.endpoints.len() {
            let endpoint = &mut self.endpoints[at];
            if endpoint.farewells.is_empty()
                || (endpoint.in_flight > 0 && self.phase.is_open())
                || endpoint.hushed
            {
                continue;
            }
            for slot in std::mem::take(&mut endpoint.farewells) {
                if let Some(resource) = self.slots[slot as usize].resource.clone() {
                    fx.push(Effect::Close { resource });
                }
            }
            self.hush(at, now);
        }
    }

    pub(super) fn hush(&mut self, endpoint: usize, now: Instant) {
        self.endpoints[endpoint].hushed = true;
        self.deadlines.insert(now + HUSH, Timer::Unhush(endpoint));
    }

    /// What slot `at` held as number `id` is gone.
    pub(in crate::pool) fn ended(
        &mut self,
        at: u32,
        id: u64,
        fault: Option<Fault>,
        now: Instant,
        fx: &mut Effects<F>,
    ) {
        if self.slots[at as usize].id != id {
            return;
        }
        let opening = self.table.read(at).0 == State::Initializing;
        if opening && self.slots[at as usize].resource.is_none() {
            // It was gone before anybody could say that it was open.
            let fault = fault.unwrap_or_else(|| self.went(at, "ended as it opened"));
            return self.open_failed(at, id, fault, now, fx);
        }
        if self.slots[at as usize].resource.is_none() {
            return;
        }
        let died = fault.is_some();
        let lost = fault.clone().unwrap_or_else(|| self.was_closed(at, ""));
        if let Some(key) = self.slots[at as usize].running.take() {
            // Had it been started, its outcome would have come before this.
            let endpoint = self.slots[at as usize].endpoint;
            self.count_at(endpoint, |counters| counters.commands -= 1);
            if let Kind::RunHeld(_) = self.requests[key.index].kind {
                let request = self.take_out(key);
                fx.push(Effect::Refuse { job: request.job, fault: lost.clone() });
            } else {
                self.go_back(key, now, fx);
            }
        }
        self.check_ended(at, &lost, now, fx);
        self.take_away(at, Reason::Error, lost, fx);
        let flew = self.slots[at as usize].in_flight;
        self.end_flight(at);
        if opening {
            return self.opening_ended(at, now, fx);
        }
        let slot = &mut self.slots[at as usize];
        let reason = slot.reason.unwrap_or(Reason::Error);
        let why = slot.why.take();
        let fault = if died { fault } else { why };
        let endpoint = slot.endpoint;
        self.count_at(endpoint, |counters| counters.closed(reason));
        self.tell_of(at, Name::ConnectionClosed, fx, |slot| Event::ConnectionClosed {
            id,
            endpoint: slot.endpoint,
            reason,
            fault,
        });
        let endpoint = self.slots[at as usize].endpoint;
        self.empty_slot(at);
        let quiet = &self.endpoints[endpoint];
        if flew && quiet.habits.quiet && !quiet.hushed && self.phase.is_open() {
            self.hush(endpoint, now);
        }
        self.serve(now, fx);
        self.check_closed(now, fx);
    }

    /// What a slot held is gone, and user code was not done with it: nothing was opened.
    fn opening_ended(&mut self, at: u32, now: Instant, fx: &mut Effects<F>) {
        let slot = &mut self.slots[at as usize];
        let (id, reason, why) = (slot.id, slot.reason.unwrap_or(Reason::Error), slot.why.take());
        if reason != Reason::Error {
            self.give_up_opening(at, None, reason, fx);
            self.serve(now, fx);
            return self.check_closed(now, fx);
        }
        let why = why.unwrap_or_else(|| self.was_closed(at, ""));
        let Wording { thing, closed, .. } = F::WORDING;
        let cause = why.cause_of().cloned().unwrap_or_else(|| Cause::text(why.message()));
        let fault = Fault::new(Code::Connect, format!("onConnect was not passed: {}", why.message()))
            .advice(format!("Look at what onConnect does; a {thing} that it turns down is {closed}, and another is tried."))
            .cause(cause);
        self.open_failed(at, id, self.about(at, fault), now, fx);
    }

    /// Bytes came that nobody had asked for.
    pub(in crate::pool) fn desync(&mut self, at: u32, id: u64, fault: Fault, fx: &mut Effects<F>) {
        if self.slots[at as usize].id == id {
            let endpoint = self.slots[at as usize].endpoint;
            self.count_at(endpoint, |counters| counters.desyncs += 1);
            self.tell_of(at, Name::Desync, fx, |slot| Event::Desync {
                id,
                endpoint: slot.endpoint,
                fault,
            });
        }
    }

    pub(super) fn empty_slot(&mut self, at: u32) {
        self.end_flight(at);
        self.end_vetting(at);
        let slot = &mut self.slots[at as usize];
        let endpoint = &mut self.endpoints[slot.endpoint];
        endpoint.orphan(at);
        endpoint.farewells.retain(|farewell| *farewell != at);
        slot.resource = None;
        slot.opening = None;
        slot.reason = None;
        slot.why = None;
        slot.uses = 0;
        slot.check = None;
        slot.hook = None;
        slot.pulse = Pulse::default();
        if self.table.reap(at).is_err() {
            self.race();
        }
        self.empty.push(at);
    }
}
