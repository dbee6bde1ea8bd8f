//! So many rounds of one thing in the core, and nothing else: what callgrind counts here, less what
//! it counts for fewer rounds, is the cost. `bench/cost` does the sum.

use blender_pool_bench::Ours;
use blender_pool_bench::commands::{commands, serve};
use blender_pool_bench::scenes::{Use, alone, crowd, current_thread};

fn main() {
    let mut given = std::env::args().skip(1);
    let scene = given.next().unwrap_or_default();
    let rounds = given.next().and_then(|rounds| rounds.parse().ok()).unwrap_or(10_000);
    let runtime = current_thread();
    let took = match scene.as_str() {
        "acquire" => runtime.block_on(alone::<Ours>(rounds)),
        "queued" => runtime.block_on(crowd::<Ours>(64, 16, rounds, Use::Held)),
        "command" => runtime.block_on(commands(rounds)),
        "serve" => return serve().expect("it serves"),
        _ => {
            eprintln!("usage: cost acquire|queued|command [rounds]");
            std::process::exit(2);
        }
    };
    println!("{:.0} ns each", took.as_nanos() as f64 / rounds as f64);
}
