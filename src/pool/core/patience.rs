//! How long callers put up with an endpoint that fails.
//!
//! A Blender that restarts is away for a second or two: callers ride that out. One that is closed
//! should be told about soon. So a caller waits through failing attempts for the pool's patience,
//! and is refused with the last failure once that is over *and* an attempt that began after it
//! came has failed; if the backoff left no room for one, it is made then.

use std::time::Duration;

use tokio::time::Instant;

use super::{Core, Effect, Effects, Timer, line};
use crate::fault::Fault;
use crate::pool::face::Face;
use crate::pool::request::Kind;

impl<F: Face> Core<F> {
    pub(super) fn note_failure(
        &mut self,
        at: usize,
        began: Instant,
        fault: Fault,
        now: Instant,
        fx: &mut Effects<F>,
    ) {
        let pause = {
            let endpoint = &mut self.endpoints[at];
            endpoint.failures += 1;
            self.settings.backoff.pause(endpoint.failures)
        };
        let endpoint = &mut self.endpoints[at];
        // What has answered before will hardly have become something else; one odd answer of it is
        // no reason to send everybody away.
        let hopeless = !fault.is_retryable() && !endpoint.answered;
        endpoint.last_fault = Some(fault);
        endpoint.last_try = endpoint.last_try.max(Some(began));
        endpoint.retry_at = Some(now + pause);
        if endpoint.slots == 0 {
            // What listens there next may be something else.
            endpoint.habits = endpoint.first_habits;
        }
        self.deadlines.insert(now + pause, Timer::Endpoint(at));
        self.lose_patience(at, hopeless, now, fx);
    }

    /// Refuses those who have had their try at an endpoint and waited long enough; those whose
    /// time is up without a try get one now.
    pub(super) fn lose_patience(
        &mut self,
        at: usize,
        hopeless: bool,
        now: Instant,
        fx: &mut Effects<F>,
    ) {
        if self.endpoints[at].slots > self.endpoints[at].connecting {
            // Something is open there and will serve them.
            return;
        }
        let Some(fault) = self.endpoints[at].last_fault.clone() else {
            return;
        };
        let Some(last_try) = self.endpoints[at].last_try else {
            return;
        };
        let all_failing = self.endpoints.iter().all(|endpoint| endpoint.failures > 0);
        let patience = if hopeless { Duration::ZERO } else { self.settings.patience };
        let mut next: Option<Instant> = None;
        let mut untried = false;
        for (kind, named) in
            [(Kind::Hold, true), (Kind::Run, true), (Kind::Hold, false), (Kind::Run, false)]
        {
            if !named && !all_failing {
                continue;
            }
            while let Some(index) =
                line(&mut self.anywhere, &mut self.endpoints, kind, named.then_some(at)).first()
            {
                let queued_at = self.requests[index].queued_at;
                if now < queued_at + patience {
                    next = Some(
                        next.map_or(queued_at + patience, |next| next.min(queued_at + patience)),
                    );
                    break;
                }
                if queued_at > last_try {
                    untried = true;
                    break;
                }
                let key = self.key_of(index);
                let request = self.take_out(key);
                fx.push(Effect::Refuse { job: request.job, fault: fault.clone() });
            }
        }
        if untried {
            self.endpoints[at].retry_at = None;
        }
        if let Some(next) = next {
            self.deadlines.insert(next, Timer::Endpoint(at));
        }
    }

    /// A request joined the queue of endpoints that fail: when will its patience be over?
    pub(super) fn mind_patience(&mut self, named: Option<usize>, now: Instant) {
        let at = match named {
            Some(at) => at,
            None if self.endpoints.iter().all(|endpoint| endpoint.failures > 0) => 0,
            None => return,
        };
        if self.endpoints[at].failures > 0 {
            self.deadlines.insert(now + self.settings.patience, Timer::Endpoint(at));
        }
    }
}
