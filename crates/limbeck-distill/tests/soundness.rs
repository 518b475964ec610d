//! Objectives on a student's inside: finite differences, zeros, golden values, grouped heads.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use burn::tensor::{Device, Tensor, TensorData};
use common::setting::{setting, sharpened, teacher};
use limbeck_distill::DistillError;
use limbeck_distill::objective::{
    AblationKl, AttentionMatching, ComponentCka, HeadMatching, InfluenceMatching, InfluenceSpread,
    LayerMapping, ObjectiveConfig, RemovedFrom, SpreadMeasure, check,
};
use limbeck_distill::soundness::{Probability, linear_cka};
use limbeck_model::{Components, Decoder, DecoderConfig, Fill, Gates, Margin, NoTap, TokenBatch};
use limbeck_teach::{Capabilities, Teacher};
use limbeck_testkit::{TINY_VOCAB, deeper, tiny_gpt2, tiny_llama};
use serde::Deserialize;

fn ablation(removed: RemovedFrom, fill: Fill) -> ObjectiveConfig {
    ObjectiveConfig::AblationKl(AblationKl {
        temperature: 2.0,
        removed,
        heads: Probability::Constant(0.4),
        mlps: Probability::Constant(0.4),
        fill,
        ..AblationKl::default()
    })
}

fn attention() -> ObjectiveConfig {
    ObjectiveConfig::AttentionMatching(AttentionMatching { weight: 20.0, ..AttentionMatching::default() })
}

fn heads() -> ObjectiveConfig {
    ObjectiveConfig::HeadMatching(HeadMatching::default())
}

fn cka() -> ObjectiveConfig {
    ObjectiveConfig::ComponentCka(ComponentCka { weight: 4.0, ..ComponentCka::default() })
}

fn spread(measure: SpreadMeasure) -> ObjectiveConfig {
    let weight = if measure == SpreadMeasure::Severity { 40.0 } else { 10.0 };
    ObjectiveConfig::InfluenceSpread(InfluenceSpread { weight, measure, step: 0.005 })
}

fn influence() -> ObjectiveConfig {
    ObjectiveConfig::InfluenceMatching(InfluenceMatching {
        weight: 20.0,
        step: 0.005,
        ..InfluenceMatching::default()
    })
}

fn all() -> Vec<ObjectiveConfig> {
    let mut all = vec![
        attention(),
        heads(),
        cka(),
        spread(SpreadMeasure::Herfindahl),
        spread(SpreadMeasure::Severity),
        influence(),
    ];
    for removed in [RemovedFrom::Student, RemovedFrom::Teacher, RemovedFrom::Both] {
        all.extend([ablation(removed, Fill::Zero), ablation(removed, Fill::Mean)]);
    }
    all
}

fn pair(config: &DecoderConfig) -> (Decoder, Decoder) {
    (sharpened(deeper(config, 2, 1), 6.0), sharpened(deeper(config, 4, 2), 6.0))
}

#[test]
fn every_objective_agrees_with_finite_differences() {
    for config in [tiny_gpt2(), tiny_llama()] {
        for objective in all().into_iter().filter(|it| *it != spread(SpreadMeasure::Severity)) {
            let (student, teacher) = pair(&config);
            setting(vec![objective], student, teacher).assert_gradient();
        }
        // Severity is flat where the margin is not above 0: a network that has one is sought.
        let mut steep = (1..200).map(|seed| {
            let student = sharpened(deeper(&config, 2, seed), 6.0);
            setting(vec![spread(SpreadMeasure::Severity)], student, pair(&config).1)
        });
        steep.find(|setting| setting.value(&setting.network) > 0.5).unwrap().assert_gradient();
    }
}

#[test]
fn all_of_them_together_agree_with_finite_differences() {
    let (student, teacher) = pair(&tiny_llama());
    setting(all(), student, teacher).assert_gradient();
}

#[test]
fn a_student_that_is_its_teacher_has_no_loss() {
    for config in [tiny_gpt2(), tiny_llama()] {
        let decoder = sharpened(deeper(&config, 3, 7), 6.0);
        for objective in [attention(), heads(), cka(), influence(), ablation(RemovedFrom::Both, Fill::Mean)] {
            let setting = setting(vec![objective.clone()], decoder.clone(), decoder.clone());
            let value = setting.value(&setting.network);
            assert!(value.abs() < 2e-5, "{}: {value}", objective.name());
        }
        // And one that loses what its teacher keeps has some.
        let setting = setting(vec![ablation(RemovedFrom::Student, Fill::Mean)], decoder.clone(), decoder);
        assert!(setting.value(&setting.network) > 1e-2);
    }
}

#[test]
fn networks_with_other_numbers_of_heads_are_compared_by_means() {
    let config = tiny_gpt2();
    let fewer = DecoderConfig { n_heads: 2, n_kv_heads: 2, d_head: 4, ..config.clone() };
    for objective in [attention(), heads(), cka(), influence(), ablation(RemovedFrom::Both, Fill::Zero)] {
        let (student, teacher) =
            (sharpened(deeper(&fewer, 2, 1), 6.0), sharpened(deeper(&config, 3, 2), 6.0));
        setting(vec![objective], student, teacher).assert_gradient();
    }
}

#[test]
fn influence_is_the_slope_of_the_margin_by_each_gate() {
    let device = Device::flex();
    for config in [tiny_gpt2(), tiny_llama()] {
        let decoder = sharpened(deeper(&config, 2, 3), 6.0);
        let tokens = TokenBatch::new(&[vec![1u32, 5, 9, 13, 17], vec![2, 4, 6]], &device).unwrap();
        let ids = |ids: [i64; 4]| Tensor::from_data(TensorData::from(ids), &device);
        let (places, targets) = (ids([1, 3, 4, 7]), ids([9, 17, 21, 8]));
        let margin = Margin { tokens: &tokens, places: &places, targets: &targets, columns: TINY_VOCAB };
        let components = Components { layers: 2, heads: 4 };
        for fill in [Fill::Zero, Fill::Mean] {
            let found = margin.influence(&decoder, fill).unwrap();
            let value = |c: usize, by: f32| -> f64 {
                let mut gates = vec![1.0f32; components.count()];
                gates[c] += by;
                let gates = Tensor::from_data(TensorData::new(gates, [components.count()]), &device);
                let mut tap = Gates::of(gates, components, fill, &tokens);
                margin.value(&decoder, &mut tap).into_data().iter::<f64>().next().unwrap()
            };
            let whole: f64 = margin.value(&decoder, &mut NoTap).into_data().iter::<f64>().next().unwrap();
            assert!((found.margin - whole).abs() < 1e-6);
            let largest = found.by_component.iter().fold(0.0f64, |most, i| most.max(i.abs()));
            for (c, influence) in found.by_component.iter().enumerate() {
                let slope = (value(c, 0.01) - value(c, -0.01)) / 0.02;
                assert!((slope - influence).abs() < 2e-3 * largest, "{c}: {slope} {influence}");
            }
        }
    }
}

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    x: Vec<Vec<f32>>,
    y: Vec<Vec<f32>>,
    cka: f64,
}

#[test]
fn cka_is_that_of_numpy() {
    let golden: Golden = serde_json::from_str(include_str!("fixtures/cka.json")).unwrap();
    assert_eq!(golden.cases.len(), 4);
    let tensor = |rows: &[Vec<f32>]| -> Tensor<2> {
        let data = TensorData::new(rows.concat(), [rows.len(), rows[0].len()]);
        Tensor::from_data(data, &Device::flex())
    };
    for case in &golden.cases {
        let found = linear_cka(tensor(&case.x), tensor(&case.y)).into_data().iter::<f64>().next().unwrap();
        assert!((found - case.cka).abs() < 1e-5, "{found} instead of {}", case.cka);
        let scaled = linear_cka(tensor(&case.x) * 1e-6, tensor(&case.y) * 1e4);
        let scaled = scaled.into_data().iter::<f64>().next().unwrap();
        assert!((scaled - case.cka).abs() < 1e-5, "{scaled} instead of {}", case.cka);
    }
    // Activations that never change are like nothing, and harm no gradient.
    let constant = Tensor::<2>::ones([6, 3], &Device::flex()).autodiff().require_grad();
    let nothing = linear_cka(constant.clone(), tensor(&golden.cases[0].x).narrow(0, 0, 6));
    assert_eq!(nothing.clone().inner().into_data().iter::<f64>().next().unwrap(), 0.0);
    let gradient = constant.grad(&nothing.backward()).unwrap();
    assert!(gradient.into_data().iter::<f64>().all(|value| value.is_finite()));
}

#[test]
fn what_the_teacher_cannot_give_is_refused_early() {
    let spread = [spread(SpreadMeasure::Herfindahl)];
    assert!(check(&spread, None, None).is_ok(), "the spread needs no teacher");
    let inside = [attention(), heads(), cka(), influence(), ablation(RemovedFrom::Both, Fill::Zero)];
    for objective in inside {
        let one = std::slice::from_ref(&objective);
        assert!(check(one, Some(&Capabilities::local()), None).is_ok());
        let distributions = Capabilities { logits: true, ..Capabilities::default() };
        let refused = check(one, Some(&distributions), None).unwrap_err().to_string();
        assert!(refused.contains("look at the teacher's heads and MLPs"), "{refused}");
        assert!(check(one, None, None).is_err());
        let layers = limbeck_distill::Layers { student: 2, teacher: 4 };
        let ObjectiveConfig::HeadMatching(it) = objective else { continue };
        let wrong = HeadMatching { layers: LayerMapping::Pairs(vec![[1, 4]]), ..it };
        let refused =
            check(&[ObjectiveConfig::HeadMatching(wrong)], Some(&Capabilities::local()), Some(layers));
        assert!(matches!(refused, Err(DistillError::LayerPair { .. })));
    }
    // The whole teacher's distribution is all that the student's own losses need.
    let replay = Capabilities::replay(8, vec![2.0]);
    assert!(check(&[ablation(RemovedFrom::Student, Fill::Zero)], Some(&replay), None).is_ok());
    let never = AblationKl {
        heads: Probability::Constant(0.0),
        mlps: Probability::Constant(0.0),
        ..AblationKl::default()
    };
    let refused = check(&[ObjectiveConfig::AblationKl(never)], Some(&replay), None).unwrap_err().to_string();
    assert!(refused.contains("nothing is ever removed"), "{refused}");
    let still = InfluenceSpread { step: 0.0, ..InfluenceSpread::default() };
    let refused = check(&[ObjectiveConfig::InfluenceSpread(still)], None, None).unwrap_err().to_string();
    assert!(refused.contains("step = 0"), "{refused}");
    assert!(teacher(deeper(&tiny_gpt2(), 2, 1)).capabilities().components);
}

#[test]
fn recipes_say_them_by_kind() {
    let read = |text: &str| serde_json::from_str::<ObjectiveConfig>(text);
    let found = read(
        r#"{"kind": "ablation_kl", "removed": "both", "heads": 0.2,
            "mlps": {"from": 0.0, "to": 0.1, "begin": 5, "end": 50}, "fill": "mean"}"#,
    );
    let ObjectiveConfig::AblationKl(found) = found.unwrap() else { panic!("another kind") };
    assert_eq!((found.removed, found.fill, found.mlps.at(50)), (RemovedFrom::Both, Fill::Mean, 0.1));
    for kind in ["attention_matching", "head_matching", "component_cka", "influence_matching"] {
        let found = read(&format!(r#"{{"kind": "{kind}", "weight": 0.5, "layers": [[0, 1]]}}"#)).unwrap();
        assert_eq!((found.name(), found.weight()), (kind, 0.5));
    }
    let found = read(r#"{"kind": "influence_spread", "measure": "severity"}"#).unwrap();
    assert_eq!(found.name(), "influence_spread");
    assert!(read(r#"{"kind": "influence_spread", "measures": "severity"}"#).is_err());
}
