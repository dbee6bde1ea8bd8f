//! What every pool can be asked, whatever its slots hold.
//!
//! [`Pool`] is the engine with a [`Holds`] face; [`AnyPool`] is all that does not depend on which.
//! Callers are known by a ticket, a number of their own choosing. Each ticket that was accepted is
//! settled through the [`Sink`](super::Sink) exactly once, unless it was cancelled in time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::call::{Answer, Call, CallOptions, Held, Holds, LeaseInfo, Want, epoch_ms, lock};
use super::engine::{Cancelled, Engine};
use super::event::Observed;
use super::options::endpoint::refuse;
use super::request::{Ask, Kind};
use super::shelf::Shelf;
use super::table::{Lease, MAX_SLOTS};
use crate::fault::{Code, Fault};

/// See the module.
pub struct Pool<F: Holds> {
    pub(super) engine: Arc<Engine<F>>,
}

/// See the module.
pub trait AnyPool: Send + Sync {
    /// Asks to hold a slot.
    ///
    /// # Errors
    /// The fault, when the call is refused at once; then the ticket is not used.
    fn acquire(&self, ticket: u64, options: &CallOptions) -> Result<Held, Fault>;

    /// A slot now, or nothing.
    ///
    /// # Errors
    /// [`Code::Closed`].
    fn try_acquire(&self, options: &CallOptions) -> Result<Option<LeaseInfo>, Fault>;

    /// Gives a held slot back.
    ///
    /// # Errors
    /// [`Code::NotHeld`].
    fn release(&self, lease: Lease) -> Result<(), Fault>;

    /// See [`Engine::send_outside`]; the tickets, and for how long each has been waiting.
    fn send_outside(&self) -> Vec<(u64, Duration)>;

    /// Gives a held slot back and closes what it holds.
    ///
    /// # Errors
    /// [`Code::NotHeld`].
    fn discard(&self, lease: Lease, why: &str) -> Result<(), Fault>;

    /// Turns away from a call.
    fn cancel(&self, request: f64) -> Cancelled;

    /// Closes the pool; see [`Engine::close`]. Without `within`, `drainTimeoutMs`.
    fn close(&self, within: Option<Duration>);

    /// From now on the pool opens by itself what it should keep open.
    fn begin(&self);

    /// Gives out slots, after a pause.
    ///
    /// # Errors
    /// [`Code::Closed`].
    fn ready(&self) -> Result<(), Fault>;

    /// Gives out none until it is ready; see [`Engine::pause`].
    ///
    /// # Errors
    /// [`Code::Closed`].
    fn pause(&self) -> Result<(), Fault>;

    /// Makes all that is open stale; see [`Engine::clear`].
    ///
    /// # Errors
    /// [`Code::Closed`].
    fn clear(&self, endpoint: Option<usize>, interrupt: bool) -> Result<(), Fault>;

    /// Settles `ticket` when the minimum stands. The number cancels it.
    ///
    /// # Errors
    /// [`Code::Closed`], [`Code::Cleared`].
    fn warm(&self, ticket: u64) -> Result<f64, Fault>;

    /// Sets how many slots are kept filled and how many there may be.
    ///
    /// # Errors
    /// [`Code::Closed`], [`Code::InvalidOption`].
    fn resize(&self, min: Option<u32>, max: Option<u32>) -> Result<(), Fault>;

    /// Settles `ticket` with a report on how everything does.
    fn check_health(&self, ticket: u64);

    /// Takes a held slot out of the pool for user code; see [`Engine::recycle`].
    ///
    /// # Errors
    /// [`Code::NotHeld`].
    fn recycle(&self, lease: Lease, ticket: u64) -> Result<(), Fault>;

    /// User code is done with what a slot holds, or has failed.
    fn hook_done(&self, lease: Lease, number: u64, error: Option<String>);

    /// Gives back what a holder held that was garbage collected; says whether it held anything.
    fn reclaim(&self, lease: Lease) -> bool;

    /// Which events are worth making.
    fn observe(&self, observed: Observed);

    /// See [`Engine::make_shelf`].
    fn make_shelf(&self, clock_ms: f64) -> Option<Arc<Shelf>>;

    /// See [`Engine::delivered`].
    fn delivered(&self, lease: Lease);

    /// See [`Engine::hold_in_hand`].
    fn hold_in_hand(&self, slot: u32) -> Option<LeaseInfo>;

    /// `paused`, `ready`, `closing` or `closed`.
    fn state(&self) -> &'static str;

    /// Gauges and totals, for the pool and for each endpoint.
    fn stats(&self) -> Value;

    /// Every slot that is not empty.
    fn connections(&self) -> Value;

    /// Every endpoint: where it is and how it does.
    fn endpoints(&self) -> Value;
}

impl<F: Holds> AnyPool for Pool<F> {
    fn acquire(&self, ticket: u64, options: &CallOptions) -> Result<Held, Fault> {
        let answer = Arc::new(Mutex::new(Answer::Awaited));
        let call = Call { ticket, want: Want::Hold(answer.clone()) };
        let key = self.engine.submit(options.ask(Kind::Hold), call)?;
        let now = std::mem::replace(&mut *lock(&answer), Answer::ByTicket);
        Ok(match now {
            Answer::Here(info) => Held::Now(info),
            Answer::Awaited | Answer::ByTicket => Held::Later(key.to_number()),
        })
    }

    fn try_acquire(&self, options: &CallOptions) -> Result<Option<LeaseInfo>, Fault> {
        let answer = Arc::new(Mutex::new(Answer::Awaited));
        let call = Call { ticket: 0, want: Want::Hold(answer.clone()) };
        self.engine.try_hold(options.ask(Kind::Hold), call)?;
        let now = std::mem::replace(&mut *lock(&answer), Answer::ByTicket);
        Ok(if let Answer::Here(info) = now { Some(info) } else { None })
    }

    fn release(&self, lease: Lease) -> Result<(), Fault> {
        self.engine.release(lease)
    }

    fn send_outside(&self) -> Vec<(u64, Duration)> {
        let sent = self.engine.send_outside().into_iter();
        sent.map(|(call, waited)| (call.ticket, waited)).collect()
    }

    fn discard(&self, lease: Lease, why: &str) -> Result<(), Fault> {
        let thing = F::WORDING.thing;
        let message = if why.is_empty() {
            format!("its holder discarded the {thing}")
        } else {
            format!("its holder discarded the {thing}: {why}")
        };
        self.engine.discard(lease, Fault::new(Code::ConnectionLost, message))
    }

    fn cancel(&self, request: f64) -> Cancelled {
        self.engine.cancel(request)
    }

    fn close(&self, within: Option<Duration>) {
        self.engine.close(within.unwrap_or(self.engine.drain_timeout()));
    }

    fn begin(&self) {
        self.engine.begin();
    }

    fn ready(&self) -> Result<(), Fault> {
        self.engine.ready()
    }

    fn pause(&self) -> Result<(), Fault> {
        self.engine.pause()
    }

    fn clear(&self, endpoint: Option<usize>, interrupt: bool) -> Result<(), Fault> {
        self.engine.clear(endpoint, interrupt)
    }

    fn warm(&self, ticket: u64) -> Result<f64, Fault> {
        let call = Call { ticket, want: Want::Told };
        self.engine.submit(Ask::new(Kind::Warm), call).map(|key| key.to_number())
    }

    fn resize(&self, min: Option<u32>, max: Option<u32>) -> Result<(), Fault> {
        let (least, most) = self.engine.limits();
        let (new_min, new_max) = (min.unwrap_or(least), max.unwrap_or(most));
        if new_min > new_max {
            return Err(refuse(
                "minConnections",
                new_min,
                &format!("is more than maxConnections ({new_max})"),
            ));
        }
        if !(1..=MAX_SLOTS).contains(&new_max) {
            let why = format!("is outside 1 to {MAX_SLOTS}");
            return Err(refuse("maxConnections", new_max, &why));
        }
        self.engine.resize(min, max)
    }

    fn check_health(&self, ticket: u64) {
        self.engine.check_health(Call { ticket, want: Want::Told });
    }

    fn recycle(&self, lease: Lease, ticket: u64) -> Result<(), Fault> {
        self.engine.recycle(lease, Call { ticket, want: Want::Told })
    }

    fn hook_done(&self, lease: Lease, number: u64, error: Option<String>) {
        self.engine.hook_done(lease, number, error);
    }

    fn reclaim(&self, lease: Lease) -> bool {
        self.engine.reclaim(lease)
    }

    fn observe(&self, observed: Observed) {
        self.engine.observe(observed);
    }

    fn make_shelf(&self, clock_ms: f64) -> Option<Arc<Shelf>> {
        self.engine.make_shelf(clock_ms)
    }

    fn delivered(&self, lease: Lease) {
        self.engine.delivered(lease);
    }

    fn hold_in_hand(&self, slot: u32) -> Option<LeaseInfo> {
        self.engine.hold_in_hand(slot).map(|grant| self.engine.face().lease_info(&grant))
    }

    fn state(&self) -> &'static str {
        self.engine.state()
    }

    fn stats(&self) -> Value {
        let mut stats = self.engine.stats();
        if let Some(endpoints) = stats["endpoints"].as_array_mut() {
            for (at, endpoint) in endpoints.iter_mut().enumerate() {
                let dialect = self.engine.face().dialect_at(at).map(|dialect| dialect.name);
                endpoint["dialect"] = json!(dialect);
            }
        }
        stats
    }

    fn connections(&self) -> Value {
        let now = Instant::now();
        let ms = |at: Instant| epoch_ms(now.saturating_duration_since(at)).round();
        let mut shown = Vec::new();
        let face = self.engine.face();
        self.engine.each_slot(|view| {
            let dialect = view.resource.and_then(|resource| face.dialect_of(resource));
            shown.push(json!({
                "id": view.id,
                "slot": view.slot,
                "state": view.state.text(),
                "endpoint": face.name_of(view.endpoint),
                "dialect": dialect.map(|dialect| dialect.name),
                "generation": view.generation,
                "createdAt": ms(view.opened_at),
                "lastUsedAt": ms(view.used_at),
                "useCount": view.uses,
                "healthFailures": view.failures,
                "healthScore": view.score,
                "latencyMs": view.latency.map(|took| took.as_secs_f64() * 1e3),
            }));
        });
        Value::Array(shown)
    }

    fn endpoints(&self) -> Value {
        let mut endpoints = self.stats()["endpoints"].take();
        if let Some(list) = endpoints.as_array_mut() {
            for (at, shown) in list.iter_mut().enumerate() {
                shown["address"] = json!(self.engine.face().address_of(at));
            }
        }
        endpoints
    }
}
