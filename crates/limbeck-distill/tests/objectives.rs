//! The objectives against finite differences, against each other, and at their zero.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use burn::tensor::Device;
use common::setting::{setting, sharpened};
use limbeck_distill::objective::{
    CrossEntropy, ForwardKl, HiddenMse, JensenShannon, LayerMapping, LogitMatching, ObjectiveConfig,
    ReverseKl, SkewForwardKl, SkewReverseKl, TotalVariation, check,
};
use limbeck_distill::optimizer::GradientSum;
use limbeck_model::{Decoder, DecoderConfig};
use limbeck_teach::Capabilities;
use limbeck_testkit::{TINY_VOCAB, counting_examples, deeper, tiny_gpt2, tiny_llama};
use proptest::prelude::*;

fn forward(weight: f64, temperature: f64) -> ObjectiveConfig {
    ObjectiveConfig::ForwardKl(ForwardKl { weight, temperature })
}

fn reverse(weight: f64, temperature: f64) -> ObjectiveConfig {
    ObjectiveConfig::ReverseKl(ReverseKl { weight, temperature })
}

/// The divergences from a mixture, matching of logits, total variation.
fn others(temperature: f64) -> [ObjectiveConfig; 5] {
    [
        ObjectiveConfig::JensenShannon(JensenShannon { weight: 1.0, beta: 0.3, temperature }),
        ObjectiveConfig::SkewForwardKl(SkewForwardKl { weight: 1.0, alpha: 0.1, temperature }),
        ObjectiveConfig::SkewReverseKl(SkewReverseKl { weight: 1.0, alpha: 0.2, temperature }),
        ObjectiveConfig::LogitMatching(LogitMatching { weight: 1.0 }),
        ObjectiveConfig::TotalVariation(TotalVariation { weight: 1.0, temperature }),
    ]
}

fn cross_entropy(weight: f64) -> ObjectiveConfig {
    ObjectiveConfig::CrossEntropy(CrossEntropy { weight })
}

fn hidden(weight: f64) -> ObjectiveConfig {
    ObjectiveConfig::HiddenMse(HiddenMse { weight, layers: LayerMapping::default() })
}

fn pair(config: &DecoderConfig) -> (Decoder, Decoder) {
    (sharpened(deeper(config, 2, 1), 6.0), sharpened(deeper(config, 3, 2), 6.0))
}

#[test]
fn every_objective_agrees_with_finite_differences() {
    for config in [tiny_gpt2(), tiny_llama()] {
        let first = [forward(1.0, 2.0), reverse(1.0, 1.5), cross_entropy(1.0), hidden(1.0)];
        // Total variation has a kink wherever p = q, and a direction through all weights crosses some: its gradient is held
        // against finite differences and torch over logits, in limbeck-kernels/tests.
        let smooth = |objective: &ObjectiveConfig| !matches!(objective, ObjectiveConfig::TotalVariation(_));
        for objective in first.into_iter().chain(others(2.0)).filter(smooth) {
            let (student, teacher) = pair(&config);
            setting(vec![objective], student, teacher).assert_gradient();
        }
    }
}

#[test]
fn a_projection_between_different_widths_agrees_too() {
    let narrow = DecoderConfig { d_model: 8, d_head: 2, ..tiny_gpt2() };
    let student = sharpened(deeper(&narrow, 2, 1), 6.0);
    let teacher = sharpened(deeper(&tiny_gpt2(), 4, 2), 6.0);
    setting(vec![hidden(1.0)], student, teacher).assert_gradient();
}

#[test]
fn all_objectives_together_agree_with_finite_differences() {
    let (student, teacher) = pair(&tiny_gpt2());
    let all = vec![forward(0.5, 2.0), cross_entropy(0.5), reverse(0.25, 1.0), hidden(0.1)];
    setting(all, student, teacher).assert_gradient();
}

#[test]
fn cross_entropy_and_divergences_equal_their_formulas() {
    let (student, teacher_decoder) = pair(&tiny_gpt2());
    let mut all = vec![forward(1.0, 2.0), reverse(1.0, 2.0), cross_entropy(1.0)];
    all.extend(others(2.0));
    let examples = counting_examples(3, 9, TINY_VOCAB, 11);
    // Plain f64 arithmetic over plain logits.
    let logits = |decoder: &Decoder| -> Vec<Vec<f64>> {
        let mut rows = Vec::new();
        for example in &examples {
            let batch = limbeck_model::TokenBatch::new(&[example.ids.as_slice()], &Device::flex()).unwrap();
            let values: Vec<f64> =
                decoder.logits(&batch, &mut limbeck_model::NoTap).into_data().iter::<f64>().collect();
            for at in example.scored_positions() {
                rows.push(values[(at - 1) * TINY_VOCAB..at * TINY_VOCAB].to_vec());
            }
        }
        rows
    };
    let log_softmax = |row: &[f64], temperature: f64| -> Vec<f64> {
        let most = row.iter().cloned().fold(f64::MIN, f64::max);
        let sum: f64 = row.iter().map(|z| ((z - most) / temperature).exp()).sum();
        row.iter().map(|z| (z - most) / temperature - sum.ln()).collect()
    };
    let (ours, theirs) = (logits(&student), logits(&teacher_decoder));
    let targets: Vec<u32> = examples.iter().flat_map(|e| e.scored_positions().map(|at| e.ids[at])).collect();
    let count = targets.len() as f64;
    let mut expected = [0.0; 7];
    for ((q, p), target) in ours.iter().zip(&theirs).zip(&targets) {
        let (lq, lp) = (log_softmax(q, 2.0), log_softmax(p, 2.0));
        expected[0] += 4.0 * lp.iter().zip(&lq).map(|(p, q)| p.exp() * (p - q)).sum::<f64>() / count;
        expected[1] += 4.0 * lp.iter().zip(&lq).map(|(p, q)| q.exp() * (q - p)).sum::<f64>() / count;
        expected[2] -= log_softmax(q, 1.0)[*target as usize] / count;
        // KL of teacher or student from the mixture with this share of the teacher.
        let from_mixture = |first: &[f64], share: f64| -> f64 {
            let mixed = lp.iter().zip(&lq).map(|(p, q)| (share * p.exp() + (1.0 - share) * q.exp()).ln());
            4.0 * first.iter().zip(mixed).map(|(a, m)| a.exp() * (a - m)).sum::<f64>() / count
        };
        expected[3] += 0.3 * from_mixture(&lp, 0.3) + 0.7 * from_mixture(&lq, 0.3);
        expected[4] += from_mixture(&lp, 0.1);
        expected[5] += from_mixture(&lq, 0.8);
        let mean = |row: &[f64]| row.iter().sum::<f64>() / row.len() as f64;
        let squares = q.iter().zip(p).map(|(z, t)| ((z - mean(q)) - (t - mean(p))).powi(2));
        expected[6] += squares.sum::<f64>() / (2.0 * q.len() as f64) / count;
    }
    let setting = setting(all, student, teacher_decoder);
    let (_, values) = setting.terms.evaluate(&setting.network, &setting.batch, None).unwrap();
    for (value, expected) in values.iter().zip(expected) {
        assert!((value - expected).abs() < 1e-4 * expected.abs().max(1.0), "{value} instead of {expected}");
    }
}

#[test]
fn hidden_error_equals_its_formula() {
    // Equal widths: the projection begins as the identity, so the value is the plain mean square of the difference.
    let (student, teacher_decoder) = pair(&tiny_gpt2());
    let objective =
        ObjectiveConfig::HiddenMse(HiddenMse { weight: 1.0, layers: LayerMapping::Pairs(vec![[0, 1]]) });
    let examples = counting_examples(3, 9, TINY_VOCAB, 11);
    let stream = |decoder: &Decoder, site: &str| -> Vec<f64> {
        let mut rows = Vec::new();
        for example in &examples {
            let batch = limbeck_model::TokenBatch::new(&[example.ids.as_slice()], &Device::flex()).unwrap();
            let site = site.parse().unwrap();
            let mut tap = limbeck_model::Capture::new([site]);
            decoder.hidden(&batch, &mut tap);
            let values: Vec<f64> = tap.get3(site).unwrap().into_data().iter::<f64>().collect();
            for at in example.scored_positions() {
                rows.extend_from_slice(&values[(at - 1) * 16..at * 16]);
            }
        }
        rows
    };
    let ours = stream(&student, "blocks.0.hook_resid_post");
    let theirs = stream(&teacher_decoder, "blocks.1.hook_resid_post");
    let expected = ours.iter().zip(&theirs).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / ours.len() as f64;
    let setting = setting(vec![objective], student, teacher_decoder);
    let (_, values) = setting.terms.evaluate(&setting.network, &setting.batch, None).unwrap();
    assert!((values[0] - expected).abs() < 1e-4 * expected, "{} instead of {expected}", values[0]);
}

#[test]
fn a_student_that_is_its_teacher_has_no_divergence_and_no_gradient() {
    let decoder = sharpened(deeper(&tiny_gpt2(), 2, 7), 6.0);
    for objective in [forward(1.0, 2.0), reverse(1.0, 2.0), hidden(1.0)].into_iter().chain(others(2.0)) {
        let setting = setting(vec![objective.clone()], decoder.clone(), decoder.clone());
        let value = setting.value(&setting.network);
        assert!(value.abs() < 1e-6, "{}: {value}", objective.name());
        let norm = setting.gradient(None).0.norm();
        assert!(norm < 1e-4, "{}: gradient {norm}", objective.name());
    }
}

#[test]
fn logit_matching_needs_whole_logits() {
    let objectives = [ObjectiveConfig::LogitMatching(LogitMatching::default())];
    assert!(check(&objectives, Some(&Capabilities::local()), None).is_ok());
    let error = check(&objectives, Some(&Capabilities::replay(8, vec![1.0])), None).unwrap_err().to_string();
    assert!(error.contains("`logit_matching` needs the teacher's whole logits"), "{error}");
    assert!(error.contains("this teacher gives the top 8 tokens"), "{error}");
    assert!(check(&objectives, None, None).unwrap_err().to_string().contains("no teacher"));
}

#[test]
fn a_share_outside_its_range_is_refused() {
    for share in [0.0, 1.0, -0.5, f64::NAN] {
        for (objective, key) in [
            (ObjectiveConfig::JensenShannon(JensenShannon { beta: share, ..Default::default() }), "beta"),
            (ObjectiveConfig::SkewForwardKl(SkewForwardKl { alpha: share, ..Default::default() }), "alpha"),
            (ObjectiveConfig::SkewReverseKl(SkewReverseKl { alpha: share, ..Default::default() }), "alpha"),
        ] {
            let error = check(&[objective], Some(&Capabilities::local()), None).unwrap_err().to_string();
            assert!(
                error.contains(&format!("{key} = {share}, which should be above 0 and below 1")),
                "{error}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn the_total_is_the_weighted_sum_and_divergences_are_not_negative(
        weights in proptest::array::uniform4(0.0f64..2.0),
        temperature in 0.5f64..4.0,
        seed in 0u64..1000,
    ) {
        let objectives = vec![
            forward(weights[0], temperature),
            reverse(weights[1], temperature),
            cross_entropy(weights[2]),
            hidden(weights[3]),
        ];
        let student = sharpened(deeper(&tiny_gpt2(), 2, seed), 4.0);
        let teacher = sharpened(deeper(&tiny_gpt2(), 3, seed + 1), 4.0);
        let setting = setting(objectives, student, teacher);
        let (total, values) = setting.terms.evaluate(&setting.network, &setting.batch, None).unwrap();
        let total = total.into_data().iter::<f64>().next().unwrap();
        let expected: f64 = values.iter().zip(weights).map(|(value, weight)| value * weight).sum();
        prop_assert!((total - expected).abs() < 1e-4 * expected.abs().max(1.0), "{total} instead of {expected}");
        prop_assert!(values.iter().all(|value| *value >= -1e-6));
        // The gradient of the sum is the weighted sum of the gradients measured one by one.
        let (whole, _) = setting.gradient(None);
        let parts: Vec<GradientSum> = (0..4).map(|index| setting.gradient(Some(index)).0).collect();
        let mut index = 0;
        let mut worst: f64 = 0.0;
        setting.network.visit(&mut |_, parameter| {
            for at in 0..parameter.len() {
                let of = |gradient: &GradientSum| gradient.part(index).map_or(0.0, |part| f64::from(part[at]));
                let sum: f64 = parts.iter().zip(weights).map(|(part, weight)| weight * of(part)).sum();
                worst = worst.max((of(&whole) - sum).abs());
            }
            index += 1;
        });
        prop_assert!(worst < 1e-3 * whole.norm().max(1.0), "gradients differ by {worst}");
    }
}

#[test]
fn the_projection_weight_is_a_tensor_of_both_widths() {
    let narrow = DecoderConfig { d_model: 8, d_head: 2, ..tiny_gpt2() };
    let setting = setting(vec![hidden(1.0)], deeper(&narrow, 2, 1), deeper(&tiny_gpt2(), 4, 2));
    let shapes: Vec<[usize; 2]> =
        setting.network.projections.iter().map(|projection| projection.weight.dims()).collect();
    assert_eq!(shapes, vec![[16, 8], [16, 8]]);
}
