//! An engine, as it looks at one moment.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::engine::Engine;
use super::face::Face;
use super::stats::{Counters, Gauges, SlotView};
use crate::fault::Fault;

impl<F: Face> Engine<F> {
    /// Totals.
    pub fn counters(&self) -> Counters {
        self.core().counters()
    }

    /// How many slots are what, now.
    pub fn gauges(&self) -> Gauges {
        let core = self.core();
        let mut gauges = Gauges { waiting: core.waiting(), ..Gauges::default() };
        core.each_slot(|view| gauges.count(view.state));
        gauges
    }

    /// How many slots are kept filled, and how many there may be.
    pub fn limits(&self) -> (u32, u32) {
        let core = self.core();
        (core.settings.min_slots, core.settings.max_slots)
    }

    /// Visits every slot that is not empty.
    pub fn each_slot(&self, visit: impl FnMut(SlotView<'_, F::Resource>)) {
        self.core().each_slot(visit);
    }

    /// Gauges and totals, for the pool and for each endpoint.
    pub fn stats(&self) -> Value {
        let now = Instant::now();
        let core = self.core();
        let outside = core.waiting_outside();
        let mut whole = Gauges { waiting: core.waiting() + outside, ..Gauges::default() };
        let mut each: Vec<Gauges> = core
            .endpoints
            .iter()
            .map(|endpoint| Gauges { waiting: endpoint.lines.len(), ..Gauges::default() })
            .collect();
        core.each_slot(|view| {
            whole.count(view.state);
            each[view.endpoint].count(view.state);
        });
        let mut stats = whole.to_json();
        let fields = stats.as_object_mut().expect("gauges are an object");
        fields.insert("min".into(), json!(core.settings.min_slots));
        fields.insert("max".into(), json!(core.settings.max_slots));
        core.tally().add_to(fields);
        let endpoints: Vec<Value> = core
            .endpoints
            .iter()
            .zip(each)
            .enumerate()
            .map(|(at, (endpoint, gauges))| {
                let mut shown = gauges.to_json();
                let fields = shown.as_object_mut().expect("gauges are an object");
                fields.insert("name".into(), json!(&*endpoint.name));
                fields.insert("state".into(), json!(core.state_of(at)));
                fields.insert("min".into(), json!(endpoint.habits.min_slots));
                fields.insert(
                    "max".into(),
                    json!(endpoint.habits.max_slots.min(core.settings.max_slots as usize)),
                );
                fields.insert("inFlight".into(), json!(endpoint.in_flight));
                fields.insert("failures".into(), json!(endpoint.breaker.failures));
                let retry_in = endpoint
                    .breaker
                    .retry_at
                    .map(|then| then.saturating_duration_since(now).as_secs_f64() * 1e3);
                fields.insert("retryInMs".into(), json!(retry_in));
                fields.insert("generation".into(), json!(endpoint.generation));
                let latency = endpoint.pulse.latency().map(|took| took.as_secs_f64() * 1e3);
                fields.insert("latencyMs".into(), json!(latency));
                endpoint.tally.add_to(fields);
                fields.insert(
                    "lastError".into(),
                    json!(endpoint.breaker.last_fault.as_ref().map(Fault::message)),
                );
                shown
            })
            .collect();
        fields.insert("endpoints".into(), json!(endpoints));
        stats
    }

    /// `paused`, `ready`, `closing` or `closed`.
    pub fn state(&self) -> &'static str {
        self.core().phase.text()
    }
}
