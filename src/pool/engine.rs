//! The engine: the core's decisions, carried out.
//!
//! One short lock around [`Core`]. Callers are told while it is held, so that they are told in the
//! order of the decisions; all else that a decision asks for is done after it is gone, on the thread
//! that happened to ask. Opening runs as a task; one more task, the keeper, waits for the
//! next deadline.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::Instrument;

use super::core::{Core, Effect, Effects, Phase};
use super::face::{Face, Habits, Start};
use super::keeper::keep;
use super::request::{Kind, RequestKey};
use super::settings::Settings;
use super::table::Lease;
use crate::fault::{Code, Delivered, Fault};

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
    /// It will have no outcome; this is whether it may have run.
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

    pub(super) fn core(&self) -> MutexGuard<'_, Core<F>> {
        // The core panics only on a bug in itself; then it is better to go on than to hang.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides under the lock, then does what was decided.
    pub(super) fn decide<T>(
        &self,
        decision: impl FnOnce(&mut Core<F>, Instant, &mut Effects<F>) -> T,
    ) -> T {
        let (result, effects) = self.decide_only(decision);
        self.carry_out(effects);
        self.face.told();
        result
    }

    /// Decides under the lock; what is left to do comes back with the result.
    fn decide_only<T>(
        &self,
        decision: impl FnOnce(&mut Core<F>, Instant, &mut Effects<F>) -> T,
    ) -> (T, Effects<F>) {
        let mut effects = Vec::new();
        let now = Instant::now();
        let (result, wake) = {
            let mut core = self.core();
            let result = decision(&mut core, now, &mut effects);
            // Callers and listeners are told while the lock is held, so that they are told in the
            // order of the decisions, whatever thread made them.
            effects.retain(|effect| !self.tell(effect));
            (result, core.deadlines.rearm() || core.phase == Phase::Closed)
        };
        if wake {
            self.keeper.notify_one();
        }
        (result, effects)
    }

    /// Tells whoever has to be told, if that is what the effect asks for.
    fn tell(&self, effect: &Effect<F>) -> bool {
        match effect {
            Effect::Grant { job, grant } => self.face.granted(job, grant),
            Effect::Refuse { job, fault } => self.face.failed(job, fault.clone()),
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
                Effect::Open { endpoint, slot, id } => self.open(endpoint, slot, id),
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
                Effect::Cut { resource, exchange, job, fault } => {
                    let delivered = self.face.cut(&resource, exchange, self.drain_timeout);
                    self.face.failed(&job, fault.delivered(delivered));
                }
                Effect::Close { resource } => self.face.close(&resource),
                Effect::Abort(handle) => handle.abort(),
                Effect::Grant { .. }
                | Effect::Refuse { .. }
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
    pub fn submit(
        &self,
        kind: Kind,
        endpoint: Option<usize>,
        timeout: Option<Duration>,
        job: F::Job,
    ) -> Result<RequestKey, Fault> {
        let job = Arc::new(job);
        self.decide(|core, now, fx| core.submit(kind, endpoint, timeout, job, now, fx))
    }

    /// Grants a slot now (through the face, before this returns), or says `false`.
    ///
    /// # Errors
    /// [`Code::Closed`].
    pub fn try_hold(&self, endpoint: Option<usize>, job: F::Job) -> Result<bool, Fault> {
        let job = Arc::new(job);
        self.decide(|core, now, fx| core.try_hold(endpoint, job, now, fx))
    }

    /// Turns away from a request, by the number that [`RequestKey::to_number`] gave.
    pub fn cancel(&self, request: f64) -> Cancelled {
        match self.decide(|core, now, fx| core.cancel(request, now, fx)) {
            None => Cancelled::TooLate,
            Some(None) => Cancelled::Now(Delivered::No),
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

    /// Whether events are worth making.
    pub fn observe(&self, on: bool) {
        self.core().observed = on;
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
        self.decide(|core, _, fx| {
            if let Some(job) = core.broke(slot, id, fault, fx) {
                tell(&job);
            }
        });
    }

    /// Nothing could be opened for the job on `slot`, and nothing was sent.
    pub fn unsent(&self, slot: u32, id: u64, fault: Fault) {
        self.decide(|core, now, fx| core.unsent(slot, id, fault, now, fx));
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
