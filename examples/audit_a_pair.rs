//! How alike are two networks inside, and which depends more on single components? The pair here is a fresh model and every
//! second layer of it; load yours with `limbeck::networks::load`.
#![allow(clippy::print_stdout)]

use std::error::Error;

use burn::tensor::Device;
use limbeck::audit::{AuditConfig, Pair, Subject, audit};
use limbeck::data::progress::Silent;
use limbeck::distill::{LayerSelection, LayersStudent};
use limbeck::eval::numerals::closed_vocabulary;
use limbeck::model::tokenizer::ClosedSpecials;
use limbeck::model::{Decoder, DecoderConfig, Tokenizer, config::Sizes};

fn main() -> Result<(), Box<dyn Error>> {
    let tokenizer = Tokenizer::closed(&closed_vocabulary(), &ClosedSpecials::default())?;
    let sizes = Sizes {
        vocab_size: tokenizer.vocab_size(),
        d_model: 32,
        n_layers: 4,
        n_heads: 4,
        n_kv_heads: 4,
        d_mlp: 128,
        max_positions: 64,
    };
    let teacher = Decoder::init(&DecoderConfig::gpt2(sizes), 1, &Device::flex())?;
    let student = LayersStudent { select: LayerSelection::Even, layers: None }.build(&teacher)?;

    let config = AuditConfig {
        prompts_per_template: 4,
        resamples: 200,
        alignment_resamples: 20,
        ..AuditConfig::default()
    };
    let teacher = Subject { decoder: &teacher, tokenizer: &tokenizer };
    let student = Subject { decoder: &student, tokenizer: &tokenizer };
    let found = audit(teacher, &[Pair { student, baseline: None }], &config, &Silent)?;

    let a = found.alignment.a;
    println!("alignment A = {:.4} [{:.4}, {:.4}] on {} prompts", a.value, a.low, a.high, found.prompts);
    for pair in &found.alignment.matches {
        println!(
            "teacher {:>6} is most like student {:>6}: {:.4}",
            pair.teacher, pair.student, pair.similarity
        );
    }
    for (name, brittleness) in
        [("teacher", &found.brittleness.teacher), ("student", &found.brittleness.student)]
    {
        println!("{name}: severity {:.4}, worst {:.2}", brittleness.severity.value, brittleness.worst.value);
    }
    Ok(())
}
