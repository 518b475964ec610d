//! Captured signals against the teacher they were captured from.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use burn::tensor::Tensor;
use limbeck_data::examples::TokenExample;
use limbeck_data::progress::Silent;
use limbeck_kernels::{HeadTerm, HeadTermKind, Precision, TeacherLogits, head_losses};
use limbeck_model::{Decoder, Parameter};
use limbeck_teach::{
    CaptureConfig, LocalTeacher, ReplayTeacher, TeachError, Teacher, TeacherIdentity, TeacherQuery, capture,
    predictions,
};
use limbeck_testkit::{StopAfter, TINY_VOCAB, counting_examples, deeper, tiny_gpt2};

fn sharp(seed: u64) -> Decoder {
    deeper(&tiny_gpt2(), 2, seed).map(&mut |_, parameter| match parameter {
        Parameter::Matrix(matrix) => Parameter::Matrix(matrix * 6.0),
        vector => vector,
    })
}

fn teacher() -> LocalTeacher {
    let identity = TeacherIdentity {
        hash: "t".into(),
        tokenizer_hash: "k".into(),
        vocab_size: TINY_VOCAB,
        origin: "test".into(),
    };
    LocalTeacher::new(sharp(3), identity)
}

fn examples() -> Vec<TokenExample> {
    counting_examples(10, 9, TINY_VOCAB, 11)
}

fn config(top_k: usize) -> CaptureConfig {
    CaptureConfig { top_k, temperatures: vec![2.0, 1.0], batch_size: 3, shard_examples: 4 }
}

/// A student's forward KL at T = 2 towards a teacher's answer.
fn divergence(teacher: &mut dyn Teacher, examples: &[TokenExample]) -> f64 {
    let rows: Vec<&TokenExample> = examples.iter().collect();
    let positions = predictions(&rows);
    let query =
        TeacherQuery { rows: &rows, positions: &positions, temperatures: &[2.0], ..TeacherQuery::default() };
    let signal = teacher.signal(&query).unwrap();
    let distribution = &signal.distributions[signal.find(2.0).unwrap()].logits;
    let hidden: Tensor<2> = match LocalTeacher::new(sharp(8), teacher.identity().clone())
        .signal(&query)
        .unwrap()
        .distributions
        .remove(0)
        .logits
    {
        TeacherLogits::Head { hidden, .. } => hidden,
        other => panic!("{other:?}"),
    };
    let terms = [HeadTerm { kind: HeadTermKind::ForwardKl { temperature: 2.0 }, weight: 1.0 }];
    head_losses(hidden, sharp(8).head(), &[], Some(distribution), &terms, TINY_VOCAB, Precision::F32)
        .unwrap()
        .values[0]
}

#[test]
fn everything_captured_is_the_teacher_itself() {
    let dir = tempfile::tempdir().unwrap();
    let outcome = capture(&teacher(), &examples(), &config(TINY_VOCAB), dir.path(), &Silent).unwrap();
    assert_eq!((outcome.examples, outcome.resumed), (10, 0));
    let mut replay = ReplayTeacher::open(dir.path(), Some(teacher().identity())).unwrap();
    let (live, replayed) = (divergence(&mut teacher(), &examples()), divergence(&mut replay, &examples()));
    assert!(live > 0.01, "{live}");
    assert!((live - replayed).abs() < 1e-4 * live.max(1.0), "{replayed} instead of {live}");
}

#[test]
fn the_top_of_the_distribution_and_its_tail_make_one() {
    let dir = tempfile::tempdir().unwrap();
    capture(&teacher(), &examples(), &config(5), dir.path(), &Silent).unwrap();
    let replay = ReplayTeacher::open(dir.path(), None).unwrap();
    assert_eq!(replay.capabilities().top_k, Some(5));
    let examples = examples();
    let rows: Vec<&TokenExample> = examples.iter().collect();
    let positions = predictions(&rows);
    let query = TeacherQuery {
        rows: &rows,
        positions: &positions,
        temperatures: &[1.0, 2.0],
        ..TeacherQuery::default()
    };
    let signal = replay.signal(&query).unwrap();
    assert_eq!(signal.distributions.len(), 2);
    for distribution in &signal.distributions {
        let TeacherLogits::Sparse(sparse) = &distribution.logits else { panic!("not sparse") };
        assert_eq!(sparse.tail_mass.len(), positions.len());
        for (top, tail) in sparse.log_probs.chunks_exact(5).zip(&sparse.tail_mass) {
            let mass: f32 = top.iter().map(|log_prob| log_prob.exp()).sum();
            assert!((mass + tail - 1.0).abs() < 1e-4, "{mass} + {tail}");
            assert!(*tail > 0.0);
        }
    }
}

#[test]
fn a_stopped_capture_goes_on_and_ends_the_same() {
    let (whole, parted) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    capture(&teacher(), &examples(), &config(5), whole.path(), &Silent).unwrap();
    let stopped = capture(&teacher(), &examples(), &config(5), parted.path(), &StopAfter::new(6));
    match stopped {
        Err(TeachError::Cancelled { done, total }) => assert_eq!((done, total), (4, 10)),
        other => panic!("{other:?}"),
    }
    let outcome = capture(&teacher(), &examples(), &config(5), parted.path(), &Silent).unwrap();
    assert_eq!(outcome.resumed, 4);
    let mut names: Vec<_> =
        std::fs::read_dir(whole.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    names.sort();
    assert!(names.len() >= 3, "{names:?}");
    for name in names {
        let read = |dir: &tempfile::TempDir| std::fs::read(dir.path().join(&name)).unwrap();
        assert!(read(&whole) == read(&parted), "{name:?} differs");
    }
}

#[test]
fn foreign_signals_are_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    capture(&teacher(), &examples(), &config(5), dir.path(), &Silent).unwrap();
    let refused = |change: &dyn Fn(&mut TeacherIdentity), what: &str| {
        let mut identity = teacher().identity().clone();
        change(&mut identity);
        match ReplayTeacher::open(dir.path(), Some(&identity)) {
            Err(TeachError::OtherSignals { what: found, .. }) => assert_eq!(found, what),
            other => panic!("{other:?}"),
        }
    };
    refused(&|it| it.hash = "other".into(), "teacher");
    refused(&|it| it.tokenizer_hash = "other".into(), "tokenizer");
    refused(&|it| it.vocab_size += 1, "vocabulary size");

    let mut replay = ReplayTeacher::open(dir.path(), None).unwrap();
    let unknown = counting_examples(1, 9, TINY_VOCAB, 999);
    let rows: Vec<&TokenExample> = unknown.iter().collect();
    let positions = predictions(&rows);
    let ask = |replay: &mut ReplayTeacher, temperatures: &[f64], sites: &[limbeck_model::Site]| {
        replay
            .signal(&TeacherQuery {
                rows: &rows,
                positions: &positions,
                temperatures,
                sites,
                ..TeacherQuery::default()
            })
            .unwrap_err()
    };
    assert!(matches!(ask(&mut replay, &[1.0], &[]), TeachError::Data(_)));
    assert!(ask(&mut replay, &[3.0], &[]).to_string().contains("temperature 3"));
    let site = "blocks.0.hook_resid_post".parse().unwrap();
    assert!(ask(&mut replay, &[], &[site]).to_string().contains("blocks.0.hook_resid_post"));
    // A replayed teacher cannot be captured again.
    let again = capture(&replay, &examples(), &config(5), &dir.path().join("again"), &Silent);
    assert!(matches!(again, Err(TeachError::Beyond { .. })));
}
