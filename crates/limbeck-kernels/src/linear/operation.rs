//! The fused affine map: with `y = x W^T + b`, the way back is `dx = dy W`, `dW = dy^T x`, `db = sum of dy`.

use burn::tensor::Shape;
use rayon::prelude::*;

use crate::Precision;
use crate::buffer::{build, for_rows, piece_rows};
use crate::flex::{floats, from_floats};
use crate::operation::{Operation, Values};
use crate::product::{Target, View, multiply, product};
use crate::vector::{Kernel, dispatch};

/// `x [.., in]`, `weight [out, in]`, and a bias `[out]` where there are three operands.
#[derive(Debug)]
pub(super) struct Linear {
    pub(super) precision: Precision,
}

/// The operands of the products.
#[derive(Debug, Clone)]
pub(super) struct Saved {
    x: Option<Values>,
    weight: Values,
    shape: Shape,
}

impl Operation<2> for Linear {
    type Saved = Saved;

    fn forward(&self, [x, weight]: [Values; 2], tracked: [bool; 2]) -> (Values, Saved) {
        self.apply(x, weight, None, tracked[1])
    }

    fn backward(&self, saved: Saved, upstream: Values, tracked: [bool; 2]) -> [Option<Values>; 2] {
        let [x, weight, _] = self.gradients(&saved, &upstream, [tracked[0], tracked[1], false]);
        [x, weight]
    }
}

impl Operation<3> for Linear {
    type Saved = Saved;

    fn forward(&self, [x, weight, bias]: [Values; 3], tracked: [bool; 3]) -> (Values, Saved) {
        self.apply(x, weight, Some(bias), tracked[1])
    }

    fn backward(&self, saved: Saved, upstream: Values, tracked: [bool; 3]) -> [Option<Values>; 3] {
        self.gradients(&saved, &upstream, tracked)
    }
}

impl Linear {
    fn apply(&self, x: Values, weight: Values, bias: Option<Values>, keep_x: bool) -> (Values, Saved) {
        let shape = x.layout().shape().clone();
        let [output, input] = sizes(&weight);
        let rows = shape.num_elements() / input.max(1);
        let left = View::rows(floats(&x), rows, input, input);
        let right = View::rows(floats(&weight), output, input, input).transposed();
        let values = affine(left, output, bias.as_ref(), |out, accumulate| {
            multiply(out, left, right, accumulate, self.precision);
        });
        let mut result = shape.clone();
        if let Some(last) = result.last_mut() {
            *last = output;
        }
        (from_floats(values, result), Saved { x: keep_x.then_some(x), weight, shape })
    }

    fn gradients(&self, saved: &Saved, upstream: &Values, tracked: [bool; 3]) -> [Option<Values>; 3] {
        let [output, input] = sizes(&saved.weight);
        let rows = saved.shape.num_elements() / input.max(1);
        let upstream = floats(upstream);
        let dy = View::rows(upstream, rows, output, output);
        let dx = tracked[0].then(|| {
            let weight = View::rows(floats(&saved.weight), output, input, input);
            from_floats(product(dy, weight, self.precision), saved.shape.clone())
        });
        let dw = tracked[1].then_some(saved.x.as_ref()).flatten().map(|x| {
            let x = View::rows(floats(x), rows, input, input);
            from_floats(product(dy.transposed(), x, self.precision), [output, input].into())
        });
        let db = tracked[2].then(|| from_floats(column_sums(upstream, output), [output].into()));
        [dx, dw, db]
    }
}

/// `multiply(out, accumulate)` into fresh memory, or onto the bias in every row.
pub(super) fn affine(
    left: View<'_>,
    output: usize,
    bias: Option<&Values>,
    multiply: impl FnOnce(Target<'_>, bool),
) -> Vec<f32> {
    let rows = left.height();
    match bias {
        None => build(rows * output, |out| multiply(Target::new(out, rows, output, output), false)),
        Some(bias) => {
            let mut values = repeated(floats(bias), rows);
            multiply(Target::of(&mut values, rows, output, output), true);
            values
        }
    }
}

fn sizes(weight: &Values) -> [usize; 2] {
    let shape = weight.layout().shape();
    [shape[0], shape[1]]
}

/// The row in every one of `rows` rows.
fn repeated(row: &[f32], rows: usize) -> Vec<f32> {
    let width = row.len();
    build(rows * width, |out| {
        for_rows(out, width, |_, out| {
            for out in out.chunks_exact_mut(width) {
                out.write_copy_of_slice(row);
            }
        });
    })
}

/// Sums of the columns of a row-major matrix: over pieces of rows, whose sums are added in order.
pub(crate) fn column_sums(values: &[f32], width: usize) -> Vec<f32> {
    let rows = values.len() / width.max(1);
    let piece = piece_rows(width);
    let mut partial = vec![0.0; rows.div_ceil(piece) * width];
    let sums = partial.par_chunks_mut(width.max(1));
    sums.zip(values.par_chunks((piece * width).max(1)))
        .for_each(|(sums, values)| dispatch(Columns { sums, values }));
    let mut pieces = partial.chunks_exact(width.max(1));
    let mut total = pieces.next().map_or_else(|| vec![0.0; width], <[f32]>::to_vec);
    for sums in pieces {
        total.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
    }
    total
}

/// Adds every row of `values` to `sums`.
struct Columns<'a> {
    sums: &'a mut [f32],
    values: &'a [f32],
}

impl Kernel for Columns<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for row in self.values.chunks_exact(self.sums.len()) {
            for (sum, value) in self.sums.iter_mut().zip(row) {
                *sum += value;
            }
        }
    }
}
