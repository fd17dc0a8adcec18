//! What is under `fuzz/`, without a fuzzer: its corpus, and chance changes of it. `ZHIBU_FUZZ_SEED` and `ZHIBU_FUZZ_ROUNDS`
//! draw others, or more.

use std::panic::catch_unwind;
use std::path::Path;

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use zhibu::fuzz::TARGETS;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |value| value.parse().unwrap())
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// Some bytes are others, doubled, gone, or another seed's.
fn changed(random: &mut StdRng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let pick = |random: &mut StdRng| seeds[random.random_range(0..seeds.len())].clone();
    let mut bytes = pick(random);
    for _ in 0..random.random_range(1..=4) {
        let at = random.random_range(0..=bytes.len());
        let end = (at + random.random_range(0..=16)).min(bytes.len());
        match random.random_range(0..6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
            1 if at < bytes.len() => bytes[at] = random.random(),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let some = bytes[at..end].repeat(random.random_range(1..=8));
                bytes.splice(at..at, some);
            }
            4 => {
                let other = pick(random);
                let from = random.random_range(0..=other.len());
                let to = (from + 32).min(other.len());
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            _ => {
                let mut some = [0; 4];
                random.fill_bytes(&mut some);
                bytes.splice(at..at, some);
            }
        }
    }
    bytes
}

#[test]
fn whatever_strangers_send_is_refused_or_read_and_nothing_else() {
    let seed = number("ZHIBU_FUZZ_SEED", 1);
    let rounds = number("ZHIBU_FUZZ_ROUNDS", 2_000);
    for (name, target) in TARGETS {
        let seeds = corpus(name);
        assert!(seeds.len() > 2, "{name} has no corpus");
        let mut random = StdRng::seed_from_u64(seed);
        let chance = (0..rounds).map(|_| changed(&mut random, &seeds));
        for input in seeds.iter().cloned().chain(chance) {
            if catch_unwind(|| target(&input)).is_err() {
                panic!("{name}, seed {seed}: {:?}", String::from_utf8_lossy(&input));
            }
        }
    }
}
