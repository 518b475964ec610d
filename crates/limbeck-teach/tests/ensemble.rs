//! Ensembles of language models against their members.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use burn::tensor::Tensor;
use limbeck_data::examples::TokenExample;
use limbeck_kernels::TeacherLogits;
use limbeck_model::{Decoder, Parameter};
use limbeck_teach::{
    Combination, EnsembleTeacher, LocalTeacher, Teacher, TeacherIdentity, TeacherQuery, Weights, predictions,
};
use limbeck_testkit::{TINY_VOCAB, counting_examples, deeper, tiny_gpt2};

fn member(seed: u64, tokenizer: &str) -> LocalTeacher {
    let decoder: Decoder = deeper(&tiny_gpt2(), 2, seed).map(&mut |_, parameter| match parameter {
        Parameter::Matrix(matrix) => Parameter::Matrix(matrix * 6.0),
        vector => vector,
    });
    let identity = TeacherIdentity {
        hash: seed.to_string(),
        tokenizer_hash: tokenizer.into(),
        vocab_size: TINY_VOCAB,
        origin: format!("member {seed}"),
    };
    LocalTeacher::new(decoder, identity)
}

fn ensemble(combination: Combination) -> EnsembleTeacher {
    let members: Vec<Box<dyn Teacher>> = vec![Box::new(member(1, "k")), Box::new(member(2, "k"))];
    EnsembleTeacher::new(members, Weights::new(&[3.0, 1.0], 2).unwrap(), combination).unwrap()
}

/// Distributions at a temperature, `[n][vocab]`.
fn distributions(teacher: &dyn Teacher, examples: &[TokenExample], temperature: f64) -> Vec<Vec<f64>> {
    let rows: Vec<&TokenExample> = examples.iter().collect();
    let positions = predictions(&rows);
    let temperatures = [7.5, temperature];
    let query = TeacherQuery {
        rows: &rows,
        positions: &positions,
        temperatures: &temperatures,
        ..TeacherQuery::default()
    };
    let signal = teacher.signal(&query).unwrap();
    let logits: Tensor<2> = match &signal.distributions[signal.find(temperature).unwrap()].logits {
        TeacherLogits::Head { hidden, head, .. } => hidden.clone().matmul(head.clone().transpose()),
        TeacherLogits::Dense(logits) => logits.clone(),
        TeacherLogits::Sparse(_) => panic!("whole distributions were asked for"),
    };
    let values: Vec<f64> = logits.into_data().iter::<f32>().map(f64::from).collect();
    values
        .chunks(TINY_VOCAB)
        .map(|z| {
            let powers: Vec<f64> = z.iter().map(|z| (z / temperature).exp()).collect();
            let sum: f64 = powers.iter().sum();
            powers.iter().map(|power| power / sum).collect()
        })
        .collect()
}

#[test]
fn the_mean_is_that_of_the_members_at_the_temperature() {
    let examples = counting_examples(4, 9, TINY_VOCAB, 5);
    for temperature in [1.0, 3.0] {
        let first = distributions(&member(1, "k"), &examples, temperature);
        let second = distributions(&member(2, "k"), &examples, temperature);
        let arithmetic = distributions(&ensemble(Combination::Arithmetic), &examples, temperature);
        let geometric = distributions(&ensemble(Combination::Geometric), &examples, temperature);
        for token in 0..first.len() {
            let (p, q) = (&first[token], &second[token]);
            let product: Vec<f64> = p.iter().zip(q).map(|(p, q)| p.powf(0.75) * q.powf(0.25)).collect();
            let sum: f64 = product.iter().sum();
            for class in 0..TINY_VOCAB {
                let mean = 0.75 * p[class] + 0.25 * q[class];
                assert!((arithmetic[token][class] - mean).abs() < 1e-5);
                assert!((geometric[token][class] - product[class] / sum).abs() < 1e-5);
            }
        }
    }
}

#[test]
fn the_member_that_knows_the_token_best_is_taken_for_each() {
    let examples = counting_examples(4, 9, TINY_VOCAB, 5);
    let rows: Vec<&TokenExample> = examples.iter().collect();
    let first = distributions(&member(1, "k"), &examples, 1.0);
    let second = distributions(&member(2, "k"), &examples, 1.0);
    let chosen = distributions(&ensemble(Combination::BestOnLabel), &examples, 1.0);
    for (token, at) in predictions(&rows).iter().enumerate() {
        let target = at.target as usize;
        let expected = if 3.0 * first[token][target] >= second[token][target] { &first } else { &second };
        for class in 0..TINY_VOCAB {
            assert!((chosen[token][class] - expected[token][class]).abs() < 1e-5);
        }
    }
}

#[test]
fn what_makes_no_ensemble_is_refused() {
    let weights = |count| Weights::equal(count).unwrap();
    let new = |members: Vec<Box<dyn Teacher>>, weights| {
        EnsembleTeacher::new(members, weights, Combination::Arithmetic).map(|_| ()).map_err(|e| e.to_string())
    };
    assert!(new(vec![], weights(1)).unwrap_err().contains("members"));
    let mixed: Vec<Box<dyn Teacher>> = vec![Box::new(member(1, "k")), Box::new(member(2, "other"))];
    assert!(new(mixed, weights(2)).unwrap_err().contains("tokenizers"));
    let two: Vec<Box<dyn Teacher>> = vec![Box::new(member(1, "k")), Box::new(member(2, "k"))];
    assert!(new(two, weights(3)).unwrap_err().contains("weights"));
    let teacher = ensemble(Combination::Surest);
    assert!(!teacher.capabilities().hidden && teacher.hidden_shape().is_none());
    let other = ensemble(Combination::Arithmetic);
    assert_ne!(teacher.identity().hash, other.identity().hash, "another combination is another teacher");
}
