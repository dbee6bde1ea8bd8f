//! Who is next.
//!
//! The order in which callers are served is that of their priorities, and within one that in which
//! they came ([`Line`] sees to it that nobody starves), with three exceptions, each so that nobody
//! waits for what is not needed:
//! - a caller who wants to *hold* a slot may pass one whose *job* waits for its turn at a busy
//!   endpoint, as long as a slot is left for jobs;
//! - a job of a holder needs no slot, only its turn;
//! - a caller who names an endpoint is passed by those whom another endpoint can serve.

use tokio::time::Instant;

use super::spread::TwoChoices;
use super::{Core, Effect, Effects, Name, Phase, Timer, line};
use crate::fault::{Code, Fault};
use crate::pool::endpoint::Endpoint;
use crate::pool::event::Event;
use crate::pool::face::Face;
use crate::pool::line::{Line, Rank};
use crate::pool::request::{Kind, Place, Request, RequestKey};
use crate::pool::settings::IdleOrder;
use crate::pool::table::Lease;

impl<F: Face> Core<F> {
    /// Gives out what is there, then opens what is missing.
    pub(super) fn serve(&mut self, now: Instant, fx: &mut Effects<F>) {
        if self.has_farewells() {
            self.say_farewells(now, fx);
        }
        self.give_out(now, fx);
        self.put_back();
        // First, for those who wait would leave no room for it, however long they wait.
        self.probe(now, fx);
        self.open_missing(now, fx);
        self.fill(now, fx);
        self.probe_by_job(now, fx);
        if self.phase.is_open() {
            self.begin_checks(now, fx);
            self.go_on_reporting(now, fx);
        }
        // Opening may have had to make room first.
        if self.has_farewells() {
            self.say_farewells(now, fx);
        }
        if self.phase == Phase::Closing {
            self.close_idle(fx);
        }
    }

    /// Slots that those who wait may expect soon.
    pub(super) fn coming(&self) -> usize {
        self.endpoints.iter().map(Endpoint::coming).sum()
    }

    /// Nobody wanted the slot that became free: IN_USE → IDLE.
    pub(super) fn put_back(&mut self) {
        if let Some(freed) = self.freed.take()
            && self.table.release(freed).is_err()
        {
            self.race();
        }
    }

    pub(super) fn give_out(&mut self, now: Instant, fx: &mut Effects<F>) {
        while self.may_serve_anybody()
            && self.may_go_ahead(now)
            && let Some((index, slot)) = self.pick(now)
        {
            let key = self.key_of(index);
            match self.requests[index].kind {
                Kind::RunHeld(lease) => {
                    self.pass_others(self.slots[lease.slot as usize].endpoint, index);
                    let slot = &mut self.slots[lease.slot as usize];
                    slot.turn = None;
                    self.endpoints[slot.endpoint].turns.leave(&mut self.requests, index);
                    self.turns -= 1;
                    self.start(key, lease.slot, now, fx);
                }
                kind => {
                    let is_freed = self.freed.is_some_and(|freed| freed.slot == slot);
                    if !is_freed && let Some(reason) = self.perished(slot, now) {
                        self.retire(slot, reason, None, fx);
                        continue;
                    }
                    if self.drop_waiting(key, now, fx) {
                        continue;
                    }
                    if kind == Kind::Hold && self.is_to_be_vetted(slot, now) {
                        // One for each who waits, whatever is being opened for them: that may take
                        // longer, or come to nothing.
                        if self.vetting() >= self.waiting() {
                            break;
                        }
                        self.vet(slot, now, fx);
                        continue;
                    }
                    let claimed = match self.freed.take_if(|freed| freed.slot == slot) {
                        Some(freed) => self.table.hand_off(freed),
                        None => self.table.claim(slot),
                    };
                    let Ok(lease) = claimed else {
                        // No rule allows it: only this lock claims and hands off.
                        self.race();
                        break;
                    };
                    self.slots[slot as usize].lease = Some(lease);
                    self.pass_others(self.slots[slot as usize].endpoint, index);
                    self.check_out(slot, index, now, fx);
                    if kind == Kind::Hold {
                        self.grant(key, lease, now, fx);
                    } else {
                        let endpoint = self.requests[index].endpoint;
                        self.special -= usize::from(self.requests[index].is_special());
                        line(&mut self.anywhere, &mut self.endpoints, kind, endpoint)
                            .leave(&mut self.requests, index);
                        self.in_lines -= 1;
                        self.start(key, slot, now, fx);
                    }
                }
            }
        }
    }

    /// Whether somebody waits for its turn, or for a slot and there is one. Mostly nobody does, or
    /// there is none, and looking for who is next takes longer than this.
    fn may_serve_anybody(&self) -> bool {
        let is_free = || self.freed.is_some() || self.table.has_idle(self.slots.len());
        self.turns > 0 || (self.in_lines > 0 && is_free())
    }

    /// Who is next, and (unless it has its slot already) which slot it gets.
    pub(super) fn pick(&self, now: Instant) -> Option<(usize, u32)> {
        let mut best: Option<(Rank, usize, u32)> = None;
        let mut offer = |line: &Line, slot: u32| {
            if let Some((rank, index)) = line.front(&self.requests)
                && best.is_none_or(|(first, ..)| rank < first)
            {
                best = Some((rank, index, slot));
            }
        };
        // A holder passes waiting jobs only while a slot is left for them.
        let may_hold = |line: &Line| {
            self.held + 1 < self.settings.max_slots as usize
                || self
                    .first_run()
                    .is_none_or(|run| line.rank(&self.requests).is_some_and(|hold| hold < run))
        };
        let mut for_run = TwoChoices::default();
        let mut for_hold = TwoChoices::default();
        for (at, endpoint) in self.endpoints.iter().enumerate() {
            let may_start = endpoint.permits() > 0;
            if may_start
                && let Some(rank) = endpoint.turns.rank(&self.requests)
                && !self.waits_to_open(at, rank, now)
            {
                offer(&endpoint.turns, 0);
            }
            let Some(idle) = self.idle_at(at) else {
                continue;
            };
            if !endpoint.lines.holds.is_empty() && may_hold(&endpoint.lines.holds) {
                offer(&endpoint.lines.holds, idle);
            }
            if !self.anywhere.holds.is_empty() {
                for_hold.offer(self.cost(at, Kind::Hold, now), idle);
            }
            if may_start {
                let firsts = [&endpoint.lines.runs, &self.anywhere.runs];
                let first = firsts.iter().filter_map(|line| line.rank(&self.requests)).min();
                if first.is_some_and(|rank| self.waits_to_open(at, rank, now)) {
                    continue;
                }
                offer(&endpoint.lines.runs, idle);
                if !self.anywhere.runs.is_empty() {
                    for_run.offer(self.cost(at, Kind::Run, now), idle);
                }
            }
        }
        if let Some(idle) = for_hold.best()
            && may_hold(&self.anywhere.holds)
        {
            offer(&self.anywhere.holds, idle);
        }
        if let Some(idle) = for_run.best() {
            offer(&self.anywhere.runs, idle);
        }
        best.map(|(_, index, slot)| (index, slot))
    }

    /// On a quiet endpoint, opening needs a moment in which nothing runs. Whoever goes before one of
    /// this rank and needs something opened there gets that moment first.
    fn waits_to_open(&self, at: usize, rank: Rank, now: Instant) -> bool {
        let endpoint = &self.endpoints[at];
        endpoint.habits.quiet
            && self.is_missed_at(endpoint, now)
            && self.has_room()
            && self.idle_at(at).is_none()
            && [
                &self.anywhere.holds,
                &self.anywhere.runs,
                &endpoint.lines.holds,
                &endpoint.lines.runs,
            ]
            .iter()
            .filter_map(|line| line.rank(&self.requests))
            .any(|first| first < rank)
    }

    /// A slot of this endpoint that can be given out.
    pub(super) fn idle_at(&self, at: usize) -> Option<u32> {
        match self.freed {
            Some(freed) if self.slots[freed.slot as usize].endpoint == at => Some(freed.slot),
            _ => self.choose_idle(at),
        }
    }

    /// The idle slot to use next: one that answers its checks before one that does not, then the
    /// one used last or the one used longest ago, as the pool is told.
    fn choose_idle(&self, at: usize) -> Option<u32> {
        let endpoint = &self.endpoints[at];
        let lifo = self.settings.idle_order == IdleOrder::Lifo;
        let first = self.table.find_idle(&endpoint.members, endpoint.hint)?;
        if lifo && first == endpoint.hint && self.slots[first as usize].pulse.failures == 0 {
            return Some(first);
        }
        self.table.idle(&endpoint.members).min_by_key(|at| {
            let slot = &self.slots[*at as usize];
            let order = if lifo { u64::MAX - slot.order } else { slot.order };
            (slot.pulse.failures, order)
        })
    }

    /// Drops the one who is next, if everybody waits for too long: see [`Codel`](crate::pool::codel).
    fn drop_waiting(&mut self, key: RequestKey, now: Instant, fx: &mut Effects<F>) -> bool {
        let Some(settings) = self.settings.codel else {
            return false;
        };
        let Request { queued_at, endpoint, .. } = self.requests[key.index];
        let waited = now.saturating_duration_since(queued_at);
        let alone = self.waiting() == 1;
        if !self.codel.drops(settings, waited, alone, now) {
            return false;
        }
        self.count_for(endpoint, |counters| counters.dropped += 1);
        let (waited, target) = (waited.as_millis(), settings.target.as_millis());
        let message = format!(
            "dropped after waiting {waited} ms: all calls have been waiting for longer than queueTargetMs ({target} ms) for a while"
        );
        let fault = Fault::new(Code::QueueFull, message)
            .advice("Slow the callers down and try again later, raise maxConnections, or raise queueTargetMs.")
            .detail("waitedMs", waited as u64)
            .detail("targetMs", target as u64);
        self.turn_down(key, fault, now, fx);
        true
    }

    /// A slot was claimed for a request.
    fn check_out(&mut self, at: u32, index: usize, now: Instant, fx: &mut Effects<F>) {
        let waited = now.saturating_duration_since(self.requests[index].queued_at);
        let slot = &mut self.slots[at as usize];
        slot.claimed_at = now;
        let endpoint = slot.endpoint;
        let place = &mut self.endpoints[endpoint];
        place.served_at = Some(now);
        if slot.opened_at < now {
            place.moved_at = Some(now);
        }
        self.note_at(endpoint, |tally| tally.wait.note(waited));
        self.tell_of(at, Name::CheckedOut, fx, |slot| Event::CheckedOut {
            id: slot.id,
            endpoint,
            waited,
        });
        self.mind_wait(endpoint, waited, now, fx);
    }

    /// A slot is not claimed any more.
    pub(super) fn check_in(&mut self, at: u32, now: Instant, fx: &mut Effects<F>) {
        self.turns_back(at);
        let slot = &self.slots[at as usize];
        let (endpoint, used) = (slot.endpoint, now.saturating_duration_since(slot.claimed_at));
        self.note_at(endpoint, |tally| tally.used.note(used));
        self.tell_of(at, Name::CheckedIn, fx, |slot| Event::CheckedIn {
            id: slot.id,
            endpoint,
            used,
        });
    }

    /// The first of all who wait to run a job.
    fn first_run(&self) -> Option<Rank> {
        let named = self.endpoints.iter().map(|endpoint| &endpoint.lines.runs);
        named
            .chain([&self.anywhere.runs])
            .filter(|line| !line.is_empty())
            .filter_map(|line| line.rank(&self.requests))
            .min()
    }

    /// One who waited is served at endpoint `at`: those of lower priority whom that could have
    /// served were passed.
    fn pass_others(&mut self, at: usize, served: usize) {
        let Endpoint { lines, turns, .. } = &mut self.endpoints[at];
        let anywhere = &mut self.anywhere;
        let priority = self.requests[served].priority;
        let pass = |line: &mut Line| {
            if line.has_below(priority) {
                line.pass(&self.requests, served);
            }
        };
        pass(&mut lines.holds);
        pass(&mut lines.runs);
        pass(turns);
        pass(&mut anywhere.holds);
        pass(&mut anywhere.runs);
    }

    pub(super) fn grant(
        &mut self,
        key: RequestKey,
        lease: Lease,
        now: Instant,
        fx: &mut Effects<F>,
    ) {
        let request = self.take_out(key);
        let endpoint = self.slots[lease.slot as usize].endpoint;
        self.count_at(endpoint, |counters| counters.acquired += 1);
        self.held += 1;
        self.goes_ahead(lease.slot, now);
        self.endpoints[endpoint].held += 1;
        if let Some(at) = self.settings.leak_threshold.and_then(|limit| now.checked_add(limit)) {
            self.deadlines.insert(at, Timer::Leak(lease));
        }
        let slot = &mut self.slots[lease.slot as usize];
        slot.held = true;
        slot.leaving = false;
        slot.leaking = false;
        let grant = slot.grant(lease, now);
        slot.uses += 1;
        slot.used_at = now;
        fx.push(Effect::Grant { job: request.job, grant });
    }

    /// Starts a job on a slot that is its own.
    pub(super) fn start(&mut self, key: RequestKey, at: u32, now: Instant, fx: &mut Effects<F>) {
        let timeout = now.checked_add(self.settings.job_timeout);
        self.set_deadline(key, timeout);
        self.last_exchange += 1;
        let endpoint = self.slots[at as usize].endpoint;
        self.count_at(endpoint, |counters| counters.commands += 1);
        let slot = &mut self.slots[at as usize];
        slot.running = Some(key);
        slot.exchange = self.last_exchange;
        slot.in_flight = true;
        slot.used_at = now;
        slot.uses += 1;
        self.table.touch(at);
        self.endpoints[slot.endpoint].in_flight += 1;
        let Some(resource) = slot.resource.clone() else {
            unreachable!("a claimed slot holds something")
        };
        let request = &mut self.requests[key.index];
        request.place = Place::Running(at);
        fx.push(Effect::Start {
            key,
            resource,
            slot: at,
            id: slot.id,
            exchange: self.last_exchange,
            job: request.job.clone(),
        });
    }

    pub(super) fn await_turn(&mut self, key: RequestKey, at: u32) {
        self.requests[key.index].place = Place::Turn;
        let slot = &mut self.slots[at as usize];
        slot.turn = Some(key.index);
        self.endpoints[slot.endpoint].turns.join(&mut self.requests, key.index);
        self.turns += 1;
    }
}
