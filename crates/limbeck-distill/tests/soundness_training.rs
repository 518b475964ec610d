//! Trainings with objectives on the inside and dropped components: the same bits, also after stops; with and without a teacher.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::Path;

use common::{bits, distillation, language_model, metrics_without_seconds};
use limbeck_data::progress::Silent;
use limbeck_distill::objective::{
    AblationKl, AttentionMatching, ComponentCka, HeadMatching, InfluenceMatching, InfluenceSpread,
    ObjectiveConfig, RemovedFrom, SpreadMeasure,
};
use limbeck_distill::soundness::{ComponentDropout, Probability};
use limbeck_distill::{DistillError, TrainingConfig, TrainingJob, train};
use limbeck_kernels::Precision;
use limbeck_model::{DecoderConfig, Fill};
use limbeck_testkit::{StopAfter, deeper, tiny_gpt2};

fn dropout() -> ComponentDropout {
    let rising = r#"{"from": 0.0, "to": 0.4, "begin": 2, "end": 8}"#;
    ComponentDropout {
        heads: serde_json::from_str(rising).unwrap(),
        mlps: Probability::Constant(0.2),
        fill: Fill::Mean,
    }
}

fn inside() -> Vec<ObjectiveConfig> {
    let ablation = |removed| {
        ObjectiveConfig::AblationKl(AblationKl {
            weight: 0.3,
            temperature: 2.0,
            removed,
            ..AblationKl::default()
        })
    };
    vec![
        ablation(RemovedFrom::Student),
        ablation(RemovedFrom::Teacher),
        ablation(RemovedFrom::Both),
        ObjectiveConfig::AttentionMatching(AttentionMatching { weight: 0.3, ..AttentionMatching::default() }),
        ObjectiveConfig::HeadMatching(HeadMatching { weight: 0.1, ..HeadMatching::default() }),
        ObjectiveConfig::ComponentCka(ComponentCka { weight: 0.3, ..ComponentCka::default() }),
        ObjectiveConfig::InfluenceMatching(InfluenceMatching { weight: 0.3, ..InfluenceMatching::default() }),
        ObjectiveConfig::InfluenceSpread(InfluenceSpread { weight: 0.3, ..InfluenceSpread::default() }),
    ]
}

/// A distillation with everything there is.
fn everything(dir: &Path, steps: u64) -> TrainingJob {
    let mut job = distillation(dir, steps);
    job.objectives.extend(inside());
    job.config.component_dropout = Some(dropout());
    job
}

#[test]
fn stopping_and_going_on_changes_no_bit() {
    let (whole, parted) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let expected = train(everything(whole.path(), 9), &Silent).unwrap();
    for stop in [2, 7] {
        match train(everything(parted.path(), 9), &StopAfter::new(stop)) {
            Err(DistillError::Cancelled { step, .. }) => assert_eq!(step, stop),
            other => panic!("{other:?}"),
        }
    }
    let found = train(everything(parted.path(), 9), &Silent).unwrap();
    assert_eq!(bits(&expected.decoder), bits(&found.decoder));
    assert_eq!(expected.curve, found.curve);
    let metrics = |dir: &tempfile::TempDir| metrics_without_seconds(&dir.path().join("metrics.jsonl"));
    assert_eq!(metrics(&whole), metrics(&parted));
}

#[test]
fn every_term_is_logged_with_its_value_and_gradient() {
    let dir = tempfile::tempdir().unwrap();
    train(everything(dir.path(), 4), &Silent).unwrap();
    let text = std::fs::read_to_string(dir.path().join("metrics.jsonl")).unwrap();
    let line: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let terms = line["terms"].as_array().unwrap();
    let names: Vec<&str> = terms.iter().map(|term| term["name"].as_str().unwrap()).collect();
    let expected = [
        "forward_kl",
        "cross_entropy",
        "hidden_mse",
        "ablation_kl",
        "ablation_kl.2",
        "ablation_kl.3",
        "attention_matching",
        "head_matching",
        "component_cka",
        "influence_matching",
        "influence_spread",
    ];
    assert_eq!(names, expected);
    for term in terms {
        assert!(term["value"].as_f64().unwrap() > 0.0, "{term}");
        assert!(term["gradient_norm"].as_f64().unwrap() > 0.0, "{term}");
    }
}

#[test]
fn each_objective_falls_when_it_is_trained() {
    for objective in inside() {
        let dir = tempfile::tempdir().unwrap();
        let mut job = distillation(dir.path(), 60);
        let name = objective.name();
        // Influence is only of interest where there is an answer: beside the cross-entropy.
        job.objectives = vec![objective.clone()];
        if name.starts_with("influence") {
            job.objectives.push(ObjectiveConfig::CrossEntropy(Default::default()));
        }
        job.config = TrainingConfig { learning_rate: 1e-2, accumulation: 1, ..job.config };
        let curve = train(job, &Silent).unwrap().curve;
        let mean = |points: &[limbeck_results::CurvePoint]| {
            points.iter().map(|point| point.terms[0].value).sum::<f64>() / points.len() as f64
        };
        let (first, last) = (mean(&curve[..5]), mean(&curve[curve.len() - 5..]));
        assert!(last < first, "{objective:?}: {last} after {first}");
    }
}

#[test]
fn a_baseline_loses_components_and_spreads_influence_too() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let job = |dir: &Path| {
        let mut job = language_model(dir, 8);
        let measure = SpreadMeasure::Severity;
        let spread = InfluenceSpread { weight: 0.5, measure, ..InfluenceSpread::default() };
        job.objectives.push(ObjectiveConfig::InfluenceSpread(spread));
        job.config.component_dropout = Some(dropout());
        job
    };
    let first = train(job(one.path()), &Silent).unwrap();
    assert_eq!(bits(&first.decoder), bits(&train(job(two.path()), &Silent).unwrap().decoder));
    let mut without = job(tempfile::tempdir().unwrap().path());
    without.config.component_dropout = None;
    assert_ne!(bits(&first.decoder), bits(&train(without, &Silent).unwrap().decoder));
}

#[test]
fn dropout_that_never_drops_changes_no_bit() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let plain = train(distillation(one.path(), 4), &Silent).unwrap();
    let mut job = distillation(two.path(), 4);
    job.config.component_dropout = Some(ComponentDropout::default());
    assert_eq!(bits(&plain.decoder), bits(&train(job, &Silent).unwrap().decoder));
}

#[test]
fn products_in_bfloat16_train_too() {
    let dir = tempfile::tempdir().unwrap();
    let mut job = everything(dir.path(), 5);
    job.config.precision = Precision::Bf16;
    job.config.slices = Some(2);
    let outcome = train(job, &Silent).unwrap();
    assert!(outcome.curve.iter().all(|point| point.terms.iter().all(|term| term.value.is_finite())));
}

#[test]
fn heads_of_another_width_are_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut job = distillation(dir.path(), 3);
    job.student = deeper(&DecoderConfig { n_heads: 2, n_kv_heads: 2, d_head: 8, ..tiny_gpt2() }, 2, 1);
    job.objectives = vec![ObjectiveConfig::HeadMatching(HeadMatching::default())];
    let refused = train(job, &Silent).unwrap_err().to_string();
    assert!(refused.contains("heads of the teacher as wide as the student's, 8"), "{refused}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
