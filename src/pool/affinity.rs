//! The same key, the same endpoint: rendezvous hashing.
//!
//! Each endpoint gets a weight from its name and the key, and the heaviest one is chosen (Thaler
//! and Ravishankar, "A Name-Based Mapping Scheme for Rendezvous", 1996). When one goes, only its
//! own keys move; when it is back, they return.

/// FNV-1a, 64 bits: fixed for all time and on every machine, so that several processes agree.
pub(super) fn key(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
