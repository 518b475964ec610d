//! The signal store against its own formulas, and against damage.

use std::fs;
use std::path::Path;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::examples::{TokenExample, hash_examples};

const VOCAB: u32 = 50;

fn header(k: u32, temperatures: &[f64]) -> SignalHeader {
    SignalHeader::new("teacher-a", "tokenizer-a", "data-a", VOCAB, k, temperatures).unwrap()
}

fn examples(count: usize, seed: u64) -> Vec<TokenExample> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count)
        .map(|_| {
            let ids: Vec<u32> =
                (0..random.random_range(1..12)).map(|_| random.random_range(0..VOCAB)).collect();
            let scored = (0..ids.len()).map(|at| at > 0 && random.random_bool(0.7)).collect();
            TokenExample::new(ids, scored).unwrap()
        })
        .collect()
}

fn logits(example: &TokenExample, position: usize) -> Vec<f32> {
    let mut random = ChaCha8Rng::from_seed(example.key());
    random.set_stream(position as u64);
    (0..VOCAB).map(|_| random.random_range(-9.0..9.0)).collect()
}

fn row(header: &SignalHeader, example: &TokenExample) -> SignalRow {
    let mut row = SignalRow::start(example);
    for position in example.scored_positions() {
        row.push_logits(header, &logits(example, position)).unwrap();
    }
    row
}

fn capture(folder: &Path, header: &SignalHeader, examples: &[TokenExample]) -> SignalManifest {
    let mut writer = SignalWriter::open(folder, header.clone(), 5).unwrap();
    let done = writer.done() as usize;
    for example in &examples[done..] {
        writer.push(row(header, example)).unwrap();
    }
    writer.finish().unwrap()
}

#[test]
fn probabilities_at_every_temperature_are_those_of_the_dense_softmax() {
    let header = header(7, &[2.0, 0.5]);
    assert_eq!(header.temperatures, [0.5, 1.0, 2.0]);
    for example in examples(20, 1) {
        let row = row(&header, &example);
        assert_eq!(row.contradiction(&header), None);
        for (index, position) in example.scored_positions().enumerate() {
            let logits = logits(&example, position);
            for (at, temperature) in header.temperatures.iter().enumerate() {
                let scaled: Vec<f64> = logits.iter().map(|z| (f64::from(*z) / temperature).exp()).collect();
                let total: f64 = scaled.iter().sum();
                let ids = &row.ids[index * 7..(index + 1) * 7];
                for (id, log_prob) in ids.iter().zip(row.log_probs_at(&header, index, at)) {
                    let dense = (scaled[*id as usize] / total).ln();
                    assert!((f64::from(log_prob) - dense).abs() < 1e-5, "{log_prob} against {dense}");
                }
                let kept: f64 = ids.iter().map(|id| scaled[*id as usize] / total).sum();
                assert!((f64::from(row.tails[index * 3 + at]) - (1.0 - kept)).abs() < 1e-6);
                assert!((f64::from(row.normalisers[index * 3 + at]) - total.ln()).abs() < 1e-5);
            }
            let smallest_kept = row.ids[index * 7..(index + 1) * 7]
                .iter()
                .map(|id| logits[*id as usize])
                .fold(f32::MAX, f32::min);
            assert_eq!(logits.iter().filter(|z| **z > smallest_kept).count(), 6);
        }
    }
}

#[test]
fn equal_logits_are_kept_by_id_and_a_whole_vocabulary_has_no_tail() {
    let example = TokenExample::all_scored(vec![1, 2]);
    let few = header(3, &[]);
    let mut row = SignalRow::start(&example);
    row.push_logits(&few, &[0.25; VOCAB as usize]).unwrap();
    assert_eq!(row.ids, [0, 1, 2]);
    assert!((row.tails[0] - 47.0 / 50.0).abs() < 1e-6);
    assert!(row.push_logits(&few, &[0.0; VOCAB as usize]).is_err());
    let all = header(VOCAB + 9, &[4.0]);
    assert_eq!(all.k, VOCAB);
    let mut row = SignalRow::start(&example);
    row.push_logits(&all, &logits(&example, 1)).unwrap();
    assert_eq!(row.tails, [0.0, 0.0]);
    assert!(SignalRow::start(&example).push_logits(&all, &[f32::NAN; VOCAB as usize]).is_err());
    assert!(SignalRow::start(&example).push_logits(&all, &[0.0; 3]).is_err());
}

#[test]
fn what_is_captured_is_replayed_and_a_killed_capture_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let header = header(6, &[2.0]);
    let examples = examples(23, 2);
    // Killed after 12 examples: two shards of five are complete, two rows are lost.
    let mut writer = SignalWriter::open(folder.path(), header.clone(), 5).unwrap();
    for example in &examples[..12] {
        writer.push(row(&header, example)).unwrap();
    }
    drop(writer);
    // A shard that was renamed but not counted is overwritten.
    fs::write(shard_path(folder.path(), 2), "not a shard").unwrap();
    let unfinished = SignalReader::open(folder.path(), &header).unwrap_err().to_string();
    assert!(unfinished.contains("unfinished capture of 10 examples"), "{unfinished}");
    assert_eq!(SignalWriter::open(folder.path(), header.clone(), 5).unwrap().done(), 10);
    let manifest = capture(folder.path(), &header, &examples);
    assert_eq!((manifest.shards.len(), manifest.examples()), (5, 23));

    let reader = SignalReader::open(folder.path(), &header).unwrap();
    for example in examples.iter().rev() {
        assert_eq!(*reader.get(example).unwrap(), row(&header, example));
    }
    let straight = tempfile::tempdir().unwrap();
    assert_eq!(
        capture(straight.path(), &header, &examples),
        manifest,
        "resumed and straight captures differ"
    );

    let stranger = TokenExample::all_scored(vec![1; 40]);
    assert!(reader.get(&stranger).unwrap_err().to_string().contains("one of 40 tokens"));
    let longest = examples.iter().max_by_key(|example| example.scored_count()).unwrap();
    let other = TokenExample::completion(&longest.ids, &[]);
    assert!(reader.get(&other).unwrap_err().to_string().contains("scored tokens"));
}

#[test]
fn signals_of_something_else_are_refused_naming_both() {
    let folder = tempfile::tempdir().unwrap();
    let captured = header(6, &[2.0]);
    capture(folder.path(), &captured, &examples(6, 3));
    let refuse = |wanted: SignalHeader, parts: [&str; 3]| {
        for error in [
            SignalReader::open(folder.path(), &wanted).unwrap_err().to_string(),
            SignalWriter::open(folder.path(), wanted.clone(), 5).unwrap_err().to_string(),
        ] {
            for part in parts {
                assert!(error.contains(part), "`{part}` is not in: {error}");
            }
        }
    };
    refuse(
        SignalHeader { teacher: "teacher-b".into(), ..captured.clone() },
        ["the teacher", "teacher-a", "teacher-b"],
    );
    refuse(
        SignalHeader { tokenizer: "tokenizer-b".into(), ..captured.clone() },
        ["tokenizer", "tokenizer-a", "tokenizer-b"],
    );
    refuse(SignalHeader { data: "data-b".into(), ..captured.clone() }, ["the data", "data-a", "data-b"]);
    refuse(header(7, &[2.0]), ["k is", "6", "7"]);
    refuse(header(6, &[3.0]), ["temperatures", "[1.0, 2.0]", "[1.0, 3.0]"]);
    SignalReader::open(folder.path(), &header(6, &[])).expect("fewer temperatures are served");
    assert!(captured.temperature_index(2.0).is_ok() && captured.temperature_index(3.0).is_err());
}

#[test]
fn a_row_that_contradicts_itself_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let header = header(4, &[2.0]);
    let example = TokenExample::all_scored(vec![3, 4, 5]);
    let good = row(&header, &example);
    let cases: [(&str, &dyn Fn(&mut SignalRow)); 10] = [
        ("not below the vocabulary's 50", &|row| row.ids[2] = 50),
        ("id", &|row| row.ids[1] = row.ids[0]),
        ("at most 0", &|row| row.log_probs[0] = 0.1),
        ("at most 0", &|row| row.log_probs[3] = f32::NEG_INFINITY),
        ("expected finite", &|row| row.normalisers[0] = f32::NAN),
        ("between 0 and 1", &|row| row.tails[1] = -0.1),
        ("sum to", &|row| row.tails[1] += 0.01),
        ("8 ids", &|row| row.positions = vec![1]),
        ("do not ascend", &|row| row.positions = vec![2, 1]),
        ("is scored, of 2 tokens", &|row| row.length = 2),
    ];
    for (part, damage) in cases {
        let mut row = good.clone();
        damage(&mut row);
        let mut writer = SignalWriter::open(folder.path(), header.clone(), 5).unwrap();
        let error = writer.push(row.clone()).unwrap_err().to_string();
        assert!(error.contains(part), "`{part}` is not in: {error}");
        // Past the writer, the reader refuses too.
        let shard = folder.path().join("one.parquet");
        shard::write_shard(&shard, &[good.clone(), row]).unwrap();
        let error = read_shard(&shard, &header).unwrap_err().to_string();
        assert!(error.contains("row 2") && error.contains(part), "`{part}` is not in: {error}");
    }
}

#[test]
fn changed_missing_and_foreign_files_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let header = header(6, &[]);
    let examples = examples(8, 4);
    capture(folder.path(), &header, &examples);
    let shard = shard_path(folder.path(), 1);
    let whole = fs::read(&shard).unwrap();
    let mut flipped = whole.clone();
    flipped[60] ^= 4;
    fs::write(&shard, flipped).unwrap();
    let error = SignalReader::open(folder.path(), &header).unwrap_err().to_string();
    assert!(error.contains("signals-00001.parquet") && error.contains("BLAKE3"), "{error}");
    fs::remove_file(&shard).unwrap();
    assert!(SignalReader::open(folder.path(), &header).is_err());
    fs::write(&shard, whole).unwrap();
    SignalReader::open(folder.path(), &header).unwrap();

    let path = folder.path().join(MANIFEST);
    let manifest = fs::read_to_string(&path).unwrap();
    for (from, to) in [
        ("\"format\": 1", "\"format\": 2"),
        ("signals-00000.parquet", "../../elsewhere.parquet"),
        ("\"k\": 6", "\"k\": 60"),
        ("\"vocab_size\": 50", "\"vocab_size\": 0"),
    ] {
        assert!(manifest.contains(from), "{from}");
        fs::write(&path, manifest.replacen(from, to, 1)).unwrap();
        assert!(SignalReader::open_any(folder.path()).is_err(), "{to}");
    }
    assert_ne!(hash_examples(&examples), hash_examples(&examples[1..]));
}

#[test]
fn bytes_a_token_are_as_the_documentation_says() {
    let folder = tempfile::tempdir().unwrap();
    let header = SignalHeader::new("t", "t", "d", 49152, 32, &[2.0]).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let mut writer = SignalWriter::open(folder.path(), header.clone(), 8).unwrap();
    for _ in 0..8 {
        let example = TokenExample::all_scored((0..33).map(|_| random.random_range(0..49152)).collect());
        let mut row = SignalRow::start(&example);
        for _ in 0..32 {
            let logits: Vec<f32> = (0..49152).map(|_| random.random_range(-9.0..9.0)).collect();
            row.push_logits(&header, &logits).unwrap();
        }
        writer.push(row).unwrap();
    }
    let bytes = writer.finish().unwrap().bytes_per_token();
    assert!((180.0..300.0).contains(&bytes), "{bytes} bytes a token");
}
