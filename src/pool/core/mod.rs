//! Every decision of the pool, and nothing else: no await, no I/O, no callback.
//!
//! The engine calls a method here under its one short lock and gets a list of [`Effect`]s to
//! carry out. What belongs to whom is written in the slot table alone;
//! the fields here say what is *known about* a slot, and who waits.

mod callers;
mod closing;
mod leaving;
mod opening;
mod outcomes;
mod patience;
mod requests;
mod serving;
pub(super) mod time;

use std::collections::HashMap;
use std::sync::Arc;

use slab::Slab;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::deadlines::Deadlines;
use super::endpoint::{Endpoint, Lines};
use super::event::{Event, Reason};
use super::face::{CloseReport, Face, Grant, Habits};
use super::fifo::Fifo;
use super::request::{Kind, Request, RequestKey};
use super::settings::Settings;
use super::state::State;
use super::stats::Counters;
use super::table::{Lease, SlotTable};
use crate::fault::Fault;

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
    Grant {
        job: Arc<F::Job>,
        grant: Grant<F::Resource>,
    },
    Refuse {
        job: Arc<F::Job>,
        fault: Fault,
    },
    /// Cut the running job and tell its caller why.
    Cut {
        resource: Arc<F::Resource>,
        exchange: u64,
        job: Arc<F::Job>,
        fault: Fault,
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
    /// The holder's job that waits for the endpoint's leave to run.
    turn: Option<usize>,
    /// The number of the job that was started last.
    exchange: u64,
    /// Counted in the endpoint's `in_flight`.
    in_flight: bool,
    /// Jobs of the holder, behind the one that runs.
    behind: Fifo,
    uses: u64,
    used_at: Instant,
    reason: Option<Reason>,
    /// The error behind the reason.
    why: Option<Fault>,
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
    pub(in crate::pool) fn new(settings: Settings, endpoints: Vec<(Arc<str>, Habits)>) -> Self {
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
            turn: None,
            exchange: 0,
            in_flight: false,
            behind: Fifo::default(),
            uses: 0,
            used_at: now,
            reason: None,
            why: None,
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

    fn tell(&self, fx: &mut Effects<F>, event: impl FnOnce(&Slot<F::Resource>) -> Event, at: u32) {
        if self.observed {
            fx.push(Effect::Tell(event(&self.slots[at as usize])));
        }
    }

    fn count(&self, state: State) -> usize {
        (0..self.settings.max_slots).filter(|at| self.table.read(*at).0 == state).count()
    }

    /// Visits every slot that is not EMPTY.
    pub(in crate::pool) fn each_slot(
        &self,
        mut visit: impl FnMut(super::stats::SlotView<'_, F::Resource>),
    ) {
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

fn line<'a>(
    anywhere: &'a mut Lines,
    endpoints: &'a mut [Endpoint],
    kind: Kind,
    endpoint: Option<usize>,
) -> &'a mut Fifo {
    let lines = match endpoint {
        Some(endpoint) => &mut endpoints[endpoint].lines,
        None => anywhere,
    };
    if kind == Kind::Hold { &mut lines.holds } else { &mut lines.runs }
}
