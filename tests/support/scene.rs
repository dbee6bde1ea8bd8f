//! Make-believe endpoints that open, answer and fail by themselves, each in its own time.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use blender_pool::fault::{Code, Delivered, Fault};
use blender_pool::pool::event::{Event, Name, Observed};
use blender_pool::pool::settings::Settings;
use blender_pool::pool::{
    Ask, CloseReport, Engine, Face, Grant, Habits, Lease, Opened, RequestKey, Start,
};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

pub const MS: Duration = Duration::from_millis(1);

/// One endpoint, as it is now.
#[derive(Clone, Debug)]
pub struct Place {
    pub up: bool,
    /// How long an attempt takes, whatever comes of it.
    pub connect: Duration,
    /// How long a job takes.
    pub answer: Duration,
    pub habits: Habits,
    /// So many jobs find that what is open is dead.
    pub dead: usize,
    /// When attempts began.
    pub attempts: Vec<Instant>,
    pub trying: usize,
    pub most_trying: usize,
    pub open: usize,
    pub most_open: usize,
}

impl Default for Place {
    fn default() -> Self {
        let habits = Habits {
            max_connecting: 2,
            max_in_flight: usize::MAX,
            min_slots: 0,
            max_slots: usize::MAX,
            quiet: false,
            per_job: false,
        };
        Place {
            up: true,
            connect: MS,
            answer: MS,
            habits,
            dead: 0,
            attempts: Vec::new(),
            trying: 0,
            most_trying: 0,
            open: 0,
            most_open: 0,
        }
    }
}

impl Place {
    pub fn down() -> Self {
        Place { up: false, ..Place::default() }
    }
}

/// What a caller was told.
#[derive(Clone, Debug)]
pub enum Told {
    Holds(usize, Lease),
    Done(usize),
    Failed(Fault),
}

#[derive(Debug)]
pub struct Thing {
    slot: u32,
    id: u64,
    endpoint: usize,
}

#[derive(Default)]
struct Seen {
    places: Vec<Place>,
    told: BTreeMap<u64, (Told, Instant)>,
    /// Jobs in the order in which they were served.
    served: Vec<u64>,
    events: Vec<Event>,
    /// Holders let go after this.
    hold: Option<Duration>,
}

pub struct Play {
    seen: Arc<Mutex<Seen>>,
    engine: Weak<Engine<Play>>,
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Face for Play {
    type Resource = Thing;
    type Job = u64;

    fn open(
        &self,
        endpoint: usize,
        slot: u32,
        id: u64,
    ) -> BoxFuture<'static, Result<Opened<Thing>, Fault>> {
        let seen = self.seen.clone();
        let connect = {
            let place = &mut lock(&seen).places[endpoint];
            place.attempts.push(Instant::now());
            place.trying += 1;
            place.most_trying = place.most_trying.max(place.trying);
            place.connect
        };
        async move {
            sleep(connect).await;
            let place = &mut lock(&seen).places[endpoint];
            place.trying -= 1;
            if !place.up {
                return Err(Fault::new(Code::Connect, "cannot connect: refused"));
            }
            place.open += 1;
            place.most_open = place.most_open.max(place.open);
            let resource = Arc::new(Thing { slot, id, endpoint });
            Ok(Opened { resource, habits: place.habits, proven: true })
        }
        .boxed()
    }

    fn close(&self, thing: &Arc<Thing>) {
        let (engine, thing, seen) = (self.engine.clone(), thing.clone(), self.seen.clone());
        tokio::spawn(async move {
            lock(&seen).places[thing.endpoint].open -= 1;
            if let Some(engine) = engine.upgrade() {
                engine.ended(thing.slot, thing.id, None);
            }
        });
    }

    fn start(&self, thing: &Arc<Thing>, _: u64, job: &u64) -> Start {
        let (engine, thing, seen) = (self.engine.clone(), thing.clone(), self.seen.clone());
        let answer = {
            let mut seen = lock(&seen);
            let dead = &mut seen.places[thing.endpoint].dead;
            if *dead > 0 {
                *dead -= 1;
                return Start::NotReady;
            }
            seen.served.push(*job);
            seen.places[thing.endpoint].answer
        };
        tokio::spawn(async move {
            sleep(answer).await;
            if let Some(engine) = engine.upgrade() {
                engine.finished(thing.slot, thing.id, false, true, |job| {
                    let told = (Told::Done(thing.endpoint), Instant::now());
                    assert!(lock(&seen).told.insert(*job, told).is_none());
                });
            }
        });
        Start::Started
    }

    fn cut(&self, thing: &Arc<Thing>, _: u64, _: Duration) -> Delivered {
        self.close(thing);
        Delivered::Maybe
    }

    fn granted(&self, job: &u64, grant: &Grant<Thing>) -> bool {
        let mut seen = lock(&self.seen);
        seen.served.push(*job);
        let told = (Told::Holds(grant.endpoint, grant.lease), Instant::now());
        assert!(seen.told.insert(*job, told).is_none());
        if let Some(hold) = seen.hold {
            let (engine, lease) = (self.engine.clone(), grant.lease);
            tokio::spawn(async move {
                sleep(hold).await;
                if let Some(engine) = engine.upgrade() {
                    let _ = engine.release(lease);
                }
            });
        }
        false
    }

    fn failed(&self, job: &u64, fault: Fault) {
        let told = (Told::Failed(fault), Instant::now());
        assert!(lock(&self.seen).told.insert(*job, told).is_none());
    }

    fn observed(&self, event: &Event) {
        lock(&self.seen).events.push(event.clone());
    }

    fn closed(&self, _: &CloseReport) {}
}

/// An engine over such endpoints, and what was seen of it.
pub struct Scene {
    pub engine: Arc<Engine<Play>>,
    seen: Arc<Mutex<Seen>>,
    last: u64,
    keys: BTreeMap<u64, RequestKey>,
}

impl Scene {
    /// Endpoints are called `a`, `b` and so on.
    pub fn new(settings: Settings, places: Vec<Place>) -> Self {
        let endpoints = places.iter().enumerate().map(|(at, place)| {
            let name = char::from(b'a' + at as u8).to_string();
            (Arc::from(name.as_str()), place.habits)
        });
        let endpoints = endpoints.collect();
        let seen = Arc::new(Mutex::new(Seen { places, ..Seen::default() }));
        let face = |me: &Weak<Engine<Play>>| Play { seen: seen.clone(), engine: me.clone() };
        let engine =
            Engine::new(settings, endpoints, Handle::current(), tracing::Span::none(), face);
        engine.observe(Observed::ALL);
        Scene { engine, seen, last: 0, keys: BTreeMap::new() }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }

    /// From now on, holders let go by themselves after this.
    pub fn hold_for(&self, hold: Duration) {
        self.seen().hold = Some(hold);
    }

    /// Asks; returns the caller's number, by which all else is asked.
    pub fn ask(&mut self, ask: Ask) -> u64 {
        self.last += 1;
        match self.engine.submit(ask, self.last) {
            Ok(key) => {
                self.keys.insert(self.last, key);
            }
            Err(fault) => {
                let told = (Told::Failed(fault), Instant::now());
                assert!(self.seen().told.insert(self.last, told).is_none());
            }
        }
        self.last
    }

    pub fn cancel(&self, caller: u64) {
        self.engine.cancel(self.keys[&caller].to_number());
    }

    pub fn told(&self, caller: u64) -> Option<Told> {
        self.seen().told.get(&caller).map(|(told, _)| told.clone())
    }

    pub fn told_at(&self, caller: u64) -> Option<Instant> {
        self.seen().told.get(&caller).map(|(_, at)| *at)
    }

    /// The fault of a caller who must have got one.
    pub fn fault(&self, caller: u64) -> Fault {
        match self.told(caller) {
            Some(Told::Failed(fault)) => fault,
            other => panic!("caller {caller} was told {other:?}"),
        }
    }

    /// The endpoint of a caller who must have been served.
    pub fn endpoint(&self, caller: u64) -> usize {
        match self.told(caller) {
            Some(Told::Holds(endpoint, _) | Told::Done(endpoint)) => endpoint,
            other => panic!("caller {caller} was told {other:?}"),
        }
    }

    pub fn release(&self, caller: u64) {
        match self.told(caller) {
            Some(Told::Holds(_, lease)) => self.engine.release(lease).unwrap(),
            other => panic!("caller {caller} was told {other:?}"),
        }
    }

    pub fn discard(&self, caller: u64) {
        match self.told(caller) {
            Some(Told::Holds(_, lease)) => {
                let why = Fault::new(Code::ConnectionLost, "thrown away");
                self.engine.discard(lease, why).unwrap();
            }
            other => panic!("caller {caller} was told {other:?}"),
        }
    }

    /// Callers in the order in which they were served.
    pub fn served(&self) -> Vec<u64> {
        self.seen().served.clone()
    }

    pub fn place(&self, at: usize) -> Place {
        self.seen().places[at].clone()
    }

    pub fn change(&self, at: usize, change: impl FnOnce(&mut Place)) {
        change(&mut self.seen().places[at]);
    }

    pub fn events(&self, name: Name) -> Vec<Event> {
        self.seen().events.iter().filter(|event| event.name() == name).cloned().collect()
    }
}

/// Lets everything happen that needs no time.
pub async fn settle() {
    for _ in 0..16 {
        tokio::task::yield_now().await;
    }
}

pub async fn pass(time: Duration) {
    sleep(time).await;
    settle().await;
}
