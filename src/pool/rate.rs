//! How many may start within any stretch of time.
//!
//! A sliding window, kept as the log of starts that may still matter, so it is exact at its edges:
//! of the starts within any `[t, t + window)` there are never more than `limit`, and the next is
//! possible at the very moment the oldest that counts falls out. (A window that is approximated by
//! two counters, or a bucket that refills, lets twice as many through around an edge.)
//!
//! What was let go ahead has not started yet, and until it says that it has, it counts as starting
//! now, whenever now is.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// How far back [`Rate::count`] sees, and how many starts at most, beyond what the windows need.
const LOOK_BACK: Duration = Duration::from_secs(60);
const KEPT: usize = 10_000;

/// At most `limit` starts within any `length` of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// From 1.
    pub limit: usize,
    /// A second or a minute, say.
    pub length: Duration,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Rate {
    windows: Vec<Window>,
    /// When those started that some window may still hold, oldest first.
    started: VecDeque<Instant>,
    /// Those that were let go ahead and have not started.
    ahead: usize,
}

/// When the next may go ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Now.
    Now,
    /// At this moment.
    At(Instant),
    /// When one that went ahead has started, or has turned back.
    Unknown,
}

impl Rate {
    /// Holds to all of `windows`; none: to nothing.
    pub fn new(windows: Vec<Window>) -> Self {
        Rate { windows, ..Rate::default() }
    }

    /// Whether there is anything to hold to.
    pub fn is_limited(&self) -> bool {
        !self.windows.is_empty()
    }

    /// When the next may go ahead.
    pub fn next(&self, now: Instant) -> Next {
        let mut next = Next::Now;
        for window in &self.windows {
            // So many of those that started may count; with one more there would be one too many.
            let Some(room) = window.limit.checked_sub(self.ahead + 1) else {
                return Next::Unknown;
            };
            let Some(oldest) = self.started.iter().rev().nth(room) else { continue };
            let free = *oldest + window.length;
            if free > now && !matches!(next, Next::At(at) if at >= free) {
                next = Next::At(free);
            }
        }
        next
    }

    /// How many may go ahead now, whenever they start.
    pub fn room(&self, now: Instant) -> usize {
        let room = |window: &Window| {
            let gone = self.started.partition_point(|at| *at + window.length <= now);
            let counting = self.started.len() - gone;
            window.limit.saturating_sub(counting + self.ahead)
        };
        self.windows.iter().map(room).min().unwrap_or(usize::MAX)
    }

    /// So many go ahead.
    pub fn go_ahead(&mut self, count: usize) {
        self.ahead += count;
    }

    /// So many that went ahead start now.
    pub fn start(&mut self, now: Instant, count: usize) {
        self.ahead = self.ahead.saturating_sub(count);
        // A clock read by another thread may be a little behind.
        let now = self.started.back().map_or(now, |last| now.max(*last));
        // Of more than may be kept, the last ones count.
        let kept = if self.is_limited() { count } else { count.min(KEPT) };
        self.started.extend(std::iter::repeat_n(now, kept));
        // The oldest that count for a window, and what `count` is asked for, within bounds.
        let most = self.windows.iter().map(|window| window.limit).max().unwrap_or(0);
        let matters =
            |at: Instant, len: usize| len <= most || (len <= KEPT && at + LOOK_BACK > now);
        while let Some(oldest) = self.started.front()
            && !matters(*oldest, self.started.len())
        {
            self.started.pop_front();
        }
    }

    /// So many that went ahead will never start.
    pub fn turn_back(&mut self, count: usize) {
        self.ahead = self.ahead.saturating_sub(count);
    }

    /// How many started within the last `length`, a minute at most.
    pub fn count(&self, length: Duration, now: Instant) -> usize {
        self.started.iter().rev().take_while(|at| **at + length > now).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    fn of(limit: usize, length: Duration) -> Rate {
        Rate::new(vec![Window { limit, length }])
    }

    fn start(rate: &mut Rate, at: Instant) {
        rate.go_ahead(1);
        rate.start(at, 1);
    }

    #[test]
    fn the_next_is_possible_at_the_very_moment_the_oldest_falls_out() {
        let t = Instant::now();
        let mut rate = of(2, MS * 1000);
        start(&mut rate, t);
        assert_eq!(rate.next(t), Next::Now);
        start(&mut rate, t + MS * 300);
        let free = t + MS * 1000;
        assert_eq!(rate.next(t + MS * 300), Next::At(free));
        assert_eq!(rate.next(free - Duration::from_nanos(1)), Next::At(free));
        assert_eq!(rate.next(free), Next::Now);
        start(&mut rate, free);
        assert_eq!(rate.next(free), Next::At(t + MS * 1300));
    }

    #[test]
    fn one_that_went_ahead_counts_as_starting_now_until_it_has() {
        let t = Instant::now();
        let mut rate = of(1, MS * 1000);
        rate.go_ahead(1);
        // However long ago that was: it may start at any moment.
        assert_eq!(rate.next(t + MS * 5_000), Next::Unknown);
        rate.start(t + MS * 5_000, 1);
        assert_eq!(rate.next(t + MS * 5_000), Next::At(t + MS * 6_000));
    }

    #[test]
    fn one_that_turned_back_never_counted() {
        let t = Instant::now();
        let mut rate = of(1, MS * 1000);
        rate.go_ahead(1);
        rate.turn_back(1);
        assert_eq!(rate.next(t), Next::Now);
        assert_eq!(rate.count(MS * 1000, t), 0);
    }

    #[test]
    fn every_window_must_allow_it() {
        let t = Instant::now();
        let mut rate = Rate::new(vec![
            Window { limit: 2, length: MS * 10 },
            Window { limit: 3, length: MS * 100 },
        ]);
        start(&mut rate, t);
        start(&mut rate, t);
        assert_eq!(rate.next(t), Next::At(t + MS * 10));
        start(&mut rate, t + MS * 10);
        assert_eq!(rate.next(t + MS * 10), Next::At(t + MS * 100));
    }

    #[test]
    fn a_clock_that_is_behind_takes_nothing_back() {
        let t = Instant::now();
        let mut rate = of(2, MS * 1000);
        start(&mut rate, t + MS);
        start(&mut rate, t);
        assert_eq!(rate.next(t + MS), Next::At(t + MS * 1001));
    }

    #[test]
    fn without_windows_it_counts_all_the_same_within_bounds() {
        let t = Instant::now();
        let mut rate = Rate::new(Vec::new());
        assert!(!rate.is_limited());
        for n in 0..20_000 {
            rate.start(t + MS * n, 1);
        }
        assert_eq!(rate.next(t), Next::Now);
        assert_eq!(rate.count(MS * 1000, t + MS * 19_999), 1000);
        assert_eq!(rate.started.len(), KEPT);
        let later = t + MS * 80_001;
        rate.start(later, 1);
        assert_eq!(rate.started.len(), 1);
        assert_eq!(rate.count(MS * 1000, later), 1);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Ask,
        Start,
        TurnBack,
        Pass(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => Just(Step::Ask),
            3 => Just(Step::Start),
            1 => Just(Step::TurnBack),
            3 => (0u64..40).prop_map(Step::Pass),
        ];
        prop::collection::vec(step, 1..300)
    }

    /// As simple as can be: the first moment from `now` on at which every window has room.
    fn naive(windows: &[Window], started: &[Instant], ahead: usize, now: Instant) -> Next {
        let fits = |at: Instant| {
            windows.iter().all(|window| {
                let counting = started.iter().filter(|start| **start + window.length > at).count();
                counting + ahead < window.limit
            })
        };
        if windows.iter().any(|window| ahead >= window.limit) {
            return Next::Unknown;
        }
        if fits(now) {
            return Next::Now;
        }
        let mut moments: Vec<Instant> = started
            .iter()
            .flat_map(|start| windows.iter().map(|window| *start + window.length))
            .filter(|at| *at > now)
            .collect();
        moments.sort_unstable();
        moments.into_iter().find(|at| fits(*at)).map_or(Next::Unknown, Next::At)
    }

    proptest! {
        #[test]
        fn it_says_what_counting_everything_would_say(
            windows in prop::collection::vec((1usize..6, 1u64..60), 1..4),
            steps in steps(),
        ) {
            let windows: Vec<Window> = windows
                .into_iter()
                .map(|(limit, length)| Window { limit, length: MS * length as u32 })
                .collect();
            let mut rate = Rate::new(windows.clone());
            let mut started: Vec<Instant> = Vec::new();
            let (mut ahead, mut now) = (0, Instant::now());
            for step in steps {
                match step {
                    Step::Ask if rate.next(now) == Next::Now => {
                        rate.go_ahead(1);
                        ahead += 1;
                    }
                    Step::Start if ahead > 0 => {
                        rate.start(now, 1);
                        ahead -= 1;
                        started.push(now);
                    }
                    Step::TurnBack if ahead > 0 => {
                        rate.turn_back(1);
                        ahead -= 1;
                    }
                    Step::Pass(ms) => now += MS * ms as u32,
                    _ => {}
                }
                prop_assert_eq!(rate.next(now), naive(&windows, &started, ahead, now));
                for window in &windows {
                    let counting = started.iter().filter(|at| **at + window.length > now).count();
                    prop_assert_eq!(rate.count(window.length, now), counting);
                    // Within any stretch, not only one that ends now.
                    for pair in started.windows(window.limit + 1) {
                        prop_assert!(pair[window.limit] - pair[0] >= window.length);
                    }
                }
            }
        }
    }
}
