//! When an endpoint that fails may be tried, and what that means for those who wait for it.
//!
//! ```text
//!   CLOSED ──an attempt fails──> OPEN ──its pause is over, somebody wants it──> HALF-OPEN
//!      ^                          ^ └──────────────── an attempt fails ────────────┘ │
//!      └──────────────────────────┴───────────── it answers ─────────────────────────┘
//! ```
//!
//! A circuit breaker (Nygard, "Release It!", 2007). Open, nothing is tried; the pause grows with
//! every failure. Half-open, exactly one attempt goes on, whoever wants one: a caller, the
//! minimum, or those who were sent elsewhere meanwhile. With nothing open at the endpoint it is
//! *out*: for the pool's patience callers ride that out (a Blender that restarts is away for a
//! second or two), and after it they are refused as soon as they have had a try. Who comes then
//! waits for the first pause at most, which is short; where it is not, and no try is due soon, they
//! are refused at once.

use std::time::Duration;

use tokio::time::Instant;

use crate::fault::Fault;

/// For so long at most a caller waits for a try when the outage has lasted for longer than patience.
const SOON: Duration = Duration::from_secs(1);

/// See the module. Plain data under the engine's lock.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// Attempts that failed in a row.
    pub failures: u32,
    pub last_fault: Option<Fault>,
    /// No attempt before this.
    pub retry_at: Option<Instant>,
    /// When the last attempt that failed had begun, and when it failed: who came before that has
    /// had a try.
    began: Option<Instant>,
    failed_at: Option<Instant>,
    outage: Option<Outage>,
}

#[derive(Clone, Copy, Debug)]
struct Outage {
    /// When the attempt began that found it out: for callers it was out from then on.
    began: Instant,
    since: Instant,
}

impl Breaker {
    /// An attempt failed; none for `pause`. `is_out`: nothing else is open there. Says whether that
    /// is news.
    pub fn fail(
        &mut self,
        began: Instant,
        fault: Fault,
        pause: Duration,
        is_out: bool,
        now: Instant,
    ) -> bool {
        self.last_fault = Some(fault);
        self.began = self.began.max(Some(began));
        self.failed_at = Some(now);
        self.retry_at = now.checked_add(pause).or(Some(now));
        let news = is_out && self.outage.is_none();
        if news {
            self.outage = Some(Outage { began, since: now });
        }
        news
    }

    /// It answered. Since when it had been out, if it had.
    pub fn close(&mut self) -> Option<Instant> {
        std::mem::take(self).outage.map(|outage| outage.since)
    }

    /// Whether one more attempt may be made, beside those that go on.
    pub fn lets(&self, going_on: usize, now: Instant) -> bool {
        self.failures == 0 || (going_on == 0 && self.retry_at.is_none_or(|at| at <= now))
    }

    /// When callers have ridden out this outage for long enough.
    pub fn over(&self, patience: Duration) -> Option<Instant> {
        self.outage.and_then(|outage| outage.began.checked_add(patience))
    }

    /// Whether a try failed after (or while) one who came at `since` waited.
    pub fn has_tried_for(&self, since: Instant) -> bool {
        self.failed_at.is_some_and(|failed_at| failed_at >= since)
    }

    /// Somebody new wants it. The pause has grown while nobody was there to help by it; for who
    /// comes now only the first pause, `base`, counts: a live try, but not one for each of many
    /// callers. Says when the next attempt is due, if that is sooner now.
    pub fn hurry(&mut self, base: Duration, now: Instant) -> Option<Instant> {
        let sooner = self.began.map_or(now, |began| began + base).max(now);
        if self.retry_at.is_none_or(|at| at <= sooner) {
            return None;
        }
        self.retry_at = Some(sooner);
        Some(sooner)
    }

    /// Whether there is nothing to wait for: nothing is being tried, nor will be soon.
    pub fn is_hopeless(&self, going_on: usize, now: Instant) -> bool {
        going_on == 0 && self.retry_at.is_some_and(|at| at.saturating_duration_since(now) > SOON)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Code;

    const MS: Duration = Duration::from_millis(1);
    const BASE: Duration = Duration::from_millis(100);
    const PATIENCE: Duration = Duration::from_secs(3);

    fn failing(began: Instant, pause: Duration) -> Breaker {
        let mut breaker = Breaker { failures: 1, ..Breaker::default() };
        assert!(breaker.fail(began, Fault::new(Code::Connect, "refused"), pause, true, began));
        breaker
    }

    #[test]
    fn open_lets_nobody_and_half_open_lets_one() {
        let now = Instant::now();
        let breaker = failing(now, MS * 500);
        assert!(!breaker.lets(0, now + MS * 499));
        assert!(breaker.lets(0, now + MS * 500));
        assert!(!breaker.lets(1, now + MS * 500), "one probe goes on");
        assert!(Breaker::default().lets(7, now), "closed, it limits nobody");
    }

    #[test]
    fn an_outage_is_news_once_and_over_when_it_answers() {
        let now = Instant::now();
        let mut breaker = failing(now, BASE);
        let fault = Fault::new(Code::Connect, "refused");
        assert!(!breaker.fail(now + BASE, fault, BASE, true, now + BASE));
        assert_eq!(breaker.over(PATIENCE), Some(now + PATIENCE));
        assert_eq!(breaker.close(), Some(now));
        assert!(breaker.lets(1, now) && breaker.over(PATIENCE).is_none());
    }

    #[test]
    fn who_comes_is_tried_for_after_the_first_pause_however_long_the_pauses_have_become() {
        let now = Instant::now();
        let mut breaker = failing(now, MS * 60_000);
        assert_eq!(breaker.hurry(BASE, now + MS * 30), Some(now + BASE));
        assert_eq!(breaker.hurry(BASE, now + MS * 40), None, "it is due already");
        let mut breaker = failing(now, MS * 60_000);
        assert_eq!(breaker.hurry(BASE, now + PATIENCE), Some(now + PATIENCE), "a live try");
    }

    #[test]
    fn there_is_nothing_to_wait_for_when_no_try_is_made_and_none_is_due_soon() {
        let now = Instant::now();
        let breaker = failing(now, MS * 60_000);
        assert!(breaker.is_hopeless(0, now));
        assert!(!breaker.is_hopeless(1, now), "a probe goes on");
        assert!(!breaker.is_hopeless(0, now + MS * 60_000 - SOON));
    }
}
