//! Batches as a network sees them in training: moved pictures, dropped inputs, and the masks of hidden layers.
//!
//! Every draw is a pure function of (seed, step, row), so that threads and their number change nothing.

use burn::tensor::{Device, Tensor, TensorData};
use limbeck_data::labelled::LabelledSet;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::ClassifierConfig;

/// The features of a step, `[batch, features]`.
pub(super) fn features(
    set: &LabelledSet,
    rows: &[usize],
    config: &ClassifierConfig,
    seed: u64,
    step: u64,
    device: &Device,
) -> Tensor<2> {
    let width = set.width();
    let mut values = vec![0.0; rows.len() * width];
    values.par_chunks_mut(width).zip(rows).enumerate().for_each(|(place, (out, &row))| {
        let mut rng = stream(*b"features", seed, step, place);
        let mut shift = || {
            let span = 2 * config.jitter as u32 + 1;
            // The bias of a remainder of 32 random bits by at most 129 is below 1e-7.
            (rng.next_u32() % span) as isize - config.jitter as isize
        };
        match config.jitter {
            0 => set.write_row(row, out),
            _ => {
                let (down, right) = (shift(), shift());
                set.write_row_moved(row, down, right, out);
            }
        }
        if config.input_dropout > 0.0 {
            drop_out(out, config.input_dropout, &mut rng);
        }
    });
    Tensor::from_data(TensorData::new(values, [rows.len(), width]), device)
}

/// One dropout mask for each hidden layer; none without dropout.
pub(super) fn masks(
    batch: usize,
    config: &ClassifierConfig,
    seed: u64,
    step: u64,
    device: &Device,
) -> Vec<Tensor<2>> {
    if config.hidden_dropout == 0.0 {
        return Vec::new();
    }
    let mask = |(layer, &width): (usize, &usize)| {
        let mut values = vec![1.0; batch * width];
        values.par_chunks_mut(width).enumerate().for_each(|(row, out)| {
            let mut rng = stream(*b"dropout\0", seed, step, row * config.hidden.len() + layer);
            drop_out(out, config.hidden_dropout, &mut rng);
        });
        Tensor::from_data(TensorData::new(values, [batch, width]), device)
    };
    config.hidden.iter().enumerate().map(mask).collect()
}

/// Sets a share `rate` of the values to 0 and scales the others by `1 / (1 - rate)`; the share is a multiple of 1/65536.
fn drop_out(values: &mut [f32], rate: f64, rng: &mut ChaCha8Rng) {
    let threshold = (rate * 65536.0).round() as u32;
    let scale = (65536.0 / (65536.0 - f64::from(threshold))) as f32;
    for pair in values.chunks_mut(2) {
        let bits = rng.next_u32();
        for (value, draw) in pair.iter_mut().zip([bits & 0xffff, bits >> 16]) {
            *value = if draw < threshold { 0.0 } else { *value * scale };
        }
    }
}

/// The random numbers of one row of one step.
fn stream(purpose: [u8; 8], seed: u64, step: u64, row: usize) -> ChaCha8Rng {
    let mut key = [0_u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&step.to_le_bytes());
    key[16..24].copy_from_slice(&(row as u64).to_le_bytes());
    key[24..].copy_from_slice(&purpose);
    ChaCha8Rng::from_seed(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use limbeck_data::labelled::digits;

    fn values(tensor: Tensor<2>) -> Vec<f32> {
        tensor.into_data().iter::<f32>().collect()
    }

    #[test]
    fn dropped_shares_and_scales_are_those_asked_for() {
        let config =
            ClassifierConfig { hidden: vec![400, 300], hidden_dropout: 0.25, ..ClassifierConfig::default() };
        let device = Device::flex();
        let made = masks(500, &config, 1, 7, &device);
        assert_eq!(made.iter().map(|mask| mask.dims()).collect::<Vec<_>>(), [[500, 400], [500, 300]]);
        for mask in &made {
            let values = values(mask.clone());
            let zeros = values.iter().filter(|value| **value == 0.0).count() as f64 / values.len() as f64;
            assert!((zeros - 0.25).abs() < 0.005, "{zeros}");
            assert!(values.iter().all(|value| *value == 0.0 || (*value - 4.0 / 3.0).abs() < 1e-6));
        }
        assert_eq!(values(masks(5, &config, 1, 7, &device).remove(0)), values(made[0].clone())[..2000]);
        assert_ne!(values(masks(5, &config, 1, 8, &device).remove(0)), values(made[0].clone())[..2000]);
        assert!(masks(5, &ClassifierConfig::default(), 1, 7, &device).is_empty());
    }

    #[test]
    fn jitter_moves_and_its_absence_does_not() {
        let set = digits().unwrap().training;
        let device = Device::flex();
        let still = ClassifierConfig::default();
        let mut plain = vec![0.0; 64];
        set.write_row(5, &mut plain);
        assert_eq!(values(features(&set, &[5], &still, 0, 0, &device)), plain);
        let moving = ClassifierConfig { jitter: 2, ..ClassifierConfig::default() };
        let rows = vec![5; 200];
        let moved = values(features(&set, &rows, &moving, 0, 0, &device));
        let mut kinds: Vec<Vec<u32>> =
            moved.chunks(64).map(|row| row.iter().map(|value| value.to_bits()).collect()).collect();
        kinds.sort();
        kinds.dedup();
        // 5 x 5 displacements, all of them likely among 200 draws.
        assert!((20..=25).contains(&kinds.len()), "{}", kinds.len());
    }
}
