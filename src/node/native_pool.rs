//! Tickets in.
//!
//! Where a call may be refused at once it returns the fault as JSON text; a number is the request,
//! to cancel it by; the rest is settled through the outbox. Nothing here waits.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use napi::bindgen_prelude::{Array, ArrayBuffer, Either, Either3, Env, Error, Status};
use napi_derive::napi;
use tokio::runtime::Handle;

use super::outbox::{Outbox, PoolSink, lease_array};
use super::{log, runtime};
use crate::fault::{Code, Fault};
use crate::pool::event::Observed;
use crate::pool::options::table::Owner;
use crate::pool::shelf::Shelf;
use crate::pool::{
    AnyPool, CallOptions, Cancelled, Command, ConnectionPool, Held, Lease, LeaseInfo, Limiter,
    Options, ResourcePool, Sink,
};

/// A pool, as the facade sees it.
#[napi]
pub struct NativePool {
    any: Arc<dyn AnyPool>,
    kind: Kind,
    sink: Arc<PoolSink>,
}

/// What only pools of one kind can be asked.
enum Kind {
    Connections(Arc<ConnectionPool>),
    Resources(Arc<ResourcePool>),
    Permits(Arc<Limiter>),
}

impl Kind {
    fn new(owner: &str, text: &str, runtime: Handle, sink: Arc<dyn Sink>) -> Result<Self, Fault> {
        Ok(if owner == Owner::ResourcePool.text() {
            Kind::Resources(Arc::new(ResourcePool::from_json(text, runtime, sink)?))
        } else if owner == Owner::Limiter.text() {
            Kind::Permits(Arc::new(Limiter::from_json(text, runtime, sink)?))
        } else {
            Kind::Connections(Arc::new(ConnectionPool::new(
                Options::from_json(text)?,
                runtime,
                sink,
            )))
        })
    }

    fn any(&self) -> Arc<dyn AnyPool> {
        match self {
            Kind::Connections(pool) => pool.clone(),
            Kind::Resources(pool) => pool.clone(),
            Kind::Permits(pool) => pool.clone(),
        }
    }
}

/// Negative: none.
fn timeout(ms: f64) -> Option<Duration> {
    (ms >= 0.0).then(|| Duration::from_secs_f64((ms / 1e3).min(1e9)))
}

/// Negative: any.
fn endpoint(index: i32) -> Option<usize> {
    usize::try_from(index).ok()
}

fn call_options(
    endpoint_index: i32,
    timeout_ms: f64,
    priority: i32,
    affinity: Option<String>,
) -> CallOptions {
    CallOptions {
        endpoint: endpoint(endpoint_index),
        timeout: timeout(timeout_ms),
        priority,
        affinity,
        ..CallOptions::default()
    }
}

fn text(fault: &Fault) -> String {
    fault.to_json().to_string()
}

#[napi]
impl NativePool {
    /// A pool of the class `owner`. Throws an error whose message is a fault's JSON. Opens nothing.
    #[napi(constructor)]
    pub fn new(
        env: &Env,
        outbox: &Outbox,
        pool_number: u32,
        owner: String,
        options: String,
    ) -> napi::Result<Self> {
        log::start();
        let thrown = |fault: &Fault| Error::new(Status::InvalidArg, text(fault));
        let runtime = runtime::handle().map_err(|error| {
            thrown(&Fault::new(
                Code::Connect,
                format!("the threads for the pool could not be started: {error}"),
            ))
        })?;
        let dials = owner == Owner::ConnectionPool.text();
        let poller = if dials { outbox.poller(env, &runtime) } else { None };
        let sink = Arc::new(PoolSink {
            queue: outbox.queue.clone(),
            poller,
            pool: pool_number,
            owed: Arc::default(),
            closers: Mutex::default(),
        });
        let kind =
            Kind::new(&owner, &options, runtime, sink.clone()).map_err(|fault| thrown(&fault))?;
        let any = kind.any();
        let _ = sink.owed.pool.set(Arc::downgrade(&any));
        if let Kind::Permits(_) = kind {
            // It has nothing open, and there may be many of them.
            return Ok(NativePool { any, kind, sink });
        }
        let forgotten = Arc::downgrade(&any);
        // A worker that ends, or the process: nobody is left to use the connections.
        env.add_env_cleanup_hook(forgotten, |pool| {
            if let Some(pool) = pool.upgrade() {
                pool.close(Some(Duration::ZERO));
            }
        })?;
        Ok(NativePool { any, kind, sink })
    }

    /// Sends a command over any connection.
    #[napi(ts_return_type = "number | string")]
    #[allow(clippy::too_many_arguments)]
    pub fn execute(
        &self,
        ticket: f64,
        kind: String,
        params: String,
        timeout_ms: f64,
        endpoint_index: i32,
        raw: bool,
        priority: i32,
        affinity: Option<String>,
    ) -> Either<f64, String> {
        let command = Command { kind, params, raw };
        let options = call_options(endpoint_index, timeout_ms, priority, affinity);
        match self.blenders().execute(ticket as u64, command, &options) {
            Ok(request) => Either::A(request),
            Err(fault) => Either::B(text(&fault)),
        }
    }

    /// Sends a command over a held connection.
    #[napi(ts_return_type = "number | string")]
    #[allow(clippy::too_many_arguments)]
    pub fn execute_held(
        &self,
        slot: u32,
        generation: u32,
        ticket: f64,
        kind: String,
        params: String,
        timeout_ms: f64,
        raw: bool,
    ) -> Either<f64, String> {
        let (lease, command) = (Lease { slot, generation }, Command { kind, params, raw });
        match self.blenders().execute_held(ticket as u64, lease, command, timeout(timeout_ms)) {
            Ok(request) => Either::A(request),
            Err(fault) => Either::B(text(&fault)),
        }
    }

    /// Asks to hold a connection, for one who has waited for `waited_ms` already: a lease at once, a request that
    /// waits (one that `stays` is never sent outside), or a fault.
    #[napi(ts_return_type = "number | unknown[] | string")]
    #[allow(clippy::too_many_arguments)]
    pub fn acquire<'env>(
        &self,
        env: &'env Env,
        ticket: f64,
        timeout_ms: f64,
        endpoint_index: i32,
        priority: i32,
        affinity: Option<String>,
        waited_ms: f64,
        stays: bool,
    ) -> napi::Result<Either3<f64, Array<'env>, String>> {
        let waited = timeout(waited_ms).unwrap_or_default();
        let options = CallOptions {
            waited,
            stays,
            ..call_options(endpoint_index, timeout_ms, priority, affinity)
        };
        Ok(match self.any.acquire(ticket as u64, &options) {
            Ok(Held::Later(request)) => Either3::A(request),
            Ok(Held::Now(lease)) => Either3::B(lease_array(env, &lease)?),
            Err(fault) => Either3::C(text(&fault)),
        })
    }

    /// A lease at once, or null.
    #[napi(ts_return_type = "unknown[] | string | null")]
    pub fn try_acquire<'env>(
        &self,
        env: &'env Env,
        endpoint_index: i32,
        affinity: Option<String>,
    ) -> napi::Result<Option<Either<Array<'env>, String>>> {
        let options = call_options(endpoint_index, -1.0, 0, affinity);
        Ok(match self.any.try_acquire(&options) {
            Ok(None) => None,
            Ok(Some(lease)) => Some(Either::A(lease_array(env, &lease)?)),
            Err(fault) => Some(Either::B(text(&fault))),
        })
    }

    /// Gives a held connection back. A fault, or whether the outbox has something for which `onReady` will
    /// not be called: whoever waited for this very connection is told in the same turn of the event loop.
    #[napi]
    pub fn release(&self, slot: u32, generation: u32) -> Either<String, bool> {
        let mut released = Ok(());
        let has_news =
            self.sink.queue.quietly(|| released = self.any.release(Lease { slot, generation }));
        match released {
            Ok(()) => Either::B(has_news),
            Err(fault) => Either::A(text(&fault)),
        }
    }

    /// Sends those who wait for a connection back to wait in JavaScript, if that has all there is to give:
    /// the ticket of each and for how many milliseconds it has been waiting, oldest first. Nothing more comes
    /// for them.
    #[napi(ts_return_type = "number[]")]
    pub fn send_outside(&self) -> Vec<f64> {
        let sent = self.any.send_outside().into_iter();
        sent.flat_map(|(ticket, waited)| [ticket as f64, waited.as_secs_f64() * 1e3]).collect()
    }

    /// Gives a held connection back and closes it; null, or a fault.
    #[napi]
    pub fn discard(&self, slot: u32, generation: u32, reason: String) -> Option<String> {
        self.any.discard(Lease { slot, generation }, &reason).err().map(|fault| text(&fault))
    }

    /// Turns away from a request: `waiting` when it had nothing yet, else whether it may have run
    /// (`no`, `maybe`, `yes`), or null when it had its outcome already.
    #[napi]
    pub fn cancel(&self, request: f64) -> Option<&'static str> {
        match self.any.cancel(request) {
            Cancelled::TooLate => None,
            Cancelled::Waiting => Some("waiting"),
            Cancelled::Now(delivered) => Some(delivered.text()),
        }
    }

    /// Whether a holder that was garbage collected still held its connection; then it is given
    /// back.
    #[napi]
    pub fn reclaim(&self, slot: u32, generation: u32) -> bool {
        self.any.reclaim(Lease { slot, generation })
    }

    /// The memory in which JavaScript, whose clock says `clock_ms`, takes idle slots and puts them back by
    /// itself (see `pool::shelf`); null for a pool that must be called each time. At most once.
    #[napi(ts_return_type = "ArrayBuffer | null")]
    #[allow(unsafe_code)]
    pub fn make_shelf<'env>(
        &self,
        env: &'env Env,
        clock_ms: f64,
    ) -> napi::Result<Option<ArrayBuffer<'env>>> {
        let Some(shelf) = self.any.make_shelf(clock_ms) else { return Ok(None) };
        let memory = Arc::as_ptr(&shelf).cast::<u8>().cast_mut();
        // SAFETY: the memory is that of `shelf`, which the finalizer lets go of, so it lives for as long as
        // the ArrayBuffer does. It holds nothing but atomics, which may be written through a shared
        // reference, and any bits are a valid value of each.
        let buffer = unsafe {
            ArrayBuffer::from_external(env, memory, size_of::<Shelf>(), shelf, |_, shelf| {
                drop(shelf)
            })
        }?;
        Ok(Some(buffer))
    }

    /// What was taken from slot `slot` of the shelf, as a lease; null when it has been lost already.
    #[napi(ts_return_type = "unknown[] | null")]
    pub fn hold_in_hand<'env>(
        &self,
        env: &'env Env,
        slot: u32,
    ) -> napi::Result<Option<Array<'env>>> {
        self.any.hold_in_hand(slot).map(|lease| lease_array(env, &lease)).transpose()
    }

    /// The pool opens from now on what it should keep open.
    #[napi]
    pub fn begin(&self) {
        self.any.begin();
    }

    /// Gives out connections, after a pause; null, or a fault.
    #[napi]
    pub fn ready(&self) -> Option<String> {
        self.any.ready().err().map(|fault| text(&fault))
    }

    /// Gives out none until `ready`; null, or a fault.
    #[napi]
    pub fn pause(&self) -> Option<String> {
        self.any.pause().err().map(|fault| text(&fault))
    }

    /// Makes what is open stale; null, or a fault.
    #[napi]
    pub fn clear(&self, endpoint_index: i32, interrupt_in_use: bool) -> Option<String> {
        let cleared = self.any.clear(endpoint(endpoint_index), interrupt_in_use);
        cleared.err().map(|fault| text(&fault))
    }

    /// Settles `ticket` when `minConnections` are open: a request, or a fault.
    #[napi(ts_return_type = "number | string")]
    pub fn warm(&self, ticket: f64) -> Either<f64, String> {
        match self.any.warm(ticket as u64) {
            Ok(request) => Either::A(request),
            Err(fault) => Either::B(text(&fault)),
        }
    }

    /// Settles `ticket` with a report on how everything does, as JSON.
    #[napi]
    pub fn check_health(&self, ticket: f64) {
        self.any.check_health(ticket as u64);
    }

    /// Sets how many connections are kept open and how many there may be, each as it is when
    /// negative; null, or a fault.
    #[napi]
    pub fn resize(&self, min: i32, max: i32) -> Option<String> {
        let resized = self.any.resize(u32::try_from(min).ok(), u32::try_from(max).ok());
        resized.err().map(|fault| text(&fault))
    }

    /// Takes a held connection out of the pool for user code, which is called for `ticket` by way
    /// of the outbox; null, or a fault.
    #[napi]
    pub fn recycle(&self, slot: u32, generation: u32, ticket: f64) -> Option<String> {
        let recycled = self.any.recycle(Lease { slot, generation }, ticket as u64);
        recycled.err().map(|fault| text(&fault))
    }

    /// User code is done with a connection, or has failed with `error`.
    #[napi]
    pub fn hook_done(&self, slot: u32, generation: u32, number: f64, error: Option<String>) {
        self.any.hook_done(Lease { slot, generation }, number as u64, error);
    }

    /// Which events are posted, one bit each (see `tables`).
    #[napi]
    pub fn observe(&self, mask: u32) {
        self.any.observe(Observed(mask));
    }

    /// `paused`, `ready`, `closing` or `closed`.
    #[napi]
    pub fn state(&self) -> &'static str {
        self.any.state()
    }

    /// Gauges and totals, as JSON.
    #[napi]
    pub fn stats(&self) -> String {
        self.any.stats().to_string()
    }

    /// Every connection, as JSON.
    #[napi]
    pub fn connections(&self) -> String {
        self.any.connections().to_string()
    }

    /// Every endpoint, as JSON.
    #[napi]
    pub fn endpoints(&self) -> String {
        self.any.endpoints().to_string()
    }

    /// Begins to close; `ticket` is settled when it is done. Negative: within `drainTimeoutMs`;
    /// `force`: now. May be called again, to be told as well or to hurry.
    #[napi]
    pub fn close(&self, ticket: f64, timeout_ms: f64, force: bool) {
        self.sink.when_closed(ticket as u64);
        self.any.close(if force { Some(Duration::ZERO) } else { timeout(timeout_ms) });
    }

    // ---- a pool of what JavaScript makes ---------------------------------------------------

    /// The answer to a create errand. False: nobody wants it any more; it must be destroyed.
    #[napi]
    pub fn made(&self, id: f64, error: Option<String>) -> bool {
        self.resources().made(id as u64, error)
    }

    /// The answer to a validate errand.
    #[napi]
    pub fn validated(&self, id: f64, exchange: f64, error: Option<String>) {
        self.resources().validated(id as u64, exchange as u64, error);
    }

    /// Something was destroyed, asked for or not. False: the pool is closed, and did not tell of the
    /// error.
    #[napi]
    pub fn destroyed(&self, id: f64, error: Option<String>) -> bool {
        self.resources().destroyed(id as u64, error)
    }

    /// The holder has met trouble with its resource: it is validated before the next one gets it.
    #[napi]
    pub fn doubt(&self, slot: u32, generation: u32) {
        self.resources().doubt(Lease { slot, generation });
    }

    // ---- permits ---------------------------------------------------------------------------

    /// Asks for a permit: a request that waits, or a fault; a permit that is there at once is
    /// `-1 - (slot * 2^32 + generation)`, for an array would take longer than all the rest.
    #[napi]
    pub fn permit(
        &self,
        ticket: f64,
        priority: i32,
        waited_ms: f64,
        stays: bool,
    ) -> Either<f64, String> {
        let waited = timeout(waited_ms).unwrap_or_default();
        let options = CallOptions { priority, waited, stays, ..CallOptions::default() };
        match self.any.acquire(ticket as u64, &options) {
            Ok(Held::Later(request)) => Either::A(request),
            Ok(Held::Now(LeaseInfo { lease, .. })) => {
                let number = (u64::from(lease.slot) << 32) + u64::from(lease.generation);
                Either::A(-1.0 - number as f64)
            }
            Err(fault) => Either::B(text(&fault)),
        }
    }

    /// What a permit was for will never start; only where there is a rate.
    #[napi]
    pub fn turn_back(&self) {
        self.permits().turn_back();
    }

    /// Refuses all who wait.
    #[napi]
    pub fn turn_away(&self, reason: String) {
        self.permits().turn_away(&reason);
    }

    /// How many started lately, as JSON.
    #[napi]
    pub fn starts(&self) -> String {
        self.permits().starts().to_string()
    }
}

/// The facade asks a pool only what its kind can do.
impl NativePool {
    fn blenders(&self) -> &ConnectionPool {
        let Kind::Connections(pool) = &self.kind else { unreachable!("not a connection pool") };
        pool
    }

    fn resources(&self) -> &ResourcePool {
        let Kind::Resources(pool) = &self.kind else { unreachable!("not a resource pool") };
        pool
    }

    fn permits(&self) -> &Limiter {
        let Kind::Permits(pool) = &self.kind else { unreachable!("not a limiter") };
        pool
    }
}
