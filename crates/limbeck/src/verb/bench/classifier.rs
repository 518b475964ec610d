//! A classifier's step: teacher, student, loss, gradients, clipping and AdamW.

use burn::tensor::{Device, Tensor, TensorData};
use limbeck::data::progress::Progress;
use limbeck::distill::TrainingConfig;
use limbeck::distill::optimizer::gradient::clip_factor;
use limbeck::kernels::{
    AdamW, AdamWSlot, HeadTerm, HeadTermKind, Precision, TeacherLogits, logit_losses, sum_of_squares,
};
use limbeck::model::{Mlp, ModelError, Parameter};
use limbeck::pipeline::{PipelineError, StageError};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::stamps::{Stamps, Timed, steps_for};
use super::workload::ClassifierShape;
use crate::failure::Failure;

/// Batches of random features.
const BATCHES: usize = 8;

/// Trains the student and returns the timed steps with the loss of every step; loss and optimizer as for decoders.
pub(super) fn run(
    shape: &ClassifierShape,
    timed: usize,
    seed: u64,
    precision: Precision,
    device: &Device,
    progress: &dyn Progress,
) -> Result<(Timed, Vec<f64>), Failure> {
    let stop = |error: ModelError| Failure::from(PipelineError::of_stage("bench", StageError::from(error)));
    let teacher = Mlp::init(&shape.teacher, seed, device).map_err(stop)?.with_precision(precision);
    let mut student =
        Mlp::init(&shape.student, seed.wrapping_add(1), device).map_err(stop)?.with_precision(precision);
    let batches = batches(shape, seed, device);
    let mut optimizer = Optimizer::default();
    let mut losses = Vec::new();
    let stamps = Stamps::new(progress, timed);
    let steps = steps_for(timed);
    stamps.start("training classifier", steps as u64, "steps");
    for (step, (features, labels)) in (1..=steps).zip(batches.iter().cycle()) {
        if stamps.cancelled() {
            stamps.finish();
            return Err(PipelineError::of_stage("bench", limbeck::data::DataError::Cancelled.into()).into());
        }
        student = student.trainable();
        let taught = teacher.logits(features.clone());
        let logits = student.logits(features.clone().autodiff());
        let found = logit_losses(logits, labels, Some(&TeacherLogits::Dense(taught)), &TERMS, None)
            .map_err(Failure::broke)?;
        losses.push(found.total.clone().inner().into_scalar::<f64>());
        student = optimizer.update(student, found.total, step as u64)?;
        stamps.advance(1);
    }
    stamps.finish();
    Ok((stamps.timed(), losses))
}

/// `0.5 T^2 KL(teacher || student) + 0.5 CE`, a mean over the batch.
const TERMS: [HeadTerm; 2] = [
    HeadTerm { kind: HeadTermKind::ForwardKl { temperature: 2.0 }, weight: 0.5 },
    HeadTerm { kind: HeadTermKind::CrossEntropy, weight: 0.5 },
];

/// Random features in [0, 1) with random labels.
fn batches(shape: &ClassifierShape, seed: u64, device: &Device) -> Vec<(Tensor<2>, Vec<u32>)> {
    let (features, classes) = match (shape.student.first(), shape.student.last()) {
        (Some(&first), Some(&last)) => (first, last),
        _ => return Vec::new(),
    };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let batch = shape.batch;
    (0..BATCHES)
        .map(|_| {
            let values: Vec<f32> = (0..batch * features).map(|_| rng.random::<f32>()).collect();
            let labels = (0..batch).map(|_| rng.random_range(0..classes as u32)).collect();
            let values = TensorData::new(values, [batch, features]);
            (Tensor::from_data(values, device), labels)
        })
        .collect()
}

/// AdamW with clipping, at the trainer's defaults.
#[derive(Default)]
struct Optimizer {
    moments: Vec<[Vec<f32>; 2]>,
}

impl Optimizer {
    fn update(&mut self, student: Mlp, loss: Tensor<1>, step: u64) -> Result<Mlp, Failure> {
        let config = TrainingConfig::default();
        let mut gradients = loss.backward();
        let mut values = Vec::new();
        let mut slopes = Vec::new();
        let mut shapes = Vec::new();
        // The values are taken out of the network, so that they are updated in place.
        let emptied = student.map(&mut |_, parameter| {
            let slope = parameter.grad_remove(&mut gradients).map(Parameter::into_vec);
            let (shape, device) = (parameter.shape(), parameter.device());
            let rank = shape.len();
            slopes.push(slope.unwrap_or_else(|| vec![0.0; parameter.len()]));
            values.push(parameter.into_vec());
            shapes.push(shape);
            Parameter::from_vec(&vec![1; rank], vec![0.0], &device)
        });
        if self.moments.is_empty() {
            self.moments =
                values.iter().map(|value| [vec![0.0; value.len()], vec![0.0; value.len()]]).collect();
        }
        let norm = slopes.iter().map(|slope| sum_of_squares(slope)).sum::<f64>().sqrt();
        let clip = clip_factor(norm, Some(config.clip_norm));
        let adamw = AdamW {
            learning_rate: config.learning_rate,
            beta1: config.betas[0],
            beta2: config.betas[1],
            epsilon: config.eps,
            weight_decay: config.weight_decay,
        };
        let parts = values.iter_mut().zip(&slopes).zip(&mut self.moments).zip(&shapes);
        let mut slots: Vec<AdamWSlot<'_>> = parts
            .map(|(((value, gradient), [first, second]), shape)| AdamWSlot {
                value,
                gradient,
                first,
                second,
                decay: shape.len() == 2,
            })
            .collect();
        adamw.step(step, clip as f32, &mut slots).map_err(Failure::broke)?;
        drop(slots);
        let mut fresh = values.into_iter().zip(shapes);
        Ok(emptied.map(&mut |_, parameter| match fresh.next() {
            Some((value, shape)) => Parameter::from_vec(&shape, value, &parameter.device()),
            None => parameter,
        }))
    }
}
