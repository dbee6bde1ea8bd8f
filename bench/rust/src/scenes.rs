//! What is done with a pool: so many acquires and releases, and how long they took.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;

use crate::Contender;

/// What tasks do with a slot while they have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Let go of it at once: on one thread nobody ever waits.
    Brief,
    /// Let others run first: all slots are always taken, and whoever comes waits.
    Held,
}

/// On one thread.
pub fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// On two threads at the same time.
pub fn two_workers() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// One task, for which there is always a slot.
pub async fn alone<C: Contender>(rounds: u64) -> Duration {
    let pool = C::new(16);
    warm(&pool, 16).await;
    let began = Instant::now();
    for _ in 0..rounds {
        drop(pool.acquire().await);
    }
    began.elapsed()
}

/// Many tasks that share few slots.
pub async fn crowd<C: Contender>(tasks: u64, slots: u32, rounds: u64, usage: Use) -> Duration {
    let pool = Arc::new(C::new(slots));
    warm(&*pool, slots).await;
    let began = Instant::now();
    let crowd: Vec<_> = (0..tasks)
        .map(|task| {
            let pool = pool.clone();
            let share = rounds / tasks + u64::from(task < rounds % tasks);
            tokio::spawn(async move {
                for _ in 0..share {
                    let held = pool.acquire().await;
                    if usage == Use::Held {
                        yield_now().await;
                    }
                    drop(held);
                }
            })
        })
        .collect();
    for one in join_all(crowd).await {
        one.expect("no task panics");
    }
    began.elapsed()
}

/// Opens everything.
async fn warm<C: Contender>(pool: &C, slots: u32) {
    let mut all = Vec::new();
    for _ in 0..slots {
        all.push(pool.acquire().await);
    }
}
