//! So many acquires and releases in the core, and nothing else: what callgrind counts here, less
//! what it counts for fewer, is their cost.

use blender_pool_bench::Ours;
use blender_pool_bench::scenes::{Use, alone, crowd, current_thread};

fn main() {
    let mut given = std::env::args().skip(1);
    let scene = given.next().unwrap_or_default();
    let rounds = given.next().and_then(|rounds| rounds.parse().ok()).unwrap_or(10_000);
    let runtime = current_thread();
    let took = match scene.as_str() {
        "alone" => runtime.block_on(alone::<Ours>(rounds)),
        "crowd" => runtime.block_on(crowd::<Ours>(64, 16, rounds, Use::Held)),
        _ => {
            eprintln!("usage: cost alone|crowd [rounds]");
            std::process::exit(2);
        }
    };
    println!("{:.0} ns each", took.as_nanos() as f64 / rounds as f64);
}
