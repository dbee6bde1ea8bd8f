//! The memory of the slot table.
//!
//! A flat run of 32-bit words, and nothing else: no pointers, no lengths, no padding. That makes
//! it memory which a `SharedArrayBuffer` can provide as well, so that JavaScript may one day do
//! the two uncontended transitions with `Atomics.compareExchange`. Whoever provides the memory,
//! the table sees only this type.

use std::sync::atomic::AtomicU32;

/// A fixed run of atomic words.
#[derive(Debug)]
pub struct Words(Box<[AtomicU32]>);

impl Words {
    /// `count` words, all 0.
    pub fn zeroed(count: usize) -> Self {
        Words((0..count).map(|_| AtomicU32::new(0)).collect())
    }

    /// One word.
    pub fn at(&self, index: usize) -> &AtomicU32 {
        &self.0[index]
    }
}
