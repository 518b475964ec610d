//! Some rows of a norm. With `u = (x - mean) r`, `g = dy scale`:
//! `dx = r (g - mean(g) - u mean(g u))`, where an RMSNorm has `mean = 0` and no `mean(g)`.

use std::mem::MaybeUninit;

use crate::vector::{Kernel, dot, multiply_add, sum};

/// A row's mean (0 for an RMSNorm) and the reciprocal of its deviation.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moments {
    mean: f32,
    reciprocal: f32,
}

pub(super) struct Forward<'a> {
    pub(super) x: &'a [f32],
    pub(super) scale: &'a [f32],
    /// Empty where there is none.
    pub(super) shift: &'a [f32],
    pub(super) centred: bool,
    pub(super) eps: f32,
    pub(super) out: &'a mut [MaybeUninit<f32>],
    pub(super) moments: &'a mut [Moments],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let width = self.scale.len();
        let count = width as f32;
        let mut centred = vec![0.0_f32; width];
        let rows = self.x.chunks_exact(width).zip(self.out.chunks_exact_mut(width));
        for ((x, out), moments) in rows.zip(self.moments.iter_mut()) {
            let mean = if self.centred { sum(x) / count } else { 0.0 };
            for (centred, x) in centred.iter_mut().zip(x) {
                *centred = x - mean;
            }
            let variance = dot::<FMA>(&centred, &centred) / count;
            let reciprocal = 1.0 / (variance + self.eps).sqrt();
            *moments = Moments { mean, reciprocal };
            if self.shift.is_empty() {
                for ((out, u), scale) in out.iter_mut().zip(&centred).zip(self.scale) {
                    out.write(u * reciprocal * scale);
                }
            } else {
                for (((out, u), scale), shift) in out.iter_mut().zip(&centred).zip(self.scale).zip(self.shift)
                {
                    out.write(multiply_add::<FMA>(u * reciprocal, *scale, *shift));
                }
            }
        }
    }
}

pub(super) struct Backward<'a> {
    pub(super) x: &'a [f32],
    pub(super) scale: &'a [f32],
    pub(super) upstream: &'a [f32],
    pub(super) centred: bool,
    pub(super) moments: &'a [Moments],
    pub(super) dx: &'a mut [MaybeUninit<f32>],
    /// Receives the sum over the rows of `dy u`, and of `dy`.
    pub(super) scale_share: &'a mut [f32],
    pub(super) shift_share: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let width = self.scale.len();
        let count = width as f32;
        let mut unit = vec![0.0_f32; width];
        let mut scaled = vec![0.0_f32; width];
        let rows = self.x.chunks_exact(width).zip(self.upstream.chunks_exact(width));
        for ((x, upstream), (dx, moments)) in rows.zip(self.dx.chunks_exact_mut(width).zip(self.moments)) {
            let Moments { mean, reciprocal } = *moments;
            for ((unit, scaled), ((x, dy), scale)) in
                unit.iter_mut().zip(scaled.iter_mut()).zip(x.iter().zip(upstream).zip(self.scale))
            {
                *unit = (x - mean) * reciprocal;
                *scaled = dy * scale;
            }
            for ((share, unit), dy) in self.scale_share.iter_mut().zip(&unit).zip(upstream) {
                *share = multiply_add::<FMA>(*dy, *unit, *share);
            }
            for (share, dy) in self.shift_share.iter_mut().zip(upstream) {
                *share += dy;
            }
            let average = if self.centred { sum(&scaled) / count } else { 0.0 };
            let along = dot::<FMA>(&scaled, &unit) / count;
            for ((dx, unit), scaled) in dx.iter_mut().zip(&unit).zip(&scaled) {
                dx.write(multiply_add::<FMA>(-along, *unit, scaled - average) * reciprocal);
            }
        }
    }
}
