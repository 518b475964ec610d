//! Memory that every thread keeps for operands that are laid out, from product to product.

use std::cell::RefCell;

use super::lanes::LANES;

/// One line of cache.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[expect(dead_code, reason = "reached by pointer")] [f32; LANES]);

thread_local! {
    static SCRATCH: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
}

/// Hands over room for `floats`, aligned to lines of cache, with contents of any kind.
pub(super) fn with_scratch<R>(floats: usize, work: impl FnOnce(*mut f32) -> R) -> R {
    SCRATCH.with_borrow_mut(|room| {
        let lines = floats.div_ceil(LANES);
        if room.len() < lines {
            room.resize(lines, Line([0.0; LANES]));
        }
        work(room.as_mut_ptr().cast())
    })
}
