//! What must happen at which time, at the latest.
//!
//! One timer serves a whole pool. It is *lazy*: taking an entry out does not move it, and an entry
//! later than the one it is set for does not either, so a stream of commands that all finish in
//! time costs no wake-ups. When it goes off for nothing, it is set for the earliest entry left.
//!
//! So is the heap: what was taken out stays in it until it comes up, or until too little of the heap
//! is left and all of it is swept. Most entries are taken out, and that costs next to nothing.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use slab::Slab;
use tokio::time::Instant;

/// The heap may have so many more stamps than twice as many as there are entries.
const SLACK: usize = 64;

/// A place in [`Deadlines`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    at: Instant,
    number: u64,
    index: usize,
}

impl Stamp {
    /// When it falls due.
    pub fn due(self) -> Instant {
        self.at
    }
}

/// See the module.
#[derive(Debug)]
pub struct Deadlines<T> {
    /// Earliest first, and some of entries that are gone.
    stamps: BinaryHeap<Reverse<Stamp>>,
    /// Each with its number.
    entries: Slab<(u64, T)>,
    count: u64,
    /// When the timer goes off next; never later than the earliest entry.
    armed: Option<Instant>,
}

impl<T> Default for Deadlines<T> {
    fn default() -> Self {
        Deadlines { stamps: BinaryHeap::new(), entries: Slab::new(), count: 0, armed: None }
    }
}

impl<T> Deadlines<T> {
    /// Adds an entry. Ask [`rearm`](Self::rearm) afterwards whether the timer must be moved.
    pub fn insert(&mut self, at: Instant, what: T) -> Stamp {
        self.count += 1;
        let number = self.count;
        let stamp = Stamp { at, number, index: self.entries.insert((number, what)) };
        self.stamps.push(Reverse(stamp));
        stamp
    }

    /// Takes an entry out; nothing happens when it has gone already.
    pub fn remove(&mut self, stamp: Stamp) {
        if self.has(stamp) {
            self.entries.remove(stamp.index);
            if self.stamps.len() > 2 * self.entries.len() + SLACK {
                let entries = &self.entries;
                self.stamps.retain(|Reverse(stamp)| is_among(entries, *stamp));
            }
        }
    }

    fn has(&self, stamp: Stamp) -> bool {
        is_among(&self.entries, stamp)
    }

    /// How many entries there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The earliest entry.
    fn first(&mut self) -> Option<Stamp> {
        while let Some(Reverse(stamp)) = self.stamps.peek().copied() {
            if self.has(stamp) {
                return Some(stamp);
            }
            self.stamps.pop();
        }
        None
    }

    /// Whether the timer should have gone off by now.
    pub fn is_due(&self, now: Instant) -> bool {
        self.armed.is_some_and(|armed| armed <= now)
    }

    /// Takes out the earliest entry that is due.
    pub fn due(&mut self, now: Instant) -> Option<T> {
        let first = self.first().filter(|first| first.at <= now)?;
        self.stamps.pop();
        Some(self.entries.remove(first.index).1)
    }

    /// Whether the timer is set too late (or not at all); then it counts as set anew.
    pub fn rearm(&mut self) -> bool {
        let Some(first) = self.first() else {
            return false;
        };
        if self.armed.is_some_and(|armed| armed <= first.at) {
            return false;
        }
        self.armed = Some(first.at);
        true
    }

    /// The timer has gone off (or is asked for the first time): when must it go off next?
    pub fn arm(&mut self) -> Option<Instant> {
        self.armed = self.first().map(Stamp::due);
        self.armed
    }
}

fn is_among<T>(entries: &Slab<(u64, T)>, stamp: Stamp) -> bool {
    entries.get(stamp.index).is_some_and(|(number, _)| *number == stamp.number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn entries_fall_due_in_order_of_time() {
        let now = Instant::now();
        let mut deadlines = Deadlines::default();
        deadlines.insert(now + Duration::from_secs(2), "late");
        deadlines.insert(now + Duration::from_secs(1), "early");
        assert_eq!(deadlines.due(now), None);
        assert_eq!(deadlines.due(now + Duration::from_secs(3)), Some("early"));
        assert_eq!(deadlines.due(now + Duration::from_secs(3)), Some("late"));
    }

    #[test]
    fn what_was_taken_out_leaves_nothing_behind_and_hides_nothing() {
        let now = Instant::now();
        let mut deadlines = Deadlines::default();
        deadlines.insert(now + Duration::from_secs(9), 9);
        for _ in 0..1_000 {
            let stamp = deadlines.insert(now + Duration::from_secs(1), 1);
            deadlines.remove(stamp);
            deadlines.remove(stamp);
            assert!(deadlines.stamps.len() <= 2 * deadlines.len() + SLACK);
        }
        // In the place of the last one, which must not be taken for it.
        deadlines.insert(now + Duration::from_secs(5), 5);
        assert_eq!(deadlines.arm(), Some(now + Duration::from_secs(5)));
        assert_eq!(deadlines.due(now + Duration::from_secs(9)), Some(5));
        assert_eq!(deadlines.due(now + Duration::from_secs(9)), Some(9));
        assert_eq!((deadlines.due(now + Duration::from_secs(9)), deadlines.len()), (None, 0));
    }

    #[test]
    fn the_timer_moves_only_for_an_earlier_entry() {
        let now = Instant::now();
        let mut deadlines = Deadlines::default();
        let first = deadlines.insert(now + Duration::from_secs(5), ());
        assert!(deadlines.rearm());
        deadlines.remove(first);
        deadlines.insert(now + Duration::from_secs(6), ());
        assert!(!deadlines.rearm(), "a later entry moved the timer");
        deadlines.insert(now + Duration::from_secs(4), ());
        assert!(deadlines.rearm(), "an earlier entry must move it");
        assert_eq!(deadlines.arm(), Some(now + Duration::from_secs(4)));
    }
}
