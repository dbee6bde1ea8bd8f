//! The engine's own shelf, and a thread that stands for JavaScript: it takes and puts back by the short
//! way, by the engine when that fails, and lets callers wait on its side. Meanwhile resources are made
//! and die, are checked, replaced and cleared, on other threads and at random.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use blender_pool::conn::Reply;
use blender_pool::fault::Fault;
use blender_pool::pool::event::Errand;
use blender_pool::pool::shelf::{Shelf, Unsure};
use blender_pool::pool::{
    AnyPool, CallOptions, CloseReport, Held, Lease, LeaseInfo, ResourcePool, Sink,
};
use blender_pool::wire::Dialect;
use fastrand::Rng;
use serde_json::Value;
use tokio::runtime::{Builder, Handle};

const MAX: u32 = 4;
const HOLDS: u64 = 5_000;
/// Nobody waits for so long unless nobody will ever serve it.
const FOR_EVER: Duration = Duration::from_secs(30);

enum News {
    Lease(u64, LeaseInfo),
    Fault(u64),
    Come,
}

/// What the engine says, and what is in whose hand beside it.
#[derive(Default)]
struct Post {
    news: Mutex<VecDeque<News>>,
    owed: AtomicUsize,
    errands: Mutex<VecDeque<(Errand, u64, u64)>>,
    held: Mutex<HashSet<u64>>,
    wrong: Mutex<Option<String>>,
    closed: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

impl Sink for Post {
    fn reply(&self, _: u64, _: Reply, _: &'static Dialect) {}
    fn lease(&self, ticket: u64, lease: LeaseInfo) {
        self.owed.fetch_add(1, SeqCst);
        lock(&self.news).push_back(News::Lease(ticket, lease));
    }
    fn owes_a_lease(&self) -> bool {
        self.owed.load(SeqCst) > 0
    }
    fn fault(&self, ticket: u64, _: Fault) {
        lock(&self.news).push_back(News::Fault(ticket));
    }
    fn event(&self, _: Value) {}
    fn errand(&self, errand: Errand, id: u64, exchange: u64) {
        if errand == Errand::Validate && lock(&self.held).contains(&id) {
            *lock(&self.wrong) = Some(format!("{id} was checked while it was held"));
        }
        lock(&self.errands).push_back((errand, id, exchange));
    }
    fn call_for_waiting(&self) {
        lock(&self.news).push_back(News::Come);
    }
    fn closed(&self, _: CloseReport) {
        self.closed.store(true, SeqCst);
    }
}

fn pool(options: &str) -> (Arc<ResourcePool>, Arc<Post>) {
    let post = Arc::new(Post::default());
    let options = format!(
        r#"{{"create":true,"validate":true,"destroy":true,"maxConnecting":{MAX},
        "retryBackoffMs":1,"maxRetryBackoffMs":2,"healthCheckFailures":1{options}}}"#
    );
    let pool = ResourcePool::from_json(&options, Handle::current(), post.clone()).unwrap();
    (Arc::new(pool), post)
}

/// A hold: its lease, and the number of what it is on where that is known.
type Hold = (Lease, Option<u64>);

/// `lib/bridge.js`, `lib/shelf.js` and `lib/arrivals.js`.
struct JavaScript {
    pool: Arc<ResourcePool>,
    post: Arc<Post>,
    shelf: Arc<Shelf>,
    random: Rng,
    held: Vec<Hold>,
    /// Callers who wait here.
    arrivals: u32,
    /// Callers who wait in the engine.
    waiting: HashSet<u64>,
    tickets: u64,
    got: u64,
    /// Of those, by the short way.
    short: u64,
}

impl JavaScript {
    fn got(&mut self, lease: Lease, id: Option<u64>) {
        self.got += 1;
        if let Some(id) = id {
            assert!(lock(&self.post.held).insert(id), "{id} has two holders");
        }
        assert!(!self.held.iter().any(|(other, _)| *other == lease), "{lease:?} has two holders");
        self.held.push((lease, id));
    }

    fn take(&mut self) -> bool {
        let first = self.random.u32(0..MAX);
        for n in 0..MAX {
            let slot = (first + n) % MAX;
            let generation = match self.shelf.take(slot) {
                None => continue,
                Some(Ok(generation)) => generation,
                Some(Err(Unsure)) => {
                    self.shelf.count_taken(slot);
                    match self.pool.hold_in_hand(slot) {
                        Some(info) => info.lease.generation,
                        None => {
                            self.got += 1;
                            continue;
                        }
                    }
                }
            };
            self.short += 1;
            let lease = Lease { slot, generation };
            // Not each time: it is a call of the engine.
            let seen = if self.random.u32(0..8) == 0 { self.pool.hold_in_hand(slot) } else { None };
            self.got(lease, seen.filter(|info| info.lease == lease).map(|info| info.id));
            return true;
        }
        false
    }

    fn acquire(&mut self) {
        if self.arrivals == 0 && self.take() {
            return;
        }
        if self.shelf.is_full() {
            self.arrivals += 1;
            if !self.shelf.wait(1) {
                self.flush();
            }
            return;
        }
        self.flush();
        self.ask();
    }

    fn ask(&mut self) {
        self.tickets += 1;
        match self.pool.acquire(self.tickets, &CallOptions::default()) {
            Ok(Held::Now(info)) => self.got(info.lease, Some(info.id)),
            Ok(Held::Later(_)) => {
                self.waiting.insert(self.tickets);
            }
            // Paused, or all that is tried fails.
            Err(_) => {}
        }
    }

    fn flush(&mut self) {
        while self.arrivals > 0 {
            self.arrivals -= 1;
            self.shelf.wait(-1);
            if !self.take() {
                self.ask();
            }
        }
    }

    fn come(&mut self) {
        if !self.shelf.is_full() {
            self.flush();
        }
    }

    /// Fetches what the engine has posted.
    fn drain(&mut self) {
        let news = std::mem::take(&mut *lock(&self.post.news));
        for news in &news {
            if let News::Lease(_, info) = news {
                self.post.owed.fetch_sub(1, SeqCst);
                self.pool.delivered(info.lease);
            }
        }
        for news in news {
            match news {
                News::Lease(ticket, info) => {
                    assert!(self.waiting.remove(&ticket), "{ticket} was served twice");
                    self.got(info.lease, Some(info.id));
                }
                News::Fault(ticket) => {
                    assert!(self.waiting.remove(&ticket), "{ticket} was served, and refused");
                }
                News::Come => self.come(),
            }
        }
    }

    fn release(&mut self, at: usize) {
        if self.shelf.is_offered() {
            let sent = self.pool.send_outside();
            for (ticket, _) in &sent {
                assert!(self.waiting.remove(ticket), "{ticket} did not wait");
            }
            self.arrivals += sent.len() as u32;
            self.shelf.wait(sent.len() as i32);
            self.come();
        }
        let (lease, id) = self.held.swap_remove(at);
        if self.arrivals > 0 {
            if self.shelf.pass_on(lease.slot, lease.generation) {
                self.arrivals -= 1;
                self.shelf.wait(-1);
                self.got += 1;
                self.held.push((lease, id));
                return;
            }
        } else {
            if let Some(id) = id {
                lock(&self.post.held).remove(&id);
            }
            if self.shelf.put_back(lease.slot, lease.generation) {
                // Older ones were lost, and not let go of yet.
                let is_newer =
                    |other: &Lease| other.slot == lease.slot && other.generation > lease.generation;
                let newer = self.held.iter().find(|(other, _)| is_newer(other));
                assert_eq!(newer, None, "{lease:?} was put back under its holder's hand");
                return;
            }
        }
        if let Some(id) = id {
            lock(&self.post.held).remove(&id);
        }
        self.pool.release(lease).unwrap();
        self.come();
    }
}

/// Answers errands, and lets things happen as long as it is wild.
fn world(pool: &ResourcePool, post: &Post, wild: &AtomicBool, tame: &AtomicBool, mut random: Rng) {
    let mut alive: Vec<u64> = Vec::new();
    while !post.closed.load(SeqCst) {
        let errand = lock(&post.errands).pop_front();
        let is_wild = wild.load(SeqCst);
        if !is_wild {
            // Nothing that was begun while it was wild is still to come.
            tame.store(true, SeqCst);
        }
        let fails = |random: &mut Rng| (is_wild && random.u32(0..12) == 0).then(|| "no".to_owned());
        match errand {
            Some((Errand::Create, id, _)) => {
                let error = fails(&mut random);
                let made = error.is_none();
                let wanted = pool.made(id, error);
                if made && wanted {
                    alive.push(id);
                } else if made {
                    pool.destroyed(id, None);
                }
            }
            Some((Errand::Validate, id, exchange)) => {
                pool.validated(id, exchange, fails(&mut random));
            }
            Some((Errand::Destroy, id, _)) => {
                if alive.contains(&id) {
                    alive.retain(|other| *other != id);
                    pool.destroyed(id, None);
                }
            }
            Some((Errand::Abandon, ..)) => {}
            None if !is_wild => thread::yield_now(),
            None => match random.u32(0..400) {
                0 if !alive.is_empty() => {
                    let id = alive.swap_remove(random.usize(0..alive.len()));
                    pool.destroyed(id, Some("died".to_owned()));
                }
                1 => pool.check_health(0),
                2 => {
                    pool.clear(None, random.bool()).unwrap();
                    pool.ready().unwrap();
                }
                3 => pool.resize(None, Some(random.u32(1..=MAX))).unwrap(),
                4 => {
                    pool.pause().unwrap();
                    pool.ready().unwrap();
                }
                5..30 => drop(pool.stats()),
                _ => thread::yield_now(),
            },
        }
    }
}

fn go_wild(seed: u64) {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let _inside = runtime.enter();
    let (pool, post) = pool(&format!(
        r#","maxConnections":{MAX},"acquireTimeoutMs":600000,"drainTimeoutMs":1000"#
    ));
    let shelf = pool.make_shelf(0.0).expect("nothing in these options is against it");
    let wild = Arc::new(AtomicBool::new(true));
    let tame = Arc::new(AtomicBool::new(false));
    let mut random = Rng::with_seed(seed);
    let other = {
        let (pool, post, random) = (pool.clone(), post.clone(), random.fork());
        let (wild, tame) = (wild.clone(), tame.clone());
        thread::spawn(move || world(&pool, &post, &wild, &tame, random))
    };
    let (held, waiting) = (Vec::new(), HashSet::new());
    let mut js = JavaScript {
        pool: pool.clone(),
        post: post.clone(),
        shelf,
        random,
        held,
        arrivals: 0,
        waiting,
        tickets: 0,
        got: 0,
        short: 0,
    };
    let since = Instant::now();
    while js.got < HOLDS {
        assert!(since.elapsed() < FOR_EVER, "seed {seed}: nobody is served: {}", pool.stats());
        match js.random.u32(0..8) {
            0..3 if js.arrivals + (js.waiting.len() as u32) < 3 * MAX => js.acquire(),
            3..6 if !js.held.is_empty() => {
                let at = js.random.usize(0..js.held.len());
                js.release(at);
            }
            _ => js.drain(),
        }
        // Nothing is left to do but for others.
        if js.held.is_empty() {
            thread::yield_now();
        }
    }
    wild.store(false, SeqCst);
    while !tame.load(SeqCst) {
        js.drain();
        thread::yield_now();
    }
    pool.resize(None, Some(MAX)).unwrap();
    let since = Instant::now();
    while js.arrivals > 0 || !js.waiting.is_empty() || !js.held.is_empty() {
        assert!(since.elapsed() < FOR_EVER, "seed {seed}: somebody starves: {}", pool.stats());
        js.drain();
        if !js.held.is_empty() {
            js.release(0);
        }
    }
    let stats = pool.stats();
    assert_eq!(stats["raceDetected"], 0, "seed {seed}: {stats}");
    assert_eq!((&stats["inUse"], &stats["waiting"]), (&0.into(), &0.into()), "seed {seed}");
    assert_eq!(stats["acquired"], js.got, "seed {seed}: {stats}");
    // Nobody gives back what was lost in its hand.
    let lost = js.got - stats["released"].as_u64().unwrap();
    let closed: u64 =
        stats["closed"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert!(lost <= closed, "seed {seed}: {lost} were never given back: {stats}");
    assert_eq!(*lock(&post.wrong), None, "seed {seed}");
    assert!(js.short > 0, "seed {seed}: the short way was never taken");
    pool.close(None);
    while !post.closed.load(SeqCst) {
        assert!(since.elapsed() < FOR_EVER, "seed {seed}: it never closed: {}", pool.stats());
        thread::yield_now();
    }
    other.join().unwrap();
}

#[test]
fn whatever_happens_to_what_is_lent_nobody_shares_it_and_nobody_starves() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    for round in 0..4 {
        go_wild(seed.wrapping_add(round));
    }
}

/// Makes what is asked for, until nothing more is.
async fn settle(pool: &ResourcePool, post: &Post) {
    for _ in 0..20 {
        tokio::task::yield_now().await;
        let errands = std::mem::take(&mut *lock(&post.errands));
        for (errand, id, exchange) in errands {
            match errand {
                Errand::Create => drop(pool.made(id, None)),
                Errand::Validate => pool.validated(id, exchange, None),
                Errand::Destroy => drop(pool.destroyed(id, None)),
                Errand::Abandon => {}
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_held_for_long_has_been_idle_since_it_was_put_back() {
    let (pool, post) =
        pool(r#","idleTimeoutMs":60000,"maxConnections":1,"healthCheckIntervalMs":0"#);
    let shelf = pool.make_shelf(0.0).unwrap();
    let zero = tokio::time::Instant::now();
    let now = || zero.elapsed().as_secs_f64() * 1e3;
    pool.acquire(1, &CallOptions::default()).unwrap();
    settle(&pool, &post).await;
    let Some(News::Lease(_, info)) = lock(&post.news).pop_front() else { panic!("no lease") };
    post.owed.store(0, SeqCst);
    pool.delivered(info.lease);
    pool.release(info.lease).unwrap();

    shelf.touch(0, now());
    let generation = shelf.take(0).unwrap().unwrap();
    assert_eq!(pool.stats()["inUse"], 1);
    tokio::time::sleep(Duration::from_secs(300)).await;
    shelf.touch(0, now());
    assert!(shelf.put_back(0, generation));
    assert_eq!(pool.stats()["idle"], 1);
    tokio::time::sleep(Duration::from_secs(40)).await;
    settle(&pool, &post).await;
    assert_eq!(pool.connections()[0]["id"], info.id, "it was idle for 40 seconds, not for 340");
    tokio::time::sleep(Duration::from_secs(60)).await;
    settle(&pool, &post).await;
    assert_eq!(pool.stats()["total"], 0);
}
