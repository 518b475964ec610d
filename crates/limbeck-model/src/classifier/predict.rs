//! What a classifier says about many examples.

use burn::tensor::{Tensor, TensorData};
use limbeck_data::labelled::LabelledSet;
use rayon::prelude::*;

use super::Mlp;
use crate::parameter::floats;

/// Examples in one pass through the network.
const BATCH: usize = 1024;

/// Class logits of several examples, on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassLogits {
    /// Number of classes.
    pub classes: usize,
    /// `[examples, classes]`, row-major.
    pub values: Vec<f32>,
}

impl ClassLogits {
    /// Number of examples.
    pub fn len(&self) -> usize {
        self.values.len() / self.classes.max(1)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The logits of one example.
    pub fn row(&self, example: usize) -> &[f32] {
        &self.values[example * self.classes..(example + 1) * self.classes]
    }

    /// The logits of every example, in order.
    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.classes.max(1))
    }

    /// The likeliest class of every example.
    pub fn predictions(&self) -> Vec<u32> {
        self.rows().map(argmax).collect()
    }
}

/// Index of the largest value, the first of several.
pub fn argmax(values: &[f32]) -> u32 {
    let mut best = 0;
    for (index, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = index;
        }
    }
    best as u32
}

/// The logits of the chosen examples of a set, without a gradient. `rows` are indices below the set's length, and the set
/// has as many features as the network takes.
pub fn predict(network: &Mlp, set: &LabelledSet, rows: &[usize]) -> ClassLogits {
    let network = network.clone().frozen();
    let device = network.device();
    let width = set.width();
    let mut values = Vec::with_capacity(rows.len() * network.classes());
    for part in rows.chunks(BATCH) {
        let mut features = vec![0.0; part.len() * width];
        features.par_chunks_mut(width).zip(part).for_each(|(out, &row)| set.write_row(row, out));
        let features = Tensor::from_data(TensorData::new(features, [part.len(), width]), &device);
        values.extend(floats(network.logits(features).into_data()));
    }
    ClassLogits { classes: network.classes(), values }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use limbeck_data::labelled::digits;

    #[test]
    fn chosen_rows_are_answered_in_order() {
        let split = digits().unwrap();
        let network = Mlp::init(&[64, 9, 10], 2, &Device::flex()).unwrap();
        let all: Vec<usize> = (0..split.training.len()).collect();
        let logits = predict(&network, &split.training, &all);
        assert_eq!(logits.len(), 1437);
        let some = predict(&network, &split.training, &[1400, 3]);
        for (found, expected) in some.row(0).iter().zip(logits.row(1400)) {
            assert!((found - expected).abs() < 1e-4);
        }
        assert_eq!(some.predictions(), [logits.predictions()[1400], logits.predictions()[3]]);
        assert_eq!(argmax(&[1.0, 3.0, 3.0]), 1);
    }
}
