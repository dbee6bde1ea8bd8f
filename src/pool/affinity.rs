//! The same key, the same endpoint: rendezvous hashing.
//!
//! Each endpoint gets a weight from its name and the key, and the heaviest one is chosen (Thaler
//! and Ravishankar, "A Name-Based Mapping Scheme for Rendezvous", 1996). When one goes, only its
//! own keys move; when it is back, they return. Names decide, not places in a list: processes that
//! list their endpoints in another order agree all the same.

/// FNV-1a, 64 bits: fixed for all time and on every machine, so that several processes agree.
pub(super) fn key(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// How much the endpoint whose name has the key `name` weighs for `key`.
pub(super) fn weight(name: u64, key: u64) -> u64 {
    // FNV alone leaves keys that differ in one letter close together; SplitMix64's finalizer
    // (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014) parts them.
    let mixed = |bits: u64| {
        let bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ bits >> 31
    };
    mixed(mixed(name) ^ key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 5] = ["desk", "farm-1", "farm-2", "farm-3", "farm-4"];
    const KEYS: usize = 10_000;

    fn choose(names: &[&'static str], text: &str) -> &'static str {
        let names = names.iter().copied();
        names.max_by_key(|name| weight(key(name), key(text))).unwrap()
    }

    fn keys() -> impl Iterator<Item = String> {
        (0..KEYS).map(|number| format!("scene-{number}"))
    }

    #[test]
    fn when_an_endpoint_is_lost_only_its_own_keys_move() {
        for lost in NAMES {
            let left: Vec<_> = NAMES.iter().copied().filter(|name| *name != lost).collect();
            for text in keys() {
                let (before, after) = (choose(&NAMES, &text), choose(&left, &text));
                assert!(before == after || before == lost, "{text} moved from {before} to {after}");
            }
        }
    }

    #[test]
    fn keys_are_spread_evenly() {
        let mut counts = [0.0f64; NAMES.len()];
        for text in keys() {
            let chosen = choose(&NAMES, &text);
            counts[NAMES.iter().position(|name| *name == chosen).unwrap()] += 1.0;
        }
        let expected = (KEYS / NAMES.len()) as f64;
        let chi: f64 = counts.iter().map(|count| (count - expected).powi(2) / expected).sum();
        // Of 4 degrees of freedom, 18.5 is exceeded by chance once in a thousand times.
        assert!(chi < 18.5, "{counts:?} is uneven: {chi}");
    }

    #[test]
    fn every_process_on_every_machine_chooses_the_same() {
        assert_eq!(key("desk"), 0xa5ea_f767_427c_b518);
        assert_eq!(weight(key("desk"), key("scene-1")), 0x40bf_4eef_7216_e4dd);
        let chosen: Vec<_> = keys().take(6).map(|text| choose(&NAMES, &text)).collect();
        assert_eq!(chosen, ["farm-1", "farm-2", "desk", "desk", "desk", "desk"]);
        let reversed: Vec<_> = NAMES.iter().rev().copied().collect();
        assert!(keys().all(|text| choose(&NAMES, &text) == choose(&reversed, &text)));
    }
}
