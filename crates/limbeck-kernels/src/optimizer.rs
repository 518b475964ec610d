//! What the optimizers refuse, before anything is changed.

use crate::KernelError;

/// A number that steers an optimizer: its name, its value, whether it is usable, and what would be right.
pub(crate) type Rule = (&'static str, f64, bool, &'static str);

/// Refuses the first number that is out of range.
pub(crate) fn check_numbers(optimizer: &'static str, rules: &[Rule]) -> Result<(), KernelError> {
    match rules.iter().find(|(_, _, holds, _)| !holds) {
        Some(&(name, value, _, rule)) => Err(KernelError::Optimizer { optimizer, name, value, rule }),
        None => Ok(()),
    }
}

/// Refuses slices that are not as long as the parameter.
pub(crate) fn check_lengths(
    operation: &'static str,
    expected: usize,
    slices: &[(&'static str, usize)],
) -> Result<(), KernelError> {
    match slices.iter().find(|(_, found)| *found != expected) {
        Some(&(operand, found)) => {
            Err(KernelError::Shape { operation, operand, dimension: "length", found, expected })
        }
        None => Ok(()),
    }
}

/// The rule of learning rates and weight decays.
pub(crate) fn not_negative(name: &'static str, value: f64) -> Rule {
    (name, value, value.is_finite() && value >= 0.0, "it must be finite and at least 0")
}

/// The rule of moving averages.
pub(crate) fn share(name: &'static str, value: f64) -> Rule {
    (name, value, (0.0..1.0).contains(&value), "it must be in [0, 1)")
}

/// The rule of factors on the gradient.
pub(crate) fn finite(name: &'static str, value: f64) -> Rule {
    (name, value, value.is_finite(), "it must be finite")
}
