//! Curves under noise and removal on networks whose curves are known.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use burn::tensor::Device;
use limbeck_audit::{
    Ablation, AuditError, BrittlenessConfig, DisturbedNetwork, Sweep, disturb, kept_difference, slope,
    spare_capacity, sweep,
};
use limbeck_data::progress::Silent;
use limbeck_eval::contrast::{ContrastGroup, ContrastPrompt, ContrastTask};
use limbeck_model::{
    Action, Decoder, DecoderConfig, Intervention, Interventions, Parameter, Site, SiteKind, Sizes, TokenBatch,
};
use limbeck_results::DamageCurve;
use limbeck_stats::Bootstrap;

/// Two groups of unlike length, so that rows are padded.
fn task() -> ContrastTask {
    of_words((4, 6), &|at, place, corrupted| (7 * at + 3 * place + if corrupted { 11 } else { 0 }) % 40)
}

/// As many short and long prompts; `word` gives the token of a prompt at a place, clean or corrupted.
fn of_words((short, long): (u32, u32), word: &dyn Fn(u32, u32, bool) -> u32) -> ContrastTask {
    let prompt = |length: u32, at: u32| ContrastPrompt {
        clean: (0..length).map(|place| word(at, place, false)).collect(),
        corrupted: (0..length).map(|place| word(at, place, true)).collect(),
        right: vec![41],
        wrong: vec![42],
        text: String::new(),
        corrupted_text: String::new(),
    };
    let group = |name: &str, length: u32, count: u32| {
        let prompts: Vec<ContrastPrompt> = (0..count).map(|at| prompt(length, at)).collect();
        ContrastGroup::new(name, prompts)
    };
    ContrastTask {
        name: "test".into(),
        groups: vec![group("short", 5, short), group("long", 8, long)],
        left_out: vec![],
    }
}

fn sizes() -> Sizes {
    Sizes {
        vocab_size: 48,
        d_model: 32,
        n_layers: 2,
        n_heads: 4,
        n_kv_heads: 2,
        d_mlp: 32,
        max_positions: 16,
    }
}

/// A random network that says something, and prefers token 41 to 42.
fn network(seed: u64) -> Decoder {
    let plain = Decoder::init(&DecoderConfig::llama(sizes()), seed, &Device::flex()).unwrap();
    plain.map(&mut |name: &str, parameter: Parameter| {
        let gain = if parameter.shape().len() == 2 { 5.0 } else { 1.0 };
        let mut values: Vec<f32> = parameter.to_vec().iter().map(|value| value * gain).collect();
        if name == "unembed.weight" {
            for column in 0..32 {
                values[42 * 32 + column] = -values[41 * 32 + column];
            }
        }
        Parameter::from_vec(&parameter.shape(), values, &parameter.device())
    })
}

/// A network whose blocks write nothing: only the embedding speaks.
fn silent(seed: u64) -> Decoder {
    network(seed).map(&mut |name: &str, parameter: Parameter| {
        let mut values = parameter.to_vec();
        if name.contains("attn.o") || name.contains("mlp.down") {
            values.fill(0.0);
        }
        Parameter::from_vec(&parameter.shape(), values, &parameter.device())
    })
}

fn config() -> BrittlenessConfig {
    BrittlenessConfig { removed: vec![1, 2, 4, 8, 10, 99], ..BrittlenessConfig::default() }
}

fn swept(decoder: &Decoder) -> Sweep {
    sweep(decoder, &task(), Ablation::Mean, 7, "test", &Silent).unwrap()
}

fn disturbed(decoder: &Decoder, config: &BrittlenessConfig, batch: usize) -> DisturbedNetwork {
    disturb(decoder, &task(), &swept(decoder), config, 5, batch, "test", &Silent).unwrap()
}

fn bootstrap() -> Bootstrap {
    Bootstrap::default().with_resamples(50)
}

fn scores(curve: &DamageCurve) -> Vec<f64> {
    curve.points.iter().map(|point| point.score.value).collect()
}

#[test]
fn no_noise_and_components_that_say_nothing_leave_100() {
    // A vanishing noise does nothing.
    let tiny = BrittlenessConfig { noise_sizes: vec![1e-12], ..config() };
    let found = disturbed(&network(1), &tiny, 16).curves(&bootstrap()).unwrap();
    let point = &found.noise.points[0];
    assert!((point.score.value - 100.0).abs() < 1e-4, "{point:?}");
    // A network without components to lose: neither noise nor removal does anything. Noise at `hook_z` is stopped by
    // the silent output projection; that at `hook_mlp_out` has the size of what is said there, nothing.
    let found = disturbed(&silent(1), &config(), 16).curves(&bootstrap()).unwrap();
    for curve in [&found.noise, &found.worst_first, &found.random] {
        assert!(scores(curve).iter().all(|score| (score - 100.0).abs() < 1e-3), "{curve:?}");
        assert!((curve.kept.value - 100.0).abs() < 1e-3);
        assert!(!curve.kept.has_interval() || (curve.kept.low - 100.0).abs() < 1e-3);
    }
}

#[test]
fn removing_one_component_worst_first_is_the_worst_single_removal() {
    let decoder = network(2);
    let sweep = swept(&decoder);
    let everyone = 0..sweep.prompts();
    let whole: f64 = sweep.full.iter().sum();
    let score = |component: usize| {
        let ablated = everyone.clone().map(|prompt| sweep.ablated[prompt * sweep.components() + component]);
        100.0 * ablated.sum::<f64>() / whole
    };
    let (worst, least) = (0..sweep.components())
        .map(|component| (component, score(component)))
        .fold((0, f64::INFINITY), |best, found| if found.1 < best.1 { found } else { best });
    let found = disturbed(&decoder, &config(), 12).curves(&bootstrap()).unwrap();
    assert!((found.worst_first.points[0].score.value - least).abs() < 0.05, "{found:?} {least}");
    let label =
        if worst % 5 == 4 { format!("MLP {}", worst / 5) } else { format!("{}.{}", worst / 5, worst % 5) };
    assert_eq!(found.order[0], label);
    // Of 10 components at most 9 are removed: sizes that leave nothing are left out.
    assert_eq!(found.worst_first.points.iter().map(|p| p.size).collect::<Vec<_>>(), [1.0, 2.0, 4.0, 8.0]);
    assert_eq!(found.order.len(), 8);
}

/// The slow way: one pass for each set, with the decoder's own interventions.
#[test]
fn removal_equals_whole_passes_with_interventions() {
    let decoder = network(3);
    let task = task();
    let found = disturbed(&decoder, &config(), 64).curves(&bootstrap()).unwrap();
    let batch = |rows: &[Vec<u32>]| TokenBatch::new(rows, &Device::flex()).unwrap();
    for (point, count) in found.worst_first.points.iter().zip([1, 2, 4, 8]) {
        let (mut kept, mut whole) = (0.0, 0.0);
        for group in &task.groups {
            let sites = (0..2).flat_map(|l| [Site::block(l, SiteKind::Z), Site::block(l, SiteKind::MlpOut)]);
            let mut seen = limbeck_model::Capture::new(sites);
            decoder.hidden(&batch(&group.corrupted), &mut seen);
            let removed = found.order[..count].iter().map(|label| match label.split_once('.') {
                Some((layer, head)) => {
                    let (site, head) =
                        (Site::block(layer.parse().unwrap(), SiteKind::Z), head.parse().unwrap());
                    let mean = seen.get4(site).unwrap().mean_dim(0).narrow(2, head, 1).squeeze_dim(2);
                    Intervention { site, head: Some(head), action: Action::Mean(mean) }
                }
                None => {
                    let site = Site::block(label[4..].parse().unwrap(), SiteKind::MlpOut);
                    let action = Action::Mean(seen.get3(site).unwrap().mean_dim(0));
                    Intervention { site, head: None, action }
                }
            });
            let clean: Vec<Vec<u32>> = group.prompts.iter().map(|prompt| prompt.clean.clone()).collect();
            let difference = |tap: &mut dyn limbeck_model::Tap| -> f64 {
                let logits = decoder.logits(&batch(&clean), tap).into_data().try_to_vec::<f32>().unwrap();
                let rows = logits.chunks(group.length * 48);
                rows.map(|row| f64::from(row[row.len() - 48 + 41] - row[row.len() - 48 + 42])).sum()
            };
            kept += difference(&mut Interventions::new(removed.collect()));
            whole += difference(&mut limbeck_model::NoTap);
        }
        let score = 100.0 * kept / whole;
        assert!((point.score.value - score).abs() < 0.05, "{count} removed: {} {score}", point.score.value);
    }
}

#[test]
fn curves_do_not_depend_on_the_batch_and_repeat_to_the_bit() {
    let decoder = network(4);
    let curves = |batch| disturbed(&decoder, &config(), batch).curves(&bootstrap()).unwrap();
    assert_eq!(curves(64), curves(64));
    let (small, large) = (curves(3), curves(64));
    for (one, other) in [
        (&small.noise, &large.noise),
        (&small.random, &large.random),
        (&small.worst_first, &large.worst_first),
    ] {
        for (one, other) in scores(one).iter().zip(scores(other)) {
            assert!((one - other).abs() < 0.05, "{one} {other}");
        }
    }
}

#[test]
fn more_noise_leaves_less() {
    // Blocks that say a little: the embedding answers, and noise can only blur it. Ten draws, so that luck averages out.
    let quiet = network(6).map(&mut |name: &str, parameter: Parameter| {
        let mut values = parameter.to_vec();
        if name.contains("attn.o") || name.contains("mlp.down") {
            values.iter_mut().for_each(|value| *value *= 0.05);
        }
        Parameter::from_vec(&parameter.shape(), values, &parameter.device())
    });
    let loud = BrittlenessConfig { noise_sizes: vec![1.0, 8.0, 64.0, 512.0], noise_draws: 10, ..config() };
    let found = disturbed(&quiet, &loud, 64).curves(&bootstrap()).unwrap().noise;
    let scores = scores(&found);
    assert!(scores.windows(2).all(|pair| pair[0] > pair[1]), "{scores:?}");
    assert!((scores[0] - 100.0).abs() < 5.0 && scores[3] < 50.0, "{scores:?}");
    for point in &found.points {
        assert!(
            point.lowest_draw <= point.score.value && point.score.value <= point.highest_draw,
            "{point:?}"
        );
    }
}

#[test]
fn what_is_kept_is_compared_in_pairs() {
    let (one, other) = (disturbed(&network(2), &config(), 64), disturbed(&network(9), &config(), 64));
    let itself = kept_difference(&one, &one, &bootstrap()).unwrap();
    for part in [itself.noise, itself.worst_first, itself.random] {
        assert!(part.value == 0.0 && !part.has_interval());
    }
    let between = kept_difference(&one, &other, &bootstrap()).unwrap();
    let (ours, theirs) = (one.curves(&bootstrap()).unwrap(), other.curves(&bootstrap()).unwrap());
    assert!((between.noise.value - (ours.noise.kept.value - theirs.noise.kept.value)).abs() < 1e-9);
}

#[test]
fn the_slope_of_planted_sweeps() {
    let planted = |scores: &[f64]| Sweep {
        layers: 1,
        heads: scores.len() - 1,
        full: vec![1.0, 3.0],
        correct: vec![true, true],
        ablated: [1.0, 3.0].iter().flat_map(|full| scores.iter().map(move |s| full * s / 100.0)).collect(),
    };
    // Mean damages 10 and 40 at half the parameters: (40 - 10) / 0.5.
    let (teacher, student) = (planted(&[100.0, 80.0]), planted(&[40.0, 80.0]));
    let found = slope(&teacher, &student, (1000, 500), &bootstrap()).unwrap().unwrap();
    assert_eq!(found.compression, 0.5);
    assert!((found.beta.value - 60.0).abs() < 1e-9, "{:?}", found.beta);
    assert!(!found.beta.has_interval(), "two prompts have none: {:?}", found.beta);
    assert!(slope(&teacher, &student, (500, 500), &bootstrap()).unwrap().is_none());
}

#[test]
fn a_sweep_of_another_network_is_refused() {
    let other = Sweep { layers: 3, ..swept(&network(1)) };
    let refused = disturb(&network(1), &task(), &other, &config(), 5, 8, "test", &Silent);
    assert!(matches!(refused, Err(AuditError::Mismatch { what: "components", .. })));
}

/// A GPT-2 whose words 0 to 19 speak for the answer and 20 to 39 against it, whose first block's heads copy that, and
/// whose last MLP takes `share` of what stands along the answer's direction away again: erasure, one way in which
/// networks repair themselves (Rushing & Nanda 2024).
fn erasing(share: f32) -> Decoder {
    let plain = Decoder::init(&DecoderConfig::gpt2(sizes()), 3, &Device::flex()).unwrap();
    let mut answer = [0.0f32; 32];
    plain.visit(&mut |name: &str, parameter: &Parameter| {
        if name == "embed.weight" {
            answer.copy_from_slice(&parameter.to_vec()[41 * 32..42 * 32]);
        }
    });
    let length = answer.iter().map(|value| value * value).sum::<f32>().sqrt();
    let answer: Vec<f32> = answer.iter().map(|value| value / length).collect();
    let along = |row: &[f32]| row.iter().zip(&answer).map(|(a, b)| a * b).sum::<f32>();
    plain.map(&mut |name: &str, parameter: Parameter| {
        let mut values = parameter.to_vec();
        let width = parameter.shape().last().copied().unwrap_or(1);
        match name {
            "embed.weight" => {
                for (token, row) in values.chunks_mut(32).enumerate() {
                    row.iter_mut().for_each(|value| *value *= 20.0);
                    let wanted = match token {
                        0..=19 => 0.5,
                        20..=39 => -0.5,
                        41 => 20.0,
                        42 => -20.0,
                        _ => 0.0,
                    };
                    let change = wanted - along(row);
                    row.iter_mut().zip(&answer).for_each(|(value, one)| *value += change * one);
                }
            }
            // The first of each head's eight dimensions carries the answer's direction.
            "blocks.0.attn.v.weight" => {
                values.fill(0.0);
                for head in 0..4 {
                    values[8 * head * 32..(8 * head + 1) * 32].copy_from_slice(&answer);
                }
            }
            "blocks.0.attn.o.weight" => {
                values.fill(0.0);
                for (row, one) in answer.iter().enumerate() {
                    (0..4).for_each(|head| values[row * width + 8 * head] = 0.3 * one);
                }
            }
            "blocks.0.mlp.down.weight" | "blocks.1.attn.o.weight" => values.fill(0.0),
            // gelu(x) - gelu(-x) = x: two neurons make a linear map.
            "blocks.1.mlp.up.weight" => {
                values.fill(0.0);
                for column in 0..32 {
                    values[column] = answer[column];
                    values[width + column] = -answer[column];
                }
            }
            "blocks.1.mlp.down.weight" => {
                values.fill(0.0);
                for row in 0..32 {
                    values[row * width] = -share * answer[row];
                    values[row * width + 1] = share * answer[row];
                }
            }
            _ => {}
        }
        Parameter::from_vec(&parameter.shape(), values, &parameter.device())
    })
}

#[test]
fn a_network_that_erases_its_answer_repairs_itself() {
    // Clean prompts are of words for the answer, corrupted ones of words against it.
    let task = of_words((20, 20), &|at, place, corrupted| {
        (7 * at + 3 * place) % 20 + if corrupted { 20 } else { 0 }
    });
    let spare = |share: f32| {
        let decoder = erasing(share);
        let sweep = sweep(&decoder, &task, Ablation::Mean, 40, "test", &Silent).unwrap();
        spare_capacity(&decoder, &task, &sweep, 40, &bootstrap(), &Silent).unwrap()
    };
    let (none, some) = (spare(0.0), spare(0.3));
    let nobody = none.taken_over;
    assert!(nobody.value < 1e-3 && !nobody.has_interval(), "nobody listens, nobody steps in: {none:?}");
    assert!(some.taken_over.low > 0.2, "beyond its interval: {some:?}");
}
