//! When waiting has become pointless for all, some are told so early.
//!
//! CoDel (Nichols and Jacobson, "Controlling Queue Delay", ACM Queue 2012; RFC 8289), over callers
//! instead of packets. A queue that drains now and then is good: it evens out bursts. One in which
//! everybody who was served within a whole interval had waited longer than the target only adds
//! delay; then callers are dropped from its front, at first one an interval, then ever faster
//! (interval / √count), until a wait is below the target again. The last one who waits is never
//! dropped: behind nobody there is no standing queue.

use std::time::Duration;

use tokio::time::Instant;

use super::settings::CodelSettings;

/// Dropping that begins again within so many intervals goes on at the pace it had found.
const MEMORY: u32 = 16;

/// See the module.
#[derive(Debug, Default)]
pub struct Codel {
    /// When the wait will have been above the target for an interval.
    above_until: Option<Instant>,
    /// When the next one is dropped, while dropping.
    drop_next: Option<Instant>,
    /// When the last spell of dropping would have dropped next.
    ceased: Option<Instant>,
    /// Dropped in this spell, and when it began.
    count: u32,
    began_with: u32,
}

impl Codel {
    /// Whether the one at the front, who has `waited`, is to be dropped rather than served; `alone`
    /// says that nobody else waits. Call it once for each one who comes to the front.
    pub fn drops(
        &mut self,
        settings: CodelSettings,
        waited: Duration,
        alone: bool,
        now: Instant,
    ) -> bool {
        let CodelSettings { target, interval } = settings;
        if waited < target || alone {
            self.above_until = None;
            self.ceased = self.drop_next.take().or(self.ceased);
            return false;
        }
        let above_until = *self.above_until.get_or_insert(now + interval);
        if let Some(next) = self.drop_next {
            if now < next {
                return false;
            }
            self.count += 1;
            self.drop_next = Some(next + pace(interval, self.count));
            return true;
        }
        if now < above_until {
            return false;
        }
        let dropped = self.count - self.began_with;
        let recently = self.ceased.is_some_and(|ceased| now < ceased + interval * MEMORY);
        self.count = if dropped > 1 && recently { dropped } else { 1 };
        self.began_with = self.count;
        self.drop_next = Some(now + pace(interval, self.count));
        true
    }
}

/// The control law: ever faster, so that the number of drops grows with the square of the time.
fn pace(interval: Duration, count: u32) -> Duration {
    interval.div_f64(f64::from(count).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const SETTINGS: CodelSettings =
        CodelSettings { target: Duration::from_millis(5), interval: Duration::from_millis(100) };

    const NOBODY: [u32; 0] = [];

    /// Asks once a millisecond, for `ms` of them, with the same wait; says when it dropped.
    fn drops(codel: &mut Codel, from: Instant, ms: u32, waited: Duration) -> Vec<u32> {
        (0..ms).filter(|at| codel.drops(SETTINGS, waited, false, from + MS * *at)).collect()
    }

    #[test]
    fn a_wait_below_the_target_drops_nobody_however_long_it_lasts() {
        assert_eq!(drops(&mut Codel::default(), Instant::now(), 10_000, MS * 4), NOBODY);
    }

    #[test]
    fn nobody_is_dropped_before_the_wait_was_too_long_for_a_whole_interval() {
        let (mut codel, now) = (Codel::default(), Instant::now());
        assert_eq!(drops(&mut codel, now, 100, MS * 50), NOBODY);
        assert!(
            !codel.drops(SETTINGS, MS * 4, false, now + MS * 100),
            "this one was served in time"
        );
        assert_eq!(drops(&mut codel, now + MS * 101, 100, MS * 50), NOBODY);
        assert_eq!(drops(&mut codel, now + MS * 201, 1, MS * 50), [0]);
    }

    #[test]
    fn dropping_goes_ever_faster_until_the_wait_is_below_the_target() {
        let (mut codel, now) = (Codel::default(), Instant::now());
        // 100, then 100/√1, 100/√2, 100/√3 and 100/√4 later.
        assert_eq!(drops(&mut codel, now, 400, MS * 50), [100, 200, 271, 329, 379]);
        assert!(!codel.drops(SETTINGS, MS, false, now + MS * 400));
        assert_eq!(drops(&mut codel, now + MS * 401, 100, MS * 50), NOBODY);
    }

    #[test]
    fn a_spell_that_follows_soon_goes_on_at_the_pace_of_the_one_before() {
        let (mut codel, now) = (Codel::default(), Instant::now());
        assert_eq!(drops(&mut codel, now, 500, MS * 50).len(), 7);
        assert!(!codel.drops(SETTINGS, MS, false, now + MS * 500));
        let again = drops(&mut codel, now + MS * 501, 150, MS * 50);
        assert_eq!(again, [100, 141], "the pace is 100/√6");
        let mut rested = codel;
        assert!(!rested.drops(SETTINGS, MS, false, now + MS * 700));
        let late = drops(&mut rested, now + MS * 5_000, 202, MS * 50);
        assert_eq!(late, [100, 200], "after a long rest the pace is the first one");
    }

    #[test]
    fn the_last_one_who_waits_is_served() {
        let (mut codel, now) = (Codel::default(), Instant::now());
        assert!((0..1_000).all(|at| !codel.drops(SETTINGS, MS * 500, true, now + MS * at)));
    }
}
