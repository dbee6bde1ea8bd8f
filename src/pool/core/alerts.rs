//! Alerts: figures that are where they should not be, told to whoever listens.
//!
//! What lasts is looked at in the pool's upkeep (the length of the queue also as it grows) and told
//! once, until it has been well below again: see [`Alarm`]. While nobody listens nothing is looked
//! at, so that who comes later still hears of what lasts.

use std::time::Duration;

use tokio::time::Instant;

use super::{Core, Effects, Name};
use crate::pool::alarm::{Alarm, Spaced};
use crate::pool::event::{Event, Severity};
use crate::pool::face::Face;
use crate::pool::state::State;
use crate::pool::wording::Wording;

/// Of slow calls, one in so much time is told about.
const APART: Duration = Duration::from_secs(1);

/// What was raised.
#[derive(Default)]
pub(super) struct Alarms {
    queue_depth: Alarm,
    wait: Spaced,
    use_percent: Alarm,
    oldest_wait: Alarm,
    /// By endpoint: failed checks in a row.
    checks: Vec<(u32, Alarm)>,
}

impl<F: Face> Core<F> {
    /// Raises the alerts that figures of this moment call for.
    pub(super) fn mind_figures(&mut self, now: Instant, fx: &mut Effects<F>) {
        if !self.observed.has(Name::Alert) {
            return;
        }
        self.mind_queue(fx);
        let limits = self.settings.alerts;
        let Wording { thing, things, .. } = F::WORDING;
        let (in_use, max) = (self.count(State::InUse), self.settings.max_slots);
        let (percent, limit) =
            (100.0 * in_use as f64 / f64::from(max), f64::from(limits.use_percent));
        if self.alarms.use_percent.raises(percent, limit) {
            self.tell(Name::Alert, fx, || Event::Alert {
                severity: Severity::Warning,
                metric: "usePercent",
                value: percent,
                threshold: limit,
                endpoint: None,
                message: format!("{in_use} of {max} {things} are in use ({percent:.0} %; alertUsePercent is {limit})"),
            });
        }
        let oldest = self.oldest_wait(now);
        let (waits, limit) = (ms(oldest), ms(limits.oldest_wait));
        if self.alarms.oldest_wait.raises(waits, limit) {
            self.tell(Name::Alert, fx, || Event::Alert {
                severity: Severity::Critical,
                metric: "oldestWaitMs",
                value: waits,
                threshold: limit,
                endpoint: None,
                message: format!("a call has been waiting for its {thing} for {waits:.0} ms (alertOldestWaitMs is {limit})"),
            });
        }
    }

    /// Raises the alert that the length of the queue calls for.
    pub(super) fn mind_queue(&mut self, fx: &mut Effects<F>) {
        if !self.observed.has(Name::Alert) {
            return;
        }
        let (waiting, limit) = (self.waiting() as f64, self.settings.alerts.queue_depth as f64);
        if self.alarms.queue_depth.raises(waiting, limit) {
            self.tell(Name::Alert, fx, || Event::Alert {
                severity: Severity::Info,
                metric: "queueDepth",
                value: waiting,
                threshold: limit,
                endpoint: None,
                message: format!(
                    "{waiting} calls wait for a {} (alertQueueDepth is {limit})",
                    F::WORDING.thing
                ),
            });
        }
    }

    /// Raises the alert that a long wait calls for.
    pub(super) fn mind_wait(
        &mut self,
        endpoint: usize,
        waited: Duration,
        now: Instant,
        fx: &mut Effects<F>,
    ) {
        let limit = self.settings.alerts.wait;
        if !self.observed.has(Name::Alert) || !self.alarms.wait.raises(waited, limit, APART, now) {
            return;
        }
        self.tell(Name::Alert, fx, || Event::Alert {
            severity: Severity::Warning,
            metric: "waitMs",
            value: ms(waited),
            threshold: ms(limit),
            endpoint: Some(endpoint),
            message: format!(
                "a call waited {:.0} ms for its {} (alertWaitMs is {})",
                ms(waited),
                F::WORDING.thing,
                ms(limit)
            ),
        });
    }

    /// A check at an endpoint was answered, or failed: raises the alert that failures in a row call
    /// for.
    pub(super) fn mind_checks(&mut self, endpoint: usize, failed: bool, fx: &mut Effects<F>) {
        let checks = &mut self.alarms.checks;
        if checks.len() <= endpoint {
            checks.resize_with(endpoint + 1, Default::default);
        }
        let (failures, alarm) = &mut checks[endpoint];
        *failures = if failed { failures.saturating_add(1) } else { 0 };
        if !self.observed.has(Name::Alert) {
            return;
        }
        let (failures, limit) = (*failures, self.settings.alerts.failed_checks);
        if alarm.raises(f64::from(failures), f64::from(limit)) {
            let name = &self.endpoints[endpoint].name;
            self.tell(Name::Alert, fx, || Event::Alert {
                severity: Severity::Critical,
                metric: "failedChecks",
                value: f64::from(failures),
                threshold: f64::from(limit),
                endpoint: Some(endpoint),
                message: format!(
                    "{failures} health checks running have failed at {name} (alertFailedChecks is {limit})"
                ),
            });
        }
    }

    /// For how long the one has been waiting that waits longest for a slot.
    fn oldest_wait(&self, now: Instant) -> Duration {
        let lines = self.endpoints.iter().map(|endpoint| &endpoint.lines).chain([&self.anywhere]);
        let oldest = lines
            .flat_map(|lines| [&lines.holds, &lines.runs])
            .filter_map(|line| line.oldest(&self.requests))
            .map(|index| self.requests[index].queued_at)
            .min();
        oldest.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
