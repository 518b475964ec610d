//! Effects of changing one thing at a time equal those of whole forward passes with the decoder's own interventions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod random;

use burn::tensor::{Device, Tensor};
use limbeck_audit::{Ablation, AuditError, Base, Effects, Plan, Target, effects, sweep, sweeps};
use limbeck_data::progress::{Progress, Silent};
use limbeck_eval::contrast::{ContrastGroup, ContrastPrompt};
use limbeck_model::{
    Action, Capture, Decoder, DecoderConfig, Intervention, Interventions, NoTap, Site, SiteKind, Sizes, Tap,
    TokenBatch,
};
use random::{VOCAB, decoders, task};

/// `LD` of the group's prompts from whole passes.
fn differences(decoder: &Decoder, group: &ContrastGroup, base: Base, tap: &mut dyn Tap) -> Vec<f64> {
    let tokens = |prompt: &ContrastPrompt| match base {
        Base::Clean => prompt.clean.clone(),
        Base::Corrupted => prompt.corrupted.clone(),
    };
    let rows: Vec<Vec<u32>> = group.prompts.iter().map(tokens).collect();
    let logits = decoder.logits(&TokenBatch::new(&rows, &Device::flex()).unwrap(), tap);
    let logits = logits.into_data().try_to_vec::<f32>().unwrap();
    let rows = logits.chunks(group.length * VOCAB).zip(&group.prompts);
    rows.map(|(row, prompt)| {
        let last = &row[row.len() - VOCAB..];
        let mean =
            |ids: &[u32]| ids.iter().map(|id| f64::from(last[*id as usize])).sum::<f64>() / ids.len() as f64;
        mean(&prompt.right) - mean(&prompt.wrong)
    })
    .collect()
}

fn seen(decoder: &Decoder, rows: &[Vec<u32>]) -> Capture {
    let kinds = [SiteKind::Z, SiteKind::MlpOut, SiteKind::MlpPost, SiteKind::ResidPre];
    let sites = (0..3).flat_map(|layer| kinds.map(|kind| Site::block(layer, kind)));
    let mut capture = Capture::new(sites);
    decoder.hidden(&TokenBatch::new(rows, &Device::flex()).unwrap(), &mut capture);
    capture
}

fn targets() -> Vec<Target> {
    let mut targets = Target::components(3, 4);
    for layer in 0..3 {
        targets.extend((0..2).map(|group| Target::Group { layer, group }));
        targets.extend([0, 7, 23].map(|neuron| Target::Neuron { layer, neuron }));
        targets.push(Target::Residual { layer });
        // Position 8 is beyond the shorter prompts.
        targets.extend([0, 5, 8].map(|position| Target::Position { layer, position }));
    }
    targets
}

/// A whole pass in which a target's values come from `donor`, or are zero without one. `mean` says that the
/// donor's batch is to be averaged.
fn changed(
    decoder: &Decoder,
    target: Target,
    donor: Option<(&Capture, bool)>,
    own: &Capture,
    rows: usize,
) -> Interventions {
    let config = decoder.config();
    let site = Site::block(target.layer(), target.site());
    let spread = |x: Tensor<3>, mean: bool| {
        let [_, seq, width] = x.dims();
        if mean { x.mean_dim(0).expand([rows, seq, width]) } else { x }
    };
    let list = match target {
        Target::Head { .. } | Target::Group { .. } => target
            .heads(config)
            .map(|head| {
                let action = match donor {
                    None => Action::Zero,
                    Some((donor, mean)) => Action::Replace(spread(
                        donor.get4(site).unwrap().narrow(2, head, 1).squeeze_dim(2),
                        mean,
                    )),
                };
                Intervention { site, head: Some(head), action }
            })
            .collect(),
        _ => {
            let was = own.get3(site).unwrap();
            let becomes = match donor {
                None => was.zeros_like(),
                Some((donor, mean)) => spread(donor.get3(site).unwrap(), mean),
            };
            let [_, seq, width] = was.dims();
            let value = match target {
                Target::Neuron { neuron, .. } => {
                    was.slice_assign([0..rows, 0..seq, neuron..neuron + 1], becomes.narrow(2, neuron, 1))
                }
                Target::Position { position, .. } if position >= seq => was,
                Target::Position { position, .. } => was.slice_assign(
                    [0..rows, position..position + 1, 0..width],
                    becomes.narrow(1, position, 1),
                ),
                _ => becomes,
            };
            vec![Intervention { site, head: None, action: Action::Replace(value) }]
        }
    };
    Interventions::new(list)
}

fn close(
    found: &Effects,
    base: Base,
    decoder: &Decoder,
    donors: &dyn Fn(&ContrastGroup) -> Option<(Capture, bool)>,
) {
    let task = task();
    let mut first = 0;
    let mut moved = 0;
    for group in &task.groups {
        let own: Vec<Vec<u32>> = (group.prompts.iter())
            .map(|prompt| if base == Base::Clean { prompt.clean.clone() } else { prompt.corrupted.clone() })
            .collect();
        let own = seen(decoder, &own);
        let donor = donors(group);
        let full = differences(decoder, group, base, &mut NoTap);
        for (at, full) in full.iter().enumerate() {
            assert!((full - found.full[first + at]).abs() < 1e-3);
        }
        for (index, &target) in found.targets.iter().enumerate() {
            let donor = donor.as_ref().map(|(seen, mean)| (seen, *mean));
            let mut tap = changed(decoder, target, donor, &own, group.prompts.len());
            let expected = differences(decoder, group, base, &mut tap);
            for (at, expected) in expected.into_iter().enumerate() {
                let got = found.column(index).nth(first + at).unwrap();
                assert!((expected - got).abs() < 1e-3, "{target:?}: {expected} {got}");
                moved += usize::from((expected - full[at]).abs() > 0.1);
            }
        }
        first += group.prompts.len();
    }
    assert!(moved > found.targets.len(), "changes that change nothing prove nothing: {moved}");
}

#[test]
fn every_target_and_ablation_equals_whole_forward_passes() {
    let (task, targets) = (task(), targets());
    let corrupted =
        |group: &ContrastGroup| group.prompts.iter().map(|p| p.corrupted.clone()).collect::<Vec<_>>();
    let clean = |group: &ContrastGroup| group.prompts.iter().map(|p| p.clean.clone()).collect::<Vec<_>>();
    for decoder in decoders() {
        // A batch that holds prompts of both lengths, and one that ends within a group.
        for batch_size in [2, 64] {
            let plan = Plan {
                targets: &targets,
                ablations: &[Ablation::Mean, Ablation::Zero, Ablation::Partner],
                base: Base::Clean,
                batch_size,
            };
            let found = effects(&decoder, &task, &plan, "test", &Silent).unwrap();
            close(&found[0], Base::Clean, &decoder, &|group| Some((seen(&decoder, &group.corrupted), true)));
            close(&found[1], Base::Clean, &decoder, &|_| None);
            close(&found[2], Base::Clean, &decoder, &|group| {
                Some((seen(&decoder, &corrupted(group)), false))
            });
        }
        let plan =
            Plan { targets: &targets, ablations: &[Ablation::Partner], base: Base::Corrupted, batch_size: 3 };
        let found = effects(&decoder, &task, &plan, "test", &Silent).unwrap();
        close(&found[0], Base::Corrupted, &decoder, &|group| Some((seen(&decoder, &clean(group)), false)));
    }
}

#[test]
fn a_resampled_component_says_what_it_says_on_another_corrupted_prompt() {
    let mut task = task();
    task.groups.remove(0);
    let targets = Target::components(3, 4);
    let decoder = &decoders()[1];
    let plan = Plan {
        targets: &targets,
        ablations: &[Ablation::Resample { seed: 3 }],
        base: Base::Clean,
        batch_size: 8,
    };
    let found = effects(decoder, &task, &plan, "test", &Silent).unwrap();
    // With two corrupted prompts the other one is certain.
    let group = &task.groups[0];
    let swapped = seen(decoder, &[group.corrupted[1].clone(), group.corrupted[0].clone()]);
    let own = seen(decoder, &[group.prompts[0].clean.clone(), group.prompts[1].clean.clone()]);
    for (index, &target) in targets.iter().enumerate() {
        let mut tap = changed(decoder, target, Some((&swapped, false)), &own, 2);
        let expected = differences(decoder, group, Base::Clean, &mut tap);
        for (expected, got) in expected.into_iter().zip(found[0].column(index)) {
            assert!((expected - got).abs() < 1e-3, "{target:?}");
        }
    }
    task.groups[0].corrupted.truncate(1);
    for ablation in [Ablation::Resample { seed: 3 }, Ablation::Noise { size: 1.0, seed: 3 }] {
        let ablations = [ablation];
        let refused = effects(decoder, &task, &Plan { ablations: &ablations, ..plan }, "test", &Silent);
        assert!(matches!(refused, Err(AuditError::FewCorrupted { found: 1, .. })));
    }
}

#[test]
fn noise_has_the_size_asked_for_and_does_not_depend_on_the_batch() {
    let (task, targets) = (task(), targets());
    let decoder = &decoders()[0];
    let noise = |size, seed, batch_size| {
        let ablations = [Ablation::Noise { size, seed }];
        let plan = Plan { targets: &targets, ablations: &ablations, base: Base::Clean, batch_size };
        effects(decoder, &task, &plan, "test", &Silent).unwrap().remove(0)
    };
    let away = |found: &Effects| {
        let rows = found.changed.chunks(targets.len()).zip(&found.full);
        let squares = rows.flat_map(|(row, full)| row.iter().map(move |value| (value - full).powi(2)));
        (squares.sum::<f64>() / found.changed.len() as f64).sqrt()
    };
    let one = noise(1.0, 7, 2);
    let again = noise(1.0, 7, 64);
    assert!(one.changed.iter().zip(&again.changed).all(|(a, b)| (a - b).abs() < 1e-3));
    assert!(one.changed != noise(1.0, 8, 2).changed);
    assert!(away(&noise(0.0, 7, 64)) < 1e-3);
    let growing = [0.01, 0.1, 1.0].map(|size| away(&noise(size, 7, 64)));
    // Small noise acts in proportion.
    assert!((growing[1] / growing[0] - 10.0).abs() < 2.0, "{growing:?}");
    assert!(growing[2] > 2.0 * growing[1], "{growing:?}");
}

#[test]
fn the_unit_of_noise_is_the_spread_of_the_values() {
    // The last block's MLP writes along one direction only, so that the effect of noise on it is known: the head reads
    // `noise * unit`, and over many prompts its size is that of the unit.
    let config = DecoderConfig::gpt2(Sizes {
        vocab_size: VOCAB,
        d_model: 32,
        n_layers: 1,
        n_heads: 4,
        n_kv_heads: 4,
        d_mlp: 24,
        max_positions: 16,
    });
    let decoder = Decoder::init(&config, 5, &Device::flex()).unwrap();
    let task = task();
    let mut squares = 0.0f64;
    let mut count = 0.0;
    for group in &task.groups {
        let out = seen1(&decoder, &group.corrupted, SiteKind::MlpOut);
        let away = (out.clone() - out.mean_dim(0)).square();
        count += away.dims().iter().product::<usize>() as f64;
        squares += f64::from(away.sum().into_scalar::<f32>());
    }
    let unit = (squares / count).sqrt();
    // Noise on the stream entering the final norm, read by hand: many seeds.
    let targets = [Target::Mlp { layer: 0 }];
    let (mut found, mut expected) = (0.0, 0.0);
    for seed in 0..400 {
        let ablations = [Ablation::Noise { size: 1e-3, seed }];
        let plan = Plan { targets: &targets, ablations: &ablations, base: Base::Clean, batch_size: 64 };
        let effect = effects(&decoder, &task, &plan, "test", &Silent).unwrap().remove(0);
        found += effect.changed.iter().zip(&effect.full).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
    }
    // The same by the gradient of LD, from one-dimensional steps along each direction.
    for group in &task.groups {
        for prompt in &group.prompts {
            expected += 400.0 * (1e-3 * unit).powi(2) * gradient_square(&decoder, prompt);
        }
    }
    assert!((found / expected).sqrt() > 0.93 && (found / expected).sqrt() < 1.07, "{found} {expected}");
}

fn seen1(decoder: &Decoder, rows: &[Vec<u32>], kind: SiteKind) -> Tensor<3> {
    let site = Site::block(0, kind);
    let mut capture = Capture::new([site]);
    decoder.hidden(&TokenBatch::new(rows, &Device::flex()).unwrap(), &mut capture);
    capture.get3(site).unwrap()
}

/// Squared length of the gradient of `LD` in the last position's residual stream, by differences.
fn gradient_square(decoder: &Decoder, prompt: &ContrastPrompt) -> f64 {
    let resid = seen1(decoder, std::slice::from_ref(&prompt.clean), SiteKind::ResidPost);
    let length = resid.dims()[1];
    let resid = resid.narrow(1, length - 1, 1);
    let difference = |resid: Tensor<3>| {
        let logits =
            decoder.unembed(decoder.finish(resid, &mut NoTap)).into_data().try_to_vec::<f32>().unwrap();
        let mean = |ids: &[u32]| {
            ids.iter().map(|id| f64::from(logits[*id as usize])).sum::<f64>() / ids.len() as f64
        };
        mean(&prompt.right) - mean(&prompt.wrong)
    };
    let step = 1e-2;
    (0..32)
        .map(|at| {
            let direction =
                Tensor::<3>::zeros([1, 1, 32], &Device::flex()).slice_fill([0..1, 0..1, at..at + 1], step);
            let slope = (difference(resid.clone() + direction.clone())
                - difference(resid.clone() - direction))
                / (2.0 * step);
            slope * slope
        })
        .sum()
}

#[test]
fn sweeps_that_share_a_pass_are_those_of_their_own() {
    let task = task();
    for decoder in decoders() {
        let shared = sweeps(&decoder, &task, [Ablation::Mean, Ablation::Zero], 4, "test", &Silent).unwrap();
        for (shared, ablation) in shared.iter().zip([Ablation::Mean, Ablation::Zero]) {
            let own = sweep(&decoder, &task, ablation, 4, "test", &Silent).unwrap();
            assert!(shared.ablated.iter().zip(&own.ablated).all(|(a, b)| (a - b).abs() < 1e-4));
        }
        assert_ne!(shared[0].ablated, shared[1].ablated);
    }
}

#[test]
fn what_a_network_does_not_have_is_refused() {
    let (task, decoder) = (task(), &decoders()[1]);
    for (target, what) in [
        (Target::Head { layer: 0, head: 4 }, "head"),
        (Target::Group { layer: 0, group: 2 }, "key and value head"),
        (Target::Mlp { layer: 3 }, "block"),
        (Target::Neuron { layer: 2, neuron: 24 }, "neuron"),
        (Target::Position { layer: 2, position: 16 }, "position"),
    ] {
        let plan =
            Plan { targets: &[target], ablations: &[Ablation::Zero], base: Base::Clean, batch_size: 8 };
        match effects(decoder, &task, &plan, "test", &Silent) {
            Err(AuditError::Target { what: found, .. }) => assert_eq!(found, what),
            other => panic!("{target:?}: {other:?}"),
        }
    }
}

/// Counts the steps announced and done, and asks to stop after some.
struct Counting(std::sync::Mutex<(u64, u64)>, u64);

impl Progress for Counting {
    fn start(&self, _: &str, total: u64, _: &str) {
        self.0.lock().unwrap().0 = total;
    }
    fn advance(&self, by: u64) {
        self.0.lock().unwrap().1 += by;
    }
    fn note(&self, _: &str) {}
    fn finish(&self) {}
    fn cancelled(&self) -> bool {
        self.0.lock().unwrap().1 >= self.1
    }
}

#[test]
fn progress_ends_at_its_total_and_stops_on_request() {
    let (task, targets, decoder) = (task(), targets(), &decoders()[0]);
    let plan = Plan {
        targets: &targets,
        ablations: &[Ablation::Zero, Ablation::Partner],
        base: Base::Clean,
        batch_size: 3,
    };
    let progress = Counting(Default::default(), u64::MAX);
    effects(decoder, &task, &plan, "test", &progress).unwrap();
    let (total, done) = *progress.0.lock().unwrap();
    assert!(total > 0 && total == done, "{done} of {total}");
    let progress = Counting(Default::default(), 5);
    assert!(matches!(effects(decoder, &task, &plan, "test", &progress), Err(AuditError::Cancelled)));
}
