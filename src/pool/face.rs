//! What differs between pools: what a slot holds, and what is done with it.
//!
//! The engine decides who gets which slot and when something is opened or closed; a [`Face`] opens
//! it, runs jobs on it and tells the callers. Methods that act are called without any lock;
//! those that tell (`granted`, `failed`, `observed`, `closed`) under the engine's lock, which keeps
//! their order: they must not call the engine back. None may block.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::Value;

use super::event::{Event, Hook};
use super::table::Lease;
use super::wording::{self, Wording};
use crate::fault::{Code, Delivered, Fault};

/// See the module.
pub trait Face: Send + Sync + Sized + 'static {
    /// What a slot holds: a connection to a Blender, for one.
    type Resource: Send + Sync + 'static;
    /// What a caller handed in, kept until the caller has been told how it went.
    type Job: Send + Sync + 'static;

    /// How it is spoken of.
    const WORDING: &'static Wording = &wording::CONNECTIONS;

    /// Opens what slot `slot` of endpoint `endpoint` will hold, as number `id`.
    fn open(
        &self,
        endpoint: usize,
        slot: u32,
        id: u64,
    ) -> BoxFuture<'static, Result<Opened<Self::Resource>, Fault>>;

    /// The same where it takes no time; `None`: it does.
    fn open_at_once(
        &self,
        _endpoint: usize,
        _slot: u32,
        _id: u64,
    ) -> Option<Opened<Self::Resource>> {
        None
    }

    /// Begins to close. [`Engine::ended`](super::Engine::ended) must follow, once.
    fn close(&self, resource: &Arc<Self::Resource>);

    /// Starts a job; its end comes through [`Engine::finished`](super::Engine::finished).
    fn start(&self, resource: &Arc<Self::Resource>, exchange: u64, job: &Self::Job) -> Start;

    /// Asks what a slot holds for a sign of life; the answer comes like a job's outcome.
    /// [`Start::Refused`]: there is no way to ask.
    fn check(&self, _resource: &Arc<Self::Resource>, _exchange: u64) -> Start {
        Start::Refused(Fault::new(Code::InvalidCommand, "there is no way to ask"))
    }

    /// The caller of job `exchange` is gone; it may run, may have just finished, or may be about to
    /// be started by another thread (which must then fail). Says whether it may have run;
    /// [`Engine::ended`](super::Engine::ended) must follow, at the latest after `drain`.
    fn cut(&self, resource: &Arc<Self::Resource>, exchange: u64, drain: Duration) -> Delivered;

    /// A caller that asked to hold a slot now does. Says whether it has it in hand: its thread is still in
    /// the call that asked.
    fn granted(&self, job: &Self::Job, grant: &Grant<Self::Resource>) -> bool;

    /// A job came to nothing.
    fn failed(&self, job: &Self::Job, fault: Fault);

    /// What a job asked for is there, beside a slot or a reply: a report, or nothing but that.
    fn done(&self, _job: &Self::Job, _report: Value) {}

    /// User code is to run on what a slot holds; [`Engine::hook_done`](super::Engine::hook_done)
    /// must follow.
    fn hook(&self, _call: &HookCall<Self>) {}

    /// Something worth knowing happened. Only called while somebody [observes](super::Engine::observe).
    fn observed(&self, event: &Event);

    /// Something may have been told. Called without any lock, so here is the place for what takes
    /// longer than noting it down, such as waking whoever reads.
    fn told(&self) {}

    /// Whether somebody was told of a slot, and has not heard it yet.
    fn owes(&self) -> bool {
        false
    }

    /// Something is due: the time to take in what has come and nobody has looked at. Called without any
    /// lock.
    fn look(&self) {}

    /// Somebody waits in JavaScript, and there may be something to be had here.
    fn call_for_waiting(&self) {}

    /// The pool is closed: the last call.
    fn closed(&self, report: &CloseReport);
}

/// What [`Face::open`] opened, and the habits that go with it.
#[derive(Debug)]
pub struct Opened<R> {
    /// What the slot will hold.
    pub resource: Arc<R>,
    /// What its endpoint turned out to need.
    pub habits: Habits,
    /// Whether the endpoint has shown that it answers.
    pub proven: bool,
}

/// What one endpoint needs of its pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Habits {
    /// Opened at the same time, at most.
    pub max_connecting: usize,
    /// Jobs running at the same time, at most.
    pub max_in_flight: usize,
    /// Slots kept filled.
    pub min_slots: usize,
    /// Slots at the same time, at most.
    pub max_slots: usize,
    /// Nothing may be opened, closed or checked while a job runs.
    pub quiet: bool,
    /// Slots hold nothing between jobs: one check tells of all of them.
    pub per_job: bool,
}

/// How [`Face::start`] went.
#[derive(Debug)]
pub enum Start {
    /// It runs.
    Started,
    /// What the slot holds is not fit; the job was not touched.
    NotReady,
    /// The job can never run there.
    Refused(Fault),
}

/// A slot, as its holder sees it.
#[derive(Debug)]
pub struct Grant<R> {
    /// What to hand back.
    pub lease: Lease,
    /// What the slot holds.
    pub resource: Arc<R>,
    /// Which endpoint it belongs to.
    pub endpoint: usize,
    /// Its number.
    pub id: u64,
    /// Milliseconds since it was opened.
    pub age: Duration,
    /// How many holders and jobs it had before.
    pub uses: u64,
}

/// User code that is to run on what a slot holds.
#[derive(Debug)]
pub struct HookCall<F: Face> {
    /// Which.
    pub hook: Hook,
    /// Names this run of it.
    pub number: u64,
    /// What it runs on; its lease is good for jobs until the hook is done.
    pub grant: Grant<F::Resource>,
    /// The job of the holder that asked for it (recycling only).
    pub job: Option<Arc<F::Job>>,
}

/// What closing the pool did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CloseReport {
    /// Slots that were closed.
    pub closed: u64,
    /// Callers whose running job or held slot was cut.
    pub cut: u64,
    /// Callers that were still waiting.
    pub refused: u64,
    /// From the first call to the end.
    pub duration: Duration,
}
