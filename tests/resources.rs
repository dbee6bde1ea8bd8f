//! The engine over what user code makes, on paused time: the test is JavaScript. It answers errands
//! when and how it likes, and sees to it that each slot comes back and each thing made is destroyed
//! once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use blender_pool::conn::Reply;
use blender_pool::fault::Fault;
use blender_pool::pool::event::{Errand, Observed};
use blender_pool::pool::{
    AnyPool, CallOptions, CloseReport, Held, Lease, LeaseInfo, ResourcePool, Sink,
};
use blender_pool::wire::Dialect;
use proptest::prelude::*;
use serde_json::Value;
use tokio::runtime::{Builder, Handle};

const CREATE_MS: u64 = 100;
const DRAIN_MS: u64 = 50;
const CHECK_MS: u64 = 30;

/// How far one thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thing {
    Asked,
    /// Still being made, and nobody wants it any more.
    Abandoned,
    Made,
    /// A destroy was asked for and has not ended.
    Going,
    Gone,
}

/// What JavaScript would know.
#[derive(Default)]
struct Seen {
    things: BTreeMap<u64, Thing>,
    /// Of each abandon, whether its time was over.
    abandoned: BTreeMap<u64, bool>,
    /// Checks without an answer.
    checks: BTreeMap<u64, u64>,
    leases: BTreeMap<u64, LeaseInfo>,
    told: BTreeSet<u64>,
    events: Vec<Value>,
    closed: Option<CloseReport>,
}

#[derive(Clone, Default)]
struct Script(Arc<Mutex<Seen>>);

impl Script {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap()
    }
}

impl Sink for Script {
    fn reply(&self, _: u64, _: Reply, _: &'static Dialect) {
        unreachable!("resources answer nothing")
    }
    fn lease(&self, ticket: u64, lease: LeaseInfo) {
        let mut seen = self.seen();
        assert_eq!(seen.things[&lease.id], Thing::Made, "{lease:?} is not there");
        assert!(seen.told.insert(ticket), "{ticket} was told twice");
        seen.leases.insert(ticket, lease);
    }
    fn fault(&self, ticket: u64, _: Fault) {
        assert!(self.seen().told.insert(ticket), "{ticket} was told twice");
    }
    fn event(&self, event: Value) {
        self.seen().events.push(event);
    }
    fn done(&self, ticket: u64, _: Value) {
        assert!(self.seen().told.insert(ticket), "{ticket} was told twice");
    }
    fn errand(&self, errand: Errand, id: u64, exchange: u64) {
        let mut seen = self.seen();
        let thing = seen.things.get(&id).copied();
        let (before, after) = match errand {
            Errand::Create => (None, Thing::Asked),
            Errand::Abandon => {
                seen.abandoned.insert(id, exchange == 1);
                (Some(Thing::Asked), Thing::Abandoned)
            }
            Errand::Validate => {
                seen.checks.insert(exchange, id);
                (Some(Thing::Made), Thing::Made)
            }
            Errand::Destroy => (Some(Thing::Made), Thing::Going),
        };
        assert_eq!(thing, before, "{errand:?} of {id}");
        seen.things.insert(id, after);
    }
    fn closed(&self, report: CloseReport) {
        assert!(self.seen().closed.replace(report).is_none());
    }
}

struct World {
    script: Script,
    pool: ResourcePool,
    max: usize,
    tickets: u64,
    waiting: BTreeMap<u64, f64>,
}

impl World {
    fn new(max: usize) -> Self {
        let options = format!(
            r#"{{"create":true,"validate":true,"destroy":true,"maxConnections":{max},"maxConnecting":{max},
            "connectTimeoutMs":{CREATE_MS},"drainTimeoutMs":{DRAIN_MS},"healthCheckTimeoutMs":{CHECK_MS},
            "healthCheckIntervalMs":0,"healthCheckFailures":2,"retryBackoffMs":1,"maxRetryBackoffMs":2,
            "connectRetryMs":20,"acquireTimeoutMs":500,"maxUses":5}}"#
        );
        let script = Script::default();
        let pool =
            ResourcePool::from_json(&options, Handle::current(), Arc::new(script.clone())).unwrap();
        pool.observe(Observed::ALL);
        World { script, pool, max, tickets: 0, waiting: BTreeMap::new() }
    }

    fn acquire(&mut self) -> u64 {
        self.tickets += 1;
        let ticket = self.tickets;
        match self.pool.acquire(ticket, &CallOptions::default()) {
            Ok(Held::Now(lease)) => self.script.lease(ticket, lease),
            Ok(Held::Later(request)) => {
                self.waiting.insert(ticket, request);
            }
            Err(_) => {
                self.script.seen().told.insert(ticket);
            }
        }
        ticket
    }

    fn nth(&self, at: usize, wanted: &[Thing]) -> Option<u64> {
        let seen = self.script.seen();
        let fitting: Vec<u64> = seen
            .things
            .iter()
            .filter(|(_, thing)| wanted.contains(thing))
            .map(|(id, _)| *id)
            .collect();
        (!fitting.is_empty()).then(|| fitting[at % fitting.len()])
    }

    /// Create `id` gives something. What nobody wants is destroyed here, as the facade does.
    fn make(&self, id: u64) -> bool {
        self.script.seen().things.insert(id, Thing::Made);
        let wanted = self.pool.made(id, None);
        if !wanted {
            self.script.seen().things.insert(id, Thing::Going);
        }
        wanted
    }

    fn fail(&self, id: u64) {
        self.script.seen().things.insert(id, Thing::Gone);
        self.pool.made(id, Some("no".into()));
    }

    fn destroy(&self, id: u64, error: Option<&str>) {
        self.script.seen().things.insert(id, Thing::Gone);
        self.pool.destroyed(id, error.map(str::to_owned));
    }

    fn lease(&self, ticket: u64) -> Option<Lease> {
        self.script.seen().leases.get(&ticket).map(|info| info.lease)
    }

    fn held(&self, at: usize) -> Option<(u64, Lease)> {
        let seen = self.script.seen();
        let (ticket, info) = seen.leases.iter().nth(at % seen.leases.len().max(1))?;
        Some((*ticket, info.lease))
    }

    fn give_back(&self, at: usize, discard: bool) {
        let Some((ticket, lease)) = self.held(at) else { return };
        self.script.seen().leases.remove(&ticket);
        let done = if discard { self.pool.discard(lease, "") } else { self.pool.release(lease) };
        done.unwrap();
        // A second time is refused, and harms nobody.
        assert!(self.pool.release(lease).is_err());
    }

    async fn pass(&self, ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        self.settle().await;
    }

    async fn settle(&self) {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }

    fn count(&self, name: &str) -> usize {
        self.script.seen().events.iter().filter(|event| event["event"] == name).count()
    }

    /// `rests`: no task is about to run, so whatever nobody wants has been given up.
    fn check(&self, rests: bool) {
        if rests {
            let stats = self.pool.stats();
            assert!(stats["total"].as_u64().unwrap() as usize <= self.max, "{stats}");
            assert_eq!(stats["raceDetected"], 0);
        }
        let seen = self.script.seen();
        let slots: BTreeSet<u32> = seen.leases.values().map(|info| info.lease.slot).collect();
        assert_eq!(slots.len(), seen.leases.len(), "two hold one slot");
        let wanted = |thing: &&Thing| matches!(thing, Thing::Asked | Thing::Made);
        let standing = seen.things.values().filter(wanted).count();
        assert!(!rests || standing <= self.max, "{standing} stand");
        for (ticket, info) in &seen.leases {
            assert_eq!(seen.things[&info.id], Thing::Made, "{ticket} holds what is not there");
        }
    }

    /// Closes the pool, whatever hangs; then nothing is left but what never ended.
    async fn end(&self) {
        self.pool.close(None);
        self.pass(CREATE_MS + DRAIN_MS * 4).await;
        let late: Vec<u64> = {
            let seen = self.script.seen();
            assert!(seen.closed.is_some(), "it never closed");
            let things = seen.things.iter();
            things.filter(|(_, thing)| **thing == Thing::Abandoned).map(|(id, _)| *id).collect()
        };
        for id in late {
            assert!(!self.make(id), "a closed pool wants nothing");
        }
        let seen = self.script.seen();
        for (id, thing) in &seen.things {
            assert!(matches!(thing, Thing::Going | Thing::Gone), "{id} is {thing:?} still");
        }
        for ticket in 1..=self.tickets {
            let cancelled = !self.waiting.contains_key(&ticket);
            assert!(cancelled || seen.told.contains(&ticket), "{ticket} was told nothing");
        }
        assert_eq!(self.pool.stats()["total"], 0);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_made_a_moment_before_nobody_wants_it_is_destroyed_once() {
    let mut world = World::new(1);
    world.acquire();
    let id = world.nth(0, &[Thing::Asked]).unwrap();
    // Made and cleared before the task that waits for it has run.
    assert!(world.make(id));
    world.pool.clear(None, false).unwrap();
    world.settle().await;
    assert_eq!(world.script.seen().things[&id], Thing::Going);
    world.destroy(id, None);
    world.check(true);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_create_that_is_out_of_time_is_told_so_and_what_it_gives_is_not_wanted() {
    let mut world = World::new(1);
    world.acquire();
    world.pass(CREATE_MS + 1).await;
    let id = world.nth(0, &[Thing::Abandoned]).unwrap();
    assert!(world.script.seen().abandoned[&id]);
    assert!(!world.make(id));
    world.destroy(id, Some("clumsy"));
    assert_eq!(world.count("hookFailed"), 1);
    let fault =
        world.script.seen().events.iter().find(|event| event["event"] == "hookFailed").cloned();
    assert_eq!(fault.unwrap()["error"]["cause"]["run"], format!("destroy {id}"));
    world.check(true);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_destroy_ends_with_it() {
    let mut world = World::new(1);
    for round in 0..100 {
        let ticket = world.acquire();
        let id = world.nth(0, &[Thing::Asked]).unwrap();
        assert!(world.make(id));
        world.settle().await;
        world.pool.discard(world.lease(ticket).unwrap(), "").unwrap();
        world.script.seen().leases.clear();
        world.settle().await;
        let before = Handle::current().metrics().num_alive_tasks();
        world.destroy(id, None);
        world.settle().await;
        let after = Handle::current().metrics().num_alive_tasks();
        assert!(after < before, "round {round}: {after} tasks, {before} before");
    }
    world.pass(DRAIN_MS * 2).await;
    assert_eq!(world.count("hookFailed"), 0);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_destroy_that_hangs_frees_its_slot_in_time_and_is_told_once() {
    let mut world = World::new(1);
    let (first, second) = (world.acquire(), world.acquire());
    world.make(1);
    world.settle().await;
    world.pool.discard(world.lease(first).unwrap(), "").unwrap();
    world.script.seen().leases.clear();
    world.pass(DRAIN_MS - 1).await;
    assert_eq!((world.count("hookFailed"), world.nth(0, &[Thing::Asked])), (0, None));
    world.pass(2).await;
    assert_eq!((world.count("hookFailed"), world.count("connectionClosed")), (1, 1));
    world.make(2);
    world.settle().await;
    assert!(world.lease(second).is_some());
    world.destroy(1, None);
    world.check(true);
    assert_eq!((world.count("hookFailed"), world.count("connectionClosed")), (1, 1));
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_closes_while_it_checks_destroys_and_takes_no_late_answer() {
    let mut world = World::new(1);
    world.acquire();
    world.make(1);
    world.settle().await;
    world.give_back(0, false);
    world.pool.check_health(1_000);
    world.settle().await;
    let (exchange, id) = world.script.seen().checks.pop_first().unwrap();
    world.pool.close(None);
    world.settle().await;
    assert_eq!(world.script.seen().things[&id], Thing::Going);
    world.pool.validated(id, exchange, None);
    world.pool.validated(id, exchange, Some("no".into()));
    world.destroy(id, None);
    world.settle().await;
    assert!(world.script.seen().closed.is_some());
    assert_eq!(world.count("healthCheckSucceeded") + world.count("healthCheckFailed"), 0);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_nobody_can_reach_asks_for_what_it_holds_to_be_destroyed() {
    let mut world = World::new(2);
    world.acquire();
    world.make(1);
    world.settle().await;
    world.give_back(0, false);
    let World { script, pool, .. } = world;
    drop(pool);
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert_eq!(script.seen().things[&1], Thing::Going);
}

#[derive(Clone, Debug)]
enum Step {
    Acquire,
    Cancel(usize),
    GiveBack(usize, bool),
    Make(usize),
    Fail(usize),
    MakeLate(usize),
    Destroy(usize, bool),
    Check,
    Validate(usize, bool),
    Clear(bool),
    Pass(u64),
    Settle,
}

fn step() -> impl Strategy<Value = Step> {
    let at = 0..8_usize;
    prop_oneof![
        6 => Just(Step::Acquire),
        2 => at.clone().prop_map(Step::Cancel),
        4 => (at.clone(), any::<bool>()).prop_map(|(at, discard)| Step::GiveBack(at, discard)),
        5 => at.clone().prop_map(Step::Make),
        2 => at.clone().prop_map(Step::Fail),
        2 => at.clone().prop_map(Step::MakeLate),
        4 => (at.clone(), any::<bool>()).prop_map(|(at, well)| Step::Destroy(at, well)),
        1 => Just(Step::Check),
        2 => (at, any::<bool>()).prop_map(|(at, well)| Step::Validate(at, well)),
        1 => any::<bool>().prop_map(Step::Clear),
        3 => (1..120_u64).prop_map(Step::Pass),
        4 => Just(Step::Settle),
    ]
}

async fn take(world: &mut World, step: Step) {
    match step {
        Step::Acquire => {
            world.acquire();
        }
        Step::Cancel(at) => {
            let at = at % world.waiting.len().max(1);
            let Some((ticket, request)) = world.waiting.iter().nth(at).map(|(t, r)| (*t, *r))
            else {
                return;
            };
            if !world.script.seen().told.contains(&ticket) {
                world.pool.cancel(request);
                world.waiting.remove(&ticket);
            }
        }
        Step::GiveBack(at, discard) => world.give_back(at, discard),
        Step::Make(at) => {
            if let Some(id) = world.nth(at, &[Thing::Asked]) {
                world.make(id);
            }
        }
        Step::Fail(at) => {
            if let Some(id) = world.nth(at, &[Thing::Asked, Thing::Abandoned]) {
                world.fail(id);
            }
        }
        Step::MakeLate(at) => {
            if let Some(id) = world.nth(at, &[Thing::Abandoned]) {
                assert!(!world.make(id), "{id} was given up");
            }
        }
        Step::Destroy(at, well) => {
            if let Some(id) = world.nth(at, &[Thing::Going]) {
                world.destroy(id, (!well).then_some("clumsy"));
            }
        }
        Step::Check => {
            world.tickets += 1;
            let ticket = world.tickets;
            world.waiting.insert(ticket, f64::NAN);
            world.pool.check_health(ticket);
        }
        Step::Validate(at, well) => {
            let mut seen = world.script.seen();
            let at = at % seen.checks.len().max(1);
            let check = seen.checks.iter().nth(at).map(|(exchange, id)| (*exchange, *id));
            let Some((exchange, id)) = check else { return };
            seen.checks.remove(&exchange);
            drop(seen);
            world.pool.validated(id, exchange, (!well).then(|| "no".to_owned()));
        }
        Step::Clear(interrupt) => {
            world.pool.clear(None, interrupt).unwrap();
            if interrupt {
                // What was held is lost; its holders let go.
                let leases = std::mem::take(&mut world.script.seen().leases);
                for info in leases.values() {
                    world.pool.release(info.lease).unwrap();
                }
            }
            world.pool.ready().unwrap();
        }
        Step::Pass(ms) => world.pass(ms).await,
        Step::Settle => world.settle().await,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_user_code_does_every_slot_comes_back(
        max in 1..5_usize,
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut world = World::new(max);
            for step in steps {
                let rests = matches!(step, Step::Pass(_) | Step::Settle);
                take(&mut world, step).await;
                world.check(rests);
            }
            world.end().await;
        });
    }
}
