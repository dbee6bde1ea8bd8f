//! The life of a request among the others: in, through the lines, out.
//!
//! A request leaves through [`Core::take_out`] and nowhere else; whoever takes it out owes its
//! caller the one answer.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Core, Effect, Effects, Failed, Name, Timer, line};
use crate::fault::{Code, Fault};
use crate::pool::event::Event;
use crate::pool::face::Face;
use crate::pool::request::{Ask, Kind, Place, Request, RequestKey};

impl<F: Face> Core<F> {
    pub(super) fn enter(&mut self, ask: Ask, job: Arc<F::Job>, now: Instant) -> RequestKey {
        let Ask { kind, endpoint, affinity, timeout, priority, waited, stays } = ask;
        let since = now.checked_sub(waited).unwrap_or(now);
        self.last_number += 1;
        let number = self.last_number;
        let until = timeout.and_then(|timeout| since.checked_add(timeout));
        let index = self.requests.insert(Request {
            job,
            kind,
            endpoint,
            affinity,
            priority,
            stays,
            number,
            place: Place::Queued,
            queued_at: since,
            until,
            stamp: None,
            links: Default::default(),
        });
        RequestKey { index, number }
    }

    /// Who was not served at once waits for so long and no longer. Most are, and need no deadline.
    pub(super) fn limit_wait(&mut self, key: RequestKey) {
        let request = self.requests.get(key.index).filter(|request| request.number == key.number);
        if let Some(request) = request
            && !matches!(request.place, Place::Running(_))
        {
            let until = request.queued_at.checked_add(self.settings.acquire_timeout);
            self.set_deadline(key, until);
        }
    }

    /// The earlier of `at` and the caller's own deadline.
    pub(super) fn set_deadline(&mut self, key: RequestKey, at: Option<Instant>) {
        let request = &mut self.requests[key.index];
        if let Some(stamp) = request.stamp.take() {
            self.deadlines.remove(stamp);
        }
        let at = match (at, request.until) {
            (Some(at), Some(until)) => Some(at.min(until)),
            (at, until) => at.or(until),
        };
        request.stamp = at.map(|at| self.deadlines.insert(at, Timer::Request(key)));
    }

    pub(super) fn queue(&mut self, key: RequestKey, now: Instant) {
        self.requests[key.index].place = Place::Queued;
        if let Some(affinity) = self.requests[key.index].affinity {
            self.requests[key.index].endpoint = self.endpoint_for(affinity, now);
        }
        self.special += usize::from(self.requests[key.index].is_special());
        let Request { kind, endpoint, .. } = self.requests[key.index];
        line(&mut self.anywhere, &mut self.endpoints, kind, endpoint)
            .join(&mut self.requests, key.index);
        self.in_lines += 1;
    }

    /// Back to the queue, with what is left of its time to wait; a pool that closes has none.
    pub(super) fn go_back(&mut self, key: RequestKey, now: Instant, fx: &mut Effects<F>) {
        if let Err(fault) = self.check_open() {
            // It stands nowhere at this moment.
            let request = self.requests.remove(key.index);
            if let Some(stamp) = request.stamp {
                self.deadlines.remove(stamp);
            }
            if !self.phase.is_open() {
                self.report.refused += 1;
            }
            fx.push(Effect::Refuse { job: request.job, fault });
            return;
        }
        // It had been checked out, and asks again.
        let endpoint = self.requests[key.index].endpoint;
        self.tell(Name::CheckOutStarted, fx, || Event::CheckOutStarted { endpoint });
        let until = self.requests[key.index].queued_at.checked_add(self.settings.acquire_timeout);
        self.set_deadline(key, until);
        self.queue(key, now);
    }

    /// Takes a request out of wherever it stands; from here on its caller is told by us, once.
    pub(super) fn take_out(&mut self, key: RequestKey) -> Request<F::Job> {
        let Request { place, kind, endpoint, stamp, .. } = self.requests[key.index];
        match (place, kind) {
            (Place::Running(slot), _) => self.slots[slot as usize].running = None,
            (Place::Queued, _) => {
                self.special -= usize::from(self.requests[key.index].is_special());
                line(&mut self.anywhere, &mut self.endpoints, kind, endpoint)
                    .leave(&mut self.requests, key.index);
                self.in_lines -= 1;
            }
            (Place::Turn, Kind::RunHeld(lease)) => {
                let slot = &mut self.slots[lease.slot as usize];
                slot.turn = None;
                self.endpoints[slot.endpoint].turns.leave(&mut self.requests, key.index);
                self.turns -= 1;
            }
            (Place::Behind, Kind::RunHeld(lease)) => {
                self.slots[lease.slot as usize].behind.leave(&mut self.requests, key.index);
            }
            (Place::Warming, _) => self.warming.leave(&mut self.requests, key.index),
            (Place::Turn | Place::Behind, _) => unreachable!("only a holder's job waits there"),
        }
        if let Some(stamp) = stamp {
            self.deadlines.remove(stamp);
        }
        self.requests.remove(key.index)
    }

    /// Takes out a request that got nothing, and tells its caller and whoever listens.
    pub(super) fn turn_down(
        &mut self,
        key: RequestKey,
        fault: Fault,
        now: Instant,
        fx: &mut Effects<F>,
    ) {
        let request = self.take_out(key);
        let Request { kind, endpoint, queued_at, place, .. } = request;
        if place == Place::Queued {
            self.tell_failed(kind, endpoint, queued_at, &fault, now, fx);
        }
        fx.push(Effect::Refuse { job: request.job, fault });
    }

    /// A caller who asked at `since` gets no slot.
    pub(super) fn tell_failed(
        &self,
        kind: Kind,
        endpoint: Option<usize>,
        since: Instant,
        fault: &Fault,
        now: Instant,
        fx: &mut Effects<F>,
    ) {
        if !matches!(kind, Kind::Hold | Kind::Run) {
            return;
        }
        self.tell(Name::CheckOutFailed, fx, || Event::CheckOutFailed {
            endpoint,
            reason: match fault.code() {
                Code::Closed => Failed::PoolClosed,
                Code::AcquireTimeout => Failed::Timeout,
                Code::QueueFull => Failed::QueueFull,
                _ => Failed::ConnectionError,
            },
            waited: now.saturating_duration_since(since),
            fault: fault.clone(),
        });
    }

    /// Every request that waits for a slot, oldest first.
    pub(super) fn queued(&self) -> Vec<RequestKey> {
        let mut keys: Vec<RequestKey> = self
            .requests
            .iter()
            .filter(|(_, request)| request.place == Place::Queued)
            .map(|(index, request)| RequestKey { index, number: request.number })
            .collect();
        keys.sort_unstable_by_key(|key| key.number);
        keys
    }

    pub(super) fn key_of(&self, index: usize) -> RequestKey {
        RequestKey { index, number: self.requests[index].number }
    }

    pub(in crate::pool) fn waiting(&self) -> usize {
        debug_assert_eq!(self.in_lines, {
            let named = self.endpoints.iter().map(|endpoint| endpoint.lines.len());
            self.anywhere.len() + named.sum::<usize>()
        });
        self.in_lines
    }
}
