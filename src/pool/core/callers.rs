//! What callers ask for: a slot, a job, to turn away, to let go.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Core, Effect, Effects, Phase, Running};
use crate::fault::{Code, Fault};
use crate::pool::event::{Event, Name, Reason};
use crate::pool::face::Face;
use crate::pool::request::{Ask, Kind, Place, RequestKey};
use crate::pool::table::Lease;

impl<F: Face> Core<F> {
    /// Takes a request in. Its job is granted, started or refused by effects, now or later.
    ///
    /// # Errors
    /// The fault, when the request is refused at once; then the job was not kept.
    pub(in crate::pool) fn submit(
        &mut self,
        ask: Ask,
        job: Arc<F::Job>,
        now: Instant,
        fx: &mut Effects<F>,
    ) -> Result<RequestKey, Fault> {
        let kind = ask.kind;
        let endpoint = self.destination(&ask, now);
        if let Kind::RunHeld(lease) = kind {
            if !self.in_hook(lease) {
                self.check_holder(lease)?;
            }
        } else {
            self.begin_check_out(kind, ask.endpoint, fx)?;
        }
        if self.requests.len() >= RequestKey::MAX {
            let fault = self.queue_full(RequestKey::MAX);
            self.tell_failed(kind, endpoint, now, &fault, now, fx);
            return Err(fault);
        }
        if !matches!(kind, Kind::RunHeld(_)) {
            self.try_sooner(endpoint, now);
        }
        if matches!(kind, Kind::Hold | Kind::Run)
            && let Some(fault) = self.refuse_at_once(endpoint, now)
        {
            self.tell_failed(kind, endpoint, now, &fault, now, fx);
            return Err(fault);
        }
        let key = self.enter(ask, job, now);
        match kind {
            Kind::Warm => {
                self.requests[key.index].place = Place::Warming;
                self.warming.join(&mut self.requests, key.index);
                self.serve(now, fx);
            }
            Kind::Hold | Kind::Run => {
                self.queue(key, now);
                self.serve(now, fx);
                // Only now is it known whether it had to wait at all.
                let waits = self
                    .requests
                    .get(key.index)
                    .is_some_and(|r| r.number == key.number && r.place == Place::Queued);
                if waits
                    && self.waiting() - self.coming().min(self.waiting())
                        > self.settings.max_waiting
                {
                    self.take_out(key);
                    let fault = self.queue_full(self.settings.max_waiting);
                    self.tell_failed(kind, endpoint, now, &fault, now, fx);
                    return Err(fault);
                }
                if waits {
                    self.mind_queue(fx);
                }
            }
            Kind::RunHeld(lease) => {
                let slot = &mut self.slots[lease.slot as usize];
                if slot.running.is_some() || slot.turn.is_some() {
                    slot.behind.join(&mut self.requests, key.index);
                    self.requests[key.index].place = Place::Behind;
                } else {
                    self.await_turn(key, lease.slot);
                    self.serve(now, fx);
                }
            }
        }
        self.limit_wait(key);
        Ok(key)
    }

    /// A slot for a holder now, or nothing; never passes those who wait.
    pub(in crate::pool) fn try_hold(
        &mut self,
        ask: Ask,
        job: Arc<F::Job>,
        now: Instant,
        fx: &mut Effects<F>,
    ) -> Result<bool, Fault> {
        let endpoint = ask.endpoint;
        self.begin_check_out(Kind::Hold, endpoint, fx)?;
        let key = self.enter(ask, job, now);
        self.queue(key, now);
        self.give_out(now, fx);
        let waits =
            self.requests.get(key.index).is_some_and(|request| request.number == key.number);
        if waits {
            self.take_out(key);
            if self.observed.has(Name::CheckOutFailed) {
                let none = Fault::new(
                    Code::AcquireTimeout,
                    format!("no {} is idle now", F::WORDING.thing),
                );
                self.tell_failed(Kind::Hold, endpoint, now, &none, now, fx);
            }
        }
        Ok(!waits)
    }

    /// The caller turns away. `None`: it has been told its outcome already, or is being told.
    /// `Some(None)`: nothing had begun. `Some(Some(resource))`: this runs its job and must be cut.
    pub(in crate::pool) fn cancel(
        &mut self,
        packed: f64,
        now: Instant,
        fx: &mut Effects<F>,
    ) -> Option<Option<Running<F::Resource>>> {
        let index = RequestKey::index_of(packed);
        let request = self.requests.get(index)?;
        let key = RequestKey { index, number: request.number };
        if !key.is(packed) {
            return None;
        }
        let request = self.take_out(key);
        let concerned = match request.place {
            Place::Running(slot) => Some(self.slots[slot as usize].endpoint),
            _ => request.endpoint,
        };
        self.count_for(concerned, |counters| counters.aborted += 1);
        let Place::Running(slot) = request.place else {
            self.go_on(&request, now, fx);
            self.serve(now, fx);
            return Some(None);
        };
        let cut = self.cut_off(slot, Reason::Error, self.cut_short(slot), fx);
        self.serve(now, fx);
        Some(cut)
    }

    /// The holder lets go.
    ///
    /// # Errors
    /// [`Code::NotHeld`] when it does not hold the slot (any more).
    pub(in crate::pool) fn release(
        &mut self,
        lease: Lease,
        now: Instant,
        fx: &mut Effects<F>,
    ) -> Result<(), Fault> {
        if self.lost.remove(&lease).is_some() {
            return Ok(());
        }
        self.check_holder(lease)?;
        self.let_go(lease, now, fx);
        let slot = &mut self.slots[lease.slot as usize];
        slot.leaving = true;
        if slot.running.is_none() && slot.turn.is_none() {
            self.next_for(lease.slot, now, fx);
        }
        self.serve(now, fx);
        Ok(())
    }

    /// The holder throws the slot's content away.
    ///
    /// # Errors
    /// [`Code::NotHeld`] as for [`release`](Self::release).
    pub(in crate::pool) fn discard(
        &mut self,
        lease: Lease,
        fault: Fault,
        now: Instant,
        fx: &mut Effects<F>,
    ) -> Result<(), Fault> {
        if self.lost.remove(&lease).is_some() {
            return Ok(());
        }
        self.check_holder(lease)?;
        self.let_go(lease, now, fx);
        let fault = self.about(lease.slot, fault);
        let running = self.slots[lease.slot as usize].running;
        if let Some(key) = running {
            let request = self.take_out(key);
            if let Some((resource, exchange)) =
                self.cut_off(lease.slot, Reason::Discarded, fault, fx)
            {
                let fault = self.cut_short(lease.slot);
                fx.push(Effect::Cut { resource, exchange, job: request.job, fault });
            }
        } else {
            self.retire(lease.slot, Reason::Discarded, Some(&fault), fx);
        }
        // A holder that lets go by discarding has nothing left to release.
        self.lost.remove(&lease);
        self.serve(now, fx);
        Ok(())
    }

    /// A holder lets go, in whatever way: what is known of its hold is settled.
    pub(super) fn let_go(&mut self, lease: Lease, now: Instant, fx: &mut Effects<F>) {
        self.out_of_hand(lease.slot);
        let slot = &mut self.slots[lease.slot as usize];
        let endpoint = slot.endpoint;
        if std::mem::take(&mut slot.leaking) {
            self.tell_of(lease.slot, Name::LeakReturned, fx, |slot| Event::LeakReturned {
                id: slot.id,
                endpoint,
                lease,
                held: now.saturating_duration_since(slot.claimed_at),
            });
        }
        self.count_at(endpoint, |counters| counters.released += 1);
    }

    /// The holder was garbage collected. Says whether it still held the slot; then it is let go of.
    pub(in crate::pool) fn reclaim(
        &mut self,
        lease: Lease,
        now: Instant,
        fx: &mut Effects<F>,
    ) -> bool {
        if self.lost.remove(&lease).is_some() || self.check_holder(lease).is_err() {
            return false;
        }
        let slot = &self.slots[lease.slot as usize];
        let (endpoint, held) = (slot.endpoint, now.saturating_duration_since(slot.claimed_at));
        self.count_at(endpoint, |counters| counters.reclaimed += 1);
        self.tell_of(lease.slot, Name::LeaseLost, fx, |slot| Event::LeaseLost {
            id: slot.id,
            endpoint,
            lease,
            held,
        });
        self.release(lease, now, fx).is_ok()
    }

    /// A holder has kept its slot for as long as is thought to be right.
    pub(super) fn held_too_long(&mut self, lease: Lease, now: Instant, fx: &mut Effects<F>) {
        if self.check_holder(lease).is_err() {
            return;
        }
        let slot = &mut self.slots[lease.slot as usize];
        slot.leaking = true;
        let (endpoint, held) = (slot.endpoint, now.saturating_duration_since(slot.claimed_at));
        self.count_at(endpoint, |counters| counters.leaks += 1);
        self.tell_of(lease.slot, Name::LeakDetected, fx, |slot| Event::LeakDetected {
            id: slot.id,
            endpoint,
            lease,
            held,
        });
    }

    /// A caller asks for a slot: that is told before anything else, even of a pool that has none.
    fn begin_check_out(
        &mut self,
        kind: Kind,
        endpoint: Option<usize>,
        fx: &mut Effects<F>,
    ) -> Result<(), Fault> {
        self.begun = true;
        if kind == Kind::Hold {
            self.want_shelf();
        }
        if kind == Kind::Warm {
            return self.check_open();
        }
        self.tell(Name::CheckOutStarted, fx, || Event::CheckOutStarted { endpoint });
        let open = self.check_open();
        if let Err(fault) = &open {
            let now = Instant::now();
            self.tell_failed(kind, endpoint, now, fault, now, fx);
        }
        open
    }

    pub(super) fn check_open(&self) -> Result<(), Fault> {
        match self.phase {
            Phase::Ready => Ok(()),
            Phase::Paused => Err(Fault::new(Code::Cleared, "the pool is paused")),
            Phase::Closing => Err(Fault::new(Code::Closed, "the pool is closing")),
            Phase::Closed => Err(Fault::new(Code::Closed, "the pool is closed")),
        }
    }

    pub(in crate::pool) fn check_holder(&self, lease: Lease) -> Result<(), Fault> {
        if let Some(fault) = self.lost.get(&lease) {
            return Err(fault.clone());
        }
        if self.table.is_held(lease)
            && self.slots[lease.slot as usize].held
            && !self.slots[lease.slot as usize].leaving
        {
            return Ok(());
        }
        let message = format!("this {} is not held: it was released already", F::WORDING.thing);
        Err(Fault::new(Code::NotHeld, message))
    }

    pub(super) fn queue_full(&self, limit: usize) -> Fault {
        let message = format!("{limit} callers wait for a {} already", F::WORDING.thing);
        Fault::new(Code::QueueFull, message).detail("waiting", limit)
    }
}
