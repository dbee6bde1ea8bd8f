//! What the engine needs to know of permits: nothing is opened, nothing is closed, nothing runs.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};

use crate::fault::{Code, Delivered, Fault};
use crate::pool::call::{Call, Holds, Sink};
use crate::pool::engine::Engine;
use crate::pool::event::Event;
use crate::pool::face::{CloseReport, Face, Grant, Habits, Opened, Start};

/// One permit of a limiter, whichever slot it is.
#[derive(Debug)]
pub struct Permit {
    slot: u32,
    id: u64,
}

/// What the engine needs to know of permits. Opaque; public because the engine is.
pub struct Permits {
    pub(in crate::pool) sink: Arc<dyn Sink>,
    pub(in crate::pool) engine: Weak<Engine<Permits>>,
}

/// Every permit is as good as any other, and there at once.
pub(in crate::pool) const HABITS: Habits = Habits {
    max_connecting: usize::MAX,
    max_in_flight: usize::MAX,
    min_slots: 0,
    max_slots: usize::MAX,
    quiet: false,
    per_job: false,
};

impl Face for Permits {
    type Resource = Permit;
    type Job = Call;

    fn open(
        &self,
        endpoint: usize,
        slot: u32,
        id: u64,
    ) -> BoxFuture<'static, Result<Opened<Permit>, Fault>> {
        let opened = self.open_at_once(endpoint, slot, id);
        async move { opened.ok_or_else(|| Fault::new(Code::Connect, "there are no permits")) }
            .boxed()
    }

    fn open_at_once(&self, _endpoint: usize, slot: u32, id: u64) -> Option<Opened<Permit>> {
        let resource = Arc::new(Permit { slot, id });
        Some(Opened { resource, habits: HABITS, proven: true })
    }

    fn close(&self, permit: &Arc<Permit>) {
        if let Some(engine) = self.engine.upgrade() {
            engine.ended(permit.slot, permit.id, None);
        }
    }

    fn start(&self, _permit: &Arc<Permit>, _exchange: u64, _job: &Call) -> Start {
        Start::Refused(Fault::new(Code::InvalidCommand, "a permit runs no commands"))
    }

    fn cut(&self, permit: &Arc<Permit>, _exchange: u64, _drain: Duration) -> Delivered {
        self.close(permit);
        Delivered::No
    }

    fn granted(&self, job: &Call, grant: &Grant<Permit>) -> bool {
        self.hand(job, grant)
    }

    fn failed(&self, job: &Call, fault: Fault) {
        self.sink.fault(job.ticket, fault);
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
        self.sink.closed(report.clone());
    }
}

impl Holds for Permits {
    fn sink(&self) -> &dyn Sink {
        &*self.sink
    }

    fn name_of(&self, _endpoint: usize) -> &str {
        "permits"
    }
}
