//! A specialist: what it trains on, how it begins, and what it says.

use std::collections::BTreeSet;

use limbeck_data::labelled::LabelledSet;
use limbeck_model::{ClassLogits, DenseLayer, Mlp, ModelError};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::Opinion;

/// Logit of a class that a one-hot target leaves out: its probability is `e^-100`, zero in any sum of floats.
const ABSENT: f32 = -100.0;

/// The training data of a specialist: all examples of its classes and as many of the others, drawn at random.
#[derive(Debug, Clone, PartialEq)]
pub struct SpecialistSet {
    /// Rows of the set.
    pub rows: Vec<usize>,
    /// For each row the specialist's class: place in its class list, or the number of its classes for the dustbin.
    pub labels: Vec<u32>,
    /// By how much its classes are oversampled against the others: the ratio of their shares here and in the whole set.
    pub oversampling: f64,
}

/// The data of a specialist for `classes` among `rows` of the set.
pub fn dustbin_set(set: &LabelledSet, rows: &[usize], classes: &[u32], seed: u64) -> SpecialistSet {
    let place = |row: usize| classes.iter().position(|class| *class == set.labels()[row]);
    let (special, mut rest): (Vec<usize>, Vec<usize>) = rows.iter().partition(|row| place(**row).is_some());
    let all_of_rest = rest.len();
    rest.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    rest.truncate(special.len());
    rest.sort_unstable();
    let here = special.len() as f64 / rest.len().max(1) as f64;
    let there = special.len() as f64 / all_of_rest.max(1) as f64;
    let oversampling = if special.is_empty() || rest.is_empty() { 1.0 } else { here / there };
    let rows: Vec<usize> = special.into_iter().chain(rest).collect();
    let labels = rows.iter().map(|row| place(*row).unwrap_or(classes.len()) as u32).collect();
    SpecialistSet { rows, labels, oversampling }
}

/// Targets for a specialist with a full softmax, as logits at temperature 1 in the order of `chosen.rows`: the true class for
/// its own classes, the generalist's distribution for the others. (The paper proposes this in section 5.6 and did not run
/// it.) `generalist` has the logits of the same rows.
pub fn full_set(
    set: &LabelledSet,
    chosen: &SpecialistSet,
    classes: &[u32],
    generalist: &ClassLogits,
) -> ClassLogits {
    let mut values = generalist.values.clone();
    let rows = values.chunks_exact_mut(generalist.classes.max(1));
    for (out, &row) in rows.zip(&chosen.rows) {
        let label = set.labels()[row];
        if classes.contains(&label) {
            out.fill(ABSENT);
            out[label as usize] = 0.0;
        }
    }
    ClassLogits { classes: generalist.classes, values }
}

/// A specialist's first weights: the generalist's, its last layer cut down to the rows of the classes and one for the dustbin.
/// The dustbin begins as the mean of the rows it stands for, its bias raised by the logarithm of their number, which is the
/// log-sum of equal logits.
///
/// # Errors
/// None is known: the layers of a network fit each other.
pub fn dustbin_network(generalist: &Mlp, classes: &[u32]) -> Result<Mlp, ModelError> {
    let mut layers = generalist.layers();
    if let Some(last) = layers.pop() {
        let DenseLayer { inputs, outputs, weight, bias } = last;
        let row = |class: usize| &weight[class * inputs..(class + 1) * inputs];
        let chosen: BTreeSet<usize> = classes.iter().map(|class| *class as usize).collect();
        let rest: Vec<usize> = (0..outputs).filter(|class| !chosen.contains(class)).collect();
        let count = rest.len().max(1) as f32;
        let mut new_weight: Vec<f32> =
            classes.iter().flat_map(|class| row(*class as usize)).copied().collect();
        new_weight.extend(
            (0..inputs).map(|input| rest.iter().map(|class| row(*class)[input]).sum::<f32>() / count),
        );
        let mut new_bias: Vec<f32> = classes.iter().map(|class| bias[*class as usize]).collect();
        new_bias.push(rest.iter().map(|class| bias[*class]).sum::<f32>() / count + count.ln());
        layers.push(DenseLayer { inputs, outputs: classes.len() + 1, weight: new_weight, bias: new_bias });
    }
    Mlp::from_layers(layers, &generalist.device())
}

/// A trained specialist.
#[derive(Debug, Clone)]
pub struct Specialist {
    /// Its classes.
    pub classes: Vec<u32>,
    /// [`SpecialistSet::oversampling`] of what it trained on.
    pub oversampling: f64,
    /// Whether its softmax is over all classes; else over its own and a dustbin.
    pub full: bool,
}

impl Specialist {
    /// What it says about an example, corrected for the oversampling of its classes: the logarithm of the oversampling is added
    /// to the dustbin's logit (for a full softmax, taken off those of its classes).
    pub fn opinion(&self, logits: &[f32]) -> Opinion {
        let correction = self.oversampling.ln() as f32;
        let mut corrected = logits.to_vec();
        if self.full {
            for class in &self.classes {
                corrected[*class as usize] -= correction;
            }
            return Opinion {
                classes: (0..logits.len() as u32).collect(),
                probabilities: probabilities(&corrected),
            };
        }
        if let Some(dustbin) = corrected.last_mut() {
            *dustbin += correction;
        }
        Opinion { classes: self.classes.clone(), probabilities: probabilities(&corrected) }
    }

    /// Whether it covers a class.
    pub fn covers(&self, class: u32) -> bool {
        self.classes.contains(&class)
    }
}

/// `softmax(z)`.
pub fn probabilities(logits: &[f32]) -> Vec<f64> {
    let top = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let powers: Vec<f64> = logits.iter().map(|z| (f64::from(*z) - top).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use limbeck_data::labelled::digits;
    use limbeck_model::predict;

    #[test]
    fn half_of_the_data_is_special_and_the_rest_random() {
        let set = digits().unwrap().training;
        let rows: Vec<usize> = (0..set.len()).collect();
        let classes = [3, 8];
        let chosen = dustbin_set(&set, &rows, &classes, 1);
        let special = set.labels().iter().filter(|label| classes.contains(label)).count();
        assert_eq!(chosen.rows.len(), 2 * special);
        assert_eq!(chosen.labels.iter().filter(|label| **label == 2).count(), special);
        for (row, label) in chosen.rows.iter().zip(&chosen.labels) {
            match *label {
                2 => assert!(!classes.contains(&set.labels()[*row])),
                place => assert_eq!(classes[place as usize], set.labels()[*row]),
            }
        }
        let expected = (set.len() - special) as f64 / special as f64;
        assert!((chosen.oversampling - expected).abs() < 1e-9);
        assert_ne!(dustbin_set(&set, &rows, &classes, 2).rows, chosen.rows);
    }

    #[test]
    fn the_correction_restores_the_shares_of_the_whole_set() {
        // A specialist that learned nothing but the frequencies of its data: half special, half dustbin.
        let specialist = Specialist { classes: vec![1], oversampling: 9.0, full: false };
        let opinion = specialist.opinion(&[0.0, 0.0]);
        assert!((opinion.probabilities[0] - 0.1).abs() < 1e-6, "one special example in ten");
        let full = Specialist { full: true, ..specialist };
        // Nine other classes share the half that is not special.
        let mut logits = vec![(1.0_f32 / 18.0).ln(); 10];
        logits[1] = 0.5_f32.ln();
        for p in full.opinion(&logits).probabilities {
            assert!((p - 0.1).abs() < 1e-6);
        }
    }

    #[test]
    fn a_specialist_begins_with_the_generalists_logits() {
        let set = digits().unwrap().test;
        let generalist = Mlp::init(&[64, 12, 10], 5, &Device::default()).unwrap();
        let begun = dustbin_network(&generalist, &[7, 2]).unwrap();
        let (whole, cut) = (predict(&generalist, &set, &[0, 9]), predict(&begun, &set, &[0, 9]));
        assert_eq!(cut.classes, 3);
        for example in 0..2 {
            let (whole, cut) = (whole.row(example), cut.row(example));
            assert!((whole[7] - cut[0]).abs() < 1e-5 && (whole[2] - cut[1]).abs() < 1e-5);
            let rest: f32 = (0..10).filter(|class| ![7, 2].contains(class)).map(|class| whole[class]).sum();
            assert!((cut[2] - (rest / 8.0 + 8.0_f32.ln())).abs() < 1e-4);
        }
    }

    #[test]
    fn full_targets_are_hard_on_own_classes_and_the_generalists_elsewhere() {
        let set = digits().unwrap().training;
        let chosen = SpecialistSet { rows: vec![3, 4], labels: vec![0, 1], oversampling: 1.0 };
        let generalist = ClassLogits { classes: 10, values: (0..20).map(|v| v as f32 / 7.0).collect() };
        let targets = full_set(&set, &chosen, &[set.labels()[3]], &generalist);
        assert_eq!(targets.row(1), generalist.row(1));
        let hard = probabilities(targets.row(0));
        assert!((hard[set.labels()[3] as usize] - 1.0).abs() < 1e-12);
    }
}
