//! Every decision of the pool, and nothing else: no await, no I/O, no callback.
//!
//! The engine calls a method here under its one short lock and gets a list of [`Effect`]s to
//! carry out. What belongs to whom is written in the slot table alone;
//! the fields here say what is *known about* a slot, and who waits.
//!
//! - `callers`, `requests`: what callers ask for, and the life of a request among the others.
//! - `serving`: who is next. `spread`: at which endpoint. `opening`, `outcomes`, `leaving`: the way
//!   of a slot.
//! - `lifecycle`, `closing`: the way of the pool. `upkeep`: what is too old or too few. `watchdog`:
//!   what is stuck.
//! - `shelving`: what JavaScript may take by itself. `catching_up`: what it has taken. `outside`: who
//!   waits there.
//! - `health`: one check. `vetting`: one that somebody waits for. `rounds`: who is checked when. `report`, `summary`: how everything does.
//! - `pacing`: how often. `alerts`: figures that are where they should not be.
//! - `hooks`: user code. `patience`: endpoints that fail. `probing`: those that may be
//!   back. `time`: what is due.

mod alerts;
mod callers;
mod catching_up;
mod closing;
mod health;
mod hooks;
mod leaving;
mod lifecycle;
#[cfg(test)]
mod nobody;
mod opening;
mod outcomes;
mod outside;
mod pacing;
mod patience;
mod probing;
mod report;
mod requests;
mod rounds;
mod serving;
mod shelving;
mod slot;
mod spread;
mod summary;
pub(super) mod time;
mod upkeep;
mod vetting;
mod watchdog;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use slab::Slab;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::codel::Codel;
use super::deadlines::Deadlines;
use super::endpoint::{Endpoint, Lines};
use super::event::{Event, Failed, Name, Observed};
use super::face::{CloseReport, Face, Grant, Habits, HookCall};
use super::fifo::Fifo;
use super::line::Line;
use super::rate::Rate;
use super::request::{Kind, Request, RequestKey};
use super::settings::Settings;
use super::state::State;
use super::stats::{Counters, SlotView, Tally};
use super::table::{Lease, SlotTable};
use crate::fault::Fault;

pub(super) use slot::Slot;

/// What a decision asks of the engine, in order: telling somebody while the lock is held, doing
/// something once it is released.
pub(super) enum Effect<F: Face> {
    Open {
        endpoint: usize,
        slot: u32,
        id: u64,
    },
    Start {
        key: RequestKey,
        resource: Arc<F::Resource>,
        slot: u32,
        id: u64,
        exchange: u64,
        job: Arc<F::Job>,
    },
    Check {
        resource: Arc<F::Resource>,
        slot: u32,
        exchange: u64,
    },
    Grant {
        job: Arc<F::Job>,
        grant: Grant<F::Resource>,
    },
    Refuse {
        job: Arc<F::Job>,
        fault: Fault,
    },
    Done {
        job: Arc<F::Job>,
        report: Value,
    },
    Hook(HookCall<F>),
    /// Cut the running job and tell its caller why.
    Cut {
        resource: Arc<F::Resource>,
        exchange: u64,
        job: Arc<F::Job>,
        fault: Fault,
    },
    /// Cut a check; nobody waits for it.
    CutCheck {
        resource: Arc<F::Resource>,
        exchange: u64,
    },
    Close {
        resource: Arc<F::Resource>,
    },
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
    /// A slot may have been held for too long.
    Leak(Lease),
    /// The check of this number has had its time.
    Check { slot: u32, number: u64 },
    /// The hook of this number has had its time.
    Hook { slot: u32, number: u64 },
    /// A queue that moved may stand still now.
    Stalled,
    /// The rate lets the next holder go ahead.
    Rate,
    /// What lies on the shelf may have lain there for too long.
    Shelf,
    /// The next round of checks.
    Round,
    /// The report of this number has had its time.
    Report(u64),
    /// Something may be too old, too few or stuck.
    Upkeep,
    /// Closing the pool has taken long enough.
    Close,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Paused,
    Ready,
    Closing,
    Closed,
}

impl Phase {
    /// Neither closing nor closed.
    pub fn is_open(self) -> bool {
        matches!(self, Phase::Paused | Phase::Ready)
    }

    /// The word JavaScript sees.
    pub fn text(self) -> &'static str {
        match self {
            Phase::Paused => "paused",
            Phase::Ready => "ready",
            Phase::Closing => "closing",
            Phase::Closed => "closed",
        }
    }
}

pub(super) struct Core<F: Face> {
    pub phase: Phase,
    pub settings: Settings,
    pub table: Arc<SlotTable>,
    pub requests: Slab<Request<F::Job>>,
    pub endpoints: Vec<Endpoint>,
    pub deadlines: Deadlines<Timer>,
    /// What happened at no endpoint; everything else is counted where it happened.
    counters: Counters,
    pub observed: Observed,
    pub(in crate::pool) slots: Vec<Slot<F>>,
    /// Slots that are EMPTY; the lowest index last.
    empty: Vec<u32>,
    /// Callers for whom any endpoint will do.
    anywhere: Lines,
    /// Callers who wait for slots to be filled.
    warming: Fifo,
    /// A slot that was let go of a moment ago: handed to the next in line without ever being
    /// idle, or else put back.
    freed: Option<Lease>,
    held: usize,
    /// Those who wait in a line and want more than any slot in their turn.
    special: usize,
    last_number: u64,
    last_id: u64,
    last_exchange: u64,
    last_order: u64,
    /// Requests in all lines for a slot.
    in_lines: usize,
    /// Jobs of holders that wait for their turn.
    turns: usize,
    /// [`Timer::Stalled`] is set.
    stalling: bool,
    /// Somebody has used the pool, or its maker is done: it may open what it should keep open.
    begun: bool,
    /// Leases that were lost while held, and why: their holders have not let go yet.
    lost: BTreeMap<Lease, Fault>,
    health: rounds::Rounds<F>,
    last_hook: u64,
    alarms: alerts::Alarms,
    codel: Codel,
    pub(in crate::pool) rate: Rate,
    /// [`Timer::Rate`] is set.
    pacing: bool,
    closing_since: Option<Instant>,
    report: CloseReport,
    /// Where JavaScript helps itself, if it does.
    shelving: Option<Box<shelving::Shelving>>,
    /// Room for effects that was used before.
    pub spare: Effects<F>,
}

impl<F: Face> Core<F> {
    pub(in crate::pool) fn new(settings: Settings, endpoints: Vec<(Arc<str>, Habits)>) -> Self {
        let now = Instant::now();
        let mut core = Core {
            phase: if settings.start_paused { Phase::Paused } else { Phase::Ready },
            table: Arc::new(SlotTable::new(settings.max_slots)),
            requests: Slab::new(),
            endpoints: endpoints
                .into_iter()
                .map(|(name, habits)| Endpoint::new(name, habits))
                .collect(),
            deadlines: Deadlines::default(),
            counters: Counters::default(),
            observed: Observed::default(),
            slots: Vec::new(),
            empty: Vec::new(),
            anywhere: Lines::default(),
            warming: Fifo::default(),
            freed: None,
            held: 0,
            special: 0,
            last_number: 0,
            last_id: 0,
            last_exchange: 0,
            last_order: 0,
            in_lines: 0,
            turns: 0,
            stalling: false,
            begun: false,
            lost: BTreeMap::new(),
            health: rounds::Rounds::default(),
            last_hook: 0,
            alarms: alerts::Alarms::default(),
            codel: Codel::default(),
            rate: settings.rate.clone().map(Rate::new).unwrap_or_default(),
            pacing: false,
            closing_since: None,
            report: CloseReport::default(),
            shelving: None,
            spare: Vec::new(),
            settings,
        };
        core.make_slots(now);
        if let Some(interval) = core.settings.upkeep_interval {
            core.deadlines.insert(now + interval, Timer::Upkeep);
        }
        core.plan_rounds(now);
        core
    }

    /// As many slots as may be taken, those there are kept.
    pub(super) fn make_slots(&mut self, now: Instant) {
        let wanted = self.settings.max_slots;
        let made = self.slots.len() as u32;
        if wanted > made {
            self.slots.resize_with(wanted as usize, || Slot::empty(now));
            self.empty.splice(0..0, (made..wanted).rev());
        }
        for endpoint in &mut self.endpoints {
            endpoint.members.resize(self.slots.len().div_ceil(32), 0);
        }
    }

    /// Everything that was counted, wherever it happened.
    pub(in crate::pool) fn counters(&self) -> Counters {
        let mut whole = self.counters.clone();
        for endpoint in &self.endpoints {
            whole.add(&endpoint.tally.counters);
        }
        whole
    }

    /// The same, and everything that was timed.
    pub(in crate::pool) fn tally(&self) -> Tally {
        let mut whole = Tally { counters: self.counters.clone(), ..Tally::default() };
        for endpoint in &self.endpoints {
            whole.add(&endpoint.tally);
        }
        whole
    }

    /// Counts what happened at an endpoint.
    pub(super) fn count_at(&mut self, endpoint: usize, count: impl FnOnce(&mut Counters)) {
        count(&mut self.endpoints[endpoint].tally.counters);
    }

    /// Counts what may have happened at an endpoint.
    pub(super) fn count_for(&mut self, endpoint: Option<usize>, count: impl FnOnce(&mut Counters)) {
        match endpoint {
            Some(endpoint) => self.count_at(endpoint, count),
            None => count(&mut self.counters),
        }
    }

    /// A figure that was taken at an endpoint.
    pub(super) fn note_at(&mut self, endpoint: usize, note: impl FnOnce(&mut Tally)) {
        note(&mut self.endpoints[endpoint].tally);
    }

    /// A slot was found in a state that no rule allows.
    pub(super) fn race(&mut self) {
        self.counters.races += 1;
    }

    /// Tells what happened to a slot, if anybody listens.
    pub(super) fn tell_of(
        &self,
        at: u32,
        name: Name,
        fx: &mut Effects<F>,
        event: impl FnOnce(&Slot<F>) -> Event,
    ) {
        self.tell(name, fx, || event(&self.slots[at as usize]));
    }

    /// Tells what happened, if anybody listens.
    pub(super) fn tell(&self, name: Name, fx: &mut Effects<F>, event: impl FnOnce() -> Event) {
        if self.observed.has(name) {
            let event = event();
            debug_assert_eq!(event.name(), name);
            fx.push(Effect::Tell(event));
        }
    }

    fn count(&self, state: State) -> usize {
        (0..self.slots.len() as u32).filter(|at| self.table.read(*at).0 == state).count()
    }

    /// Visits every slot that is not EMPTY.
    pub(in crate::pool) fn each_slot(&self, mut visit: impl FnMut(SlotView<'_, F::Resource>)) {
        for (at, slot) in self.slots.iter().enumerate() {
            let (state, generation) = self.table.read(at as u32);
            if state == State::Empty {
                continue;
            }
            visit(SlotView {
                slot: at as u32,
                state,
                generation,
                id: slot.id,
                endpoint: slot.endpoint,
                resource: slot.resource.as_ref(),
                opened_at: slot.opened_at,
                used_at: slot.used_at,
                uses: slot.uses,
                failures: slot.pulse.failures,
                score: slot.pulse.score(),
                latency: slot.pulse.latency(),
            });
        }
    }
}

fn line<'a>(
    anywhere: &'a mut Lines,
    endpoints: &'a mut [Endpoint],
    kind: Kind,
    endpoint: Option<usize>,
) -> &'a mut Line {
    let lines = match endpoint {
        Some(endpoint) => &mut endpoints[endpoint].lines,
        None => anywhere,
    };
    if kind == Kind::Hold { &mut lines.holds } else { &mut lines.runs }
}
