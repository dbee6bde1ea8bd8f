//! What must happen at which time, at the latest.
//!
//! One timer serves a whole pool. It is *lazy*: taking an entry out does not move it, and an entry
//! later than the one it is set for does not either, so a stream of commands that all finish in
//! time costs no wake-ups. When it goes off for nothing, it is set for the earliest entry left.

use std::collections::BTreeMap;

use tokio::time::Instant;

/// A place in [`Deadlines`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(Instant, u64);

impl Stamp {
    /// When it falls due.
    pub fn due(self) -> Instant {
        self.0
    }
}

/// See the module.
#[derive(Debug)]
pub struct Deadlines<T> {
    entries: BTreeMap<Stamp, T>,
    count: u64,
    /// When the timer goes off next; never later than the earliest entry.
    armed: Option<Instant>,
}

impl<T> Default for Deadlines<T> {
    fn default() -> Self {
        Deadlines { entries: BTreeMap::new(), count: 0, armed: None }
    }
}

impl<T> Deadlines<T> {
    /// Adds an entry. Ask [`rearm`](Self::rearm) afterwards whether the timer must be moved.
    pub fn insert(&mut self, at: Instant, what: T) -> Stamp {
        self.count += 1;
        let stamp = Stamp(at, self.count);
        self.entries.insert(stamp, what);
        stamp
    }

    /// Takes an entry out; nothing happens when it has gone already.
    pub fn remove(&mut self, stamp: Stamp) {
        self.entries.remove(&stamp);
    }

    /// How many entries there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Takes out the earliest entry that is due.
    pub fn due(&mut self, now: Instant) -> Option<T> {
        let earliest = self.entries.first_entry()?;
        (earliest.key().0 <= now).then(|| earliest.remove())
    }

    /// Whether the timer is set too late (or not at all); then it counts as set anew.
    pub fn rearm(&mut self) -> bool {
        let Some((Stamp(earliest, _), _)) = self.entries.first_key_value() else {
            return false;
        };
        if self.armed.is_some_and(|armed| armed <= *earliest) {
            return false;
        }
        self.armed = Some(*earliest);
        true
    }

    /// The timer has gone off (or is asked for the first time): when must it go off next?
    pub fn arm(&mut self) -> Option<Instant> {
        self.armed = self.entries.first_key_value().map(|(Stamp(earliest, _), _)| *earliest);
        self.armed
    }
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
