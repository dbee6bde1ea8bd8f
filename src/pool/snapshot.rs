//! An engine, as it looks at one moment.

use serde_json::{Value, json};

use super::core::Phase;
use super::engine::Engine;
use super::face::Face;
use super::stats::{Counters, Gauges, SlotView};
use crate::fault::Fault;

impl<F: Face> Engine<F> {
    /// Totals.
    pub fn counters(&self) -> Counters {
        self.core().counters.clone()
    }

    /// How many slots are what, now.
    pub fn gauges(&self) -> Gauges {
        let core = self.core();
        let mut gauges = Gauges { waiting: core.waiting(), ..Gauges::default() };
        core.each_slot(|view| gauges.count(view.state));
        gauges
    }

    /// Visits every slot that is not empty.
    pub fn each_slot(&self, visit: impl FnMut(SlotView<'_, F::Resource>)) {
        self.core().each_slot(visit);
    }

    /// Gauges and totals, for the pool and for each endpoint.
    pub fn stats(&self) -> Value {
        let core = self.core();
        let mut whole = Gauges { waiting: core.waiting(), ..Gauges::default() };
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
        fields.insert("min".into(), json!(0));
        fields.insert("max".into(), json!(core.settings.max_slots));
        if let Value::Object(counters) = core.counters.to_json() {
            fields.extend(counters);
        }
        let endpoints: Vec<Value> = core
            .endpoints
            .iter()
            .zip(each)
            .map(|(endpoint, gauges)| {
                let mut shown = gauges.to_json();
                let fields = shown.as_object_mut().expect("gauges are an object");
                fields.insert("name".into(), json!(&*endpoint.name));
                fields.insert("inFlight".into(), json!(endpoint.in_flight));
                fields.insert("failures".into(), json!(endpoint.failures));
                fields.insert(
                    "lastError".into(),
                    json!(endpoint.last_fault.as_ref().map(Fault::message)),
                );
                shown
            })
            .collect();
        fields.insert("endpoints".into(), json!(endpoints));
        stats
    }

    /// `ready`, `closing` or `closed`.
    pub fn state(&self) -> &'static str {
        match self.core().phase {
            Phase::Ready => "ready",
            Phase::Closing => "closing",
            Phase::Closed => "closed",
        }
    }
}
