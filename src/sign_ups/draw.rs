//! The draw: an order that nobody could know or choose, and that anybody can check. A secret seed is made, and its SHA-256
//! published, before the first entry; when the draw is held the seed is published too. Entries stand in the order of
//! SHA-256(seed, id of the entry), the bytes of both one behind the other.

use sha2::{Digest, Sha256};

use super::SignUpId;
use crate::platform::keys::random_bytes;

const SEED: usize = 32;

/// A new seed, in hexadecimal.
pub fn new_seed() -> String {
    hex::encode(random_bytes::<SEED>())
}

/// What is told of a seed before the draw; none of what is no seed of ours.
pub fn commitment(seed: &str) -> Option<String> {
    Some(hex::encode(Sha256::digest(hex::decode(seed).ok()?)))
}

/// Puts the entries into the order of the draw.
pub fn order<T>(seed: &str, entries: &mut [T], id: impl Fn(&T) -> SignUpId) -> Option<()> {
    let seed = hex::decode(seed).ok()?;
    entries.sort_by_cached_key(|entry| {
        let mut hash = Sha256::new();
        hash.update(&seed);
        hash.update(id(entry).0);
        let key: [u8; 32] = hash.finalize().into();
        key
    });
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_the_hashes_and_has_nothing_to_do_with_arrival() {
        let entry = |n: u128| SignUpId(uuid::Uuid::from_u128(n));
        let mut entries: Vec<SignUpId> = (0..100).map(entry).collect();
        order("00ff", &mut entries, |id| *id).unwrap();
        let key = |id: &SignUpId| {
            let mut bytes = vec![0x00, 0xff];
            bytes.extend(id.0.as_bytes());
            Sha256::digest(bytes).to_vec()
        };
        assert!(entries.is_sorted_by_key(key));
        assert!(!entries.is_sorted());
        assert_eq!(order("not a seed", &mut entries, |id| *id), None);
        assert_eq!(commitment(&new_seed()).unwrap().len(), 64);
        let seed = new_seed();
        assert_eq!(hex::decode(&seed).unwrap().len(), SEED);
        assert_ne!(seed, new_seed());
    }
}
