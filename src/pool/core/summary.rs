//! How everything does, in figures and in words.
//!
//! An endpoint is healthy when all that was asked answers, unhealthy when nothing does, and else
//! degraded. What is at work is not asked: it counts as well while its endpoint has answered
//! something lately. The pool is as its endpoints are, or degraded when they differ.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::report::{Found, Report, Sign, Try};
use super::{Core, Phase};
use crate::pool::face::Face;

/// An endpoint whose connections are all at work and that has answered nothing for so long is worth
/// a word.
const LONG: Duration = Duration::from_secs(60);

impl<F: Face> Core<F> {
    /// A report as JSON; the facade adds the pool's statistics.
    pub(super) fn summary(&self, report: &Report<F>, now: Instant) -> Value {
        let mut reasons = Vec::new();
        let mut worst_and_best: Option<(Health, Health)> = None;
        let endpoints: Vec<Value> = (0..self.endpoints.len())
            .map(|at| {
                let (health, shown, why) = self.summary_of(at, report, now);
                let name = &self.endpoints[at].name;
                reasons.extend(why.into_iter().map(|why| format!("{name}: {why}")));
                let (worst, best) = worst_and_best.unwrap_or((health, health));
                worst_and_best = Some((worst.max(health), best.min(health)));
                shown
            })
            .collect();
        let mut health = match worst_and_best {
            Some((worst, best)) if worst == best => worst,
            Some(_) => Health::Degraded,
            None => Health::Healthy,
        };
        match self.phase {
            Phase::Ready => {}
            Phase::Paused => {
                health = health.max(Health::Degraded);
                reasons.insert(0, "the pool is paused".to_owned());
            }
            Phase::Closing | Phase::Closed => {
                health = Health::Unhealthy;
                reasons.insert(0, format!("the pool is {}", self.phase.text()));
            }
        }
        let connections: Vec<Value> =
            report.found.iter().map(|(id, found)| self.line_of(*id, found)).collect();
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        json!({
            "status": health.text(),
            "reasons": reasons,
            "checkedAt": since_1970.as_millis() as u64,
            "durationMs": ms(now.saturating_duration_since(report.began)),
            "state": self.phase.text(),
            "endpoints": endpoints,
            "connections": connections,
        })
    }

    fn line_of(&self, id: u64, found: &Found) -> Value {
        let (ok, latency) = match &found.sign {
            Sign::Answered(took) => (Some(true), Some(ms(*took))),
            Sign::Failed(_) => (Some(false), None),
            Sign::Awaited | Sign::Unasked => (None, None),
        };
        let mut line = json!({
            "id": id,
            "endpoint": &*self.endpoints[found.endpoint].name,
            "ok": ok,
            "latencyMs": latency,
        });
        if let Sign::Failed(fault) = &found.sign {
            line["error"] = fault.to_json();
        }
        line
    }

    /// How an endpoint does, as JSON and in words.
    fn summary_of(
        &self,
        at: usize,
        report: &Report<F>,
        now: Instant,
    ) -> (Health, Value, Vec<String>) {
        let endpoint = &self.endpoints[at];
        let (mut checked, mut failed, mut busy) = (0, 0, 0);
        let mut why = Vec::new();
        for (id, found) in report.found.iter().filter(|(_, found)| found.endpoint == at) {
            match &found.sign {
                Sign::Answered(_) => checked += 1,
                Sign::Awaited | Sign::Unasked => busy += 1,
                Sign::Failed(fault) => {
                    (checked, failed) = (checked + 1, failed + 1);
                    why.push(format!("{} {id}: {}", F::WORDING.thing, fault.message()));
                }
            }
        }
        let silent = endpoint.answered_at.map(|at| now.saturating_duration_since(at));
        let answers = silent.is_some_and(|silent| silent < LONG);
        let mut health = match (checked - failed, failed, busy) {
            (1.., 0, _) => Health::Healthy,
            (1.., ..) => Health::Degraded,
            (0, 1.., 1..) if answers => Health::Degraded,
            (0, 1.., _) => Health::Unhealthy,
            (_, _, 1..) if answers => Health::Healthy,
            (_, _, 1..) => {
                let how_long =
                    silent.map_or("yet".to_owned(), |silent| format!("for {} s", silent.as_secs()));
                why.push(format!(
                    "all its {} are busy, and it has not answered anything {how_long}",
                    F::WORDING.things
                ));
                Health::Degraded
            }
            // Something was opened or closed while the others were asked.
            _ if answers => Health::Healthy,
            _ => Health::Degraded,
        };
        let untold = match &report.tries[at] {
            Try::Needless => None,
            Try::Failed(fault) => Some(fault.message().to_owned()),
            Try::Hindered(hindrance) => Some(match &endpoint.breaker.last_fault {
                Some(fault) => fault.message().to_owned(),
                None => format!("nothing is open there, and nothing was tried: {hindrance}"),
            }),
            Try::Wanted | Try::Begun(_) => {
                Some("nothing is open there, and nothing could be opened in time".to_owned())
            }
        };
        if let Some(untold) = untold {
            let hindered = matches!(report.tries[at], Try::Hindered(_));
            health = if hindered && endpoint.breaker.last_fault.is_none() {
                Health::Degraded
            } else {
                Health::Unhealthy
            };
            why.push(untold);
        }
        let shown = json!({
            "name": &*endpoint.name,
            "status": health.text(),
            "reasons": why,
            "latencyMs": endpoint.pulse.latency().map(ms),
            "checked": checked,
            "failed": failed,
            "busy": busy,
        });
        (health, shown, why)
    }
}

/// How something does, the better first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Health {
    Healthy,
    Degraded,
    Unhealthy,
}

impl Health {
    fn text(self) -> &'static str {
        match self {
            Health::Healthy => "healthy",
            Health::Degraded => "degraded",
            Health::Unhealthy => "unhealthy",
        }
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
