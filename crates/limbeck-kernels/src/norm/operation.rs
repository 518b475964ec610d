//! The fused norms as operations of the graph.

use std::sync::Arc;

use burn::tensor::Shape;
use rayon::prelude::*;

use super::row::{Backward, Forward, Moments};
use crate::buffer::{build, piece_rows};
use crate::flex::{floats, from_floats};
use crate::operation::{Operation, Values};
use crate::vector::dispatch;

/// `x [.., width]`, `weight [width]`, and a bias `[width]` where there are three operands.
#[derive(Debug)]
pub(super) struct Norm {
    /// Whether the mean is taken away first.
    pub(super) centred: bool,
    pub(super) eps: f64,
}

/// The operands, and every row's mean and reciprocal deviation.
#[derive(Debug, Clone)]
pub(super) struct Saved {
    x: Values,
    weight: Values,
    moments: Arc<[Moments]>,
}

impl Operation<2> for Norm {
    type Saved = Saved;

    fn forward(&self, [x, weight]: [Values; 2], _: [bool; 2]) -> (Values, Saved) {
        self.apply(x, weight, None)
    }

    fn backward(&self, saved: Saved, upstream: Values, tracked: [bool; 2]) -> [Option<Values>; 2] {
        let [dx, dw, _] = self.gradients(&saved, &upstream, [tracked[0], tracked[1], false]);
        [dx, dw]
    }
}

impl Operation<3> for Norm {
    type Saved = Saved;

    fn forward(&self, [x, weight, bias]: [Values; 3], _: [bool; 3]) -> (Values, Saved) {
        self.apply(x, weight, Some(bias))
    }

    fn backward(&self, saved: Saved, upstream: Values, tracked: [bool; 3]) -> [Option<Values>; 3] {
        self.gradients(&saved, &upstream, tracked)
    }
}

impl Norm {
    fn apply(&self, x: Values, weight: Values, bias: Option<Values>) -> (Values, Saved) {
        let width = floats(&weight).len();
        let (values, scale) = (floats(&x), floats(&weight));
        let shift = bias.as_ref().map_or(&[][..], floats);
        let piece = piece_rows(width);
        let mut moments = vec![Moments::default(); values.len() / width.max(1)];
        let out = build(values.len(), |out| {
            let pieces = out.par_chunks_mut((piece * width).max(1)).zip(moments.par_chunks_mut(piece));
            pieces.zip(values.par_chunks((piece * width).max(1))).for_each(|((out, moments), x)| {
                dispatch(Forward {
                    x,
                    scale,
                    shift,
                    centred: self.centred,
                    eps: self.eps as f32,
                    out,
                    moments,
                });
            });
        });
        let shape = x.layout().shape().clone();
        (from_floats(out, shape), Saved { x, weight, moments: moments.into() })
    }

    fn gradients(&self, saved: &Saved, upstream: &Values, tracked: [bool; 3]) -> [Option<Values>; 3] {
        let (x, scale, upstream) = (floats(&saved.x), floats(&saved.weight), floats(upstream));
        let width = scale.len();
        let piece = piece_rows(width);
        // Each piece of rows sums its share of the gradients of scale and shift.
        let pieces = saved.moments.len().div_ceil(piece);
        let mut shares = vec![0.0; pieces * 2 * width];
        let dx = build(x.len(), |dx| {
            let rows =
                dx.par_chunks_mut((piece * width).max(1)).zip(shares.par_chunks_mut((2 * width).max(1)));
            let inputs =
                x.par_chunks((piece * width).max(1)).zip(upstream.par_chunks((piece * width).max(1)));
            rows.zip(inputs).zip(saved.moments.par_chunks(piece)).for_each(
                |(((dx, shares), (x, upstream)), moments)| {
                    let (scale_share, shift_share) = shares.split_at_mut(width);
                    let centred = self.centred;
                    dispatch(Backward { x, scale, upstream, centred, moments, dx, scale_share, shift_share });
                },
            );
        });
        let mut total = vec![0.0; 2 * width];
        for share in shares.chunks_exact((2 * width).max(1)) {
            total.iter_mut().zip(share).for_each(|(total, share)| *total += share);
        }
        let shift = total.split_off(width);
        let shape: Shape = [width].into();
        [
            tracked[0].then(|| from_floats(dx, saved.x.layout().shape().clone())),
            tracked[1].then(|| from_floats(total, shape.clone())),
            tracked[2].then(|| from_floats(shift, shape)),
        ]
    }
}
