//! One endpoint of a pool: what it needs, what runs there, who waits for it.

use std::sync::Arc;

use tokio::time::Instant;

use super::deadlines::Stamp;
use super::face::Habits;
use super::line::Line;
use super::pulse::Pulse;
use super::stats::Tally;
use crate::fault::Fault;

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
    pub failures: u32,
    pub last_fault: Option<Fault>,
    /// When the last attempt that failed had begun: who was queued before has had a try.
    pub last_try: Option<Instant>,
    /// No attempt before this.
    pub retry_at: Option<Instant>,
    /// The entry among the deadlines that looks at it again, the one there is.
    pub alarm: Option<Stamp>,
    /// Since when nothing has been open there and nothing could be opened.
    pub down_since: Option<Instant>,
    /// How it does: by its jobs and its checks.
    pub pulse: Pulse,
    /// What was counted and timed there.
    pub tally: Tally,
}

impl Endpoint {
    pub fn new(name: Arc<str>, habits: Habits) -> Self {
        Endpoint {
            name,
            habits,
            first_habits: habits,
            members: Vec::new(),
            hint: 0,
            slots: 0,
            connecting: 0,
            dialling: 0,
            generation: 0,
            in_flight: 0,
            hushed: false,
            farewells: Vec::new(),
            lines: Lines::default(),
            turns: Line::default(),
            answered: false,
            answered_at: None,
            failures: 0,
            last_fault: None,
            last_try: None,
            retry_at: None,
            alarm: None,
            down_since: None,
            pulse: Pulse::default(),
            tally: Tally::default(),
        }
    }

    /// How many more jobs may start now.
    pub fn permits(&self) -> usize {
        if self.hushed { 0 } else { self.habits.max_in_flight.saturating_sub(self.in_flight) }
    }

    /// It answered: whatever failed before is over.
    pub fn prove(&mut self, now: Instant) {
        self.answered = true;
        self.answered_at = Some(now);
        if self.failures > 0 {
            self.failures = 0;
            self.last_fault = None;
            self.retry_at = None;
        }
    }

    /// The state of its circuit breaker, in the words JavaScript sees.
    pub fn state(&self) -> &'static str {
        match (self.failures, self.connecting) {
            (0, _) if self.answered => "up",
            (0, _) => "unknown",
            (_, 0) if self.is_down() => "down",
            _ if self.is_down() => "probing",
            _ => "up",
        }
    }

    /// Attempts fail, and nothing is open that could serve those who wait.
    pub fn is_down(&self) -> bool {
        self.failures > 0 && self.slots == self.connecting
    }

    pub fn adopt(&mut self, slot: u32) {
        self.members[(slot / 32) as usize] |= 1 << (slot % 32);
        self.slots += 1;
    }

    pub fn orphan(&mut self, slot: u32) {
        self.members[(slot / 32) as usize] &= !(1 << (slot % 32));
        self.slots -= 1;
    }

    /// Whether there is room and leave to open one more, but for jobs that still run.
    pub fn may_open(&self, now: Instant) -> bool {
        self.slots < self.habits.max_slots
            && self.connecting < self.habits.max_connecting
            && !self.hushed
            && self.retry_at.is_none_or(|at| at <= now)
    }
}
