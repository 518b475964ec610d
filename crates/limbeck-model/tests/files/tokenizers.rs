//! Tokenizers give the ids of the reference, from tokenizer.json and from GGUF alike.

use std::collections::BTreeMap;
use std::path::Path;

use limbeck_model::tokenizer::ClosedSpecials;
use limbeck_model::weights::MappedFile;
use limbeck_model::weights::gguf::{GgufError, GgufFile, GgufWriter, Value};
use limbeck_model::{Compatibility, Tokenizer, TokenizerError};
use serde::Deserialize;

use crate::{fixture, shared};

const RULES: [&str; 4] = ["gpt-2", "smollm", "llama-bpe", "qwen2"];

#[derive(Deserialize)]
struct Golden {
    samples: Vec<String>,
    ids: BTreeMap<String, Vec<Vec<u32>>>,
}

fn golden() -> Golden {
    serde_json::from_slice(&std::fs::read(fixture("tokenizers/golden.json")).unwrap()).unwrap()
}

fn from_json(rule: &str) -> Tokenizer {
    Tokenizer::from_folder(&fixture("tokenizers").join(rule)).unwrap()
}

/// A GGUF file without tensors.
fn gguf_of(metadata: BTreeMap<String, Value>) -> GgufFile {
    let mut bytes = Vec::new();
    GgufWriter { metadata, tensors: vec![] }.write(&mut bytes, &mut |_| unreachable!()).unwrap();
    GgufFile::parse(MappedFile::from_bytes(Path::new("memory.gguf"), bytes)).unwrap()
}

fn check(tokenizer: &Tokenizer, golden: &Golden, rule: &str) {
    for (text, expected) in golden.samples.iter().zip(&golden.ids[rule]) {
        let ids = tokenizer.encode(text, false).unwrap();
        assert_eq!(&ids, expected, "{rule}: {text:?}");
        // Normal form C is the only thing that changes a text.
        if !(rule == "qwen2" && text.contains('\u{301}')) {
            assert_eq!(&tokenizer.decode_all(&ids).unwrap(), text, "{rule}");
        }
    }
}

#[test]
fn ids_are_those_of_the_reference() {
    let golden = golden();
    for rule in RULES {
        let tokenizer = from_json(rule);
        check(&tokenizer, &golden, rule);
        assert_eq!(tokenizer.eos(), tokenizer.token_to_id("<|im_end|>"));
        assert!(tokenizer.eos().is_some());
    }
}

#[test]
fn gguf_keeps_ids_and_hash() {
    let golden = golden();
    for rule in RULES {
        let original = from_json(rule).with_chat_template("{{ messages }}");
        let metadata = original.gguf_metadata(original.vocab_size() + 13).unwrap();
        assert_eq!(metadata["tokenizer.ggml.pre"], Value::String(rule.into()));
        let again = Tokenizer::from_gguf(&gguf_of(metadata.clone())).unwrap();
        check(&again, &golden, rule);
        assert_eq!(again.hash(), original.hash(), "{rule}");
        assert_eq!(again.compatibility(&original), Compatibility::Same);
        assert_eq!((again.bos(), again.eos(), again.pad()), (original.bos(), original.eos(), original.pad()));
        assert_eq!(again.chat_template(), Some("{{ messages }}"));
        assert_eq!(again.encode("a", true).unwrap(), original.encode("a", true).unwrap());
        assert_eq!(again.encode("a", true).unwrap().len(), if rule == "llama-bpe" { 2 } else { 1 });
        assert_eq!(again.gguf_metadata(original.vocab_size() + 13).unwrap(), metadata, "kept as read");
        let json = again.to_tokenizer_json().unwrap();
        let third = Tokenizer::from_json_bytes(json.as_bytes(), "memory").unwrap();
        check(&third, &golden, rule);
        assert_eq!(third.hash(), original.hash());
        assert!(matches!(original.gguf_metadata(10), Err(TokenizerError::NoGgufForm { .. })));
    }
}

#[test]
fn missing_and_wrong_keys_are_named() {
    let metadata = from_json("smollm").gguf_metadata(400).unwrap();
    let with = |key: &str, value: Option<Value>| {
        let mut changed = metadata.clone();
        changed.remove(key);
        changed.extend(value.map(|value| (key.to_owned(), value)));
        Tokenizer::from_gguf(&gguf_of(changed)).unwrap_err()
    };
    for key in
        ["tokenizer.ggml.tokens", "tokenizer.ggml.merges", "tokenizer.ggml.pre", "tokenizer.ggml.model"]
    {
        let error = with(key, None);
        assert!(
            matches!(&error, TokenizerError::Gguf { source: GgufError::MissingKey { key: found }, .. } if found == key),
            "{error}"
        );
        let error = with(key, Some(Value::Bool(true)));
        assert!(
            matches!(&error, TokenizerError::Gguf { source: GgufError::WrongValue { key: found, .. }, .. } if found == key),
            "{error}"
        );
    }
    let error = with("tokenizer.ggml.pre", Some(Value::String("tekken".into())));
    assert!(matches!(error, TokenizerError::UnknownPreTokenizer { .. }));
    let error = with("tokenizer.ggml.model", Some(Value::String("bert".into())));
    assert!(matches!(error, TokenizerError::UnsupportedModel { .. }));
    let error = with("tokenizer.ggml.eos_token_id", Some(Value::U32(400)));
    assert!(error.to_string().contains("eos_token_id"), "{error}");
}

#[test]
fn differences_are_exact() {
    let (gpt2, smollm) = (from_json("gpt-2"), from_json("smollm"));
    assert_eq!(gpt2.difference(&gpt2), None);
    let sentence = gpt2.difference(&smollm);
    assert_eq!(gpt2.hash() == smollm.hash(), sentence.is_none());
    let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let closed = |list: &[&str]| Tokenizer::closed(&words(list), &ClosedSpecials::default()).unwrap();
    let (short, long, other) = (closed(&["a", "b"]), closed(&["a", "b", "c"]), closed(&["a", "x"]));
    assert_eq!(short.compatibility(&long), Compatibility::Padded { first: 2, second: 3 });
    assert_eq!(short.difference(&long), None);
    assert_eq!(
        long.difference(&other).unwrap(),
        "3 tokens against 2; the first different id is 1: \"b\" against \"x\""
    );
}

#[test]
fn a_closed_vocabulary_refuses_unknown_words() {
    let words: Vec<String> = "Van done in 1 . 2".split(' ').map(str::to_owned).collect();
    let specials =
        ClosedSpecials { bos: Some("<bos>".into()), eos: Some("<eos>".into()), pad: Some("<eos>".into()) };
    let tokenizer = Tokenizer::closed(&words, &specials).unwrap();
    assert_eq!(tokenizer.vocab_size(), 8);
    let ids = tokenizer.encode("Van done  in 1 .", true).unwrap();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6]);
    assert_eq!(tokenizer.decode(&ids).unwrap(), "Van done in 1 .");
    assert_eq!(tokenizer.decode_all(&ids).unwrap(), "<bos> Van done in 1 .");
    let error = tokenizer.encode("Van lost in 1 .", false).unwrap_err();
    assert!(
        matches!(&error, TokenizerError::UnknownWord { word, position: 2, size: 8 } if word == "lost"),
        "{error}"
    );
    assert!(matches!(tokenizer.decode(&[8]), Err(TokenizerError::UnknownId { id: 8, size: 8 })));
    let again =
        Tokenizer::from_json_bytes(tokenizer.to_tokenizer_json().unwrap().as_bytes(), "memory").unwrap();
    assert!(again.is_closed());
    assert_eq!(again.hash(), tokenizer.hash());
    assert!(matches!(tokenizer.gguf_metadata(8), Err(TokenizerError::NoGgufForm { .. })));
    for bad in ["", "two words", "<unk>"] {
        assert!(matches!(
            Tokenizer::closed(&[bad.to_owned()], &specials),
            Err(TokenizerError::BadWord { .. })
        ));
    }
    let twice = ["a".to_owned(), "a".to_owned()];
    assert!(matches!(Tokenizer::closed(&twice, &specials), Err(TokenizerError::DuplicateToken { .. })));
}

#[test]
fn sentence_piece_in_a_gguf() {
    let Some(path) = shared("models/stories260k-f32.gguf") else {
        return;
    };
    let tokenizer = Tokenizer::from_gguf(&GgufFile::open(&path).unwrap()).unwrap();
    assert_eq!((tokenizer.vocab_size(), tokenizer.bos(), tokenizer.eos()), (512, Some(1), Some(2)));
    let text = "Once upon a time, there was a little girl named Lily. é";
    let ids = tokenizer.encode(text, true).unwrap();
    assert_eq!(ids[0], 1);
    // What llama2.c's own tokenizer gives for these words with this vocabulary.
    assert_eq!(&ids[1..5], [403, 407, 261, 378], "{ids:?}");
    assert_eq!(tokenizer.decode(&ids).unwrap(), text);
}
