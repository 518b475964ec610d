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

/// What a paired comparison found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// The student is better than the baseline beyond the interval.
    Better,
    /// The student is worse than the baseline beyond the interval.
    Worse,
    /// The interval of the difference holds zero.
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
    fn zero_inside_or_at_an_end_cannot_tell() {
        for (low, high) in [(-0.1, 0.1), (0.0, 0.1), (-0.1, 0.0), (0.0, 0.0)] {
            let found = Finding::of(&interval(low, high), Direction::HigherIsBetter);
            assert_eq!(found, Finding::CannotTell, "{low} to {high}");
        }
        let undefined = Estimate { value: 1.0, low: f64::NAN, high: 2.0 };
        assert_eq!(Finding::of(&undefined, Direction::HigherIsBetter), Finding::CannotTell);
    }
}
