//! The slot table: who holds what, one compare-and-swap at a time.
//!
//! A slot is one 32-bit word:
//!
//! ```text
//!   31                       3 2   0       word 0:    how many slots are taken
//!  ┌──────────────────────────┬─────┐      words 1..: one bit a slot, set while it is idle
//!  │ generation               │state│      the rest:  the slots
//!  └──────────────────────────┴─────┘
//! ```
//!
//! Read this page as a proof. N is the pool's limit, and a slot that is not EMPTY is taken.
//!
//! 1. *Never above N.* Something is opened only in a slot that went EMPTY → CREATED, and before
//!    that the count of taken slots went up by one, by compare-and-swap, from below N. It goes down
//!    by one after a slot is EMPTY again, which is after what it held is gone. When N is made
//!    smaller, nothing is taken until the count has fallen below it.
//! 2. *Never two holders.* A claim is IDLE → IN_USE by compare-and-swap: of two, one fails.
//! 3. *Never freed by a stranger.* A lease is (slot, generation), and every opening, claim and
//!    hand-off makes a new generation. Releasing an old lease compares with a word that is no longer there.
//! 4. *No other arrow.* Every change goes through [`SlotTable::change`], which refuses what
//!    [`State::may_become`] does not have.
//!
//! The idle bits are a hint for finding an idle slot in constant time; the word alone decides. A
//! bit is set after its word says IDLE and cleared after a claim, so a stale bit costs a failed
//! compare-and-swap and nothing else.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, SeqCst};

use super::shelf::{SHELF_SLOTS, SLOTS_PER_WORD};
use super::state::State;

/// The most slots a table can have.
pub const MAX_SLOTS: u32 = 1024;

const STATE_BITS: u32 = 3;
const STATE_MASK: u32 = (1 << STATE_BITS) - 1;

/// Proof of a claim: this slot, this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lease {
    /// The slot's index, below [`MAX_SLOTS`].
    pub slot: u32,
    /// 29 bits; a new one for each opening, each claim and each hand-off.
    pub generation: u32,
}

impl Lease {
    /// After this one they begin anew.
    pub const LAST_GENERATION: u32 = u32::MAX >> STATE_BITS;
}

/// The word was not what it had to be; nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// What the slot is.
    pub found: State,
}

/// The count of taken slots.
const TAKEN: usize = 0;
/// Words of idle bits, and where they begin.
const BITMAP: usize = MAX_SLOTS.div_ceil(32) as usize;
const FIRST_BIT: usize = TAKEN + 1;
const FIRST_SLOT: usize = FIRST_BIT + BITMAP;

/// See the module.
#[derive(Debug)]
pub struct SlotTable {
    words: Box<[AtomicU32]>,
    limit: AtomicU32,
    /// Slots whose word has changed since somebody asked, one bit each, as many to a word as the
    /// [shelf](super::shelf) has. No part of the proof: written and read under the engine's lock.
    changed: Box<[AtomicU32]>,
}

impl SlotTable {
    /// A table of empty slots of which `limit` may be taken, 1 to [`MAX_SLOTS`].
    pub fn new(limit: u32) -> Self {
        let table = SlotTable {
            words: zeroed(FIRST_SLOT + MAX_SLOTS as usize),
            limit: AtomicU32::new(limit),
            changed: zeroed((SHELF_SLOTS / SLOTS_PER_WORD) as usize),
        };
        table.resize(limit);
        table
    }

    /// How many slots may be taken from now on. Those taken above it stay until they are reaped.
    pub fn resize(&self, limit: u32) {
        assert!((1..=MAX_SLOTS).contains(&limit), "1 to {MAX_SLOTS} slots, not {limit}");
        self.limit.store(limit, SeqCst);
    }

    /// How many slots are not EMPTY.
    pub fn taken(&self) -> u32 {
        self.words[TAKEN].load(Acquire)
    }

    fn word(&self, slot: u32) -> &AtomicU32 {
        &self.words[FIRST_SLOT + slot as usize]
    }

    /// What a slot is, and its generation.
    pub fn read(&self, slot: u32) -> (State, u32) {
        let word = self.word(slot).load(Acquire);
        (State::from_bits(word & STATE_MASK), word >> STATE_BITS)
    }

    /// Whether `lease` is the current claim of its slot.
    pub fn is_held(&self, lease: Lease) -> bool {
        lease.slot < MAX_SLOTS && self.read(lease.slot) == (State::InUse, lease.generation)
    }

    /// Moves a slot along one arrow, if it is still `from` and (when given) of `generation`.
    #[inline(always)]
    fn change(
        &self,
        slot: u32,
        from: State,
        generation: Option<u32>,
        to: State,
    ) -> Result<u32, Conflict> {
        assert!(from.may_become(to), "no rule moves a slot from {from:?} to {to:?}");
        let word = self.word(slot);
        let mut seen = word.load(Acquire);
        loop {
            let (state, current) = (State::from_bits(seen & STATE_MASK), seen >> STATE_BITS);
            if state != from || generation.is_some_and(|wanted| wanted != current) {
                return Err(Conflict { found: state });
            }
            // What is opened anew counts as well: user code holds it before anybody claims it, and
            // a holder of what was there before must not be taken for that.
            let is_new = matches!(to, State::Created | State::InUse);
            let next = if is_new { (current + 1) & Lease::LAST_GENERATION } else { current };
            // SeqCst, not AcqRel: release stores IDLE and then looks for waiters, enqueueing
            // counts a waiter and then looks for idle slots; neither may pass the other.
            match word.compare_exchange_weak(seen, next << STATE_BITS | to as u32, SeqCst, Acquire)
            {
                Ok(_) => {
                    self.touch(slot);
                    return Ok(next);
                }
                Err(now) => seen = now,
            }
        }
    }

    /// EMPTY → CREATED, under a new generation: takes the capacity, before any I/O. `None` when `slot` is not empty, or as
    /// many as may be are taken.
    pub fn reserve(&self, slot: u32) -> Option<u32> {
        let limit = self.limit.load(SeqCst);
        let taken = &self.words[TAKEN];
        taken.fetch_update(SeqCst, Relaxed, |taken| (taken < limit).then_some(taken + 1)).ok()?;
        if self.change(slot, State::Empty, None, State::Created).is_err() {
            taken.fetch_sub(1, SeqCst);
            return None;
        }
        Some(slot)
    }

    /// CREATED → INITIALIZING.
    pub fn begin(&self, slot: u32) -> Result<(), Conflict> {
        self.change(slot, State::Created, None, State::Initializing).map(drop)
    }

    /// INITIALIZING → IDLE.
    pub fn ready(&self, slot: u32) -> Result<(), Conflict> {
        self.change(slot, State::Initializing, None, State::Idle)?;
        self.mark(slot, true);
        Ok(())
    }

    /// UNUSABLE → IDLE: mended.
    pub fn mend(&self, slot: u32) -> Result<(), Conflict> {
        self.change(slot, State::Unusable, None, State::Idle)?;
        self.mark(slot, true);
        Ok(())
    }

    /// IDLE → IN_USE, under a new generation.
    pub fn claim(&self, slot: u32) -> Result<Lease, Conflict> {
        let generation = self.change(slot, State::Idle, None, State::InUse)?;
        self.mark(slot, false);
        Ok(Lease { slot, generation })
    }

    /// IN_USE → IN_USE under a new generation: from one holder to the next, without the slot ever
    /// being idle in between.
    pub fn hand_off(&self, lease: Lease) -> Result<Lease, Conflict> {
        let generation =
            self.change(lease.slot, State::InUse, Some(lease.generation), State::InUse)?;
        Ok(Lease { generation, ..lease })
    }

    /// IN_USE → IDLE.
    pub fn release(&self, lease: Lease) -> Result<(), Conflict> {
        self.change(lease.slot, State::InUse, Some(lease.generation), State::Idle)?;
        self.mark(lease.slot, true);
        Ok(())
    }

    /// IN_USE → UNUSABLE: the holder's connection leaves the pool.
    pub fn retire_held(&self, lease: Lease) -> Result<(), Conflict> {
        self.change(lease.slot, State::InUse, Some(lease.generation), State::Unusable).map(drop)
    }

    /// IDLE → UNUSABLE.
    pub fn retire_idle(&self, slot: u32) -> Result<(), Conflict> {
        self.change(slot, State::Idle, None, State::Unusable)?;
        self.mark(slot, false);
        Ok(())
    }

    /// → CLOSED → EMPTY from wherever the diagram allows: the capacity is free again.
    pub fn reap(&self, slot: u32) -> Result<(), Conflict> {
        loop {
            let (state, generation) = self.read(slot);
            let arrow = match state {
                State::Empty => return Err(Conflict { found: state }),
                State::Closed => State::Empty,
                // What is held leaves by way of UNUSABLE, as every holder's connection does.
                State::InUse => State::Unusable,
                State::Created | State::Initializing | State::Idle | State::Unusable => {
                    State::Closed
                }
            };
            if self.change(slot, state, Some(generation), arrow).is_ok() {
                if state == State::Idle {
                    self.mark(slot, false);
                }
                if arrow == State::Empty {
                    self.words[TAKEN].fetch_sub(1, SeqCst);
                    return Ok(());
                }
            }
        }
    }

    /// An idle slot among `members` (one bit a slot), the `hint` first. The answer is a guess:
    /// only [`claim`](Self::claim) decides.
    pub fn find_idle(&self, members: &[u32], hint: u32) -> Option<u32> {
        let is_set = |slot: u32| {
            let bit = 1 << (slot % 32);
            let word = (slot / 32) as usize;
            members.get(word).is_some_and(|mask| mask & bit != 0)
                && self.bitmap(word).load(Acquire) & bit != 0
        };
        if is_set(hint) {
            return Some(hint);
        }
        members.iter().enumerate().find_map(|(word, mask)| {
            let idle = self.bitmap(word).load(Acquire) & mask;
            (idle != 0).then(|| word as u32 * 32 + idle.trailing_zeros())
        })
    }

    /// Every idle slot among `members`, as far as the bits say.
    pub fn idle<'a>(&'a self, members: &'a [u32]) -> impl Iterator<Item = u32> + 'a {
        members.iter().enumerate().flat_map(|(word, mask)| {
            let mut idle = self.bitmap(word).load(Acquire) & mask;
            std::iter::from_fn(move || {
                let bit = (idle != 0).then(|| idle.trailing_zeros())?;
                idle &= idle - 1;
                Some(word as u32 * 32 + bit)
            })
        })
    }

    /// Whether any of the first so many is idle, as far as the bits say.
    pub fn has_idle(&self, slots: usize) -> bool {
        (0..slots.div_ceil(32)).any(|word| self.bitmap(word).load(Acquire) != 0)
    }

    /// How many of the first so many are idle, as far as the bits say.
    pub fn idle_count(&self, slots: usize) -> u32 {
        (0..slots.div_ceil(32)).map(|word| self.bitmap(word).load(Acquire).count_ones()).sum()
    }

    /// The slot counts as changed, though its word may not have.
    pub fn touch(&self, slot: u32) {
        if slot < SHELF_SLOTS {
            let word = &self.changed[(slot / SLOTS_PER_WORD) as usize];
            // Under the engine's lock: nobody writes in between.
            word.store(word.load(Relaxed) | 1 << (slot % SLOTS_PER_WORD), Relaxed);
        }
    }

    /// All slots count as changed.
    pub fn touch_all(&self) {
        for word in &self.changed {
            word.store((1 << SLOTS_PER_WORD) - 1, Relaxed);
        }
    }

    /// The slots of a word that have changed since this was last asked, one bit each.
    pub fn take_changed(&self, word: usize) -> u32 {
        let changed = self.changed[word].load(Relaxed);
        self.changed[word].store(0, Relaxed);
        changed
    }

    fn bitmap(&self, word: usize) -> &AtomicU32 {
        &self.words[FIRST_BIT + word]
    }

    fn mark(&self, slot: u32, idle: bool) {
        let (word, bit) = (self.bitmap((slot / 32) as usize), 1 << (slot % 32));
        if idle {
            word.fetch_or(bit, AcqRel);
        } else {
            word.fetch_and(!bit, AcqRel);
        }
    }
}

fn zeroed(count: usize) -> Box<[AtomicU32]> {
    (0..count).map(|_| AtomicU32::new(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle_table(slots: u32) -> SlotTable {
        let table = SlotTable::new(slots);
        for slot in 0..slots {
            table.reserve(slot).unwrap();
            table.begin(slot).unwrap();
            table.ready(slot).unwrap();
        }
        table
    }

    #[test]
    fn only_the_arrows_of_the_diagram_exist() {
        let drawn =
            State::ALL.iter().flat_map(|from| State::ALL.iter().map(move |to| (*from, *to)));
        let arrows = drawn.filter(|(from, to)| from.may_become(*to)).count();
        assert_eq!(arrows, 14);
        for (from, to) in
            State::ALL.iter().flat_map(|from| State::ALL.iter().map(move |to| (*from, *to)))
        {
            if !from.may_become(to) {
                let table = SlotTable::new(1);
                let tried = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    table.change(0, from, None, to)
                }));
                assert!(tried.is_err(), "{from:?} became {to:?}");
            }
        }
    }

    /// A table whose one slot is in `state`, and the lease of whoever holds or held it last.
    fn table_in(state: State) -> (SlotTable, Lease) {
        let table = SlotTable::new(1);
        let way: &[State] = match state {
            State::Empty => &[],
            State::Created => &[State::Created],
            State::Initializing => &[State::Created, State::Initializing],
            State::Idle => &[State::Created, State::Initializing, State::Idle],
            State::InUse => &[State::Created, State::Initializing, State::Idle, State::InUse],
            State::Unusable => &[State::Created, State::Initializing, State::Idle, State::Unusable],
            State::Closed => &[State::Created, State::Closed],
        };
        for step in way {
            match step {
                State::Created => drop(table.reserve(0).unwrap()),
                State::Initializing => table.begin(0).unwrap(),
                State::Idle => table.ready(0).unwrap(),
                State::InUse => drop(table.claim(0).unwrap()),
                State::Unusable => table.retire_idle(0).unwrap(),
                // No operation stops here.
                State::Closed => {
                    table.change(0, State::Created, None, State::Closed).map(drop).unwrap();
                }
                State::Empty => unreachable!("no way leads back"),
            }
        }
        let (found, generation) = table.read(0);
        assert_eq!(found, state);
        (table, Lease { slot: 0, generation })
    }

    type Operation = fn(&SlotTable, Lease) -> bool;
    type Arrows = &'static [(State, State)];

    /// Each operation, and where it leads from which states. From all others it must fail.
    const OPERATIONS: [(&str, Operation, Arrows); 10] = {
        use State::*;
        [
            ("reserve", |table, _| table.reserve(0).is_some(), &[(Empty, Created)]),
            ("begin", |table, _| table.begin(0).is_ok(), &[(Created, Initializing)]),
            ("ready", |table, _| table.ready(0).is_ok(), &[(Initializing, Idle)]),
            ("mend", |table, _| table.mend(0).is_ok(), &[(Unusable, Idle)]),
            ("claim", |table, _| table.claim(0).is_ok(), &[(Idle, InUse)]),
            ("hand_off", |table, lease| table.hand_off(lease).is_ok(), &[(InUse, InUse)]),
            ("release", |table, lease| table.release(lease).is_ok(), &[(InUse, Idle)]),
            ("retire_held", |table, lease| table.retire_held(lease).is_ok(), &[(InUse, Unusable)]),
            ("retire_idle", |table, _| table.retire_idle(0).is_ok(), &[(Idle, Unusable)]),
            (
                "reap",
                |table, _| table.reap(0).is_ok(),
                &[
                    (Created, Empty),
                    (Initializing, Empty),
                    (Idle, Empty),
                    (InUse, Empty),
                    (Unusable, Empty),
                    (Closed, Empty),
                ],
            ),
        ]
    };

    #[test]
    fn each_operation_works_from_its_own_states_and_changes_nothing_in_others() {
        for (name, operation, arrows) in OPERATIONS {
            for from in State::ALL {
                let (table, lease) = table_in(from);
                let before = (table.read(0), table.taken());
                let worked = operation(&table, lease);
                let after = (table.read(0), table.taken());
                match arrows.iter().find(|(state, _)| *state == from) {
                    Some((_, to)) => assert!(worked && after.0.0 == *to, "{name} of {from:?}"),
                    None => assert!(!worked && before == after, "{name} of {from:?}: {after:?}"),
                }
                let (state, _) = after.0;
                assert_eq!(after.1, u32::from(state != State::Empty), "{name} of {from:?}: count");
                let found = table.find_idle(&[1], 0).is_some();
                assert_eq!(found, state == State::Idle, "{name} of {from:?}: idle bit");
            }
        }
    }

    #[test]
    fn a_lease_that_is_not_the_current_one_moves_nothing() {
        for (name, operation, _) in OPERATIONS
            .iter()
            .filter(|(name, ..)| ["hand_off", "release", "retire_held"].contains(name))
        {
            let (table, lease) = table_in(State::InUse);
            let current = table.hand_off(lease).unwrap();
            assert!(!operation(&table, lease), "{name} by the holder before");
            assert!(table.is_held(current), "{name}");
        }
    }

    #[test]
    fn what_is_opened_anew_has_a_generation_of_its_own() {
        let (table, held) = table_in(State::InUse);
        table.reap(0).unwrap();
        table.reserve(0).unwrap();
        assert_ne!(table.read(0).1, held.generation);
    }

    #[test]
    fn a_slot_is_reserved_once() {
        let table = SlotTable::new(1);
        assert_eq!(table.reserve(0), Some(0));
        assert_eq!(table.reserve(0), None);
        table.reap(0).unwrap();
        assert_eq!(table.reserve(0), Some(0));
    }

    #[test]
    fn never_more_are_taken_than_the_limit_of_the_moment() {
        let table = idle_table(3);
        assert_eq!(table.reserve(3), None);
        table.resize(4);
        assert_eq!(table.reserve(3), Some(3));
        table.resize(2);
        table.reap(0).unwrap();
        table.reap(1).unwrap();
        assert_eq!((table.taken(), table.reserve(0)), (2, None));
        table.reap(2).unwrap();
        assert_eq!(table.reserve(0), Some(0));
    }

    #[test]
    fn of_many_threads_that_take_slots_none_takes_one_too_many() {
        let table = SlotTable::new(3);
        std::thread::scope(|scope| {
            for slot in 0..8 {
                let table = &table;
                scope.spawn(move || {
                    for _ in 0..2_000 {
                        if table.reserve(slot).is_some() {
                            assert!(table.taken() <= 3, "more than the limit");
                            table.reap(slot).unwrap();
                        }
                    }
                });
            }
        });
        assert_eq!(table.taken(), 0);
    }

    #[test]
    fn a_lease_is_released_once_and_never_frees_its_successor() {
        let table = idle_table(1);
        let first = table.claim(0).unwrap();
        table.release(first).unwrap();
        assert_eq!(table.release(first), Err(Conflict { found: State::Idle }));
        let second = table.claim(0).unwrap();
        assert_eq!(table.release(first), Err(Conflict { found: State::InUse }));
        assert!(table.is_held(second));
    }

    #[test]
    fn a_handed_off_slot_is_never_idle_and_the_old_lease_is_void() {
        let table = idle_table(1);
        let first = table.claim(0).unwrap();
        let second = table.hand_off(first).unwrap();
        assert_eq!(table.find_idle(&[1], 0), None);
        assert!(table.release(first).is_err());
        assert!(table.release(second).is_ok());
    }

    #[test]
    fn an_idle_slot_is_found_among_the_members_only() {
        let table = idle_table(40);
        let mut members = vec![0; 2];
        assert_eq!(table.find_idle(&members, 0), None);
        members[1] = 1 << 5;
        assert_eq!(table.find_idle(&members, 0), Some(37));
        table.claim(37).unwrap();
        assert_eq!(table.find_idle(&members, 37), None);
    }

    #[test]
    fn of_many_threads_that_claim_one_slot_one_succeeds() {
        const ROUNDS: usize = 2_000;
        let table = idle_table(1);
        let holders = std::sync::atomic::AtomicU32::new(0);
        let claims = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..ROUNDS {
                        if let Ok(lease) = table.claim(0) {
                            assert_eq!(holders.fetch_add(1, SeqCst), 0, "two holders of one slot");
                            claims.fetch_add(1, SeqCst);
                            holders.fetch_sub(1, SeqCst);
                            table.release(lease).unwrap();
                        }
                    }
                });
            }
        });
        assert!(claims.into_inner() >= ROUNDS, "the slot was lost on the way");
    }
}
