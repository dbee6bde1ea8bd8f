//! What the engine needs to know of things that JavaScript makes: it never sees one. A slot holds
//! the number under which JavaScript keeps it, and what is to be done is an [`Errand`] there.
//!
//! ```text
//!   Create ──made──────────────> (in a slot) ──Destroy──> destroyed ──> slot empty
//!      └─ Abandon: out of time, or nobody wants it     └─ out of time ──> slot empty
//! ```
//!
//! Every errand is answered at most once and may never be answered at all: each has its time here.
//! What is made after `Abandon` is not known here; JavaScript destroys it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tracing::{debug, info};

use crate::fault::{Cause, Code, Delivered, Fault};
use crate::pool::call::{Call, Holds, Sink, lock};
use crate::pool::engine::Engine;
use crate::pool::event::{Errand, Event, Hook};
use crate::pool::face::{CloseReport, Face, Grant, Habits, HookCall, Opened, Start};
use crate::pool::wording::{RESOURCES, Wording};

/// The name of the one endpoint, in events and figures.
pub const FACTORY: &str = "factory";

/// Names what JavaScript keeps.
#[derive(Debug)]
pub struct Resource {
    slot: u32,
    id: u64,
    /// The exchange of the check that runs; 0: none.
    checking: AtomicU64,
    closing: AtomicBool,
    /// Ends the time that destroying it may take.
    overdue: Mutex<Option<AbortHandle>>,
}

/// Whether it was made, and if not, why.
type Made = Result<(), String>;

/// What the engine needs to know of resources. Opaque; public because the engine is.
pub struct Resources {
    pub(in crate::pool) habits: Habits,
    /// There is a function to check with.
    pub(in crate::pool) validates: bool,
    pub(in crate::pool) create_timeout: Duration,
    pub(in crate::pool) destroy_timeout: Duration,
    pub(in crate::pool) sink: Arc<dyn Sink>,
    pub(in crate::pool) runtime: Handle,
    pub(in crate::pool) engine: Weak<Engine<Resources>>,
    /// What is being made, by its number.
    pub(in crate::pool) making: Arc<Mutex<HashMap<u64, oneshot::Sender<Made>>>>,
    /// What a slot holds, by its number, until it is destroyed or its time for that is over.
    pub(in crate::pool) kept: Mutex<HashMap<u64, Arc<Resource>>>,
}

impl Resources {
    /// The answer to [`Errand::Create`]. `false`: nobody wants it any more.
    pub(in crate::pool) fn made(&self, id: u64, made: Made) -> bool {
        let waiting = lock(&self.making).remove(&id);
        waiting.is_some_and(|waiting| waiting.send(made).is_ok())
    }

    /// The answer to [`Errand::Validate`]. One that comes when the check is over changes nothing.
    pub(in crate::pool) fn validated(&self, id: u64, exchange: u64, error: Option<String>) {
        let Some(engine) = self.engine.upgrade() else { return };
        let Some(resource) = lock(&self.kept).get(&id).cloned() else { return };
        if resource.checking.compare_exchange(exchange, 0, SeqCst, SeqCst).is_err() {
            return;
        }
        let Some(error) = error else {
            return engine.finished(resource.slot, id, false, true, |_| {});
        };
        let fault = Fault::new(Code::ConnectionLost, format!("validate failed: {error}"))
            .advice("Look at why validate turned it down; it was destroyed, and another is made when it is needed.")
            .endpoint(FACTORY)
            .connection(id)
            .cause(Cause::thrown(error, "validate", exchange));
        engine.found_unfit(resource.slot, id, &fault);
        self.close(&resource);
    }

    /// Something was destroyed, or `error` came of it: what a slot held, in answer to
    /// [`Errand::Destroy`], or what was made too late for any slot. `false`: the pool is closed, and
    /// the error was not told.
    pub(in crate::pool) fn destroyed(&self, id: u64, error: Option<String>) -> bool {
        let told = error.is_none_or(|error| {
            let cause = Cause::thrown(error.as_str(), "destroy", id);
            self.destroy_failed(id, format!("destroy failed: {error}"), cause)
        });
        self.gone(id);
        told
    }

    /// Destroying `id` has had its time.
    fn overdue(&self, id: u64) {
        if !self.destroy_timeout.is_zero() && lock(&self.kept).contains_key(&id) {
            let limit = self.destroy_timeout.as_millis();
            let message = format!("destroy did not finish within {limit} ms (drainTimeoutMs)");
            self.destroy_failed(id, message.clone(), Cause::text(message));
        }
        self.gone(id);
    }

    fn destroy_failed(&self, id: u64, message: String, cause: Cause) -> bool {
        let fault = Fault::new(Code::ConnectionLost, message)
            .advice("Look at what destroy does; its slot was freed all the same.")
            .endpoint(FACTORY)
            .connection(id)
            .cause(cause);
        let engine = self.engine.upgrade();
        engine.is_some_and(|engine| engine.user_code_failed(0, id, Hook::Destroy, fault))
    }

    /// Its slot is free.
    fn gone(&self, id: u64) {
        let Some(resource) = lock(&self.kept).remove(&id) else { return };
        if let Some(overdue) = lock(&resource.overdue).take() {
            overdue.abort();
        }
        if let Some(engine) = self.engine.upgrade() {
            engine.ended(resource.slot, id, None);
        }
    }
}

/// Waits for the answer to [`Errand::Create`]; dropped before it came, nobody wants it any more.
struct Making {
    id: u64,
    answer: oneshot::Receiver<Made>,
    making: Arc<Mutex<HashMap<u64, oneshot::Sender<Made>>>>,
    sink: Arc<dyn Sink>,
    state: Wait,
}

/// How the wait for an answer stands. The number is what [`Errand::Abandon`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    Unanswered = 0,
    OutOfTime = 1,
    Answered,
}

impl Making {
    async fn answer(mut self, limit: Duration) -> Result<(), Fault> {
        let (message, cause) = match timeout(limit, &mut self.answer).await {
            Ok(answered) => {
                self.state = Wait::Answered;
                let made = answered.unwrap_or_else(|_| Err("nobody is left to answer".into()));
                let Err(error) = made else { return Ok(()) };
                (format!("create failed: {error}"), error)
            }
            Err(_) => {
                self.state = Wait::OutOfTime;
                let limit = limit.as_millis();
                let message = format!("create did not finish within {limit} ms (connectTimeoutMs)");
                (message.clone(), message)
            }
        };
        Err(Fault::new(Code::Connect, message).cause(Cause::thrown(cause, "create", self.id)))
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        if self.state == Wait::Answered {
            return;
        }
        lock(&self.making).remove(&self.id);
        // From here on `made` says no. What was made a moment ago is in no slot.
        self.answer.close();
        let errand = match self.answer.try_recv() {
            Ok(Ok(())) => Errand::Destroy,
            Ok(Err(_)) => return,
            Err(_) => Errand::Abandon,
        };
        self.sink.errand(errand, self.id, self.state as u64);
        self.sink.flush();
    }
}

impl Face for Resources {
    type Resource = Resource;
    type Job = Call;

    const WORDING: &'static Wording = &RESOURCES;

    fn open(
        &self,
        _endpoint: usize,
        slot: u32,
        id: u64,
    ) -> BoxFuture<'static, Result<Opened<Resource>, Fault>> {
        let (sender, answer) = oneshot::channel();
        lock(&self.making).insert(id, sender);
        let (making, sink) = (self.making.clone(), self.sink.clone());
        let making = Making { id, answer, making, sink, state: Wait::Unanswered };
        let (habits, limit) = (self.habits, self.create_timeout);
        let engine = self.engine.clone();
        debug!(resource = id, "creating");
        self.sink.errand(Errand::Create, id, 0);
        self.sink.flush();
        async move {
            let Err(fault) = making.answer(limit).await else {
                let (checking, closing) = (AtomicU64::new(0), AtomicBool::new(false));
                let overdue = Mutex::default();
                let resource = Arc::new(Resource { slot, id, checking, closing, overdue });
                if let Some(engine) = engine.upgrade() {
                    lock(&engine.face().kept).insert(id, resource.clone());
                }
                return Ok(Opened { resource, habits, proven: true });
            };
            info!(resource = id, %fault, "could not create");
            Err(fault
                .advice("Look at what create does and whether what it connects to is there.")
                .endpoint(FACTORY)
                .connection(id))
        }
        .boxed()
    }

    fn close(&self, resource: &Arc<Resource>) {
        if resource.closing.swap(true, SeqCst) {
            return;
        }
        let (engine, id, limit) = (self.engine.clone(), resource.id, self.destroy_timeout);
        let overdue = self.runtime.spawn(async move {
            sleep(limit).await;
            if let Some(engine) = engine.upgrade() {
                engine.face().overdue(id);
            }
        });
        // Before anybody can answer.
        *lock(&resource.overdue) = Some(overdue.abort_handle());
        self.sink.errand(Errand::Destroy, id, 0);
        self.sink.flush();
    }

    fn start(&self, _resource: &Arc<Resource>, _exchange: u64, _job: &Call) -> Start {
        Start::Refused(Fault::new(Code::InvalidCommand, "a resource runs no commands"))
    }

    fn check(&self, resource: &Arc<Resource>, exchange: u64) -> Start {
        if !self.validates {
            let message = "there is no validate function to check it with";
            return Start::Refused(Fault::new(Code::InvalidCommand, message));
        }
        resource.checking.store(exchange, SeqCst);
        if resource.closing.load(SeqCst) {
            return Start::NotReady;
        }
        self.sink.errand(Errand::Validate, resource.id, exchange);
        self.sink.flush();
        Start::Started
    }

    fn cut(&self, resource: &Arc<Resource>, _exchange: u64, _drain: Duration) -> Delivered {
        self.close(resource);
        Delivered::No
    }

    fn granted(&self, job: &Call, grant: &Grant<Resource>) -> bool {
        self.hand(job, grant)
    }

    fn failed(&self, job: &Call, fault: Fault) {
        self.sink.fault(job.ticket, fault);
    }

    fn done(&self, job: &Call, report: serde_json::Value) {
        self.sink.done(job.ticket, report);
    }

    fn hook(&self, call: &HookCall<Resources>) {
        self.call_hook(call);
    }

    fn observed(&self, event: &Event) {
        self.tell_event(event);
    }

    fn owes(&self) -> bool {
        self.sink.owes_a_lease()
    }

    fn call_for_waiting(&self) {
        self.sink.call_for_waiting();
    }

    fn told(&self) {
        self.sink.flush();
    }

    fn closed(&self, report: &CloseReport) {
        info!(cut = report.cut, refused = report.refused, "closed");
        self.sink.closed(report.clone());
    }
}

impl Holds for Resources {
    fn sink(&self) -> &dyn Sink {
        &*self.sink
    }

    fn name_of(&self, _endpoint: usize) -> &str {
        FACTORY
    }
}
