//! How few items carry a difference.

use crate::StatsError;
use crate::error::check_finite;

/// Who carries the sum of paired differences.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Carriers {
    /// Number of items.
    pub items: usize,
    /// The largest item's share of the sum: 0.61 when one item supplied 61% of it, above 1 when the others together go the
    /// other way.
    pub largest_share: f64,
    /// Its position, from 0.
    pub largest: usize,
    /// The fewest items whose differences add up to half of the sum.
    pub half: usize,
}

impl Carriers {
    /// Whether so few carry the difference that it should be said: one item carries a quarter of it, or a hundredth of the
    /// items (at most ten) half of it.
    pub fn few(&self) -> bool {
        self.largest_share >= 0.25 || self.half <= (self.items / 100).clamp(1, 10)
    }
}

/// Which items carry the sum of `differences`.
///
/// # Errors
/// Empty input, a value that is not finite, or a sum of 0, which nothing carries.
pub fn carriers(differences: &[f64]) -> Result<Carriers, StatsError> {
    const WHAT: &str = "carriers of a difference";
    check_finite(WHAT, differences)?;
    let total: f64 = differences.iter().sum();
    if total == 0.0 {
        return Err(StatsError::Undefined { what: WHAT, because: "the differences add up to 0" });
    }
    let mut order: Vec<usize> = (0..differences.len()).collect();
    order.sort_by(|&a, &b| (differences[b] / total).total_cmp(&(differences[a] / total)));
    let mut carried = 0.0;
    let mut half = 0;
    for &item in &order {
        // The slack keeps two equal halves at one item whatever the rounding of the sum.
        if carried >= 0.5 - 1e-12 {
            break;
        }
        carried += differences[item] / total;
        half += 1;
    }
    Ok(Carriers {
        items: differences.len(),
        largest_share: differences[order[0]] / total,
        largest: order[0],
        half,
    })
}
