//! What a pool counts, and what it shows of itself.

use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::event::Reason;
use super::state::State;

/// How long something took, in all the cases there were.
#[derive(Clone, Debug)]
pub struct Durations(Histogram<u64>);

impl Default for Durations {
    fn default() -> Self {
        // Two significant digits: percentiles to a hundredth, in some 2 to 20 KB.
        let Ok(histogram) = Histogram::new(2) else { unreachable!("two digits are in range") };
        Durations(histogram)
    }
}

impl Durations {
    /// One more case.
    pub fn note(&mut self, took: Duration) {
        // Half a million years fit.
        let micros = took.as_micros() as u64;
        // Fails only where no room for the value can be had; then a figure is missing.
        let _ = self.0.record(micros);
    }

    /// So many cases that took so many milliseconds each.
    pub fn note_times(&mut self, ms: f64, times: u32) {
        let micros = (ms * 1e3).clamp(0.0, 1e15) as u64;
        let _ = self.0.record_n(micros, u64::from(times));
    }

    fn add(&mut self, other: &Durations) {
        // Fails only where no room can be had, as above.
        let _ = self.0.add(&other.0);
    }

    /// How many cases there were.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The duration in milliseconds that `share` (0 to 1) of the cases did not exceed.
    pub fn percentile(&self, share: f64) -> f64 {
        self.0.value_at_quantile(share) as f64 / 1e3
    }

    fn to_json(&self) -> Value {
        json!({
            "count": self.count(),
            "p50": self.percentile(0.5),
            "p95": self.percentile(0.95),
            "p99": self.percentile(0.99),
            "max": self.0.max() as f64 / 1e3,
        })
    }
}

/// Everything that is counted and timed.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// How often.
    pub counters: Counters,
    /// From asking for a slot to getting it.
    pub wait: Durations,
    /// From getting a slot to letting go of it.
    pub used: Durations,
    /// From beginning to open to being fit for use.
    pub connect: Durations,
    /// From starting a job to its outcome.
    pub command: Durations,
}

impl Tally {
    /// Adds what was counted and timed elsewhere.
    pub(super) fn add(&mut self, other: &Tally) {
        self.counters.add(&other.counters);
        self.wait.add(&other.wait);
        self.used.add(&other.used);
        self.connect.add(&other.connect);
        self.command.add(&other.command);
    }

    pub(super) fn add_to(&self, fields: &mut Map<String, Value>) {
        if let Value::Object(counters) = self.counters.to_json() {
            fields.extend(counters);
        }
        fields.insert("waitMs".into(), self.wait.to_json());
        fields.insert("useMs".into(), self.used.to_json());
        fields.insert("connectMs".into(), self.connect.to_json());
        fields.insert("commandMs".into(), self.command.to_json());
    }
}

/// Totals since the pool was made. They never go down, but for a command that could not be started
/// after all: it is counted when it starts for good.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Slots given to holders.
    pub acquired: u64,
    /// Slots given back by holders.
    pub released: u64,
    /// Attempts to open something.
    pub created: u64,
    /// Attempts that failed.
    pub connect_failures: u64,
    /// Requests whose time ran out, waiting or running.
    pub timeouts: u64,
    /// Requests whose caller turned away.
    pub aborted: u64,
    /// Jobs started.
    pub commands: u64,
    /// Jobs that failed or whose answer was an error.
    pub command_errors: u64,
    /// Checks that were started.
    pub health_checks: u64,
    /// Checks that failed.
    pub health_check_failures: u64,
    /// Requests dropped because waiting took too long for all.
    pub dropped: u64,
    /// Holds reported as too long.
    pub leaks: u64,
    /// Holds whose holder was garbage collected.
    pub reclaimed: u64,
    /// User code that failed.
    pub hook_failures: u64,
    /// Connections closed because bytes came that nobody had asked for.
    pub desyncs: u64,
    /// Slots found in a state that no rule allows: a bug in this crate. Must stay 0.
    pub races: u64,
    closed: [u64; Reason::ALL.len()],
}

impl Counters {
    /// Adds what was counted elsewhere.
    pub(super) fn add(&mut self, other: &Counters) {
        self.acquired += other.acquired;
        self.released += other.released;
        self.created += other.created;
        self.connect_failures += other.connect_failures;
        self.timeouts += other.timeouts;
        self.aborted += other.aborted;
        self.commands += other.commands;
        self.command_errors += other.command_errors;
        self.health_checks += other.health_checks;
        self.health_check_failures += other.health_check_failures;
        self.dropped += other.dropped;
        self.leaks += other.leaks;
        self.reclaimed += other.reclaimed;
        self.hook_failures += other.hook_failures;
        self.desyncs += other.desyncs;
        self.races += other.races;
        for (mine, others) in self.closed.iter_mut().zip(other.closed) {
            *mine += others;
        }
    }

    pub(super) fn closed(&mut self, reason: Reason) {
        self.closed[reason as usize] += 1;
    }

    /// How many were closed for this reason.
    pub fn closed_for(&self, reason: Reason) -> u64 {
        self.closed[reason as usize]
    }

    pub(super) fn to_json(&self) -> Value {
        let closed: serde_json::Map<String, Value> = Reason::ALL
            .iter()
            .map(|reason| (reason.text().to_owned(), json!(self.closed_for(*reason))))
            .collect();
        json!({
            "acquired": self.acquired,
            "released": self.released,
            "created": self.created,
            "connectFailures": self.connect_failures,
            "timeouts": self.timeouts,
            "aborted": self.aborted,
            "commands": self.commands,
            "commandErrors": self.command_errors,
            "healthChecks": self.health_checks,
            "healthCheckFailures": self.health_check_failures,
            "dropped": self.dropped,
            "leaks": self.leaks,
            "reclaimed": self.reclaimed,
            "hookFailures": self.hook_failures,
            "desyncs": self.desyncs,
            "raceDetected": self.races,
            "closed": closed,
        })
    }
}

/// How many slots are in which state, and how many callers wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Ready to be claimed.
    pub idle: usize,
    /// Held, or claimed for a job.
    pub in_use: usize,
    /// Being opened.
    pub connecting: usize,
    /// Draining or closing.
    pub unusable: usize,
    /// Callers who wait for a slot.
    pub waiting: usize,
}

impl Gauges {
    pub(super) fn count(&mut self, state: State) {
        match state {
            State::Empty => {}
            State::Created | State::Initializing => self.connecting += 1,
            State::Idle => self.idle += 1,
            State::InUse => self.in_use += 1,
            State::Unusable | State::Closed => self.unusable += 1,
        }
    }

    /// Slots that are not empty.
    pub fn total(&self) -> usize {
        self.idle + self.in_use + self.connecting + self.unusable
    }

    pub(super) fn to_json(self) -> Value {
        json!({
            "total": self.total(),
            "idle": self.idle,
            "inUse": self.in_use,
            "connecting": self.connecting,
            "unusable": self.unusable,
            "waiting": self.waiting,
        })
    }
}

/// One slot that is not EMPTY, as it was at one moment.
#[derive(Debug)]
pub struct SlotView<'a, R> {
    /// Its index.
    pub slot: u32,
    /// What it is.
    pub state: State,
    /// How often it was claimed.
    pub generation: u32,
    /// The number of what it holds.
    pub id: u64,
    /// Whose it is.
    pub endpoint: usize,
    /// What it holds, once opened.
    pub resource: Option<&'a Arc<R>>,
    /// When opening began, or ended.
    pub opened_at: Instant,
    /// When it was last claimed or let go.
    pub used_at: Instant,
    /// How often it was used.
    pub uses: u64,
    /// Failed checks in a row.
    pub failures: u32,
    /// 0 to 1: how it does, by its checks.
    pub score: f64,
    /// How long its checks take to be answered.
    pub latency: Option<Duration>,
}
