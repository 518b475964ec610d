//! Rotary positions (Su et al. 2021) applied to queries or keys, one pass each way.

use std::mem::MaybeUninit;

use burn::tensor::Tensor;
use rayon::prelude::*;

use crate::buffer::{build, piece_rows};
use crate::flex::{floats, from_floats};
use crate::operation::{Operation, Values, run};
use crate::vector::{Kernel, dispatch, multiply_add};

/// Turns each pair `(x_i, x_{i + d/2})` of a head by the angle of its position:
/// `(x_i cos - x_{i + d/2} sin, x_{i + d/2} cos + x_i sin)`.
///
/// * `x`: `[batch, seq, heads, d]`;
/// * `cos`, `sin`: `[batch or 1, seq, 1, d/2]`, constants.
///
/// # Panics
/// If the shapes do not fit.
pub fn rotate(x: Tensor<4>, cos: Tensor<4>, sin: Tensor<4>) -> Tensor<4> {
    let [batch, seq, _, d] = x.dims();
    let [rows, ..] = cos.dims();
    assert!(rows == batch || rows == 1, "rotate: one table of angles per sequence, or one for all");
    assert_eq!(
        [cos.dims(), sin.dims()],
        [[rows, seq, 1, d / 2]; 2],
        "rotate: an angle per position and pair"
    );
    run(Rotate, [x.clone().into(), cos.clone().into(), sin.clone().into()])
        .unwrap_or_else(|| rotate_composed(x, cos, sin))
}

/// [`rotate`] in plain tensor operations, for every backend.
pub fn rotate_composed(x: Tensor<4>, cos: Tensor<4>, sin: Tensor<4>) -> Tensor<4> {
    let half = x.dims()[3] / 2;
    let first = x.clone().narrow(3, 0, half);
    let second = x.narrow(3, half, half);
    let low = first.clone() * cos.clone() - second.clone() * sin.clone();
    let high = second * cos + first * sin;
    Tensor::cat(vec![low, high], 3)
}

/// `x`, `cos`, `sin`; the way back turns by the opposite angle.
#[derive(Debug)]
struct Rotate;

impl Operation<3> for Rotate {
    type Saved = [Values; 2];

    fn forward(&self, [x, cos, sin]: [Values; 3], _: [bool; 3]) -> (Values, [Values; 2]) {
        (turned(&x, &cos, &sin, 1.0), [cos, sin])
    }

    fn backward(&self, [cos, sin]: [Values; 2], upstream: Values, _: [bool; 3]) -> [Option<Values>; 3] {
        [Some(turned(&upstream, &cos, &sin, -1.0)), None, None]
    }
}

/// `x` turned by the angles times `sign`.
fn turned(x: &Values, cos: &Values, sin: &Values, sign: f32) -> Values {
    let shape = x.layout().shape().clone();
    let (heads, d) = (shape[2], shape[3]);
    let (values, cos, sin) = (floats(x), floats(cos), floats(sin));
    let width = (heads * d).max(1);
    let positions = (cos.len() / (d / 2).max(1)).max(1);
    let piece = piece_rows(width);
    let out = build(values.len(), |out| {
        let pieces = out.par_chunks_mut(piece * width).zip(values.par_chunks(piece * width));
        pieces.enumerate().for_each(|(index, (out, x))| {
            for (row, (out, x)) in out.chunks_exact_mut(width).zip(x.chunks_exact(width)).enumerate() {
                let at = (index * piece + row) % positions * (d / 2);
                let (cos, sin) = (&cos[at..at + d / 2], &sin[at..at + d / 2]);
                dispatch(Heads { x, cos, sin, sign, out });
            }
        });
    });
    from_floats(out, shape)
}

/// The heads of one token.
struct Heads<'a> {
    x: &'a [f32],
    cos: &'a [f32],
    sin: &'a [f32],
    sign: f32,
    out: &'a mut [MaybeUninit<f32>],
}

impl Kernel for Heads<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let half = self.cos.len();
        for (x, out) in self.x.chunks_exact(2 * half).zip(self.out.chunks_exact_mut(2 * half)) {
            let (first, second) = x.split_at(half);
            let (low, high) = out.split_at_mut(half);
            let results = low.iter_mut().zip(high.iter_mut());
            let angles = self.cos.iter().zip(self.sin);
            for ((low, high), ((a, b), (cos, sin))) in results.zip(first.iter().zip(second).zip(angles)) {
                let sin = sin * self.sign;
                low.write(multiply_add::<FMA>(*a, *cos, -(b * sin)));
                high.write(multiply_add::<FMA>(*b, *cos, a * sin));
            }
        }
    }
}
