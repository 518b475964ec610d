//! Whether a network solves the task that it is audited on.

use limbeck_stats::Estimate;

/// What accuracy and logit difference say about a network and its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Solves {
    /// Accuracy is above chance and the logit difference above zero, each by its 95% interval.
    Yes,
    /// One of the two is not.
    No,
    /// There are too few prompts for intervals.
    CannotTell,
}

impl Solves {
    /// Whether it was shown to solve the task.
    pub fn shown(self) -> bool {
        self == Solves::Yes
    }
}

/// Whether a network with this accuracy and mean logit difference solves a task on which reading no prompt reaches the
/// accuracy `chance`.
///
/// The logit difference alone does not say so: an untrained network prefers whichever of two tokens its random weights
/// favour, and over a few hundred prompts of one template does so beyond any interval.
pub fn solves(accuracy: &Estimate, chance: f64, logit_difference: &Estimate) -> Solves {
    if !(accuracy.is_finite() && logit_difference.low.is_finite()) {
        return Solves::CannotTell;
    }
    if accuracy.low > chance && logit_difference.low > 0.0 { Solves::Yes } else { Solves::No }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(value: f64, low: f64, high: f64) -> Estimate {
        Estimate { value, low, high }
    }

    #[test]
    fn above_chance_by_the_interval() {
        let prefers = estimate(1.0, 0.5, 1.5);
        assert_eq!(solves(&estimate(0.6, 0.5, 0.7), 0.125, &prefers), Solves::Yes);
        assert_eq!(solves(&estimate(0.2, 0.1, 0.3), 0.125, &prefers), Solves::No, "reaches down to chance");
        let none = estimate(0.0, 0.0, 0.016);
        assert_eq!(solves(&none, 0.0, &prefers), Solves::No, "right on no prompt, however sure it is");
        let reversed = estimate(-0.1, -0.2, 0.1);
        assert_eq!(solves(&estimate(0.6, 0.5, 0.7), 0.125, &reversed), Solves::No);
        let few = estimate(1.0, f64::NAN, f64::NAN);
        assert_eq!(solves(&few, 0.125, &few), Solves::CannotTell);
    }
}
