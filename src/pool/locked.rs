//! The engine's one lock, and what JavaScript may do by itself while nobody has it.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::core::Core;
use super::face::Face;

/// The core, and nobody else at it. JavaScript may help itself again when this is gone.
pub(super) struct Locked<'a, F: Face> {
    face: &'a F,
    core: Option<MutexGuard<'a, Core<F>>>,
    now: Instant,
}

impl<'a, F: Face> Locked<'a, F> {
    pub(super) fn new(core: &'a Mutex<Core<F>>, face: &'a F, now: Instant) -> Self {
        // The core panics only on a bug in itself; then it is better to go on than to hang.
        let mut core = core.lock().unwrap_or_else(PoisonError::into_inner);
        core.catch_up(now);
        Locked { face, core: Some(core), now }
    }
}

impl<F: Face> Deref for Locked<'_, F> {
    type Target = Core<F>;

    fn deref(&self) -> &Core<F> {
        self.core.as_deref().expect("locked until dropped")
    }
}

impl<F: Face> DerefMut for Locked<'_, F> {
    fn deref_mut(&mut self) -> &mut Core<F> {
        self.core.as_deref_mut().expect("locked until dropped")
    }
}

impl<F: Face> Drop for Locked<'_, F> {
    fn drop(&mut self) {
        let face = self.face;
        let calls = self.core.take().is_some_and(|mut core| {
            let calls = core.lay_out_shelf(face.owes(), self.now);
            if calls {
                face.call_for_waiting();
            }
            calls
        });
        if calls {
            face.told();
        }
    }
}
