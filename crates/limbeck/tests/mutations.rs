//! Damaged recipes and tokenizers: each is read or refused, none breaks the reader.
//!
//! `tests/mutations/mutate.py` does the same with the whole program, and measures memory and time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::Path;

use limbeck::recipe::{BUILTIN, Override, load_text};
use serde_json::{Value, json};

/// A small generator of our own, so that the mutants are the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}

const FRAGMENTS: &[&str] = &[
    "[",
    "]",
    "[[",
    "]]",
    "=",
    "\"",
    "'''",
    "\n",
    "{",
    "}",
    ".",
    ",",
    "#",
    "-",
    "nan",
    "inf",
    "-1",
    "0",
    "99999999999999999999",
    "9223372036854775807",
    "1e999",
    "true",
    "kind",
    "kind = \"layers\"",
    "\u{0}",
    "é",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r = 1",
    "2026-01-01",
];

fn mutate(text: &str, dice: &mut Dice) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=dice.below(4) {
        let at = dice.below(chars.len());
        match dice.below(5) {
            0 => {
                let end = (at + 1 + dice.below(20)).min(chars.len());
                chars.drain(at.min(end)..end);
            }
            1 => {
                let fragment = FRAGMENTS[dice.below(FRAGMENTS.len())];
                chars.splice(at..at, fragment.chars());
            }
            2 => chars.truncate(at),
            3 => {
                let end = (at + dice.below(60)).min(chars.len());
                let copy = chars[at..end].to_vec();
                let to = dice.below(chars.len());
                chars.splice(to..to, copy);
            }
            _ => {
                if let Some(place) = chars.get_mut(at) {
                    *place = char::from(32 + dice.below(95) as u8);
                }
            }
        }
        if chars.is_empty() {
            break;
        }
    }
    chars.into_iter().collect()
}

#[test]
fn ten_thousand_damaged_recipes_are_read_or_refused() {
    let mut sources: Vec<&str> = BUILTIN.iter().map(|one| one.text).collect();
    sources.push(include_str!("tiny.toml"));
    let mut dice = Dice(0x1234_5678_9abc_def1);
    let (mut read, mut refused) = (0, 0);
    for turn in 0..10_000 {
        let text = mutate(sources[turn % sources.len()], &mut dice);
        match load_text(&text, Path::new("mutant.toml"), &[]) {
            Ok(loaded) => {
                assert!(!loaded.resolved.is_empty());
                read += 1;
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                refused += 1;
            }
        }
    }
    // Both ends of the reader were met.
    assert!(read > 100 && refused > 1000, "{read} read, {refused} refused");
}

/// What stands in the place of every value in turn.
fn awkward() -> Vec<Value> {
    let deep = json!([[[[[[[]]]]]]]);
    let (long, nul) = ("x".repeat(10_000), "\0");
    let numbers = json!([
        0,
        -1,
        1,
        0.5,
        1e-300,
        1_000_000_000,
        1_u64 << 31,
        1_u64 << 32,
        1_u64 << 53,
        i64::MAX,
        u64::MAX,
        1e308
    ]);
    let mut all: Vec<Value> = numbers.as_array().unwrap().clone();
    all.extend([json!(""), json!(long), json!(nul), json!(true), json!([]), deep, json!({}), Value::Null]);
    all
}

/// The paths of all values, of long lists and tables those at both ends.
fn paths(value: &Value, here: &str, all: &mut Vec<String>) {
    let below: Vec<(String, &Value)> = match value {
        Value::Object(entries) => {
            entries.iter().map(|(key, value)| (key.replace('~', "~0").replace('/', "~1"), value)).collect()
        }
        Value::Array(items) => items.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    let count = below.len();
    for (at, (key, value)) in below.into_iter().enumerate() {
        if count <= 30 || at < 3 || at + 3 >= count {
            let path = format!("{here}/{key}");
            paths(value, &path, all);
            all.push(path);
        }
    }
}

#[test]
fn every_value_of_a_recipe_may_be_awkward() {
    let text = include_str!("tiny.toml");
    let recipe = load_text(text, Path::new("tiny.toml"), &[]).unwrap().recipe;
    let mut keys = Vec::new();
    paths(&serde_json::to_value(&recipe).unwrap(), "", &mut keys);
    assert!(keys.len() > 60, "{}", keys.len());
    let (mut read, mut refused) = (0, 0);
    for key in keys {
        let key = key.trim_start_matches('/').replace('/', ".");
        for value in awkward().iter().filter(|value| !value.is_null()) {
            // JSON is TOML for all of these but the empty table and the character NUL, which are spelt alike here.
            let change = Override::from_flag(&format!("{key}={value}")).unwrap();
            match load_text(text, Path::new("tiny.toml"), &[change]) {
                Ok(_) => read += 1,
                Err(_) => refused += 1,
            }
        }
    }
    assert!(read > 50 && refused > 500, "{read} read, {refused} refused");
}

#[test]
fn every_value_of_a_tokenizers_files_may_be_awkward() {
    let place = tempfile::tempdir().unwrap();
    let run = place.path().join("run");
    let steps = [
        "--set",
        "training.steps=1",
        "--set",
        "teacher.training.steps=1",
        "--set",
        "baseline={train=false, skip=\"a test\"}",
    ];
    common::succeed(common::on_tiny("train", &run, &steps));
    let student = run.join("student");
    for file in ["tokenizer.json", "tokenizer_config.json"] {
        let whole: Value = serde_json::from_slice(&std::fs::read(student.join(file)).unwrap()).unwrap();
        let mut keys = Vec::new();
        paths(&whole, "", &mut keys);
        for key in keys {
            for value in awkward() {
                let mut mutant = whole.clone();
                *mutant.pointer_mut(&key).unwrap() = value;
                std::fs::write(student.join(file), mutant.to_string()).unwrap();
                if let Ok(tokenizer) = limbeck::model::Tokenizer::from_folder(&student) {
                    let _ = tokenizer
                        .encode("Van done in 1 . Hat done in", true)
                        .map(|ids| tokenizer.decode(&ids));
                }
            }
        }
        std::fs::write(student.join(file), whole.to_string()).unwrap();
    }
}

#[test]
fn recipes_with_awkward_values_run_or_are_refused() {
    let place = tempfile::tempdir().unwrap();
    for (index, change) in [
        "training.seed=9223372036854775807",
        "training.warmup_steps=9223372036854775807",
        "training.checkpoint_every=9007199254740992",
        "training.slices=256",
        "training.eps=1e-300",
        "evaluation.max_examples=9223372036854775807",
        "data.distractors=64",
        "objectives.0.weight=1e-300",
    ]
    .iter()
    .enumerate()
    {
        let folder = place.path().join(index.to_string());
        let quick = [
            "--set",
            "audit=false",
            "--set",
            "training.steps=2",
            "--set",
            "teacher.training.steps=2",
            "--set",
            change,
        ];
        let output = common::on_tiny("run", &folder, &quick).output().unwrap();
        let told = common::stderr(&output);
        assert!(
            matches!(output.status.code(), Some(0 | 2 | 3)) && !told.contains("a defect of"),
            "{change}: {told}"
        );
    }
}
