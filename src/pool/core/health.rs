//! One check: what a slot holds is asked for a sign of life while it is out of the pool.
//!
//! ```text
//!         begin                answered, late or not
//!   IDLE ───────> UNUSABLE ──────────────────────────> IDLE
//!                  │  ^ │
//!                  └──┘ └── failed too often, broke, unfit ──> closed
//!               out of time
//! ```
//!
//! A slot that does not answer keeps its one question: without ids, the answer to a second could
//! not be told from a late answer to the first. It counts as failed again each time it has been
//! silent for as long once more, until it is closed; an answer, however late, mends it.
//!
//! Where an endpoint bears few jobs at a time, a check is one of them and starts only when nothing
//! else runs: a Blender at work would not answer, and a quiet one is not to be disturbed.

use std::time::Duration;

use tokio::time::Instant;

use super::{Core, Effect, Effects, Name, Timer};
use crate::fault::{Code, Fault};
use crate::pool::deadlines::Stamp;
use crate::pool::event::{Event, Reason};
use crate::pool::face::Face;

/// A check that runs on a slot.
#[derive(Clone, Copy, Debug)]
pub(in crate::pool) struct Check {
    /// The number of the exchange.
    pub number: u64,
    pub began: Instant,
    /// Somebody waits for the verdict.
    pub awaited: bool,
    /// It has had its time at least once: it counts no more among those that run at the same time.
    pub late: bool,
    /// The entry among the deadlines.
    pub stamp: Stamp,
}

impl<F: Face> Core<F> {
    /// Whether a check may begin at an endpoint now, as far as that is concerned.
    pub(super) fn may_check(&self, endpoint: usize) -> bool {
        let place = &self.endpoints[endpoint];
        !self.checks_alone(endpoint)
            || (place.in_flight == 0 && !place.hushed && place.farewells.is_empty())
    }

    /// Whether a check is one of the few jobs that an endpoint bears.
    fn checks_alone(&self, endpoint: usize) -> bool {
        let habits = &self.endpoints[endpoint].habits;
        habits.quiet || habits.max_in_flight < usize::MAX
    }

    /// Asks what an idle slot holds for a sign of life: IDLE → UNUSABLE.
    pub(super) fn begin_check(&mut self, at: u32, now: Instant, fx: &mut Effects<F>) {
        let Some(resource) = self.slots[at as usize].resource.clone() else {
            unreachable!("an idle slot holds something")
        };
        if self.table.retire_idle(at).is_err() {
            return self.race();
        }
        self.last_exchange += 1;
        let number = self.last_exchange;
        let timer = Timer::Check { slot: at, number };
        let stamp = self.deadlines.insert(now + self.settings.health.timeout, timer);
        let endpoint = self.slots[at as usize].endpoint;
        let alone = self.checks_alone(endpoint);
        self.endpoints[endpoint].in_flight += usize::from(alone);
        self.count_at(endpoint, |counters| counters.health_checks += 1);
        self.health.running += 1;
        let slot = &mut self.slots[at as usize];
        slot.in_flight = alone;
        slot.exchange = number;
        slot.since = now;
        slot.checked_at = now;
        slot.check = Some(Check { number, began: now, awaited: false, late: false, stamp });
        fx.push(Effect::Check { resource, slot: at, exchange: number });
    }

    /// The check on a slot is over, whatever came of it.
    fn end_check(&mut self, at: u32) -> Option<Check> {
        self.end_vetting(at);
        let check = self.slots[at as usize].check.take()?;
        self.deadlines.remove(check.stamp);
        self.health.running -= usize::from(!check.late);
        Some(check)
    }

    /// The check on a slot was answered. `fit`: what the slot holds is good for more; if not, that
    /// it ended follows.
    pub(super) fn check_answered(&mut self, at: u32, fit: bool, now: Instant, fx: &mut Effects<F>) {
        let Some(check) = self.end_check(at) else { return };
        let slot = &mut self.slots[at as usize];
        let (id, endpoint) = (slot.id, slot.endpoint);
        self.prove(endpoint, now, fx);
        if !fit {
            let fault = self.went(at, "fell out of step");
            self.note_failed_check(at, &fault, now, fx);
            return self.take_away(at, Reason::Error, fault, fx);
        }
        let took = now.saturating_duration_since(check.began);
        let slot = &mut self.slots[at as usize];
        slot.pulse.beat(took);
        slot.answered_at = now;
        slot.doubted = false;
        self.endpoints[endpoint].pulse.beat(took);
        self.tell(Name::HealthCheckSucceeded, fx, || Event::HealthCheckSucceeded {
            id,
            endpoint,
            took,
        });
        self.mind_checks(endpoint, false, fx);
        self.report_answer(id, took);
        self.end_flight(at);
        self.mend(at, now, fx);
        self.serve(now, fx);
        self.check_closed(now, fx);
    }

    /// A slot that was out of the pool can be given out again, unless it became unfit meanwhile:
    /// UNUSABLE → IDLE.
    pub(super) fn mend(&mut self, at: u32, now: Instant, fx: &mut Effects<F>) {
        if let Some(reason) = self.unfit_to_mend(at, now) {
            return self.retire(at, reason, None, fx);
        }
        self.slots[at as usize].since = now;
        if self.table.mend(at).is_err() {
            self.race();
        }
    }

    fn unfit_to_mend(&self, at: u32, now: Instant) -> Option<Reason> {
        if !self.phase.is_open() {
            Some(Reason::PoolClosed)
        } else if self.slots[at as usize].uses >= self.settings.max_uses {
            Some(Reason::Uses)
        } else if let Some(reason) = self.perished(at, now) {
            Some(reason)
        } else {
            (self.surplus() > 0).then_some(Reason::Idle)
        }
    }

    /// A check failed, or failed once more.
    fn note_failed_check(&mut self, at: u32, fault: &Fault, now: Instant, fx: &mut Effects<F>) {
        let slot = &mut self.slots[at as usize];
        let (id, endpoint) = (slot.id, slot.endpoint);
        slot.pulse.miss();
        let failures = slot.pulse.failures;
        self.endpoints[endpoint].pulse.miss();
        self.count_at(endpoint, |counters| counters.health_check_failures += 1);
        self.tell(Name::HealthCheckFailed, fx, || Event::HealthCheckFailed {
            id,
            endpoint,
            fault: fault.clone(),
            failures,
        });
        self.mind_checks(endpoint, true, fx);
        self.report_failure(id, fault);
        self.hasten_rounds(now);
    }

    /// The check on a slot broke what it holds; that it ended follows.
    pub(super) fn check_failed(
        &mut self,
        at: u32,
        fault: &Fault,
        now: Instant,
        fx: &mut Effects<F>,
    ) {
        if self.end_check(at).is_some() {
            self.note_failed_check(at, fault, now, fx);
            self.take_away(at, Reason::Error, fault.clone(), fx);
        }
    }

    /// The check on a slot was answered: what it holds is unfit. That it ended follows.
    pub(in crate::pool) fn found_unfit(
        &mut self,
        at: u32,
        id: u64,
        fault: &Fault,
        now: Instant,
        fx: &mut Effects<F>,
    ) {
        if self.slots[at as usize].id == id && self.end_check(at).is_some() {
            self.note_failed_check(at, fault, now, fx);
            self.take_away(at, Reason::Unhealthy, fault.clone(), fx);
        }
    }

    /// Nothing could be opened for a check (where slots hold nothing between jobs).
    pub(super) fn check_unsent(
        &mut self,
        at: u32,
        fault: Fault,
        now: Instant,
        fx: &mut Effects<F>,
    ) {
        let Some(check) = self.end_check(at) else { return };
        let endpoint = self.slots[at as usize].endpoint;
        self.count_at(endpoint, |counters| counters.connect_failures += 1);
        self.end_flight(at);
        self.note_failed_check(at, &fault, now, fx);
        self.retire(at, Reason::Error, Some(&fault), fx);
        self.retire_at_rest(endpoint, &fault, fx);
        self.note_failure(endpoint, check.began, fault, now, fx);
        self.serve(now, fx);
    }

    /// What a slot held is gone; if a check ran on it, it failed, unless the slot was told to go.
    pub(super) fn check_ended(
        &mut self,
        at: u32,
        fault: &Fault,
        now: Instant,
        fx: &mut Effects<F>,
    ) {
        if self.end_check(at).is_none() {
            return;
        }
        let slot = &self.slots[at as usize];
        if slot.reason.is_none() {
            self.note_failed_check(at, fault, now, fx);
        } else {
            self.report_unasked(slot.id);
        }
    }

    /// The check could not begin: what the slot holds is not fit.
    pub(in crate::pool) fn check_not_started(
        &mut self,
        at: u32,
        number: u64,
        now: Instant,
        fx: &mut Effects<F>,
    ) {
        if !self.is_checking(at, number) {
            return;
        }
        self.end_check(at);
        self.end_flight(at);
        let fault = self.went(at, "was found dead when it was checked");
        self.note_failed_check(at, &fault, now, fx);
        self.retire(at, Reason::Error, Some(&fault), fx);
        self.serve(now, fx);
    }

    /// There is no way to ask what the slot holds: it is as it was.
    pub(in crate::pool) fn check_refused(
        &mut self,
        at: u32,
        number: u64,
        now: Instant,
        fx: &mut Effects<F>,
    ) {
        if !self.is_checking(at, number) {
            return;
        }
        self.end_check(at);
        self.end_flight(at);
        let slot = &self.slots[at as usize];
        let (id, endpoint) = (slot.id, slot.endpoint);
        self.count_at(endpoint, |counters| counters.health_checks -= 1);
        self.report_unasked(id);
        self.mend(at, now, fx);
        self.serve(now, fx);
        self.check_closed(now, fx);
    }

    fn is_checking(&self, at: u32, number: u64) -> bool {
        self.slots[at as usize].check.is_some_and(|check| check.number == number)
    }

    /// A check has had its time.
    pub(super) fn check_timed_out(
        &mut self,
        at: u32,
        number: u64,
        now: Instant,
        fx: &mut Effects<F>,
    ) {
        if !self.is_checking(at, number) {
            return;
        }
        let again = self.time_to_fail_again();
        let stamp = self.deadlines.insert(now + again, Timer::Check { slot: at, number });
        let slot = &mut self.slots[at as usize];
        let Some(check) = &mut slot.check else { return };
        let silent = now.saturating_duration_since(check.began).as_millis();
        let was_late = std::mem::replace(&mut check.late, true);
        let before = std::mem::replace(&mut check.stamp, stamp);
        let exchange = check.number;
        self.deadlines.remove(before);
        self.health.running -= usize::from(!was_late);
        let name = &self.endpoints[self.slots[at as usize].endpoint].name;
        let message = format!("{} for {silent} ms", F::WORDING.silent.replace("{}", name));
        let fault = self
            .about(at, Fault::new(Code::CommandTimeout, message))
            .advice(F::WORDING.silent_advice);
        self.end_vetting(at);
        self.note_failed_check(at, &fault, now, fx);
        if self.slots[at as usize].pulse.failures < self.settings.health.failures {
            return;
        }
        // It stays in flight until its reply was drained: Blender may still be at it.
        self.end_check(at);
        self.take_away(at, Reason::Unhealthy, fault, fx);
        if let Some(resource) = self.slots[at as usize].resource.clone() {
            fx.push(Effect::CutCheck { resource, exchange });
        }
    }

    /// How long a slot that is silent may go on before that counts as one more failed check.
    fn time_to_fail_again(&self) -> Duration {
        let health = &self.settings.health;
        health.timeout.max(health.interval.map_or(Duration::ZERO, |interval| interval / 4))
    }

    /// A slot under check is to go, and the answer does not matter any more.
    pub(super) fn drop_check(&mut self, at: u32, reason: Reason, fx: &mut Effects<F>) {
        let Some(check) = self.end_check(at) else { return };
        let id = self.slots[at as usize].id;
        self.report_unasked(id);
        let fault = self.was_closed(at, " while it was checked");
        self.take_away(at, reason, fault, fx);
        if let Some(resource) = self.slots[at as usize].resource.clone() {
            if self.phase.is_open() {
                fx.push(Effect::CutCheck { resource, exchange: check.number });
            } else {
                fx.push(Effect::Close { resource });
            }
        }
    }
}
