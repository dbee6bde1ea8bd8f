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

    /// One goes ahead.
    pub fn go_ahead(&mut self) {
        self.ahead += 1;
    }

    /// One that went ahead starts now.
    pub fn start(&mut self, now: Instant) {
        self.ahead = self.ahead.saturating_sub(1);
        // A clock read by another thread may be a little behind.
        let now = self.started.back().map_or(now, |last| now.max(*last));
        self.started.push_back(now);
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

    /// One that went ahead will never start.
    pub fn turn_back(&mut self) {
        self.ahead = self.ahead.saturating_sub(1);
    }

    /// How many started within the last `length`, a minute at most.
    pub fn count(&self, length: Duration, now: Instant) -> usize {
        self.started.iter().rev().take_while(|at| **at + length > now).count()
    }
}
