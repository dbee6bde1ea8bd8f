//! How well something does, told from its checks: latency and failures, each as a moving average.
//!
//! Exponentially weighted, so that one slow answer is soon forgotten and a row of them is not; the
//! newest observation weighs a quarter.

use std::time::Duration;

const WEIGHT: f64 = 0.25;

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pulse {
    /// Failed checks in a row.
    pub failures: u32,
    latency: Option<f64>,
    failing: f64,
}

impl Pulse {
    /// It answered after `took`.
    pub fn beat(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        self.latency = Some(match self.latency {
            Some(before) => before + WEIGHT * (seconds - before),
            None => seconds,
        });
        self.failures = 0;
        self.failing -= WEIGHT * self.failing;
    }

    /// It did not answer, or not well.
    pub fn miss(&mut self) {
        self.failures = self.failures.saturating_add(1);
        self.failing += WEIGHT * (1.0 - self.failing);
    }

    /// The average of its answers; none when it has not been asked yet.
    pub fn latency(&self) -> Option<Duration> {
        self.latency.map(Duration::from_secs_f64)
    }

    /// From 1 (answers at once, every time) down to 0: the share of checks it answered, less what
    /// their answers cost (half at one second).
    pub fn score(&self) -> f64 {
        (1.0 - self.failing) / (1.0 + self.latency.unwrap_or(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_weighs_on_the_score_and_answers_lift_it_again() {
        let mut pulse = Pulse::default();
        pulse.beat(Duration::from_millis(1));
        let well = pulse.score();
        assert!(well > 0.99);
        pulse.miss();
        pulse.miss();
        assert_eq!(pulse.failures, 2);
        let ill = pulse.score();
        assert!(ill < 0.6, "{ill}");
        pulse.beat(Duration::from_millis(1));
        assert_eq!(pulse.failures, 0);
        assert!(pulse.score() > ill && pulse.score() < well);
    }

    #[test]
    fn a_slow_answer_is_averaged_in() {
        let mut pulse = Pulse::default();
        pulse.beat(Duration::from_millis(100));
        pulse.beat(Duration::from_millis(500));
        assert_eq!(pulse.latency(), Some(Duration::from_millis(200)));
        assert!((pulse.score() - 1.0 / 1.2).abs() < 1e-9);
    }
}
