//! How long callers put up with an endpoint that fails.
//!
//! A Blender that restarts is away for a second or two: callers ride that out, whenever they came.
//! One that is closed should be told about soon: once an outage has lasted for the pool's patience,
//! whoever has had a try is refused with its failure, and who comes while no try is due soon is
//! refused at once. [`Breaker`](crate::pool::breaker) says when a try may be made.
//!
//! A caller who may go anywhere is refused only when that is so of every endpoint.

use tokio::time::Instant;

use super::{Core, Effects, Name, Timer, line};
use crate::fault::{Cause, Code, Fault};
use crate::pool::event::Event;
use crate::pool::face::Face;
use crate::pool::request::Kind;
use crate::pool::state::State;

impl<F: Face> Core<F> {
    pub(super) fn note_failure(
        &mut self,
        at: usize,
        began: Instant,
        fault: Fault,
        now: Instant,
        fx: &mut Effects<F>,
    ) {
        self.endpoints[at].breaker.failures += 1;
        let is_down = self.is_down(at);
        let endpoint = &mut self.endpoints[at];
        let failures = endpoint.breaker.failures;
        // What has answered before will hardly have become something else; one odd answer of it is
        // no reason to send everybody away.
        let hopeless = !fault.is_retryable() && !endpoint.answered;
        if endpoint.slots == 0 {
            // What listens there next may be something else.
            endpoint.habits = endpoint.first_habits;
        }
        let pause = self.settings.backoff.pause(failures);
        if endpoint.breaker.fail(began, fault.clone(), pause, is_down, now) {
            self.tell(Name::EndpointDown, fx, || Event::EndpointDown {
                endpoint: at,
                fault,
                failures,
            });
        }
        self.look_again(at, now + pause);
        if is_down {
            self.send_elsewhere(at, now);
        }
        self.lose_patience(at, hopeless, now, fx);
    }

    /// It answered: whatever failed there before is over.
    pub(super) fn prove(&mut self, at: usize, now: Instant, fx: &mut Effects<F>) {
        let endpoint = &mut self.endpoints[at];
        endpoint.answered = true;
        endpoint.answered_at = Some(now);
        endpoint.sought_at = None;
        if let Some(since) = endpoint.breaker.close() {
            let down = now.saturating_duration_since(since);
            self.tell(Name::EndpointUp, fx, || Event::EndpointUp { endpoint: at, down });
        }
    }

    /// Attempts fail, and nothing is open that could serve those who wait. Where slots hold nothing
    /// between jobs, what is open says nothing.
    pub(super) fn is_down(&self, at: usize) -> bool {
        let endpoint = &self.endpoints[at];
        let serves = |slot: u32| {
            matches!(self.table.read(slot).0, State::Idle | State::InUse | State::Unusable)
                && self.slots[slot as usize].reason.is_none()
        };
        endpoint.breaker.failures > 0 && (endpoint.habits.per_job || !endpoint.slots().any(serves))
    }

    /// The state of its circuit breaker, in the words JavaScript sees.
    pub(in crate::pool) fn state_of(&self, at: usize) -> &'static str {
        let endpoint = &self.endpoints[at];
        if endpoint.breaker.failures == 0 {
            return if endpoint.answered { "up" } else { "unknown" };
        }
        let probing =
            endpoint.connecting > 0 || (endpoint.habits.per_job && endpoint.in_flight > 0);
        match (self.is_down(at), probing) {
            (false, _) => "up",
            (true, true) => "probing",
            (true, false) => "down",
        }
    }

    /// Refuses those for whom nothing is left to wait for at an endpoint that fails; with
    /// `hopeless`, however short it has failed.
    fn lose_patience(&mut self, at: usize, hopeless: bool, now: Instant, fx: &mut Effects<F>) {
        for named in [Some(at), None] {
            let Some(over) = self.over(named) else {
                continue;
            };
            if now < over && !hopeless {
                self.look_again(at, over);
                continue;
            }
            for kind in [Kind::Hold, Kind::Run] {
                while let Some(index) = line(&mut self.anywhere, &mut self.endpoints, kind, named)
                    .oldest(&self.requests)
                {
                    let since = self.requests[index].queued_at;
                    let Some(fault) = self.refusal(named, Some(since), now) else {
                        break;
                    };
                    let key = self.key_of(index);
                    self.turn_down(key, fault, now, fx);
                }
            }
            // The minimum can be reached elsewhere, unless this endpoint must have some of it.
            if named.is_none_or(|at| self.endpoints[at].habits.min_slots > 0) {
                while let Some(index) = self.warming.first() {
                    let since = self.requests[index].queued_at;
                    let Some(fault) = self.refusal(named, Some(since), now) else {
                        break;
                    };
                    let key = self.key_of(index);
                    self.turn_down(key, fault, now, fx);
                }
            }
        }
    }

    /// When those who named an endpoint (or nobody named any) have ridden out its outage for long
    /// enough; nothing while something there may serve them.
    fn over(&self, named: Option<usize>) -> Option<Instant> {
        let over = |at: usize| {
            let over = self.endpoints[at].breaker.over(self.settings.patience);
            over.filter(|_| self.is_down(at))
        };
        match named {
            Some(at) => over(at),
            None => (0..self.endpoints.len())
                .map(over)
                .try_fold(None, |latest, over| over.map(|over| latest.max(Some(over))))?,
        }
    }

    /// What a caller is told who has waited `since` (or comes now), if nothing is left to wait
    /// for.
    fn refusal(&self, named: Option<usize>, since: Option<Instant>, now: Instant) -> Option<Fault> {
        let tried = |at: usize, since: Option<Instant>| {
            since.is_some_and(|since| self.endpoints[at].breaker.has_tried_for(since))
        };
        // Who rode it out is owed one try more when that is over, if one can be made.
        let fresh = since.max(self.over(named).filter(|over| since.is_some() && *over <= now));
        let is_over = |at: usize| {
            let endpoint = &self.endpoints[at];
            tried(at, fresh) || endpoint.breaker.is_hopeless(endpoint.connecting, now)
        };
        let all = 0..self.endpoints.len();
        match named.or((all.len() == 1).then_some(0)) {
            Some(at) if !is_over(at) => None,
            Some(at) if tried(at, since) => self.endpoints[at].breaker.last_fault.clone(),
            Some(at) => self.is_down_fault(at, now),
            None => all.clone().all(is_over).then(|| self.all_down(all.last().unwrap_or(0))),
        }
    }

    /// Somebody new asks for endpoints that fail.
    pub(super) fn try_sooner(&mut self, named: Option<usize>, now: Instant) {
        if named.is_none() {
            for endpoint in &mut self.endpoints {
                if endpoint.breaker.failures > 0 {
                    endpoint.sought_at = Some(now);
                }
            }
        }
        self.hurry(named, now);
    }

    fn hurry(&mut self, named: Option<usize>, now: Instant) {
        let base = self.settings.backoff.base;
        for at in 0..self.endpoints.len() {
            if self.endpoints[at].breaker.failures == 0 || named.is_some_and(|named| named != at) {
                continue;
            }
            if let Some(sooner) = self.endpoints[at].breaker.hurry(base, now) {
                self.look_again(at, sooner);
            }
        }
    }

    /// What a caller who comes now is refused with, if nothing is there to wait for.
    pub(super) fn refuse_at_once(&self, named: Option<usize>, now: Instant) -> Option<Fault> {
        self.over(named).filter(|over| *over <= now)?;
        self.refusal(named, None, now)
    }

    fn is_down_fault(&self, at: usize, now: Instant) -> Option<Fault> {
        let endpoint = &self.endpoints[at];
        let last = endpoint.breaker.last_fault.as_ref()?;
        let retry =
            endpoint.breaker.retry_at.map_or(0, |at| at.saturating_duration_since(now).as_millis());
        let message = format!(
            "{} is down, and not tried again for {retry} ms: {}",
            endpoint.name,
            last.message()
        );
        let fault = Fault::new(Code::EndpointDown, message)
            .endpoint(&*endpoint.name)
            .advice(F::WORDING.down_advice);
        Some(with_cause(fault, last))
    }

    /// What a caller is told who would have gone anywhere, when every endpoint fails.
    fn all_down(&self, last: usize) -> Fault {
        let each = self.endpoints.iter().map(|endpoint| match &endpoint.breaker.last_fault {
            Some(fault) => format!("{}: {}", endpoint.name, fault.message()),
            None => format!("{}: unknown", endpoint.name),
        });
        let message = format!("every endpoint is down ({})", each.collect::<Vec<_>>().join("; "));
        let fault = Fault::new(Code::EndpointDown, message);
        match &self.endpoints[last].breaker.last_fault {
            Some(last) => with_cause(fault, last),
            None => fault,
        }
    }

    /// The time that was set for an endpoint has come.
    pub(super) fn look_at(&mut self, at: usize, now: Instant, fx: &mut Effects<F>) {
        if let Some(alarm) = self.endpoints[at].alarm.take() {
            self.deadlines.remove(alarm);
        }
        if let Some(retry_at) =
            self.endpoints[at].breaker.retry_at.filter(|retry_at| now < *retry_at)
        {
            self.look_again(at, retry_at);
        }
        self.try_last(Some(at), now);
        self.try_last(None, now);
        self.lose_patience(at, false, now, fx);
    }

    /// Those who rode out an outage get a last try when it has lasted for long enough.
    fn try_last(&mut self, named: Option<usize>, now: Instant) {
        let lines = named.map_or(&self.anywhere, |at| &self.endpoints[at].lines);
        if lines.len() > 0 && self.over(named).is_some_and(|over| over <= now) {
            self.hurry(named, now);
        }
    }

    /// Sees to it that an endpoint is looked at again, then or before. Each look sets the time of
    /// the next, so one entry an endpoint will do, however many wait there.
    fn look_again(&mut self, at: usize, then: Instant) {
        if self.endpoints[at].alarm.is_some_and(|alarm| alarm.due() <= then) {
            return;
        }
        if let Some(later) = self.endpoints[at].alarm.take() {
            self.deadlines.remove(later);
        }
        self.endpoints[at].alarm = Some(self.deadlines.insert(then, Timer::Endpoint(at)));
    }
}

fn with_cause(fault: Fault, last: &Fault) -> Fault {
    match last.cause_of() {
        Some(cause) => fault.cause(cause.clone()),
        None => fault.cause(Cause::text(last.message())),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::Effect;
    use super::super::nobody::Nobody;
    use super::*;
    use crate::fault::Code;
    use crate::pool::backoff::Backoff;
    use crate::pool::face::{Habits, Opened};
    use crate::pool::request::Ask;
    use crate::pool::settings::Settings;

    const MS: Duration = Duration::from_millis(1);

    fn habits() -> Habits {
        Habits {
            max_connecting: 1,
            max_in_flight: 1,
            min_slots: 0,
            max_slots: 2,
            quiet: false,
            per_job: false,
        }
    }

    fn core(endpoints: &[&str]) -> Core<Nobody> {
        let settings = Settings {
            max_slots: 2,
            patience: MS * 100,
            backoff: Backoff { base: MS * 10, max: MS * 10 },
            ..Settings::default()
        };
        Core::new(settings, endpoints.iter().map(|name| (Arc::from(*name), habits())).collect())
    }

    /// Fails what is being opened at `endpoint`, as long as something is.
    fn fail(core: &mut Core<Nobody>, fx: &mut Effects<Nobody>, endpoint: usize, now: Instant) {
        let opening = fx.iter().find_map(|effect| match effect {
            Effect::Open { endpoint: at, slot, id } if *at == endpoint => Some((*slot, *id)),
            _ => None,
        });
        if let Some((slot, id)) = opening {
            fx.clear();
            core.open_failed(slot, id, Fault::new(Code::Connect, "refused"), now, fx);
        }
    }

    #[test]
    fn callers_who_keep_coming_to_a_dead_endpoint_leave_no_timers_behind() {
        let (mut core, mut fx) = (core(&["a"]), Vec::new());
        let mut now = Instant::now();
        let (mut refused, mut entries) = (0, 0);
        for _ in 0..1_000 {
            now += MS;
            let asked = core.submit(Ask::new(Kind::Run), Arc::new(()), now, &mut fx);
            refused += usize::from(asked.is_err());
            core.tick(now, &mut fx);
            refused += fx.iter().filter(|effect| matches!(effect, Effect::Refuse { .. })).count();
            fx.retain(|effect| !matches!(effect, Effect::Refuse { .. }));
            fail(&mut core, &mut fx, 0, now);
            refused += fx.iter().filter(|effect| matches!(effect, Effect::Refuse { .. })).count();
            fx.retain(|effect| !matches!(effect, Effect::Refuse { .. }));
            entries = entries.max(core.deadlines.len() - core.waiting());
        }
        assert!(refused > 800, "{refused} refused");
        assert!(entries < 10, "{entries} entries besides the callers' own");
    }

    #[test]
    fn callers_for_any_endpoint_are_not_refused_while_one_of_them_has_something_open() {
        let (mut core, mut fx) = (core(&["a", "b"]), Vec::new());
        let mut now = Instant::now();
        core.submit(Ask::new(Kind::Hold).at(Some(0)), Arc::new(()), now, &mut fx).unwrap();
        let Some(Effect::Open { slot, id, .. }) = fx.pop() else { panic!("nothing is opened") };
        let opened = Opened { resource: Arc::new(()), habits: habits(), proven: true };
        core.opened(slot, id, opened, now, &mut fx);
        // Another connect to "a" fails, and so does every connect to "b".
        core.note_failure(0, now, Fault::new(Code::Connect, "refused"), now, &mut fx);
        fx.clear();
        core.submit(Ask::new(Kind::Run), Arc::new(()), now, &mut fx).unwrap();
        for _ in 0..200 {
            now += MS;
            for endpoint in [0, 1] {
                fail(&mut core, &mut fx, endpoint, now);
            }
            core.tick(now, &mut fx);
            assert!(!fx.iter().any(|effect| matches!(effect, Effect::Refuse { .. })));
        }
    }
}
