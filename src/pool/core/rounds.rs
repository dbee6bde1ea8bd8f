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
        self.prune(now, fx);
        self.watch(now, fx);
        let well = !std::mem::take(&mut self.health.trouble);
        if !well {
            self.health.pace = interval / 4;
        }
        let mut unasked = self.unasked(now);
        let at_once = self.settings.health.concurrency.max(1);
        let portions = (unasked.len() + self.health.running).div_ceil(at_once).max(1);
        let taken = self.health.running + self.health.due.len();
        unasked.truncate(at_once.saturating_sub(taken));
        if well && self.health.asked {
            self.health.pace = (self.health.pace * 3 / 2).min(interval * 2);
        }
        self.health.asked = !unasked.is_empty() || taken > 0;
        let next = self.next_round(&unasked, now);
        self.health.due.extend(unasked.iter().map(|at| (*at, self.slots[*at as usize].id)));
        self.plan_round(now + (next - now) / portions as u32);
    }

    /// When a slot is to be asked that does nothing until then: a finished job is as good a sign of
    /// life as an answer.
    fn ask_at(&self, at: u32) -> Instant {
        let slot = &self.slots[at as usize];
        let pace = self.health.pace;
        let interval = self.settings.health.interval.unwrap_or(pace);
        (slot.seen_at + pace.min(interval)).max(slot.checked_at + pace)
    }

    /// Idle slots whose time to be asked has come, or nearly, those first that were asked longest
    /// ago.
    fn unasked(&self, now: Instant) -> Vec<u32> {
        let soon = now + self.health.pace / 8;
        let mut is_due = vec![false; self.slots.len()];
        for (at, _) in &self.health.due {
            is_due[*at as usize] = true;
        }
        let mut spoken_for: Vec<bool> = (0..self.endpoints.len())
            .map(|endpoint| self.is_spoken_for(endpoint, &is_due, soon))
            .collect();
        let mut idle: Vec<u32> = (0..self.slots.len() as u32)
            .filter(|at| {
                !is_due[*at as usize]
                    && self.table.read(*at).0 == State::Idle
                    && self.ask_at(*at) <= soon
            })
            .collect();
        idle.sort_by_key(|at| self.ask_at(*at));
        // Where slots hold nothing between jobs, one of them speaks for all.
        idle.retain(|at| {
            let endpoint = self.slots[*at as usize].endpoint;
            !self.endpoints[endpoint].habits.per_job
                || !std::mem::replace(&mut spoken_for[endpoint], true)
        });
        idle
    }

    /// Whether some slot of an endpoint is being asked, will be, or has shown a sign of life lately.
    fn is_spoken_for(&self, endpoint: usize, is_due: &[bool], soon: Instant) -> bool {
        (0..self.slots.len() as u32).any(|at| {
            let slot = &self.slots[at as usize];
            slot.resource.is_some()
                && slot.endpoint == endpoint
                && (slot.check.is_some() || is_due[at as usize] || self.ask_at(at) > soon)
        })
    }

    /// When the time of the next slot comes to be asked, but for those of this round.
    fn next_round(&self, these: &[u32], now: Instant) -> Instant {
        let pace = self.health.pace;
        let others = (0..self.slots.len() as u32)
            .filter(|at| self.slots[*at as usize].resource.is_some() && !these.contains(at))
            .map(|at| self.ask_at(at));
        others.min().map_or(now + pace, |first| first.clamp(now + pace / 4, now + pace))
    }

    /// Whether a round may take one more idle slot of an endpoint out of the pool: where no more can
    /// be opened, it leaves one to whoever comes meanwhile, and asks that one when another is back.
    fn may_miss(&self, endpoint: usize) -> bool {
        let place = &self.endpoints[endpoint];
        self.has_room()
            || self.table.idle(&place.members).nth(1).is_some()
            || !place.slots().any(|at| self.slots[at as usize].check.is_some())
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
            } else if slot.seen_at > slot.checked_at
                && self.ask_at(at) > now
                && !self.is_awaited(id)
            {
                // It has been at work meanwhile.
            } else if let Some(reason) = self.perished(at, now) {
                self.report_unasked(id);
                self.retire(at, reason, None, fx);
            } else if self.health.running < self.settings.health.concurrency.max(1)
                && self.may_check(endpoint)
                && (self.is_awaited(id) || self.may_miss(endpoint))
            {
                self.begin_check(at, now, fx);
            } else {
                self.health.due.push_back((at, id));
            }
        }
    }
}
