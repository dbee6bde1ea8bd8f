//! A queue whose members can leave from anywhere.
//!
//! A doubly linked list through the entries of a slab: joining, leading, and leaving from the
//! middle (a caller gave up) cost the same however long the queue is, and nothing is left behind
//! by those who leave.

use slab::Slab;

/// Where an entry stands in its queue. An entry is in one queue at a time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Links {
    before: Option<usize>,
    behind: Option<usize>,
}

impl Links {
    /// Who stands behind.
    pub fn behind(&self) -> Option<usize> {
        self.behind
    }
}

/// An entry that can stand in a [`Fifo`].
pub trait Linked {
    /// Its links.
    fn links(&mut self) -> &mut Links;
    /// Who stands behind it.
    fn behind(&self) -> Option<usize>;
    /// Its number: a queue is in ascending order of these.
    fn number(&self) -> u64;
    /// Higher goes first, in a queue that minds it.
    fn priority(&self) -> i32 {
        0
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Fifo {
    first: Option<usize>,
    last: Option<usize>,
    len: usize,
}

impl Fifo {
    /// How many stand here.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nobody does.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The one who has waited longest.
    pub fn first(&self) -> Option<usize> {
        self.first
    }

    /// Joins at the place its number gives: at the end, but for one who comes back.
    pub fn join<T: Linked>(&mut self, slab: &mut Slab<T>, key: usize) {
        let number = slab[key].number();
        let mut before = self.last;
        let mut behind = None;
        // One who comes back is among the oldest, but the walk from the end is short for all
        // others; from the front it is short for it.
        if before.is_some_and(|last| slab[last].number() > number) {
            (before, behind) = self.place(slab, number, None);
        }
        self.insert(slab, key, before, behind);
    }

    /// Many at once, in ascending order of their numbers: the queue is walked once for all.
    pub fn join_all<T: Linked>(&mut self, slab: &mut Slab<T>, keys: &[usize]) {
        let mut last = None;
        for key in keys {
            let (before, behind) = self.place(slab, slab[*key].number(), last);
            self.insert(slab, *key, before, behind);
            last = Some(*key);
        }
    }

    /// Between whom this number belongs, behind `from`.
    fn place<T: Linked>(
        &self,
        slab: &Slab<T>,
        number: u64,
        from: Option<usize>,
    ) -> (Option<usize>, Option<usize>) {
        let mut before = from;
        let mut behind = from.map_or(self.first, |from| slab[from].behind());
        while let Some(next) = behind.filter(|next| slab[*next].number() < number) {
            before = Some(next);
            behind = slab[next].behind();
        }
        (before, behind)
    }

    fn insert<T: Linked>(
        &mut self,
        slab: &mut Slab<T>,
        key: usize,
        before: Option<usize>,
        behind: Option<usize>,
    ) {
        *slab[key].links() = Links { before, behind };
        match before {
            Some(before) => slab[before].links().behind = Some(key),
            None => self.first = Some(key),
        }
        match behind {
            Some(behind) => slab[behind].links().before = Some(key),
            None => self.last = Some(key),
        }
        self.len += 1;
    }

    /// Leaves, from wherever it stands. It must stand here.
    pub fn leave<T: Linked>(&mut self, slab: &mut Slab<T>, key: usize) {
        let Links { before, behind } = std::mem::take(slab[key].links());
        match before {
            Some(before) => slab[before].links().behind = behind,
            None => self.first = behind,
        }
        match behind {
            Some(behind) => slab[behind].links().before = before,
            None => self.last = before,
        }
        self.len -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Entry(u64, Links);

    impl Linked for Entry {
        fn links(&mut self) -> &mut Links {
            &mut self.1
        }
        fn behind(&self) -> Option<usize> {
            self.1.behind
        }
        fn number(&self) -> u64 {
            self.0
        }
    }

    proptest! {
        #[test]
        fn whoever_leaves_the_rest_keeps_its_order(steps in prop::collection::vec((0u8..3, 0usize..64), 1..200)) {
            let mut slab = Slab::new();
            let mut fifo = Fifo::default();
            let mut model: Vec<(u64, usize)> = Vec::new();
            let mut away: Vec<usize> = Vec::new();
            let mut next = 0;
            for (step, pick) in steps {
                match step {
                    0 => {
                        next += 1;
                        let key = slab.insert(Entry(next, Links::default()));
                        fifo.join(&mut slab, key);
                        model.push((next, key));
                    }
                    1 if !model.is_empty() => {
                        let (_, key) = model.remove(pick % model.len());
                        fifo.leave(&mut slab, key);
                        away.push(key);
                    }
                    _ if !away.is_empty() => {
                        let key = away.remove(pick % away.len());
                        fifo.join(&mut slab, key);
                        model.push((slab[key].0, key));
                        model.sort_unstable();
                    }
                    _ => {}
                }
                prop_assert_eq!(fifo.len(), model.len());
                prop_assert_eq!(fifo.first(), model.first().map(|(_, key)| *key));
            }
            for (_, key) in model {
                prop_assert_eq!(fifo.first(), Some(key));
                fifo.leave(&mut slab, key);
            }
            prop_assert!(fifo.is_empty() && fifo.last.is_none());
        }
    }
}
