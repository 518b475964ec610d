//! A training on the device that `LIMBECK_TEST_DEVICE` names (`wgpu`, `cuda:1`, ..; the CPU when it is absent) against
//! the same one on the CPU: on the CPU the same bits, elsewhere the same figures up to rounding.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use burn::tensor::Device;
use limbeck_data::examples::TokenExample;
use limbeck_data::progress::Silent;
use limbeck_distill::objective::{CrossEntropy, ForwardKl, ReverseKl};
use limbeck_distill::{ObjectiveConfig, TrainingConfig, TrainingJob, train};
use limbeck_kernels::DeviceName;
use limbeck_model::{Decoder, DecoderConfig, Sizes};
use limbeck_teach::{LocalTeacher, TeacherIdentity};

const STEPS: u64 = 3;

const SIZES: Sizes = Sizes {
    vocab_size: 40,
    d_model: 16,
    n_layers: 1,
    n_heads: 4,
    n_kv_heads: 2,
    d_mlp: 24,
    max_positions: 12,
};

/// Losses, gradient-carrying terms and final weights of a short distillation.
fn distil(config: &DecoderConfig, device: &Device) -> (Vec<f64>, Vec<f32>) {
    let teacher = Decoder::init(&DecoderConfig { n_layers: 2, ..config.clone() }, 1, device).unwrap();
    let identity = TeacherIdentity {
        hash: "fresh".into(),
        tokenizer_hash: "none".into(),
        vocab_size: config.vocab_size,
        origin: "fresh weights".into(),
    };
    // Rows of unequal length, so that padding is met too.
    let examples: Vec<TokenExample> = (0..8u32)
        .map(|row| TokenExample::all_scored((0..5 + row % 3).map(|at| (row * 7 + at * 5) % 40).collect()))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let outcome = train(
        TrainingJob {
            network: "student".into(),
            student: Decoder::init(config, 2, device).unwrap(),
            teacher: Some(Box::new(LocalTeacher::new(teacher, identity))),
            vocab_used: None,
            examples: examples.into(),
            objectives: vec![
                ObjectiveConfig::ForwardKl(ForwardKl { weight: 0.5, temperature: 2.0 }),
                ObjectiveConfig::ReverseKl(ReverseKl { weight: 0.25, temperature: 1.0 }),
                ObjectiveConfig::CrossEntropy(CrossEntropy { weight: 0.5 }),
            ],
            config: TrainingConfig {
                steps: STEPS,
                batch_size: 4,
                warmup_steps: 0,
                checkpoint_every: 0,
                ..TrainingConfig::default()
            },
            checkpoint_dir: folder.path().join("checkpoints"),
            metrics_path: folder.path().join("metrics.jsonl"),
        },
        &Silent,
    )
    .unwrap();
    let mut weights = Vec::new();
    outcome.decoder.visit(&mut |_, parameter| weights.extend(parameter.to_vec()));
    let figures = outcome.curve.iter().flat_map(|point| {
        let terms = point.terms.iter().flat_map(|term| [Some(term.value), term.gradient_norm]);
        terms.flatten().chain([point.loss]).collect::<Vec<f64>>()
    });
    (figures.collect(), weights)
}

#[test]
fn training_there_is_training_here() {
    let name: DeviceName = match std::env::var("LIMBECK_TEST_DEVICE") {
        Ok(name) => name.parse().unwrap(),
        Err(_) => DeviceName::Cpu,
    };
    let there = name.open().unwrap();
    for config in [DecoderConfig::gpt2(SIZES), DecoderConfig::llama(SIZES)] {
        let (expected, expected_weights) = distil(&config, &Device::flex());
        let (found, weights) = distil(&config, &there);
        if name == DeviceName::Cpu {
            assert_eq!((&found, &weights), (&expected, &expected_weights));
            continue;
        }
        assert_eq!((found.len(), weights.len()), (expected.len(), expected_weights.len()));
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() <= 2e-4 * expected.abs() + 1e-6, "{found} is not {expected}");
        }
        // AdamW divides by the gradient's own size: where a gradient is all rounding its sign is too, and then
        // the weight may be off by both networks' whole steps.
        let limit = 2.1 * STEPS as f32 * TrainingConfig::default().learning_rate as f32;
        let apart: Vec<f32> =
            weights.iter().zip(&expected_weights).map(|(found, expected)| (found - expected).abs()).collect();
        assert!(apart.iter().all(|&apart| apart <= limit));
        let close = apart.iter().filter(|&&apart| apart <= 1e-5).count();
        assert!(close as f64 >= 0.98 * apart.len() as f64, "{close} of {} weights agree", apart.len());
    }
}
