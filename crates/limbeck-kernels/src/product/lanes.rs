//! Vectors of sixteen 32-bit numbers.

/// Numbers in a vector.
pub(super) const LANES: usize = 16;

/// A mask of the first `count` lanes, at most all.
pub(super) fn first(count: usize) -> u16 {
    if count >= LANES { u16::MAX } else { (1 << count) - 1 }
}
