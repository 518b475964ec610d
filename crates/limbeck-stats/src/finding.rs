//! From the interval of a difference to what may be said about it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Estimate;

/// Which way a measure points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// More is better: accuracy, agreement.
    HigherIsBetter,
    /// Less is better: loss, divergence, calibration error.
    LowerIsBetter,
}

/// What a paired comparison found, of itself or beside a smallest difference that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// The student is better than the baseline beyond the interval.
    Better,
    /// The student is worse than the baseline beyond the interval.
    Worse,
    /// The difference is smaller than what matters, by two one-sided tests. Said only where a margin was given.
    Equal,
    /// Neither: the interval of the difference holds zero, or the difference may be larger or smaller than what matters.
    CannotTell,
}

impl Finding {
    /// Reads the interval of `first - second`: better or worse when it leaves zero out, an end at
    /// zero counting as holding it. An interval that is not finite tells nothing.
    pub fn of(difference: &Estimate, direction: Direction) -> Self {
        if !difference.is_finite() || (difference.low <= 0.0 && difference.high >= 0.0) {
            return Self::CannotTell;
        }
        let higher = difference.low > 0.0;
        match (higher, direction) {
            (true, Direction::HigherIsBetter) | (false, Direction::LowerIsBetter) => Self::Better,
            _ => Self::Worse,
        }
    }

    /// Reads a difference beside `margin`, the smallest one that matters: better or worse when `wide` leaves zero out and
    /// the difference is at least the margin; equal when `narrow` lies within the margin on both sides, which is two
    /// one-sided tests at half of what `narrow` leaves out (TOST, Schuirmann 1987: 90% for tests at 5%); else it cannot be told.
    ///
    /// `wide` is the interval of the claim: 95%, or more where a claim has several chances (99% of five, Bonferroni). A
    /// difference of at least the margin that is apart from zero and yet lies in a `narrow` within the margin does not exist.
    pub fn of_size(wide: &Estimate, narrow: &Estimate, margin: f64, direction: Direction) -> Self {
        let apart = Self::of(wide, direction);
        if apart != Self::CannotTell && wide.value.abs() >= margin {
            return apart;
        }
        let within = narrow.is_finite() && narrow.low > -margin && narrow.high < margin;
        if within { Self::Equal } else { Self::CannotTell }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(low: f64, high: f64) -> Estimate {
        Estimate { value: f64::midpoint(low, high), low, high }
    }

    #[test]
    fn the_direction_decides_what_better_means() {
        let up = interval(0.1, 0.2);
        let down = interval(-0.2, -0.1);
        assert_eq!(Finding::of(&up, Direction::HigherIsBetter), Finding::Better);
        assert_eq!(Finding::of(&up, Direction::LowerIsBetter), Finding::Worse);
        assert_eq!(Finding::of(&down, Direction::HigherIsBetter), Finding::Worse);
        assert_eq!(Finding::of(&down, Direction::LowerIsBetter), Finding::Better);
    }

    #[test]
    fn a_margin_tells_equal_from_cannot_tell() {
        let up = Direction::HigherIsBetter;
        let found = |wide: (f64, f64), narrow: (f64, f64)| {
            Finding::of_size(&interval(wide.0, wide.1), &interval(narrow.0, narrow.1), 0.02, up)
        };
        assert_eq!(found((0.01, 0.05), (0.012, 0.048)), Finding::Better);
        assert_eq!(found((-0.05, -0.01), (-0.048, -0.012)), Finding::Worse);
        // Apart from zero and smaller than what matters: equal.
        assert_eq!(found((0.001, 0.015), (0.002, 0.014)), Finding::Equal);
        assert_eq!(found((-0.015, 0.019), (-0.013, 0.017)), Finding::Equal);
        // Apart from zero, perhaps as large as what matters.
        assert_eq!(found((0.001, 0.025), (0.003, 0.023)), Finding::CannotTell);
        assert_eq!(found((-0.03, 0.03), (-0.025, 0.025)), Finding::CannotTell);
        assert_eq!(found((f64::NAN, f64::NAN), (f64::NAN, f64::NAN)), Finding::CannotTell);
        // Without a margin nothing is equal.
        let none = Finding::of_size(&interval(0.0, 0.0), &interval(0.0, 0.0), 0.0, up);
        assert_eq!(none, Finding::CannotTell);
    }

    #[test]
    fn zero_inside_or_at_an_end_cannot_tell() {
        for (low, high) in [(-0.1, 0.1), (0.0, 0.1), (-0.1, 0.0), (0.0, 0.0)] {
            let found = Finding::of(&interval(low, high), Direction::HigherIsBetter);
            assert_eq!(found, Finding::CannotTell, "{low} to {high}");
        }
        let undefined = Estimate { value: 1.0, low: f64::NAN, high: 2.0 };
        assert_eq!(Finding::of(&undefined, Direction::HigherIsBetter), Finding::CannotTell);
    }
}
