//! Acquire and release, in every pool: alone, and in crowds of three sizes.
//!
//! `cargo bench` runs all of it, `cargo bench -- 64x16` one size. A time is that of one acquire and
//! one release, with everything that had to be waited for.

use std::time::Duration;

use blender_pool_bench::scenes::{Use, alone, crowd, current_thread, two_workers};
use blender_pool_bench::{Bb8, Contender, Deadpool, Fastpool, Mobc, Ours, Qp};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use tokio::runtime::Runtime;

const CROWDS: [(u64, u32); 3] = [(16, 4), (64, 16), (256, 64)];
const USES: [(&str, Use); 2] = [("brief", Use::Brief), ("held", Use::Held)];
const RUNTIMES: [(&str, MakeRuntime); 2] =
    [("one thread", current_thread), ("two workers", two_workers)];

type MakeRuntime = fn() -> Runtime;

/// As a task of the runtime, not as its outermost future, which is polled in another way.
fn run<F>(runtime: &Runtime, scene: F) -> Duration
where
    F: Future<Output = Duration> + Send + 'static,
{
    runtime.block_on(runtime.spawn(scene)).expect("no scene panics")
}

fn measure<C: Contender>(criterion: &mut Criterion) {
    let runtime = current_thread();
    criterion.bench_function(&format!("alone/{}", C::NAME), |bench| {
        bench.iter_custom(|rounds| run(&runtime, alone::<C>(rounds)));
    });
    for (on, runtime) in RUNTIMES {
        let runtime = runtime();
        for (name, usage) in USES {
            let mut group = criterion.benchmark_group(format!("{name}, {on}"));
            for (tasks, slots) in CROWDS {
                let id = BenchmarkId::new(C::NAME, format!("{tasks}x{slots}"));
                group.bench_function(id, |bench| {
                    bench.iter_custom(|rounds| {
                        run(&runtime, crowd::<C>(tasks, slots, rounds, usage))
                    });
                });
            }
        }
    }
}

fn settings() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(1_000))
}

criterion_group! {
    name = pools;
    config = settings();
    targets = measure::<Ours>, measure::<Fastpool>, measure::<Bb8>, measure::<Deadpool>,
        measure::<Mobc>, measure::<Qp>
}
criterion_main!(pools);
