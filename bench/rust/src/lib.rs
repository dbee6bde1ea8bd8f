//! Pools of something trivial, all asked the same way: what is left is the cost of the pool.

pub mod commands;
mod contenders;
pub mod scenes;
mod slots;

pub use contenders::{Bb8, Contender, Deadpool, Fastpool, Mobc, Ours, Qp};
pub use slots::{Held, Slots};

/// What every slot holds, in every pool.
#[derive(Debug)]
pub struct Thing;
