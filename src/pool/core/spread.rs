//! Which of several endpoints serves a caller who named none.
//!
//! - With an affinity, the one that its key weighs most for among those that are not down; should
//!   that fail while the caller waits, the next. See [`affinity`].
//! - Without, any that has an idle slot, the better of two that chance picks (Mitzenmacher, "The
//!   Power of Two Choices in Randomized Load Balancing", 2001): better is who has less to do, and
//!   was faster of late. Choosing the best of all instead would send every caller of a moment to
//!   the same one. An idle slot anywhere is preferred to opening one at a better endpoint: it
//!   serves now, and at a Blender opening costs those who are there already. Where none is idle,
//!   one is opened where the fewest are.
//! - Never one that is down while another is not; who is sent elsewhere leaves word that a
//!   [probe](Core::probe) is worth while.

use std::time::Duration;

use tokio::time::Instant;

use super::{Core, line};
use crate::pool::affinity;
use crate::pool::face::Face;
use crate::pool::request::{Ask, Kind};

/// What is known of an endpoint's latency is worth a third of it after so long a rest.
const FADING: Duration = Duration::from_secs(10);

/// The better of two candidates that chance picks, however many are offered.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TwoChoices {
    offered: usize,
    picked: [Option<(f64, u32)>; 2],
}

impl TwoChoices {
    /// One more candidate, and what it would cost.
    pub fn offer(&mut self, cost: f64, slot: u32) {
        self.offered += 1;
        // Two of all, each pair as likely as the next (Vitter, "Random Sampling with a Reservoir",
        // 1985).
        let place =
            if self.offered <= 2 { self.offered - 1 } else { fastrand::usize(..self.offered) };
        if let Some(picked) = self.picked.get_mut(place) {
            *picked = Some((cost, slot));
        }
    }

    /// The cheaper of the two; of equals, either.
    pub fn best(self) -> Option<u32> {
        let [first, second] = self.picked;
        match (first?, second) {
            ((cost, slot), Some((other, _)))
                if cost < other || (cost == other && fastrand::bool()) =>
            {
                Some(slot)
            }
            ((_, slot), second) => Some(second.map_or(slot, |(_, slot)| slot)),
        }
    }
}

impl<F: Face> Core<F> {
    /// Where a caller has to wait: the endpoint it names, or the one its affinity means.
    pub(super) fn destination(&mut self, ask: &Ask, now: Instant) -> Option<usize> {
        match ask.affinity {
            Some(key) if ask.endpoint.is_none() => self.endpoint_for(key, now),
            _ => ask.endpoint,
        }
    }

    /// The endpoint for an affinity; nothing when all are down, or there is only one.
    pub(super) fn endpoint_for(&mut self, key: u64, now: Instant) -> Option<usize> {
        if self.endpoints.len() == 1 {
            return None;
        }
        let weight = |at: &usize| affinity::weight(self.endpoints[*at].key, key);
        let up = (0..self.endpoints.len()).filter(|at| !self.is_down(*at)).max_by_key(weight)?;
        let best = (0..self.endpoints.len()).max_by_key(weight)?;
        if best != up {
            self.endpoints[best].sought_at = Some(now);
        }
        Some(up)
    }

    /// An endpoint is down: those who wait there for no other reason than their affinity go on to
    /// the next, or anywhere if all are down, and keep their places among those who wait there.
    pub(super) fn send_elsewhere(&mut self, at: usize, now: Instant) {
        if self.endpoints.len() == 1 {
            return;
        }
        for kind in [Kind::Hold, Kind::Run] {
            let standing = line(&mut self.anywhere, &mut self.endpoints, kind, Some(at));
            let mut movers: Vec<(Option<usize>, u64, usize)> = Vec::new();
            for index in standing.everybody(&self.requests) {
                let request = &self.requests[index];
                if let Some(key) = request.affinity {
                    let number = request.number;
                    movers.push((self.endpoint_for(key, now), number, index));
                }
            }
            movers.sort_unstable();
            for group in movers.chunk_by(|one, other| one.0 == other.0) {
                let indices: Vec<usize> = group.iter().map(|(.., index)| *index).collect();
                for index in &indices {
                    line(&mut self.anywhere, &mut self.endpoints, kind, Some(at))
                        .leave(&mut self.requests, *index);
                    self.requests[*index].endpoint = group[0].0;
                }
                line(&mut self.anywhere, &mut self.endpoints, kind, group[0].0)
                    .join_all(&mut self.requests, &indices);
            }
        }
    }

    /// What one more caller costs at an endpoint: those it would share it with, times how long its
    /// answers take. One that has not answered yet counts as the best of the others; of one that
    /// has not been asked for a while, what is known fades, or one long job would keep callers away
    /// for ever (as in the Peak EWMA balancer of Twitter's Finagle).
    pub(super) fn cost(&self, at: usize, kind: Kind, now: Instant) -> f64 {
        if self.endpoints.len() == 1 {
            // There is nothing to compare it with.
            return 0.0;
        }
        if self.is_down(at) {
            return f64::INFINITY;
        }
        let known = |at: usize| {
            let endpoint = &self.endpoints[at];
            let since = endpoint.served_at.filter(|_| endpoint.in_flight == 0);
            let rest = since.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
            let fading = (-rest.as_secs_f64() / FADING.as_secs_f64()).exp();
            endpoint.pulse.latency().map(|took| took.as_secs_f64() * fading)
        };
        let latency = known(at)
            .or_else(|| (0..self.endpoints.len()).filter_map(known).min_by(f64::total_cmp));
        let endpoint = &self.endpoints[at];
        let load = if kind == Kind::Hold {
            endpoint.held.max(endpoint.in_flight)
        } else {
            endpoint.in_flight
        };
        // Whatever the clock does not tell apart costs the same.
        (load + 1) as f64 * latency.unwrap_or(1.0).max(1e-6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_the_cheaper_is_chosen_every_time() {
        for _ in 0..100 {
            let mut choice = TwoChoices::default();
            choice.offer(2.0, 7);
            choice.offer(1.0, 8);
            assert_eq!(choice.best(), Some(8));
        }
    }

    #[test]
    fn of_many_the_dearest_is_never_chosen_and_every_other_sometimes() {
        fastrand::seed(7);
        let mut chosen = [0; 5];
        for _ in 0..2_000 {
            let mut choice = TwoChoices::default();
            (0..5).for_each(|slot| choice.offer(f64::from(slot), slot));
            chosen[choice.best().unwrap() as usize] += 1;
        }
        assert_eq!(chosen[4], 0);
        // The best is in two of five picks, the next in one and a half, and so on.
        assert!(chosen.is_sorted_by(|more, less| more > less), "{chosen:?}");
    }

    #[test]
    fn of_equals_each_is_chosen_about_as_often() {
        fastrand::seed(7);
        let mut chosen = [0; 3];
        for _ in 0..3_000 {
            let mut choice = TwoChoices::default();
            (0..3).for_each(|slot| choice.offer(1.0, slot));
            chosen[choice.best().unwrap() as usize] += 1;
        }
        assert!(chosen.iter().all(|count| (900..1_100).contains(count)), "{chosen:?}");
    }
}
