//! Token sequences with something to learn in them.

use limbeck_data::examples::TokenExample;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Sequences that count upwards modulo `vocab` from a random start with a stride of 1 or 2: after two tokens the rest
/// is certain. Lengths differ from `length / 2` to `length`.
pub fn counting_examples(count: usize, length: usize, vocab: usize, seed: u64) -> Vec<TokenExample> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let one = |_| {
        let start = random.random_range(0..vocab);
        let stride = random.random_range(1..=2);
        let tokens = random.random_range(length.div_ceil(2).max(3)..=length.max(3));
        let ids: Vec<u32> = (0..tokens).map(|i| ((start + stride * i) % vocab) as u32).collect();
        let scored = (0..tokens).map(|i| i > 1).collect();
        TokenExample { ids, scored }
    };
    (0..count).map(one).collect()
}

/// Sequences of uniformly random tokens, all scored but the first.
pub fn random_examples(count: usize, length: usize, vocab: usize, seed: u64) -> Vec<TokenExample> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let one = |_| {
        let ids: Vec<u32> = (0..length).map(|_| random.random_range(0..vocab as u32)).collect();
        TokenExample { scored: (0..length).map(|i| i > 0).collect(), ids }
    };
    (0..count).map(one).collect()
}
