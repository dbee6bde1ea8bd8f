//! One endpoint of a pool: what it needs, what runs there, who waits for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::affinity;
use super::breaker::Breaker;
use super::deadlines::Stamp;
use super::face::Habits;
use super::line::Line;
use super::pulse::Pulse;
use super::stats::Tally;

/// Those who wait for a slot.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// To hold it.
    pub holds: Line,
    /// To run one job on it.
    pub runs: Line,
}

impl Lines {
    pub fn len(&self) -> usize {
        self.holds.len() + self.runs.len()
    }
}

/// Everything the engine knows of one endpoint. Plain data under the engine's lock.
pub(super) struct Endpoint {
    pub name: Arc<str>,
    /// The name's, for [`affinity`].
    pub key: u64,
    pub habits: Habits,
    /// What the habits were before anything was opened: they return when the endpoint is lost.
    pub first_habits: Habits,
    /// One bit for each slot that is this endpoint's.
    pub members: Vec<u32>,
    /// The idle slot to try first: the one used last.
    pub hint: u32,
    pub slots: usize,
    /// Slots being opened, user code included.
    pub connecting: usize,
    /// Being checked for somebody who waits.
    pub vetting: usize,
    /// Those of them that are being dialled.
    pub dialling: usize,
    /// What was opened under an older one is stale.
    pub generation: u32,
    /// Jobs running, those cut but not yet drained included: Blender is still at them.
    pub in_flight: usize,
    /// A quiet endpoint is being dialled or hung up on: nothing may start.
    pub hushed: bool,
    /// Slots of a quiet endpoint that are to be closed when nothing runs.
    pub farewells: Vec<u32>,
    /// Callers who want this endpoint and no other.
    pub lines: Lines,
    /// Jobs of holders, waiting for their turn.
    pub turns: Line,
    /// Whether it has ever shown that it answers.
    pub answered: bool,
    /// When it last did.
    pub answered_at: Option<Instant>,
    pub breaker: Breaker,
    /// The entry among the deadlines that looks at it again, the one there is.
    pub alarm: Option<Stamp>,
    /// When somebody last would have gone there, were it not down: it is worth a probe.
    pub sought_at: Option<Instant>,
    /// How long opening took, the last time.
    pub opening_took: Duration,
    /// When somebody last got a slot there, and when one that was not opened just then.
    pub served_at: Option<Instant>,
    pub moved_at: Option<Instant>,
    /// Slots held by callers.
    pub held: usize,
    /// How it does: by its jobs and its checks.
    pub pulse: Pulse,
    /// What was counted and timed there.
    pub tally: Tally,
}

impl Endpoint {
    pub fn new(name: Arc<str>, habits: Habits) -> Self {
        Endpoint {
            key: affinity::key(&name),
            name,
            habits,
            first_habits: habits,
            members: Vec::new(),
            hint: 0,
            slots: 0,
            connecting: 0,
            vetting: 0,
            dialling: 0,
            generation: 0,
            in_flight: 0,
            hushed: false,
            farewells: Vec::new(),
            lines: Lines::default(),
            turns: Line::default(),
            answered: false,
            answered_at: None,
            breaker: Breaker::default(),
            alarm: None,
            sought_at: None,
            opening_took: Duration::ZERO,
            served_at: None,
            moved_at: None,
            held: 0,
            pulse: Pulse::default(),
            tally: Tally::default(),
        }
    }

    /// How many more jobs may start now.
    pub fn permits(&self) -> usize {
        // Where every job dials, one of them is the probe.
        let most = if self.habits.per_job && self.breaker.failures > 0 {
            self.habits.max_in_flight.min(1)
        } else {
            self.habits.max_in_flight
        };
        if self.hushed { 0 } else { most.saturating_sub(self.in_flight) }
    }

    /// How long a queue may stand still, with something being opened, before more is opened.
    pub fn stall(&self) -> Duration {
        self.opening_took / 4
    }

    /// Slots that somebody who waits may expect soon.
    pub fn coming(&self) -> usize {
        self.connecting + self.vetting
    }

    pub fn adopt(&mut self, slot: u32) {
        self.members[(slot / 32) as usize] |= 1 << (slot % 32);
        self.slots += 1;
    }

    pub fn orphan(&mut self, slot: u32) {
        self.members[(slot / 32) as usize] &= !(1 << (slot % 32));
        self.slots -= 1;
    }

    /// The slots that are its.
    pub fn slots(&self) -> impl Iterator<Item = u32> + '_ {
        self.members.iter().enumerate().flat_map(|(word, mask)| {
            let mut left = *mask;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros())?;
                left &= left - 1;
                Some(word as u32 * 32 + bit)
            })
        })
    }

    /// Whether there is room and leave to open one more, but for jobs that still run.
    pub fn may_open(&self, now: Instant) -> bool {
        self.slots < self.habits.max_slots
            && self.connecting < self.habits.max_connecting
            && !self.hushed
            && self.breaker.lets(self.connecting, now)
    }
}
