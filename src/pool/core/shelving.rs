//! What lies on the [`Shelf`] for JavaScript to take.
//!
//! The engine shuts the shelf and [catches up](Core::catch_up) as it takes its lock, and [lays it
//! out](Core::lay_out_shelf) as it lets go of it. In between all is as if JavaScript had called for each slot
//! it took or put back. The shelf stays shut while anybody waits, while a listener wants to hear of
//! each slot that goes in or out, and while anything waits for a slot to come back.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Core, Effects, Phase, Timer};
use crate::pool::atomics::SHELF_WORDS;
use crate::pool::event::Name;
use crate::pool::face::Face;
use crate::pool::shelf::{Counts, MOST_STARTS, SHELF_SLOTS, SLOTS_PER_WORD, Shelf, Spot, Spots};
use crate::pool::state::State;
use crate::pool::table::Lease;

/// Whoever hears of these hears of each slot.
const EACH_SLOT: [Name; 3] = [Name::CheckOutStarted, Name::CheckedOut, Name::CheckedIn];

/// What is trusted for less is looked at each time it is lent.
const TRUST: Duration = Duration::from_millis(40);
/// What grows old within so many looks is looked at each time it is lent.
const LOOK_AHEAD: u32 = 2;

/// The engine's end of the shelf.
pub(super) struct Shelving {
    pub shelf: Arc<Shelf>,
    /// JavaScript's clock said this at that moment.
    pub zero: (f64, Instant),
    /// As it was laid out last.
    pub shown: [Spots; SHELF_WORDS],
    /// Somebody has asked to hold a slot: a pool that only runs jobs has no use for a shelf.
    pub is_wanted: bool,
    pub is_open: bool,
    pub counts: Counts,
    /// How often JavaScript had held each slot.
    pub uses: Vec<u32>,
    /// [`Timer::Shelf`] is set.
    pub is_minded: bool,
}

impl Shelving {
    /// What JavaScript's clock said, as a moment that is not to come.
    pub fn instant(&self, ms: f64, now: Instant) -> Instant {
        let (zero, at) = self.zero;
        at.checked_add(Duration::from_secs_f64((ms - zero).clamp(0.0, 1e12) / 1e3))
            .map_or(now, |then| then.min(now))
    }
}

impl<F: Face> Core<F> {
    /// Lets JavaScript, whose clock says `clock_ms`, help itself from now on. `None`: not in a pool that
    /// must know of each hold as it begins or ends.
    pub(in crate::pool) fn make_shelf(
        &mut self,
        clock_ms: f64,
        now: Instant,
    ) -> Option<Arc<Shelf>> {
        let settings = &self.settings;
        if self.endpoints.len() != 1
            || settings.leak_threshold.is_some()
            || settings.hooks.on_release
            || settings.codel.is_some()
            || settings.idle_timeout.is_some_and(|limit| limit <= LOOK_AHEAD * self.look_interval())
            || settings.vet_after.is_some_and(|trusted| trusted < TRUST)
        {
            return None;
        }
        let shelf = Arc::new(Shelf::default());
        self.shelving = Some(Box::new(Shelving {
            shelf: shelf.clone(),
            zero: (clock_ms, now),
            shown: [Spots::default(); SHELF_WORDS],
            is_wanted: false,
            is_open: false,
            counts: Counts::default(),
            uses: vec![0; SHELF_SLOTS as usize],
            is_minded: false,
        }));
        self.table.touch_all();
        Some(shelf)
    }

    /// Somebody asks to hold a slot.
    pub(super) fn want_shelf(&mut self) {
        if let Some(shelving) = &mut self.shelving {
            shelving.is_wanted = true;
        }
    }

    /// Whether JavaScript helps itself here.
    pub(super) fn has_shelf(&self) -> bool {
        self.shelving.is_some()
    }

    /// A slot came back by way of the engine: it is the one used last.
    pub(super) fn came_back(&self, at: u32) {
        if let Some(shelving) = &self.shelving
            && at < SHELF_SLOTS
        {
            shelving.shelf.came_back(at);
        }
    }

    /// A holder has its slot in hand already, and JavaScript's thread is inside a call to the engine.
    pub(in crate::pool) fn in_hand(&mut self, lease: Lease) {
        if self.shelving.is_some() {
            let slot = &mut self.slots[lease.slot as usize];
            slot.in_hand = true;
            // It says itself when that starts, or that it never will.
            slot.ahead = false;
            self.table.touch(lease.slot);
        }
    }

    /// What JavaScript was allowed to start, and has begun, will never start.
    pub(in crate::pool) fn turn_back(&mut self, now: Instant, fx: &mut Effects<F>) {
        self.rate.turn_back(1);
        self.serve(now, fx);
    }

    /// A holder lets go by way of the engine.
    pub(super) fn out_of_hand(&mut self, at: u32) {
        self.slots[at as usize].in_hand = false;
        self.table.touch(at);
    }

    /// Under which generation JavaScript holds a slot, if it does.
    pub(in crate::pool) fn hold_in_hand(&self, at: u32) -> Option<Lease> {
        self.slots.get(at as usize).filter(|slot| slot.in_hand).and_then(|slot| slot.lease)
    }

    /// What is there for JavaScript to take, and what it may put back, until the engine's next decision; nothing while
    /// it `owes` somebody there the news of a slot, for who comes later must not be served sooner. Says whether
    /// JavaScript has to be called for those who wait there.
    pub(in crate::pool) fn lay_out_shelf(&mut self, owes: bool, now: Instant) -> bool {
        let may = |shelving: &mut Box<Shelving>| shelving.is_wanted && !shelving.is_open;
        let Some(mut shelving) = self.shelving.take_if(may) else {
            return false;
        };
        let is_full = !owes && self.may_help_itself() && self.lay_out(&mut shelving, now);
        let waits = shelving.shelf.waiting() > 0;
        let is_open = shelving.is_open;
        self.shelving = Some(shelving);
        if !is_open && let Some(shelving) = &self.shelving {
            shelving.shelf.stay_shut(!owes && self.may_wait_outside());
        }
        waits && !is_full
    }

    /// Says whether the shelf is full: only JavaScript has anything to give.
    fn lay_out(&mut self, shelving: &mut Shelving, now: Instant) -> bool {
        let words = self.shelf_words();
        for word in 0..words {
            let mut changed = self.table.take_changed(word);
            while changed != 0 {
                let n = changed.trailing_zeros();
                changed &= changed - 1;
                let spot = self.place(word as u32 * SLOTS_PER_WORD + n, shelving, now);
                shelving.shown[word] = shelving.shown[word].with(n, spot);
            }
        }
        if self.rate.is_limited() {
            let starts = self.rate.room(now).min(MOST_STARTS as usize);
            self.rate.go_ahead(starts);
            shelving.shelf.allow(starts as u32);
        }
        let on_shelf: u32 = shelving.shown[..words].iter().map(|spots| spots.on_shelf()).sum();
        let all_there = !self.has_room()
            && self.table.idle_count(self.slots.len()) == on_shelf
            && !self.observed.has(Name::Alert);
        for word in (0..words).rev() {
            shelving.shelf.lay_out(word, shelving.shown[word], all_there);
        }
        shelving.is_open = true;
        if let Some(trusted) = self.settings.vet_after
            && shelving.shown.iter().any(|spots| *spots != Spots::default())
            && !std::mem::replace(&mut shelving.is_minded, true)
        {
            self.deadlines.insert(now + look_every(trusted), Timer::Shelf);
        }
        all_there && on_shelf == 0
    }

    /// Whether nothing is idle and nothing more can be opened, and nobody wants to hear of those who wait.
    pub(super) fn is_exhausted(&self) -> bool {
        !self.has_room()
            && !self.table.has_idle(self.slots.len())
            && !self.observed.has(Name::Alert)
    }

    /// Whether what lies there is still good is seen as it is laid out next.
    pub(super) fn look_at_shelf(&mut self) {
        if self.shelving.is_some() {
            self.table.touch_all();
        }
    }

    /// [`Timer::Shelf`] has gone off.
    pub(super) fn shelf_is_due(&mut self) {
        if let Some(shelving) = &mut self.shelving {
            shelving.is_minded = false;
        }
        self.look_at_shelf();
    }

    /// Whose a slot is until the engine's next decision.
    fn place(&self, at: u32, shelving: &mut Shelving, now: Instant) -> Spot {
        let Some(slot) = self.slots.get(at as usize) else { return Spot::Engine };
        let (state, generation) = self.table.read(at);
        let (spot, generation) = match state {
            State::Idle if self.may_lie_there(at, now) => {
                (Spot::Shelf, generation.wrapping_add(1) & Lease::LAST_GENERATION)
            }
            State::InUse if slot.in_hand && self.may_be_put_back(at, now) => {
                (Spot::Hand, generation)
            }
            _ => return Spot::Engine,
        };
        shelving.shelf.describe(at, generation, slot.id);
        shelving.shelf.set_uses(at, slot.uses, shelving.uses[at as usize]);
        spot
    }

    /// Whether an idle slot is fit to be taken by anybody until it is looked at again.
    fn may_lie_there(&self, at: u32, now: Instant) -> bool {
        let slot = &self.slots[at as usize];
        let is_trusted = self.settings.vet_after.is_none_or(|trusted| {
            !slot.doubted
                && now + look_every(trusted) < slot.used_at.max(slot.answered_at) + trusted
        });
        is_trusted && slot.pulse.failures == 0 && self.perished(at, self.next_look(now)).is_none()
    }

    /// Whether what a holder has in hand is fit to be put back until it is looked at again.
    fn may_be_put_back(&self, at: u32, now: Instant) -> bool {
        !self.slots[at as usize].doubted && self.unfit(at, self.next_look(now)).is_none()
    }

    /// When everything is looked at again, at the latest.
    fn next_look(&self, now: Instant) -> Instant {
        now + self.look_interval()
    }

    fn look_interval(&self) -> Duration {
        // Without upkeep nobody would find what grows old there.
        self.settings.upkeep_interval.unwrap_or(Duration::from_secs(1 << 30))
    }

    /// Whether JavaScript may take slots and put them back without asking.
    fn may_help_itself(&self) -> bool {
        self.waiting() == 0 && self.may_help_itself_but_for_those_who_wait()
    }

    pub(super) fn may_help_itself_but_for_those_who_wait(&self) -> bool {
        self.phase == Phase::Ready
            && self.begun
            && self.freed.is_none()
            && self.warming.is_empty()
            && self.health.due.is_empty()
            && self.health.reports.is_empty()
            && self.surplus() == 0
            && !EACH_SLOT.iter().any(|name| self.observed.has(*name))
    }

    pub(super) fn shelf_words(&self) -> usize {
        self.slots.len().div_ceil(SLOTS_PER_WORD as usize).min(SHELF_WORDS)
    }
}

/// How often what lies there is looked at, so that none is taken that is not trusted.
fn look_every(trusted: Duration) -> Duration {
    trusted / 4
}

#[cfg(test)]
mod tests {
    use super::super::Effect;
    use super::super::nobody::Nobody;
    use super::*;
    use crate::pool::face::{Habits, Opened};
    use crate::pool::request::{Ask, Kind};
    use crate::pool::settings::Settings;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn what_is_looked_at_every_so_often_has_one_timer_however_often_upkeep_looks_too() {
        let habits = Habits {
            max_connecting: 1,
            max_in_flight: 1,
            min_slots: 0,
            max_slots: 1,
            quiet: false,
            per_job: false,
        };
        let settings = Settings {
            max_slots: 1,
            vet_after: Some(MS * 470),
            upkeep_interval: Some(MS * 1_000),
            ..Settings::default()
        };
        let mut core: Core<Nobody> = Core::new(settings, vec![(Arc::from("a"), habits)]);
        let mut fx = Vec::new();
        let mut now = Instant::now();
        core.make_shelf(0.0, now).expect("nothing in these settings is against it");
        core.submit(Ask::new(Kind::Hold), Arc::new(()), now, &mut fx).unwrap();
        let Some(Effect::Open { slot, id, .. }) = fx.pop() else { panic!("nothing is opened") };
        let opened = Opened { resource: Arc::new(()), habits, proven: true };
        core.opened(slot, id, opened, now, &mut fx);
        let Some(Effect::Grant { grant, .. }) = fx.pop() else { panic!("nothing is granted") };
        core.in_hand(grant.lease);
        let mut most = 0;
        for _ in 0..400 {
            core.lay_out_shelf(false, now);
            most = most.max(core.deadlines.len());
            now += MS * 50;
            core.catch_up(now);
            core.tick(now, &mut fx);
        }
        // Its own, and upkeep's.
        assert_eq!(most, 2);
    }
}
