//! What happens because time has passed.

use tokio::time::Instant;

use super::{Core, Effect, Effects, Timer};
use crate::fault::{Code, Fault};
use crate::pool::event::Reason;
use crate::pool::face::Face;
use crate::pool::request::{Kind, Place, RequestKey};
use crate::pool::state::State;

/// The detail of a timeout at an endpoint that has not answered anything yet.
pub(in crate::pool) const NEVER_ANSWERED: &str = "neverAnswered";

impl<F: Face> Core<F> {
    /// Does what is due.
    pub(in crate::pool) fn tick(&mut self, now: Instant, fx: &mut Effects<F>) {
        while let Some(timer) = self.deadlines.due(now) {
            match timer {
                Timer::Request(key) => self.out_of_time(key, now, fx),
                Timer::Endpoint(at) => self.look_at(at, now, fx),
                Timer::Unhush(at) => {
                    // A dial that began meanwhile keeps it hushed.
                    self.endpoints[at].hushed =
                        self.endpoints[at].habits.quiet && self.endpoints[at].connecting > 0;
                }
                Timer::Close => self.force(now, fx),
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
        self.counters.timeouts += 1;
        let request = self.take_out(key);
        let overall = request.until.is_some_and(|until| until <= now);
        let waited = now.saturating_duration_since(request.queued_at).as_millis();
        let Place::Running(at) = request.place else {
            self.go_on(&request, now, fx);
            let fault = self.waited_in_vain(request.kind, request.endpoint, waited, overall);
            fx.push(Effect::Refuse { job: request.job, fault });
            return;
        };
        let name = self.endpoints[self.slots[at as usize].endpoint].name.clone();
        let ran = now.saturating_duration_since(self.slots[at as usize].used_at).as_millis();
        let limit = if overall { "timeoutMs" } else { "commandTimeoutMs" };
        let fault = Fault::new(
            Code::CommandTimeout,
            format!("{name} did not answer the command within {ran} ms ({limit})"),
        )
        .endpoint(&*name)
        .connection(self.slots[at as usize].id);
        let answered = self.endpoints[self.slots[at as usize].endpoint].answered;
        let fault = if answered { fault } else { fault.detail(NEVER_ANSWERED, true) };
        let cut_short = self.cut_short(at);
        if let Some((resource, exchange)) = self.cut_off(at, Reason::Error, cut_short, fx) {
            fx.push(Effect::Cut { resource, exchange, job: request.job, fault });
        }
    }

    pub(super) fn waited_in_vain(
        &self,
        kind: Kind,
        endpoint: Option<usize>,
        waited: u128,
        overall: bool,
    ) -> Fault {
        let limit = if overall { "timeoutMs" } else { "acquireTimeoutMs" };
        if let Kind::RunHeld(_) = kind {
            let message = format!("the command did not get its turn within {waited} ms ({limit})");
            return Fault::new(Code::AcquireTimeout, message)
                .advice("Other commands run on that Blender, which takes one at a time: wait for them, or raise the limit.");
        }
        let (in_use, max) = (self.count(State::InUse), self.settings.max_slots);
        let waiting = self.waiting();
        let mut fault = Fault::new(
            Code::AcquireTimeout,
            format!(
                "no connection became free within {waited} ms ({limit}): {in_use} of {max} in use, {waiting} more callers waiting"
            ),
        );
        let blamed = match endpoint {
            Some(at) => Some(&self.endpoints[at]),
            None => self.endpoints.iter().find(|endpoint| endpoint.last_fault.is_some()),
        };
        if let Some(endpoint) = blamed {
            fault = fault.endpoint(&*endpoint.name);
            if let Some(last) = &endpoint.last_fault {
                let cause = last
                    .cause_of()
                    .cloned()
                    .unwrap_or_else(|| crate::fault::Cause::text(last.message()));
                fault = fault.cause(cause).advice(format!(
                    "Opening a connection is what fails: {}. Mend that first.",
                    last.message()
                ));
            }
        }
        fault
    }
}
