//! Objectives on one micro-batch of a tiny student and its teacher, and their gradient against finite differences.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

use burn::tensor::Device;
use limbeck_data::examples::TokenExample;
use limbeck_distill::objective::{MicroBatch, ObjectiveConfig, Terms};
use limbeck_distill::optimizer::GradientSum;
use limbeck_distill::soundness::Moment;
use limbeck_distill::trainer::Network;
use limbeck_model::{Decoder, Parameter};
use limbeck_teach::{LocalTeacher, Teacher, TeacherIdentity};
use limbeck_testkit::{TINY_VOCAB, counting_examples};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub(crate) fn teacher(decoder: Decoder) -> LocalTeacher {
    let vocab_size = decoder.config().vocab_size;
    let identity =
        TeacherIdentity { hash: "t".into(), tokenizer_hash: "k".into(), vocab_size, origin: "test".into() };
    LocalTeacher::new(decoder, identity)
}

/// Fresh weights are so small that every distribution is nearly flat; these make the losses bend.
pub(crate) fn sharpened(decoder: Decoder, factor: f32) -> Decoder {
    decoder.map(&mut |_, parameter| match parameter {
        Parameter::Matrix(matrix) => Parameter::Matrix(matrix * factor),
        vector => vector,
    })
}

pub(crate) struct Setting {
    pub(crate) terms: Terms,
    pub(crate) network: Network,
    pub(crate) batch: MicroBatch,
}

pub(crate) fn setting(
    objectives: Vec<ObjectiveConfig>,
    student: Decoder,
    teacher_decoder: Decoder,
) -> Setting {
    let device = Device::flex();
    let teacher = teacher(teacher_decoder);
    let network = Network::new(student, &objectives, teacher.hidden_shape(), 5);
    let terms = Terms::new(objectives, TINY_VOCAB, teacher.hidden_shape());
    let examples = counting_examples(3, 9, TINY_VOCAB, 11);
    let rows: Vec<&TokenExample> = examples.iter().collect();
    let batch = terms.prepare(&rows, &network, Some(&teacher), &device, Moment { step: 1, part: 0 }).unwrap();
    Setting { terms, network, batch }
}

impl Setting {
    pub(crate) fn value(&self, network: &Network) -> f64 {
        let (_, values) = self.terms.evaluate(network, &self.batch, None).unwrap();
        values.iter().enumerate().map(|(index, value)| self.terms.weight(index) * value).sum()
    }

    pub(crate) fn gradient(&self, only: Option<usize>) -> (GradientSum, f64) {
        let (loss, _) = self.terms.evaluate(&self.network, &self.batch, only).unwrap();
        let total = loss.clone().into_data().iter::<f64>().next().unwrap();
        (GradientSum::of(&self.network, loss.backward()), total)
    }

    /// The network moved by `step` along a random direction; returns it with the direction's product with `gradient`.
    pub(crate) fn moved(&self, gradient: &GradientSum, step: f32, seed: u64) -> (Network, f64) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (mut index, mut slope) = (0, 0.0);
        let device = Device::flex();
        let network = self.network.clone().map(&mut |_, parameter| {
            let shape = parameter.shape();
            let part = gradient.part(index);
            index += 1;
            let mut values = parameter.to_vec();
            for (at, value) in values.iter_mut().enumerate() {
                let direction = if random.random::<bool>() { 1.0f32 } else { -1.0 };
                *value += step * direction;
                slope += f64::from(direction) * part.map_or(0.0, |part| f64::from(part[at]));
            }
            Parameter::from_vec(&shape, values, &device).require_grad()
        });
        (network, slope)
    }

    /// Central differences along random directions through all parameters against the gradient.
    pub(crate) fn assert_gradient(&self) {
        let (gradient, _) = self.gradient(None);
        // Steep losses bend too: they get a shorter step.
        let step = 2e-3 / (1.0 + gradient.norm() as f32 / 10.0);
        let mut worst: f64 = 0.0;
        let mut scale: f64 = 0.0;
        for seed in 0..6 {
            let mut slope = 0.0;
            let [near, far] = [1.0f32, 2.0].map(|times| {
                let (ahead, along) = self.moved(&gradient, times * step, seed);
                let (behind, _) = self.moved(&gradient, -times * step, seed);
                slope = along;
                (self.value(&ahead) - self.value(&behind)) / (2.0 * f64::from(times * step))
            });
            // Richardson: the error that goes with the square of the step drops out.
            let difference = (4.0 * near - far) / 3.0;
            worst = worst.max((difference - slope).abs());
            scale = scale.max(slope.abs());
        }
        assert!(
            scale > 1e-2,
            "{:?}: the directions see too little of the gradient: {scale}",
            self.terms.names()
        );
        assert!(
            worst < 0.01 * scale + 1e-3,
            "{:?}: finite differences are off by {worst} of {scale}",
            self.terms.names()
        );
    }
}
