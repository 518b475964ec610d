//! A decoder's step, timed inside the real trainer.

use std::sync::Arc;

use burn::tensor::Device;
use limbeck::data::examples::TokenExample;
use limbeck::data::progress::Progress;
use limbeck::distill::objective::{CrossEntropy, ForwardKl};
use limbeck::distill::{ObjectiveConfig, Schedule, TrainingConfig, TrainingJob, train};
use limbeck::kernels::Precision;
use limbeck::model::{Decoder, DecoderConfig};
use limbeck::pipeline::{PipelineError, StageError};
use limbeck::teach::{LocalTeacher, TeacherIdentity};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::stamps::{Stamps, Timed, steps_for};
use super::workload::DecoderShape;
use crate::failure::Failure;

/// Batches of random tokens, so that no step sees what the one before saw.
const BATCHES: usize = 8;

/// Trains the student and returns the timed steps with the loss of every step.
///
/// Loss `0.5 T^2 KL(teacher || student) + 0.5 CE` at T = 2, AdamW and clipping as the trainer's defaults at a constant
/// learning rate, fresh weights and random tokens from `seed`, every token but a sequence's first scored.
pub(super) fn run(
    shape: &DecoderShape,
    timed: usize,
    seed: u64,
    precision: Precision,
    device: &Device,
    progress: &dyn Progress,
) -> Result<(Timed, Vec<f64>), Failure> {
    let teacher = init(&shape.teacher(), seed, device)?;
    let student = init(&shape.student, seed.wrapping_add(1), device)?;
    let identity = TeacherIdentity {
        hash: "fresh".to_owned(),
        tokenizer_hash: "none".to_owned(),
        vocab_size: shape.student.vocab_size,
        origin: "fresh weights".to_owned(),
    };
    let folder = tempfile::tempdir()?;
    let config = TrainingConfig {
        steps: steps_for(timed) as u64,
        batch_size: shape.rows,
        warmup_steps: 0,
        schedule: Schedule::Constant(Default::default()),
        checkpoint_every: 0,
        // A line of a few hundred bytes, not synced: its cost is not seen, and the losses are wanted.
        log_every: 1,
        term_gradients_every: 0,
        seed,
        precision,
        ..TrainingConfig::default()
    };
    let job = TrainingJob {
        network: "student".to_owned(),
        student,
        teacher: Some(Box::new(LocalTeacher::new(teacher, identity).with_precision(precision))),
        vocab_used: None,
        examples: tokens(shape, seed),
        objectives: vec![
            ObjectiveConfig::ForwardKl(ForwardKl { weight: 0.5, temperature: 2.0 }),
            ObjectiveConfig::CrossEntropy(CrossEntropy { weight: 0.5 }),
        ],
        config,
        checkpoint_dir: folder.path().join("checkpoints"),
        metrics_path: folder.path().join("metrics.jsonl"),
    };
    let stamps = Stamps::new(progress, timed);
    let outcome = train(job, &stamps).map_err(|error| fail(error.into()))?;
    Ok((stamps.timed(), outcome.curve.iter().map(|point| point.loss).collect()))
}

fn init(config: &DecoderConfig, seed: u64, device: &Device) -> Result<Decoder, Failure> {
    Decoder::init(config, seed, device).map_err(|error| fail(error.into()))
}

fn fail(error: StageError) -> Failure {
    PipelineError::of_stage("bench", error).into()
}

fn tokens(shape: &DecoderShape, seed: u64) -> Arc<[TokenExample]> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let vocab = shape.student.vocab_size as u32;
    (0..BATCHES * shape.rows)
        .map(|_| TokenExample::all_scored((0..shape.length).map(|_| rng.random_range(0..vocab)).collect()))
        .collect()
}
