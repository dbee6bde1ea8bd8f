//! A queue with priorities in which nobody starves.
//!
//! One [`Fifo`] for each priority in use: the highest goes first, and within a priority whoever came
//! first. Joining and leaving cost the same however long the line is; they and looking for the first
//! cost one step more for each further priority in use, and most callers know only one.
//!
//! *Ageing by counting.* When [`AGEING`] later-comers of higher priority have been served while the
//! oldest of a line waited, that oldest goes next, before all other lines' too, whatever its
//! priority. So whoever stands in a line with k older ones is served after at most
//! (k + 1) × ([`AGEING`] + 1) services of that line, and where several lines share slots, after at
//! most (k + 1) × ([`AGEING`] + n) services of those slots, with n lines and k older ones in all of
//! them. Counting, not time: a pool that is slow for everybody turns nobody's order around.

use std::cmp::Reverse;

use slab::Slab;

use super::fifo::{Fifo, Linked};

/// So many later-comers of higher priority may pass.
pub const AGEING: u32 = 8;

/// Who goes first of the firsts of several lines: the smallest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// It was not passed too often yet.
    young: bool,
    priority: Reverse<i32>,
    number: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Line {
    /// Highest priority first; none is empty.
    levels: Vec<(i32, Fifo)>,
    len: usize,
    /// The oldest when it was passed last, and how often that happened.
    passed: (u64, u32),
}

impl Line {
    /// How many stand here.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nobody does.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Who is next.
    pub fn first<T: Linked>(&self, slab: &Slab<T>) -> Option<usize> {
        if self.levels.len() > 1 {
            let oldest = self.oldest(slab)?;
            if self.has_aged(slab[oldest].number()) {
                return Some(oldest);
            }
        }
        self.levels.first()?.1.first()
    }

    /// Where the one who is next stands among the firsts of other lines.
    pub fn rank<T: Linked>(&self, slab: &Slab<T>) -> Option<Rank> {
        self.front(slab).map(|(rank, _)| rank)
    }

    /// The same, and who it is.
    pub fn front<T: Linked>(&self, slab: &Slab<T>) -> Option<(Rank, usize)> {
        let index = self.first(slab)?;
        let first = &slab[index];
        let number = first.number();
        let young = !self.has_aged(number);
        Some((Rank { young, priority: Reverse(first.priority()), number }, index))
    }

    /// Who has waited longest.
    pub fn oldest<T: Linked>(&self, slab: &Slab<T>) -> Option<usize> {
        let firsts = self.levels.iter().filter_map(|(_, level)| level.first());
        firsts.min_by_key(|first| slab[*first].number())
    }

    /// Whether anybody has a lower priority; mostly nobody does.
    pub fn has_below(&self, priority: i32) -> bool {
        self.levels.last().is_some_and(|(lowest, _)| *lowest < priority)
    }

    /// Somebody, of this line or another, is served by what could have served this line's oldest.
    pub fn pass<T: Linked>(&mut self, slab: &Slab<T>, served: usize) {
        let Some(oldest) = self.oldest(slab).map(|oldest| &slab[oldest]) else {
            return;
        };
        let (served, number) = (&slab[served], oldest.number());
        if number < served.number() && oldest.priority() < served.priority() {
            let (whom, times) = self.passed;
            self.passed = (number, if whom == number { times + 1 } else { 1 });
        }
    }

    fn has_aged(&self, number: u64) -> bool {
        self.passed.0 == number && self.passed.1 >= AGEING
    }

    /// Joins behind those of its priority: at the end, but for one who comes back.
    pub fn join<T: Linked>(&mut self, slab: &mut Slab<T>, key: usize) {
        self.level(slab[key].priority()).join(slab, key);
        self.len += 1;
    }

    /// Many at once, in ascending order of their numbers, who may all be older than those who
    /// stand here: each level is walked once.
    pub fn join_all<T: Linked>(&mut self, slab: &mut Slab<T>, keys: &[usize]) {
        let mut priorities: Vec<i32> = keys.iter().map(|key| slab[*key].priority()).collect();
        priorities.sort_unstable();
        priorities.dedup();
        for priority in priorities {
            let of_it: Vec<usize> =
                keys.iter().copied().filter(|key| slab[*key].priority() == priority).collect();
            self.level(priority).join_all(slab, &of_it);
        }
        self.len += keys.len();
    }

    /// Leaves, from wherever it stands. It must stand here.
    pub fn leave<T: Linked>(&mut self, slab: &mut Slab<T>, key: usize) {
        let priority = slab[key].priority();
        let Ok(at) = self.find(priority) else { unreachable!("it stands in this line") };
        self.levels[at].1.leave(slab, key);
        if self.levels[at].1.is_empty() {
            self.levels.remove(at);
        }
        self.len -= 1;
    }

    /// Everybody, level by level.
    pub fn everybody<T: Linked>(&self, slab: &Slab<T>) -> Vec<usize> {
        let mut all = Vec::with_capacity(self.len);
        for (_, level) in &self.levels {
            let mut next = level.first();
            while let Some(key) = next {
                all.push(key);
                next = slab[key].behind();
            }
        }
        all
    }

    fn find(&self, priority: i32) -> Result<usize, usize> {
        self.levels.binary_search_by_key(&Reverse(priority), |(of, _)| Reverse(*of))
    }

    fn level(&mut self, priority: i32) -> &mut Fifo {
        let at = self.find(priority).unwrap_or_else(|at| {
            self.levels.insert(at, (priority, Fifo::default()));
            at
        });
        &mut self.levels[at].1
    }
}

#[cfg(test)]
mod tests {
    use super::super::fifo::Links;
    use super::*;
    use proptest::prelude::*;

    struct Entry {
        number: u64,
        priority: i32,
        links: Links,
    }

    impl Linked for Entry {
        fn links(&mut self) -> &mut Links {
            &mut self.links
        }
        fn behind(&self) -> Option<usize> {
            self.links.behind()
        }
        fn number(&self) -> u64 {
            self.number
        }
        fn priority(&self) -> i32 {
            self.priority
        }
    }

    #[derive(Default)]
    struct Stage {
        slab: Slab<Entry>,
        line: Line,
        last: u64,
    }

    impl Stage {
        fn come(&mut self, priority: i32) -> u64 {
            self.last += 1;
            let entry = Entry { number: self.last, priority, links: Links::default() };
            let key = self.slab.insert(entry);
            self.line.join(&mut self.slab, key);
            self.last
        }

        fn serve(&mut self) -> Option<(i32, u64)> {
            let key = self.line.first(&self.slab)?;
            self.line.pass(&self.slab, key);
            self.line.leave(&mut self.slab, key);
            let Entry { number, priority, .. } = self.slab.remove(key);
            Some((priority, number))
        }
    }

    #[test]
    fn the_higher_priority_goes_first_and_within_one_whoever_came_first() {
        let mut stage = Stage::default();
        for priority in [0, -5, 7, 0, 7, -5] {
            stage.come(priority);
        }
        let served: Vec<_> = std::iter::from_fn(|| stage.serve()).collect();
        assert_eq!(served, [(7, 3), (7, 5), (0, 1), (0, 4), (-5, 2), (-5, 6)]);
    }

    #[test]
    fn after_so_many_were_let_pass_the_oldest_goes_next_whatever_its_priority() {
        let mut stage = Stage::default();
        let low = stage.come(-100);
        for _ in 0..AGEING {
            stage.come(100);
            assert_eq!(stage.serve().unwrap().0, 100);
        }
        stage.come(100);
        assert_eq!(stage.serve(), Some((-100, low)));
    }

    #[test]
    fn older_ones_of_higher_priority_are_in_nobodys_way() {
        let mut stage = Stage::default();
        for _ in 0..2 * AGEING {
            stage.come(1);
        }
        stage.come(0);
        for _ in 0..2 * AGEING {
            assert_eq!(stage.serve().unwrap().0, 1);
        }
        assert_eq!(stage.serve().unwrap().0, 0);
    }

    #[test]
    fn many_who_join_at_once_take_the_places_of_their_numbers() {
        let mut stage = Stage::default();
        let mut other = Line::default();
        for priority in [1, 0, 0, 1, 0, 1] {
            stage.come(priority);
        }
        for group in [[0, 2, 5], [1, 3, 4]] {
            for key in group {
                stage.line.leave(&mut stage.slab, key);
            }
            other.join_all(&mut stage.slab, &group);
        }
        assert!(stage.line.is_empty());
        assert_eq!((other.len(), other.everybody(&stage.slab)), (6, vec![0, 3, 5, 1, 2, 4]));
    }

    proptest! {
        #[test]
        fn everybody_is_served_within_the_bound(comings in prop::collection::vec(prop::option::weighted(0.6, -3i32..4), 1..400)) {
            let mut stage = Stage::default();
            // By number: how many older ones waited when it came, and how many services ago that was.
            let mut waiting: Vec<(u64, u64, u64)> = Vec::new();
            let drained = std::iter::repeat_n(None, comings.len());
            for coming in comings.iter().copied().chain(drained) {
                if let Some(priority) = coming {
                    let older = waiting.len() as u64;
                    waiting.push((stage.come(priority), older, 0));
                } else if let Some((_, number)) = stage.serve() {
                    for (_, older, services) in &mut waiting {
                        *services += 1;
                        prop_assert!(*services <= (*older + 1) * u64::from(AGEING + 1));
                    }
                    waiting.retain(|(waits, ..)| *waits != number);
                }
            }
            prop_assert!(waiting.is_empty() && stage.line.is_empty());
        }
    }
}
