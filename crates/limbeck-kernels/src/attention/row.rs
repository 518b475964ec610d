//! One position's queries against the keys and values of everything before: what decoding a token asks for.

use super::block::Softmax;
use crate::vector::{Kernel, dot, multiply_add};

/// Keys whose values are added up in one pass over the result.
const TOGETHER: usize = 4;

/// The query heads that share a key head. Scores are dot products as the keys stream by; nothing is laid out.
pub(super) struct Row<'a> {
    /// `[group, d]`.
    pub(super) q: &'a [f32],
    /// The visible keys and values, `[visible, d]`.
    pub(super) k: &'a [f32],
    pub(super) v: &'a [f32],
    pub(super) d: usize,
    /// Room for `[group, visible]`.
    pub(super) scores: &'a mut [f32],
    /// Zeros, `[group, d]`: the result is added.
    pub(super) z: &'a mut [f32],
}

impl Kernel for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Self { q, k, v, d, scores, z } = self;
        let visible = k.len() / d;
        if visible == 0 {
            return;
        }
        for (at, key) in k.chunks_exact(d).enumerate() {
            for (query, scores) in q.chunks_exact(d).zip(scores.chunks_exact_mut(visible)) {
                scores[at] = dot::<FMA>(query, key);
            }
        }
        let scale = 1.0 / (d as f32).sqrt();
        for (scores, z) in scores.chunks_exact_mut(visible).zip(z.chunks_exact_mut(d)) {
            Softmax { scores, scale }.run::<FMA>();
            let mut shares = scores.chunks_exact(TOGETHER);
            let mut values = v.chunks_exact(TOGETHER * d);
            for (share, values) in (&mut shares).zip(&mut values) {
                let (first, rest) = values.split_at(d);
                let (second, rest) = rest.split_at(d);
                let (third, fourth) = rest.split_at(d);
                let pairs = first.iter().zip(second).zip(third.iter().zip(fourth));
                for (z, ((first, second), (third, fourth))) in z.iter_mut().zip(pairs) {
                    let two = multiply_add::<FMA>(share[0], *first, share[1] * second);
                    let other_two = multiply_add::<FMA>(share[2], *third, share[3] * fourth);
                    *z += two + other_two;
                }
            }
            for (share, value) in shares.remainder().iter().zip(values.remainder().chunks_exact(d)) {
                for (z, value) in z.iter_mut().zip(value) {
                    *z = multiply_add::<FMA>(*share, *value, *z);
                }
            }
        }
    }
}
