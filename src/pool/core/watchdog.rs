//! What is stuck: slots in a state that must pass, for longer than anything there may take.
//!
//! None of this should ever happen. It does when what a slot holds does not keep its word (an
//! attempt to open that never ends, something closed that never says so), and then one slot would
//! be lost for good, and closing the pool would never end. So what should have happened is asked
//! for once more, and by the next look the slot is given up.

use std::time::Duration;

use tokio::time::Instant;

use super::{Core, Effect, Effects, Name};
use crate::fault::{Code, Fault};
use crate::pool::event::{Event, Severity};
use crate::pool::face::Face;
use crate::pool::state::State;

/// What something may be late beyond its own limit.
const GRACE: Duration = Duration::from_secs(2);

impl<F: Face> Core<F> {
    /// Ends what has been in a passing state for longer than anything there may take.
    pub(super) fn watch(&mut self, now: Instant, fx: &mut Effects<F>) {
        for at in 0..self.slots.len() as u32 {
            let slot = &self.slots[at as usize];
            match (self.table.read(at).0, &slot.check, &slot.hook) {
                (State::Empty | State::Idle | State::InUse, ..) => {}
                (_, Some(check), _) => {
                    if check.stamp.due() + GRACE <= now {
                        self.check_timed_out(at, check.number, now, fx);
                    }
                }
                (_, _, Some(run)) => {
                    if run.stamp.due() + GRACE <= now {
                        self.hook_timed_out(at, run.number, fx);
                    }
                }
                _ => self.watch_passing(at, now, fx),
            }
        }
    }

    fn watch_passing(&mut self, at: u32, now: Instant, fx: &mut Effects<F>) {
        let slot = &self.slots[at as usize];
        // What is to be closed waits until nothing runs at its endpoint.
        let waits = self.endpoints[slot.endpoint].farewells.contains(&at);
        let limit = self.longest(at);
        if waits || now.saturating_duration_since(slot.since) <= limit {
            return;
        }
        if slot.warned {
            return self.give_up(at, now, fx);
        }
        match (&slot.opening, &slot.resource) {
            (Some(handle), _) => fx.push(Effect::Abort(handle.clone())),
            (None, Some(resource)) => fx.push(Effect::Close { resource: resource.clone() }),
            (None, None) => {}
        }
        self.slots[at as usize].warned = true;
    }

    /// A slot is emptied though nobody has said that what it held is gone. Should that be said
    /// later, the slot holds something else by then, or nothing.
    fn give_up(&mut self, at: u32, now: Instant, fx: &mut Effects<F>) {
        let slot = &self.slots[at as usize];
        let (id, endpoint) = (slot.id, slot.endpoint);
        let state = self.table.read(at).0;
        let stuck = now.saturating_duration_since(slot.since);
        let limit = self.longest(at);
        let name = &self.endpoints[endpoint].name;
        let message = format!(
            "{} {id} of {name} (slot {at}) was stuck in state {} for {} ms and was given up",
            F::WORDING.thing,
            state.text(),
            stuck.as_millis()
        );
        let fault = self.about(at, Fault::new(Code::Connect, message.clone()));
        self.tell(Name::Alert, fx, || Event::Alert {
            severity: Severity::Critical,
            metric: "stuckSlot",
            value: stuck.as_secs_f64() * 1e3,
            threshold: limit.as_secs_f64() * 1e3,
            endpoint: Some(endpoint),
            message,
        });
        if self.slots[at as usize].resource.is_none() {
            self.open_failed(at, id, fault, now, fx);
        } else {
            self.ended(at, id, None, now, fx);
        }
    }

    fn longest(&self, at: u32) -> Duration {
        match self.slots[at as usize].resource {
            None => self.settings.open_timeout * 2,
            Some(_) => self.settings.drain_timeout + GRACE,
        }
    }
}
