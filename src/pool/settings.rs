//! The engine's own settings: the options that concern slots, whatever they hold.

use std::time::Duration;

use super::backoff::Backoff;

/// See the option table for the meaning, the units and the ranges.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Slots, 1 to [`MAX_SLOTS`](super::table::MAX_SLOTS).
    pub max_slots: u32,
    /// Requests that may wait for a slot; `usize::MAX`: any number.
    pub max_waiting: usize,
    /// How long a request waits for a slot.
    pub acquire_timeout: Duration,
    /// How long a job may run.
    pub job_timeout: Duration,
    /// How long a cut job may finish its reply.
    pub drain_timeout: Duration,
    /// How long a request puts up with failing attempts to open something for it.
    pub patience: Duration,
    /// Between failing attempts.
    pub backoff: Backoff,
    /// A slot is emptied after this many uses.
    pub max_uses: u64,
}
