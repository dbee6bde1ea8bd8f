//! A figure that is told about when it gets where it should not be, once.
//!
//! With hysteresis: the alarm is raised when the figure reaches its threshold, and may be raised
//! again only after the figure has been below four fifths of it, so that one that trembles about
//! the threshold does not raise it again and again.

use std::time::Duration;

use tokio::time::Instant;

/// The share of its threshold that a figure must have been below.
const CALM: f64 = 0.8;

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alarm {
    raised: bool,
}

impl Alarm {
    /// Whether to raise it now. A threshold of 0 is never reached.
    pub fn raises(&mut self, value: f64, threshold: f64) -> bool {
        if self.raised {
            self.raised = value >= threshold * CALM;
            return false;
        }
        self.raised = threshold > 0.0 && value >= threshold;
        self.raised
    }
}

/// For what happens rather than lasts: raised when it happens, but not again so soon.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spaced {
    last: Option<Instant>,
}

impl Spaced {
    /// Whether to raise it now. A threshold of 0 is never reached.
    pub fn raises(
        &mut self,
        value: Duration,
        threshold: Duration,
        apart: Duration,
        now: Instant,
    ) -> bool {
        let raises = !threshold.is_zero()
            && value >= threshold
            && self.last.is_none_or(|last| last + apart <= now);
        if raises {
            self.last = Some(now);
        }
        raises
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raised(values: &[u32], threshold: f64) -> Vec<u32> {
        let mut alarm = Alarm::default();
        values.iter().copied().filter(|value| alarm.raises(f64::from(*value), threshold)).collect()
    }

    #[test]
    fn it_is_raised_once_and_again_only_after_the_figure_was_well_below() {
        assert_eq!(raised(&[9, 10, 12, 9, 11, 8, 13, 7, 9, 14, 15], 10.0), [10, 14]);
    }

    #[test]
    fn a_threshold_of_one_is_calm_at_nothing() {
        assert_eq!(raised(&[0, 1, 2, 1, 0, 1], 1.0), [1, 1]);
    }

    #[test]
    fn a_threshold_of_nothing_is_never_reached() {
        assert!(raised(&[0, 1, 1_000_000], 0.0).is_empty());
        let (mut spaced, second) = (Spaced::default(), Duration::from_secs(1));
        assert!(!spaced.raises(second, Duration::ZERO, second, Instant::now()));
    }

    #[test]
    fn what_happens_again_too_soon_is_not_told() {
        let (mut spaced, now) = (Spaced::default(), Instant::now());
        let second = Duration::from_secs(1);
        let mut at =
            |ms, value| spaced.raises(value, second / 2, second, now + Duration::from_millis(ms));
        assert!(!at(0, second / 4));
        assert!(at(10, second));
        assert!(!at(1_000, second));
        assert!(at(1_010, second));
    }
}
