//! Closing the pool.

use std::time::Duration;

use tokio::time::Instant;

use super::{Core, Effect, Effects, Phase, Timer};
use crate::fault::{Code, Fault};
use crate::pool::deadlines::Deadlines;
use crate::pool::event::{Event, Reason};
use crate::pool::face::Face;
use crate::pool::request::Place;
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
        if self.phase == Phase::Ready {
            self.phase = Phase::Closing;
            self.closing_since = Some(now);
            let waiting: Vec<usize> = self
                .requests
                .iter()
                .filter(|(_, request)| request.place == Place::Queued)
                .map(|(index, _)| index)
                .collect();
            for index in waiting {
                let key = self.key_of(index);
                let request = self.take_out(key);
                self.report.refused += 1;
                fx.push(Effect::Refuse {
                    job: request.job,
                    fault: Fault::new(Code::Closed, "the pool was closed while this call waited"),
                });
            }
            for at in 0..self.settings.max_slots {
                if self.table.read(at).0 == State::Initializing {
                    if let Some(handle) = self.slots[at as usize].opening.take() {
                        fx.push(Effect::Abort(handle));
                    }
                    self.give_up_opening(at, None, Reason::PoolClosed, fx);
                }
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
        for at in 0..self.settings.max_slots {
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
        for at in 0..self.settings.max_slots {
            match self.table.read(at).0 {
                State::InUse => {
                    self.report.cut += 1;
                    let fault = Fault::new(
                        Code::Closed,
                        "the pool was closed while this connection was in use",
                    )
                    .advice("The command may have run: check the scene. Give close() a longer timeoutMs to let work finish.")
                    .endpoint(&*self.endpoints[self.slots[at as usize].endpoint].name)
                    .connection(self.slots[at as usize].id);
                    let running = self.slots[at as usize].running.map(|key| self.take_out(key));
                    self.take_away(at, Reason::PoolClosed, fault.clone(), fx);
                    let Some(resource) = self.slots[at as usize].resource.clone() else {
                        continue;
                    };
                    if let Some(request) = running {
                        let exchange = self.slots[at as usize].exchange;
                        fx.push(Effect::Cut {
                            resource: resource.clone(),
                            exchange,
                            job: request.job,
                            fault,
                        });
                    }
                    fx.push(Effect::Close { resource });
                }
                State::Idle => self.retire(at, Reason::PoolClosed, None, fx),
                State::Unusable => {
                    if let Some(resource) = self.slots[at as usize].resource.clone() {
                        fx.push(Effect::Close { resource });
                    }
                }
                State::Empty | State::Created | State::Initializing | State::Closed => {}
            }
        }
    }

    pub(super) fn check_closed(&mut self, now: Instant, fx: &mut Effects<F>) {
        if self.phase != Phase::Closing || self.empty.len() < self.settings.max_slots as usize {
            return;
        }
        self.phase = Phase::Closed;
        self.deadlines = Deadlines::default();
        self.report.closed = self.counters.closed_for(Reason::PoolClosed);
        self.report.duration =
            self.closing_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        if self.observed {
            fx.push(Effect::Tell(Event::PoolClosed));
        }
        fx.push(Effect::Closed(self.report.clone()));
    }
}
