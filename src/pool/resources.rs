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
use tokio::time::timeout;
use tracing::{debug, info};

use super::call::{Call, Holds, Sink, lock};
use super::engine::Engine;
use super::event::{Errand, Event, Hook};
use super::face::{CloseReport, Face, Grant, Habits, HookCall, Opened, Start};
use crate::fault::{Cause, Code, Delivered, Fault};

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
}

/// Whether it was made, and if not, why.
type Made = Result<(), String>;

/// What the engine needs to know of resources. Opaque; public because the engine is.
pub struct Resources {
    pub(super) habits: Habits,
    /// There is a function to check with.
    pub(super) validates: bool,
    pub(super) create_timeout: Duration,
    pub(super) destroy_timeout: Duration,
    pub(super) sink: Arc<dyn Sink>,
    pub(super) runtime: Handle,
    pub(super) engine: Weak<Engine<Resources>>,
    /// What is being made, by its number.
    pub(super) making: Arc<Mutex<HashMap<u64, oneshot::Sender<Made>>>>,
    /// What a slot holds, by its number, until it is destroyed.
    pub(super) kept: Mutex<HashMap<u64, Arc<Resource>>>,
}

impl Resources {
    /// The answer to [`Errand::Create`]. `false`: nobody wants it any more.
    pub(super) fn made(&self, id: u64, made: Made) -> bool {
        let waiting = lock(&self.making).remove(&id);
        waiting.is_some_and(|waiting| waiting.send(made).is_ok())
    }

    /// The answer to [`Errand::Validate`].
    pub(super) fn validated(&self, id: u64, exchange: u64, error: Option<String>) {
        let Some(engine) = self.engine.upgrade() else { return };
        let Some(resource) = lock(&self.kept).get(&id).cloned() else { return };
        if resource.checking.compare_exchange(exchange, 0, SeqCst, SeqCst).is_err() {
            return;
        }
        match error {
            None => engine.finished(resource.slot, id, false, true, |_| {}),
            Some(error) => {
                let fault = Fault::new(Code::ConnectionLost, format!("validate failed: {error}"))
                    .advice("Look at why validate turned it down; it was destroyed, and another is made when it is needed.")
                    .endpoint(FACTORY)
                    .connection(id)
                    .cause(Cause::text(error));
                engine.broke(resource.slot, id, &fault, |_| {});
                self.close(&resource);
            }
        }
    }

    /// The answer to [`Errand::Destroy`], or that its time is over.
    pub(super) fn destroyed(&self, id: u64, error: Option<String>) {
        let Some(resource) = lock(&self.kept).remove(&id) else { return };
        let Some(engine) = self.engine.upgrade() else { return };
        if let Some(error) = error {
            let fault = Fault::new(Code::ConnectionLost, format!("destroy failed: {error}"))
                .advice("Look at what destroy does; its slot was freed all the same.")
                .endpoint(FACTORY)
                .connection(id)
                .cause(Cause::text(error));
            engine.user_code_failed(resource.slot, id, Hook::Destroy, fault);
        }
        engine.ended(resource.slot, id, None);
    }
}

/// Waits for the answer to [`Errand::Create`]; dropped before it came, nobody wants it any more.
struct Making {
    id: u64,
    answer: oneshot::Receiver<Made>,
    making: Arc<Mutex<HashMap<u64, oneshot::Sender<Made>>>>,
    sink: Arc<dyn Sink>,
    over: bool,
}

impl Making {
    async fn answer(mut self, limit: Duration) -> Result<(), Fault> {
        match timeout(limit, &mut self.answer).await {
            Ok(answered) => {
                self.over = true;
                let made = answered.unwrap_or_else(|_| Err("nobody is left to answer".into()));
                made.map_err(|error| {
                    Fault::new(Code::Connect, format!("create failed: {error}"))
                        .cause(Cause::text(error))
                })
            }
            Err(_) => {
                let limit = limit.as_millis();
                let message = format!("create did not finish within {limit} ms (connectTimeoutMs)");
                Err(Fault::new(Code::Connect, message.clone()).cause(Cause::text(message)))
            }
        }
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        if self.over {
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
        self.sink.errand(errand, self.id, 0);
        self.sink.flush();
    }
}

impl Face for Resources {
    type Resource = Resource;
    type Job = Call;

    fn open(
        &self,
        _endpoint: usize,
        slot: u32,
        id: u64,
    ) -> BoxFuture<'static, Result<Opened<Resource>, Fault>> {
        let (sender, answer) = oneshot::channel();
        lock(&self.making).insert(id, sender);
        let (making, sink) = (self.making.clone(), self.sink.clone());
        let making = Making { id, answer, making, sink, over: false };
        let (habits, limit) = (self.habits, self.create_timeout);
        let engine = self.engine.clone();
        debug!(resource = id, "creating");
        self.sink.errand(Errand::Create, id, 0);
        self.sink.flush();
        async move {
            let Err(fault) = making.answer(limit).await else {
                let checking = AtomicU64::new(0);
                let closing = AtomicBool::new(false);
                let resource = Arc::new(Resource { slot, id, checking, closing });
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
        resource.checking.store(0, SeqCst);
        let (engine, id, limit) = (self.engine.clone(), resource.id, self.destroy_timeout);
        self.runtime.spawn(async move {
            tokio::time::sleep(limit).await;
            if let Some(engine) = engine.upgrade() {
                let limit = limit.as_millis();
                let late = format!("it did not finish within {limit} ms (drainTimeoutMs)");
                engine.face().destroyed(id, Some(late));
            }
        });
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

    fn granted(&self, job: &Call, grant: &Grant<Resource>) {
        self.hand(job, grant);
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
