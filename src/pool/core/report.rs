//! What a caller is told who wants to know how everything does.
//!
//! Everything idle is asked at the same time, as far as the limits of checks allow; checks that run
//! already are joined, and where nothing is open one attempt is made to open something. Nobody is
//! refused: what cannot be asked is part of the answer. The facade adds the pool's statistics.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Core, Effect, Effects, Phase, Timer};
use crate::fault::Fault;
use crate::pool::deadlines::Stamp;
use crate::pool::face::Face;
use crate::pool::state::State;

/// A report that is being made.
pub(super) struct Report<F: Face> {
    number: u64,
    job: Arc<F::Job>,
    pub began: Instant,
    stamp: Stamp,
    /// By the number of what was opened.
    pub found: BTreeMap<u64, Found>,
    /// By endpoint, what became of opening something where nothing was open.
    pub tries: Vec<Try>,
}

/// What is known of one connection: whose it is, and how it does.
pub(super) struct Found {
    pub endpoint: usize,
    pub sign: Sign,
}

/// Whether it showed that it lives.
pub(super) enum Sign {
    Awaited,
    /// At work, or not to be disturbed.
    Unasked,
    Answered(Duration),
    Failed(Fault),
}

/// Opening something where nothing is open.
pub(super) enum Try {
    /// There is something.
    Needless,
    /// As soon as it may be.
    Wanted,
    /// Under this number.
    Begun(u64),
    Failed(Fault),
    /// There is no leave to open anything, and why.
    Hindered(&'static str),
}

impl<F: Face> Report<F> {
    fn is_complete(&self) -> bool {
        let awaited = self.found.values().any(|found| matches!(found.sign, Sign::Awaited));
        let trying = self.tries.iter().any(|one| matches!(one, Try::Wanted | Try::Begun(_)));
        !awaited && !trying
    }

    fn awaits_at(&self, endpoint: usize) -> bool {
        let awaited = |found: &&Found| matches!(found.sign, Sign::Awaited);
        self.found.values().filter(awaited).any(|found| found.endpoint == endpoint)
    }
}

impl Try {
    fn is(&self, id: u64) -> bool {
        matches!(self, Try::Begun(begun) if *begun == id)
    }
}

impl<F: Face> Core<F> {
    /// Somebody wants to know how everything does.
    pub(in crate::pool) fn check_health(
        &mut self,
        job: Arc<F::Job>,
        now: Instant,
        fx: &mut Effects<F>,
    ) {
        self.health.last_report += 1;
        let number = self.health.last_report;
        let longest = self.settings.open_timeout + self.settings.health.timeout;
        let stamp = self.deadlines.insert(now + longest, Timer::Report(number));
        let mut report =
            Report { number, job, began: now, stamp, found: BTreeMap::new(), tries: Vec::new() };
        for at in 0..self.slots.len() as u32 {
            self.find_out(at, &mut report);
        }
        report.tries = (0..self.endpoints.len()).map(|at| self.attempt(at)).collect();
        self.health.reports.push(report);
        if self.phase.is_open() {
            self.serve(now, fx);
        } else {
            self.end_reports(now, fx);
        }
    }

    /// How a slot comes into a report.
    fn find_out(&mut self, at: u32, report: &mut Report<F>) {
        let slot = &self.slots[at as usize];
        let (id, endpoint) = (slot.id, slot.endpoint);
        let open = self.phase.is_open();
        let per_job = self.endpoints[endpoint].habits.per_job;
        let sign = match (self.table.read(at).0, slot.check) {
            // Where slots hold nothing between jobs, one of them speaks for all.
            (State::Idle, _) if open && per_job && report.awaits_at(endpoint) => Sign::Unasked,
            (State::Idle, _) if open => {
                if !self.health.due.contains(&(at, id)) {
                    self.health.due.push_back((at, id));
                }
                Sign::Awaited
            }
            (State::Unusable, Some(check)) if check.late => {
                Sign::Failed(self.lost_fault(at, F::WORDING.still_silent))
            }
            (State::Unusable, Some(_)) if open => Sign::Awaited,
            (State::Unusable, _) if slot.reason.is_none() => Sign::Unasked,
            (State::Idle | State::InUse, _) => Sign::Unasked,
            _ => return,
        };
        report.found.insert(id, Found { endpoint, sign });
    }

    /// How an endpoint comes into a report: whether to try and open something there.
    fn attempt(&self, at: usize) -> Try {
        let mut leaving = false;
        for slot in 0..self.slots.len() as u32 {
            let about = &self.slots[slot as usize];
            if about.endpoint != at {
                continue;
            }
            match self.table.read(slot).0 {
                State::Empty => {}
                _ if about.reason.is_some() => leaving = true,
                State::Initializing => return Try::Begun(about.id),
                _ => return Try::Needless,
            }
        }
        match self.phase {
            Phase::Paused => Try::Hindered("the pool is paused"),
            Phase::Closing | Phase::Closed => Try::Hindered("the pool is closed"),
            Phase::Ready if !self.has_room() && !leaving => {
                Try::Hindered("other endpoints have all the connections")
            }
            Phase::Ready => Try::Wanted,
        }
    }

    /// Opens what reports want opened, and gives those that have all they asked for.
    pub(super) fn go_on_reporting(&mut self, now: Instant, fx: &mut Effects<F>) {
        for index in 0..self.health.reports.len() {
            for at in 0..self.endpoints.len() {
                if matches!(self.health.reports[index].tries[at], Try::Wanted) {
                    let tried = self.try_for_report(at, now, fx);
                    self.health.reports[index].tries[at] = tried;
                }
            }
        }
        let mut index = 0;
        while index < self.health.reports.len() {
            if self.health.reports[index].is_complete() {
                self.give_report(index, now, fx);
            } else {
                index += 1;
            }
        }
    }

    fn try_for_report(&mut self, at: usize, now: Instant, fx: &mut Effects<F>) -> Try {
        match self.attempt(at) {
            Try::Wanted => {}
            other => return other,
        }
        let endpoint = &self.endpoints[at];
        // However long its backoff: somebody wants to know.
        let may_open = self.has_room()
            && endpoint.slots < endpoint.habits.max_slots
            && !endpoint.hushed
            && !(endpoint.habits.quiet && endpoint.in_flight > 0);
        if may_open && self.open_at(at, now, fx) {
            return Try::Begun(self.last_id);
        }
        Try::Wanted
    }

    /// Whether a report waits for a sign of life.
    pub(super) fn is_awaited(&self, id: u64) -> bool {
        let awaits = |report: &Report<F>| {
            report.found.get(&id).is_some_and(|found| matches!(found.sign, Sign::Awaited))
        };
        self.health.reports.iter().any(awaits)
    }

    fn sign(&mut self, id: u64, mut sign: impl FnMut() -> Sign) {
        for report in &mut self.health.reports {
            if let Some(found) = report.found.get_mut(&id) {
                found.sign = sign();
            }
        }
    }

    /// It answered.
    pub(super) fn report_answer(&mut self, id: u64, took: Duration) {
        self.sign(id, || Sign::Answered(took));
    }

    /// It did not answer in time, or not well.
    pub(super) fn report_failure(&mut self, id: u64, fault: &Fault) {
        self.sign(id, || Sign::Failed(fault.clone()));
    }

    /// It will not be asked after all.
    pub(super) fn report_unasked(&mut self, id: u64) {
        if self.is_awaited(id) {
            self.sign(id, || Sign::Unasked);
        }
    }

    /// Something was opened, and is fit for use.
    pub(super) fn report_opened(&mut self, at: u32, took: Duration) {
        let slot = &self.slots[at as usize];
        let (id, endpoint) = (slot.id, slot.endpoint);
        // What holds nothing between jobs has not shown yet that anybody answers.
        let proven = !self.endpoints[endpoint].habits.per_job;
        let mut asks = false;
        for report in &mut self.health.reports {
            if let Some(one) = report.tries.iter_mut().find(|one| one.is(id)) {
                *one = Try::Needless;
                let sign = if proven { Sign::Answered(took) } else { Sign::Awaited };
                asks |= !proven;
                report.found.insert(id, Found { endpoint, sign });
            }
        }
        if asks {
            self.health.due.push_back((at, id));
        }
    }

    /// Nothing could be opened, or it was given up.
    pub(super) fn report_not_opened(&mut self, id: u64, fault: Option<&Fault>) {
        for report in &mut self.health.reports {
            if let Some(one) = report.tries.iter_mut().find(|one| one.is(id)) {
                *one = match fault {
                    Some(fault) => Try::Failed(fault.clone()),
                    None => Try::Hindered("the pool was cleared meanwhile"),
                };
            }
        }
    }

    /// A report has had its time: it says what is known by now.
    pub(super) fn report_timed_out(&mut self, number: u64, now: Instant, fx: &mut Effects<F>) {
        let index = self.health.reports.iter().position(|report| report.number == number);
        if let Some(index) = index {
            self.give_report(index, now, fx);
        }
    }

    /// The pool closes: reports that are being made are given as far as they are.
    pub(super) fn end_reports(&mut self, now: Instant, fx: &mut Effects<F>) {
        self.health.due.clear();
        while !self.health.reports.is_empty() {
            self.give_report(0, now, fx);
        }
    }

    fn give_report(&mut self, index: usize, now: Instant, fx: &mut Effects<F>) {
        let report = self.health.reports.remove(index);
        self.deadlines.remove(report.stamp);
        let shown = self.summary(&report, now);
        fx.push(Effect::Done { job: report.job, report: shown });
    }
}
