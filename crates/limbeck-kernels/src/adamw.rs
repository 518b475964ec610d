//! AdamW in one parallel pass over the parameters, in place.
//!
//! With gradient g (times a clipping factor), learning rate lr and step t from 1 (Loshchilov and
//! Hutter 2019, algorithm 2, in the form of PyTorch's `AdamW`, where the decay is scaled by lr):
//!
//! ```text
//! p <- p (1 - lr decay)
//! m <- beta1 m + (1 - beta1) g
//! v <- beta2 v + (1 - beta2) g^2
//! p <- p - lr / (1 - beta1^t) * m / (sqrt(v / (1 - beta2^t)) + epsilon)
//! ```
//!
//! Every element is updated on its own, so the result does not depend on threads.

use rayon::prelude::*;

use crate::KernelError;
use crate::optimizer::{check_lengths, check_numbers, finite, not_negative, share};
use crate::vector::{Kernel, dispatch, multiply_add};

/// Elements per piece of work: four arrays of this many floats fit the second-level cache.
const PIECE: usize = 32 * 1024;

/// The optimizer's numbers. Its memory (the moments) belongs to the caller.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamW {
    /// Step size, at least 0.
    pub learning_rate: f64,
    /// Decay of the mean of gradients, in `[0, 1)`.
    pub beta1: f64,
    /// Decay of the mean of squared gradients, in `[0, 1)`.
    pub beta2: f64,
    /// Added to the root of the second moment, above 0.
    pub epsilon: f64,
    /// Decoupled weight decay, at least 0.
    pub weight_decay: f64,
}

/// One parameter: four slices of the same length.
#[derive(Debug)]
pub struct AdamWSlot<'a> {
    /// The parameter, updated in place.
    pub value: &'a mut [f32],
    /// Its gradient.
    pub gradient: &'a [f32],
    /// First moment, zero before the first step; updated in place.
    pub first: &'a mut [f32],
    /// Second moment, zero before the first step; updated in place.
    pub second: &'a mut [f32],
    /// Whether weight decay applies (by custom not to biases and norms).
    pub decay: bool,
}

impl AdamW {
    /// Makes one step over all slots in one parallel pass.
    ///
    /// * `step`: counts from 1 (bias correction);
    /// * `gradient_scale`: factor on every gradient, for clipping or averaging; usually at most 1.
    ///
    /// # Errors
    /// [`KernelError::Optimizer`] if a number is out of range, [`KernelError::Shape`] if the slices
    /// of a slot differ in length. Nothing is changed then.
    pub fn step(
        &self,
        step: u64,
        gradient_scale: f32,
        slots: &mut [AdamWSlot<'_>],
    ) -> Result<(), KernelError> {
        self.check(step, gradient_scale)?;
        for slot in slots.iter() {
            let slices = [
                ("gradient", slot.gradient.len()),
                ("first moment", slot.first.len()),
                ("second moment", slot.second.len()),
            ];
            check_lengths("AdamW", slot.value.len(), &slices)?;
        }
        slots.par_iter_mut().for_each(|slot| {
            let factors = self.factors(step, gradient_scale, slot.decay);
            let values = slot.value.par_chunks_mut(PIECE).zip(slot.gradient.par_chunks(PIECE));
            let moments = slot.first.par_chunks_mut(PIECE).zip(slot.second.par_chunks_mut(PIECE));
            values.zip(moments).for_each(|((value, gradient), (first, second))| {
                dispatch(Piece { value, gradient, first, second, factors });
            });
        });
        Ok(())
    }

    fn check(&self, step: u64, gradient_scale: f32) -> Result<(), KernelError> {
        let epsilon_holds = self.epsilon.is_finite() && self.epsilon > 0.0;
        check_numbers(
            "AdamW",
            &[
                ("step", step as f64, step >= 1, "steps count from 1"),
                finite("gradient scale", f64::from(gradient_scale)),
                not_negative("learning rate", self.learning_rate),
                share("beta1", self.beta1),
                share("beta2", self.beta2),
                ("epsilon", self.epsilon, epsilon_holds, "it must be above 0"),
                not_negative("weight decay", self.weight_decay),
            ],
        )
    }

    fn factors(&self, step: u64, gradient_scale: f32, decay: bool) -> Factors {
        let steps = step as f64;
        let decay = if decay { self.weight_decay } else { 0.0 };
        Factors {
            gradient: gradient_scale,
            keep: (1.0 - self.learning_rate * decay) as f32,
            first: (1.0 - self.beta1) as f32,
            second: (1.0 - self.beta2) as f32,
            second_keep: self.beta2 as f32,
            rate: (-self.learning_rate / (1.0 - self.beta1.powf(steps))) as f32,
            root: (1.0 / (1.0 - self.beta2.powf(steps)).sqrt()) as f32,
            epsilon: self.epsilon as f32,
        }
    }
}

/// The numbers of one step, rounded once.
#[derive(Debug, Clone, Copy)]
struct Factors {
    gradient: f32,
    keep: f32,
    first: f32,
    second: f32,
    second_keep: f32,
    rate: f32,
    root: f32,
    epsilon: f32,
}

struct Piece<'a> {
    value: &'a mut [f32],
    gradient: &'a [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
    factors: Factors,
}

impl Kernel for Piece<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Factors { gradient: scale, keep, first, second, second_keep, rate, root, epsilon } = self.factors;
        let moments = self.first.iter_mut().zip(self.second.iter_mut());
        for ((value, gradient), (m, v)) in self.value.iter_mut().zip(self.gradient).zip(moments) {
            let g = gradient * scale;
            *m = multiply_add::<FMA>(g - *m, first, *m);
            *v = multiply_add::<FMA>(g * g, second, *v * second_keep);
            let denominator = multiply_add::<FMA>(v.sqrt(), root, epsilon);
            *value = multiply_add::<FMA>(rate, *m / denominator, *value * keep);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: AdamW =
        AdamW { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01 };

    fn step(optimizer: AdamW, step: u64, lengths: [usize; 4]) -> Result<(), KernelError> {
        let [mut value, gradient, mut first, mut second] = lengths.map(|length| vec![0.5; length]);
        let slot = AdamWSlot {
            value: &mut value,
            gradient: &gradient,
            first: &mut first,
            second: &mut second,
            decay: true,
        };
        optimizer.step(step, 1.0, &mut [slot])
    }

    #[test]
    fn what_is_out_of_range_is_refused() {
        assert_eq!(step(GOOD, 1, [3; 4]), Ok(()));
        assert!(matches!(step(GOOD, 0, [3; 4]), Err(KernelError::Optimizer { name: "step", .. })));
        assert!(matches!(
            step(AdamW { beta1: 1.0, ..GOOD }, 1, [3; 4]),
            Err(KernelError::Optimizer { name: "beta1", .. })
        ));
        let rate = AdamW { learning_rate: f64::NAN, ..GOOD };
        assert!(matches!(step(rate, 1, [3; 4]), Err(KernelError::Optimizer { name: "learning rate", .. })));
        assert!(matches!(
            step(GOOD, 1, [3, 3, 2, 3]),
            Err(KernelError::Shape { operand: "first moment", .. })
        ));
        assert!(matches!(step(GOOD, 1, [3, 4, 3, 3]), Err(KernelError::Shape { operand: "gradient", .. })));
    }

    /// Threads and pieces do not show in the result.
    #[test]
    fn a_long_parameter_is_updated_like_short_ones() {
        let length = 2 * PIECE + 77;
        let gradient: Vec<f32> = (0..length).map(|i| (i % 97) as f32 * 0.01 - 0.4).collect();
        let run = |cut: usize| {
            let mut value: Vec<f32> = (0..length).map(|i| (i % 31) as f32 * 0.1).collect();
            let mut first = vec![0.0; length];
            let mut second = vec![0.0; length];
            for at in 1..=3 {
                let (value_low, value_high) = value.split_at_mut(cut);
                let (first_low, first_high) = first.split_at_mut(cut);
                let (second_low, second_high) = second.split_at_mut(cut);
                let mut slots = [
                    AdamWSlot {
                        value: value_low,
                        gradient: &gradient[..cut],
                        first: first_low,
                        second: second_low,
                        decay: true,
                    },
                    AdamWSlot {
                        value: value_high,
                        gradient: &gradient[cut..],
                        first: first_high,
                        second: second_high,
                        decay: true,
                    },
                ];
                GOOD.step(at, 0.5, &mut slots).unwrap();
            }
            value
        };
        assert_eq!(run(0), run(1234));
        assert_eq!(run(0), run(PIECE + 1));
    }
}
