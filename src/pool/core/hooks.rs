//! User code that runs while a slot is out of the pool.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Core, Effects};
use crate::fault::Fault;
use crate::pool::event::Hook;
use crate::pool::face::Face;
use crate::pool::table::Lease;

/// User code that runs on what a slot holds.
pub(in crate::pool) struct HookRun<F: Face> {
    pub hook: Hook,
    pub number: u64,
    /// Good for jobs while the hook runs.
    pub lease: Lease,
    /// The holder's, that asked for it.
    pub job: Option<Arc<F::Job>>,
}

impl<F: Face> Core<F> {
    /// Whether this is the lease of a hook that runs.
    pub(super) fn in_hook(&self, _lease: Lease) -> bool {
        false
    }

    /// What was opened goes through user code first, if there is any.
    pub(super) fn begin_connect_hook(
        &mut self,
        _at: u32,
        _now: Instant,
        _fx: &mut Effects<F>,
    ) -> bool {
        false
    }

    /// A slot that was let go of goes through user code first, if there is any.
    pub(super) fn begin_leaving_hook(
        &mut self,
        _at: u32,
        _now: Instant,
        _fx: &mut Effects<F>,
    ) -> bool {
        false
    }

    /// A slot whose holder wanted it recycled is taken away before that began.
    pub(super) fn drop_recycling(&mut self, _at: u32, _fault: &Fault, _fx: &mut Effects<F>) {}

    /// The holder lets go by way of user code.
    ///
    /// # Errors
    /// [`Code::NotHeld`](crate::fault::Code::NotHeld).
    pub(in crate::pool) fn recycle(
        &mut self,
        lease: Lease,
        _job: Arc<F::Job>,
        now: Instant,
        fx: &mut Effects<F>,
    ) -> Result<(), Fault> {
        self.release(lease, now, fx)
    }

    /// User code is done with what a slot holds, or has failed.
    pub(in crate::pool) fn hook_done(
        &mut self,
        _lease: Lease,
        _number: u64,
        _error: Option<String>,
        _now: Instant,
        _fx: &mut Effects<F>,
    ) {
    }

    /// A hook has had its time.
    pub(super) fn hook_timed_out(
        &mut self,
        _at: u32,
        _number: u64,
        _now: Instant,
        _fx: &mut Effects<F>,
    ) {
    }
}
