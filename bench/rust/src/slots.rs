//! The engine as a Rust program would use it: a future for a slot, and a guard that lets go of it.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use blender_pool::fault::{Code, Delivered, Fault};
use blender_pool::pool::event::Event;
use blender_pool::pool::settings::Settings;
use blender_pool::pool::{
    Ask, CloseReport, Engine, Face, Grant, Habits, Kind, Lease, Opened, RequestKey, Start,
};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::runtime::Handle;

use crate::Thing;

const HABITS: Habits = Habits {
    max_connecting: usize::MAX,
    max_in_flight: usize::MAX,
    min_slots: 0,
    max_slots: usize::MAX,
    quiet: false,
    per_job: false,
};

/// A pool of [`Thing`]s.
pub struct Slots {
    engine: Arc<Engine<Things>>,
}

impl Slots {
    /// So many, with the limits on waiting and on age that a pool has unless it is told otherwise.
    pub fn new(slots: u32) -> Self {
        let settings = Settings {
            max_slots: slots,
            idle_timeout: Some(Duration::from_secs(60)),
            max_lifetime: Some(Duration::from_secs(1_800)),
            upkeep_interval: Some(Duration::from_secs(1)),
            ..Settings::default()
        };
        let endpoints = vec![(Arc::from("things"), HABITS)];
        let span = tracing::Span::none();
        Slots { engine: Engine::new(settings, endpoints, Handle::current(), span, |_| Things) }
    }

    /// Waits for one.
    pub fn acquire(&self) -> Acquire<'_> {
        Acquire { slots: self, asked: None }
    }
}

/// A slot, until it is dropped.
pub struct Held<'a> {
    slots: &'a Slots,
    lease: Lease,
    pub thing: Arc<Thing>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let _ = self.slots.engine.release(self.lease);
    }
}

/// What [`Slots::acquire`] gives.
pub struct Acquire<'a> {
    slots: &'a Slots,
    asked: Option<(RequestKey, Arc<Caller>)>,
}

impl<'a> Future for Acquire<'a> {
    type Output = Result<Held<'a>, Fault>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let slots = self.slots;
        if self.asked.is_none() {
            let caller = Arc::new(Caller::default());
            let key = slots.engine.submit(Ask::new(Kind::Hold), caller.clone())?;
            self.asked = Some((key, caller));
        }
        let (_, caller) = self.asked.as_ref().expect("it was just asked");
        let mut answer = caller.lock();
        let answered = match std::mem::take(&mut *answer) {
            Answer::Granted(lease, thing) => Ok(Held { slots, lease, thing }),
            Answer::Refused(fault) => Err(fault),
            Answer::Awaited(_) => {
                *answer = Answer::Awaited(Some(context.waker().clone()));
                return Poll::Pending;
            }
        };
        drop(answer);
        self.asked = None;
        Poll::Ready(answered)
    }
}

impl Drop for Acquire<'_> {
    fn drop(&mut self) {
        let Some((key, caller)) = self.asked.take() else { return };
        self.slots.engine.cancel(key.to_number());
        // It may have been granted a moment ago.
        let answer = std::mem::take(&mut *caller.lock());
        if let Answer::Granted(lease, _) = answer {
            let _ = self.slots.engine.release(lease);
        }
    }
}

/// Who waits for a slot.
#[derive(Default)]
struct Caller(Mutex<Answer>);

enum Answer {
    Awaited(Option<Waker>),
    Granted(Lease, Arc<Thing>),
    Refused(Fault),
}

impl Default for Answer {
    fn default() -> Self {
        Answer::Awaited(None)
    }
}

impl Caller {
    fn lock(&self) -> MutexGuard<'_, Answer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, answer: Answer) {
        if let Answer::Awaited(Some(waker)) = std::mem::replace(&mut *self.lock(), answer) {
            waker.wake();
        }
    }
}

struct Things;

impl Face for Things {
    type Resource = Thing;
    type Job = Caller;

    fn open(
        &self,
        at: usize,
        slot: u32,
        id: u64,
    ) -> BoxFuture<'static, Result<Opened<Thing>, Fault>> {
        let opened = self.open_at_once(at, slot, id);
        async move { opened.ok_or_else(|| Fault::new(Code::Connect, "nothing to open")) }.boxed()
    }

    fn open_at_once(&self, _at: usize, _slot: u32, _id: u64) -> Option<Opened<Thing>> {
        Some(Opened { resource: Arc::new(Thing), habits: HABITS, proven: true })
    }

    fn close(&self, _thing: &Arc<Thing>) {}

    fn start(&self, _thing: &Arc<Thing>, _exchange: u64, _job: &Caller) -> Start {
        Start::Refused(Fault::new(Code::InvalidCommand, "a thing runs no commands"))
    }

    fn cut(&self, _thing: &Arc<Thing>, _exchange: u64, _drain: Duration) -> Delivered {
        Delivered::No
    }

    fn granted(&self, caller: &Caller, grant: &Grant<Thing>) -> bool {
        caller.answer(Answer::Granted(grant.lease, grant.resource.clone()));
        false
    }

    fn failed(&self, caller: &Caller, fault: Fault) {
        caller.answer(Answer::Refused(fault));
    }

    fn observed(&self, _event: &Event) {}

    fn closed(&self, _report: &CloseReport) {}
}
