//! Rotary positions: the order of rows in q and k, and Llama 3's frequency factors.

use crate::weights::source::HostTensor;

/// Parameters of Llama 3's frequency scaling (transformers: `rope_type` "llama3").
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Llama3Rope {
    pub(super) factor: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) original: f64,
}

impl Llama3Rope {
    /// The factor by which the frequency of each pair is divided: 1 for wavelengths below original / high, `factor` above
    /// original / low, and 1 / ((1 - s) / factor + s) with s = (original / wavelength - low) / (high - low) between.
    pub(super) fn factors(&self, theta: f64, d_head: usize) -> Vec<f32> {
        wavelengths(theta, d_head)
            .map(|wavelength| {
                if wavelength < self.original / self.high {
                    1.0
                } else if wavelength > self.original / self.low {
                    self.factor as f32
                } else {
                    let smooth = (self.original / wavelength - self.low) / (self.high - self.low);
                    (1.0 / ((1.0 - smooth) / self.factor + smooth)) as f32
                }
            })
            .collect()
    }

    /// The parameters that give these factors, or `None` when none do.
    ///
    /// The factors between the two bounds are linear in 1 / wavelength after s is solved for, and only the ratios of low, high and
    /// original matter, so low is 1 as in every published model. Before that the published values (low 1, high 4) are tried with
    /// contexts of 8192 and of every power of two from 16 to 131072; short heads have too few factors for a fit.
    pub(super) fn from_factors(factors: &[f32], theta: f64) -> Option<Self> {
        let factor = f64::from(factors.iter().copied().fold(1.0, f32::max));
        let published = [8192.0].into_iter().chain((4..=17).map(|power| f64::from(1u32 << power)));
        let published = published.map(|original| Self { factor, low: 1.0, high: 4.0, original });
        published
            .chain(Self::fit(factors, theta, factor))
            .find(|candidate| candidate.explains(factors, theta))
    }

    fn fit(factors: &[f32], theta: f64, factor: f64) -> Option<Self> {
        let inside: Vec<(f64, f64)> = wavelengths(theta, 2 * factors.len())
            .zip(factors)
            .filter(|(_, found)| **found > 1.0 && f64::from(**found) < factor)
            .map(|(wavelength, found)| {
                (1.0 / wavelength, (1.0 / f64::from(*found) - 1.0 / factor) / (1.0 - 1.0 / factor))
            })
            .collect();
        let (first, last) = (inside.first()?, inside.last()?);
        let slope = (first.1 - last.1) / (first.0 - last.0);
        let intercept = first.1 - slope * first.0;
        // s = (original x - 1) / (high - 1)
        let span = -1.0 / intercept;
        let fitted = Self { factor, low: 1.0, high: 1.0 + span, original: slope * span };
        let rounded =
            Self { high: (fitted.high * 100.0).round() / 100.0, original: fitted.original.round(), ..fitted };
        (rounded.high.is_finite() && rounded.original.is_finite() && rounded.original >= 1.0)
            .then_some(rounded)
    }

    fn explains(&self, factors: &[f32], theta: f64) -> bool {
        let mine = self.factors(theta, 2 * factors.len());
        mine.iter().zip(factors).all(|(mine, found)| (mine - found).abs() <= 1e-3 * found.abs())
    }
}

/// 2 pi theta^(2 i / d) for each pair i.
fn wavelengths(theta: f64, d_head: usize) -> impl Iterator<Item = f64> {
    (0..d_head / 2).map(move |pair| std::f64::consts::TAU * theta.powf(2.0 * pair as f64 / d_head as f64))
}

/// Rows from pairs (0, 1), (2, 3), ... of each head to halves (0 .. d/2, d/2 .. d): what llama.cpp's converter did, undone.
pub(super) fn pairs_to_halves(tensor: HostTensor, heads: usize) -> HostTensor {
    reorder(tensor, heads, |row, half| (row % half) * 2 + row / half)
}

/// The inverse of [`pairs_to_halves`].
pub(super) fn halves_to_pairs(tensor: HostTensor, heads: usize) -> HostTensor {
    reorder(tensor, heads, |row, half| (row % 2) * half + row / 2)
}

/// Takes row `source(row, half)` of each head to `row`. A tensor whose rows are not whole heads is returned as it is; the decoder
/// then refuses its shape.
fn reorder(tensor: HostTensor, heads: usize, source: impl Fn(usize, usize) -> usize) -> HostTensor {
    let rows = tensor.shape.first().copied().unwrap_or(0);
    if heads == 0 || rows == 0 || rows % (2 * heads) != 0 {
        return tensor;
    }
    let (per_head, width) = (rows / heads, tensor.values.len() / rows);
    let mut values = Vec::with_capacity(tensor.values.len());
    for row in 0..rows {
        let from = row / per_head * per_head + source(row % per_head, per_head / 2);
        values.extend_from_slice(&tensor.values[from * width..(from + 1) * width]);
    }
    HostTensor { shape: tensor.shape, values }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reordering_is_undone() {
        let tensor = HostTensor { shape: vec![8, 1], values: (0..8u8).map(f32::from).collect() };
        let pairs = halves_to_pairs(tensor.clone(), 2);
        assert_eq!(pairs.values, [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]);
        assert_eq!(pairs_to_halves(pairs, 2), tensor);
    }

    #[test]
    fn llama3_parameters_are_recovered() {
        for (factor, high, original, theta) in [
            (8.0, 4.0, 8192.0, 5e5),
            (32.0, 4.0, 8192.0, 5e5),
            (4.0, 3.0, 1024.0, 1e4),
            (8.0, 4.0, 32.0, 5e5),
        ] {
            let rope = Llama3Rope { factor, low: 1.0, high, original };
            let factors = rope.factors(theta, 128);
            let found = Llama3Rope::from_factors(&factors, theta).expect("a fit");
            let again = found.factors(theta, 128);
            assert!(factors.iter().zip(&again).all(|(a, b)| (a - b).abs() < 1e-3), "{found:?}");
        }
        assert_eq!(Llama3Rope::from_factors(&[3.0, 1.0, 2.0, 9.0, 1.5, 1.0], 1e4), None);
    }
}
