//! The keeper: does what is due when it is due, until the pool is closed or dropped.
//!
//! It holds the pool only while it works, so that waiting does not keep a forgotten pool alive.

use std::sync::{Arc, Weak};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::core::Phase;
use super::engine::Engine;
use super::face::Face;

/// The task of `engine`'s keeper; `wake` tells it to look at the deadlines again.
pub(super) async fn keep<F: Face>(engine: Weak<Engine<F>>, wake: Arc<Notify>) {
    loop {
        let next = {
            let Some(engine) = engine.upgrade() else {
                return;
            };
            // Nobody's time is over whose answer is there. So this is the time that counts, and not the one
            // after the look; and whatever woke this task may have come with a deadline.
            let now = Instant::now();
            let is_due = engine.core().deadlines.is_due(now);
            if is_due {
                engine.face().look();
            }
            engine.decide(|core, _, fx| core.tick(now, fx));
            let mut core = engine.core();
            if core.phase == Phase::Closed {
                return;
            }
            core.deadlines.arm()
        };
        match next {
            Some(at) => {
                tokio::select! {
                    () = sleep_until(at) => {}
                    () = wake.notified() => {}
                }
            }
            None => wake.notified().await,
        }
    }
}
