//! Every decision of the pool, and nothing else: no await, no I/O, no callback.
//!
//! The engine calls a method here under its one short lock and gets a list of [`Effect`]s, which
//! it carries out after the lock is gone. What belongs to whom is written in the slot table alone;
//! the fields here say what is *known about* a slot, and who waits.
//!
//! The order in which callers are served is the order in which they came, with three exceptions,
//! each so that nobody waits for what is not needed:
//! - a caller who wants to *hold* a slot may pass one whose *job* waits for its turn at a busy
//!   endpoint, as long as a slot is left for jobs;
//! - a job of a holder needs no slot, only its turn;
//! - a caller who names an endpoint is passed by those whom another endpoint can serve.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use slab::Slab;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::deadlines::Deadlines;
use super::endpoint::{Endpoint, Lines};
use super::event::{Event, Reason};
use super::face::{CloseReport, Face, Grant, Habits, Opened};
use super::fifo::Fifo;
use super::request::{Kind, Place, Request, RequestKey};
use super::settings::Settings;
use super::state::State;
use super::stats::Counters;
use super::table::{Lease, SlotTable};
use crate::fault::{Code, Fault};

/// After a quiet endpoint was hung up on, its add-on still prints a line or two about it; nothing
/// is started there until that is over, or the line lands in somebody's result.
const HUSH: Duration = Duration::from_millis(25);

/// What is left to do once the lock is released, in order.
pub(super) enum Effect<F: Face> {
    Open { endpoint: usize, slot: u32, id: u64 },
    Start { key: RequestKey, resource: Arc<F::Resource>, slot: u32, id: u64, exchange: u64, job: Arc<F::Job> },
    Grant { job: Arc<F::Job>, grant: Grant<F::Resource> },
    Refuse { job: Arc<F::Job>, fault: Fault },
    /// Cut the running job and tell its caller why.
    Cut { resource: Arc<F::Resource>, exchange: u64, job: Arc<F::Job>, fault: Fault },
    Close { resource: Arc<F::Resource> },
    Abort(AbortHandle),
    Tell(Event),
    Closed(CloseReport),
}

/// What runs a job, and the number of that job.
pub(super) type Running<R> = (Arc<R>, u64);

/// Effects, in the order in which they were decided.
pub(super) type Effects<F> = Vec<Effect<F>>;

/// What the timer is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Timer {
    /// A request's deadline.
    Request(RequestKey),
    /// Something may be tried again, or somebody's patience with an endpoint is over.
    Endpoint(usize),
    /// A quiet endpoint may be spoken to again.
    Unhush(usize),
    /// Closing the pool has taken long enough.
    Close,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Ready,
    Closing,
    Closed,
}

/// What is known about one slot. Means something while the slot is not EMPTY.
struct Slot<R> {
    id: u64,
    endpoint: usize,
    resource: Option<Arc<R>>,
    opened_at: Instant,
    /// The attempt to open it, while it runs.
    opening: Option<AbortHandle>,
    lease: Option<Lease>,
    /// Held by a caller (acquire), rather than claimed for one job.
    held: bool,
    /// The holder has let go; the slot is free when its jobs are done.
    leaving: bool,
    running: Option<RequestKey>,
    /// The number of the job that was started last.
    exchange: u64,
    /// Counted in the endpoint's `in_flight`.
    in_flight: bool,
    /// Jobs of the holder, behind the one that runs.
    behind: Fifo,
    uses: u64,
    used_at: Instant,
    reason: Option<Reason>,
}

pub(super) struct Core<F: Face> {
    pub phase: Phase,
    pub settings: Settings,
    pub table: Arc<SlotTable>,
    pub requests: Slab<Request<F::Job>>,
    pub endpoints: Vec<Endpoint>,
    pub deadlines: Deadlines<Timer>,
    pub counters: Counters,
    pub observed: bool,
    slots: Vec<Slot<F::Resource>>,
    /// Slots that are EMPTY; the lowest index last.
    empty: Vec<u32>,
    /// Callers for whom any endpoint will do.
    anywhere: Lines,
    /// A slot that was let go of a moment ago: handed to the next in line without ever being
    /// idle, or else put back.
    freed: Option<Lease>,
    held: usize,
    last_number: u64,
    last_id: u64,
    last_exchange: u64,
    /// Leases that were lost while held, and why: their holders have not let go yet.
    lost: HashMap<Lease, Fault>,
    closing_since: Option<Instant>,
    report: CloseReport,
}

impl<F: Face> Core<F> {
    pub fn new(settings: Settings, endpoints: Vec<(Arc<str>, Habits)>) -> Self {
        let table = Arc::new(SlotTable::new(settings.max_slots));
        let now = Instant::now();
        let slot = || Slot {
            id: 0,
            endpoint: 0,
            resource: None,
            opened_at: now,
            opening: None,
            lease: None,
            held: false,
            leaving: false,
            running: None,
            exchange: 0,
            in_flight: false,
            behind: Fifo::default(),
            uses: 0,
            used_at: now,
            reason: None,
        };
        Core {
            phase: Phase::Ready,
            requests: Slab::new(),
            endpoints: endpoints
                .into_iter()
                .map(|(name, habits)| Endpoint::new(name, habits, table.bitmap_len()))
                .collect(),
            deadlines: Deadlines::default(),
            counters: Counters::default(),
            observed: false,
            slots: (0..settings.max_slots).map(|_| slot()).collect(),
            empty: (0..settings.max_slots).rev().collect(),
            anywhere: Lines::default(),
            freed: None,
            held: 0,
            last_number: 0,
            last_id: 0,
            last_exchange: 0,
            lost: HashMap::new(),
            closing_since: None,
            report: CloseReport::default(),
            settings,
            table,
        }
    }

    // ---- callers ---------------------------------------------------------------------------

    /// Takes a request in. Its job is granted, started or refused by effects, now or later.
    ///
    /// # Errors
    /// The fault, when the request is refused at once; then the job was not kept.
    pub fn submit(
        &mut self,
        kind: Kind,
        endpoint: Option<usize>,
        timeout: Option<Duration>,
        job: Arc<F::Job>,
        now: Instant,
        fx: &mut Effects<F>,
    ) -> Result<RequestKey, Fault> {
        if let Kind::RunHeld(lease) = kind {
            self.check_holder(lease)?;
        } else {
            self.check_open()?;
        }
        let key = self.enter(kind, endpoint, timeout, job, now);
        match kind {
            Kind::Hold | Kind::Run => {
                self.queue(key);
                self.serve(now, fx);
                // Only now is it known whether it had to wait at all.
                let waits = self.requests.get(key.index).is_some_and(|r| r.number == key.number && r.place == Place::Queued);
                if waits && self.waiting() - self.connecting().min(self.waiting()) > self.settings.max_waiting {
                    self.take_out(key);
                    return Err(self.queue_full());
                }
                if waits {
                    self.mind_patience(endpoint, now);
                }
            }
            Kind::RunHeld(lease) => {
                let slot = &mut self.slots[lease.slot as usize];
                if slot.running.is_some() || !slot.behind.is_empty() {
                    slot.behind.join(&mut self.requests, key.index);
                    self.requests[key.index].place = Place::Behind;
                } else {
                    self.await_turn(key, lease.slot);
                    self.serve(now, fx);
                }
            }
        }
        Ok(key)
    }

    /// A slot for a holder now, or nothing; never passes those who wait.
    pub fn try_hold(&mut self, endpoint: Option<usize>, job: Arc<F::Job>, now: Instant, fx: &mut Effects<F>) -> Result<bool, Fault> {
        self.check_open()?;
        let key = self.enter(Kind::Hold, endpoint, None, job, now);
        self.queue(key);
        self.give_out(now, fx);
        let waits = self.requests.get(key.index).is_some_and(|request| request.number == key.number);
        if waits {
            self.take_out(key);
        }
        Ok(!waits)
    }

    /// The caller turns away. `None`: it has been told its outcome already, or is being told.
    /// `Some(None)`: nothing had begun. `Some(Some(resource))`: this runs its job and must be cut.
    pub fn cancel(&mut self, packed: f64, now: Instant, fx: &mut Effects<F>) -> Option<Option<Running<F::Resource>>> {
        let index = RequestKey::index_of(packed);
        let request = self.requests.get(index)?;
        let key = RequestKey { index, number: request.number };
        if !key.is(packed) {
            return None;
        }
        self.counters.aborted += 1;
        let request = self.take_out(key);
        let Place::Running(slot) = request.place else {
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
    pub fn release(&mut self, lease: Lease, now: Instant, fx: &mut Effects<F>) -> Result<(), Fault> {
        if self.lost.remove(&lease).is_some() {
            return Ok(());
        }
        self.check_holder(lease)?;
        self.counters.released += 1;
        let slot = &mut self.slots[lease.slot as usize];
        slot.leaving = true;
        if slot.running.is_none() && slot.behind.is_empty() && !self.has_turn(lease.slot) {
            self.vacate(lease.slot, now, fx);
        }
        self.serve(now, fx);
        Ok(())
    }

    /// The holder throws the slot's content away.
    ///
    /// # Errors
    /// [`Code::NotHeld`] as for [`release`](Self::release).
    pub fn discard(&mut self, lease: Lease, fault: Fault, now: Instant, fx: &mut Effects<F>) -> Result<(), Fault> {
        if self.lost.remove(&lease).is_some() {
            return Ok(());
        }
        self.check_holder(lease)?;
        self.counters.released += 1;
        let running = self.slots[lease.slot as usize].running;
        if let Some(key) = running {
            let request = self.take_out(key);
            if let Some((resource, exchange)) = self.cut_off(lease.slot, Reason::Discarded, fault, fx) {
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

    fn check_open(&self) -> Result<(), Fault> {
        match self.phase {
            Phase::Ready => Ok(()),
            Phase::Closing => Err(Fault::new(Code::Closed, "the pool is closing")),
            Phase::Closed => Err(Fault::new(Code::Closed, "the pool is closed")),
        }
    }

    fn check_holder(&self, lease: Lease) -> Result<(), Fault> {
        if let Some(fault) = self.lost.get(&lease) {
            return Err(fault.clone());
        }
        if self.table.is_held(lease) && self.slots[lease.slot as usize].held && !self.slots[lease.slot as usize].leaving {
            return Ok(());
        }
        Err(Fault::new(Code::NotHeld, "this connection is not held: it was released already"))
    }

    fn queue_full(&self) -> Fault {
        let limit = self.settings.max_waiting;
        Fault::new(Code::QueueFull, format!("{limit} callers wait for a connection already (maxWaiting)")).detail("waiting", limit)
    }

    fn enter(&mut self, kind: Kind, endpoint: Option<usize>, timeout: Option<Duration>, job: Arc<F::Job>, now: Instant) -> RequestKey {
        assert!(self.requests.len() < RequestKey::MAX, "more than {} requests at a time", RequestKey::MAX);
        self.last_number += 1;
        let number = self.last_number;
        let until = timeout.and_then(|timeout| now.checked_add(timeout));
        let index = self.requests.insert(Request {
            job,
            kind,
            endpoint,
            number,
            place: Place::Queued,
            queued_at: now,
            until,
            stamp: None,
            links: Default::default(),
        });
        let key = RequestKey { index, number };
        let waits_until = now.checked_add(self.settings.acquire_timeout);
        self.set_deadline(key, waits_until);
        key
    }

    /// The earlier of `at` and the caller's own deadline.
    fn set_deadline(&mut self, key: RequestKey, at: Option<Instant>) {
        let request = &mut self.requests[key.index];
        if let Some(stamp) = request.stamp.take() {
            self.deadlines.remove(stamp);
        }
        let at = match (at, request.until) {
            (Some(at), Some(until)) => Some(at.min(until)),
            (at, until) => at.or(until),
        };
        request.stamp = at.map(|at| self.deadlines.insert(at, Timer::Request(key)));
    }

    fn queue(&mut self, key: RequestKey) {
        self.requests[key.index].place = Place::Queued;
        let Request { kind, endpoint, .. } = self.requests[key.index];
        line(&mut self.anywhere, &mut self.endpoints, kind, endpoint).join(&mut self.requests, key.index);
    }

    /// Takes a request out of wherever it stands; from here on its caller is told by us, once.
    fn take_out(&mut self, key: RequestKey) -> Request<F::Job> {
        let Request { place, kind, endpoint, stamp, .. } = self.requests[key.index];
        match (place, kind) {
            (Place::Running(slot), _) => self.slots[slot as usize].running = None,
            (Place::Queued, _) => {
                line(&mut self.anywhere, &mut self.endpoints, kind, endpoint).leave(&mut self.requests, key.index);
            }
            (Place::Turn, Kind::RunHeld(lease)) => {
                let endpoint = self.slots[lease.slot as usize].endpoint;
                self.endpoints[endpoint].turns.leave(&mut self.requests, key.index);
            }
            (Place::Behind, Kind::RunHeld(lease)) => {
                self.slots[lease.slot as usize].behind.leave(&mut self.requests, key.index);
            }
            (Place::Turn | Place::Behind, _) => unreachable!("only a holder's job waits there"),
        }
        if let Some(stamp) = stamp {
            self.deadlines.remove(stamp);
        }
        self.requests.remove(key.index)
    }

    fn key_of(&self, index: usize) -> RequestKey {
        RequestKey { index, number: self.requests[index].number }
    }

    pub fn waiting(&self) -> usize {
        self.anywhere.len() + self.endpoints.iter().map(|endpoint| endpoint.lines.len()).sum::<usize>()
    }

    // ---- serving ---------------------------------------------------------------------------

    fn connecting(&self) -> usize {
        self.endpoints.iter().map(|endpoint| endpoint.connecting).sum()
    }

    /// Gives out what is there, then opens what is missing.
    pub fn serve(&mut self, now: Instant, fx: &mut Effects<F>) {
        self.say_farewells(now, fx);
        self.give_out(now, fx);
        self.put_back();
        self.open_missing(now, fx);
        if self.phase == Phase::Closing {
            self.close_idle(fx);
        }
    }

    /// Nobody wanted the slot that became free: IN_USE → IDLE.
    fn put_back(&mut self) {
        if let Some(freed) = self.freed.take()
            && self.table.release(freed).is_err()
        {
            self.counters.races += 1;
        }
    }

    fn give_out(&mut self, now: Instant, fx: &mut Effects<F>) {
        while let Some((index, slot)) = self.pick(now) {
            let key = self.key_of(index);
            match self.requests[index].kind {
                Kind::RunHeld(lease) => {
                    let endpoint = self.slots[lease.slot as usize].endpoint;
                    self.endpoints[endpoint].turns.leave(&mut self.requests, index);
                    self.start(key, lease.slot, now, fx);
                }
                kind => {
                    let claimed = match self.freed.take_if(|freed| freed.slot == slot) {
                        Some(freed) => self.table.hand_off(freed),
                        None => self.table.claim(slot),
                    };
                    let Ok(lease) = claimed else {
                        // No rule allows it: only this lock claims and hands off.
                        self.counters.races += 1;
                        break;
                    };
                    self.slots[slot as usize].lease = Some(lease);
                    if kind == Kind::Hold {
                        self.grant(key, lease, now, fx);
                    } else {
                        let endpoint = self.requests[index].endpoint;
                        line(&mut self.anywhere, &mut self.endpoints, kind, endpoint).leave(&mut self.requests, index);
                        self.start(key, slot, now, fx);
                    }
                }
            }
        }
    }

    /// Who is next, and (unless it has its slot already) which slot it gets.
    fn pick(&self, now: Instant) -> Option<(usize, u32)> {
        let mut best: Option<(u64, usize, u32)> = None;
        let mut offer = |index: Option<usize>, slot: u32| {
            if let Some(index) = index {
                let number = self.requests[index].number;
                if best.is_none_or(|(first, ..)| number < first) {
                    best = Some((number, index, slot));
                }
            }
        };
        let first_run = self.first_number(&self.anywhere.runs, |endpoint| &endpoint.lines.runs);
        // A holder passes waiting jobs only while a slot is left for them.
        let may_hold = |index: &usize| {
            first_run.is_none_or(|run| self.requests[*index].number < run) || self.held + 1 < self.settings.max_slots as usize
        };
        let mut least: Option<(usize, u32)> = None;
        let mut idle_anywhere: Option<(usize, u32)> = None;
        for (at, endpoint) in self.endpoints.iter().enumerate() {
            let may_start = endpoint.permits() > 0;
            if may_start && let Some(first) = endpoint.turns.first() {
                if !self.waits_to_open(at, self.requests[first].number, now) {
                    offer(Some(first), 0);
                }
            }
            let Some(idle) = self.idle_at(at) else { continue };
            offer(endpoint.lines.holds.first().filter(may_hold), idle);
            if idle_anywhere.is_none_or(|(load, _)| endpoint.in_flight < load) {
                idle_anywhere = Some((endpoint.in_flight, idle));
            }
            if may_start {
                let first = endpoint.lines.runs.first().into_iter().chain(self.anywhere.runs.first()).map(|r| self.requests[r].number).min();
                if first.is_some_and(|number| self.waits_to_open(at, number, now)) {
                    continue;
                }
                offer(endpoint.lines.runs.first(), idle);
                if least.is_none_or(|(other, _)| endpoint.in_flight < self.endpoints[other].in_flight) {
                    least = Some((at, idle));
                }
            }
        }
        if let Some((_, idle)) = idle_anywhere {
            offer(self.anywhere.holds.first().filter(may_hold), idle);
        }
        if let Some((_, idle)) = least {
            offer(self.anywhere.runs.first(), idle);
        }
        best.map(|(_, index, slot)| (index, slot))
    }

    /// On a quiet endpoint, opening needs a moment in which nothing runs. Whoever came before
    /// request `number` and needs something opened there gets that moment first.
    fn waits_to_open(&self, at: usize, number: u64, now: Instant) -> bool {
        let endpoint = &self.endpoints[at];
        endpoint.habits.quiet
            && endpoint.may_open(now)
            && !self.empty.is_empty()
            && self.idle_at(at).is_none()
            && [&self.anywhere.holds, &self.anywhere.runs, &endpoint.lines.holds, &endpoint.lines.runs]
                .iter()
                .filter_map(|line| line.first())
                .any(|first| self.requests[first].number < number)
    }

    /// A slot of this endpoint that can be given out.
    fn idle_at(&self, at: usize) -> Option<u32> {
        match self.freed {
            Some(freed) if self.slots[freed.slot as usize].endpoint == at => Some(freed.slot),
            _ => self.table.find_idle(&self.endpoints[at].members, self.endpoints[at].hint),
        }
    }

    fn first_number(&self, any: &Fifo, named: impl Fn(&Endpoint) -> &Fifo) -> Option<u64> {
        let firsts = self.endpoints.iter().map(|endpoint| named(endpoint).first()).chain([any.first()]);
        firsts.flatten().map(|index| self.requests[index].number).min()
    }

    fn grant(&mut self, key: RequestKey, lease: Lease, now: Instant, fx: &mut Effects<F>) {
        let request = self.take_out(key);
        self.counters.acquired += 1;
        self.held += 1;
        let slot = &mut self.slots[lease.slot as usize];
        slot.held = true;
        slot.leaving = false;
        let Some(resource) = slot.resource.clone() else { unreachable!("an idle slot holds something") };
        let grant = Grant {
            lease,
            resource,
            endpoint: slot.endpoint,
            id: slot.id,
            age: now.saturating_duration_since(slot.opened_at),
            uses: slot.uses,
        };
        slot.uses += 1;
        slot.used_at = now;
        fx.push(Effect::Grant { job: request.job, grant });
    }

    /// Starts a job on a slot that is its own.
    fn start(&mut self, key: RequestKey, at: u32, now: Instant, fx: &mut Effects<F>) {
        let timeout = now.checked_add(self.settings.job_timeout);
        self.set_deadline(key, timeout);
        self.last_exchange += 1;
        self.counters.commands += 1;
        let slot = &mut self.slots[at as usize];
        slot.running = Some(key);
        slot.exchange = self.last_exchange;
        slot.in_flight = true;
        slot.used_at = now;
        slot.uses += 1;
        self.endpoints[slot.endpoint].in_flight += 1;
        let Some(resource) = slot.resource.clone() else { unreachable!("a claimed slot holds something") };
        let request = &mut self.requests[key.index];
        request.place = Place::Running(at);
        fx.push(Effect::Start { key, resource, slot: at, id: slot.id, exchange: self.last_exchange, job: request.job.clone() });
    }

    fn await_turn(&mut self, key: RequestKey, at: u32) {
        self.requests[key.index].place = Place::Turn;
        let endpoint = self.slots[at as usize].endpoint;
        self.endpoints[endpoint].turns.join(&mut self.requests, key.index);
    }

    fn has_turn(&self, at: u32) -> bool {
        // Only asked when a holder leaves; a holder rarely has a job waiting then.
        let mut index = self.endpoints[self.slots[at as usize].endpoint].turns.first();
        while let Some(this) = index {
            if matches!(self.requests[this].kind, Kind::RunHeld(lease) if lease.slot == at) {
                return true;
            }
            index = self.requests[this].links.behind();
        }
        false
    }

    // ---- what jobs come to -----------------------------------------------------------------

    /// The job that was started on `at` is over, and what the slot holds is fit for more. Returns
    /// the job, unless its caller has gone.
    pub fn finished(&mut self, at: u32, id: u64, failed: bool, now: Instant, fx: &mut Effects<F>) -> Option<Arc<F::Job>> {
        let key = self.running_on(at, id)?;
        self.counters.command_errors += u64::from(failed);
        self.endpoints[self.slots[at as usize].endpoint].prove();
        let request = self.take_out(key);
        self.end_flight(at);
        self.next_for(at, now, fx);
        self.serve(now, fx);
        Some(request.job)
    }

    /// The job that was started on `at` is over and broke what the slot holds; that it
    /// [ended](Self::ended) follows.
    pub fn broke(&mut self, at: u32, id: u64, fault: &Fault, fx: &mut Effects<F>) -> Option<Arc<F::Job>> {
        let key = self.running_on(at, id)?;
        self.counters.command_errors += 1;
        let request = self.take_out(key);
        self.take_away(at, Reason::Error, fault.clone(), fx);
        Some(request.job)
    }

    /// The job could not start on `at`, which is not fit; it is as if it had never left the queue.
    pub fn not_started(&mut self, key: RequestKey, at: u32, id: u64, now: Instant, fx: &mut Effects<F>) {
        if self.running_on(at, id) != Some(key) {
            return;
        }
        self.counters.commands -= 1;
        self.slots[at as usize].running = None;
        self.end_flight(at);
        let lost = self.lost_fault(at, "the connection was found dead before the command was written");
        if let Kind::RunHeld(_) = self.requests[key.index].kind {
            // The caller asked for this very connection: another will not do.
            self.requests[key.index].place = Place::Running(at);
            self.slots[at as usize].running = Some(key);
            let request = self.take_out(key);
            fx.push(Effect::Refuse { job: request.job, fault: lost.clone() });
        } else {
            self.go_back(key);
        }
        self.retire(at, Reason::Error, Some(&lost), fx);
        self.serve(now, fx);
    }

    /// Nothing could be opened for the job that was started on `at`, and nothing was sent. It
    /// waits for another try while its patience lasts.
    pub fn unsent(&mut self, at: u32, id: u64, fault: Fault, now: Instant, fx: &mut Effects<F>) {
        let Some(key) = self.running_on(at, id) else { return };
        let began = self.slots[at as usize].used_at;
        let endpoint = self.slots[at as usize].endpoint;
        self.counters.connect_failures += 1;
        self.counters.commands -= 1;
        self.end_flight(at);
        let patient = fault.is_retryable() && now < self.requests[key.index].queued_at + self.settings.patience;
        let held = matches!(self.requests[key.index].kind, Kind::RunHeld(_));
        if patient && !held {
            self.slots[at as usize].running = None;
            self.go_back(key);
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
        self.note_failure(endpoint, began, fault, now, fx);
        self.serve(now, fx);
    }

    /// The job can never run where it was started; nothing was sent and the slot is as it was.
    pub fn refused(&mut self, key: RequestKey, at: u32, id: u64, fault: Fault, now: Instant, fx: &mut Effects<F>) {
        if self.running_on(at, id) != Some(key) {
            return;
        }
        self.counters.commands -= 1;
        let request = self.take_out(key);
        self.end_flight(at);
        fx.push(Effect::Refuse { job: request.job, fault });
        self.next_for(at, now, fx);
        self.serve(now, fx);
    }

    /// Back to the queue, with what is left of its time to wait.
    fn go_back(&mut self, key: RequestKey) {
        let until = self.requests[key.index].queued_at.checked_add(self.settings.acquire_timeout);
        self.set_deadline(key, until);
        self.queue(key);
    }

    fn running_on(&self, at: u32, id: u64) -> Option<RequestKey> {
        let slot = &self.slots[at as usize];
        slot.running.filter(|_| slot.id == id)
    }

    fn end_flight(&mut self, at: u32) {
        let slot = &mut self.slots[at as usize];
        if std::mem::take(&mut slot.in_flight) {
            self.endpoints[slot.endpoint].in_flight -= 1;
        }
    }

    /// The slot's job is done: the holder's next one, or the slot is free.
    fn next_for(&mut self, at: u32, now: Instant, fx: &mut Effects<F>) {
        let slot = &mut self.slots[at as usize];
        if let Some(next) = slot.behind.first() {
            slot.behind.leave(&mut self.requests, next);
            let key = self.key_of(next);
            self.await_turn(key, at);
        } else if !slot.held || slot.leaving {
            self.vacate(at, now, fx);
        }
    }

    /// Nobody claims the slot any more.
    fn vacate(&mut self, at: u32, now: Instant, fx: &mut Effects<F>) {
        let slot = &mut self.slots[at as usize];
        slot.used_at = now;
        if slot.uses >= self.settings.max_uses {
            return self.retire(at, Reason::Uses, None, fx);
        }
        let Some(lease) = slot.lease.take() else { unreachable!("a slot in use has a lease") };
        if std::mem::take(&mut slot.held) {
            self.held -= 1;
        }
        slot.leaving = false;
        self.endpoints[slot.endpoint].hint = at;
        self.put_back();
        self.freed = Some(lease);
    }

    // ---- leaving the pool ------------------------------------------------------------------

    /// Takes a slot out of service and closes what it holds, at a moment that suits its endpoint.
    fn retire(&mut self, at: u32, reason: Reason, fault: Option<&Fault>, fx: &mut Effects<F>) {
        let fault = fault.cloned().unwrap_or_else(|| self.lost_fault(at, "the connection was closed"));
        self.take_away(at, reason, fault, fx);
        let endpoint = self.slots[at as usize].endpoint;
        if self.endpoints[endpoint].habits.quiet && self.phase == Phase::Ready {
            self.endpoints[endpoint].farewells.push(at);
        } else if let Some(resource) = self.slots[at as usize].resource.clone() {
            fx.push(Effect::Close { resource });
        }
    }

    /// The slot leaves its holder or its job, whichever has it: → UNUSABLE. The caller sees to it
    /// that what it holds is closed.
    fn take_away(&mut self, at: u32, reason: Reason, fault: Fault, fx: &mut Effects<F>) {
        let (state, _) = self.table.read(at);
        let slot = &mut self.slots[at as usize];
        slot.reason.get_or_insert(reason);
        let moved = match (state, slot.lease.take()) {
            (State::InUse, Some(lease)) => {
                if std::mem::take(&mut slot.held) {
                    self.held -= 1;
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
            self.counters.races += 1;
        }
        self.refuse_jobs_of_holder(at, fault, fx);
    }

    fn refuse_jobs_of_holder(&mut self, at: u32, fault: Fault, fx: &mut Effects<F>) {
        let endpoint = self.slots[at as usize].endpoint;
        let mut theirs = Vec::new();
        let mut index = self.endpoints[endpoint].turns.first();
        while let Some(this) = index {
            index = self.requests[this].links.behind();
            if matches!(self.requests[this].kind, Kind::RunHeld(lease) if lease.slot == at) {
                theirs.push(this);
            }
        }
        let mut index = self.slots[at as usize].behind.first();
        while let Some(this) = index {
            index = self.requests[this].links.behind();
            theirs.push(this);
        }
        for index in theirs {
            let key = self.key_of(index);
            let request = self.take_out(key);
            fx.push(Effect::Refuse { job: request.job, fault: fault.clone() });
        }
    }

    /// The slot's job was taken out because its caller is gone or out of time: what the slot holds
    /// may only drain now. Returns what must be cut.
    fn cut_off(&mut self, at: u32, reason: Reason, fault: Fault, fx: &mut Effects<F>) -> Option<Running<F::Resource>> {
        self.take_away(at, reason, fault, fx);
        let slot = &self.slots[at as usize];
        slot.resource.clone().map(|resource| (resource, slot.exchange))
    }

    fn cut_short(&self, at: u32) -> Fault {
        self.lost_fault(at, "its running command was cut short, and the connection with it")
    }

    fn lost_fault(&self, at: u32, message: &str) -> Fault {
        let slot = &self.slots[at as usize];
        Fault::new(Code::ConnectionLost, message).endpoint(&*self.endpoints[slot.endpoint].name).connection(slot.id)
    }

    /// Closes what was to be closed at a quiet endpoint, as soon as nothing runs there.
    fn say_farewells(&mut self, now: Instant, fx: &mut Effects<F>) {
        for at in 0..self.endpoints.len() {
            let endpoint = &mut self.endpoints[at];
            if endpoint.farewells.is_empty() || (endpoint.in_flight > 0 && self.phase == Phase::Ready) || endpoint.hushed {
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

    fn hush(&mut self, endpoint: usize, now: Instant) {
        self.endpoints[endpoint].hushed = true;
        self.deadlines.insert(now + HUSH, Timer::Unhush(endpoint));
    }

    /// What slot `at` held as number `id` is gone.
    pub fn ended(&mut self, at: u32, id: u64, fault: Option<Fault>, now: Instant, fx: &mut Effects<F>) {
        if self.slots[at as usize].id != id || self.slots[at as usize].resource.is_none() {
            return;
        }
        let lost = fault.clone().unwrap_or_else(|| self.lost_fault(at, "the connection was closed"));
        if let Some(key) = self.slots[at as usize].running.take() {
            // Had it been started, its outcome would have come before this.
            self.counters.commands -= 1;
            if let Kind::RunHeld(_) = self.requests[key.index].kind {
                let request = self.take_out(key);
                fx.push(Effect::Refuse { job: request.job, fault: lost.clone() });
            } else {
                self.go_back(key);
            }
        }
        self.take_away(at, Reason::Error, lost, fx);
        let flew = self.slots[at as usize].in_flight;
        self.end_flight(at);
        let reason = self.slots[at as usize].reason.unwrap_or(Reason::Error);
        self.counters.closed(reason);
        self.tell(fx, |slot| Event::ConnectionClosed { id, endpoint: slot.endpoint, reason, fault }, at);
        let endpoint = self.slots[at as usize].endpoint;
        self.empty_slot(at);
        let quiet = &self.endpoints[endpoint];
        if flew && quiet.habits.quiet && !quiet.hushed && self.phase == Phase::Ready {
            self.hush(endpoint, now);
        }
        self.serve(now, fx);
        self.check_closed(now, fx);
    }

    /// Bytes came that nobody had asked for.
    pub fn desync(&mut self, at: u32, id: u64, fault: Fault, fx: &mut Effects<F>) {
        if self.slots[at as usize].id == id {
            self.counters.desyncs += 1;
            self.tell(fx, |slot| Event::Desync { id, endpoint: slot.endpoint, fault }, at);
        }
    }

    fn empty_slot(&mut self, at: u32) {
        let slot = &mut self.slots[at as usize];
        let endpoint = &mut self.endpoints[slot.endpoint];
        endpoint.orphan(at);
        endpoint.farewells.retain(|farewell| *farewell != at);
        slot.resource = None;
        slot.opening = None;
        slot.reason = None;
        slot.uses = 0;
        if self.table.reap(at).is_err() {
            self.counters.races += 1;
        }
        self.empty.push(at);
    }

    fn tell(&self, fx: &mut Effects<F>, event: impl FnOnce(&Slot<F::Resource>) -> Event, at: u32) {
        if self.observed {
            fx.push(Effect::Tell(event(&self.slots[at as usize])));
        }
    }

    // ---- opening ---------------------------------------------------------------------------

    /// Reserves slots for those who wait and cannot be served by what is open or being opened.
    fn open_missing(&mut self, now: Instant, fx: &mut Effects<F>) {
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
            let place = &mut self.endpoints[endpoint];
            place.adopt(at);
            place.connecting += 1;
            place.hushed |= place.habits.quiet;
            self.tell(fx, |slot| Event::ConnectionCreated { id: slot.id, endpoint }, at);
            fx.push(Effect::Open { endpoint, slot: at, id: self.last_id });
        }
    }

    /// The endpoint at which one more slot would serve somebody who waits, the emptiest first.
    fn wants_opening(&self, now: Instant) -> Option<usize> {
        let connecting = self.connecting();
        let wants = |endpoint: &Endpoint| {
            if !endpoint.may_open(now) || (endpoint.habits.quiet && endpoint.in_flight > 0) {
                return false;
            }
            // A job needs a slot only when it could start on it.
            let runs = (endpoint.lines.runs.len() + self.anywhere.runs.len()).min(endpoint.permits());
            let anybody = runs + endpoint.lines.holds.len() + self.anywhere.holds.len() > endpoint.connecting;
            let named = endpoint.lines.runs.len().min(endpoint.permits()) + endpoint.lines.holds.len() > endpoint.connecting;
            named || (anybody && self.anywhere.holds.len() + self.anywhere.runs.len() > connecting)
        };
        let candidates = self.endpoints.iter().enumerate().filter(|(_, endpoint)| wants(endpoint));
        candidates.min_by_key(|(_, endpoint)| (endpoint.failures, endpoint.slots)).map(|(at, _)| at)
    }

    /// All slots are taken, but some are idle at endpoints that nobody wants: give one up.
    fn make_room(&mut self, wanted: usize, fx: &mut Effects<F>) {
        let already_going = (0..self.settings.max_slots).any(|at| self.table.read(at).0 == State::Unusable);
        if already_going {
            return;
        }
        let idle = (0..self.slots.len())
            .filter(|at| self.slots[*at].endpoint != wanted && self.table.read(*at as u32).0 == State::Idle)
            .min_by_key(|at| self.slots[*at].used_at);
        if let Some(at) = idle {
            self.retire(at as u32, Reason::Idle, None, fx);
        }
    }

    /// Remembers how to stop an attempt to open.
    pub fn opening(&mut self, at: u32, id: u64, handle: AbortHandle) {
        let slot = &mut self.slots[at as usize];
        if slot.id == id && self.table.read(at).0 == State::Initializing {
            slot.opening = Some(handle);
        }
    }

    /// Slot `at` holds something now.
    pub fn opened(&mut self, at: u32, id: u64, opened: Opened<F::Resource>, now: Instant, fx: &mut Effects<F>) {
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
    pub fn open_failed(&mut self, at: u32, id: u64, fault: Fault, now: Instant, fx: &mut Effects<F>) {
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

    fn give_up_opening(&mut self, at: u32, fault: Option<Fault>, reason: Reason, fx: &mut Effects<F>) {
        let slot = &mut self.slots[at as usize];
        let (id, endpoint) = (slot.id, slot.endpoint);
        self.endpoints[endpoint].connecting -= 1;
        self.endpoints[endpoint].hushed = false;
        self.counters.closed(reason);
        self.tell(fx, |_| Event::ConnectionClosed { id, endpoint, reason, fault }, at);
        self.empty_slot(at);
    }

    fn note_failure(&mut self, at: usize, began: Instant, fault: Fault, now: Instant, fx: &mut Effects<F>) {
        let pause = {
            let endpoint = &mut self.endpoints[at];
            endpoint.failures += 1;
            self.settings.backoff.pause(endpoint.failures)
        };
        let endpoint = &mut self.endpoints[at];
        let hopeless = !fault.is_retryable();
        endpoint.last_fault = Some(fault);
        endpoint.last_try = endpoint.last_try.max(Some(began));
        endpoint.retry_at = Some(now + pause);
        if endpoint.slots == 0 {
            // What listens there next may be something else.
            endpoint.habits = endpoint.first_habits;
        }
        self.deadlines.insert(now + pause, Timer::Endpoint(at));
        self.lose_patience(at, hopeless, now, fx);
    }

    /// Refuses those who have had their try at an endpoint and waited long enough; those whose
    /// time is up without a try get one now.
    fn lose_patience(&mut self, at: usize, hopeless: bool, now: Instant, fx: &mut Effects<F>) {
        if self.endpoints[at].slots > self.endpoints[at].connecting {
            // Something is open there and will serve them.
            return;
        }
        let Some(fault) = self.endpoints[at].last_fault.clone() else { return };
        let Some(last_try) = self.endpoints[at].last_try else { return };
        let all_failing = self.endpoints.iter().all(|endpoint| endpoint.failures > 0);
        let patience = if hopeless { Duration::ZERO } else { self.settings.patience };
        let mut next: Option<Instant> = None;
        let mut untried = false;
        for (kind, named) in [(Kind::Hold, true), (Kind::Run, true), (Kind::Hold, false), (Kind::Run, false)] {
            if !named && !all_failing {
                continue;
            }
            while let Some(index) = line(&mut self.anywhere, &mut self.endpoints, kind, named.then_some(at)).first() {
                let queued_at = self.requests[index].queued_at;
                if now < queued_at + patience {
                    next = Some(next.map_or(queued_at + patience, |next| next.min(queued_at + patience)));
                    break;
                }
                if queued_at > last_try {
                    untried = true;
                    break;
                }
                let key = self.key_of(index);
                let request = self.take_out(key);
                fx.push(Effect::Refuse { job: request.job, fault: fault.clone() });
            }
        }
        if untried {
            self.endpoints[at].retry_at = None;
        }
        if let Some(next) = next {
            self.deadlines.insert(next, Timer::Endpoint(at));
        }
    }

    /// A request joined the queue of endpoints that fail: when will its patience be over?
    fn mind_patience(&mut self, named: Option<usize>, now: Instant) {
        let at = match named {
            Some(at) => at,
            None if self.endpoints.iter().all(|endpoint| endpoint.failures > 0) => 0,
            None => return,
        };
        if self.endpoints[at].failures > 0 {
            self.deadlines.insert(now + self.settings.patience, Timer::Endpoint(at));
        }
    }

    // ---- time ------------------------------------------------------------------------------

    /// Does what is due.
    pub fn tick(&mut self, now: Instant, fx: &mut Effects<F>) {
        while let Some(timer) = self.deadlines.due(now) {
            match timer {
                Timer::Request(key) => self.out_of_time(key, now, fx),
                Timer::Endpoint(at) => self.lose_patience(at, false, now, fx),
                Timer::Unhush(at) => {
                    // A dial that began meanwhile keeps it hushed.
                    self.endpoints[at].hushed = self.endpoints[at].habits.quiet && self.endpoints[at].connecting > 0;
                }
                Timer::Close => self.force(now, fx),
            }
        }
        self.serve(now, fx);
        self.check_closed(now, fx);
    }

    fn out_of_time(&mut self, key: RequestKey, now: Instant, fx: &mut Effects<F>) {
        if self.requests.get(key.index).is_none_or(|request| request.number != key.number) {
            return;
        }
        self.requests[key.index].stamp = None;
        self.counters.timeouts += 1;
        let request = self.take_out(key);
        let overall = request.until.is_some_and(|until| until <= now);
        let waited = now.saturating_duration_since(request.queued_at).as_millis();
        let Place::Running(at) = request.place else {
            fx.push(Effect::Refuse { job: request.job, fault: self.waited_in_vain(request.endpoint, waited, overall) });
            return;
        };
        let name = self.endpoints[self.slots[at as usize].endpoint].name.clone();
        let ran = now.saturating_duration_since(self.slots[at as usize].used_at).as_millis();
        let limit = if overall { "timeoutMs" } else { "commandTimeoutMs" };
        let fault = Fault::new(Code::CommandTimeout, format!("{name} did not answer the command within {ran} ms ({limit})"))
            .endpoint(&*name)
            .connection(self.slots[at as usize].id);
        let cut_short = self.cut_short(at);
        if let Some((resource, exchange)) = self.cut_off(at, Reason::Error, cut_short, fx) {
            fx.push(Effect::Cut { resource, exchange, job: request.job, fault });
        }
    }

    fn waited_in_vain(&self, endpoint: Option<usize>, waited: u128, overall: bool) -> Fault {
        let limit = if overall { "timeoutMs" } else { "acquireTimeoutMs" };
        let (in_use, max) = (self.count(State::InUse), self.settings.max_slots);
        let waiting = self.waiting();
        let mut fault = Fault::new(
            Code::AcquireTimeout,
            format!("no connection became free within {waited} ms ({limit}): {in_use} of {max} in use, {waiting} more callers waiting"),
        );
        let blamed = match endpoint {
            Some(at) => Some(&self.endpoints[at]),
            None => self.endpoints.iter().find(|endpoint| endpoint.last_fault.is_some()),
        };
        if let Some(endpoint) = blamed {
            fault = fault.endpoint(&*endpoint.name);
            if let Some(last) = &endpoint.last_fault {
                let cause = last.cause_of().cloned().unwrap_or_else(|| crate::fault::Cause::text(last.message()));
                fault = fault.cause(cause).advice(format!("Opening a connection is what fails: {}", last.message()));
            }
        }
        fault
    }

    // ---- closing ---------------------------------------------------------------------------

    /// Refuses all who wait, lets what runs and what is held finish until `deadline`, then cuts.
    pub fn close(&mut self, deadline: Option<Instant>, now: Instant, fx: &mut Effects<F>) {
        if self.phase == Phase::Closed {
            return;
        }
        if self.phase == Phase::Ready {
            self.phase = Phase::Closing;
            self.closing_since = Some(now);
            let waiting: Vec<usize> =
                self.requests.iter().filter(|(_, request)| request.place == Place::Queued).map(|(index, _)| index).collect();
            for index in waiting {
                let key = self.key_of(index);
                let request = self.take_out(key);
                self.report.refused += 1;
                fx.push(Effect::Refuse {
                    job: request.job,
                    fault: Fault::new(Code::Closed, "the pool was closed while this call waited"),
                });
            }
            for at in 0..self.settings.max_slots {
                if self.table.read(at).0 == State::Initializing {
                    if let Some(handle) = self.slots[at as usize].opening.take() {
                        fx.push(Effect::Abort(handle));
                    }
                    self.give_up_opening(at, None, Reason::PoolClosed, fx);
                }
            }
        }
        match deadline {
            Some(deadline) if deadline > now => {
                self.deadlines.insert(deadline, Timer::Close);
            }
            _ => self.force(now, fx),
        }
        self.serve(now, fx);
        self.check_closed(now, fx);
    }

    fn close_idle(&mut self, fx: &mut Effects<F>) {
        for at in 0..self.settings.max_slots {
            if self.table.read(at).0 == State::Idle {
                self.retire(at, Reason::PoolClosed, None, fx);
            }
        }
    }

    /// Cuts everything that is left.
    fn force(&mut self, _now: Instant, fx: &mut Effects<F>) {
        if self.phase != Phase::Closing {
            return;
        }
        for at in 0..self.settings.max_slots {
            match self.table.read(at).0 {
                State::InUse => {
                    self.report.cut += 1;
                    let fault = Fault::new(Code::Closed, "the pool was closed while this connection was in use")
                        .endpoint(&*self.endpoints[self.slots[at as usize].endpoint].name)
                        .connection(self.slots[at as usize].id);
                    let running = self.slots[at as usize].running.map(|key| self.take_out(key));
                    self.take_away(at, Reason::PoolClosed, fault.clone(), fx);
                    let Some(resource) = self.slots[at as usize].resource.clone() else { continue };
                    if let Some(request) = running {
                        let exchange = self.slots[at as usize].exchange;
                        fx.push(Effect::Cut { resource: resource.clone(), exchange, job: request.job, fault });
                    }
                    fx.push(Effect::Close { resource });
                }
                State::Idle => self.retire(at, Reason::PoolClosed, None, fx),
                State::Unusable => {
                    if let Some(resource) = self.slots[at as usize].resource.clone() {
                        fx.push(Effect::Close { resource });
                    }
                }
                State::Empty | State::Created | State::Initializing | State::Closed => {}
            }
        }
    }

    fn check_closed(&mut self, now: Instant, fx: &mut Effects<F>) {
        if self.phase != Phase::Closing || self.empty.len() < self.settings.max_slots as usize {
            return;
        }
        self.phase = Phase::Closed;
        self.deadlines = Deadlines::default();
        self.report.closed = self.counters.closed_for(Reason::PoolClosed);
        self.report.duration = self.closing_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        if self.observed {
            fx.push(Effect::Tell(Event::PoolClosed));
        }
        fx.push(Effect::Closed(self.report.clone()));
    }

    // ---- being looked at -------------------------------------------------------------------

    pub fn count(&self, state: State) -> usize {
        (0..self.settings.max_slots).filter(|at| self.table.read(*at).0 == state).count()
    }

    /// Visits every slot that is not EMPTY.
    pub fn each_slot(&self, mut visit: impl FnMut(super::stats::SlotView<'_, F::Resource>)) {
        for at in 0..self.settings.max_slots {
            let (state, generation) = self.table.read(at);
            if state == State::Empty {
                continue;
            }
            let slot = &self.slots[at as usize];
            visit(super::stats::SlotView {
                slot: at,
                state,
                generation,
                id: slot.id,
                endpoint: slot.endpoint,
                resource: slot.resource.as_ref(),
                opened_at: slot.opened_at,
                used_at: slot.used_at,
                uses: slot.uses,
            });
        }
    }
}

fn line<'a>(anywhere: &'a mut Lines, endpoints: &'a mut [Endpoint], kind: Kind, endpoint: Option<usize>) -> &'a mut Fifo {
    let lines = match endpoint {
        Some(endpoint) => &mut endpoints[endpoint].lines,
        None => anywhere,
    };
    if kind == Kind::Hold { &mut lines.holds } else { &mut lines.runs }
}
