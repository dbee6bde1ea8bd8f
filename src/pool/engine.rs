//! The engine: the core's decisions, carried out.
//!
//! One short lock around [`Core`]. Callers are told while it is held, so that they are told in the
//! order of the decisions; all else that a decision asks for is done after it is gone, on the thread
//! that happened to ask. Opening runs as a task; one more task, the keeper, waits for the
//! next deadline.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::Instrument;

use super::core::{Core, Effect, Effects, Phase};
use super::event::{Hook, Observed};
use super::face::{Face, Habits, Start};
use super::keeper::keep;
use super::locked::Locked;
use super::request::{Ask, RequestKey};
use super::settings::Settings;
use super::table::Lease;
use crate::fault::{Code, Delivered, Fault};

/// Room for so many effects is kept for the next decision.
const SPARE: usize = 64;

/// See the module. Cheap to share; every method may be called from any thread.
pub struct Engine<F: Face> {
    face: F,
    core: Mutex<Core<F>>,
    keeper: Arc<Notify>,
    runtime: Handle,
    drain_timeout: Duration,
    span: tracing::Span,
    me: Weak<Self>,
}

/// What became of a cancelled request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It had its outcome already.
    TooLate,
    /// It was waiting still, and will have no outcome.
    Waiting,
    /// It had begun, and will have no outcome; this is whether it may have run.
    Now(Delivered),
}

impl<F: Face> Engine<F> {
    /// An engine whose tasks run on `runtime`, and its keeper with it.
    pub fn new(
        settings: Settings,
        endpoints: Vec<(Arc<str>, Habits)>,
        runtime: Handle,
        span: tracing::Span,
        face: impl FnOnce(&Weak<Self>) -> F,
    ) -> Arc<Self> {
        let drain_timeout = settings.drain_timeout;
        let keeper = Arc::new(Notify::new());
        let engine = Arc::new_cyclic(|me| Engine {
            face: face(me),
            core: Mutex::new(Core::new(settings, endpoints)),
            keeper: keeper.clone(),
            runtime: runtime.clone(),
            drain_timeout,
            span: span.clone(),
            me: me.clone(),
        });
        runtime.spawn(keep(Arc::downgrade(&engine), keeper).instrument(span));
        engine
    }

    /// What differs between pools.
    pub fn face(&self) -> &F {
        &self.face
    }

    /// How long what was cut may go on.
    pub fn drain_timeout(&self) -> Duration {
        self.drain_timeout
    }

    pub(super) fn core(&self) -> Locked<'_, F> {
        self.lock(Instant::now())
    }

    pub(super) fn lock(&self, now: Instant) -> Locked<'_, F> {
        Locked::new(&self.core, &self.face, now)
    }

    /// Decides under the lock, then does what was decided.
    pub(super) fn decide<T>(
        &self,
        decision: impl FnOnce(&mut Core<F>, Instant, &mut Effects<F>) -> T,
    ) -> T {
        let (result, effects) = self.decide_only(decision);
        if !effects.is_empty() {
            self.carry_out(effects);
        }
        self.face.told();
        result
    }

    /// Decides under the lock; what is left to do comes back with the result.
    fn decide_only<T>(
        &self,
        decision: impl FnOnce(&mut Core<F>, Instant, &mut Effects<F>) -> T,
    ) -> (T, Effects<F>) {
        let now = Instant::now();
        let (result, effects, wake) = {
            let mut core = self.lock(now);
            let mut effects = std::mem::take(&mut core.spare);
            let result = decision(&mut core, now, &mut effects);
            // Callers and listeners are told while the lock is held, so that they are told in the
            // order of the decisions, whatever thread made them.
            effects.retain(|effect| !self.tell(effect, &mut core));
            if effects.is_empty() && effects.capacity() <= SPARE {
                core.spare = std::mem::take(&mut effects);
            }
            if core.lay_out_shelf(self.face.owes(), now) {
                self.face.call_for_waiting();
            }
            (result, effects, core.deadlines.rearm() || core.phase == Phase::Closed)
        };
        if wake {
            self.keeper.notify_one();
        }
        (result, effects)
    }

    /// Tells whoever has to be told, if that is what the effect asks for.
    fn tell(&self, effect: &Effect<F>, core: &mut Core<F>) -> bool {
        match effect {
            Effect::Grant { job, grant } => {
                if self.face.granted(job, grant) {
                    core.in_hand(grant.lease);
                }
            }
            Effect::Refuse { job, fault } => self.face.failed(job, fault.clone()),
            Effect::Done { job, report } => self.face.done(job, report.clone()),
            Effect::Hook(call) => self.face.hook(call),
            Effect::Tell(event) => self.face.observed(event),
            Effect::Closed(report) => self.face.closed(report),
            _ => return false,
        }
        true
    }

    fn carry_out(&self, effects: Effects<F>) {
        let _inside = self.span.enter();
        // What follows from an effect joins the end. Were it carried out here and now, a long queue
        // of jobs that are refused one after another would need as deep a stack.
        let mut effects = VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Open { endpoint, slot, id } => {
                    let Some(opened) = self.face.open_at_once(endpoint, slot, id) else {
                        self.open(endpoint, slot, id);
                        continue;
                    };
                    let ((), then) = self.decide_only(|core, now, fx| {
                        core.opened(slot, id, opened, now, fx);
                    });
                    effects.extend(then);
                }
                Effect::Start { key, resource, slot, id, exchange, job } => {
                    let ((), then) = match self.face.start(&resource, exchange, &job) {
                        Start::Started => continue,
                        Start::NotReady => self.decide_only(|core, now, fx| {
                            core.not_started(key, slot, id, now, fx);
                        }),
                        Start::Refused(fault) => self.decide_only(|core, now, fx| {
                            core.refused(key, slot, id, fault, now, fx);
                        }),
                    };
                    effects.extend(then);
                }
                Effect::Check { resource, slot, exchange } => {
                    let ((), then) = match self.face.check(&resource, exchange) {
                        Start::Started => continue,
                        Start::NotReady => self.decide_only(|core, now, fx| {
                            core.check_not_started(slot, exchange, now, fx);
                        }),
                        Start::Refused(_) => self.decide_only(|core, now, fx| {
                            core.check_refused(slot, exchange, now, fx);
                        }),
                    };
                    effects.extend(then);
                }
                Effect::CutCheck { resource, exchange } => {
                    self.face.cut(&resource, exchange, self.drain_timeout);
                }
                Effect::Cut { resource, exchange, job, fault } => {
                    let delivered = self.face.cut(&resource, exchange, self.drain_timeout);
                    self.face.failed(&job, fault.delivered(delivered));
                }
                Effect::Close { resource } => self.face.close(&resource),
                Effect::Abort(handle) => handle.abort(),
                Effect::Grant { .. }
                | Effect::Refuse { .. }
                | Effect::Done { .. }
                | Effect::Hook(_)
                | Effect::Tell(_)
                | Effect::Closed(_) => {}
            }
        }
    }

    fn open(&self, endpoint: usize, slot: u32, id: u64) {
        let Some(engine) = self.me.upgrade() else {
            return;
        };
        let opening = AssertUnwindSafe(self.face.open(endpoint, slot, id)).catch_unwind();
        let task = self.runtime.spawn(
            async move {
                match opening.await {
                    Ok(Ok(opened)) => {
                        engine.decide(|core, now, fx| core.opened(slot, id, opened, now, fx))
                    }
                    Ok(Err(fault)) => {
                        engine.decide(|core, now, fx| core.open_failed(slot, id, fault, now, fx))
                    }
                    Err(_) => {
                        let fault = Fault::new(
                            Code::Connect,
                            "opening a connection panicked; this is a bug in blender-pool",
                        );
                        engine.decide(|core, now, fx| core.open_failed(slot, id, fault, now, fx));
                    }
                }
            }
            .instrument(self.span.clone()),
        );
        let unwanted = self.core().opening(slot, id, task.abort_handle());
        if let Some(task) = unwanted {
            task.abort();
        }
    }

    // ---- for callers -----------------------------------------------------------------------

    /// Asks for a slot, or for a job to be run. The answer comes through the face, possibly before
    /// this returns.
    ///
    /// # Errors
    /// The fault, when the request is refused at once; the job was not kept.
    pub fn submit(&self, ask: Ask, job: impl Into<Arc<F::Job>>) -> Result<RequestKey, Fault> {
        let job = job.into();
        self.decide(|core, now, fx| core.submit(ask, job, now, fx))
    }

    /// From now on the pool opens by itself what it should keep open. The first request says so
    /// too.
    pub fn begin(&self) {
        self.decide(|core, now, fx| core.begin(now, fx));
    }

    /// Gives out slots, after a pause.
    ///
    /// # Errors
    /// [`Code::Closed`].
    pub fn ready(&self) -> Result<(), Fault> {
        self.decide(|core, now, fx| core.ready(now, fx))
    }

    /// Gives out no slots until [`ready`](Self::ready); those who wait are refused with
    /// [`Code::Cleared`].
    ///
    /// # Errors
    /// [`Code::Closed`].
    pub fn pause(&self) -> Result<(), Fault> {
        self.decide(|core, now, fx| core.pause(now, fx))
    }

    /// Makes everything stale that is open, at one endpoint or everywhere (then the pool is
    /// paused), and refuses those who wait for it with [`Code::Cleared`].
    ///
    /// # Errors
    /// [`Code::Closed`].
    pub fn clear(&self, endpoint: Option<usize>, interrupt: bool) -> Result<(), Fault> {
        self.decide(|core, now, fx| core.clear(endpoint, interrupt, now, fx))
    }

    /// Sets how many slots are kept filled and how many there may be; the caller sees to it that
    /// the first is not above the second.
    ///
    /// # Errors
    /// [`Code::Closed`].
    pub fn resize(&self, min: Option<u32>, max: Option<u32>) -> Result<(), Fault> {
        self.decide(|core, now, fx| core.resize(min, max, now, fx))
    }

    /// Checks what is idle, tries what has nothing open, and reports on everything through
    /// [`Face::done`], at the latest when the checks have had their time.
    pub fn check_health(&self, job: F::Job) {
        let job = Arc::new(job);
        self.decide(|core, now, fx| core.check_health(job, now, fx));
    }

    /// Takes a held slot out of the pool for user code, when its jobs are done; [`Face::hook`]
    /// follows, or [`Face::failed`] if what it holds is lost first. The holder has let go of it.
    ///
    /// # Errors
    /// [`Code::NotHeld`].
    pub fn recycle(&self, lease: Lease, job: F::Job) -> Result<(), Fault> {
        let job = Arc::new(job);
        self.decide(|core, now, fx| core.recycle(lease, job, now, fx))
    }

    /// User code is done with what a slot holds (or has failed, with this message): the slot is
    /// idle again, or it is closed. A number that is not awaited any more changes nothing.
    pub fn hook_done(&self, lease: Lease, number: u64, error: Option<String>) {
        self.decide(|core, now, fx| core.hook_done(lease, number, error, now, fx));
    }

    /// Gives back the slot of a holder that was garbage collected; says whether it held one.
    pub fn reclaim(&self, lease: Lease) -> bool {
        self.decide(|core, now, fx| core.reclaim(lease, now, fx))
    }

    /// Grants a slot now (through the face, before this returns), or says `false`.
    ///
    /// # Errors
    /// [`Code::Closed`].
    pub fn try_hold(&self, ask: Ask, job: F::Job) -> Result<bool, Fault> {
        let job = Arc::new(job);
        self.decide(|core, now, fx| core.try_hold(ask, job, now, fx))
    }

    /// Turns away from a request, by the number that [`RequestKey::to_number`] gave.
    pub fn cancel(&self, request: f64) -> Cancelled {
        match self.decide(|core, now, fx| core.cancel(request, now, fx)) {
            None => Cancelled::TooLate,
            Some(None) => Cancelled::Waiting,
            Some(Some((resource, exchange))) => {
                Cancelled::Now(self.face.cut(&resource, exchange, self.drain_timeout))
            }
        }
    }

    /// Lets go of a held slot. Jobs that were started on it finish first.
    ///
    /// # Errors
    /// [`Code::NotHeld`]. Letting go of what was lost meanwhile is no error.
    pub fn release(&self, lease: Lease) -> Result<(), Fault> {
        self.decide(|core, now, fx| core.release(lease, now, fx))
    }

    /// The holder has met trouble with what the slot holds, which is checked before anybody else gets
    /// it, if idle slots are checked at all before that.
    pub fn doubt(&self, lease: Lease) {
        self.core().doubt(lease);
    }

    /// Lets go of a held slot and closes what it holds; `why` is told to its running jobs.
    ///
    /// # Errors
    /// [`Code::NotHeld`].
    pub fn discard(&self, lease: Lease, why: Fault) -> Result<(), Fault> {
        self.decide(|core, now, fx| core.discard(lease, why, now, fx))
    }

    /// Closes the pool: refuses those who wait, lets the others finish for at most `within`
    /// (nothing: cuts them now). [`Face::closed`] follows, once, however often this is called.
    pub fn close(&self, within: Duration) {
        self.decide(|core, now, fx| core.close(now.checked_add(within), now, fx));
    }

    /// A holder has started what the rate let go ahead.
    pub fn started(&self, lease: Lease) {
        self.decide(|core, now, fx| core.started(lease, now, fx));
    }

    /// What JavaScript was allowed to start, and has begun, will never start.
    pub fn turn_back(&self) {
        self.decide(|core, now, fx| core.turn_back(now, fx));
    }

    /// Refuses all who wait for a slot with `fault`; nothing else changes.
    pub fn turn_away(&self, fault: Fault) {
        self.decide(|core, now, fx| core.turn_away(&fault, now, fx));
    }

    /// Which events are worth making.
    pub fn observe(&self, observed: Observed) {
        self.core().observed = observed;
    }

    // ---- for the face ----------------------------------------------------------------------

    /// The job on `slot` is over; `tell` is called with it, as [`Face::failed`] would be, unless its
    /// caller has gone. If the slot is fit for more, the next job is running when this returns,
    /// and else [`ended`](Self::ended) follows.
    pub fn finished(
        &self,
        slot: u32,
        id: u64,
        failed: bool,
        fit: bool,
        tell: impl FnOnce(&F::Job),
    ) {
        self.decide(|core, now, fx| {
            if let Some(job) = core.finished(slot, id, failed, fit, now, fx) {
                tell(&job);
            }
        });
    }

    /// The job on `slot` failed and what the slot holds is broken; [`ended`](Self::ended) follows.
    /// `tell` as for [`finished`](Self::finished).
    pub fn broke(&self, slot: u32, id: u64, fault: &Fault, tell: impl FnOnce(&F::Job)) {
        self.decide(|core, now, fx| {
            if let Some(job) = core.broke(slot, id, fault, now, fx) {
                tell(&job);
            }
        });
    }

    /// Nothing could be opened for the job on `slot`, and nothing was sent.
    pub fn unsent(&self, slot: u32, id: u64, fault: Fault) {
        self.decide(|core, now, fx| core.unsent(slot, id, fault, now, fx));
    }

    /// The check of what `slot` holds came to the end that it is unfit; [`ended`](Self::ended)
    /// follows.
    pub fn found_unfit(&self, slot: u32, id: u64, fault: &Fault) {
        self.decide(|core, now, fx| core.found_unfit(slot, id, fault, now, fx));
    }

    /// User code failed that ran on `id` of `endpoint`, beside any hook. `false`: the pool is closed,
    /// and tells nothing any more.
    pub fn user_code_failed(&self, endpoint: usize, id: u64, hook: Hook, fault: Fault) -> bool {
        self.decide(|core, _, fx| core.user_code_failed(endpoint, id, hook, fault, fx))
    }

    /// What slot `slot` held is gone.
    pub fn ended(&self, slot: u32, id: u64, fault: Option<Fault>) {
        self.decide(|core, now, fx| core.ended(slot, id, fault, now, fx));
    }

    /// Bytes came on `slot` that nobody had asked for; [`ended`](Self::ended) follows.
    pub fn desync(&self, slot: u32, id: u64, fault: Fault) {
        self.decide(|core, _, fx| core.desync(slot, id, fault, fx));
    }
}

impl<F: Face> Drop for Engine<F> {
    /// A pool that nobody can reach any more closes what it has open.
    fn drop(&mut self) {
        let core = self.core.get_mut().unwrap_or_else(PoisonError::into_inner);
        let mut open = Vec::new();
        core.each_slot(|view| open.extend(view.resource.cloned()));
        for resource in open {
            self.face.close(&resource);
        }
        self.keeper.notify_one();
    }
}
