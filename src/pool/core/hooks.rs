//! User code that runs while a slot is out of the pool.
//!
//! `onConnect` runs while the slot is INITIALIZING, `onRelease` and recycling while it is UNUSABLE.
//! As long as it runs, its lease is good for jobs on the slot and for nothing else; it cannot be
//! released. Whatever user code does or leaves undone, the slot becomes IDLE or EMPTY: a hook that
//! fails, takes too long, or loses what it runs on closes the slot.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Core, Effect, Effects, Name, Phase, Slot, Timer};
use crate::fault::{Cause, Code, Fault};
use crate::pool::deadlines::Stamp;
use crate::pool::event::{Event, Hook, Reason};
use crate::pool::face::{Face, HookCall};
use crate::pool::table::Lease;
use crate::pool::wording::Wording;

/// User code that runs on what a slot holds.
pub(in crate::pool) struct HookRun<F: Face> {
    pub hook: Hook,
    pub number: u64,
    /// Good for jobs while the hook runs.
    pub lease: Lease,
    /// The holder's, that asked for it.
    pub job: Option<Arc<F::Job>>,
    /// User code is done; jobs that it began are not.
    pub over: bool,
    /// The endpoint has answered as the slot was opened.
    pub proven: bool,
    /// The entry among the deadlines.
    pub stamp: Stamp,
}

impl<F: Face> Core<F> {
    /// Whether this is the lease of a hook that runs.
    pub(super) fn in_hook(&self, lease: Lease) -> bool {
        self.slots
            .get(lease.slot as usize)
            .and_then(|slot| slot.hook.as_ref())
            .is_some_and(|run| run.lease == lease && !run.over)
    }

    /// What was opened goes through user code first, if there is any. `proven`: the endpoint has
    /// answered already.
    pub(super) fn begin_connect_hook(
        &mut self,
        at: u32,
        proven: bool,
        now: Instant,
        fx: &mut Effects<F>,
    ) -> bool {
        let wanted = self.settings.hooks.on_connect;
        if wanted {
            self.begin_hook(at, Hook::OnConnect, None, proven, now, fx);
        }
        wanted
    }

    /// Whether a slot that was let go of goes through user code before it is free.
    pub(super) fn leaves_by_hook(&self, at: u32) -> bool {
        let slot = &self.slots[at as usize];
        let asked = slot.recycling.is_some() || (slot.held && self.settings.hooks.on_release);
        asked && self.phase.is_open()
    }

    /// A slot that was let go of goes through user code first: IN_USE → UNUSABLE.
    pub(super) fn begin_leaving_hook(&mut self, at: u32, now: Instant, fx: &mut Effects<F>) {
        self.check_in(at, now, fx);
        let slot = &mut self.slots[at as usize];
        let Some(lease) = slot.lease.take() else { unreachable!("a slot in use has a lease") };
        self.held -= usize::from(std::mem::take(&mut slot.held));
        slot.leaving = false;
        let job = slot.recycling.take();
        if self.table.retire_held(lease).is_err() {
            self.race();
        }
        let hook = if job.is_some() { Hook::Recycle } else { Hook::OnRelease };
        self.begin_hook(at, hook, job, false, now, fx);
    }

    fn begin_hook(
        &mut self,
        at: u32,
        hook: Hook,
        job: Option<Arc<F::Job>>,
        proven: bool,
        now: Instant,
        fx: &mut Effects<F>,
    ) {
        self.last_hook += 1;
        let number = self.last_hook;
        let timer = Timer::Hook { slot: at, number };
        let stamp = self.deadlines.insert(now + self.settings.hooks.timeout, timer);
        let lease = Lease { slot: at, generation: self.table.read(at).1 };
        let slot = &mut self.slots[at as usize];
        slot.since = now;
        slot.hook =
            Some(HookRun { hook, number, lease, job: job.clone(), over: false, proven, stamp });
        let grant = slot.grant(lease, now);
        fx.push(Effect::Hook(HookCall { hook, number, grant, job }));
    }

    /// The holder lets go by way of user code.
    ///
    /// # Errors
    /// [`Code::NotHeld`], or why what it held was lost.
    pub(in crate::pool) fn recycle(
        &mut self,
        lease: Lease,
        job: Arc<F::Job>,
        now: Instant,
        fx: &mut Effects<F>,
    ) -> Result<(), Fault> {
        if let Some(fault) = self.lost.remove(&lease) {
            return Err(fault);
        }
        self.check_holder(lease)?;
        self.slots[lease.slot as usize].recycling = Some(job);
        self.release(lease, now, fx)
    }

    /// User code is done with what a slot holds, or has failed.
    pub(in crate::pool) fn hook_done(
        &mut self,
        lease: Lease,
        number: u64,
        error: Option<String>,
        now: Instant,
        fx: &mut Effects<F>,
    ) {
        let at = lease.slot;
        let run = self.slots.get_mut(at as usize).and_then(|slot| slot.hook.as_mut());
        let Some(run) = run.filter(|run| run.number == number && run.lease == lease) else {
            return;
        };
        let hook = run.hook.text();
        match error {
            None => {
                run.over = true;
                self.hook_rests(at, now, fx);
            }
            Some(error) => {
                let message = format!("{hook} failed: {error}");
                let Wording { thing, closed, .. } = F::WORDING;
                let fault = Fault::new(Code::ConnectionLost, message)
                    .advice(format!("Look at what {hook} does; the {thing} was {closed}."))
                    .cause(Cause::thrown(error, "hook", number));
                self.fail_hook(at, fault, fx);
            }
        }
        self.serve(now, fx);
        self.check_closed(now, fx);
    }

    /// No job of a hook runs or waits. If user code is done as well, so is the hook.
    pub(super) fn hook_rests(&mut self, at: u32, now: Instant, fx: &mut Effects<F>) {
        let slot = &mut self.slots[at as usize];
        if slot.running.is_some() || slot.turn.is_some() {
            return;
        }
        let Some(run) = slot.hook.take_if(|run| run.over) else { return };
        self.deadlines.remove(run.stamp);
        if run.hook == Hook::OnConnect {
            if run.proven {
                self.prove(self.slots[at as usize].endpoint, now, fx);
            }
            self.opened_for_good(at, now, fx);
        } else {
            self.mend(at, now, fx);
        }
        if let Some(job) = run.job {
            fx.push(Effect::Done { job, report: serde_json::Value::Null });
        }
    }

    /// A hook has had its time.
    pub(super) fn hook_timed_out(&mut self, at: u32, number: u64, fx: &mut Effects<F>) {
        let run = self.slots[at as usize].hook.as_ref().filter(|run| run.number == number);
        let Some(hook) = run.map(|run| run.hook.text()) else { return };
        let limit = self.settings.hooks.timeout.as_millis();
        let Wording { thing, closed, .. } = F::WORDING;
        let message = format!("{hook} did not finish within {limit} ms (hookTimeoutMs)");
        let fault = Fault::new(Code::ConnectionLost, message.clone())
            .advice(format!(
                "Look at what {hook} waits for, or raise hookTimeoutMs; the {thing} was {closed}."
            ))
            .cause(Cause::text(message));
        self.fail_hook(at, fault, fx);
    }

    /// A hook is given up, and what it runs on is closed.
    fn fail_hook(&mut self, at: u32, fault: Fault, fx: &mut Effects<F>) {
        let fault = self.about(at, fault);
        let running = self.slots[at as usize].running.map(|key| self.take_out(key));
        let Some(request) = running else {
            return self.retire(at, Reason::Error, Some(&fault), fx);
        };
        let told = self.cut_short(at);
        if let Some((resource, exchange)) = self.cut_off(at, Reason::Error, fault, fx) {
            fx.push(Effect::Cut { resource, exchange, job: request.job, fault: told });
        }
    }

    /// A slot is taken away, from a hook perhaps: then that has failed, unless the slot had to go
    /// for another reason.
    pub(super) fn end_hook(&mut self, at: u32, reason: Reason, fault: &Fault, fx: &mut Effects<F>) {
        if let Some(job) = self.slots[at as usize].recycling.take() {
            fx.push(Effect::Refuse { job, fault: fault.clone() });
        }
        let Some(run) = self.slots[at as usize].hook.take() else { return };
        self.deadlines.remove(run.stamp);
        if reason == Reason::Error {
            self.tell_hook_failed(at, run.hook, fault, fx);
        }
        if let Some(job) = run.job {
            fx.push(Effect::Refuse { job, fault: fault.clone() });
        }
    }

    /// User code failed that ran on `id`, whether that is in a slot still or not. `false`: the pool
    /// is closed, and tells nothing any more.
    pub(in crate::pool) fn user_code_failed(
        &mut self,
        endpoint: usize,
        id: u64,
        hook: Hook,
        fault: Fault,
        fx: &mut Effects<F>,
    ) -> bool {
        let open = self.phase != Phase::Closed;
        if open {
            self.count_at(endpoint, |counters| counters.hook_failures += 1);
            self.tell(Name::HookFailed, fx, || Event::HookFailed { id, endpoint, hook, fault });
        }
        open
    }

    fn tell_hook_failed(&mut self, at: u32, hook: Hook, fault: &Fault, fx: &mut Effects<F>) {
        let Slot { id, endpoint, .. } = self.slots[at as usize];
        self.user_code_failed(endpoint, id, hook, fault.clone(), fx);
    }
}
