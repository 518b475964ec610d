//! Sanity properties of the audit (Haskins & Adams 2025) on tiny random networks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use burn::tensor::Device;
use limbeck_audit::{
    Ablation, AlignmentInput, AttentionMaps, AuditConfig, AuditError, BrittlenessConfig, CircuitConfig,
    Directions, Pair, PatchingConfig, Subject, Sweep, alignment, audit, audited, brittleness, components,
    severity_difference, sweep,
};
use limbeck_data::progress::Silent;
use limbeck_eval::contrast::ContrastTask;
use limbeck_eval::numerals::{NumeralsOptions, TrainingOptions, closed_vocabulary, generate, training_sets};
use limbeck_eval::{Encode, EvalError, EvaluationOptions, Networks, evaluate, verdict};
use limbeck_model::{
    Action, Capture, Decoder, DecoderConfig, Intervention, Interventions, NoTap, Parameter, Site, SiteKind,
    Sizes, TokenBatch,
};
use limbeck_results::{AcrossSeeds, Estimate, SeedDifference};
use limbeck_stats::Bootstrap;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

struct Words(Vec<String>);

impl Encode for Words {
    fn encode_text(&self, text: &str) -> Result<Vec<u32>, EvalError> {
        let id = |word| self.0.iter().position(|known| known == word).map(|at| at as u32);
        text.split_whitespace()
            .map(|word| id(word).ok_or(EvalError::Inexpressible { task: "test", reason: word.to_owned() }))
            .collect()
    }
    fn decode_ids(&self, ids: &[u32]) -> Result<String, EvalError> {
        Ok(ids.iter().map(|&id| self.0[id as usize].as_str()).collect::<Vec<_>>().join(" "))
    }
    fn leading(&self) -> Result<Vec<u32>, EvalError> {
        Ok(vec![])
    }
}

fn words() -> Words {
    Words(closed_vocabulary())
}

fn task() -> ContrastTask {
    generate(&words(), &NumeralsOptions { per_template: 8, ..NumeralsOptions::default() }).unwrap()
}

fn sizes(n_layers: usize, d_model: usize) -> Sizes {
    Sizes {
        vocab_size: closed_vocabulary().len(),
        d_model,
        n_layers,
        n_heads: 4,
        n_kv_heads: 2,
        d_mlp: 32,
        max_positions: 40,
    }
}

fn louder(decoder: Decoder) -> Decoder {
    decoder.map(&mut |_: &str, parameter: Parameter| {
        let gain = if parameter.shape().len() == 2 { 6.0 } else { 1.0 };
        let values = parameter.to_vec().iter().map(|value| value * gain).collect();
        Parameter::from_vec(&parameter.shape(), values, &parameter.device())
    })
}

fn gpt2(layers: usize, width: usize, seed: u64) -> Decoder {
    louder(Decoder::init(&DecoderConfig::gpt2(sizes(layers, width)), seed, &Device::flex()).unwrap())
}

fn llama(layers: usize, seed: u64) -> Decoder {
    louder(Decoder::init(&DecoderConfig::llama(sizes(layers, 32)), seed, &Device::flex()).unwrap())
}

fn noisy(decoder: &Decoder, std: f64, seed: u64) -> Decoder {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    decoder.clone().map(&mut |name: &str, parameter: Parameter| {
        if !name.contains("attn") && !name.contains("mlp") {
            return parameter;
        }
        let values = parameter
            .to_vec()
            .iter()
            .map(|value| value + (std * rng.random_range(-1.7..1.7)) as f32)
            .collect();
        Parameter::from_vec(&parameter.shape(), values, &parameter.device())
    })
}

struct Measured(AttentionMaps, Directions, Sweep);

impl Measured {
    fn new(decoder: &Decoder, task: &ContrastTask) -> Measured {
        Measured(
            AttentionMaps::measure(decoder, task, 5, &Silent).unwrap(),
            Directions::measure(decoder, task, SiteKind::ResidPost, 5, &Silent).unwrap(),
            sweep(decoder, task, Ablation::Zero, 5, "test", &Silent).unwrap(),
        )
    }
    fn input(&self) -> AlignmentInput<'_> {
        AlignmentInput { maps: &self.0, streams: &self.1, sweep: &self.2 }
    }
}

fn aligned(teacher: &Decoder, student: &Decoder) -> limbeck_results::Alignment {
    let task = task();
    let bootstrap = Bootstrap::default().with_resamples(20);
    let found =
        alignment(&Measured::new(teacher, &task).input(), &Measured::new(student, &task).input(), &bootstrap)
            .unwrap();
    assert!(found.a.value <= found.bound.1 + 1e-12 && found.a.value >= found.bound.0 - 1e-12);
    let teachers: BTreeSet<&str> = found.matches.iter().map(|pair| pair.teacher.as_str()).collect();
    assert_eq!(teachers.len(), found.matches.len(), "every teacher component once");
    assert_eq!(found.matches.len(), teacher.config().n_layers * (teacher.config().n_heads + 1));
    found
}

#[test]
fn a_network_is_aligned_with_itself() {
    for network in [gpt2(3, 32, 1), llama(2, 2)] {
        let found = aligned(&network, &network);
        for part in [found.a, found.similarity, found.influence, found.influence_weighted_similarity] {
            // Every resample says the same up to rounding, which is no interval.
            assert!((part.value - 1.0).abs() < 1e-9, "{part:?}");
            assert!(!part.has_interval() || part.high - part.low < 1e-9, "{part:?}");
        }
        for pair in &found.matches {
            assert_eq!(pair.teacher, pair.student);
            assert_eq!(pair.teacher_influence, pair.student_influence);
        }
    }
}

#[test]
fn alignment_falls_as_the_student_is_corrupted() {
    let teacher = gpt2(3, 32, 1);
    let values: Vec<f64> =
        [0.0, 0.02, 0.1, 0.4].map(|std| aligned(&teacher, &noisy(&teacher, std, 9)).a.value).to_vec();
    assert!(values.windows(2).all(|pair| pair[0] > pair[1]), "{values:?}");
}

#[test]
fn a_matched_pair_scores_above_a_mismatched_one() {
    let teacher = gpt2(3, 32, 1);
    let matched = aligned(&teacher, &noisy(&teacher, 0.05, 3)).a;
    for seed in 20..24 {
        assert!(matched.value > aligned(&teacher, &gpt2(3, 32, seed)).a.value);
    }
}

#[test]
fn widths_and_families_may_differ() {
    aligned(&gpt2(3, 32, 1), &gpt2(2, 16, 5));
    aligned(&gpt2(2, 64, 1), &llama(3, 5));
}

/// The sweep the slow way: a whole forward pass per component, with the decoder's own interventions.
#[test]
fn the_sweep_equals_whole_forward_passes() {
    let task = task();
    for network in [gpt2(3, 32, 1), llama(2, 2)] {
        let (layers, heads) = (network.config().n_layers, network.config().n_heads);
        for ablation in [Ablation::Mean, Ablation::Zero] {
            let found = sweep(&network, &task, ablation, 3, "test", &Silent).unwrap();
            assert_eq!((found.prompts(), found.components()), (task.len(), layers * (heads + 1)));
            let mut first = 0;
            for group in &task.groups {
                let corrupted: Vec<&[u32]> = group.corrupted.iter().map(Vec::as_slice).collect();
                let clean: Vec<&[u32]> = group.prompts.iter().map(|prompt| prompt.clean.as_slice()).collect();
                let batch = |rows: &[&[u32]]| TokenBatch::new(rows, &Device::flex()).unwrap();
                let mut seen = Capture::new(
                    (0..layers).flat_map(|l| [Site::block(l, SiteKind::Z), Site::block(l, SiteKind::MlpOut)]),
                );
                network.hidden(&batch(&corrupted), &mut seen);
                let difference = |tap: &mut dyn limbeck_model::Tap| -> Vec<f64> {
                    let vocab = network.config().vocab_size;
                    let values = network.logits(&batch(&clean), tap).into_data().try_to_vec::<f32>().unwrap();
                    let rows = values.chunks(group.length * vocab).zip(&group.prompts);
                    rows.map(|(row, prompt)| {
                        let last = &row[row.len() - vocab..];
                        f64::from(last[prompt.right[0] as usize] - last[prompt.wrong[0] as usize])
                    })
                    .collect()
                };
                for (i, value) in difference(&mut NoTap).into_iter().enumerate() {
                    assert!((value - found.full[first + i]).abs() < 1e-3);
                }
                for layer in 0..layers {
                    for within in 0..=heads {
                        let head = (within < heads).then_some(within);
                        let site =
                            Site::block(layer, if head.is_some() { SiteKind::Z } else { SiteKind::MlpOut });
                        let action = match (ablation, head) {
                            (Ablation::Zero, _) => Action::Zero,
                            (_, Some(head)) => Action::Mean(
                                seen.get4(site).unwrap().mean_dim(0).narrow(2, head, 1).squeeze_dim(2),
                            ),
                            (_, None) => Action::Mean(seen.get3(site).unwrap().mean_dim(0)),
                        };
                        let mut tap = Interventions::new(vec![Intervention { site, head, action }]);
                        for (i, value) in difference(&mut tap).into_iter().enumerate() {
                            let got = found.ablated
                                [(first + i) * found.components() + layer * (heads + 1) + within];
                            assert!((value - got).abs() < 1e-3, "{value} {got}");
                        }
                    }
                }
                first += group.prompts.len();
            }
        }
    }
}

#[test]
fn a_component_that_says_nothing_has_no_influence() {
    // The second block's MLP puts out its bias whatever it reads; the first block's head 1 puts out nothing.
    let network = gpt2(2, 32, 1).map(&mut |name: &str, parameter: Parameter| {
        let mut values = parameter.to_vec();
        if name == "blocks.1.mlp.down.weight" {
            values.fill(0.0);
        }
        if name == "blocks.1.mlp.down.bias" {
            values.iter_mut().enumerate().for_each(|(i, value)| *value = i as f32 * 0.1);
        }
        if name == "blocks.0.attn.o.weight" {
            for row in values.chunks_mut(32) {
                row[8..16].fill(0.0);
            }
        }
        Parameter::from_vec(&parameter.shape(), values, &parameter.device())
    });
    let found = sweep(&network, &task(), Ablation::Mean, 8, "test", &Silent).unwrap();
    let listed = components(&found, &Bootstrap::default().with_resamples(50)).unwrap();
    assert_eq!(listed.len(), 10);
    for (index, label) in [(1, "0.1"), (9, "MLP 1")] {
        assert_eq!(listed[index].label(), label);
        assert!(listed[index].drop.value.abs() < 1e-2, "{:?}", listed[index]);
        assert!((listed[index].score - 100.0).abs() < 1e-2);
    }
    assert!(listed.iter().filter(|component| component.drop.value.abs() > 0.1).count() >= 6);
}

/// A sweep with given scores: two prompts, `LD` 1 and 3.
fn planted(scores: &[f64]) -> Sweep {
    let ablated =
        [1.0, 3.0].iter().flat_map(|full| scores.iter().map(move |score| full * score / 100.0)).collect();
    Sweep { layers: 1, heads: scores.len() - 1, full: vec![1.0, 3.0], correct: vec![true, false], ablated }
}

#[test]
fn brittleness_of_planted_scores() {
    // Damages 100 (below 0), 60, 20, 0 (above 100).
    let found =
        brittleness(&planted(&[-30.0, 40.0, 80.0, 150.0]), 1.0, &Bootstrap::default().with_resamples(30))
            .unwrap();
    let near = |estimate: limbeck_results::Estimate, value: f64| {
        assert!((estimate.value - value).abs() < 1e-9, "{estimate:?} {value}");
        // Prompts that are all alike say nothing of the spread.
        assert!(!estimate.has_interval() || estimate.high - estimate.low < 1e-9, "{estimate:?}");
    };
    near(found.mean, 45.0);
    near(found.worst, 100.0);
    near(found.severity, (1.0 + 0.5) / 4.0);
    near(found.worst_5_percent, 100.0);
    // Sorted 0, 20, 60, 100: (-3*0 - 20 + 60 + 300) / (4 * 180).
    near(found.gini, 340.0 / 720.0);
    assert_eq!(found.over_20, 2);
    assert!(found.curve.iter().zip([100.0, 60.0, 20.0, 0.0]).all(|(a, b)| (a - b).abs() < 1e-9));
}

#[test]
fn the_untouched_network_scores_100() {
    let found = components(&planted(&[100.0, 100.0]), &Bootstrap::default().with_resamples(10)).unwrap();
    assert!(found.iter().all(|component| component.score == 100.0
        && component.drop.value == 0.0
        && !component.drop.has_interval()));
}

#[test]
fn a_whole_audit() {
    let tokenizer = words();
    let (teacher, student, baseline) = (gpt2(3, 32, 1), gpt2(2, 32, 2), gpt2(2, 32, 3));
    let config = AuditConfig {
        prompts_per_template: 8,
        resamples: 100,
        alignment_resamples: 20,
        ..AuditConfig::default()
    };
    fn subject<'a>(decoder: &'a Decoder, tokenizer: &'a Words) -> Subject<'a> {
        Subject { decoder, tokenizer }
    }
    let run = || {
        audit(
            subject(&teacher, &tokenizer),
            &[Pair {
                student: subject(&student, &tokenizer),
                baseline: Some(subject(&baseline, &tokenizer)),
            }],
            &config,
            &Silent,
        )
        .unwrap()
    };
    let found = run();
    assert_eq!(found, run(), "the same bits twice");
    assert_eq!((found.task.as_str(), found.prompts), ("numerals", 24));
    assert_eq!((found.teacher.components.len(), found.student.components.len()), (15, 10));
    assert!(
        found.baseline.is_some()
            && found.baseline_alignment.is_some()
            && found.brittleness.baseline.is_some()
    );
    assert_eq!(found.brittleness.teacher.curve.len(), 15);
    let curves = found.brittleness.student.under_disturbance.as_ref().unwrap();
    assert_eq!((curves.prompts, curves.noise.points.len(), curves.worst_first.points.len()), (24, 5, 5));
    assert!(found.brittleness.kept_student_minus_baseline.is_some() && found.brittleness.slope.is_some());
    let spare = found.brittleness.teacher.spare_capacity.as_ref().unwrap().taken_over;
    assert!((0.0..=1.0).contains(&spare.low) && (0.0..=1.0).contains(&spare.high));
    // The closed vocabulary knows no animals, but all verbs or none: whatever is left is measured on every network.
    assert!(found.brittleness.shifts.iter().all(|shift| shift.baseline.is_some() && shift.prompts > 0));
    let picture = found.teacher.attention.as_ref().unwrap();
    let tokens = picture.tokens.len();
    assert_eq!(picture.heads.len(), 3);
    for head in &picture.heads {
        assert_eq!(head.attention.len(), tokens * (tokens + 1) / 2);
        let last: f64 = head.attention[head.attention.len() - tokens..].iter().sum();
        assert!((last - 1.0).abs() < 0.01, "attention of a query sums to 1: {last}");
    }
    assert_eq!(found.alignment.matches.len(), 15);

    let other = Words(closed_vocabulary().into_iter().rev().collect());
    let alone = |student, tokenizer| [Pair { student: subject(student, tokenizer), baseline: None }];
    let refused = audit(subject(&teacher, &tokenizer), &alone(&student, &other), &config, &Silent);
    assert!(matches!(refused, Err(AuditError::Tokens { second: "student", .. })));
    let none = AuditConfig { resamples: 0, ..config.clone() };
    let refused = audit(subject(&teacher, &tokenizer), &alone(&student, &tokenizer), &none, &Silent);
    assert!(matches!(refused, Err(AuditError::Config { key: "resamples", .. })));
    let refused = audit(subject(&teacher, &tokenizer), &[], &config, &Silent);
    assert!(matches!(refused, Err(AuditError::NoStudent)));
}

/// Held-out scores of three networks, enough for a verdict.
fn evaluation(teacher: &Decoder, student: &Decoder) -> limbeck_results::Evaluation {
    let sets = training_sets(
        &words(),
        &TrainingOptions { examples: 0, held_out: 12, shifted: 2, distractors: 1, seed: 0 },
    );
    let pairs = [limbeck_eval::Pair { student, baseline: Some(student) }];
    let networks = Networks { teacher, pairs: &pairs };
    let options = EvaluationOptions { resamples: 50, ..EvaluationOptions::default() };
    evaluate(&networks, &sets.unwrap().held_out, &[], &options, &Silent).unwrap().0
}

/// Makes a network's figures those of one that solves the task.
fn solving(network: &mut limbeck_results::NetworkAudit) {
    network.logit_difference = Estimate { value: 2.0, low: 1.5, high: 2.5 };
    network.accuracy = Estimate { value: 0.9, low: 0.8, high: 0.95 };
    network.chance = 0.125;
}

fn small() -> AuditConfig {
    AuditConfig {
        prompts_per_template: 8,
        resamples: 50,
        alignment_resamples: 5,
        circuit: CircuitConfig { enabled: false, ..CircuitConfig::default() },
        patching: PatchingConfig { components: false, residual: false, ..PatchingConfig::default() },
        brittleness: BrittlenessConfig { curves: false, ..BrittlenessConfig::default() },
        ..AuditConfig::default()
    }
}

#[test]
fn the_verdict_names_the_component_that_carries_most() {
    let tokenizer = words();
    let (teacher, student) = (gpt2(3, 32, 1), gpt2(2, 32, 2));
    let subject = |decoder| Subject { decoder, tokenizer: &tokenizer };
    let pair = Pair { student: subject(&student), baseline: None };
    let mut found = audit(subject(&teacher), &[pair], &small(), &Silent).unwrap();
    let scores = evaluation(&teacher, &student);

    // An untrained network has no shares of a score to lose, however sure it is of one of two random tokens.
    assert_eq!(found.student.accuracy.value, 0.0);
    found.student.logit_difference = Estimate { value: 2.0, low: 1.5, high: 2.5 };
    let said = verdict(&scores, Some(&found)).fragile;
    assert!(said.contains("it does not solve the numerals task (right on 0.0% (0.0 to "), "{said}");

    solving(&mut found.teacher);
    solving(&mut found.student);
    found.student.components[6].drop = Estimate { value: 987.0, low: 900.0, high: 1000.0 };
    found.brittleness.severity_student_minus_teacher = Estimate { value: 0.3, low: 0.2, high: 0.4 };
    let said = verdict(&scores, Some(&found));
    assert!(
        said.fragile
            .contains("depends most on head 1.1: ablating it costs 987.0 points of its logit difference (900.0 to 1000.0);"),
        "{}",
        said.fragile
    );
    assert!(
        said.facts.iter().any(|fact| fact.starts_with("Alignment of the student with the teacher: A = "))
    );
    // One training: its figures, and no comparison.
    assert!(said.fragile.contains("Of this one training the mean damage"), "{}", said.fragile);
    for claim in ["more brittle", "less brittle", "higher", "lower"] {
        assert!(!said.fragile.contains(claim), "{claim}: {}", said.fragile);
    }
}

#[test]
fn over_several_trainings_the_difference_is_told() {
    let tokenizer = words();
    let subject = |decoder| Subject { decoder, tokenizer: &tokenizer };
    let (teacher, students) = (gpt2(3, 32, 1), [gpt2(2, 32, 2), gpt2(2, 32, 3), gpt2(2, 32, 4)]);
    let pairs = students.each_ref().map(|one| Pair { student: subject(one), baseline: Some(subject(one)) });
    let mut found = audit(subject(&teacher), &pairs, &small(), &Silent).unwrap();
    // Untrained networks solve nothing: every training is left out.
    let across = found.brittleness.across_seeds.as_ref().unwrap();
    assert_eq!((across.seeds, &across.mean_student_minus_teacher), (3, &None));
    assert!(found.brittleness.shifts.iter().all(|shift| shift.across_seeds.is_some()));
    solving(&mut found.teacher);
    solving(&mut found.student);
    let said = limbeck_eval::answers(&found).breaks;
    assert!(
        said.contains("Fewer than two of 3 trainings solve the task in both student and teacher"),
        "{said}"
    );

    let told = |value: f64| {
        let difference = Estimate { value, low: value - 1.0, high: value + 1.0 };
        Some(SeedDifference { difference, by_seed: vec![value; 3], left_out: 0 })
    };
    let across = |mean: f64| AcrossSeeds {
        seeds: 3,
        worst_components: vec!["MLP 0".into(); 3],
        severity_student_minus_teacher: told(0.5),
        severity_student_minus_baseline: told(-0.5),
        mean_student_minus_teacher: told(mean),
        mean_student_minus_baseline: told(-mean),
    };
    found.brittleness.across_seeds = Some(across(3.0));
    let said = limbeck_eval::answers(&found).breaks;
    assert!(
        said.contains("Over 3 trainings, the student's mean damage against the teacher's is 3.00 points higher (2.00 to 4.00)"),
        "{said}"
    );
    assert!(
        said.contains(
            "against the baseline's is 3.00 points lower (2.00 to 4.00), its severity not told apart"
        ),
        "{said}"
    );
    assert!(!said.contains("the other way round"));
    // Shifted prompts that contradict it are named beside it.
    found.brittleness.shifts.truncate(1);
    found.brittleness.shifts[0].across_seeds = Some(across(-3.0));
    let said = limbeck_eval::answers(&found).breaks;
    assert!(said.contains("it is the other way round against the teacher"), "{said}");
}

#[test]
fn the_difference_of_severities_is_paired() {
    let bootstrap = Bootstrap::with_seed(1).with_resamples(200);
    let task = task();
    let (one, other) = (gpt2(2, 32, 1), gpt2(2, 32, 2));
    let swept = |decoder: &Decoder| sweep(decoder, &task, Ablation::Mean, 8, "test", &Silent).unwrap();
    let (one, other) = (swept(&louder(one)), swept(&louder(other)));
    // A network against itself differs by nothing in every resample, which is no interval of zero width.
    let itself = severity_difference(&one, &one, 1.0, &bootstrap).unwrap();
    assert!(itself.value == 0.0 && !itself.has_interval());
    let (forth, back) = (
        severity_difference(&one, &other, 1.0, &bootstrap).unwrap(),
        severity_difference(&other, &one, 1.0, &bootstrap).unwrap(),
    );
    assert!((forth.value + back.value).abs() < 1e-12);
    assert!(!forth.has_interval() || (forth.low + back.high).abs() < 1e-12);
    let severities = |sweep: &Sweep| brittleness(sweep, 1.0, &bootstrap).unwrap().severity.value;
    assert!((forth.value - (severities(&one) - severities(&other))).abs() < 1e-12);
}

#[test]
fn prompts_that_a_network_cannot_read_are_refused() {
    let config = DecoderConfig { max_positions: 10, ..DecoderConfig::gpt2(sizes(1, 32)) };
    let short = Decoder::init(&config, 1, &Device::flex()).unwrap();
    assert!(matches!(
        sweep(&short, &task(), Ablation::Zero, 8, "test", &Silent),
        Err(AuditError::Length { .. })
    ));
    let config = DecoderConfig { vocab_size: 50, ..DecoderConfig::gpt2(sizes(1, 32)) };
    let narrow = Decoder::init(&config, 1, &Device::flex()).unwrap();
    assert!(matches!(
        sweep(&narrow, &task(), Ablation::Zero, 8, "test", &Silent),
        Err(AuditError::Vocabulary { .. })
    ));
}

#[test]
fn the_answers_name_what_carries_and_what_became_of_it() {
    let tokenizer = words();
    let (teacher, student) = (gpt2(3, 32, 1), gpt2(2, 32, 2));
    let config = AuditConfig {
        prompts_per_template: 6,
        resamples: 50,
        alignment_resamples: 5,
        ..AuditConfig::default()
    };
    let subject = |decoder| Subject { decoder, tokenizer: &tokenizer };
    let pair = Pair { student: subject(&student), baseline: None };
    let mut found = audit(subject(&teacher), &[pair], &config, &Silent).unwrap();
    solving(&mut found.teacher);
    solving(&mut found.student);
    found.teacher.components[7].drop = Estimate { value: 99.0, low: 90.0, high: 100.0 };
    let said = limbeck_eval::answers(&found);
    assert!(said.caveats.is_empty());
    let heaviest = "The teacher's logit difference falls most when head 1.2 (99.0 points, 90.0 to 100.0)";
    assert!(said.carries.starts_with(heaviest), "{}", said.carries);
    assert!(said.became.starts_with("Of the "), "{}", said.became);
    assert!(said.became.contains("their roles stay the same in "), "{}", said.became);
    assert!(
        said.alike.contains("Alignment A (variant B) of the student with the teacher is 0."),
        "{}",
        said.alike
    );
    assert!(said.alike.contains("Without training, on 18 of the prompts"), "{}", said.alike);
    assert!(said.alike.contains("(3 seeds)") && said.alike.contains("permutation test"), "{}", said.alike);
    assert!(said.breaks.starts_with("The student depends most on "), "{}", said.breaks);
    found.alignment_floors = None;
    let said = limbeck_eval::answers(&found).alike;
    assert!(said.contains("whether that is much cannot be said"), "{said}");

    // No component over 20 points: said with how near the worst may come, not as a severity known to be 0.
    for component in &mut found.student.components {
        component.drop = Estimate { value: 3.0, low: 1.0, high: 5.0 };
    }
    let said = limbeck_eval::answers(&found).breaks;
    let none = "none of its 10 components loses more than 20 points (the largest loss is at most 5.00 by its 95% interval)";
    assert!(said.contains(none), "{said}");

    // Sure of the wrong answer, or right no oftener than a constant answer.
    let fine = found.student.clone();
    found.student.logit_difference = Estimate { value: -0.5, low: -0.7, high: -0.3 };
    let unsure = limbeck_eval::answers(&found);
    found.student = fine;
    found.student.accuracy = Estimate { value: 0.2, low: 0.1, high: 0.35 };
    for said in [unsure, limbeck_eval::answers(&found)] {
        let caveat = "The student does not solve the numerals task";
        assert!(said.caveats[0].starts_with(caveat), "{:?}", said.caveats);
        assert!(!said.carries.contains("student"), "{}", said.carries);
        assert!(said.breaks.starts_with("Where the student is brittle cannot be said"), "{}", said.breaks);
    }
}

#[test]
fn few_prompts_give_figures_without_intervals() {
    let tokenizer = words();
    let subject = |decoder| Subject { decoder, tokenizer: &tokenizer };
    let (teacher, student) = (gpt2(2, 32, 1), gpt2(2, 32, 2));
    let pair = Pair { student: subject(&student), baseline: None };
    let config = AuditConfig { prompts_per_template: 1, ..small() };
    let found = audit(subject(&teacher), &[pair], &config, &Silent).unwrap();
    assert_eq!(found.prompts, 3);
    let network = &found.student;
    for estimate in
        [network.accuracy, network.preference, network.logit_difference, found.brittleness.student.mean]
    {
        assert!(
            estimate.value.is_finite() && estimate.low.is_nan() && estimate.high.is_nan(),
            "{estimate:?}"
        );
    }
    assert!(network.components.iter().all(|component| component.drop.low.is_nan()));
    let said = limbeck_eval::answers(&found);
    let caveat = "Whether the student solves the numerals task cannot be told from 3 prompts";
    assert!(said.caveats.iter().any(|said| said.starts_with(caveat)), "{:?}", said.caveats);
    let all = format!("{}{}{}{:?}", said.carries, said.alike, said.breaks, said.caveats);
    assert!(!all.contains("NaN"), "{all}");

    // With enough, shares of prompts have intervals even where all prompts agree.
    let found = audit(subject(&teacher), &[pair], &small(), &Silent).unwrap();
    let accuracy = found.student.accuracy;
    assert!(accuracy.value == 0.0 && accuracy.low == 0.0 && accuracy.high > 0.1, "{accuracy:?}");
}

#[test]
fn floors_stand_beside_alignment() {
    let tokenizer = words();
    let subject = |decoder| Subject { decoder, tokenizer: &tokenizer };
    let teacher = gpt2(2, 32, 1);
    // The teacher itself is above every network without training; a stranger is one of them.
    let (itself, stranger) =
        (noisy(&teacher, 0.0, 1), Decoder::init(teacher.config(), 9, &Device::flex()).unwrap());
    for (student, above) in [(&itself, true), (&stranger, false)] {
        let pair = Pair { student: subject(student), baseline: Some(subject(student)) };
        let found = audit(subject(&teacher), &[pair], &small(), &Silent).unwrap();
        let floors = found.alignment_floors.as_ref().unwrap();
        assert_eq!(floors.networks.iter().map(|floor| floor.a.len()).collect::<Vec<_>>(), [3, 3]);
        assert_eq!((floors.prompts, floors.baseline), (24, Some(floors.student)));
        // All 24 prompts: the same figure as the alignment's own.
        assert!((floors.student - found.alignment.a.value).abs() < 1e-4);
        if above {
            assert!(floors.student > floors.highest() && (floors.student - 1.0).abs() < 1e-6, "{floors:?}");
        } else {
            assert!(floors.student < 0.95, "{floors:?}");
        }
    }
    let mut config = small();
    config.similarity.floors = 0;
    let pair = Pair { student: subject(&stranger), baseline: None };
    assert_eq!(audit(subject(&teacher), &[pair], &config, &Silent).unwrap().alignment_floors, None);
}

/// Others can compute the figures again from the saved files.
#[test]
fn the_record_holds_what_the_figures_were_computed_from() {
    let tokenizer = words();
    let subject = |decoder| Subject { decoder, tokenizer: &tokenizer };
    let (teacher, student, second) = (gpt2(2, 32, 1), gpt2(2, 32, 2), gpt2(2, 32, 3));
    let pair = |student| Pair { student: subject(student), baseline: Some(subject(&second)) };
    let folder = tempfile::tempdir().unwrap();
    let config = AuditConfig {
        save_prompts: Some("prompts.jsonl".into()),
        save_scores: Some("scores.jsonl".into()),
        ..small()
    };
    let found = audited(subject(&teacher), &[pair(&student), pair(&second)], &config, &Silent).unwrap();
    found.record.save(&config, folder.path()).unwrap();
    let rows = |name: &str| -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(folder.path().join(name)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let (prompts, scores) = (rows("prompts.jsonl"), rows("scores.jsonl"));
    let own: Vec<_> = prompts.iter().filter(|row| row["task"] == "numerals").collect();
    assert_eq!(own.len(), found.audit.prompts);
    for row in own {
        let ids: Vec<u32> = serde_json::from_value(row["tokens"].clone()).unwrap();
        assert_eq!(tokenizer.encode_text(row["text"].as_str().unwrap()).unwrap(), ids);
        assert!(!row["right"].as_array().unwrap().is_empty() && !row["wrong"].as_array().unwrap().is_empty());
    }
    let of = |network: &str, training: u64, ablation: &str, component: &str| -> Vec<&serde_json::Value> {
        let same = |row: &&serde_json::Value| {
            row["task"] == "numerals"
                && row["network"] == network
                && row["training"] == training
                && row["ablation"] == ablation
                && row["component"] == component
        };
        scores.iter().filter(same).collect()
    };
    let mean = |rows: &[&serde_json::Value]| {
        rows.iter().map(|row| row["logit_difference"].as_f64().unwrap()).sum::<f64>() / rows.len() as f64
    };
    for (network, audited) in [("teacher", &found.audit.teacher), ("student", &found.audit.student)] {
        let whole = of(network, 1, "none", "whole");
        assert_eq!(whole.len(), found.audit.prompts);
        let right = whole.iter().filter(|row| row["correct"] == true).count();
        assert!((right as f64 / whole.len() as f64 - audited.accuracy.value).abs() < 1e-12);
        assert!((mean(&whole) - audited.logit_difference.value).abs() < 1e-9);
        for component in &audited.components {
            let ablated = of(network, 1, "mean", &component.label());
            let drop = 100.0 - 100.0 * mean(&ablated) / mean(&whole);
            assert!((drop - component.drop.value).abs() < 1e-6, "{}", component.label());
        }
        assert_eq!(of(network, 1, "zero", "1.0").len(), found.audit.prompts);
    }
    assert_eq!(of("student", 2, "mean", "MLP 1").len(), found.audit.prompts);
    for shift in &found.audit.brittleness.shifts {
        assert_eq!(prompts.iter().filter(|row| row["task"] == shift.name.as_str()).count(), shift.prompts);
    }
    let wrong = AuditConfig { save_scores: Some("scores.csv".into()), ..small() };
    assert!(matches!(wrong.check(), Err(AuditError::Config { key: "save_scores", .. })));
}
