//! Permits and a rate: never more than both allow, and never a moment later than they allow.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use blender_pool::conn::Reply;
use blender_pool::fault::{Code, Fault};
use blender_pool::pool::line::AGEING;
use blender_pool::pool::{
    AnyPool, CallOptions, Cancelled, CloseReport, Held, Lease, LeaseInfo, Limiter, Sink,
};
use blender_pool::wire::Dialect;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

enum News {
    Granted(Lease),
    Refused(Code),
}

/// What was said, to whom and when.
#[derive(Default)]
struct Inbox {
    news: Mutex<Vec<(u64, Instant, News)>>,
    closed: Mutex<Option<CloseReport>>,
    /// A permit that is there at once comes by its ticket.
    owes: AtomicBool,
}

impl Inbox {
    fn note(&self, ticket: u64, news: News) {
        self.news.lock().unwrap().push((ticket, Instant::now(), news));
    }

    fn take(&self) -> Vec<(u64, Instant, News)> {
        std::mem::take(&mut *self.news.lock().unwrap())
    }
}

impl Sink for Inbox {
    fn reply(&self, _: u64, _: Reply, _: &'static Dialect) {
        unreachable!("a permit runs no commands")
    }

    fn lease(&self, ticket: u64, lease: LeaseInfo) {
        self.note(ticket, News::Granted(lease.lease));
    }

    fn owes_a_lease(&self) -> bool {
        self.owes.load(SeqCst)
    }

    fn fault(&self, ticket: u64, fault: Fault) {
        self.note(ticket, News::Refused(fault.code()));
    }

    fn event(&self, _: Value) {}

    fn closed(&self, report: CloseReport) {
        assert!(self.closed.lock().unwrap().replace(report).is_none(), "closed twice");
    }
}

/// A limiter, and beside it everything that is known of it from outside.
struct World {
    limiter: Limiter,
    inbox: Arc<Inbox>,
    max: usize,
    windows: Vec<(usize, Duration)>,
    timeout: Duration,
    /// By priority, highest first, and number: when it came, and what cancels it.
    waiting: BTreeMap<(i32, u64), (Instant, f64)>,
    ahead: Vec<Lease>,
    running: Vec<Lease>,
    started: Vec<Instant>,
    /// The oldest when it was passed last, and how often that happened.
    passed: (u64, u32),
    last: u64,
    looked: Instant,
    granted: usize,
    timeouts: usize,
    cancelled: usize,
}

impl World {
    fn new(options: Value) -> Self {
        let inbox = Arc::new(Inbox::default());
        let number = |name: &str| options[name].as_u64().unwrap_or(0) as usize;
        let windows = [("requestsPerSecond", SECOND), ("requestsPerMinute", MINUTE)]
            .into_iter()
            .map(|(name, length)| (number(name), length))
            .filter(|(limit, _)| *limit > 0)
            .collect();
        let limiter =
            Limiter::from_json(&options.to_string(), Handle::current(), inbox.clone()).unwrap();
        World {
            limiter,
            inbox,
            max: number("maxConcurrent"),
            windows,
            timeout: options["queueTimeoutMs"].as_u64().map_or(MINUTE / 2, Duration::from_millis),
            waiting: BTreeMap::new(),
            ahead: Vec::new(),
            running: Vec::new(),
            started: Vec::new(),
            passed: (0, 0),
            last: 0,
            looked: Instant::now(),
            granted: 0,
            timeouts: 0,
            cancelled: 0,
        }
    }

    /// The first moment from `now` on at which one more may go ahead; none: while nothing changes.
    fn next(&self, now: Instant) -> Option<Instant> {
        if self.ahead.len() + self.running.len() == self.max
            || self.windows.iter().any(|(limit, _)| self.ahead.len() >= *limit)
        {
            return None;
        }
        let mut at = now;
        for (limit, length) in &self.windows {
            // With those ahead and one more, so many that started may count.
            let room = limit - self.ahead.len() - 1;
            if let Some(oldest) = self.started.iter().rev().nth(room) {
                at = at.max(*oldest + *length);
            }
        }
        Some(at)
    }

    /// Takes in what was said, and sees that it was said when it had to be.
    fn absorb(&mut self) {
        let now = Instant::now();
        for (ticket, at, news) in self.inbox.take() {
            match news {
                News::Granted(lease) => {
                    let rank = self.rank_of(ticket);
                    let first = self.first();
                    assert_eq!(rank, first, "{rank:?} passed {first:?}");
                    assert_eq!(self.next(self.looked), Some(at), "too late, or too early");
                    self.waiting.remove(&rank);
                    self.ahead.push(lease);
                    self.granted += 1;
                }
                News::Refused(code) => {
                    let rank = self.rank_of(ticket);
                    assert_eq!(code, Code::AcquireTimeout);
                    assert!(self.next(self.looked).is_none_or(|next| next >= at), "was due before");
                    let (since, _) = self.waiting.remove(&rank).unwrap();
                    assert_eq!(at, since + self.timeout);
                    self.timeouts += 1;
                }
            }
            self.looked = at;
        }
        self.looked = now;
        if !self.waiting.is_empty() {
            assert!(
                self.next(now).is_none_or(|next| next > now),
                "{} wait, and one could go ahead",
                self.waiting.len()
            );
        }
    }

    fn check_figures(&self) {
        let stats = self.limiter.stats();
        assert_eq!(stats["waiting"], self.waiting.len());
        assert_eq!(stats["inUse"], self.ahead.len() + self.running.len());
        assert_eq!(stats["raceDetected"], 0);
        assert!(stats["total"].as_u64().unwrap() <= self.max as u64);
    }

    /// Who is next: by priority and number, but for the oldest who was passed too often.
    fn first(&mut self) -> (i32, u64) {
        let first = *self.waiting.keys().next().expect("somebody waits");
        let oldest = *self.waiting.keys().min_by_key(|(_, number)| *number).unwrap();
        if self.passed == (oldest.1, AGEING) {
            return oldest;
        }
        if oldest.0 > first.0 {
            let (whom, times) = self.passed;
            self.passed = (oldest.1, if whom == oldest.1 { times + 1 } else { 1 });
        }
        first
    }

    fn rank_of(&self, ticket: u64) -> (i32, u64) {
        *self.waiting.keys().find(|(_, number)| *number == ticket).expect("it waits")
    }

    fn ask(&mut self, priority: i32, in_turn: bool) {
        self.last += 1;
        let now = Instant::now();
        let could = self.waiting.is_empty() && self.next(now) == Some(now);
        self.inbox.owes.store(in_turn, SeqCst);
        let options = CallOptions { priority, ..CallOptions::default() };
        match self.limiter.acquire(self.last, &options).unwrap() {
            Held::Now(info) => {
                assert!(could && !in_turn);
                self.ahead.push(info.lease);
                self.granted += 1;
            }
            Held::Later(key) => {
                assert!(!could || in_turn);
                self.waiting.insert((-priority, self.last), (now, key));
            }
        }
        self.absorb();
    }

    fn start(&mut self, pick: usize) {
        if self.ahead.is_empty() {
            return;
        }
        let lease = self.ahead.remove(pick % self.ahead.len());
        self.running.push(lease);
        self.started.push(Instant::now());
        for (limit, length) in &self.windows {
            if let Some(before) = self.started.iter().rev().nth(*limit) {
                assert!(before.elapsed() >= *length, "{} within {length:?}", limit + 1);
            }
        }
        self.limiter.started(lease);
        self.absorb();
    }

    fn release(&mut self, pick: usize) {
        if !self.running.is_empty() {
            let lease = self.running.remove(pick % self.running.len());
            self.limiter.release(lease).unwrap();
            self.absorb();
        }
    }

    fn turn_back(&mut self, pick: usize) {
        if !self.ahead.is_empty() {
            let lease = self.ahead.remove(pick % self.ahead.len());
            self.limiter.release(lease).unwrap();
            self.absorb();
        }
    }

    fn cancel(&mut self, pick: usize) {
        if self.waiting.is_empty() {
            return;
        }
        let rank = *self.waiting.keys().nth(pick % self.waiting.len()).unwrap();
        let (_, key) = self.waiting.remove(&rank).unwrap();
        assert!(matches!(self.limiter.cancel(key), Cancelled::Waiting));
        self.cancelled += 1;
        self.absorb();
    }

    async fn pass(&mut self, time: Duration) {
        sleep(time).await;
        settle().await;
        self.absorb();
        self.check_figures();
    }

    /// Nobody comes any more: all who wait are served in time, and every permit comes back.
    async fn come_to_rest(&mut self) {
        while !(self.waiting.is_empty() && self.ahead.is_empty() && self.running.is_empty()) {
            while !self.ahead.is_empty() {
                self.start(0);
            }
            while !self.running.is_empty() {
                self.release(0);
            }
            if !self.waiting.is_empty() && self.ahead.is_empty() {
                let next = self.next(Instant::now()).expect("there are permits");
                self.pass(next - Instant::now()).await;
            }
        }
        let stats = self.limiter.stats();
        assert_eq!(stats["acquired"], self.granted);
        assert_eq!(stats["released"], self.granted);
        assert_eq!(stats["timeouts"], self.timeouts);
        assert_eq!(stats["aborted"], self.cancelled);
        assert_eq!(stats["idle"], stats["total"]);
        assert_eq!(
            self.granted + self.timeouts + self.cancelled,
            self.last as usize,
            "every caller is told once"
        );
    }
}

async fn settle() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}

fn paused<T>(what: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(what)
}

#[derive(Clone, Debug)]
enum Step {
    Ask { priority: i32, in_turn: bool },
    Burst(usize),
    Start(usize),
    StartAll,
    Release(usize),
    TurnBack(usize),
    Cancel(usize),
    Pass(u64),
}

fn steps(longest: u64) -> impl Strategy<Value = Vec<Step>> {
    let pick = 0usize..64;
    let step = prop_oneof![
        6 => (-2i32..3, any::<bool>()).prop_map(|(priority, in_turn)| Step::Ask { priority, in_turn }),
        1 => (1usize..12).prop_map(Step::Burst),
        5 => pick.clone().prop_map(Step::Start),
        1 => Just(Step::StartAll),
        5 => pick.clone().prop_map(Step::Release),
        1 => pick.clone().prop_map(Step::TurnBack),
        1 => pick.prop_map(Step::Cancel),
        4 => (0..longest).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 1..250)
}

fn run(options: Value, steps: Vec<Step>) {
    paused(async {
        let mut world = World::new(options);
        for step in steps {
            match step {
                Step::Ask { priority, in_turn } => world.ask(priority, in_turn),
                Step::Burst(count) => (0..count).for_each(|_| world.ask(0, false)),
                Step::Start(pick) => world.start(pick),
                Step::StartAll => (0..world.ahead.len()).for_each(|_| world.start(0)),
                Step::Release(pick) => world.release(pick),
                Step::TurnBack(pick) => world.turn_back(pick),
                Step::Cancel(pick) => world.cancel(pick),
                Step::Pass(ms) => world.pass(MS * ms as u32).await,
            }
        }
        world.come_to_rest().await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn permits_alone(steps in steps(100)) {
        run(json!({ "maxConcurrent": 3 }), steps);
    }

    #[test]
    fn so_many_a_second(steps in steps(400)) {
        run(json!({ "maxConcurrent": 4, "requestsPerSecond": 5 }), steps);
    }

    #[test]
    fn fewer_a_second_than_permits(steps in steps(700)) {
        run(json!({ "maxConcurrent": 9, "requestsPerSecond": 2 }), steps);
    }

    #[test]
    fn so_many_a_second_and_so_many_a_minute(steps in steps(5_000)) {
        run(json!({ "maxConcurrent": 4, "requestsPerSecond": 3, "requestsPerMinute": 20, "queueTimeoutMs": 200_000 }), steps);
    }

    #[test]
    fn with_little_time_to_wait(steps in steps(2_000)) {
        run(json!({ "maxConcurrent": 3, "requestsPerSecond": 2, "requestsPerMinute": 30, "queueTimeoutMs": 1_500 }), steps);
    }
}

#[test]
fn a_thousand_callers_take_exactly_as_long_as_the_rate_says() {
    paused(async {
        let mut world = World::new(
            json!({ "maxConcurrent": 8, "requestsPerSecond": 10, "requestsPerMinute": 300, "queueTimeoutMs": 600_000 }),
        );
        let began = Instant::now();
        for _ in 0..1_000 {
            world.ask(0, false);
        }
        world.come_to_rest().await;
        // 300 within the first 29 seconds, the next 300 from 60 s on, and so to the 1000th.
        assert_eq!(world.started.last().unwrap().duration_since(began), SECOND * (180 + 9));
    });
}

#[test]
fn who_waits_for_the_rate_holds_no_permit_and_opens_none() {
    paused(async {
        let mut world = World::new(json!({ "maxConcurrent": 100, "requestsPerSecond": 2 }));
        for _ in 0..50 {
            world.ask(0, false);
        }
        assert_eq!(world.limiter.stats()["total"], 2);
        world.start(0);
        world.start(0);
        assert_eq!(world.limiter.stats()["total"], 2);
        assert_eq!(world.limiter.starts()["lastSecond"], 2);
        world.come_to_rest().await;
    });
}

#[test]
fn a_full_queue_counts_those_who_wait_for_the_rate() {
    paused(async {
        let options = json!({ "maxConcurrent": 8, "requestsPerSecond": 1, "maxWaiting": 1 });
        let mut world = World::new(options);
        world.ask(0, false);
        world.ask(0, false);
        let refused = world.limiter.acquire(99, &CallOptions::default()).unwrap_err();
        assert_eq!(refused.code(), Code::QueueFull);
        world.come_to_rest().await;
    });
}

#[test]
fn those_turned_away_are_all_who_wait_and_the_rest_goes_on() {
    paused(async {
        let mut world = World::new(json!({ "maxConcurrent": 2, "requestsPerSecond": 1 }));
        for _ in 0..5 {
            world.ask(0, false);
        }
        world.limiter.turn_away("not now");
        let told: Vec<(u64, Code)> = world
            .inbox
            .take()
            .into_iter()
            .map(|(ticket, _, news)| match news {
                News::Refused(code) => (ticket, code),
                News::Granted(_) => unreachable!("the rate is reached"),
            })
            .collect();
        assert_eq!(told, (2..=5).map(|ticket| (ticket, Code::Cleared)).collect::<Vec<_>>());
        world.waiting.clear();
        world.absorb();
        world.start(0);
        world.ask(0, false);
        world.pass(SECOND).await;
        assert_eq!(world.granted, 2);
    });
}

#[test]
fn closing_waits_for_permits_and_takes_them_when_its_time_is_over() {
    paused(async {
        let mut world = World::new(json!({ "maxConcurrent": 2, "requestsPerSecond": 2 }));
        for _ in 0..3 {
            world.ask(0, false);
        }
        world.start(0);
        let (running, ahead) = (world.running[0], world.ahead[0]);
        world.limiter.close(Some(SECOND));
        let news = world.inbox.take();
        assert!(matches!(news[..], [(3, _, News::Refused(Code::Closed))]));
        assert_eq!(
            world.limiter.acquire(9, &CallOptions::default()).unwrap_err().code(),
            Code::Closed
        );
        world.limiter.release(ahead).unwrap();
        sleep(SECOND - MS).await;
        settle().await;
        assert!(world.inbox.closed.lock().unwrap().is_none());
        sleep(MS).await;
        settle().await;
        assert_eq!(world.limiter.state(), "closed");
        assert_eq!(world.inbox.closed.lock().unwrap().as_ref().unwrap().cut, 1);
        // It learns of it when it gives its permit back, which is no error.
        world.limiter.started(running);
        world.limiter.release(running).unwrap();
    });
}
