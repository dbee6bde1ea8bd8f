//! A world of make-believe resources in which every event comes when a test says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use blender_pool::fault::{Code, Delivered, Fault};
use blender_pool::pool::backoff::Backoff;
use blender_pool::pool::event::Event;
use blender_pool::pool::settings::Settings;
use blender_pool::pool::{
    Ask, Cancelled, CloseReport, Engine, Face, Grant, Habits, Kind, Lease, Opened, Start,
};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

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
    Wait(u64),
    Close,
}

#[derive(Debug)]
pub struct Thing {
    slot: u32,
    id: u64,
    endpoint: usize,
    dead: AtomicBool,
}

type Answer = oneshot::Sender<Result<Life, Fault>>;

/// Whether what was opened lives when the engine hears of it.
#[derive(Clone, Copy, PartialEq)]
enum Life {
    Alive,
    Dead,
}

#[derive(Default)]
struct Seen {
    opening: BTreeMap<u64, (usize, Answer)>,
    open: BTreeMap<u64, Arc<Thing>>,
    /// Must be told that they ended.
    closing: BTreeSet<u64>,
    /// By thing: exchange and job.
    running: BTreeMap<u64, (u64, u64)>,
    draining: BTreeSet<u64>,
    held: Vec<(u64, Lease, u64)>,
    told: BTreeMap<u64, &'static str>,
    reports: Vec<CloseReport>,
    per_endpoint: usize,
    quiet: bool,
    /// Jobs can never run here.
    refusing: bool,
    /// The pool is closed at the moment at which something begins to open.
    closing_on_open: bool,
    closing_pool: bool,
}

impl Seen {
    fn busy_at(&self, endpoint: usize) -> usize {
        let runs = self.running.keys().chain(self.draining.iter());
        runs.filter(|id| self.open[id].endpoint == endpoint).count()
    }

    fn tell(&mut self, job: u64, what: &'static str) {
        let before = self.told.insert(job, what);
        assert_eq!(before, None, "job {job} was told {what} after {before:?}");
    }

    fn must_be_quiet(&self, endpoint: usize, what: &str) {
        if self.quiet && !self.closing_pool && !std::thread::panicking() {
            assert_eq!(self.busy_at(endpoint), 0, "{what} while a job runs");
        }
    }
}

pub struct Make {
    seen: Arc<Mutex<Seen>>,
    engine: Weak<Engine<Make>>,
}

impl Make {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Face for Make {
    type Resource = Thing;
    type Job = u64;

    fn open(
        &self,
        endpoint: usize,
        slot: u32,
        id: u64,
    ) -> BoxFuture<'static, Result<Opened<Thing>, Fault>> {
        let mut seen = self.seen();
        seen.must_be_quiet(endpoint, "opening");
        let (answer, answered) = oneshot::channel();
        seen.opening.insert(id, (endpoint, answer));
        let habits = habits(&seen);
        let close = std::mem::take(&mut seen.closing_on_open);
        drop(seen);
        let (world, engine) = (self.seen.clone(), self.engine.clone());
        if close && let Some(engine) = engine.upgrade() {
            engine.close(Duration::ZERO);
        }
        async move {
            let answer =
                answered.await.unwrap_or_else(|_| Err(Fault::new(Code::Connect, "forgotten")));
            let dead = answer? == Life::Dead;
            let resource = Arc::new(Thing { slot, id, endpoint, dead: AtomicBool::new(dead) });
            match engine.upgrade() {
                Some(engine) if dead => engine.ended(slot, id, None),
                _ => {
                    let mut seen = world.lock().unwrap_or_else(PoisonError::into_inner);
                    seen.open.insert(id, resource.clone());
                }
            }
            Ok(Opened { resource, habits, proven: true })
        }
        .boxed()
    }

    fn close(&self, thing: &Arc<Thing>) {
        let mut seen = self.seen();
        if !thing.dead.swap(true, Ordering::SeqCst) {
            seen.must_be_quiet(thing.endpoint, "closing");
        }
        seen.closing.insert(thing.id);
    }

    fn start(&self, thing: &Arc<Thing>, exchange: u64, job: &u64) -> Start {
        let mut seen = self.seen();
        if thing.dead.load(Ordering::SeqCst) {
            return Start::NotReady;
        }
        if seen.refusing {
            return Start::Refused(Fault::new(Code::InvalidCommand, "never"));
        }
        assert!(seen.busy_at(thing.endpoint) < seen.per_endpoint, "too many jobs at a time");
        if seen.quiet && !seen.closing_pool {
            let opening = seen.opening.values().any(|(endpoint, _)| *endpoint == thing.endpoint);
            assert!(!opening, "a job was started while something is being opened");
        }
        let before = seen.running.insert(thing.id, (exchange, *job));
        assert_eq!(before, None, "two jobs on one thing");
        Start::Started
    }

    fn cut(&self, thing: &Arc<Thing>, exchange: u64, _: Duration) -> Delivered {
        let mut seen = self.seen();
        thing.dead.store(true, Ordering::SeqCst);
        seen.closing.insert(thing.id);
        match seen.running.remove(&thing.id) {
            Some((running, _)) => {
                assert_eq!(running, exchange, "the wrong job was cut");
                seen.draining.insert(thing.id);
                Delivered::Maybe
            }
            None => Delivered::No,
        }
    }

    fn granted(&self, job: &u64, grant: &Grant<Thing>) {
        let mut seen = self.seen();
        seen.tell(*job, "granted");
        let held_already = seen.held.iter().any(|(_, lease, _)| lease.slot == grant.lease.slot);
        assert!(
            !held_already || grant.resource.id != seen.id_held(grant.lease.slot),
            "two holders of one slot"
        );
        seen.held.push((*job, grant.lease, grant.resource.id));
    }

    fn failed(&self, job: &u64, fault: Fault) {
        self.seen().tell(*job, fault.code().row().text);
    }

    fn observed(&self, _: &Event) {}

    fn closed(&self, report: &CloseReport) {
        self.seen().reports.push(report.clone());
    }
}

impl Seen {
    fn id_held(&self, slot: u32) -> u64 {
        self.held.iter().rev().find(|(_, lease, _)| lease.slot == slot).map_or(0, |(.., id)| *id)
    }
}

fn habits(seen: &Seen) -> Habits {
    Habits {
        max_connecting: if seen.quiet { 1 } else { 2 },
        max_in_flight: seen.per_endpoint,
        min_slots: 0,
        max_slots: usize::MAX,
        quiet: seen.quiet,
        per_job: false,
    }
}

/// Two endpoints under one engine, and everything that was seen of them.
pub struct World {
    engine: Arc<Engine<Make>>,
    seen: Arc<Mutex<Seen>>,
    max: usize,
    last_job: u64,
    asked: Vec<(u64, f64)>,
    turned_away: BTreeSet<u64>,
}

impl World {
    pub fn new(max: u32, per_endpoint: usize, quiet: bool) -> Self {
        Self::lasting(max, per_endpoint, quiet, 7)
    }

    /// One whose things last for so many uses.
    pub fn lasting(max: u32, per_endpoint: usize, quiet: bool, max_uses: u64) -> Self {
        let seen = Arc::new(Mutex::new(Seen { per_endpoint, quiet, ..Seen::default() }));
        let settings = Settings {
            max_slots: max,
            max_waiting: 1_000_000,
            acquire_timeout: Duration::from_millis(2_000),
            job_timeout: Duration::from_millis(1_000),
            drain_timeout: Duration::from_millis(300),
            patience: Duration::from_millis(500),
            backoff: Backoff { base: Duration::from_millis(10), max: Duration::from_millis(100) },
            max_uses,
            ..Settings::default()
        };
        let habits = habits(&seen.lock().unwrap());
        let endpoints = vec![("a".into(), habits), ("b".into(), habits)];
        let face = |me: &Weak<Engine<Make>>| Make { seen: seen.clone(), engine: me.clone() };
        let engine =
            Engine::new(settings, endpoints, Handle::current(), tracing::Span::none(), face);
        World {
            engine,
            seen,
            max: max as usize,
            last_job: 0,
            asked: Vec::new(),
            turned_away: BTreeSet::new(),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
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
        self.seen().opening.values().filter(|(_, answer)| !answer.is_closed()).count()
    }

    /// How many jobs run now.
    pub fn running(&self) -> usize {
        self.seen().running.len()
    }

    fn ask(&mut self, kind: Kind, endpoint: Option<usize>) {
        self.last_job += 1;
        let job = self.last_job;
        match self.engine.submit(Ask::new(kind).at(endpoint), job) {
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
                self.last_job += 1;
                let closing = self.seen().closing_pool;
                let granted = match self.engine.try_hold(Ask::new(Kind::Hold), self.last_job) {
                    Ok(granted) => granted,
                    Err(fault) => {
                        assert!(closing && fault.code() == Code::Closed, "{fault}");
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
                    match self.engine.cancel(key) {
                        Cancelled::Now(_) => {
                            assert!(
                                !told && !was_away,
                                "job {job} was cancelled after its outcome"
                            );
                            self.turned_away.insert(job);
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
                        self.seen().tell(*job, "done");
                    });
                }
            }
            Step::Break(at) => {
                if let Some(thing) = self.take_running(at) {
                    self.seen().draining.insert(thing.id);
                    let fault = Fault::new(Code::ConnectionLost, "broke");
                    thing.dead.store(true, Ordering::SeqCst);
                    self.engine.broke(thing.slot, thing.id, &fault, |job| {
                        self.seen().tell(*job, "broke");
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
                        .filter(|id| !seen.running.contains_key(id) && !seen.draining.contains(id))
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

    fn end(&self, id: u64) {
        let thing = {
            let mut seen = self.seen();
            seen.closing.remove(&id);
            seen.draining.remove(&id);
            seen.running.remove(&id);
            seen.open.remove(&id)
        };
        if let Some(thing) = thing {
            thing.dead.store(true, Ordering::SeqCst);
            self.engine.ended(thing.slot, thing.id, None);
        }
    }

    /// What must hold after every step.
    pub fn check(&self) {
        let gauges = self.engine.gauges();
        assert!(gauges.total() <= self.max, "{gauges:?} is more than {}", self.max);
        assert_eq!(
            self.engine.counters().races,
            0,
            "a slot was found in a state that no rule allows"
        );
        let seen = self.seen();
        assert!(
            seen.open.len() + seen.opening.len() <= self.max,
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
            if let Some(thing) = self.take_running(0) {
                self.engine.finished(thing.slot, thing.id, false, true, |job| {
                    self.seen().tell(*job, "done");
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
            && seen.closing.is_empty()
            && (!seen.closing_pool || !seen.reports.is_empty())
    }

    /// Every slot can still be held at the same time.
    async fn all_slots_still_work(&mut self) {
        let before = self.seen().held.len();
        for _ in 0..self.max {
            self.ask(Kind::Hold, None);
        }
        for _ in 0..200 {
            if self.seen().held.len() - before == self.max {
                break;
            }
            self.answer(0, Ok(Life::Alive));
            let closing = self.seen().closing.first().copied();
            if let Some(id) = closing {
                self.end(id);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
            self.settle().await;
        }
        assert_eq!(self.seen().held.len() - before, self.max, "capacity was lost");
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
