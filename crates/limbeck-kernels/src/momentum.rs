//! Stochastic gradient descent with momentum, and the limit on the length of incoming weights.
//!
//! With gradient g (times a factor), learning rate lr and velocity v (Sutskever et al. 2013, "On the importance of
//! initialization and momentum in deep learning", equations 1 to 4):
//!
//! ```text
//! g' = g + decay p
//! v <- mu v - lr g'
//! p <- p + v                      classical momentum
//! p <- p + mu v - lr g'           Nesterov's, in the form where p is the point looked ahead to
//! ```
//!
//! Every element is updated on its own, so the result does not depend on threads.

use rayon::prelude::*;

use crate::KernelError;
use crate::optimizer::{check_lengths, check_numbers, finite, not_negative, share};
use crate::vector::{Kernel, dispatch, multiply_add};

/// Elements per piece of work: three arrays of this many floats fit the second-level cache.
const PIECE: usize = 32 * 1024;

/// Least number of values a piece of work of [`limit_row_norms`] has.
const ROWS_PIECE: usize = 16 * 1024;

/// The optimizer's numbers. Its memory (the velocity) belongs to the caller.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Momentum {
    /// Step size, at least 0.
    pub learning_rate: f64,
    /// Share of the velocity that is kept, in `[0, 1)`.
    pub momentum: f64,
    /// Whether the gradient counts as taken at the point looked ahead to.
    pub nesterov: bool,
    /// L2 penalty's factor, at least 0.
    pub weight_decay: f64,
}

/// One parameter: three slices of the same length.
#[derive(Debug)]
pub struct MomentumSlot<'a> {
    /// The parameter, updated in place.
    pub value: &'a mut [f32],
    /// Its gradient.
    pub gradient: &'a [f32],
    /// Velocity, zero before the first step; updated in place.
    pub velocity: &'a mut [f32],
    /// Whether weight decay applies (by custom not to biases).
    pub decay: bool,
}

impl Momentum {
    /// Makes one step over all slots in one parallel pass. `gradient_scale` is a factor on every gradient.
    ///
    /// # Errors
    /// [`KernelError::Optimizer`] if a number is out of range, [`KernelError::Shape`] if the slices of a slot differ in
    /// length. Nothing is changed then.
    pub fn step(&self, gradient_scale: f32, slots: &mut [MomentumSlot<'_>]) -> Result<(), KernelError> {
        self.check(gradient_scale)?;
        for slot in slots.iter() {
            let slices = [("gradient", slot.gradient.len()), ("velocity", slot.velocity.len())];
            check_lengths("momentum", slot.value.len(), &slices)?;
        }
        slots.par_iter_mut().for_each(|slot| {
            let decay = if slot.decay { self.weight_decay } else { 0.0 };
            let factors = Factors {
                gradient: gradient_scale,
                decay: decay as f32,
                keep: self.momentum as f32,
                rate: -self.learning_rate as f32,
                nesterov: self.nesterov,
            };
            let values = slot.value.par_chunks_mut(PIECE).zip(slot.gradient.par_chunks(PIECE));
            values.zip(slot.velocity.par_chunks_mut(PIECE)).for_each(|((value, gradient), velocity)| {
                dispatch(Piece { value, gradient, velocity, factors });
            });
        });
        Ok(())
    }

    fn check(&self, gradient_scale: f32) -> Result<(), KernelError> {
        check_numbers(
            "momentum",
            &[
                finite("gradient scale", f64::from(gradient_scale)),
                not_negative("learning rate", self.learning_rate),
                share("momentum", self.momentum),
                not_negative("weight decay", self.weight_decay),
            ],
        )
    }
}

#[derive(Clone, Copy)]
struct Factors {
    gradient: f32,
    decay: f32,
    keep: f32,
    rate: f32,
    nesterov: bool,
}

struct Piece<'a> {
    value: &'a mut [f32],
    gradient: &'a [f32],
    velocity: &'a mut [f32],
    factors: Factors,
}

impl Kernel for Piece<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Factors { gradient: scale, decay, keep, rate, nesterov } = self.factors;
        let numbers = self.value.iter_mut().zip(self.gradient).zip(self.velocity.iter_mut());
        for ((value, &gradient), velocity) in numbers {
            let step = rate * multiply_add::<FMA>(decay, *value, scale * gradient);
            *velocity = multiply_add::<FMA>(keep, *velocity, step);
            *value += if nesterov { multiply_add::<FMA>(keep, *velocity, step) } else { *velocity };
        }
    }
}

/// Scales every row of a row-major matrix whose 2-norm is above `limit` down to it: the constraint on the incoming
/// weights of a unit (Srivastava et al. 2014, "Dropout", section 5.1; `[out, in]` has a unit's incoming weights in a row).
///
/// # Errors
/// [`KernelError::Shape`] if `columns` does not divide the values, [`KernelError::Optimizer`] if the limit is not above 0.
pub fn limit_row_norms(values: &mut [f32], columns: usize, limit: f64) -> Result<(), KernelError> {
    const OPERATION: &str = "limit of row norms";
    if columns == 0 || !values.len().is_multiple_of(columns) {
        return Err(KernelError::Shape {
            operation: OPERATION,
            operand: "values",
            dimension: "length",
            found: values.len(),
            expected: columns,
        });
    }
    if !(limit.is_finite() && limit > 0.0) {
        let rule = "it must be finite and above 0";
        return Err(KernelError::Optimizer { optimizer: OPERATION, name: "max-norm", value: limit, rule });
    }
    let rows = (ROWS_PIECE / columns).max(1);
    values.par_chunks_mut(rows * columns).for_each(|piece| {
        for row in piece.chunks_exact_mut(columns) {
            let square: f64 = dispatch(Square(row));
            if square > limit * limit {
                let factor = (limit / square.sqrt()) as f32;
                row.iter_mut().for_each(|value| *value *= factor);
            }
        }
    });
    Ok(())
}

struct Square<'a>(&'a [f32]);

impl Kernel for Square<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<const FMA: bool>(self) -> f64 {
        const LANES: usize = 16;
        let mut partial = [0.0_f32; LANES];
        let mut blocks = self.0.chunks_exact(LANES);
        for block in &mut blocks {
            for lane in 0..LANES {
                partial[lane] = multiply_add::<FMA>(block[lane], block[lane], partial[lane]);
            }
        }
        let rest: f64 = blocks.remainder().iter().map(|value| f64::from(*value).powi(2)).sum();
        partial.iter().map(|sum| f64::from(*sum)).sum::<f64>() + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(nesterov: bool, decay: f64) -> (Vec<f32>, Vec<f32>) {
        let momentum = Momentum { learning_rate: 0.1, momentum: 0.9, nesterov, weight_decay: decay };
        let (mut value, mut velocity) = (vec![1.0_f32, -2.0], vec![0.0_f32; 2]);
        for gradient in [[1.0_f32, 0.5], [-2.0, 4.0]] {
            let slot =
                MomentumSlot { value: &mut value, gradient: &gradient, velocity: &mut velocity, decay: true };
            momentum.step(0.5, &mut [slot]).unwrap();
        }
        (value, velocity)
    }

    fn close(found: &[f32], expected: [f64; 2]) {
        for (found, expected) in found.iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-6, "{found} {expected}");
        }
    }

    #[test]
    fn steps_follow_the_formulas() {
        // By hand: g = (0.5, 0.25), (-1, 2); v1 = -0.1 g1, v2 = 0.9 v1 - 0.1 g2.
        let (value, velocity) = steps(false, 0.0);
        close(&velocity, [0.055, -0.2225]);
        close(&value, [1.0 - 0.05 + 0.055, -2.0 - 0.025 - 0.2225]);
        let (value, velocity) = steps(true, 0.0);
        close(&velocity, [0.055, -0.2225]);
        let first = [1.0 + 0.9 * -0.05 - 0.05, -2.0 + 0.9 * -0.025 - 0.025];
        close(&value, [first[0] + 0.9 * 0.055 + 0.1, first[1] + 0.9 * -0.2225 - 0.2]);
        // Decay adds to the gradient.
        let (value, _) = steps(false, 0.5);
        let v1 = [-0.1 * (0.5 + 0.5), -0.1 * (0.25 - 1.0)];
        let p1 = [1.0 + v1[0], -2.0 + v1[1]];
        let v2 = [0.9 * v1[0] - 0.1 * (-1.0 + 0.5 * p1[0]), 0.9 * v1[1] - 0.1 * (2.0 + 0.5 * p1[1])];
        close(&value, [p1[0] + v2[0], p1[1] + v2[1]]);
    }

    #[test]
    fn only_long_rows_are_shortened() {
        let columns = 37;
        let mut values: Vec<f32> = (0..columns * 3).map(|i| ((i * 7) % 11) as f32 - 5.0).collect();
        values[..columns].iter_mut().for_each(|value| *value *= 0.01);
        let before = values.clone();
        limit_row_norms(&mut values, columns, 3.0).unwrap();
        assert_eq!(values[..columns], before[..columns]);
        for row in values[columns..].chunks(columns) {
            let norm: f64 = row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
            assert!((norm - 3.0).abs() < 1e-5, "{norm}");
        }
        assert!((values[columns] / before[columns] - values[columns + 1] / before[columns + 1]).abs() < 1e-6);
        assert!(limit_row_norms(&mut values, 10, 3.0).is_err());
        assert!(limit_row_norms(&mut values, columns, 0.0).is_err());
    }

    #[test]
    fn numbers_out_of_range_and_lengths_that_differ_are_refused() {
        let good = Momentum { learning_rate: 0.1, momentum: 0.9, nesterov: false, weight_decay: 0.0 };
        for bad in [
            Momentum { momentum: 1.0, ..good },
            Momentum { learning_rate: f64::NAN, ..good },
            Momentum { weight_decay: -1.0, ..good },
        ] {
            assert!(bad.step(1.0, &mut []).is_err());
        }
        let (mut value, mut velocity) = ([0.0_f32; 2], [0.0_f32; 1]);
        let slot =
            MomentumSlot { value: &mut value, gradient: &[0.0, 0.0], velocity: &mut velocity, decay: true };
        assert!(good.step(1.0, &mut [slot]).is_err());
    }
}
