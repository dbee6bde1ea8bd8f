//! One endpoint of a pool: what it needs, what runs there, who waits for it.

use std::sync::Arc;

use tokio::time::Instant;

use super::deadlines::Stamp;
use super::face::Habits;
use super::fifo::Fifo;
use crate::fault::Fault;

/// Those who wait for a slot, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// To hold it.
    pub holds: Fifo,
    /// To run one job on it.
    pub runs: Fifo,
}

impl Lines {
    pub fn len(&self) -> usize {
        self.holds.len() + self.runs.len()
    }
}

/// Everything the engine knows of one endpoint. Plain data under the engine's lock.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub name: Arc<str>,
    pub habits: Habits,
    /// What the habits were before anything was opened: they return when the endpoint is lost.
    pub first_habits: Habits,
    /// One bit for each slot that is this endpoint's.
    pub members: Box<[u32]>,
    /// The idle slot to try first: the one used last.
    pub hint: u32,
    pub slots: usize,
    pub connecting: usize,
    /// Jobs running, those cut but not yet drained included: Blender is still at them.
    pub in_flight: usize,
    /// A quiet endpoint is being dialled or hung up on: nothing may start.
    pub hushed: bool,
    /// Slots of a quiet endpoint that are to be closed when nothing runs.
    pub farewells: Vec<u32>,
    /// Callers who want this endpoint and no other.
    pub lines: Lines,
    /// Jobs of holders, waiting for their turn.
    pub turns: Fifo,
    /// Whether it has ever shown that it answers.
    pub answered: bool,
    pub failures: u32,
    pub last_fault: Option<Fault>,
    /// When the last attempt that failed had begun: who was queued before has had a try.
    pub last_try: Option<Instant>,
    /// No attempt before this.
    pub retry_at: Option<Instant>,
    /// The entry among the deadlines that looks at it again, the one there is.
    pub alarm: Option<Stamp>,
}

impl Endpoint {
    pub fn new(name: Arc<str>, habits: Habits, bitmap_len: usize) -> Self {
        Endpoint {
            name,
            habits,
            first_habits: habits,
            members: vec![0; bitmap_len].into(),
            hint: 0,
            slots: 0,
            connecting: 0,
            in_flight: 0,
            hushed: false,
            farewells: Vec::new(),
            lines: Lines::default(),
            turns: Fifo::default(),
            answered: false,
            failures: 0,
            last_fault: None,
            last_try: None,
            retry_at: None,
            alarm: None,
        }
    }

    /// How many more jobs may start now.
    pub fn permits(&self) -> usize {
        if self.hushed { 0 } else { self.habits.max_in_flight.saturating_sub(self.in_flight) }
    }

    /// It answered: whatever failed before is over.
    pub fn prove(&mut self) {
        self.answered = true;
        if self.failures > 0 {
            self.failures = 0;
            self.last_fault = None;
            self.retry_at = None;
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
