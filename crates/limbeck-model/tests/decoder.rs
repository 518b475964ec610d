//! Properties every decoder has, whatever its family.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use burn::tensor::{Device, Tensor};
use limbeck_model::{
    Action, Capture, Decoder, DecoderConfig, Family, GenerationConfig, HeadInputs, Intervention,
    Interventions, NoTap, Site, SiteKind, Sizes, TokenBatch, generate,
};

fn sizes() -> Sizes {
    Sizes {
        vocab_size: 61,
        d_model: 32,
        n_layers: 3,
        n_heads: 4,
        n_kv_heads: 2,
        d_mlp: 48,
        max_positions: 40,
    }
}

fn families() -> Vec<DecoderConfig> {
    let llama = DecoderConfig::llama(sizes());
    let qwen2 = DecoderConfig { family: Family::Qwen2, qkv_bias: true, ..llama.clone() };
    let qwen3 =
        DecoderConfig { family: Family::Qwen3, qk_norm: true, d_head: 16, tied: false, ..llama.clone() };
    vec![DecoderConfig::gpt2(sizes()), llama, qwen2, qwen3]
}

fn decoders() -> Vec<Decoder> {
    // Scaled up, so that attention is far from uniform and mistakes show.
    let louder = |_: &str, parameter: limbeck_model::Parameter| {
        let shape = parameter.shape();
        let gain = if shape.len() == 2 { 8.0 } else { 1.0 };
        let values = parameter.to_vec().iter().map(|v| v * gain).collect();
        limbeck_model::Parameter::from_vec(&shape, values, &Device::flex())
    };
    let make =
        |config: DecoderConfig| Decoder::init(&config, 7, &Device::flex()).unwrap().map(&mut louder.clone());
    families().into_iter().map(make).collect()
}

fn prompts() -> Vec<Vec<u32>> {
    vec![vec![3, 1, 4, 1, 5, 9, 2, 6], vec![5, 3, 5], vec![8, 9, 7, 9, 3]]
}

fn values<const D: usize>(t: Tensor<D>) -> Vec<f32> {
    t.inner().into_data().iter::<f32>().collect()
}

fn close(a: &[f32], b: &[f32], tolerance: f32) {
    assert_eq!(a.len(), b.len());
    let worst = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < tolerance, "differ by {worst}");
}

#[test]
fn the_size_is_known_before_the_weights_and_bounded_by_memory() {
    let biased =
        DecoderConfig { qkv_bias: true, out_bias: true, mlp_bias: true, ..DecoderConfig::llama(sizes()) };
    for config in families().into_iter().chain([biased]) {
        let decoder = Decoder::init(&config, 1, &Device::flex()).unwrap();
        assert_eq!(config.parameter_count(), u128::from(decoder.parameter_count()), "{config:?}");
    }
    // Sizes whose product overflows, and sizes that no machine holds: refused before anything is allocated.
    let most = (1usize << 31) - 1;
    for change in [
        |config: &mut DecoderConfig, size: usize| config.n_layers = size,
        |config: &mut DecoderConfig, size: usize| config.d_model = size,
        |config: &mut DecoderConfig, size: usize| config.vocab_size = size * 1000,
        |config: &mut DecoderConfig, size: usize| (config.d_head, config.d_mlp) = (size + 1, size),
        |config: &mut DecoderConfig, _: usize| (config.d_model, config.vocab_size) = (usize::MAX, usize::MAX),
    ] {
        for mut config in families() {
            change(&mut config, most);
            let error = Decoder::init(&config, 1, &Device::flex()).err().unwrap().to_string();
            assert!(error.contains("of memory are at hand"), "{error}");
        }
    }
}

#[test]
fn padding_on_the_right_changes_nothing() {
    for decoder in decoders() {
        let together = TokenBatch::new(&prompts(), &decoder.device()).unwrap();
        let all = decoder.logits(&together, &mut NoTap);
        for (row, prompt) in prompts().iter().enumerate() {
            let alone = TokenBatch::new(&[prompt], &decoder.device()).unwrap();
            let one = values(decoder.logits(&alone, &mut NoTap));
            let same = all.clone().narrow(0, row, 1).narrow(1, 0, prompt.len());
            close(&values(same), &one, 1e-4);
        }
    }
}

#[test]
fn generation_with_a_cache_equals_generation_without() {
    for decoder in decoders() {
        let config = GenerationConfig { max_tokens: 12, ..GenerationConfig::default() };
        let fast = generate(&decoder, &prompts(), &config, &mut |_, _| true).unwrap();
        for (prompt, fast) in prompts().iter().zip(fast) {
            let mut ids = prompt.clone();
            for _ in 0..12 {
                let batch = TokenBatch::new(&[&ids], &decoder.device()).unwrap();
                let logits = values(decoder.logits(&batch, &mut NoTap));
                let last = &logits[logits.len() - 61..];
                let best = (0..61).max_by(|&a, &b| last[a].total_cmp(&last[b])).unwrap();
                ids.push(best as u32);
            }
            assert_eq!(fast, ids[prompt.len()..]);
        }
    }
}

#[test]
fn sampling_repeats_with_its_seed_and_respects_top_k() {
    let decoder = &decoders()[1];
    let config =
        GenerationConfig { max_tokens: 10, temperature: 1.5, seed: 3, ..GenerationConfig::default() };
    let draw = |config: &GenerationConfig| generate(decoder, &prompts(), config, &mut |_, _| true).unwrap();
    assert_eq!(draw(&config), draw(&config));
    assert_ne!(draw(&config), draw(&GenerationConfig { seed: 4, ..config.clone() }));
    let greedy = draw(&GenerationConfig { temperature: 0.0, ..config.clone() });
    assert_eq!(draw(&GenerationConfig { top_k: 1, ..config.clone() }), greedy);
    assert_eq!(draw(&GenerationConfig { top_p: 1e-9, ..config }), greedy);
}

#[test]
fn rows_stop_where_the_positions_end() {
    for decoder in decoders() {
        let config = GenerationConfig { max_tokens: 100, ..GenerationConfig::default() };
        let out = generate(&decoder, &prompts(), &config, &mut |_, _| true).unwrap();
        for (prompt, tokens) in prompts().iter().zip(out) {
            // The last token is produced from the last position and is never read itself.
            assert_eq!(prompt.len() + tokens.len(), 41);
        }
    }
}

#[test]
fn the_pieces_of_a_forward_pass_make_the_whole() {
    for decoder in decoders() {
        let batch = TokenBatch::new(&prompts(), &decoder.device()).unwrap();
        let whole = decoder.hidden(&batch, &mut NoTap);
        let resid = decoder.embed(&batch, &mut NoTap);
        let resid = decoder.run_blocks(0..1, resid, &mut NoTap);
        let resid = decoder.run_blocks(1..3, resid, &mut NoTap);
        assert_eq!(values(whole), values(decoder.finish(resid, &mut NoTap)));
    }
}

#[test]
fn a_pass_taken_up_in_the_middle_ends_at_the_last_positions() {
    for decoder in decoders() {
        let batch = TokenBatch::new(&prompts(), &decoder.device()).unwrap();
        let rows = |x: Tensor<3>| {
            let (width, values) = (x.dims()[2], values(x));
            let last = batch.last_positions().into_iter();
            last.flat_map(|at| values[at * width..(at + 1) * width].to_vec()).collect::<Vec<f32>>()
        };
        let [pre, mid] = [SiteKind::ResidPre, SiteKind::ResidMid].map(|kind| Site::block(1, kind));
        let mut seen = Capture::new([pre, mid]);
        let embedded = decoder.embed(&batch, &mut NoTap);
        let whole = decoder.run_blocks(0..3, embedded.clone(), &mut seen);
        let last = |first, resid| values(decoder.run_to_last(first, resid, &batch.lengths));
        let expected = rows(whole.clone());
        close(&last(0, embedded), &expected, 1e-4);
        close(&last(1, seen.get3(pre).unwrap()), &expected, 1e-4);
        close(&last(2, decoder.run_from_mid(1, seen.get3(mid).unwrap())), &expected, 1e-4);
        assert_eq!(last(3, whole), expected);
    }
}

#[test]
fn the_summands_of_the_residual_stream_make_its_final_norm() {
    for decoder in decoders() {
        let config = decoder.config().clone();
        let batch = TokenBatch::new(&prompts(), &decoder.device()).unwrap();
        let sites = Site::all(3, config.family == Family::Gpt2);
        let mut seen = Capture::new(sites.clone());
        let whole = decoder.embed(&batch, &mut seen);
        let whole = decoder.run_blocks(0..3, whole, &mut seen);
        let mut parts = vec![];
        for site in sites {
            match (site.kind, site.block) {
                (SiteKind::Embed | SiteKind::PosEmbed, _) => parts.push(seen.get3(site).unwrap()),
                (SiteKind::Z, Some(block)) => {
                    let z = seen.get4(site).unwrap().reshape([3, 8, config.n_heads * config.d_head]);
                    for head in 0..config.n_heads {
                        let z = z.clone().narrow(2, head * config.d_head, config.d_head);
                        parts.push(decoder.project_heads(block, head..head + 1, z));
                    }
                    parts.extend(decoder.attention_bias(block).map(|bias| bias.unsqueeze::<3>()));
                }
                (SiteKind::MlpPost, Some(block)) => {
                    // In two pieces; the bias is what is missing from the output.
                    let post = seen.get3(site).unwrap();
                    let out = seen.get3(Site::block(block, SiteKind::MlpOut)).unwrap();
                    let [first, rest] = [0..7, 7..config.d_mlp].map(|range| {
                        let post = post.clone().narrow(2, range.start, range.len());
                        decoder.project_neurons(block, range, post)
                    });
                    parts.push(out - first.clone() - rest.clone());
                    parts.extend([first, rest]);
                }
                _ => {}
            }
        }
        let norms = parts.into_iter().map(|part| decoder.finish_part(part, whole.clone()));
        let bias = decoder.final_bias().map(|bias| bias.unsqueeze::<3>().expand([3, 8, 32]));
        let sum = norms.reduce(|a, b| a + b).unwrap();
        let sum = bias.map_or(sum.clone(), |bias| sum + bias);
        close(&values(sum), &values(decoder.finish(whole, &mut NoTap)), 1e-4);
    }
}

#[test]
fn the_parts_of_a_block_make_the_block() {
    for decoder in decoders() {
        let (heads, kv_heads) = (decoder.config().n_heads, decoder.config().n_kv_heads);
        let batch = TokenBatch::new(&prompts(), &decoder.device()).unwrap();
        let resid = decoder.embed(&batch, &mut NoTap);
        let each = |heads| resid.clone().unsqueeze_dim::<4>(2).repeat_dim(2, heads);
        let inputs = HeadInputs { q: each(heads), k: each(kv_heads), v: each(kv_heads) };
        let z = decoder.head_values(1, resid.clone());
        close(&values(z.clone()), &values(decoder.head_values_of(1, inputs.clone())), 1e-5);
        let outs = decoder.head_outputs(1, z.clone()).sum_dim(2).squeeze_dim::<3>(2);
        let bias = decoder.attention_out(1, z.zeros_like());
        let attended = decoder.attention_out(1, z.clone());
        close(&values(outs + bias), &values(attended.clone()), 1e-5);
        let mid = resid.clone() + attended;
        let out = mid.clone() + decoder.mlp_out(1, mid);
        close(&values(out), &values(decoder.run_blocks(1..2, resid.clone(), &mut NoTap)), 1e-5);

        // Another stream for one head's queries is read by that head alone.
        let other = inputs.q.clone().slice_fill([0..3, 0..8, 2..3], 0.5);
        let changed = decoder.head_values_of(1, HeadInputs { q: other, ..inputs });
        for head in 0..heads {
            let of = |z: &Tensor<4>| values(z.clone().narrow(2, head, 1));
            assert_eq!(of(&z).iter().zip(of(&changed)).all(|(a, b)| (a - b).abs() < 1e-5), head != 2);
        }
    }
}

#[test]
fn every_site_is_met_with_its_shape() {
    for decoder in decoders() {
        let config = decoder.config().clone();
        let learned = config.family == Family::Gpt2;
        let mut capture = Capture::new(Site::all(3, learned));
        let batch = TokenBatch::new(&prompts(), &decoder.device()).unwrap();
        decoder.hidden(&batch, &mut capture);
        for site in Site::all(3, learned) {
            if site.kind.is_per_head() {
                let dims = capture.get4(site).expect("met").dims();
                let expected = match site.kind {
                    SiteKind::Pattern => [3, config.n_heads, 8, 8],
                    SiteKind::K | SiteKind::V => [3, 8, config.n_kv_heads, config.d_head],
                    _ => [3, 8, config.n_heads, config.d_head],
                };
                assert_eq!(dims, expected, "{site}");
            } else {
                let width = if site.kind == SiteKind::MlpPost { config.d_mlp } else { config.d_model };
                assert_eq!(capture.get3(site).expect("met").dims(), [3, 8, width], "{site}");
            }
        }
    }
}

#[test]
fn an_intervention_changes_its_head_alone() {
    for decoder in decoders() {
        let batch = TokenBatch::new(&prompts(), &decoder.device()).unwrap();
        let site = Site::block(1, SiteKind::Z);
        let plain = {
            let mut capture = Capture::new([site]);
            decoder.hidden(&batch, &mut capture);
            capture.get4(site).unwrap()
        };
        let change = |action| Interventions::new(vec![Intervention { site, head: Some(2), action }]);
        // Replacing a head by itself changes nothing; zeroing it changes the output.
        let own = plain.clone().narrow(2, 2, 1).squeeze_dim::<3>(2);
        let whole = values(decoder.hidden(&batch, &mut NoTap));
        let same = decoder.hidden(&batch, &mut change(Action::Replace(own)));
        assert_eq!(values(same), whole);
        let zeroed = values(decoder.hidden(&batch, &mut change(Action::Zero)));
        assert_ne!(zeroed, whole);
        // The mean of the head over the batch, given back, keeps the other heads as they were.
        let touched = limbeck_model::Tap::touch4(&mut change(Action::Zero), site, plain.clone());
        for head in 0..4 {
            let before = values(plain.clone().narrow(2, head, 1));
            let after = values(touched.clone().narrow(2, head, 1));
            if head == 2 {
                assert!(after.iter().all(|v| *v == 0.0));
            } else {
                assert_eq!(before, after);
            }
        }
    }
}

#[test]
fn every_parameter_of_a_trainable_decoder_gets_a_gradient() {
    for decoder in decoders() {
        let decoder = decoder.trainable();
        let batch = TokenBatch::new(&prompts(), &decoder.device()).unwrap();
        let mut gradients = decoder.logits(&batch, &mut NoTap).square().mean().backward();
        decoder.visit(&mut |name, parameter| {
            let gradient = parameter.grad_remove(&mut gradients).expect(name);
            assert_eq!(gradient.shape(), parameter.shape(), "{name}");
            let loudest = gradient.to_vec().iter().fold(0f32, |m, v| m.max(v.abs()));
            // A bias on the keys shifts every score of a query alike: its gradient is zero.
            assert!(loudest > 0.0 || name.ends_with("k.bias"), "{name}");
        });
    }
}

#[test]
fn fresh_weights_depend_on_the_seed_alone() {
    let config = DecoderConfig::gpt2(sizes());
    let weights = |seed| {
        let mut all = Vec::new();
        Decoder::init(&config, seed, &Device::flex()).unwrap().visit(&mut |_, p| all.extend(p.to_vec()));
        all
    };
    assert_eq!(weights(1), weights(1));
    assert_ne!(weights(1), weights(2));
}

#[test]
fn a_configuration_reads_back_from_json() {
    for config in families() {
        assert_eq!(DecoderConfig::from_hf_json(&config.to_hf_json()).unwrap(), config);
    }
}

#[test]
fn sequences_that_do_not_fit_are_refused() {
    let decoder = &decoders()[0];
    assert!(decoder.check(&[vec![60u32]]).is_ok());
    for bad in [vec![], vec![61u32], vec![0; 41]] {
        let message = decoder.check(&[bad]).unwrap_err().to_string();
        assert!(message.contains("sequence 0"), "{message}");
    }
    assert!(TokenBatch::new::<Vec<u32>>(&[], &Device::flex()).is_err());
}
