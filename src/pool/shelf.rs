//! The shelf: idle slots that JavaScript takes and puts back by itself.
//!
//! A futex for JavaScript: as long as nobody waits for anybody, a slot is taken and put back by one
//! compare-and-swap each, on memory that both sides see, and the engine is not called. It hears of
//! it when it is called next, for whatever reason, and before it looks at anything else.
//!
//! ```text
//!   31   30   29 28       3 2   1 0
//!  ┌────┬────┬─────┬─ ─ ─┬─────┬─────┐     0  the engine's: empty, opening, unfit, or held by somebody it serves
//!  │shut│full│ 14  │     │  1  │  0  │     1  on the shelf: idle, JavaScript may take it
//!  └────┴────┴─────┴─ ─ ─┴─────┴─────┘     2  in hand: held, JavaScript may put it back
//! ```
//!
//! Read this page as a proof. JavaScript is one thread, and does two things: 1 → 2 ([`take`](Shelf::take)) and
//! 2 → 1 ([`put_back`](Shelf::put_back)), each by compare-and-swap from a word that is not shut.
//!
//! 1. *One at a time.* The engine shuts every word before it decides anything ([`shut`](Shelf::shut)) and lays
//!    them out anew when it is done ([`lay_out`](Shelf::lay_out)). A word that is shut does not change, so whatever the
//!    engine has read stays true while it decides, as if JavaScript had to wait for the engine's lock.
//!    Neither ever waits: JavaScript that finds a word shut calls the engine instead.
//! 2. *Never two holders.* A slot that is 1 becomes 2 by JavaScript or 0 by the engine, not both.
//! 3. *Never put back by a stranger.* Only JavaScript's own thread makes a 2: by `take`, or within a call
//!    to the engine. So a slot that was 2 when it looked and is 2 when it swaps was so all the time. Whose
//!    hold that is, the slot's generation says, which the engine writes only while the slot is 0 (then it
//!    puts down a new one) and JavaScript compares before it swaps.
//! 4. *The right lease.* The generation is read before and after `take`: it only grows, so if it is the same
//!    it was so at the swap. If it is not (JavaScript's thread stood still between two instructions while a
//!    slot was closed and opened again), the engine is asked.
//! 5. *Nobody is forgotten.* Who waits is known to the engine, and then it leaves the words shut: whatever
//!    is put back goes through the engine, which hands it on.
//!
//! Callers who find nothing may wait in JavaScript as long as the shelf is open and full: then only JavaScript
//! has anything to give, and passes it on itself. Whenever the engine leaves the shelf in any other state
//! it looks whether somebody waits there, and if so, calls.
//!
//! The rest of the memory are counts and times, written by one side each, that bring the engine's
//! figures up to date: they may lag by the one operation under way, and by none when JavaScript's
//! own thread asks. `lib/shelf.js` is JavaScript's side; `tests/shelf_model.rs` checks both sides
//! against each other in every order. (The name and the idea of a lock that costs a system call only
//! when somebody waits: Franke, Russell, Kirkwood, "Fuss, Futexes and Furwocks", 2002.)

use std::array::from_fn;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

use super::atomics::{AtomicU32, AtomicU64, SHELF_NOTES, SHELF_WORDS};

/// Slots in one word.
pub const SLOTS_PER_WORD: u32 = 15;
/// Slots that have a place; those beyond are always the engine's.
pub const SHELF_SLOTS: u32 = SLOTS_PER_WORD * SHELF_WORDS as u32;

/// The engine is at work, or somebody waits.
const SHUT: u32 = 1 << 31;
/// In the first word: every slot there may be is open, and none is idle but on the shelf. If it is shut, that is for those who wait,
/// who might as well wait in JavaScript.
const FULL: u32 = 1 << 30;

/// How many starts fit into an allowance.
const STARTS_BITS: u32 = 16;
/// More are allowed next time.
pub const MOST_STARTS: u32 = (1 << STARTS_BITS) - 1;

/// Whose a slot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Spot {
    /// The engine's.
    Engine = 0,
    /// On the shelf.
    Shelf = 1,
    /// In a holder's hand.
    Hand = 2,
}

impl Spot {
    fn at(codes: u32, bit: u32) -> Self {
        match codes >> bit & 3 {
            1 => Spot::Shelf,
            2 => Spot::Hand,
            _ => Spot::Engine,
        }
    }
}

/// The spots of one word's slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spots(u32);

impl Spots {
    /// Of the `n`th slot of the word.
    pub fn get(self, n: u32) -> Spot {
        Spot::at(self.0, 2 * n)
    }

    /// With the `n`th slot at `place`.
    #[must_use]
    pub fn with(self, n: u32, place: Spot) -> Self {
        Spots(self.0 & !(3 << (2 * n)) | (place as u32) << (2 * n))
    }

    /// Which slots are elsewhere than in `other`.
    pub fn changed(self, other: Spots) -> impl Iterator<Item = u32> {
        let mut changed = self.0 ^ other.0;
        std::iter::from_fn(move || {
            let n = (changed != 0).then(|| changed.trailing_zeros() / 2)?;
            changed &= !(3 << (2 * n));
            Some(n)
        })
    }

    /// How many are on the shelf.
    pub fn on_shelf(self) -> u32 {
        (self.0 & 0x1555_5555).count_ones()
    }

    /// Those that are not the engine's.
    pub fn lent(self) -> impl Iterator<Item = u32> {
        (0..SLOTS_PER_WORD).filter(move |n| self.get(*n) != Spot::Engine)
    }
}

/// What JavaScript notes for the engine's figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Note {
    /// What took this long.
    pub what: Noted,
    /// Milliseconds, or a moment.
    pub ms: f64,
    /// How often.
    pub times: u32,
}

/// See [`Note`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    /// From asking for a slot to getting it.
    Wait,
    /// From getting a slot to putting it back.
    Use,
    /// A start, at this moment.
    Start,
}

/// How often JavaScript has done what, modulo 2³².
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Slots taken from the shelf.
    pub taken: u32,
    /// Slots passed on from one holder to the next.
    pub passed: u32,
    /// Slots put back or passed on.
    pub returned: u32,
}

/// See the module. The layout is what `lib/shelf.js` reads: see [`Shelf::layout`].
#[derive(Debug)]
#[repr(C)]
pub struct Shelf {
    words: [AtomicU32; SHELF_WORDS],
    /// The slot that was put back last.
    hint: AtomicU32,
    /// Grows with each slot that comes back; the value at that time is the slot's rank.
    ranks: AtomicU32,
    taken: AtomicU32,
    passed: AtomicU32,
    returned: AtomicU32,
    /// Callers who wait in JavaScript.
    waiting: AtomicU32,
    /// Notes written, and notes read.
    written: AtomicU32,
    read: AtomicU32,
    /// How many starts JavaScript may let go ahead, and a stamp above bit 16 that each new allowance changes.
    allowance: AtomicU32,
    /// The generation that the next hold of a slot on the shelf has, or the present one of a slot in hand.
    generation: [AtomicU32; SHELF_SLOTS as usize],
    /// The low half of the number of what the slot holds.
    id: [AtomicU32; SHELF_SLOTS as usize],
    /// Uses that the engine knows of, less `uses` at that time.
    base: [AtomicU32; SHELF_SLOTS as usize],
    /// Holds that JavaScript began, ever.
    uses: [AtomicU32; SHELF_SLOTS as usize],
    rank: [AtomicU32; SHELF_SLOTS as usize],
    /// When JavaScript last took the slot or put it back, on its clock.
    touched: [AtomicU64; SHELF_SLOTS as usize],
    notes: [[AtomicU64; 3]; SHELF_NOTES],
}

impl Default for Shelf {
    /// Shut, and nothing on it.
    fn default() -> Self {
        let zero = |_| AtomicU32::new(0);
        Shelf {
            words: from_fn(|_| AtomicU32::new(SHUT)),
            hint: zero(0),
            ranks: zero(0),
            taken: zero(0),
            passed: zero(0),
            returned: zero(0),
            waiting: zero(0),
            written: zero(0),
            read: zero(0),
            allowance: zero(0),
            generation: from_fn(zero),
            id: from_fn(zero),
            base: from_fn(zero),
            uses: from_fn(zero),
            rank: from_fn(zero),
            touched: from_fn(|_| AtomicU64::new(0)),
            notes: from_fn(|_| from_fn(|_| AtomicU64::new(0))),
        }
    }
}

/// Where JavaScript finds what: indices of 32-bit words, but for `touched` and `notes`, whose unit is 64 bits.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Name and index.
    pub fields: [(&'static str, usize); 16],
}

impl Shelf {
    /// See [`Layout`].
    pub const fn layout() -> Layout {
        use std::mem::offset_of;
        Layout {
            fields: [
                ("hint", offset_of!(Shelf, hint) / 4),
                ("ranks", offset_of!(Shelf, ranks) / 4),
                ("taken", offset_of!(Shelf, taken) / 4),
                ("passed", offset_of!(Shelf, passed) / 4),
                ("returned", offset_of!(Shelf, returned) / 4),
                ("waiting", offset_of!(Shelf, waiting) / 4),
                ("written", offset_of!(Shelf, written) / 4),
                ("read", offset_of!(Shelf, read) / 4),
                ("allowance", offset_of!(Shelf, allowance) / 4),
                ("generation", offset_of!(Shelf, generation) / 4),
                ("id", offset_of!(Shelf, id) / 4),
                ("base", offset_of!(Shelf, base) / 4),
                ("uses", offset_of!(Shelf, uses) / 4),
                ("rank", offset_of!(Shelf, rank) / 4),
                ("touched", offset_of!(Shelf, touched) / 8),
                ("notes", offset_of!(Shelf, notes) / 8),
            ],
        }
    }

    // ---- the engine's side ------------------------------------------------------------------

    /// Shuts a word, and says what JavaScript has made of it.
    pub fn shut(&self, word: usize) -> Spots {
        // SeqCst on both sides: what JavaScript wrote before its swap is seen after this one.
        Spots(self.words[word].fetch_or(SHUT, SeqCst) & !(SHUT | FULL))
    }

    /// Opens a word that was shut. `full` matters in the first.
    pub fn lay_out(&self, word: usize, spots: Spots, full: bool) {
        let flag = if full && word == 0 { FULL } else { 0 };
        self.words[word].store(spots.0 | flag, SeqCst);
    }

    /// Leaves the shelf shut. `offer`: those who wait in the engine may as well wait in JavaScript.
    pub fn stay_shut(&self, offer: bool) {
        if offer {
            self.words[0].fetch_or(FULL, SeqCst);
        } else {
            self.words[0].fetch_and(!FULL, SeqCst);
        }
    }

    /// What a slot that was the engine's is from now on, before it is laid out or put in a hand.
    pub fn describe(&self, slot: u32, generation: u32, id: u64) {
        self.generation[slot as usize].store(generation, Release);
        self.id[slot as usize].store(id as u32, Release);
    }

    /// How many wait in JavaScript. It counts itself in, and then looks whether the shelf is full still;
    /// the engine lays it out, and then looks whether anybody waits: neither can miss the other.
    pub fn waiting(&self) -> u32 {
        self.waiting.load(SeqCst)
    }

    /// How often JavaScript has held a slot.
    pub fn uses(&self, slot: u32) -> u32 {
        self.uses[slot as usize].load(Acquire)
    }

    /// How often a slot was used, JavaScript's holds up to `seen` among them.
    pub fn set_uses(&self, slot: u32, uses: u64, seen: u32) {
        self.base[slot as usize].store((uses as u32).wrapping_sub(seen), Release);
    }

    /// A slot came back by way of the engine.
    pub fn came_back(&self, slot: u32) {
        let rank = self.ranks.load(Relaxed).wrapping_add(1);
        self.ranks.store(rank, Relaxed);
        self.rank[slot as usize].store(rank, Release);
        self.hint.store(slot, Release);
    }

    /// How long ago, in slots that came back, this one did.
    pub fn age(&self, slot: u32) -> u32 {
        self.ranks.load(Relaxed).wrapping_sub(self.rank[slot as usize].load(Acquire))
    }

    /// When JavaScript last took a slot or put it back, in milliseconds on its clock.
    pub fn touched(&self, slot: u32) -> f64 {
        f64::from_bits(self.touched[slot as usize].load(Acquire))
    }

    /// See [`Counts`].
    pub fn counts(&self) -> Counts {
        Counts {
            taken: self.taken.load(Acquire),
            passed: self.passed.load(Acquire),
            returned: self.returned.load(Acquire),
        }
    }

    /// Takes the notes out, oldest first.
    pub fn read_notes(&self, mut each: impl FnMut(Note)) {
        let written = self.written.load(Acquire);
        let mut read = self.read.load(Relaxed);
        while read != written {
            let [what, ms, times] = self.notes[read as usize % SHELF_NOTES]
                .each_ref()
                .map(|of| f64::from_bits(of.load(Relaxed)));
            let what = match what as u32 {
                0 => Noted::Wait,
                1 => Noted::Use,
                _ => Noted::Start,
            };
            each(Note { what, ms, times: times as u32 });
            read = read.wrapping_add(1);
        }
        self.read.store(read, Release);
    }

    /// Lets JavaScript begin so many at any time, beside those that it was allowed and has begun.
    pub fn allow(&self, starts: u32) {
        let stamp = (self.allowance.load(Relaxed) >> STARTS_BITS).wrapping_add(1);
        self.allowance.store(stamp << STARTS_BITS | starts.min(MOST_STARTS), Release);
    }

    /// Takes back what is left of the allowance.
    pub fn disallow(&self) -> u32 {
        self.allowance.fetch_and(!MOST_STARTS, AcqRel) & MOST_STARTS
    }

    // ---- JavaScript's side, as lib/shelf.js does it -----------------------------------------

    /// 1 → 2: the generation of the hold. `None`: not on the shelf, or it is shut.
    ///
    /// # Errors
    /// [`Unsure`]: taken, but the engine must say under which generation.
    pub fn take(&self, slot: u32) -> Option<Result<u32, Unsure>> {
        let (word, bit) = place(slot);
        let generation = self.generation[slot as usize].load(Acquire);
        let seen = self.words[word].load(Acquire);
        if seen & SHUT != 0 || Spot::at(seen, bit) != Spot::Shelf {
            return None;
        }
        let taken = seen ^ 3 << bit;
        self.words[word].compare_exchange(seen, taken, AcqRel, Relaxed).ok()?;
        if self.generation[slot as usize].load(Acquire) != generation {
            return Some(Err(Unsure));
        }
        self.count_taken(slot);
        Some(Ok(generation))
    }

    /// A slot is about to be taken or put back, at this moment on JavaScript's clock.
    pub fn touch(&self, slot: u32, ms: f64) {
        self.touched[slot as usize].store(ms.to_bits(), Release);
    }

    /// What was taken is held: known at once, or when the engine has said so.
    pub fn count_taken(&self, slot: u32) {
        self.uses[slot as usize].fetch_add(1, AcqRel);
        self.taken.fetch_add(1, AcqRel);
    }

    /// Takes one start off the allowance. `false`: there is none.
    pub fn begin(&self) -> bool {
        let seen = self.allowance.load(Acquire);
        seen & MOST_STARTS > 0
            && self.allowance.compare_exchange(seen, seen - 1, AcqRel, Relaxed).is_ok()
    }

    /// One more waits, or `-1`: one fewer. Says whether it may: the shelf is full.
    pub fn wait(&self, more: i32) -> bool {
        self.waiting.fetch_add(more as u32, SeqCst);
        self.is_full()
    }

    /// Whether all there is to be had is in somebody's hand: the engine could do nothing for one more.
    pub fn is_full(&self) -> bool {
        let first = self.words[0].load(SeqCst);
        let lies_there = |word: &AtomicU32| {
            let seen = word.load(SeqCst);
            seen & SHUT == 0 && Spots(seen & !FULL).on_shelf() > 0
        };
        first & (SHUT | FULL) == FULL && !self.words.iter().any(lies_there)
    }

    /// 2 → 1, by the holder of `generation`. `false`: the engine must be called.
    pub fn put_back(&self, slot: u32, generation: u32) -> bool {
        let (word, bit) = place(slot);
        let Some(seen) = self.seen_in_hand(slot, generation) else { return false };
        let back = seen ^ 3 << bit;
        let swapped = self.words[word].compare_exchange(seen, back, AcqRel, Relaxed).is_ok();
        if swapped {
            self.returned.fetch_add(1, AcqRel);
        }
        swapped
    }

    /// The holder of `generation` passes the slot on to the next who waits in JavaScript: it stays 2.
    /// `false`: the engine must be called.
    pub fn pass_on(&self, slot: u32, generation: u32) -> bool {
        let passed = self.seen_in_hand(slot, generation).is_some();
        if passed {
            self.returned.fetch_add(1, AcqRel);
            self.passed.fetch_add(1, AcqRel);
            self.uses[slot as usize].fetch_add(1, AcqRel);
        }
        passed
    }

    /// Whether those who wait in the engine may as well wait in JavaScript.
    pub fn is_offered(&self) -> bool {
        self.words[0].load(SeqCst) & (SHUT | FULL) == SHUT | FULL
    }

    /// The slot's word, if it is open and the slot is in the hand of the holder of `generation`.
    fn seen_in_hand(&self, slot: u32, generation: u32) -> Option<u32> {
        let (word, bit) = place(slot);
        let seen = self.words[word].load(Acquire);
        (seen & SHUT == 0
            && Spot::at(seen, bit) == Spot::Hand
            && self.generation[slot as usize].load(Acquire) == generation)
            .then_some(seen)
    }
}

/// See [`Shelf::take`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsure;

fn place(slot: u32) -> (usize, u32) {
    ((slot / SLOTS_PER_WORD) as usize, 2 * (slot % SLOTS_PER_WORD))
}
