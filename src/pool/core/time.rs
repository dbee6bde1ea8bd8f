//! What happens because time has passed.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Core, Effect, Effects, Timer};
use crate::fault::{Code, Fault};
use crate::pool::event::Reason;
use crate::pool::face::Face;
use crate::pool::request::{Kind, Place, Request, RequestKey};
use crate::pool::state::State;
use crate::pool::wording::Wording;

/// Of what is due at the same moment, so much at once: whoever waits for the lock meanwhile is the event loop.
const AT_ONCE: usize = 256;

/// The detail of a timeout at an endpoint that has not answered anything yet.
pub(in crate::pool) const NEVER_ANSWERED: &str = "neverAnswered";

impl<F: Face> Core<F> {
    /// Does what is due, some of it if that is much: what is left is due at once.
    pub(in crate::pool) fn tick(&mut self, now: Instant, fx: &mut Effects<F>) {
        for _ in 0..AT_ONCE {
            let Some(timer) = self.deadlines.due(now) else { break };
            match timer {
                Timer::Request(key) => self.out_of_time(key, now, fx),
                Timer::Endpoint(at) => self.look_at(at, now, fx),
                Timer::Unhush(at) => {
                    // A dial that began meanwhile keeps it hushed.
                    self.endpoints[at].hushed =
                        self.endpoints[at].habits.quiet && self.endpoints[at].dialling > 0;
                }
                Timer::Stalled => self.stalling = false,
                Timer::Rate => self.pacing = false,
                Timer::Shelf => self.shelf_is_due(),
                Timer::Leak(lease) => self.held_too_long(lease, now, fx),
                Timer::Check { slot, number } => self.check_timed_out(slot, number, now, fx),
                Timer::Hook { slot, number } => self.hook_timed_out(slot, number, fx),
                Timer::Round => self.check_round(now, fx),
                Timer::Report(number) => self.report_timed_out(number, now, fx),
                Timer::Upkeep => self.upkeep(now, fx),
                Timer::Close => self.force(fx),
            }
        }
        self.serve(now, fx);
        self.check_closed(now, fx);
    }

    pub(super) fn out_of_time(&mut self, key: RequestKey, now: Instant, fx: &mut Effects<F>) {
        if self.requests.get(key.index).is_none_or(|request| request.number != key.number) {
            return;
        }
        self.requests[key.index].stamp = None;
        let request = self.take_out(key);
        let waited = now.saturating_duration_since(request.queued_at).as_millis();
        let Place::Running(at) = request.place else {
            self.count_for(request.endpoint, |counters| counters.timeouts += 1);
            self.go_on(&request, now, fx);
            let fault = self.waited_in_vain(&request, now);
            if request.place == Place::Queued {
                let Request { kind, endpoint, queued_at, .. } = request;
                self.tell_failed(kind, endpoint, queued_at, &fault, now, fx);
            }
            fx.push(Effect::Refuse { job: request.job, fault });
            return;
        };
        let endpoint = self.slots[at as usize].endpoint;
        self.count_at(endpoint, |counters| {
            counters.timeouts += 1;
            counters.command_errors += 1;
        });
        let name = self.endpoints[self.slots[at as usize].endpoint].name.clone();
        let (limit, option) =
            limit_of(&request, now, self.settings.job_timeout, "commandTimeoutMs");
        let ran = now.saturating_duration_since(self.slots[at as usize].used_at).as_millis();
        let waited = waited.saturating_sub(ran);
        let mut message = format!("{name} did not answer the command within {limit} ms ({option})");
        if option == TOTAL && waited > 0 {
            message += &format!(", {waited} of them spent waiting for its turn");
        }
        let fault = Fault::new(Code::CommandTimeout, message)
            .advice(format!("Blender may be rendering, or a dialog may be open. Raise {option} for long work; check the scene before sending the command again."))
            .endpoint(&*name)
            .connection(self.slots[at as usize].id);
        let answered = self.endpoints[self.slots[at as usize].endpoint].answered;
        let fault = if answered { fault } else { fault.detail(NEVER_ANSWERED, true) };
        let cut_short = self.cut_short(at);
        if let Some((resource, exchange)) = self.cut_off(at, Reason::Error, cut_short, fx) {
            fx.push(Effect::Cut { resource, exchange, job: request.job, fault });
        }
    }

    /// The endpoint a job waits for though it has a connection open there, because as many jobs run
    /// as it bears.
    fn keeps_waiting(&self, request: &Request<F::Job>) -> Option<Arc<str>> {
        let endpoint = match request.endpoint {
            Some(at) => &self.endpoints[at],
            None if self.endpoints.len() == 1 => &self.endpoints[0],
            None => return None,
        };
        let full = endpoint.in_flight >= endpoint.habits.max_in_flight;
        (request.kind == Kind::Run && full).then(|| endpoint.name.clone())
    }

    fn waited_in_vain(&self, request: &Request<F::Job>, now: Instant) -> Fault {
        let (limit, option) =
            limit_of(request, now, self.settings.acquire_timeout, "acquireTimeoutMs");
        if request.kind == Kind::Warm {
            let message = format!(
                "minConnections ({}) were not open within {limit} ms ({option})",
                self.settings.min_slots
            );
            return self.blame_endpoint(Fault::new(Code::AcquireTimeout, message), None);
        }
        if let Kind::RunHeld(_) = request.kind {
            let message = format!("the command did not get its turn within {limit} ms ({option})");
            return Fault::new(Code::AcquireTimeout, message).advice(format!(
                "Other commands run on that Blender, which takes one at a time: wait for them, or raise {option}."
            ));
        }
        if let Some(name) = self.keeps_waiting(request) {
            // A cut command counts as long as Blender is still at it.
            let message = format!(
                "the command did not get its turn within {limit} ms ({option}): {name} is still busy with the ones before it"
            );
            return Fault::new(Code::AcquireTimeout, message).endpoint(&*name).advice(format!(
                "That Blender takes one command at a time, and finishes those whose caller has gone: wait for it, or raise {option}. More connections do not help."
            ));
        }
        let (in_use, max) = (self.count(State::InUse), self.settings.max_slots);
        let (held, waiting) = (self.held, self.waiting());
        let Wording { thing, things, .. } = F::WORDING;
        let fault = Fault::new(
            Code::AcquireTimeout,
            format!(
                "no {thing} became free within {limit} ms ({option}): {in_use} of {max} in use ({held} held), {waiting} other callers waiting"
            ),
        )
        .advice(format!("Raise {option} or maxConnections, or hold {things} for a shorter time."));
        self.blame_endpoint(fault, request.endpoint)
    }

    /// If an endpoint fails, that is why there was nothing in time.
    fn blame_endpoint(&self, fault: Fault, endpoint: Option<usize>) -> Fault {
        let mut fault = fault;
        let blamed = match endpoint {
            Some(at) => Some(&self.endpoints[at]),
            None => self.endpoints.iter().find(|endpoint| endpoint.breaker.last_fault.is_some()),
        };
        if let Some(endpoint) = blamed {
            fault = fault.endpoint(&*endpoint.name);
            if let Some(last) = &endpoint.breaker.last_fault {
                let cause = last
                    .cause_of()
                    .cloned()
                    .unwrap_or_else(|| crate::fault::Cause::text(last.message()));
                fault = fault.cause(cause).advice(format!(
                    "{} is what fails: {}. Mend that first.",
                    F::WORDING.opening,
                    last.message()
                ));
            }
        }
        fault
    }
}

/// The caller's own limit over everything.
const TOTAL: &str = "timeoutMs";

/// Which limit was reached, in milliseconds, and the option that sets it.
fn limit_of<J>(
    request: &Request<J>,
    now: Instant,
    limit: Duration,
    option: &'static str,
) -> (u128, &'static str) {
    match request.until {
        Some(until) if until <= now => ((until - request.queued_at).as_millis(), TOTAL),
        _ => (limit.as_millis(), option),
    }
}
