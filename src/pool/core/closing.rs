//! Closing the pool.

use std::time::Duration;

use tokio::time::Instant;

use super::{Core, Effect, Effects, Name, Phase, Timer};
use crate::fault::{Code, Fault};
use crate::pool::deadlines::Deadlines;
use crate::pool::event::{Event, Reason};
use crate::pool::face::Face;
use crate::pool::state::State;

impl<F: Face> Core<F> {
    /// Refuses all who wait, lets what runs and what is held finish until `deadline`, then cuts.
    pub(in crate::pool) fn close(
        &mut self,
        deadline: Option<Instant>,
        now: Instant,
        fx: &mut Effects<F>,
    ) {
        if self.phase == Phase::Closed {
            return;
        }
        if self.phase.is_open() {
            self.phase = Phase::Closing;
            self.closing_since = Some(now);
            let fault = Fault::new(Code::Closed, "the pool was closed while this call waited");
            for key in self.queued() {
                self.report.refused += 1;
                self.turn_down(key, fault.clone(), now, fx);
            }
            self.turn_down_warming(&fault, now, fx);
            self.end_reports(now, fx);
            for at in 0..self.slots.len() as u32 {
                self.drop_opening(at, Reason::PoolClosed, now, fx);
                self.drop_check(at, Reason::PoolClosed, fx);
            }
        }
        match deadline {
            Some(deadline) if deadline > now => {
                self.deadlines.insert(deadline, Timer::Close);
            }
            _ => self.force(fx),
        }
        self.serve(now, fx);
        self.check_closed(now, fx);
    }

    pub(super) fn close_idle(&mut self, fx: &mut Effects<F>) {
        for at in 0..self.slots.len() as u32 {
            if self.table.read(at).0 == State::Idle {
                self.retire(at, Reason::PoolClosed, None, fx);
            }
        }
    }

    /// Cuts everything that is left.
    pub(super) fn force(&mut self, fx: &mut Effects<F>) {
        if self.phase != Phase::Closing {
            return;
        }
        for at in 0..self.slots.len() as u32 {
            match self.table.read(at).0 {
                State::InUse => {
                    self.report.cut += 1;
                    let fault = Fault::new(
                        Code::Closed,
                        format!("the pool was closed while this {} was in use", F::WORDING.thing),
                    )
                    .advice(F::WORDING.cut_advice)
                    .unsent_advice(F::WORDING.unsent_advice);
                    self.interrupt(at, Reason::PoolClosed, fault, fx);
                }
                State::Idle => self.retire(at, Reason::PoolClosed, None, fx),
                State::Unusable if self.slots[at as usize].hook.is_some() => {
                    let fault = Fault::new(
                        Code::Closed,
                        format!(
                            "the pool was closed while user code ran on this {}",
                            F::WORDING.thing
                        ),
                    );
                    self.interrupt(at, Reason::PoolClosed, fault, fx);
                }
                State::Unusable => {
                    if let Some(resource) = self.slots[at as usize].resource.clone() {
                        fx.push(Effect::Close { resource });
                    }
                }
                State::Empty | State::Created | State::Initializing | State::Closed => {}
            }
        }
    }

    /// Takes a slot from whoever has it and closes what it holds, whatever runs there.
    pub(super) fn interrupt(&mut self, at: u32, reason: Reason, fault: Fault, fx: &mut Effects<F>) {
        let drain = self.phase.is_open();
        let fault = self.about(at, fault);
        let running = self.slots[at as usize].running.map(|key| self.take_out(key));
        self.take_away(at, reason, fault.clone(), fx);
        let slot = &self.slots[at as usize];
        let endpoint = slot.endpoint;
        let Some(resource) = slot.resource.clone() else {
            return;
        };
        if let Some(request) = running {
            let exchange = self.slots[at as usize].exchange;
            fx.push(Effect::Cut { resource: resource.clone(), exchange, job: request.job, fault });
            if drain {
                // An add-on that cannot write its reply freezes Blender.
                return;
            }
        }
        if drain && self.endpoints[endpoint].habits.quiet {
            self.endpoints[endpoint].farewells.push(at);
        } else {
            fx.push(Effect::Close { resource });
        }
    }

    pub(super) fn check_closed(&mut self, now: Instant, fx: &mut Effects<F>) {
        if self.phase != Phase::Closing || self.table.taken() > 0 {
            return;
        }
        self.phase = Phase::Closed;
        self.deadlines = Deadlines::default();
        self.report.closed = self.counters().closed_for(Reason::PoolClosed);
        self.report.duration =
            self.closing_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        self.tell(Name::PoolClosed, fx, || Event::PoolClosed);
        fx.push(Effect::Closed(self.report.clone()));
    }
}
