//! What JavaScript has done at the [`Shelf`](crate::pool::shelf::Shelf) since it was laid out.
//!
//! Taken in before the engine decides anything, so that no decision is made about what is not so any more.

use tokio::time::Instant;

use super::Core;
use super::shelving::Shelving;
use crate::pool::face::Face;
use crate::pool::shelf::{Counts, Note, Noted, SLOTS_PER_WORD, Spot};

impl<F: Face> Core<F> {
    /// Shuts the shelf, and takes in what JavaScript has done since it was laid out.
    pub(in crate::pool) fn catch_up(&mut self, now: Instant) {
        let Some(mut shelving) = self.shelving.take_if(|shelving| shelving.is_wanted) else {
            return;
        };
        let mut came_back = Vec::new();
        if std::mem::take(&mut shelving.is_open) {
            came_back = self.shut_shelf(&mut shelving, now);
        }
        let counts = shelving.shelf.counts();
        if counts != shelving.counts || !came_back.is_empty() {
            self.count_holds(&mut shelving, counts, &came_back, now);
        }
        let shelf = shelving.shelf.clone();
        shelf.read_notes(|note| self.take_note(note, shelving.instant(note.ms, now)));
        self.shelving = Some(shelving);
    }

    /// Says which slots have come back.
    fn shut_shelf(&mut self, shelving: &mut Shelving, now: Instant) -> Vec<u32> {
        let mut came_back = Vec::new();
        let words = self.shelf_words();
        let shown = shelving.shown;
        for word in 0..words {
            shelving.shown[word] = shelving.shelf.shut(word);
        }
        // What it has begun of it goes on counting as about to start, until it says that it has.
        if self.rate.is_limited() {
            self.rate.turn_back(shelving.shelf.disallow() as usize);
        }
        for (word, before) in shown.into_iter().enumerate().take(words) {
            let after = shelving.shown[word];
            for n in before.changed(after) {
                let at = word as u32 * SLOTS_PER_WORD + n;
                match (before.get(n), after.get(n)) {
                    (Spot::Shelf, Spot::Hand) => self.was_taken(at, shelving, now),
                    (Spot::Hand, Spot::Shelf) => {
                        self.was_put_back(at);
                        came_back.push(at);
                    }
                    _ => self.race(),
                }
            }
        }
        came_back
    }

    /// A slot went from the shelf into a hand: IDLE → IN_USE.
    fn was_taken(&mut self, at: u32, shelving: &Shelving, now: Instant) {
        let Ok(lease) = self.table.claim(at) else { return self.race() };
        let claimed_at = shelving.instant(shelving.shelf.touched(at), now);
        let slot = &mut self.slots[at as usize];
        slot.lease = Some(lease);
        slot.held = true;
        slot.in_hand = true;
        slot.leaving = false;
        slot.claimed_at = claimed_at;
        self.held += 1;
        let place = &mut self.endpoints[slot.endpoint];
        place.held += 1;
        place.served_at = Some(claimed_at);
        place.moved_at = Some(claimed_at);
    }

    /// A slot was put back: IN_USE → IDLE.
    fn was_put_back(&mut self, at: u32) {
        let slot = &mut self.slots[at as usize];
        let Some(lease) = slot.lease.take() else { return self.race() };
        slot.held = false;
        slot.in_hand = false;
        self.held -= 1;
        self.endpoints[slot.endpoint].held -= 1;
        if self.table.release(lease).is_err() {
            self.race();
        }
    }

    /// Brings the totals, the uses and the order up to date.
    fn count_holds(
        &mut self,
        shelving: &mut Shelving,
        counts: Counts,
        came_back: &[u32],
        now: Instant,
    ) {
        let before = std::mem::replace(&mut shelving.counts, counts);
        let taken = counts.taken.wrapping_sub(before.taken);
        let passed = counts.passed.wrapping_sub(before.passed);
        let returned = counts.returned.wrapping_sub(before.returned);
        self.note_at(0, |tally| {
            tally.counters.acquired += u64::from(taken) + u64::from(passed);
            tally.counters.released += u64::from(returned);
            tally.wait.note_times(0.0, taken);
        });
        let mut used = Vec::new();
        for (word, spots) in shelving.shown.iter().enumerate() {
            for n in spots.lent() {
                let at = word as u32 * SLOTS_PER_WORD + n;
                let uses = shelving.shelf.uses(at);
                let more =
                    uses.wrapping_sub(std::mem::replace(&mut shelving.uses[at as usize], uses));
                // A hold that the engine knew of may have ended since.
                if more == 0 && !came_back.contains(&at) {
                    continue;
                }
                let touched = shelving.instant(shelving.shelf.touched(at), now);
                let slot = &mut self.slots[at as usize];
                slot.uses += u64::from(more);
                slot.used_at = touched;
                if slot.in_hand {
                    slot.claimed_at = touched;
                }
                self.table.touch(at);
                used.push(at);
            }
        }
        used.sort_by_key(|at| std::cmp::Reverse(shelving.shelf.age(*at)));
        for at in used {
            self.last_order += 1;
            let slot = &mut self.slots[at as usize];
            slot.order = self.last_order;
            self.endpoints[slot.endpoint].hint = at;
        }
    }

    fn take_note(&mut self, Note { what, ms, times }: Note, at: Instant) {
        match what {
            Noted::Wait => self.note_at(0, |tally| tally.wait.note_times(ms, times)),
            Noted::Use => self.note_at(0, |tally| tally.used.note_times(ms, times)),
            Noted::Start => self.rate.start(at, times as usize),
        }
    }
}
