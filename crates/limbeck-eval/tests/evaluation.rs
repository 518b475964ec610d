//! Scores, estimates and verdicts of tiny random networks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use burn::tensor::Device;
use limbeck_data::examples::TokenExample;
use limbeck_data::progress::{Progress, Silent};
use limbeck_eval::{
    EvalError, EvaluationOptions, Networks, Pair, ScoringOptions, ShiftedSet, evaluate, score, verdict,
};
use limbeck_model::{Decoder, DecoderConfig, NoTap, Parameter, Sizes, TokenBatch};
use limbeck_results::{Finding, VerdictAnswer};

const VOCAB: usize = 23;

fn network(seed: u64, vocab: usize) -> Decoder {
    let sizes = Sizes {
        vocab_size: vocab,
        d_model: 16,
        n_layers: 2,
        n_heads: 2,
        n_kv_heads: 2,
        d_mlp: 24,
        max_positions: 16,
    };
    let louder = &mut |_: &str, parameter: Parameter| {
        let values = parameter.to_vec().iter().map(|value| value * 4.0).collect();
        Parameter::from_vec(&parameter.shape(), values, &parameter.device())
    };
    Decoder::init(&DecoderConfig::gpt2(sizes), seed, &Device::flex()).unwrap().map(louder)
}

/// Examples of unequal length, with unequal masks, one of them without a scored token.
fn examples() -> Vec<TokenExample> {
    (0..20u32)
        .map(|i| {
            let length = 4 + (i % 7) as usize;
            let ids: Vec<u32> = (0..length as u32).map(|j| (i * 5 + j * j * 3 + 1) % VOCAB as u32).collect();
            let scored =
                (0..length).map(|j| j > 0 && i != 7 && !(j + i as usize).is_multiple_of(3)).collect();
            TokenExample { ids, scored }
        })
        .collect()
}

fn options() -> EvaluationOptions {
    EvaluationOptions { resamples: 400, ..EvaluationOptions::default() }
}

#[test]
fn a_network_agrees_with_itself() {
    let teacher = network(1, VOCAB);
    let pairs = [Pair { student: &teacher, baseline: None }];
    let networks = Networks { teacher: &teacher, pairs: &pairs };
    let (found, _) = evaluate(&networks, &examples(), &[], &options(), &Silent).unwrap();
    assert_eq!(found.examples, 19);
    // All right on 19 examples is not certainty.
    assert_eq!((found.student.agreement.value, found.student.agreement.high), (1.0, 1.0));
    assert!((0.7..0.9).contains(&found.student.agreement.low), "{:?}", found.student.agreement);
    // A divergence that is the same in every example has no interval that they could tell.
    assert!(found.student.kl.value == 0.0 && !found.student.kl.has_interval());
    assert_eq!(found.student.loss, found.teacher.loss);
    assert!(found.comparisons.is_empty() && found.baseline.is_none());
    assert!((found.teacher.perplexity.value - found.teacher.loss.value.exp()).abs() < 1e-12);
    assert_eq!(verdict(&found, None).answer, VerdictAnswer::NoBaseline);
}

#[test]
fn figures_are_those_of_the_logits() {
    let (teacher, student) = (network(1, VOCAB), network(2, VOCAB));
    let options = ScoringOptions { batch_size: 3, chunk_tokens: 5, vocab_used: None };
    let scores =
        score(&[("teacher", &teacher), ("student", &student)], &examples(), &options, "test", &Silent)
            .unwrap();
    let mut token = 0;
    for (index, example) in examples().iter().enumerate() {
        let batch = TokenBatch::new(&[&example.ids], &Device::flex()).unwrap();
        let rows = |decoder: &Decoder| -> Vec<Vec<f64>> {
            let values = decoder.logits(&batch, &mut NoTap).into_data().try_to_vec::<f32>().unwrap();
            values.chunks(VOCAB).map(log_softmax).collect()
        };
        let (p, q) = (rows(&teacher), rows(&student));
        for position in (1..example.ids.len()).filter(|&i| example.scored[i]) {
            let (p, q) = (&p[position - 1], &q[position - 1]);
            let target = example.ids[position] as usize;
            let kl: f64 = p.iter().zip(q).map(|(p, q)| p.exp() * (p - q)).sum();
            let top = (0..VOCAB).max_by(|&a, &b| q[a].total_cmp(&q[b])).unwrap();
            let teacher_top = (0..VOCAB).max_by(|&a, &b| p[a].total_cmp(&p[b])).unwrap();
            let got = &scores.networks[1];
            assert_eq!(scores.example[token], index);
            assert!((got.loss[token] + q[target]).abs() < 1e-4);
            assert!((got.kl[token] - kl).abs() < 1e-4);
            assert!((got.confidence[token] - q[top].exp()).abs() < 1e-4);
            assert_eq!((got.top[token], got.correct[token]), (top as u32, top == target));
            assert_eq!(got.agrees[token], top == teacher_top);
            token += 1;
        }
    }
    assert_eq!(token, scores.example.len());
}

fn log_softmax(row: &[f32]) -> Vec<f64> {
    let sum: f64 = row.iter().map(|&value| f64::from(value).exp()).sum();
    row.iter().map(|&value| f64::from(value) - sum.ln()).collect()
}

#[test]
fn batches_and_chunks_change_nothing_that_counts() {
    let networks = [("teacher", &network(1, VOCAB)), ("student", &network(2, VOCAB))];
    let run = |batch_size, chunk_tokens| {
        let options = ScoringOptions { batch_size, chunk_tokens, vocab_used: None };
        score(&networks, &examples(), &options, "test", &Silent).unwrap()
    };
    let (one, many) = (run(1, 1), run(64, 1000));
    assert_eq!(one.example, many.example);
    for (a, b) in one.networks.iter().zip(&many.networks) {
        assert_eq!(a.top, b.top);
        assert!(a.loss.iter().zip(&b.loss).all(|(a, b)| (a - b).abs() < 1e-4));
        assert!(a.kl.iter().zip(&b.kl).all(|(a, b)| (a - b).abs() < 1e-4));
    }
}

#[test]
fn padded_columns_do_not_count() {
    // Two networks that differ in padding alone: rows of the head past the vocabulary are cut away.
    let padded = network(1, VOCAB + 9);
    let cut = Decoder::from_parameters(
        &DecoderConfig { vocab_size: VOCAB, ..padded.config().clone() },
        &mut |name: &str, shape: &[usize]| {
            let mut found = Vec::new();
            padded.visit(&mut |other, parameter| {
                if other == name {
                    found = parameter.to_vec()[..shape.iter().product()].to_vec();
                }
            });
            Ok(found)
        },
        &Device::flex(),
    )
    .unwrap();
    let pairs = [Pair { student: &padded, baseline: None }];
    let networks = Networks { teacher: &cut, pairs: &pairs };
    let (found, _) = evaluate(&networks, &examples(), &[], &options(), &Silent).unwrap();
    assert!(found.student.kl.value < 1e-10);
    assert_eq!(found.student.agreement.value, 1.0);
}

#[test]
fn the_better_one_is_found_and_equals_are_not_told_apart() {
    let (teacher, other) = (network(1, VOCAB), network(2, VOCAB));
    let data: Vec<TokenExample> = greedy(&teacher);
    let shifts = [ShiftedSet {
        name: "unseen_names".into(),
        description: "Other names.".into(),
        examples: data.clone(),
    }];
    let pairs = [Pair { student: &teacher, baseline: Some(&other) }];
    let networks = Networks { teacher: &teacher, pairs: &pairs };
    let (found, _) = evaluate(&networks, &data, &shifts, &options(), &Silent).unwrap();
    let measures: Vec<&str> =
        found.comparisons.iter().map(|comparison| comparison.measure.as_str()).collect();
    assert_eq!(measures, ["accuracy", "loss", "agreement", "kl", "ece"]);
    for comparison in &found.comparisons[..4] {
        assert_eq!(comparison.finding, Finding::Better, "{}", comparison.sentence);
    }
    assert!(found.comparisons[0].sentence.starts_with("The student's accuracy is "));
    let decided = " nats lower than the baseline's (95% interval, corrected for 2 comparisons, ";
    assert!(found.comparisons[1].sentence.contains(decided), "{}", found.comparisons[1].sentence);
    let said = verdict(&found, None);
    assert_eq!(said.answer, VerdictAnswer::Helped);
    assert!(said.headline.contains(&found.comparisons[1].sentence));
    assert!(said.fragile.contains("no audit"));
    assert!(
        said.facts
            .iter()
            .any(|fact| fact.starts_with("On unseen names") && fact.ends_with("there distillation helped."))
    );
    assert!(found.shifts[0].scores.shifts.is_empty());

    let pairs = [Pair { student: &other, baseline: Some(&teacher) }];
    let swapped = Networks { teacher: &teacher, pairs: &pairs };
    let (found, _) = evaluate(&swapped, &data, &[], &options(), &Silent).unwrap();
    assert_eq!(verdict(&found, None).answer, VerdictAnswer::Hurt);

    let pairs = [Pair { student: &other, baseline: Some(&other) }];
    let equal = Networks { teacher: &teacher, pairs: &pairs };
    let (found, _) = evaluate(&equal, &data, &[], &options(), &Silent).unwrap();
    // The same network twice: 24 examples without a difference do not show that there is none.
    assert!(found.comparisons.iter().all(|comparison| comparison.finding == Finding::CannotTell));
    let accuracy = found.comparisons[0].difference;
    assert!(accuracy.low < -0.01 && accuracy.high > 0.01, "{accuracy:?}");
    let loss = &found.comparisons[1].sentence;
    assert!(
        loss.ends_with("the difference, 0.0 nats, is the same in every example, which allows no interval."),
        "{loss}"
    );
    assert_eq!(verdict(&found, None).answer, VerdictAnswer::CannotTell);
}

#[test]
fn few_examples_tell_nothing() {
    let (teacher, other) = (network(1, VOCAB), network(2, VOCAB));
    let pairs = [Pair { student: &teacher, baseline: Some(&other) }];
    let networks = Networks { teacher: &teacher, pairs: &pairs };
    let (found, _) = evaluate(&networks, &greedy(&teacher)[..1], &[], &options(), &Silent).unwrap();
    assert!(found.comparisons.iter().all(|comparison| comparison.finding == Finding::CannotTell));
    assert!(found.comparisons[0].sentence.contains("1 examples are too few"));
}

/// Examples whose last token is what `network` ranks first.
fn greedy(network: &Decoder) -> Vec<TokenExample> {
    (0..24u32)
        .map(|i| {
            let mut ids: Vec<u32> = (0..5).map(|j| (i * 7 + j * 4 + i * j) % VOCAB as u32).collect();
            let batch = TokenBatch::new(&[&ids], &Device::flex()).unwrap();
            let values = network.logits(&batch, &mut NoTap).into_data().try_to_vec::<f32>().unwrap();
            let last = &values[values.len() - VOCAB..];
            ids.push((0..VOCAB).max_by(|&a, &b| last[a].total_cmp(&last[b])).unwrap() as u32);
            TokenExample { scored: (0..ids.len()).map(|j| j == 5).collect(), ids }
        })
        .collect()
}

#[test]
fn bad_examples_are_refused() {
    let teacher = network(1, VOCAB);
    let networks = [("teacher", &teacher)];
    let run = |ids: Vec<u32>, scored: Vec<bool>| {
        score(&networks, &[TokenExample { ids, scored }], &ScoringOptions::default(), "test", &Silent)
            .unwrap_err()
    };
    assert!(matches!(run(vec![1, 99], vec![false, true]), EvalError::Token { token: 99, .. }));
    assert!(matches!(
        run(vec![1; 17], [vec![false], vec![true; 16]].concat()),
        EvalError::Length { length: 17, .. }
    ));
    assert!(matches!(run(vec![1, 2], vec![true, true]), EvalError::Mask { first: true, .. }));
    assert!(matches!(run(vec![1, 2], vec![false, true, true]), EvalError::Mask { first: false, .. }));
    assert!(matches!(run(vec![1, 2], vec![false, false]), EvalError::Nothing { .. }));
    let options = ScoringOptions { vocab_used: Some(99), ..ScoringOptions::default() };
    let wide = score(&networks, &examples(), &options, "test", &Silent);
    assert!(matches!(wide, Err(EvalError::Option { option: "vocab_used", .. })));
}

struct Impatient;
impl Progress for Impatient {
    fn start(&self, _: &str, _: u64, _: &str) {}
    fn advance(&self, _: u64) {}
    fn note(&self, _: &str) {}
    fn finish(&self) {}
    fn cancelled(&self) -> bool {
        true
    }
}

#[test]
fn it_stops_on_request() {
    let teacher = network(1, VOCAB);
    let stopped =
        score(&[("teacher", &teacher)], &examples(), &ScoringOptions::default(), "test", &Impatient);
    assert!(matches!(stopped, Err(EvalError::Cancelled)));
}
