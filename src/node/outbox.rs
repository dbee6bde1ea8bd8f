//! Results on their way to JavaScript.
//!
//! Any thread posts; the first entry after the queue was empty wakes JavaScript, once, through one
//! weak threadsafe function. What JavaScript's own thread posts needs no wake-up: whoever called tells
//! it. The facade then drains in slices and settles its own promises. (The
//! same arrangement as in valkey-glide's Node client: one threadsafe function a promise costs an
//! async handle each, all of which libuv scans on every wake-up.)

use std::cell::{Cell, OnceCell};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use napi::bindgen_prelude::*;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use serde_json::{Value, json};
use tokio::runtime::Handle;

#[cfg(unix)]
use super::event_loop;
use crate::conn::{Body, Poller, Reply};
use crate::fault::Fault;
use crate::pool::event::{Errand, Hook};
use crate::pool::{AnyPool, CloseReport, Lease, LeaseInfo, Sink};
use crate::wire::Dialect;

/// Never holds the process by itself (weak), and reports no errors to JavaScript: the facade's
/// drain does not throw.
type Wake = ThreadsafeFunction<(), Unknown<'static>, (), Status, false, true>;

/// Room for so many entries is kept.
const ROOM: usize = 1024;

/// One entry; the numbers are those the facade switches on.
pub(super) enum Entry {
    /// 0
    Reply { ticket: u64, body: Body, dialect: usize },
    /// 1
    Lease { ticket: u64, lease: LeaseInfo, owed: Arc<Owed> },
    /// 2
    Fault { ticket: u64, fault: String },
    /// 3
    Event { pool: u32, event: String },
    /// 4
    Done { ticket: u64, report: String },
    /// 5
    Hook { pool: u32, number: u64, hook: u32, ticket: u64, lease: LeaseInfo },
    /// 6
    Errand { pool: u32, errand: u32, id: u64, exchange: u64 },
    /// 7
    Come { pool: u32 },
}

/// The queue, shared with the pools that post to it.
pub(super) struct Queue {
    entries: Mutex<VecDeque<Entry>>,
    /// What JavaScript has begun to take.
    ready: Mutex<VecDeque<Entry>>,
    /// Entries came to an empty queue, and JavaScript has not been told.
    unannounced: AtomicBool,
    wake: Mutex<Wake>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Queue {
    fn post(&self, entry: Entry) {
        let mut entries = lock(&self.entries);
        entries.push_back(entry);
        if entries.len() == 1 {
            self.unannounced.store(true, SeqCst);
        }
    }

    /// Wakes JavaScript, if entries came that it has not been woken for.
    fn flush(&self) {
        if !IS_AWAKE.get() && self.unannounced.swap(false, SeqCst) {
            // Once the environment is going away this does nothing, and nobody is left to care.
            lock(&self.wake).call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }
}

thread_local! {
    /// This thread is JavaScript's, and will tell it by itself.
    static IS_AWAKE: Cell<bool> = const { Cell::new(false) };
}

fn close_report(report: &CloseReport) -> String {
    json!({
        "failedWaiters": report.refused,
        "cut": report.cut,
        "durationMs": report.duration.as_secs_f64() * 1e3,
    })
    .to_string()
}

impl Queue {
    /// Does `work` on JavaScript's thread; says whether there is something to tell JavaScript then, for which
    /// it will not be woken.
    pub(super) fn quietly(&self, work: impl FnOnce()) -> bool {
        struct Awake;
        impl Drop for Awake {
            fn drop(&mut self) {
                IS_AWAKE.set(false);
            }
        }
        let awake = Awake;
        IS_AWAKE.set(true);
        work();
        drop(awake);
        self.unannounced.swap(false, SeqCst)
    }

    /// The one entry there is; `None`: there is none, or there are more.
    #[cfg(unix)]
    pub(super) fn only(&self) -> Option<Entry> {
        if !lock(&self.ready).is_empty() {
            return None;
        }
        let mut entries = lock(&self.entries);
        if entries.len() == 1 { entries.pop_front() } else { None }
    }
}

/// What one pool owes JavaScript.
#[derive(Default)]
pub(super) struct Owed {
    /// Leases that have not been fetched yet.
    leases: AtomicUsize,
    /// The pool, once it is made.
    pub pool: OnceLock<Weak<dyn AnyPool>>,
}

impl Owed {
    /// JavaScript fetches a lease.
    fn deliver(&self, lease: Lease) {
        self.leases.fetch_sub(1, SeqCst);
        if let Some(pool) = self.pool.get().and_then(Weak::upgrade) {
            pool.delivered(lease);
        }
    }
}

/// Where one pool posts to.
pub(super) struct PoolSink {
    pub queue: Arc<Queue>,
    pub poller: Option<Arc<Poller>>,
    pub pool: u32,
    pub owed: Arc<Owed>,
    /// Who waits for the pool to be closed, and the report once it is.
    pub closers: Mutex<Closers>,
}

#[derive(Default)]
pub(super) struct Closers {
    tickets: Vec<u64>,
    report: Option<CloseReport>,
}

impl PoolSink {
    /// Settles `ticket` when the pool is closed.
    pub(super) fn when_closed(&self, ticket: u64) {
        let mut closers = lock(&self.closers);
        match closers.report.as_ref().map(close_report) {
            Some(report) => {
                self.queue.post(Entry::Done { ticket, report });
                self.queue.flush();
            }
            None if closers.tickets.contains(&ticket) => {}
            None => closers.tickets.push(ticket),
        }
    }
}

impl Sink for PoolSink {
    fn reply(&self, ticket: u64, reply: Reply, dialect: &'static Dialect) {
        self.queue.post(Entry::Reply { ticket, body: reply.body, dialect: dialect.index() });
    }

    fn lease(&self, ticket: u64, lease: LeaseInfo) {
        self.owed.leases.fetch_add(1, SeqCst);
        self.queue.post(Entry::Lease { ticket, lease, owed: self.owed.clone() });
    }

    fn owes_a_lease(&self) -> bool {
        self.owed.leases.load(SeqCst) > 0
    }

    fn fault(&self, ticket: u64, fault: Fault) {
        // Here, and not on the thread that reads it: that is the event loop's.
        self.queue.post(Entry::Fault { ticket, fault: fault.to_json().to_string() });
    }

    fn event(&self, event: Value) {
        self.queue.post(Entry::Event { pool: self.pool, event: event.to_string() });
    }

    fn done(&self, ticket: u64, report: Value) {
        self.queue.post(Entry::Done { ticket, report: report.to_string() });
    }

    fn hook(&self, number: u64, hook: Hook, ticket: u64, lease: LeaseInfo) {
        let pool = self.pool;
        self.queue.post(Entry::Hook { pool, number, hook: hook as u32, ticket, lease });
    }

    fn errand(&self, errand: Errand, id: u64, exchange: u64) {
        self.queue.post(Entry::Errand { pool: self.pool, errand: errand as u32, id, exchange });
    }

    fn call_for_waiting(&self) {
        self.queue.post(Entry::Come { pool: self.pool });
    }

    fn flush(&self) {
        self.queue.flush();
    }

    fn poller(&self) -> Option<Arc<Poller>> {
        self.poller.clone()
    }

    fn closed(&self, report: CloseReport) {
        let mut closers = lock(&self.closers);
        for ticket in closers.tickets.drain(..) {
            self.queue.post(Entry::Done { ticket, report: close_report(&report) });
        }
        closers.report = Some(report);
    }
}

/// The receiving end, for one facade.
#[napi]
pub struct Outbox {
    pub(super) queue: Arc<Queue>,
    on_ready: FunctionRef<(), Unknown<'static>>,
    has_event_loop: bool,
    poller: OnceCell<Option<Arc<Poller>>>,
}

#[napi]
impl Outbox {
    /// `onReady` is called on the JavaScript thread when entries wait, once until they were
    /// drained; or with the only one there is: its three numbers and its payload. It must not throw. `hasEventLoop`: libuv's functions may be called.
    #[napi(constructor)]
    pub fn new(on_ready: Function<'_, (), Unknown<'static>>, has_event_loop: bool) -> Result<Self> {
        let wake = on_ready.build_threadsafe_function::<()>().weak::<true>().build()?;
        let queue = Queue {
            entries: Mutex::default(),
            ready: Mutex::default(),
            unannounced: AtomicBool::new(false),
            wake: Mutex::new(wake),
        };
        Ok(Outbox {
            queue: Arc::new(queue),
            on_ready: on_ready.create_ref()?,
            has_event_loop,
            poller: OnceCell::new(),
        })
    }

    /// Through which the event loop reads what comes for this environment's pools; `None`: it does not.
    pub(super) fn poller(&self, env: &Env, runtime: &Handle) -> Option<Arc<Poller>> {
        self.poller.get_or_init(|| self.watch(env, runtime)).clone()
    }

    #[cfg(unix)]
    fn watch(&self, env: &Env, runtime: &Handle) -> Option<Arc<Poller>> {
        if !self.has_event_loop {
            return None;
        }
        let poller = Poller::new(runtime).ok()?;
        let on_ready = self.on_ready.borrow_back(env).ok()?;
        event_loop::watch(env, &poller, &self.queue, &on_ready).then_some(poller)
    }

    #[cfg(not(unix))]
    fn watch(&self, _env: &Env, _runtime: &Handle) -> Option<Arc<Poller>> {
        None
    }

    /// Writes entries into `numbers`, three each (kind, ticket or pool number, aux), and their payloads
    /// into `payloads`, as many as `numbers` has room for; returns how many. When there was no room left,
    /// more may wait, and `onReady` will not be called for them.
    #[napi]
    pub fn drain(
        &self,
        env: &Env,
        mut numbers: Float64ArraySlice<'_>,
        mut payloads: Array<'_>,
    ) -> Result<u32> {
        // SAFETY: only this thread knows the array, which lies in memory that is not shared, and no
        // JavaScript runs before this returns.
        let (numbers, _) = unsafe { numbers.as_mut() }.as_chunks_mut::<3>();
        if let Some(Some(poller)) = self.poller.get() {
            poller.loop_polls();
        }
        let mut ready = lock(&self.queue.ready);
        for (at, place) in numbers.iter_mut().enumerate() {
            if ready.is_empty() {
                // The emptied queue goes back with the room it has: nothing is moved, nothing made anew.
                std::mem::swap(&mut *lock(&self.queue.entries), &mut *ready);
            }
            let Some(entry) = ready.pop_front() else {
                // What one flood of entries took is not kept for ever.
                ready.shrink_to(ROOM);
                return Ok(at as u32);
            };
            let (what, payload) = entry.cross(env)?;
            *place = what;
            payloads.set(at as u32, payload)?;
        }
        Ok(numbers.len() as u32)
    }

    /// Whether this outbox holds the process.
    #[napi]
    pub fn hold(&self, env: &Env, on: bool) -> Result<()> {
        let mut wake = lock(&self.queue.wake);
        // Deprecated in favour of counting clones, which is another thing: clones say who may
        // call, this says whether the event loop waits.
        #[allow(deprecated)]
        if on { wake.refer(env) } else { wake.unref(env) }
    }
}

impl Entry {
    /// Its three numbers (kind, ticket or pool number, aux) and its payload.
    pub(super) fn cross<'env>(self, env: &'env Env) -> Result<([f64; 3], Unknown<'env>)> {
        Ok(match self {
            Entry::Reply { ticket, body, dialect } => {
                let payload = match body {
                    Body::Bytes(bytes) => Buffer::from(bytes).into_unknown(env)?,
                    Body::Latin1(bytes) => env.create_string_latin1(bytes)?.to_unknown(),
                    Body::Utf16(units) => env.create_string_utf16(units)?.to_unknown(),
                };
                ([0.0, ticket as f64, dialect as f64], payload)
            }
            Entry::Lease { ticket, lease, owed } => {
                owed.deliver(lease.lease);
                ([1.0, ticket as f64, 0.0], lease_array(env, &lease)?.to_unknown())
            }
            Entry::Fault { ticket, fault } => ([2.0, ticket as f64, 0.0], fault.into_unknown(env)?),
            Entry::Event { pool, event } => ([3.0, f64::from(pool), 0.0], event.into_unknown(env)?),
            Entry::Done { ticket, report } => {
                ([4.0, ticket as f64, 0.0], report.into_unknown(env)?)
            }
            Entry::Hook { pool, number, hook, ticket, lease } => {
                let mut call = env.create_array(3)?;
                call.set(0, number as f64)?;
                call.set(1, hook)?;
                call.set(2, ticket as f64)?;
                let mut both = env.create_array(2)?;
                both.set(0, lease_array(env, &lease)?)?;
                both.set(1, call)?;
                ([5.0, f64::from(pool), 0.0], both.to_unknown())
            }
            Entry::Errand { pool, errand, id, exchange } => {
                let mut about = env.create_array(2)?;
                about.set(0, id as f64)?;
                about.set(1, exchange as f64)?;
                ([6.0, f64::from(pool), f64::from(errand)], about.to_unknown())
            }
            Entry::Come { pool } => ([7.0, f64::from(pool), 0.0], 0.into_unknown(env)?),
        })
    }
}

/// `[slot, generation, connectionId, endpointIndex, createdAtMs, useCount, dialectIndex]`; -1: none
pub(super) fn lease_array<'env>(env: &'env Env, lease: &LeaseInfo) -> Result<Array<'env>> {
    let mut values = env.create_array(7)?;
    values.set(0, lease.lease.slot)?;
    values.set(1, lease.lease.generation)?;
    values.set(2, lease.id as f64)?;
    values.set(3, lease.endpoint as u32)?;
    values.set(4, lease.created_at_ms)?;
    values.set(5, lease.uses as f64)?;
    values.set(6, lease.dialect.map_or(-1, |dialect| dialect.index() as i32))?;
    Ok(values)
}
