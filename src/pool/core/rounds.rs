//! Which slots are checked, and when.
//!
//! Every so often a round asks what is idle and has shown no sign of life for a while; what is too
//! old by then is closed unasked, and what is in use answers by its jobs. While all is well the
//! rounds come less often, at half the pace in the end; after trouble they come at four times the
//! pace. Of a pool with more slots than may be asked at the same time, each round takes those asked
//! longest ago, and there are as many more rounds.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::report::Report;
use super::{Core, Effects, Timer};
use crate::pool::deadlines::Stamp;
use crate::pool::face::Face;
use crate::pool::state::State;

/// What is known about the rounds of checks.
pub(super) struct Rounds<F: Face> {
    /// Slots to be checked as soon as their endpoints allow, and the number of what they hold.
    pub due: VecDeque<(u32, u64)>,
    /// Checks that run and still have time.
    pub running: usize,
    /// Callers who wait to be told how everything does.
    pub reports: Vec<Report<F>>,
    pub last_report: u64,
    /// For how long a slot may go unasked now.
    pace: Duration,
    /// A check has failed since the last round.
    trouble: bool,
    /// The last round found somebody to ask.
    asked: bool,
    next: Option<Stamp>,
}

impl<F: Face> Default for Rounds<F> {
    fn default() -> Self {
        Rounds {
            due: VecDeque::new(),
            running: 0,
            reports: Vec::new(),
            last_report: 0,
            pace: Duration::ZERO,
            trouble: false,
            asked: false,
            next: None,
        }
    }
}

impl<F: Face> Core<F> {
    /// The first round is one interval away.
    pub(super) fn plan_rounds(&mut self, now: Instant) {
        if let Some(interval) = self.settings.health.interval {
            self.health.pace = interval;
            self.plan_round(now + interval);
        }
    }

    fn plan_round(&mut self, at: Instant) {
        if let Some(before) = self.health.next.take() {
            self.deadlines.remove(before);
        }
        self.health.next = Some(self.deadlines.insert(at, Timer::Round));
    }

    /// A check failed: the next round comes soon.
    pub(super) fn hasten_rounds(&mut self, now: Instant) {
        self.health.trouble = true;
        if let (Some(interval), Some(next)) = (self.settings.health.interval, self.health.next)
            && next.due() > now + interval / 4
        {
            self.plan_round(now + interval / 4);
        }
    }

    /// The next round of checks is due.
    pub(super) fn check_round(&mut self, now: Instant, fx: &mut Effects<F>) {
        let Some(interval) = self.settings.health.interval.filter(|_| self.phase.is_open()) else {
            return;
        };
        if std::mem::take(&mut self.health.trouble) {
            self.health.pace = interval / 4;
        } else if self.health.asked {
            self.health.pace = (self.health.pace * 3 / 2).min(interval * 2);
        }
        self.prune(now, fx);
        self.watch(now, fx);
        let mut unasked = self.unasked(self.health.pace.min(interval), now);
        let at_once = self.settings.health.concurrency.max(1);
        let portions = (unasked.len() + self.health.running).div_ceil(at_once).max(1);
        let taken = self.health.running + self.health.due.len();
        unasked.truncate(at_once.saturating_sub(taken));
        self.health.asked = !unasked.is_empty() || taken > 0;
        self.health.due.extend(unasked.iter().map(|at| (*at, self.slots[*at as usize].id)));
        self.plan_round(now + self.health.pace / portions as u32);
    }

    /// Idle slots that have shown no sign of life for so long and are not due yet, those first that
    /// were asked longest ago.
    fn unasked(&self, for_long: Duration, now: Instant) -> Vec<u32> {
        let mut is_due = vec![false; self.slots.len()];
        for (at, _) in &self.health.due {
            is_due[*at as usize] = true;
        }
        let mut idle: Vec<u32> = (0..self.slots.len() as u32)
            .filter(|at| {
                !is_due[*at as usize]
                    && self.table.read(*at).0 == State::Idle
                    && self.slots[*at as usize].seen_at + for_long <= now
            })
            .collect();
        idle.sort_by_key(|at| {
            let slot = &self.slots[*at as usize];
            slot.seen_at.max(slot.checked_at)
        });
        let mut spoken_for: Vec<bool> = (0..self.endpoints.len())
            .map(|endpoint| self.is_spoken_for(endpoint, for_long, now))
            .collect();
        // Where slots hold nothing between jobs, one of them speaks for all.
        idle.retain(|at| {
            let endpoint = self.slots[*at as usize].endpoint;
            !self.endpoints[endpoint].habits.per_job
                || !std::mem::replace(&mut spoken_for[endpoint], true)
        });
        idle
    }

    /// Whether some slot of an endpoint is being asked, will be, or has shown a sign of life lately.
    fn is_spoken_for(&self, endpoint: usize, for_long: Duration, now: Instant) -> bool {
        let due =
            self.health.due.iter().any(|(at, _)| self.slots[*at as usize].endpoint == endpoint);
        due || self.slots.iter().any(|slot| {
            slot.resource.is_some()
                && slot.endpoint == endpoint
                && (slot.check.is_some() || slot.seen_at + for_long > now)
        })
    }

    /// Begins the checks that are due and may begin.
    pub(super) fn begin_checks(&mut self, now: Instant, fx: &mut Effects<F>) {
        if self.health.due.is_empty() {
            return;
        }
        for (at, id) in std::mem::take(&mut self.health.due) {
            let slot = &self.slots[at as usize];
            let endpoint = slot.endpoint;
            if slot.id != id || self.table.read(at).0 != State::Idle {
                // It is at work, or on its way out.
                self.report_unasked(id);
            } else if slot.seen_at > slot.checked_at.max(slot.opened_at)
                && slot.seen_at + self.health.pace > now
                && !self.is_awaited(id)
            {
                // It has been at work meanwhile.
            } else if let Some(reason) = self.perished(at, now) {
                self.report_unasked(id);
                self.retire(at, reason, None, fx);
            } else if self.health.running < self.settings.health.concurrency.max(1)
                && self.may_check(endpoint)
            {
                self.begin_check(at, now, fx);
            } else {
                self.health.due.push_back((at, id));
            }
        }
    }
}
