//! What it costs to merge a report into what is stored: one range into 10, 100, 1,000 that are there, with reading and
//! writing the stored bytes. Part of `scripts/bench.sh`; prints microseconds a merge.

use std::hint::black_box;
use std::time::Instant;

use zhibu::study::{Played, Span};

const MERGES: u32 = 20_000;

fn main() {
    for stored in [10u32, 100, 1_000] {
        let span = |n: u32| Span {
            from: n * 7_000,
            to: n * 7_000 + 3_000,
        };
        let bytes = Played::of((0..stored).map(span)).encode();
        let new = |n: u32| {
            let from = (n * 7_919) % (stored * 7_000);
            Played::of([Span {
                from,
                to: from + 15_000,
            }])
        };
        let begun = Instant::now();
        for n in 0..MERGES {
            let before = Played::decode(black_box(&bytes)).unwrap_or_default();
            let claim = black_box(new(n));
            let added = claim.minus(&before);
            black_box(before.union(&added).encode());
        }
        let whole_us = begun.elapsed().as_secs_f64() * 1e6 / f64::from(MERGES);
        let before = Played::decode(&bytes).unwrap_or_default();
        let begun = Instant::now();
        for n in 0..MERGES {
            let claim = black_box(new(n));
            black_box(before.union(&claim.minus(black_box(&before))));
        }
        let merge_us = begun.elapsed().as_secs_f64() * 1e6 / f64::from(MERGES);
        println!(
            "merge into {stored:>5} ranges ({} bytes): {merge_us:.2} us, with reading and writing {whole_us:.2} us",
            bytes.len()
        );
    }
}
