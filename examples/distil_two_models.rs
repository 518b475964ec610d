//! Distil one network into another: a weighted sum of objectives, a teacher, a student, a few steps. The teacher here is
//! fresh; load yours with `limbeck::networks::load`.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::sync::Arc;

use burn::tensor::Device;
use limbeck::data::progress::Silent;
use limbeck::distill::objective::{CrossEntropy, ForwardKl};
use limbeck::distill::{LayerSelection, LayersStudent, ObjectiveConfig, TrainingConfig, TrainingJob, train};
use limbeck::eval::numerals::{TrainingOptions, closed_vocabulary, training_sets};
use limbeck::model::tokenizer::ClosedSpecials;
use limbeck::model::{Decoder, DecoderConfig, Tokenizer, config::Sizes};
use limbeck::teach::{LocalTeacher, TeacherIdentity};

fn main() -> Result<(), Box<dyn Error>> {
    let tokenizer = Tokenizer::closed(&closed_vocabulary(), &ClosedSpecials::default())?;
    let vocab_size = tokenizer.vocab_size();
    let sizes = Sizes {
        vocab_size,
        d_model: 32,
        n_layers: 4,
        n_heads: 4,
        n_kv_heads: 4,
        d_mlp: 128,
        max_positions: 64,
    };
    let teacher = Decoder::init(&DecoderConfig::gpt2(sizes), 1, &Device::flex())?;
    let student = LayersStudent { select: LayerSelection::Even, layers: None }.build(&teacher)?;
    let options = TrainingOptions { examples: 64, held_out: 8, shifted: 8, ..TrainingOptions::default() };
    let examples = training_sets(&tokenizer, &options)?.training;
    let identity = TeacherIdentity {
        hash: "fresh, seed 1".into(),
        tokenizer_hash: tokenizer.hash(),
        vocab_size,
        origin: "this example".into(),
    };
    let folder = std::env::temp_dir().join(format!("limbeck-example-{}", std::process::id()));
    let job = TrainingJob {
        network: "student".into(),
        student,
        teacher: Some(Box::new(LocalTeacher::new(teacher, identity))),
        vocab_used: None,
        examples: Arc::from(examples),
        objectives: vec![
            ObjectiveConfig::ForwardKl(ForwardKl { weight: 0.5, temperature: 2.0 }),
            ObjectiveConfig::CrossEntropy(CrossEntropy { weight: 0.5 }),
        ],
        config: TrainingConfig { steps: 10, batch_size: 4, warmup_steps: 2, ..TrainingConfig::default() },
        checkpoint_dir: folder.join("checkpoints"),
        metrics_path: folder.join("metrics.jsonl"),
    };
    let outcome = train(job, &Silent)?;
    for point in &outcome.curve {
        println!("step {:>2}: loss {:.4}", point.step, point.loss);
    }
    Ok(std::fs::remove_dir_all(folder)?)
}
