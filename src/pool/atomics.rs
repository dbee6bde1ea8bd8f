//! The atomics of the [`shelf`](super::shelf): the standard library's, and in its model check those
//! of the checker, which tries every order in which the two sides can meet.

pub use std::sync::atomic::{AtomicU32, AtomicU64};

/// Words of the shelf, each for [`SLOTS_PER_WORD`](super::shelf::SLOTS_PER_WORD) slots.
pub const SHELF_WORDS: usize = 8;
/// Notes that JavaScript can leave before the engine must have read them.
pub const SHELF_NOTES: usize = 128;
