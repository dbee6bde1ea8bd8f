//! A world of make-believe resources in which every event comes when a test says so.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use blender_pool::fault::{Code, Fault};
use blender_pool::pool::backoff::Backoff;
use blender_pool::pool::event::Observed;
use blender_pool::pool::settings::Settings;
use blender_pool::pool::{Ask, Cancelled, Engine, Kind, Lease};
use tokio::runtime::Handle;

use super::make::{Hooked, Life, Make, Seen, Thing};

/// What happens next. The numbers pick one of those it can happen to.
#[derive(Clone, Debug)]
pub enum Step {
    Hold(Option<usize>),
    Run(Option<usize>),
    RunHeld(usize),
    TryHold,
    Release(usize),
    ReleaseTwice(usize),
    Discard(usize),
    Cancel(usize),
    Open(usize),
    /// It opens, and is gone before the engine has heard that it is open.
    OpenDead(usize),
    FailToOpen(usize),
    Finish(usize),
    Break(usize),
    Die(usize),
    Unsent(usize),
    End(usize),
    /// A check is answered.
    Answer(usize),
    /// A check is answered, and what answered is out of step from then on.
    AnswerUnfit(usize),
    BreakCheck(usize),
    UnsentCheck(usize),
    CheckHealth,
    HookDone(usize),
    HookFails(usize),
    RunInHook(usize),
    /// Somebody tries to let go of what user code runs on.
    MisuseHook(usize),
    Recycle(usize),
    /// A holder is garbage collected.
    Reclaim(usize),
    Pause,
    Ready,
    Clear(Option<usize>, bool),
    Resize(u32, u32),
    Warm,
    Begin,
    Wait(u64),
    Close,
}

/// Two endpoints under one engine, and everything that was seen of them.
pub struct World {
    pub engine: Arc<Engine<Make>>,
    seen: Arc<Mutex<Seen>>,
    max: usize,
    /// As many slots as may be taken: after the limit was lowered, as many as were.
    allowed: usize,
    /// Some callers matter more than others, and some want their own endpoint.
    pub mixed: bool,
    last_job: u64,
    asked: Vec<(u64, f64)>,
    kinds: BTreeMap<u64, Kind>,
    turned_away: BTreeSet<u64>,
    /// Of them, those that waited for a slot when they turned away.
    left_the_queue: usize,
    /// Jobs that must be told something, and cannot turn away.
    owed: Vec<u64>,
}

impl World {
    pub fn new(max: u32, per_endpoint: usize, quiet: bool) -> Self {
        Self::lasting(max, per_endpoint, quiet, 7)
    }

    /// One whose things last for so many uses.
    pub fn lasting(max: u32, per_endpoint: usize, quiet: bool, max_uses: u64) -> Self {
        Self::tuned(max, Seen { per_endpoint, quiet, ..Seen::default() }, |settings| {
            settings.max_uses = max_uses;
        })
    }

    /// One that differs from the others.
    pub fn tuned(max: u32, seen: Seen, tune: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            max_slots: max,
            max_waiting: 1_000_000,
            acquire_timeout: Duration::from_millis(2_000),
            job_timeout: Duration::from_millis(1_000),
            drain_timeout: Duration::from_millis(300),
            patience: Duration::from_millis(500),
            backoff: Backoff { base: Duration::from_millis(10), max: Duration::from_millis(100) },
            ..Settings::default()
        };
        tune(&mut settings);
        let habits = seen.habits();
        let seen = Arc::new(Mutex::new(seen));
        let endpoints = vec![("a".into(), habits), ("b".into(), habits)];
        let face = |me: &Weak<Engine<Make>>| Make { seen: seen.clone(), engine: me.clone() };
        let engine =
            Engine::new(settings, endpoints, Handle::current(), tracing::Span::none(), face);
        engine.observe(Observed::ALL);
        World {
            engine,
            seen,
            max: max as usize,
            allowed: max as usize,
            mixed: false,
            last_job: 0,
            asked: Vec::new(),
            kinds: BTreeMap::new(),
            turned_away: BTreeSet::new(),
            left_the_queue: 0,
            owed: Vec::new(),
        }
    }

    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on, whatever is started turns out never to run.
    pub fn refuse_to_run(&self) {
        self.seen().refusing = true;
    }

    /// Closes the pool as soon as it begins to open something.
    pub fn close_on_open(&self) {
        let mut seen = self.seen();
        (seen.closing_pool, seen.closing_on_open) = (true, true);
    }

    /// How many attempts to open something go on.
    pub fn opening(&self) -> usize {
        self.opening_in(&self.seen())
    }

    fn opening_in(&self, seen: &Seen) -> usize {
        seen.opening.values().filter(|(_, answer)| !answer.is_closed()).count()
    }

    /// How many jobs run now.
    pub fn running(&self) -> usize {
        self.seen().running.len()
    }

    /// A job's number: the next one.
    fn number(&mut self) -> u64 {
        self.last_job += 1;
        self.last_job
    }

    /// How everything does; the report is told for this number.
    pub fn check_health(&mut self) -> u64 {
        let job = self.number();
        self.owed.push(job);
        self.engine.check_health(job);
        job
    }

    fn ask(&mut self, kind: Kind, endpoint: Option<usize>) {
        let job = self.number();
        self.kinds.insert(job, kind);
        let priority = if self.mixed { (job % 4) as i32 - 1 } else { 0 };
        let affinity = (self.mixed && endpoint.is_none() && job.is_multiple_of(5)).then_some(job);
        let ask = Ask { priority, affinity, ..Ask::new(kind).at(endpoint) };
        match self.engine.submit(ask, job) {
            Ok(key) => self.asked.push((job, key.to_number())),
            Err(_) => {
                assert!(
                    !self.seen().told.contains_key(&job),
                    "refused at the call and told as well"
                );
                self.turned_away.insert(job);
            }
        }
    }

    pub async fn step(&mut self, step: Step) {
        match step {
            Step::Hold(endpoint) => self.ask(Kind::Hold, endpoint),
            Step::Run(endpoint) => self.ask(Kind::Run, endpoint),
            Step::RunHeld(at) => {
                let lease = pick(&self.seen().held, at).map(|(_, lease, _)| *lease);
                if let Some(lease) = lease {
                    self.ask(Kind::RunHeld(lease), None);
                }
            }
            Step::TryHold => {
                self.number();
                let closing = self.seen().closing_pool;
                let granted = match self.engine.try_hold(Ask::new(Kind::Hold), self.last_job) {
                    Ok(granted) => granted,
                    Err(fault) => {
                        let expected = if closing { Code::Closed } else { Code::Cleared };
                        assert_eq!(fault.code(), expected, "{fault}");
                        false
                    }
                };
                assert_eq!(granted, self.seen().told.contains_key(&self.last_job));
            }
            Step::Release(at) => {
                if let Some(lease) = self.let_go(at) {
                    self.engine.release(lease).expect("its holder may let go");
                }
            }
            Step::ReleaseTwice(at) => {
                if let Some(lease) = self.let_go(at) {
                    self.engine.release(lease).expect("its holder may let go");
                    let again = self.engine.release(lease).expect_err("let go twice");
                    assert_eq!(again.code(), Code::NotHeld);
                }
            }
            Step::Discard(at) => {
                if let Some(lease) = self.let_go(at) {
                    self.engine
                        .discard(lease, Fault::new(Code::ConnectionLost, "thrown away"))
                        .unwrap();
                }
            }
            Step::Cancel(at) => {
                if let Some((job, key)) = pick(&self.asked, at).copied() {
                    let told = self.seen().told.contains_key(&job);
                    let was_away = self.turned_away.contains(&job);
                    let ran = self.seen().running.values().any(|(_, running)| *running == job);
                    match self.engine.cancel(key) {
                        Cancelled::Now(_) | Cancelled::Waiting => {
                            assert!(
                                !told && !was_away,
                                "job {job} was cancelled after its outcome"
                            );
                            self.turned_away.insert(job);
                            let waits = matches!(self.kinds[&job], Kind::Hold | Kind::Run);
                            self.left_the_queue += usize::from(waits && !ran);
                        }
                        Cancelled::TooLate => {
                            assert!(told || was_away, "job {job} cannot be cancelled")
                        }
                    }
                }
            }
            Step::Open(at) => self.answer(at, Ok(Life::Alive)),
            Step::OpenDead(at) => self.answer(at, Ok(Life::Dead)),
            Step::FailToOpen(at) => self.answer(at, Err(Fault::new(Code::Connect, "refused"))),
            Step::Finish(at) => {
                if let Some(thing) = self.take_running(at) {
                    self.engine.finished(thing.slot, thing.id, false, true, |job| {
                        self.seen().finish(*job);
                    });
                }
            }
            Step::Break(at) => {
                if let Some(thing) = self.take_running(at) {
                    self.seen().draining.insert(thing.id);
                    let fault = Fault::new(Code::ConnectionLost, "broke");
                    thing.dead.store(true, Ordering::SeqCst);
                    self.engine.broke(thing.slot, thing.id, &fault, |job| {
                        self.seen().fail(*job);
                    });
                    self.end(thing.id);
                }
            }
            Step::Unsent(at) => {
                if let Some(thing) = self.take_running(at) {
                    self.engine.unsent(thing.slot, thing.id, Fault::new(Code::Connect, "unsent"));
                }
            }
            Step::Die(at) => {
                let idle = {
                    let seen = self.seen();
                    let quiet: Vec<u64> = seen
                        .open
                        .keys()
                        .filter(|id| {
                            !seen.running.contains_key(id)
                                && !seen.draining.contains(id)
                                && !seen.checking.contains_key(id)
                        })
                        .copied()
                        .collect();
                    pick(&quiet, at).copied()
                };
                if let Some(id) = idle {
                    self.seen().open[&id].dead.store(true, Ordering::SeqCst);
                    self.end(id);
                }
            }
            Step::End(at) => {
                let closing: Vec<u64> = self.seen().closing.iter().copied().collect();
                if let Some(id) = pick(&closing, at) {
                    self.end(*id);
                }
            }
            Step::Answer(at) => self.answer_check(at),
            Step::AnswerUnfit(at) => {
                if let Some(thing) = self.take_checking(at) {
                    thing.dead.store(true, Ordering::SeqCst);
                    self.seen().draining.insert(thing.id);
                    self.engine.finished(thing.slot, thing.id, false, false, |_| unreachable!());
                    self.end(thing.id);
                }
            }
            Step::BreakCheck(at) => {
                if let Some(thing) = self.take_checking(at) {
                    thing.dead.store(true, Ordering::SeqCst);
                    self.seen().draining.insert(thing.id);
                    let fault = Fault::new(Code::ConnectionLost, "broke");
                    self.engine.broke(thing.slot, thing.id, &fault, |_| unreachable!());
                    self.end_with(thing.id, Some(fault));
                }
            }
            Step::UnsentCheck(at) => {
                let per_job = self.seen().per_job;
                if per_job && let Some(thing) = self.take_checking(at) {
                    self.engine.unsent(thing.slot, thing.id, Fault::new(Code::Connect, "unsent"));
                }
            }
            Step::CheckHealth => {
                self.check_health();
            }
            Step::HookDone(at) => self.hook_done(at, None),
            Step::HookFails(at) => self.hook_done(at, Some("user code threw".to_owned())),
            Step::RunInHook(at) => {
                if let Some((_, hooked)) = self.hooked(at) {
                    self.ask(Kind::RunHeld(hooked.lease), None);
                }
            }
            Step::MisuseHook(at) => {
                if let Some((_, Hooked { lease, .. })) = self.hooked(at) {
                    let job = self.number();
                    let thrown_away = Fault::new(Code::ConnectionLost, "thrown away");
                    for misused in [
                        self.engine.release(lease),
                        self.engine.discard(lease, thrown_away),
                        self.engine.recycle(lease, job),
                    ] {
                        let fault = misused.expect_err("what user code runs on was let go of");
                        assert_eq!(fault.code(), Code::NotHeld);
                    }
                    assert!(!self.engine.reclaim(lease));
                }
            }
            Step::Recycle(at) => {
                if let Some(lease) = self.let_go(at) {
                    let job = self.number();
                    match self.engine.recycle(lease, job) {
                        Ok(()) => self.owed.push(job),
                        Err(fault) => assert_ne!(fault.code(), Code::NotHeld),
                    }
                }
            }
            Step::Reclaim(at) => {
                if let Some(lease) = self.let_go(at) {
                    self.engine.reclaim(lease);
                    assert!(!self.engine.reclaim(lease), "reclaimed twice");
                }
            }
            Step::Pause => drop(self.engine.pause()),
            Step::Ready => drop(self.engine.ready()),
            Step::Clear(endpoint, interrupt) => drop(self.engine.clear(endpoint, interrupt)),
            Step::Resize(min, max) => {
                if self.engine.resize(Some(min.min(max)), Some(max)).is_ok() {
                    self.max = max as usize;
                }
            }
            Step::Warm => self.ask(Kind::Warm, None),
            Step::Begin => self.engine.begin(),
            Step::Close => self.close(),
            Step::Wait(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
        }
        self.settle().await;
    }

    fn close(&self) {
        self.seen().closing_pool = true;
        self.engine.close(Duration::from_millis(50));
    }

    /// Lets tasks run until none has anything to do.
    async fn settle(&self) {
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
    }

    fn let_go(&self, at: usize) -> Option<Lease> {
        let mut seen = self.seen();
        let index = (!seen.held.is_empty()).then(|| at % seen.held.len())?;
        Some(seen.held.remove(index).1)
    }

    fn answer(&self, at: usize, answer: Result<Life, Fault>) {
        let mut seen = self.seen();
        let ids: Vec<u64> = seen.opening.keys().copied().collect();
        if let Some(id) = pick(&ids, at)
            && let Some((_, sender)) = seen.opening.remove(id)
        {
            let _ = sender.send(answer);
        }
    }

    fn take_running(&self, at: usize) -> Option<Arc<Thing>> {
        let mut seen = self.seen();
        let ids: Vec<u64> = seen.running.keys().copied().collect();
        let id = *pick(&ids, at)?;
        seen.running.remove(&id);
        Some(seen.open[&id].clone())
    }

    fn answer_check(&self, at: usize) {
        if let Some(thing) = self.take_checking(at) {
            self.engine.finished(thing.slot, thing.id, true, true, |_| unreachable!());
        }
    }

    fn take_checking(&self, at: usize) -> Option<Arc<Thing>> {
        let mut seen = self.seen();
        let ids: Vec<u64> = seen.checking.keys().copied().collect();
        let id = *pick(&ids, at)?;
        seen.checking.remove(&id);
        Some(seen.open[&id].clone())
    }

    fn hooked(&self, at: usize) -> Option<(u64, Hooked)> {
        let seen = self.seen();
        let hooks: Vec<(u64, Hooked)> =
            seen.hooks.iter().map(|(n, hooked)| (*n, *hooked)).collect();
        pick(&hooks, at).copied()
    }

    fn hook_done(&self, at: usize, error: Option<String>) {
        if let Some((number, hooked)) = self.hooked(at) {
            self.seen().hooks.remove(&number);
            self.engine.hook_done(hooked.lease, number, error);
        }
    }

    fn end(&self, id: u64) {
        self.end_with(id, None);
    }

    fn end_with(&self, id: u64, fault: Option<Fault>) {
        let thing = {
            let mut seen = self.seen();
            seen.closing.remove(&id);
            seen.draining.remove(&id);
            seen.running.remove(&id);
            seen.checking.remove(&id);
            seen.open.remove(&id)
        };
        if let Some(thing) = thing {
            thing.dead.store(true, Ordering::SeqCst);
            self.engine.ended(thing.slot, thing.id, fault);
        }
    }

    /// What must hold after every step.
    pub fn check(&mut self) {
        let gauges = self.engine.gauges();
        self.allowed = self.max.max(self.allowed.min(gauges.total()));
        assert!(gauges.total() <= self.allowed, "{gauges:?} is more than {}", self.allowed);
        assert_eq!(
            self.engine.counters().races,
            0,
            "a slot was found in a state that no rule allows"
        );
        let seen = self.seen();
        assert!(
            seen.open.len() + self.opening_in(&seen) <= self.allowed,
            "more is open than there are slots"
        );
    }

    /// Lets everything finish, then looks whether anybody or anything was forgotten.
    pub async fn come_to_rest(&mut self, close: bool) {
        if close {
            self.close();
            self.close();
        }
        let close = self.seen().closing_pool;
        for _ in 0..600 {
            if self.is_at_rest() {
                break;
            }
            self.answer(0, Ok(Life::Alive));
            self.answer_check(0);
            self.hook_done(0, None);
            if let Some(thing) = self.take_running(0) {
                self.engine.finished(thing.slot, thing.id, false, true, |job| {
                    self.seen().finish(*job);
                });
            }
            let closing = self.seen().closing.first().copied();
            if let Some(id) = closing {
                self.end(id);
            }
            if let Some(lease) = self.let_go(0) {
                self.engine.release(lease).expect("its holder may let go");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
            self.settle().await;
            self.check();
        }
        let gauges = self.engine.gauges();
        assert_eq!(
            (gauges.waiting, gauges.in_use, gauges.connecting, gauges.unusable),
            (0, 0, 0, 0),
            "{gauges:?} at rest"
        );
        for (job, _) in &self.asked {
            let (told, away) = (self.seen().told.get(job).copied(), self.turned_away.contains(job));
            assert!(told.is_some() != away, "job {job} was told {told:?}, turned away: {away}");
        }
        for job in &self.owed {
            assert!(self.seen().told.contains_key(job), "job {job} was never told anything");
        }
        self.seen().rules.must_be_at_rest(self.left_the_queue);
        if close {
            assert_eq!(self.seen().reports.len(), 1, "closed once, told once");
            assert_eq!(gauges.total(), 0);
        } else {
            self.all_slots_still_work().await;
        }
    }

    fn is_at_rest(&self) -> bool {
        let gauges = self.engine.gauges();
        let seen = self.seen();
        gauges.waiting + gauges.in_use + gauges.connecting + gauges.unusable == 0
            && seen.opening.is_empty()
            && seen.hooks.is_empty()
            && self.owed.iter().all(|job| seen.told.contains_key(job))
            && self
                .asked
                .iter()
                .all(|(job, _)| seen.told.contains_key(job) || self.turned_away.contains(job))
            && seen.closing.is_empty()
            && (!seen.closing_pool || !seen.reports.is_empty())
    }

    /// Every slot can still be held at the same time.
    async fn all_slots_still_work(&mut self) {
        self.engine.ready().expect("it is open");
        let before = self.seen().held.len();
        for _ in 0..200 {
            if self.seen().held.len() - before == self.max {
                break;
            }
            // Who asks while an endpoint that failed is left alone is refused, and asks again.
            let asked = self.seen().held.len() - before + self.engine.gauges().waiting;
            for _ in asked..self.max {
                self.ask(Kind::Hold, None);
            }
            self.answer(0, Ok(Life::Alive));
            self.answer_check(0);
            self.hook_done(0, None);
            let closing = self.seen().closing.first().copied();
            if let Some(id) = closing {
                self.end(id);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
            self.settle().await;
        }
        assert_eq!(
            self.seen().held.len() - before,
            self.max,
            "capacity was lost: {:?} {:?}",
            self.engine.gauges(),
            self.engine.stats()["endpoints"]
        );
    }
}

fn pick<T>(from: &[T], at: usize) -> Option<&T> {
    (!from.is_empty()).then(|| &from[at % from.len()])
}

impl Drop for World {
    fn drop(&mut self) {
        // Whatever is still open is closed now, at whatever moment this is.
        self.seen().closing_pool = true;
    }
}
