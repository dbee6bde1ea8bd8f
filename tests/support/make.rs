//! A face whose resources are make-believe: everything that happens to them, a test says.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use blender_pool::fault::{Code, Delivered, Fault};
use blender_pool::pool::event::{Event, Hook};
use blender_pool::pool::{
    CloseReport, Engine, Face, Grant, Habits, HookCall, Lease, Opened, Start,
};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;
use tokio::sync::oneshot;

use super::rules::Rules;

#[derive(Debug)]
pub struct Thing {
    pub slot: u32,
    pub id: u64,
    pub endpoint: usize,
    pub dead: AtomicBool,
}

pub type Answer = oneshot::Sender<Result<Life, Fault>>;

/// Whether what was opened lives when the engine hears of it.
#[derive(Clone, Copy, PartialEq)]
pub enum Life {
    Alive,
    Dead,
}

/// User code that runs.
#[derive(Clone, Copy, Debug)]
pub struct Hooked {
    pub hook: Hook,
    pub lease: Lease,
    pub thing: u64,
}

/// What was seen of the engine.
#[derive(Default)]
pub struct Seen {
    pub opening: BTreeMap<u64, (usize, Answer)>,
    pub open: BTreeMap<u64, Arc<Thing>>,
    /// Must be told that they ended.
    pub closing: BTreeSet<u64>,
    /// By thing: exchange and job.
    pub running: BTreeMap<u64, (u64, u64)>,
    /// By thing: exchange.
    pub checking: BTreeMap<u64, u64>,
    /// By thing: how often it was asked for a sign of life.
    pub checks: BTreeMap<u64, usize>,
    pub most_checking: usize,
    pub draining: BTreeSet<u64>,
    pub held: Vec<(u64, Lease, u64)>,
    /// By number.
    pub hooks: BTreeMap<u64, Hooked>,
    pub told: BTreeMap<u64, &'static str>,
    pub done: BTreeMap<u64, Value>,
    pub faults: BTreeMap<u64, Fault>,
    pub reports: Vec<CloseReport>,
    pub events: Vec<Event>,
    pub rules: Rules,
    pub per_endpoint: usize,
    pub quiet: bool,
    pub per_job: bool,
    /// Jobs can never run here.
    pub refusing: bool,
    /// The pool is closed at the moment at which something begins to open.
    pub closing_on_open: bool,
    pub closing_pool: bool,
}

impl Seen {
    pub fn busy_at(&self, endpoint: usize) -> usize {
        let runs = self.running.keys().chain(&self.draining).chain(self.checking.keys());
        runs.filter(|id| self.open[id].endpoint == endpoint).count()
    }

    pub fn habits(&self) -> Habits {
        Habits {
            max_connecting: if self.quiet { 1 } else { 2 },
            max_in_flight: self.per_endpoint,
            min_slots: 0,
            max_slots: usize::MAX,
            quiet: self.quiet,
            per_job: self.per_job,
        }
    }

    fn tell(&mut self, job: u64, what: &'static str) {
        let before = self.told.insert(job, what);
        assert_eq!(before, None, "job {job} was told {what} after {before:?}");
    }

    pub fn finish(&mut self, job: u64) {
        self.tell(job, "done");
    }

    pub fn fail(&mut self, job: u64) {
        self.tell(job, "broke");
    }

    fn must_be_quiet(&self, endpoint: usize, what: &str) {
        if self.quiet && !self.closing_pool && !std::thread::panicking() {
            assert_eq!(self.busy_at(endpoint), 0, "{what} while a job runs");
        }
    }

    fn must_not_open(&self, endpoint: usize, what: &str) {
        if self.quiet && !self.closing_pool {
            let here = |(at, answer): &(usize, Answer)| *at == endpoint && !answer.is_closed();
            assert!(!self.opening.values().any(here), "{what} while something is being opened");
        }
    }

    fn id_held(&self, slot: u32) -> u64 {
        self.held.iter().rev().find(|(_, lease, _)| lease.slot == slot).map_or(0, |(.., id)| *id)
    }
}

pub struct Make {
    pub seen: Arc<Mutex<Seen>>,
    pub engine: Weak<Engine<Make>>,
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
        let habits = seen.habits();
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
            Ok(Opened { resource, habits, proven: !habits.per_job })
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
        seen.must_not_open(thing.endpoint, "a job was started");
        let before = seen.running.insert(thing.id, (exchange, *job));
        assert_eq!(before, None, "two jobs on one thing");
        assert!(!seen.checking.contains_key(&thing.id), "a job on a thing under check");
        Start::Started
    }

    fn check(&self, thing: &Arc<Thing>, exchange: u64) -> Start {
        let mut seen = self.seen();
        if thing.dead.load(Ordering::SeqCst) {
            return Start::NotReady;
        }
        if seen.quiet || seen.per_endpoint < usize::MAX {
            assert_eq!(seen.busy_at(thing.endpoint), 0, "a check while a job runs");
        }
        seen.must_not_open(thing.endpoint, "a check was started");
        let before = seen.checking.insert(thing.id, exchange);
        assert_eq!(before, None, "two checks on one thing");
        *seen.checks.entry(thing.id).or_default() += 1;
        seen.most_checking = seen.most_checking.max(seen.checking.len());
        Start::Started
    }

    fn cut(&self, thing: &Arc<Thing>, exchange: u64, _: Duration) -> Delivered {
        let mut seen = self.seen();
        thing.dead.store(true, Ordering::SeqCst);
        seen.closing.insert(thing.id);
        if let Some(checked) = seen.checking.remove(&thing.id) {
            assert_eq!(checked, exchange, "the wrong check was cut");
            seen.draining.insert(thing.id);
            return Delivered::No;
        }
        match seen.running.remove(&thing.id) {
            Some((running, _)) => {
                assert_eq!(running, exchange, "the wrong job was cut");
                seen.draining.insert(thing.id);
                Delivered::Maybe
            }
            None => Delivered::No,
        }
    }

    fn granted(&self, job: &u64, grant: &Grant<Thing>) -> bool {
        let mut seen = self.seen();
        seen.tell(*job, "granted");
        let held_already = seen.held.iter().any(|(_, lease, _)| lease.slot == grant.lease.slot);
        assert!(
            !held_already || grant.resource.id != seen.id_held(grant.lease.slot),
            "two holders of one slot"
        );
        assert!(!seen.checking.contains_key(&grant.resource.id), "granted under check");
        let hooked = seen.hooks.values().any(|hooked| hooked.thing == grant.resource.id);
        assert!(!hooked, "granted while user code runs on it");
        seen.held.push((*job, grant.lease, grant.resource.id));
        false
    }

    fn failed(&self, job: &u64, fault: Fault) {
        let mut seen = self.seen();
        seen.tell(*job, fault.code().row().text);
        seen.faults.insert(*job, fault);
    }

    fn done(&self, job: &u64, report: Value) {
        let mut seen = self.seen();
        seen.tell(*job, "done");
        seen.done.insert(*job, report);
    }

    fn hook(&self, call: &HookCall<Make>) {
        let HookCall { hook, number, ref grant, .. } = *call;
        let hooked = Hooked { hook, lease: grant.lease, thing: grant.resource.id };
        let mut seen = self.seen();
        let other = seen.hooks.values().any(|other| other.thing == hooked.thing);
        assert!(!other, "two hooks on one thing");
        seen.hooks.insert(number, hooked);
    }

    fn observed(&self, event: &Event) {
        let mut seen = self.seen();
        if !std::thread::panicking() {
            seen.rules.look(event);
        }
        seen.events.push(event.clone());
    }

    fn closed(&self, report: &CloseReport) {
        self.seen().reports.push(report.clone());
    }
}
