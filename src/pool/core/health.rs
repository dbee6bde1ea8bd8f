//! Checks of what is idle.

use std::marker::PhantomData;

use std::sync::Arc;

use serde_json::Value;
use tokio::time::Instant;

use super::{Core, Effect, Effects};
use crate::fault::Fault;
use crate::pool::face::Face;

/// A check that runs on a slot.
#[derive(Clone, Copy, Debug)]
pub(in crate::pool) struct Check {
    pub number: u64,
    pub began: Instant,
}

/// What is known about the rounds of checks.
pub(super) struct Rounds<F: Face> {
    marker: PhantomData<F>,
}

impl<F: Face> Default for Rounds<F> {
    fn default() -> Self {
        Rounds { marker: PhantomData }
    }
}

impl<F: Face> Core<F> {
    /// The next round of checks is due.
    pub(super) fn check_round(&mut self, _now: Instant, _fx: &mut Effects<F>) {}

    /// Somebody wants to know how everything does.
    pub(in crate::pool) fn check_health(
        &mut self,
        job: Arc<F::Job>,
        _now: Instant,
        fx: &mut Effects<F>,
    ) {
        fx.push(Effect::Done { job, report: Value::Null });
    }

    /// The check on a slot was answered. `fit`: what the slot holds is good for more.
    pub(super) fn check_answered(
        &mut self,
        _at: u32,
        _fit: bool,
        _now: Instant,
        _fx: &mut Effects<F>,
    ) {
    }

    /// The check on a slot broke what it holds; that it ended follows.
    pub(super) fn check_failed(&mut self, _at: u32, _fault: &Fault, _fx: &mut Effects<F>) {}

    /// Nothing could be opened for a check (where slots hold nothing between jobs).
    pub(super) fn check_unsent(
        &mut self,
        _at: u32,
        _fault: Fault,
        _now: Instant,
        _fx: &mut Effects<F>,
    ) {
    }

    /// What a slot held is gone; if a check ran on it, it is over.
    pub(super) fn check_ended(&mut self, _at: u32, _fault: &Fault, _fx: &mut Effects<F>) {}

    /// A check has had its time.
    pub(super) fn check_timed_out(
        &mut self,
        _at: u32,
        _number: u64,
        _now: Instant,
        _fx: &mut Effects<F>,
    ) {
    }

    /// The check could not begin: what the slot holds is not fit.
    pub(in crate::pool) fn check_not_started(
        &mut self,
        _at: u32,
        _id: u64,
        _now: Instant,
        _fx: &mut Effects<F>,
    ) {
    }

    /// The pool closes: reports that are being made are given as far as they are.
    pub(super) fn end_reports(&mut self, _now: Instant, _fx: &mut Effects<F>) {}
}
