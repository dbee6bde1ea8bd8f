//! How long to leave a dead endpoint alone.

use std::time::Duration;

/// Exponential backoff with full jitter: a random pause between nothing and a bound that doubles
/// with every failure (Brooker, "Exponential Backoff And Jitter", 2015). Full jitter, because
/// several servers that lose one Blender should not all come back in step.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// The first bound.
    pub base: Duration,
    /// The bound stops growing here.
    pub max: Duration,
}

impl Backoff {
    /// The pause after `failures` failures in a row (1 or more).
    pub fn pause(&self, failures: u32) -> Duration {
        self.bound(failures).mul_f64(fastrand::f64())
    }

    fn bound(&self, failures: u32) -> Duration {
        let factor = 1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        self.base.saturating_mul(factor).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_up_to_its_maximum_and_no_pause_exceeds_it() {
        let backoff = Backoff { base: Duration::from_millis(100), max: Duration::from_secs(30) };
        assert_eq!(backoff.bound(1), Duration::from_millis(100));
        assert_eq!(backoff.bound(4), Duration::from_millis(800));
        assert_eq!(backoff.bound(500), Duration::from_secs(30));
        for failures in 1..100 {
            assert!(backoff.pause(failures) <= backoff.bound(failures));
        }
    }
}
