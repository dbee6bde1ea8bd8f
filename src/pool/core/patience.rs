//! How long callers put up with an endpoint that fails.
//!
//! A Blender that restarts is away for a second or two: callers ride that out. One that is closed
//! should be told about soon. So a caller waits through failing attempts for the pool's patience,
//! and is refused with the last failure once that is over *and* an attempt that began after it
//! came has failed; if the backoff left no room for one, it is made then.

use std::time::Duration;

use tokio::time::Instant;

use super::{Core, Effects, Name, Timer, line};
use crate::fault::{Code, Fault};
use crate::pool::endpoint::Endpoint;
use crate::pool::event::Event;
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
        let failures = endpoint.failures;
        // What has answered before will hardly have become something else; one odd answer of it is
        // no reason to send everybody away.
        let hopeless = !fault.is_retryable() && !endpoint.answered;
        endpoint.last_fault = Some(fault.clone());
        endpoint.last_try = endpoint.last_try.max(Some(began));
        endpoint.retry_at = Some(now + pause);
        if endpoint.slots == 0 {
            // What listens there next may be something else.
            endpoint.habits = endpoint.first_habits;
        }
        if endpoint.is_down() && endpoint.down_since.is_none() {
            endpoint.down_since = Some(now);
            self.tell(Name::EndpointDown, fx, || Event::EndpointDown {
                endpoint: at,
                fault,
                failures,
            });
        }
        self.look_again(at, now + pause);
        self.lose_patience(at, hopeless, now, fx);
    }

    /// It answered: whatever failed there before is over.
    pub(super) fn prove(&mut self, at: usize, now: Instant, fx: &mut Effects<F>) {
        let endpoint = &mut self.endpoints[at];
        endpoint.prove(now);
        if let Some(since) = endpoint.down_since.take() {
            let down = now.saturating_duration_since(since);
            self.tell(Name::EndpointUp, fx, || Event::EndpointUp { endpoint: at, down });
        }
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
        let Endpoint { last_fault: Some(fault), last_try: Some(last_try), .. } =
            &self.endpoints[at]
        else {
            return;
        };
        let (fault, last_try) = (fault.clone(), *last_try);
        let down = self.endpoints[at].is_down();
        let all_down = self.endpoints.iter().all(Endpoint::is_down);
        let patience = if hopeless { Duration::ZERO } else { self.settings.patience };
        let mut next: Option<Instant> = None;
        let mut untried = false;
        for (kind, named) in
            [(Kind::Hold, true), (Kind::Run, true), (Kind::Hold, false), (Kind::Run, false)]
        {
            if !named && !all_down {
                continue;
            }
            while let Some(index) =
                line(&mut self.anywhere, &mut self.endpoints, kind, named.then_some(at))
                    .oldest(&self.requests)
            {
                let queued_at = self.requests[index].queued_at;
                let over = queued_at + patience;
                if now < over {
                    next = Some(next.map_or(over, |next| next.min(over)));
                    break;
                }
                if !down {
                    // Something is open there and will serve them.
                    break;
                }
                if queued_at > last_try {
                    untried = true;
                    break;
                }
                let key = self.key_of(index);
                let fault = if named { fault.clone() } else { self.all_down(&fault) };
                self.turn_down(key, fault, now, fx);
            }
        }
        if untried {
            self.endpoints[at].retry_at = None;
        }
        if let Some(next) = next {
            self.look_again(at, next);
        }
    }

    /// Somebody new asks for endpoints that fail. The pause between attempts has grown while nobody
    /// was there to help by it; for a caller who comes now, only the first pause counts.
    pub(super) fn try_sooner(&mut self, named: Option<usize>, now: Instant) {
        let pause = self.settings.backoff.base;
        for at in 0..self.endpoints.len() {
            let endpoint = &mut self.endpoints[at];
            if endpoint.failures == 0 || named.is_some_and(|named| named != at) {
                continue;
            }
            let sooner = endpoint.last_try.map_or(now, |last| last + pause).max(now);
            if endpoint.retry_at.is_some_and(|at| at > sooner) {
                endpoint.retry_at = Some(sooner);
                self.look_again(at, sooner);
            }
        }
    }

    /// What a caller is told who would have gone anywhere, when every endpoint fails.
    fn all_down(&self, last: &Fault) -> Fault {
        if self.endpoints.len() == 1 {
            return last.clone();
        }
        let each = self.endpoints.iter().map(|endpoint| match &endpoint.last_fault {
            Some(fault) => format!("{}: {}", endpoint.name, fault.message()),
            None => format!("{}: unknown", endpoint.name),
        });
        let message = format!("every endpoint is down ({})", each.collect::<Vec<_>>().join("; "));
        let fault = Fault::new(Code::EndpointDown, message);
        match last.cause_of() {
            Some(cause) => fault.cause(cause.clone()),
            None => fault,
        }
    }

    /// The time that was set for an endpoint has come.
    pub(super) fn look_at(&mut self, at: usize, now: Instant, fx: &mut Effects<F>) {
        if let Some(alarm) = self.endpoints[at].alarm.take() {
            self.deadlines.remove(alarm);
        }
        if let Some(retry_at) = self.endpoints[at].retry_at.filter(|retry_at| now < *retry_at) {
            self.look_again(at, retry_at);
        }
        self.lose_patience(at, false, now, fx);
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

    /// A request joined the queue of endpoints that fail: when will its patience be over?
    pub(super) fn mind_patience(&mut self, named: Option<usize>, now: Instant) {
        let at = match named {
            Some(at) => at,
            None if self.endpoints.iter().all(Endpoint::is_down) => 0,
            None => return,
        };
        if self.endpoints[at].failures > 0 {
            self.look_again(at, now + self.settings.patience);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::future::BoxFuture;

    use super::super::Effect;
    use super::*;
    use crate::fault::{Code, Delivered};
    use crate::pool::backoff::Backoff;
    use crate::pool::event::Event;
    use crate::pool::face::{CloseReport, Grant, Habits, Opened, Start};
    use crate::pool::request::Ask;
    use crate::pool::settings::Settings;

    const MS: Duration = Duration::from_millis(1);

    /// Nothing is ever carried out here.
    struct Nobody;

    impl Face for Nobody {
        type Resource = ();
        type Job = ();
        fn open(&self, _: usize, _: u32, _: u64) -> BoxFuture<'static, Result<Opened<()>, Fault>> {
            unreachable!()
        }
        fn close(&self, _: &Arc<()>) {}
        fn start(&self, _: &Arc<()>, _: u64, _: &()) -> Start {
            unreachable!()
        }
        fn cut(&self, _: &Arc<()>, _: u64, _: Duration) -> Delivered {
            unreachable!()
        }
        fn granted(&self, _: &(), _: &Grant<()>) {}
        fn failed(&self, _: &(), _: Fault) {}
        fn observed(&self, _: &Event) {}
        fn closed(&self, _: &CloseReport) {}
    }

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
            core.submit(Ask::new(Kind::Run), Arc::new(()), now, &mut fx).unwrap();
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
