//! Which head carries the answer? Run a prompt, patch one head's output at a time with its value on a corrupted
//! prompt, and watch the logit difference. The model here is fresh; load yours with `limbeck::networks::load`.
#![allow(clippy::print_stdout)]

use std::error::Error;

use burn::tensor::Device;
use limbeck::eval::contrast::ContrastPrompt;
use limbeck::eval::numerals::{NumeralsOptions, closed_vocabulary, generate};
use limbeck::model::tokenizer::ClosedSpecials;
use limbeck::model::{Action, Capture, Decoder, DecoderConfig, Intervention, Interventions};
use limbeck::model::{NoTap, Site, SiteKind, Tap, TokenBatch, Tokenizer, config::Sizes};

fn main() -> Result<(), Box<dyn Error>> {
    let device = Device::flex();
    let tokenizer = Tokenizer::closed(&closed_vocabulary(), &ClosedSpecials::default())?;
    let sizes = Sizes {
        vocab_size: tokenizer.vocab_size(),
        d_model: 32,
        n_layers: 2,
        n_heads: 4,
        n_kv_heads: 4,
        d_mlp: 128,
        max_positions: 64,
    };
    let model = Decoder::init(&DecoderConfig::gpt2(sizes), 1, &device)?;
    let task = generate(&tokenizer, &NumeralsOptions { per_template: 1, ..NumeralsOptions::default() })?;
    let prompt = task.prompts().next().ok_or("no prompt")?;
    let clean = TokenBatch::new(&[&prompt.clean], &device)?;
    let corrupted = TokenBatch::new(&[&prompt.corrupted], &device)?;
    let whole = difference(&model, &clean, prompt, &mut NoTap)?;
    println!("{}\nlogit difference {whole:+.4}", prompt.text);
    for layer in 0..model.config().n_layers {
        let site = Site::block(layer, SiteKind::Z);
        let mut seen = Capture::new([site]);
        model.hidden(&corrupted, &mut seen);
        let other = seen.get4(site).ok_or("the site was not met")?;
        for head in 0..model.config().n_heads {
            let action = Action::Replace(other.clone().narrow(2, head, 1).squeeze_dim::<3>(2));
            let mut patch = Interventions::new(vec![Intervention { site, head: Some(head), action }]);
            let patched = difference(&model, &clean, prompt, &mut patch)?;
            println!("{site} head {head}: {:+.4}", patched - whole);
        }
    }
    Ok(())
}

/// logit(right next number) - logit(last number shown), at the last position.
fn difference(
    model: &Decoder,
    batch: &TokenBatch,
    prompt: &ContrastPrompt,
    tap: &mut dyn Tap,
) -> Result<f32, Box<dyn Error>> {
    let logits = model.logits(batch, tap);
    let [_, length, vocab] = logits.dims();
    let values = logits.into_data().try_to_vec::<f32>().map_err(|error| format!("{error:?}"))?;
    let last = &values[(length - 1) * vocab..];
    Ok(last[prompt.right[0] as usize] - last[prompt.wrong[0] as usize])
}
