//! Small random networks and prompts of random tokens, for the tests of experiments.

use burn::tensor::Device;
use limbeck_eval::contrast::{ContrastGroup, ContrastPrompt, ContrastTask};
use limbeck_model::{Decoder, DecoderConfig, Family, Parameter, Sizes};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Tokens of every network.
pub(crate) const VOCAB: usize = 29;

/// A GPT-2, a Llama with grouped heads and a Qwen3, random and loud, so that mistakes show.
pub(crate) fn decoders() -> Vec<Decoder> {
    let sizes = Sizes {
        vocab_size: VOCAB,
        d_model: 32,
        n_layers: 3,
        n_heads: 4,
        n_kv_heads: 2,
        d_mlp: 24,
        max_positions: 16,
    };
    let llama = DecoderConfig::llama(sizes);
    let qwen3 =
        DecoderConfig { family: Family::Qwen3, qk_norm: true, d_head: 16, tied: false, ..llama.clone() };
    let louder = |_: &str, parameter: Parameter| {
        let gain = if parameter.shape().len() == 2 { 8.0 } else { 1.0 };
        let values = parameter.to_vec().iter().map(|value| value * gain).collect();
        Parameter::from_vec(&parameter.shape(), values, &parameter.device())
    };
    let made = [DecoderConfig::gpt2(sizes), llama, qwen3].into_iter();
    made.map(|config| Decoder::init(&config, 5, &Device::flex()).unwrap().map(&mut louder.clone())).collect()
}

/// Two groups of unequal length; the second with two corrupted prompts, so that a draw of another one is certain.
pub(crate) fn task() -> ContrastTask {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut group = |length: usize, prompts: usize, more: usize| {
        let mut tokens = || (0..length).map(|_| rng.random_range(0..VOCAB as u32)).collect::<Vec<u32>>();
        let prompts: Vec<ContrastPrompt> = (0..prompts)
            .map(|at| ContrastPrompt {
                clean: tokens(),
                corrupted: tokens(),
                right: vec![at as u32, 20],
                wrong: vec![28 - at as u32],
                text: String::new(),
                corrupted_text: String::new(),
            })
            .collect();
        let mut corrupted: Vec<Vec<u32>> = prompts.iter().map(|prompt| prompt.corrupted.clone()).collect();
        corrupted.extend((0..more).map(|_| tokens()));
        ContrastGroup { name: format!("of {length}"), length, prompts, corrupted }
    };
    ContrastTask { name: "random".into(), groups: vec![group(9, 3, 2), group(6, 2, 0)], left_out: vec![] }
}
