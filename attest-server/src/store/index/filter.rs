//! A Bloom filter over statements: nearly every submission asks every run for a statement that is in none.
//!
//! All bits of a key are in one block of 64 bytes, so that asking costs one access to memory.

use super::posting::Fingerprint;

/// Bits for each key: about one key in a hundred that is not there seems to be.
const BITS_PER_KEY: u64 = 10;
/// Words of 64 bits in a block.
const WORDS: u64 = 8;
/// Bits that each key sets.
const PROBES: u32 = 7;

/// See the module.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Filter {
    words: Vec<u64>,
}

impl Filter {
    /// A filter that is empty, for so many keys.
    pub(super) fn new(keys: u64) -> Self {
        Self { words: vec![0; Self::words_for(keys)] }
    }

    /// Bytes of a filter for so many keys.
    pub(super) fn bytes_for(keys: u64) -> usize {
        Self::words_for(keys) * 8
    }

    fn words_for(keys: u64) -> usize {
        let blocks = (keys * BITS_PER_KEY).div_ceil(WORDS * 64).max(1);
        usize::try_from(blocks * WORDS).unwrap_or(usize::MAX)
    }

    pub(super) fn insert(&mut self, key: Fingerprint) {
        for (word, bit) in self.places(key) {
            self.words[word] |= bit;
        }
    }

    /// Whether the key may be there; never `false` for one that is.
    pub(super) fn may_hold(&self, key: Fingerprint) -> bool {
        self.places(key).into_iter().all(|(word, bit)| self.words[word] & bit != 0)
    }

    fn places(&self, key: Fingerprint) -> [(usize, u64); PROBES as usize] {
        let blocks = self.words.len() as u64 / WORDS;
        // The upper half of the fingerprint chooses the block, a mix of all of it the bits.
        let block = ((key.0 >> 32) * blocks) >> 32;
        let mixed = key.0.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        std::array::from_fn(|probe| {
            let place = mixed >> (9 * probe) & 0x1ff;
            (usize::try_from(block * WORDS + place / 64).unwrap_or_default(), 1 << (place % 64))
        })
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    /// `bytes` are those of a filter, as long as [`Filter::bytes_for`] says.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let (words, _) = bytes.as_chunks::<8>();
        Self { words: words.iter().map(|word| u64::from_be_bytes(*word)).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> Fingerprint {
        // splitmix64
        let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Fingerprint(mixed ^ (mixed >> 31))
    }

    #[test]
    fn what_is_in_it_is_always_found_and_what_is_not_rarely_seems_to_be() {
        let mut filter = Filter::new(10_000);
        (0..10_000).for_each(|number| filter.insert(key(number)));
        let filter = Filter::from_bytes(&filter.to_bytes());
        assert!((0..10_000).all(|number| filter.may_hold(key(number))));
        let mistaken = (10_000..110_000).filter(|number| filter.may_hold(key(*number))).count();
        assert!(mistaken < 3_000, "{mistaken} of 100,000");
    }
}
