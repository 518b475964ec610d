//! Mean squared error between hidden states, through a learned projection.

use burn::tensor::{Device, Tensor};
use limbeck_kernels::{Precision, linear};
use limbeck_model::{Site, SiteKind};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LayerMapping, Layers, Loss, Needs, Objective, Step, one};
use crate::DistillError;

/// Mean over the layer pairs, the predictions n and the teacher's width d_t of
///
/// `(W h_student - h_teacher)^2`,
///
/// where h is the residual stream after a block at the position the prediction is made from, and `W [d_t, d_s]` is
/// a projection of its own for every pair, trained together with the student and dropped afterwards.
///
/// Source: Jiao et al. 2020, TinyBERT (arXiv 1909.10351), equation 8, after the regressor of Romero et al. 2015,
/// FitNets (arXiv 1412.6550), equation 3; the L2 form of L_F in Xu et al. 2024 (arXiv 2402.13116), equation 11.
/// Unlike TinyBERT, which adds the layers up, the mean over the pairs is taken: the weight then does not
/// depend on the number of layers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HiddenMse {
    /// Factor in the weighted sum of objectives.
    pub weight: f64,
    /// Which student layer learns from which teacher layer.
    pub layers: LayerMapping,
}

impl Default for HiddenMse {
    fn default() -> Self {
        Self { weight: one(), layers: LayerMapping::default() }
    }
}

impl Objective for HiddenMse {
    fn weight(&self) -> f64 {
        self.weight
    }

    fn needs(&self) -> Needs<'_> {
        Needs { hidden: true, layers: Some(&self.layers), ..Needs::default() }
    }

    fn projections(&self, beside: &Beside<'_>) -> Vec<Projection> {
        let pairs = self.layers.pairs(beside.layers).into_iter();
        pairs.map(|pair| Projection::init(beside, pair)).collect()
    }

    fn loss(&self, step: &Step<'_>) -> Result<Loss, DistillError> {
        step.over_projections()
    }
}

/// Where projections are made: the objective they serve, and the networks they lie between.
#[derive(Debug, Clone, Copy)]
pub struct Beside<'a> {
    /// Name of the objective's term.
    pub term: &'a str,
    /// Its index.
    pub objective: usize,
    /// Depths of both networks.
    pub layers: Layers,
    /// Width of the student.
    pub student_width: usize,
    /// Width of the teacher.
    pub teacher_width: usize,
    /// Seed of the training.
    pub seed: u64,
    /// Where they live.
    pub device: &'a Device,
}

/// The residual stream after a block.
pub(crate) fn after_block(block: usize) -> Site {
    Site { block: Some(block), kind: SiteKind::ResidPost }
}

/// A learned projection from the student's hidden states of one layer to the teacher's.
#[derive(Debug, Clone)]
pub struct Projection {
    /// Its name among the trained tensors, such as `projection.hidden_mse.0-1`.
    pub name: String,
    /// Index of its objective.
    pub objective: usize,
    /// Where the student is read.
    pub student: Site,
    /// Where the teacher is read.
    pub teacher: Site,
    /// W, [d_teacher, d_student].
    pub weight: Tensor<2>,
}

impl Projection {
    /// A fresh projection of a pair: the identity where both widths agree, so that the first loss compares the
    /// streams as they are; otherwise uniform in +-sqrt(3 / d_student), which keeps the variance.
    pub fn init(beside: &Beside<'_>, [student, teacher]: [usize; 2]) -> Self {
        let &Beside {
            term, objective, student_width: d_student, teacher_width: d_teacher, seed, device, ..
        } = beside;
        let mut values = vec![0.0f32; d_teacher * d_student];
        if d_student == d_teacher {
            for i in 0..d_student {
                values[i * d_student + i] = 1.0;
            }
        } else {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            random.set_stream(1 + ((objective as u64) << 32 | student as u64));
            let bound = (3.0 / d_student as f32).sqrt();
            values.iter_mut().for_each(|value| *value = random.random_range(-bound..bound));
        }
        let weight = Tensor::from_data(burn::tensor::TensorData::new(values, [d_teacher, d_student]), device);
        Self {
            name: format!("projection.{term}.{student}-{teacher}"),
            objective,
            student: after_block(student),
            teacher: after_block(teacher),
            weight,
        }
    }

    /// The mean squared error of this pair, [1]; `student` is [n, d_student], `teacher` [n, d_teacher].
    pub fn loss(&self, student: Tensor<2>, teacher: Tensor<2>) -> Tensor<1> {
        let difference = linear(student, self.weight.clone(), None, Precision::F32) - teacher;
        (difference.clone() * difference).mean()
    }
}
