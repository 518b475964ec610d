//! GGUF models split over several files.

use std::path::{Path, PathBuf};

use limbeck_model::load_model;
use limbeck_model::weights::gguf::{GgufFile, Value, split_parts};

use crate::flex;
use crate::made::{bytes_of, gguf_of};

/// Writes a model as three files and returns their paths.
fn split(folder: &Path, file: &GgufFile) -> Vec<PathBuf> {
    let names: Vec<&String> = file.tensors().keys().collect();
    let part_of = |name: &str| names.iter().position(|one| *one == name).unwrap_or(0) * 3 / names.len();
    (0..3)
        .map(|part| {
            let mut metadata = file.metadata().clone();
            if part > 0 {
                metadata.retain(|key, _| key == "general.architecture");
            }
            metadata.insert("split.no".into(), Value::U16(part as u16));
            metadata.insert("split.count".into(), Value::U16(3));
            metadata.insert("split.tensors.count".into(), Value::I32(names.len() as i32));
            let path = folder.join(format!("tiny-{:05}-of-00003.gguf", part + 1));
            let bytes = bytes_of(file, metadata, |name| part_of(name) == part, &[]);
            std::fs::write(&path, bytes).unwrap();
            path
        })
        .collect()
}

#[test]
fn a_split_model_is_read_from_any_of_its_parts() {
    let place = tempfile::tempdir().unwrap();
    let file = gguf_of("llama");
    let parts = split(place.path(), &file);
    let whole = place.path().join("whole.gguf");
    std::fs::write(&whole, bytes_of(&file, file.metadata().clone(), |_| true, &[])).unwrap();
    let expected = load_model(&whole, &flex()).unwrap();
    let mut hashes = Vec::new();
    for part in &parts {
        let found = load_model(part, &flex()).unwrap();
        assert_eq!(found.decoder.to_hf_weights(), expected.decoder.to_hf_weights());
        assert_eq!(found.tokenizer.hash(), expected.tokenizer.hash());
        hashes.push(found.hash);
        assert_eq!(split_parts(part).unwrap(), parts);
    }
    assert!(hashes.iter().all(|hash| *hash == hashes[0]) && hashes[0] != expected.hash);
    assert_eq!(split_parts(&whole), None);
    assert_eq!(split_parts(Path::new("x-00004-of-00003.gguf")), None);
    assert_eq!(split_parts(Path::new("x-1-of-2.gguf")), None);
}

#[test]
fn missing_and_foreign_parts_are_named() {
    let place = tempfile::tempdir().unwrap();
    let file = gguf_of("llama");
    let parts = split(place.path(), &file);
    let refused = |path: &Path| load_model(path, &flex()).err().unwrap().to_string();
    let renamed = place.path().join("model.gguf");
    std::fs::copy(&parts[1], &renamed).unwrap();
    let error = refused(&renamed);
    assert!(error.contains("part 2 of 3") && error.contains("-00002-of-00003.gguf"), "{error}");

    std::fs::rename(&parts[1], place.path().join("away")).unwrap();
    for part in [&parts[0], &parts[2]] {
        let error = refused(part);
        assert!(error.contains("split model") && error.contains("tiny-00002-of-00003.gguf"), "{error}");
        assert!(!error.contains("tiny-00001-of-00003.gguf,"), "{error}");
    }
    std::fs::copy(&parts[2], &parts[1]).unwrap();
    let error = refused(&parts[0]);
    assert!(error.contains("tiny-00002-of-00003.gguf is no part"), "{error}");

    // A part of another model.
    let other = tempfile::tempdir().unwrap();
    let others = split(other.path(), &gguf_of("qwen2"));
    std::fs::copy(&others[1], &parts[1]).unwrap();
    let error = refused(&parts[0]);
    assert!(error.contains("general.architecture"), "{error}");
}

#[test]
fn counts_of_parts_that_cannot_be_are_refused() {
    let file = gguf_of("llama");
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("tiny-00001-of-00002.gguf");
    for (no, count, key) in [
        (Value::U16(0), Value::U64(1 << 63), "split.count"),
        (Value::U16(0), Value::F32(f32::NAN), "split.count"),
        (Value::U16(7), Value::U16(3), "split.no"),
        (Value::Bool(true), Value::U16(3), "split.no"),
        (Value::U16(0), Value::U32(99_999), "00099-of-99999"),
    ] {
        let mut metadata = file.metadata().clone();
        metadata.extend([("split.no".to_owned(), no), ("split.count".to_owned(), count)]);
        std::fs::write(&path, bytes_of(&file, metadata, |_| true, &[])).unwrap();
        let error = load_model(&path, &flex()).err().unwrap().to_string();
        assert!(error.contains(key) || error.contains("part 1 of 99999"), "{error}");
    }
}
