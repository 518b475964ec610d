//! Steps per second of the trainer on the design's workload W1: vocabulary 512, 4 layers to 2, width 128, 4 heads,
//! 32 sequences of 64 tokens, 0.5 forward KL (T = 2) + 0.5 cross-entropy.
//!
//! `cargo run --release -p limbeck-distill --example training_rate`
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::time::Instant;

use burn::tensor::Device;
use limbeck_data::examples::TokenExample;
use limbeck_data::progress::Silent;
use limbeck_distill::objective::{CrossEntropy, ForwardKl};
use limbeck_distill::{ObjectiveConfig, TrainingConfig, TrainingJob, train};
use limbeck_model::{Decoder, DecoderConfig, Sizes};
use limbeck_teach::{LocalTeacher, TeacherIdentity};

const STEPS: u64 = 30;

fn main() -> Result<(), Box<dyn Error>> {
    let sizes = Sizes {
        vocab_size: 512,
        d_model: 128,
        n_layers: 4,
        n_heads: 4,
        n_kv_heads: 4,
        d_mlp: 512,
        max_positions: 64,
    };
    let device = Device::flex();
    let config = DecoderConfig::gpt2(sizes);
    let teacher = Decoder::init(&config, 1, &device)?;
    let student = Decoder::init(&DecoderConfig { n_layers: 2, ..config }, 2, &device)?;
    let examples: Vec<TokenExample> = (0..256u32)
        .map(|row| TokenExample::all_scored((0..64).map(|i| (row * 31 + i * (row % 7 + 1)) % 512).collect()))
        .collect();
    let identity = TeacherIdentity {
        hash: "random".into(),
        tokenizer_hash: "none".into(),
        vocab_size: 512,
        origin: "fresh weights".into(),
    };
    let dir = tempfile::tempdir()?;
    let began = Instant::now();
    let outcome = train(
        TrainingJob {
            network: "student".into(),
            student,
            teacher: Some(Box::new(LocalTeacher::new(teacher, identity))),
            vocab_used: None,
            examples: examples.into(),
            objectives: vec![
                ObjectiveConfig::ForwardKl(ForwardKl { weight: 0.5, temperature: 2.0 }),
                ObjectiveConfig::CrossEntropy(CrossEntropy { weight: 0.5 }),
            ],
            config: TrainingConfig {
                steps: STEPS,
                batch_size: 32,
                term_gradients_every: 0,
                checkpoint_every: 0,
                ..TrainingConfig::default()
            },
            checkpoint_dir: dir.path().join("checkpoints"),
            metrics_path: dir.path().join("metrics.jsonl"),
        },
        &Silent,
    )?;
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{:.1} ms a step, {:.0} scored tokens a second",
        1e3 * seconds / STEPS as f64,
        outcome.tokens as f64 / seconds
    );
    Ok(())
}
