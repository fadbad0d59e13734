//! Every parser over every seed and over small changes of each, the same ones each time; fuzz/ goes on from here.
//!
//! `ATTEST_FUZZ_CHANGES` sets how many changes are tried on each parser.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests read the vectors")]

#[path = "support/properties.rs"]
#[expect(unreachable_pub, reason = "fuzz/ uses it too")]
mod properties;
#[path = "support/seeds.rs"]
#[expect(unreachable_pub, reason = "fuzz/ uses it too")]
mod seeds;

use std::panic::{AssertUnwindSafe, catch_unwind};

use properties::TARGETS;
use seeds::seeds;

/// xorshift64: the same changes each time.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % n.max(1) as u64).unwrap()
    }

    /// One to four edits: a bit, an extreme byte, a cut, a byte more, a piece doubled.
    fn change(&mut self, seed: &[u8]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            let Some(byte) = bytes.get_mut(at) else {
                bytes.push(0xff);
                continue;
            };
            match self.below(6) {
                0 => *byte ^= 1 << self.below(8),
                1 => *byte = [0, 0x0a, 0x20, 0x7f, 0x80, 0xff][self.below(6)],
                2 => bytes.truncate(at),
                3 => bytes.insert(at, b"\n +-=\"0"[self.below(7)]),
                4 => drop(bytes.remove(at)),
                _ => bytes.extend_from_within(at..),
            }
        }
        bytes
    }
}

fn changes() -> usize {
    std::env::var("ATTEST_FUZZ_CHANGES").map_or(5_000, |changes| changes.parse().unwrap())
}

#[test]
fn every_parser_accepts_some_seed_and_breaks_on_none_of_their_changes() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for target in TARGETS {
        let seeds = seeds(target.name);
        let accepted = seeds.iter().filter(|seed| (target.holds)(seed)).count();
        for seed in seeds.iter().cycle().take(changes()) {
            let changed = random.change(seed);
            let held = catch_unwind(AssertUnwindSafe(|| (target.holds)(&changed)));
            assert!(held.is_ok(), "{} breaks on {:?}", target.name, String::from_utf8_lossy(&changed));
        }
        println!("{}: {} seeds, {accepted} accepted, {} changes", target.name, seeds.len(), changes());
        assert!(accepted > 0, "no seed of {} is accepted", target.name);
    }
}
