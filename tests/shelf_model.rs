//! The shelf's two sides against each other, in every order in which they can meet.
//!
//! The very file that the pool runs, on the atomics of a model checker ([loom]) that tries each
//! interleaving and each value that a load may see. One thread is JavaScript: it takes, puts back,
//! passes on, waits, and calls the engine when the short way fails. The others are the engine's:
//! slots die and are opened, and jobs come and go. What is in whose hand is also written down beside
//! the shelf, where no atomic can hide it.
//!
//! It goes red when, on JavaScript's side, a word is taken from or put back to though it is shut; the
//! generation is not compared before a slot is put back, or only read once when it is taken; the word
//! is stored instead of swapped; it is looked whether the shelf is full before the waiting caller is counted in, or not
//! once more after callers were moved there. And on the engine's: when the shelf is shut by a load and
//! a store, laid out before the decision, laid out while somebody waits, or laid out by a relaxed store;
//! when a slot is in hand, and laid out, before JavaScript knows; when nobody calls for those who wait
//! there, or somebody looks for them before the shelf is shut. And with a rate: when an allowance is taken back by
//! a load and a store, or a start taken off it by a store.

use std::collections::{HashSet, VecDeque};
use std::sync::Mutex as Unseen;

use loom::sync::{Arc, Mutex, MutexGuard};
use loom::thread;
use shelf::{Shelf, Spot, Spots, Unsure};

/// The checker's, but that it knows no order of all SeqCst accesses: a fence on either side gives it one.
mod atomics {
    use loom::sync::atomic::{Ordering, Ordering::SeqCst, fence};

    pub const SHELF_WORDS: usize = 1;
    pub const SHELF_NOTES: usize = 2;

    fn fenced<T>(order: Ordering, access: impl FnOnce() -> T) -> T {
        if order != SeqCst {
            return access();
        }
        fence(SeqCst);
        let value = access();
        fence(SeqCst);
        value
    }

    macro_rules! atomic {
        ($name:ident, $value:ty) => {
            #[derive(Debug)]
            pub struct $name(loom::sync::atomic::$name);

            #[allow(dead_code, reason = "each width uses a part of it")]
            impl $name {
                pub fn new(value: $value) -> Self {
                    Self(loom::sync::atomic::$name::new(value))
                }
                pub fn load(&self, order: Ordering) -> $value {
                    fenced(order, || self.0.load(order))
                }
                pub fn store(&self, value: $value, order: Ordering) {
                    fenced(order, || self.0.store(value, order))
                }
                pub fn fetch_add(&self, value: $value, order: Ordering) -> $value {
                    fenced(order, || self.0.fetch_add(value, order))
                }
                pub fn fetch_or(&self, value: $value, order: Ordering) -> $value {
                    fenced(order, || self.0.fetch_or(value, order))
                }
                pub fn fetch_and(&self, value: $value, order: Ordering) -> $value {
                    fenced(order, || self.0.fetch_and(value, order))
                }
                pub fn compare_exchange(
                    &self,
                    seen: $value,
                    value: $value,
                    order: Ordering,
                    failed: Ordering,
                ) -> Result<$value, $value> {
                    self.0.compare_exchange(seen, value, order, failed)
                }
            }
        };
    }
    atomic!(AtomicU32, u32);
    atomic!(AtomicU64, u64);
}

#[allow(dead_code, reason = "the model leaves out notes and figures")]
#[path = "../src/pool/shelf.rs"]
mod shelf;

/// A slot, and the generation of its hold.
type Lease = (u32, u32);

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Gone,
    Opening,
    Idle,
    Held,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Caller {
    JavaScript,
    /// A job, which the engine itself gives a slot and takes it back from.
    Job,
}

#[derive(Debug)]
struct Slot {
    state: State,
    generation: u32,
    in_hand: bool,
    /// Something else than JavaScript has changed it since it was laid out.
    is_new: bool,
}

/// What the engine keeps under its lock.
struct Core {
    slots: Vec<Slot>,
    shown: Spots,
    is_open: bool,
    line: VecDeque<Caller>,
    /// Granted to JavaScript, which has not fetched it yet.
    owed: VecDeque<Lease>,
    /// Slots that jobs run on.
    jobs: VecDeque<Lease>,
    /// Holds whose slot went while they lasted.
    lost: HashSet<Lease>,
    /// JavaScript is called for those who wait there.
    called: bool,
}

/// Who holds what, by what each side believes.
#[derive(Default)]
struct Truth {
    holders: [Option<u32>; 2],
    lost: HashSet<Lease>,
}

impl Truth {
    fn held(&mut self, (slot, generation): Lease) {
        // It may go between JavaScript's swap and its next instruction.
        if !self.lost.contains(&(slot, generation)) {
            let before = self.holders[slot as usize].replace(generation);
            assert_eq!(before, None, "two holders of slot {slot}");
        }
    }

    fn let_go(&mut self, (slot, generation): Lease) {
        if !self.lost.contains(&(slot, generation)) {
            let before = self.holders[slot as usize].take();
            assert_eq!(before, Some(generation), "slot {slot} was given back by a stranger");
        }
    }

    fn lose(&mut self, (slot, generation): Lease) {
        self.lost.insert((slot, generation));
        self.holders[slot as usize] = None;
    }
}

struct Engine {
    slots: u32,
    shelf: Shelf,
    core: Mutex<Core>,
    truth: Unseen<Truth>,
}

impl Core {
    fn catch_up(&mut self, shelf: &Shelf) {
        if !std::mem::take(&mut self.is_open) {
            return;
        }
        let now = shelf.shut(0);
        let before = std::mem::replace(&mut self.shown, now);
        for n in before.changed(now) {
            let slot = &mut self.slots[n as usize];
            match (before.get(n), now.get(n)) {
                (Spot::Shelf, Spot::Hand) => {
                    assert_eq!(slot.state, State::Idle, "slot {n} was taken");
                    slot.generation += 1;
                    (slot.state, slot.in_hand) = (State::Held, true);
                }
                (Spot::Hand, Spot::Shelf) => {
                    assert!(slot.state == State::Held && slot.in_hand, "slot {n} was put back");
                    (slot.state, slot.in_hand) = (State::Idle, false);
                }
                change => panic!("slot {n} went {change:?}"),
            }
            slot.is_new = true;
        }
    }

    fn is_exhausted(&self) -> bool {
        self.slots.iter().all(|slot| matches!(slot.state, State::Held | State::Opening))
    }

    fn has_all_open(&self) -> bool {
        let is_open = |state| matches!(state, State::Held | State::Opening | State::Idle);
        self.slots.iter().all(|slot| is_open(slot.state))
    }

    /// Says whether JavaScript must be called.
    fn lay_out(&mut self, shelf: &Shelf) -> bool {
        let mut is_full = false;
        if self.line.is_empty() && self.owed.is_empty() {
            let mut spots = self.shown;
            for (n, slot) in (0..).zip(&mut self.slots) {
                if !std::mem::take(&mut slot.is_new) {
                    continue;
                }
                let (spot, generation) = match slot.state {
                    State::Idle => (Spot::Shelf, slot.generation + 1),
                    State::Held if slot.in_hand => (Spot::Hand, slot.generation),
                    _ => (Spot::Engine, 0),
                };
                if spot != Spot::Engine {
                    shelf.describe(n, generation, u64::from(generation));
                }
                spots = spots.with(n, spot);
            }
            is_full = self.is_exhausted();
            // Whatever is idle here lies on the shelf.
            shelf.lay_out(0, spots, self.has_all_open());
            self.shown = spots;
            self.is_open = true;
        }
        let waits = shelf.waiting() > 0;
        if !self.is_open {
            let offer = self.owed.is_empty() && self.may_wait_outside();
            shelf.stay_shut(offer);
        }
        waits && !is_full
    }

    fn may_wait_outside(&self) -> bool {
        !self.line.is_empty()
            && self.line.iter().all(|caller| *caller == Caller::JavaScript)
            && self.is_exhausted()
    }
}

impl Engine {
    /// Idle slots, opening ones, and those that JavaScript has in hand.
    fn new(idle: u32, opening: u32) -> Arc<Self> {
        let slot = |state| Slot { state, generation: 1, in_hand: false, is_new: true };
        let slots = (0..idle + opening)
            .map(|n| slot(if n < idle { State::Idle } else { State::Opening }))
            .collect();
        let engine = Engine {
            slots: idle + opening,
            shelf: Shelf::default(),
            core: Mutex::new(Core {
                slots,
                shown: Spots::default(),
                is_open: false,
                line: VecDeque::new(),
                owed: VecDeque::new(),
                jobs: VecDeque::new(),
                lost: HashSet::new(),
                called: false,
            }),
            truth: Unseen::default(),
        };
        engine.decide(|_, _| ());
        Arc::new(engine)
    }

    fn decide<T>(&self, decision: impl FnOnce(&mut Core, &mut Truth) -> T) -> T {
        let mut core: MutexGuard<'_, Core> = self.core.lock().unwrap();
        core.catch_up(&self.shelf);
        let result = decision(&mut core, &mut self.truth());
        if core.lay_out(&self.shelf) {
            core.called = true;
        }
        result
    }

    fn truth(&self) -> std::sync::MutexGuard<'_, Truth> {
        self.truth.lock().unwrap()
    }

    /// Serves who is first in line, as far as there is anything.
    fn serve(core: &mut Core, truth: &mut Truth) {
        while let Some(n) = core.slots.iter().position(|slot| slot.state == State::Idle)
            && let Some(caller) = core.line.pop_front()
        {
            let lease = Self::claim(core, n, truth);
            match caller {
                Caller::Job => core.jobs.push_back(lease),
                Caller::JavaScript => core.owed.push_back(lease),
            }
        }
    }

    fn claim(core: &mut Core, n: usize, truth: &mut Truth) -> Lease {
        let slot = &mut core.slots[n];
        slot.generation += 1;
        (slot.state, slot.is_new) = (State::Held, true);
        let lease = (n as u32, slot.generation);
        truth.held(lease);
        lease
    }

    // ---- what happens on the engine's own threads --------------------------------------------

    /// What a slot holds dies, whoever has it.
    fn die(&self, n: u32) {
        self.decide(|core, truth| {
            let slot = &mut core.slots[n as usize];
            if slot.state == State::Held {
                let lease = (n, slot.generation);
                truth.lose(lease);
                core.lost.insert(lease);
            }
            (slot.state, slot.in_hand, slot.is_new) = (State::Gone, false, true);
        });
    }

    fn opened(&self, n: u32) {
        self.decide(|core, truth| {
            let slot = &mut core.slots[n as usize];
            slot.generation += 1;
            (slot.state, slot.is_new) = (State::Idle, true);
            Self::serve(core, truth);
        });
    }

    /// One more wants a slot.
    fn submit(&self, caller: Caller) {
        self.decide(|core, truth| {
            core.line.push_back(caller);
            Self::serve(core, truth);
        });
    }

    /// The oldest job is over.
    fn job_ends(&self) {
        self.decide(|core, truth| {
            if let Some(lease) = core.jobs.pop_front() {
                Self::take_back(core, truth, lease);
            }
        });
    }

    fn take_back(core: &mut Core, truth: &mut Truth, (n, generation): Lease) {
        if core.lost.remove(&(n, generation)) {
            return;
        }
        let slot = &mut core.slots[n as usize];
        assert_eq!(
            (slot.state, slot.generation),
            (State::Held, generation),
            "slot {n} is not held"
        );
        truth.let_go((n, generation));
        (slot.state, slot.in_hand, slot.is_new) = (State::Idle, false, true);
        Self::serve(core, truth);
    }
}

/// `lib/bridge.js` and `lib/arrivals.js`.
struct JavaScript {
    engine: Arc<Engine>,
    held: VecDeque<Lease>,
    /// Callers who wait here.
    arrivals: u32,
    /// Callers who wait in the engine.
    queued: u32,
    taken: u32,
    passed: u32,
    returned: u32,
    /// Slots that it took, and that went before it could know the generation of its hold.
    unsure: u32,
}

impl JavaScript {
    fn new(engine: &Arc<Engine>) -> Self {
        JavaScript {
            engine: engine.clone(),
            held: VecDeque::new(),
            arrivals: 0,
            queued: 0,
            taken: 0,
            passed: 0,
            returned: 0,
            unsure: 0,
        }
    }

    fn take(&mut self) -> bool {
        for slot in 0..self.engine.slots {
            let generation = match self.engine.shelf.take(slot) {
                None => continue,
                Some(Ok(generation)) => Some(generation),
                Some(Err(Unsure)) => {
                    let found = self.engine.decide(|core, _| {
                        let slot = &core.slots[slot as usize];
                        slot.in_hand.then_some(slot.generation)
                    });
                    match found {
                        Some(_) => self.engine.shelf.count_taken(slot),
                        None => self.unsure += 1,
                    }
                    found
                }
            };
            let Some(generation) = generation else { continue };
            self.taken += 1;
            self.engine.truth().held((slot, generation));
            self.held.push_back((slot, generation));
            return true;
        }
        false
    }

    fn acquire(&mut self) {
        if self.arrivals == 0 && self.take() {
            return;
        }
        if self.engine.shelf.is_full() {
            self.arrivals += 1;
            if !self.engine.shelf.wait(1) {
                self.flush();
            }
            return;
        }
        self.flush();
        self.ask();
    }

    /// What is there at once is in hand when the call returns.
    fn ask(&mut self) {
        let granted = self.engine.decide(|core, truth| {
            let idle = core.slots.iter().position(|slot| slot.state == State::Idle);
            let Some(n) = idle.filter(|_| core.line.is_empty()) else {
                core.line.push_back(Caller::JavaScript);
                return None;
            };
            let lease = Engine::claim(core, n, truth);
            core.slots[n].in_hand = true;
            Some(lease)
        });
        match granted {
            Some(lease) => self.held.push_back(lease),
            None => self.queued += 1,
        }
    }

    /// All who wait here are given what there is, or wait in the engine.
    fn flush(&mut self) {
        while self.arrivals > 0 {
            self.arrivals -= 1;
            self.engine.shelf.wait(-1);
            if !self.take() {
                self.ask();
            }
        }
    }

    /// Fetches what the engine has posted.
    fn fetch(&mut self) {
        loop {
            let lease = self.engine.decide(|core, _| core.owed.pop_front());
            let Some((n, generation)) = lease else { break };
            self.queued -= 1;
            self.held.push_back((n, generation));
            self.engine.decide(|core, _| {
                let slot = &mut core.slots[n as usize];
                if (slot.state, slot.generation) == (State::Held, generation) {
                    (slot.in_hand, slot.is_new) = (true, true);
                }
            });
        }
        if self.engine.decide(|core, _| std::mem::take(&mut core.called)) {
            self.come();
        }
    }

    fn come(&mut self) {
        if !self.engine.shelf.is_full() {
            self.flush();
        }
    }

    fn release(&mut self) {
        let Some((slot, generation)) = self.held.pop_front() else { return };
        let engine = self.engine.clone();
        let Engine { shelf, .. } = &*engine;
        if shelf.is_offered() {
            let sent = self.engine.decide(|core, _| {
                let may = core.owed.is_empty() && core.may_wait_outside();
                if may { std::mem::take(&mut core.line).len() as u32 } else { 0 }
            });
            if sent > 0 {
                self.queued -= sent;
                self.arrivals += sent;
                // Somebody may have opened a slot since, and have seen nobody waiting.
                if !shelf.wait(sent as i32) {
                    self.flush();
                }
            }
        }
        if self.arrivals > 0 {
            if shelf.pass_on(slot, generation) {
                self.arrivals -= 1;
                shelf.wait(-1);
                self.passed += 1;
                self.held.push_back((slot, generation));
                return;
            }
        } else {
            // It may be somebody else's as soon as it is put back.
            self.engine.truth().let_go((slot, generation));
            if shelf.put_back(slot, generation) {
                let lost = self.engine.truth().lost.contains(&(slot, generation));
                assert!(!lost, "slot {slot} was put back after it was taken away");
                self.returned += 1;
                return;
            }
            self.engine.truth().held((slot, generation));
        }
        self.engine.decide(|core, truth| Engine::take_back(core, truth, (slot, generation)));
        self.come();
    }
}

/// When all threads have come to rest, and before anybody does anything more: whoever waits waits for
/// something that is still to come. Then all is given back, and everybody must have been served.
fn settle(mut js: JavaScript) {
    {
        let mut core = js.engine.core.lock().unwrap();
        core.catch_up(&js.engine.shelf);
        let is_idle = core.slots.iter().any(|slot| slot.state == State::Idle);
        assert!(core.line.is_empty() || !is_idle, "forgotten in the engine");
        let told = core.called || core.is_exhausted();
        assert!(js.arrivals == 0 || told, "forgotten in JavaScript");
        core.lay_out(&js.engine.shelf);
    }
    let engine = js.engine.clone();
    for slot in 0..engine.slots {
        let state = engine.decide(|core, _| core.slots[slot as usize].state);
        if matches!(state, State::Gone | State::Opening) {
            engine.opened(slot);
        }
    }
    while js.arrivals + js.queued > 0
        || !js.held.is_empty()
        || engine.decide(|core, _| !core.jobs.is_empty())
    {
        js.fetch();
        js.release();
        engine.job_ends();
    }
    engine.decide(|core, truth| {
        assert!(core.slots.iter().all(|slot| slot.state == State::Idle), "{:?}", core.slots);
        assert_eq!(truth.holders, [None; 2]);
        assert!(core.line.is_empty() && core.owed.is_empty());
        assert_eq!(core.lost.len(), js.unsure as usize, "holds were lost in another way");
    });
    let counts = engine.shelf.counts();
    assert_eq!(counts.taken, js.taken);
    assert_eq!((counts.passed, counts.returned), (js.passed, js.returned + js.passed));
    assert_eq!(engine.shelf.waiting(), 0);
}

/// What the engine keeps of a rate under its lock: of so many starts in all, those that have begun and those
/// that JavaScript may begin.
#[derive(Default)]
struct Rate {
    begun: u32,
    ahead: u32,
    /// Of those that JavaScript has told of.
    heard: u32,
}

/// A limiter's engine, as far as its rate goes.
struct Pace {
    shelf: Shelf,
    rate: Mutex<Rate>,
    /// Starts that JavaScript has told of: its notes.
    told: loom::sync::atomic::AtomicU32,
    /// What really started, on either side.
    started: Unseen<u32>,
}

impl Pace {
    const LIMIT: u32 = 2;

    fn decide<T>(&self, decision: impl FnOnce(&mut Rate) -> T) -> T {
        let mut rate = self.rate.lock().unwrap();
        rate.ahead -= self.shelf.disallow();
        let told = self.told.load(loom::sync::atomic::Ordering::Acquire);
        let more = told - rate.heard;
        (rate.heard, rate.ahead, rate.begun) = (told, rate.ahead - more, rate.begun + more);
        let result = decision(&mut rate);
        let room = Self::LIMIT - rate.begun - rate.ahead;
        rate.ahead += room;
        self.shelf.allow(room);
        result
    }

    fn start(&self) {
        let mut started = self.started.lock().unwrap();
        *started += 1;
        assert!(*started <= Self::LIMIT, "more has started than the rate allows");
    }

    /// A start that the engine itself lets go ahead, if there is room.
    fn permit(&self) {
        self.decide(|rate| {
            if rate.begun + rate.ahead < Self::LIMIT {
                rate.begun += 1;
                self.start();
            }
        });
    }

    /// JavaScript begins one by itself, if it may.
    fn begin(&self) {
        if self.shelf.begin() {
            self.start();
            self.told.fetch_add(1, loom::sync::atomic::Ordering::AcqRel);
        }
    }
}

/// Every order, with at most `bound` switches from a thread that could have gone on.
fn in_every_order(bound: usize, test: impl Fn() + Sync + Send + 'static) {
    let mut checker = loom::model::Builder::new();
    checker.preemption_bound = Some(bound);
    checker.max_branches = 20_000;
    checker.check(test);
}

#[test]
fn a_slot_that_a_job_wants_too_has_one_holder_at_a_time() {
    in_every_order(3, || {
        let engine = Engine::new(1, 0);
        let other = engine.clone();
        let jobs = thread::spawn(move || {
            other.submit(Caller::Job);
            other.job_ends();
        });
        let mut js = JavaScript::new(&engine);
        for _ in 0..2 {
            js.acquire();
            js.fetch();
            js.release();
        }
        jobs.join().unwrap();
        settle(js);
    });
}

#[test]
fn a_slot_that_dies_and_is_opened_again_is_nobody_elses() {
    in_every_order(3, || {
        let engine = Engine::new(1, 0);
        let other = engine.clone();
        let opening = thread::spawn(move || {
            other.die(0);
            other.opened(0);
        });
        let mut js = JavaScript::new(&engine);
        for _ in 0..2 {
            js.acquire();
            js.release();
        }
        opening.join().unwrap();
        settle(js);
    });
}

#[test]
fn whoever_waits_in_javascript_hears_of_a_slot_that_is_opened() {
    in_every_order(3, || {
        let engine = Engine::new(1, 1);
        let mut js = JavaScript::new(&engine);
        js.acquire();
        let other = engine.clone();
        let opening = thread::spawn(move || other.opened(1));
        js.acquire();
        opening.join().unwrap();
        settle(js);
    });
}

#[test]
fn whoever_waits_in_javascript_is_passed_what_is_given_back_there() {
    in_every_order(3, || {
        let engine = Engine::new(1, 1);
        let mut js = JavaScript::new(&engine);
        js.acquire();
        let other = engine.clone();
        let opening = thread::spawn(move || {
            other.die(0);
            other.opened(1);
        });
        js.acquire();
        js.release();
        js.acquire();
        opening.join().unwrap();
        settle(js);
    });
}

#[test]
fn a_job_that_waits_gets_what_javascript_puts_back() {
    in_every_order(3, || {
        let engine = Engine::new(1, 0);
        let mut js = JavaScript::new(&engine);
        js.acquire();
        let other = engine.clone();
        let jobs = thread::spawn(move || other.submit(Caller::Job));
        js.release();
        js.acquire();
        jobs.join().unwrap();
        settle(js);
    });
}

#[test]
fn those_who_come_from_the_engine_to_wait_in_javascript_are_not_forgotten_on_the_way() {
    in_every_order(3, || {
        let engine = Engine::new(1, 1);
        let mut js = JavaScript::new(&engine);
        js.acquire();
        js.ask();
        js.ask();
        let other = engine.clone();
        let opening = thread::spawn(move || other.opened(1));
        js.release();
        opening.join().unwrap();
        settle(js);
    });
}

#[test]
fn a_slot_that_another_thread_gives_to_javascript_is_in_its_hand_when_it_knows() {
    in_every_order(3, || {
        let engine = Engine::new(1, 0);
        let mut js = JavaScript::new(&engine);
        js.acquire();
        js.queued = 1;
        // Laid out as it will be with the next holder.
        engine.decide(|_, _| ());
        let other = engine.clone();
        let opening = thread::spawn(move || {
            other.submit(Caller::JavaScript);
            other.die(0);
            other.opened(0);
        });
        js.release();
        js.fetch();
        opening.join().unwrap();
        settle(js);
    });
}

#[test]
fn deaths_openings_and_jobs_meet() {
    in_every_order(2, || {
        let engine = Engine::new(1, 1);
        let (one, two) = (engine.clone(), engine.clone());
        let deaths = thread::spawn(move || {
            one.die(0);
            one.opened(0);
        });
        let jobs = thread::spawn(move || {
            two.submit(Caller::Job);
            two.opened(1);
        });
        let mut js = JavaScript::new(&engine);
        js.acquire();
        js.acquire();
        js.release();
        deaths.join().unwrap();
        jobs.join().unwrap();
        settle(js);
    });
}

#[test]
fn a_rate_lets_go_ahead_what_it_allows_and_no_more() {
    in_every_order(3, || {
        let pace = Arc::new(Pace {
            shelf: Shelf::default(),
            rate: Mutex::default(),
            told: loom::sync::atomic::AtomicU32::new(0),
            started: Unseen::new(0),
        });
        pace.decide(|_| ());
        let other = pace.clone();
        let engine = thread::spawn(move || {
            other.permit();
            other.decide(|_| ());
        });
        for _ in 0..3 {
            pace.begin();
        }
        engine.join().unwrap();
        // What was not begun before is there to begin.
        for _ in 0..Pace::LIMIT {
            pace.begin();
        }
        assert_eq!(*pace.started.lock().unwrap(), Pace::LIMIT, "a start was lost");
    });
}
