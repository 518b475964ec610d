//! What is read off the residual stream adds up to what the network says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod random;

use limbeck_audit::{
    Ablation, Base, DirectLogits, Lens, Patcher, PatchingConfig, Plan, Target, effects, sweep,
};
use limbeck_data::progress::Silent;
use limbeck_eval::{Encode, EvalError};
use limbeck_model::{NoTap, Norm, TokenBatch};
use limbeck_stats::Bootstrap;
use random::{VOCAB, decoders, task};

/// Writes tokens as numbers.
struct Numbers;

impl Encode for Numbers {
    fn encode_text(&self, text: &str) -> Result<Vec<u32>, EvalError> {
        Ok(text.split(' ').map(|word| word.parse().unwrap()).collect())
    }
    fn decode_ids(&self, ids: &[u32]) -> Result<String, EvalError> {
        Ok(ids.iter().map(u32::to_string).collect::<Vec<_>>().join(" "))
    }
    fn leading(&self) -> Result<Vec<u32>, EvalError> {
        Ok(vec![])
    }
}

#[test]
fn shares_of_all_components_add_up_to_the_logit_difference() {
    let task = task();
    for decoder in decoders() {
        let found = DirectLogits::measure(&decoder, &task, 2, &Silent).unwrap();
        let full = sweep(&decoder, &task, Ablation::Zero, 8, "test", &Silent).unwrap().full;
        let learned = matches!(decoder.config().norm, Norm::Layer { .. });
        assert_eq!(
            [found.positions.is_some(), found.attention_biases.is_some(), found.final_norm_bias.is_some()],
            [learned; 3]
        );
        assert_eq!(found.components.len(), 15);
        for (prompt, full) in full.iter().enumerate() {
            let others = [&found.positions, &found.attention_biases, &found.final_norm_bias];
            let sum = found.embedding[prompt]
                + found.components.iter().map(|share| share[prompt]).sum::<f64>()
                + others.into_iter().flatten().map(|share| share[prompt]).sum::<f64>();
            assert!((sum - full).abs() < 1e-4 * full.abs().max(1.0), "{sum} {full}");
            assert!((found.full[prompt] - full).abs() < 1e-4);
        }
        let described = found.estimate(&Bootstrap::default().with_resamples(50)).unwrap();
        let parts = [described.positions, described.attention_biases, described.final_norm_bias];
        let sum = described.embedding.value
            + described.components.iter().map(|share| share.effect.value).sum::<f64>()
            + parts.into_iter().flatten().map(|share| share.value).sum::<f64>();
        assert!((sum - described.logit_difference.value).abs() < 1e-4);
        assert_eq!((described.components[4].layer, described.components[4].head), (0, None));
        let mean = found.components[7].iter().sum::<f64>() / found.full.len() as f64;
        assert!((described.components[7].effect.value - mean).abs() < 1e-12);
        let effect = described.components[7].effect;
        assert!(!effect.has_interval(), "four prompts have none: {effect:?}");
    }
}

#[test]
fn the_lens_ends_at_the_networks_own_answer() {
    let task = task();
    for decoder in decoders() {
        let found = Lens::measure(&decoder, &task, 2, &Silent).unwrap();
        assert_eq!(found.differences.len(), 4);
        let full = sweep(&decoder, &task, Ablation::Zero, 8, "test", &Silent).unwrap().full;
        let mut at = 0;
        for group in &task.groups {
            for prompt in &group.prompts {
                let batch = TokenBatch::new(std::slice::from_ref(&prompt.clean), &decoder.device()).unwrap();
                let logits = decoder.logits(&batch, &mut NoTap).into_data().try_to_vec::<f32>().unwrap();
                let logits: Vec<f64> =
                    logits[logits.len() - VOCAB..].iter().copied().map(f64::from).collect();
                let total: f64 = logits.iter().map(|logit| logit.exp()).sum();
                let right: Vec<f64> = prompt.right.iter().map(|id| logits[*id as usize]).collect();
                let probability = right.iter().map(|logit| logit.exp()).sum::<f64>() / total;
                let best = right.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let rank = 1 + logits.iter().filter(|logit| **logit > best + 1e-5).count();
                assert!((found.differences[3][at] - full[at]).abs() < 1e-4);
                assert!((found.probabilities[3][at] - probability).abs() < 1e-4);
                assert_eq!(found.ranks[3][at], rank as f64);
                at += 1;
            }
        }
        let points = found.estimate(&Bootstrap::default().with_resamples(20)).unwrap();
        assert_eq!(points.iter().map(|point| point.blocks).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert!(points.iter().all(|point| (1.0..=VOCAB as f64).contains(&point.rank.value)));
    }
}

#[test]
fn patching_everything_turns_one_run_into_the_other() {
    let task = task();
    let config = PatchingConfig { prompts_per_group: 2, resamples: 20, ..PatchingConfig::default() };
    for decoder in decoders() {
        let patcher =
            Patcher { decoder: &decoder, tokenizer: &Numbers, config: &config, batch_size: 8, seed: 1 };
        let found = patcher.patch("test", &task, &Silent).unwrap();
        assert_eq!((found.prompts, found.components.len(), found.residual.len()), (4, 15, 2));
        for (grid, group) in found.residual.iter().zip(&task.groups) {
            assert_eq!((grid.prompts, grid.tokens.len()), (2, group.length));
            assert_eq!(grid.tokens[1], group.prompts[0].clean[1].to_string());
            assert_eq!((grid.denoising.len(), grid.noising[0].len()), (3, group.length));
        }
        // The whole stream before the first block is the whole run.
        let plan = |base| Plan {
            targets: &[Target::Residual { layer: 0 }],
            ablations: &[Ablation::Partner],
            base,
            batch_size: 8,
        };
        let run = |base| effects(&decoder, &task, &plan(base), "test", &Silent).unwrap().remove(0);
        let (clean, corrupted) = (run(Base::Clean), run(Base::Corrupted));
        for (changed, other) in [(&clean.changed, &corrupted.full), (&corrupted.changed, &clean.full)] {
            assert!(changed.iter().zip(other).all(|(a, b)| (a - b).abs() < 1e-3));
        }
        let mean = clean.full[..2].iter().chain(&clean.full[3..5]).sum::<f64>() / 4.0;
        assert!((found.clean.value - mean).abs() < 1e-6);
    }
    // In a network whose attention says nothing, the last position decides everything.
    let silent = decoders()[0].clone().map(&mut |name, parameter| {
        let values = match name.contains("attn.o") {
            true => vec![0.0; parameter.to_vec().len()],
            false => parameter.to_vec(),
        };
        limbeck_model::Parameter::from_vec(&parameter.shape(), values, &parameter.device())
    });
    let patcher = Patcher { decoder: &silent, tokenizer: &Numbers, config: &config, batch_size: 8, seed: 1 };
    let found = patcher.patch("test", &task, &Silent).unwrap();
    for (grid, group) in found.residual.iter().zip(&task.groups) {
        for layer in 0..3 {
            for position in 0..group.length {
                let decides = f64::from(u8::from(position + 1 == group.length));
                assert!((grid.denoising[layer][position].value - decides).abs() < 1e-3);
                assert!((grid.noising[layer][position].value - (1.0 - decides)).abs() < 1e-3);
            }
        }
    }
    for component in found.components.iter().filter(|component| component.head.is_some()) {
        assert!(component.denoising.value.abs() < 1e-3 && (component.noising.value - 1.0).abs() < 1e-3);
    }
}
