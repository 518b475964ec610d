//! Data as people bring it: what is trained on, what is held out, what is said of the rest.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use common::{limbeck, stderr};
use limbeck_model::{Lineage, Tokenizer, save_hf_folder};
use limbeck_testkit::{deeper, tiny_gpt2};
use serde_json::{Value, json};

/// A tokenizer.json of one token a byte, an end token behind them, and a token for each pair that is merged.
fn bytes_tokenizer(merges: &[[&str; 2]]) -> Value {
    let printable = |byte: u32| (33..=126).contains(&byte) || (161..=172).contains(&byte) || byte >= 174;
    let (mut vocabulary, mut next) = (serde_json::Map::new(), 256);
    for byte in 0..256_u32 {
        let letter = if printable(byte) {
            byte
        } else {
            next += 1;
            next - 1
        };
        vocabulary.insert(char::from_u32(letter).unwrap().to_string(), byte.into());
    }
    vocabulary.insert("<eos>".to_owned(), 256.into());
    for (id, pair) in (257..).zip(merges) {
        vocabulary.insert(pair.concat(), id.into());
    }
    json!({
        "version": "1.0",
        "added_tokens": [{"id": 256, "content": "<eos>", "single_word": false, "lstrip": false, "rstrip": false,
                          "normalized": false, "special": true}],
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "vocab": vocabulary, "merges": merges},
    })
}

/// A folder with a model of 257 tokens and 64 positions, and recipes over it.
struct Bench {
    place: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self::merging(&[])
    }

    /// With a tokenizer that merges these pairs of bytes.
    fn merging(merges: &[[&str; 2]]) -> Self {
        let place = tempfile::tempdir().unwrap();
        let (words, model) = (place.path().join("words"), place.path().join("model"));
        fs::create_dir(&words).unwrap();
        fs::write(words.join("tokenizer.json"), bytes_tokenizer(merges).to_string()).unwrap();
        fs::write(words.join("tokenizer_config.json"), json!({"eos_token": "<eos>"}).to_string()).unwrap();
        let tokenizer = Tokenizer::from_folder(&words).unwrap();
        let mut config = tiny_gpt2();
        (config.vocab_size, config.max_positions) = (257 + merges.len(), 64);
        save_hf_folder(&model, &deeper(&config, 2, 1), &tokenizer, &Lineage::default()).unwrap();
        Self { place }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    fn rows(&self, name: &str, count: usize, row: impl Fn(usize) -> Value) -> PathBuf {
        let lines: String = (0..count).map(|index| format!("{}\n", row(index))).collect();
        self.write(name, lines)
    }

    /// Runs a verb on a recipe whose `[data]` section is given.
    fn run(&self, verb: &str, data: &str, more: &[&str]) -> Output {
        let recipe = format!(
            "name = \"it\"\nseed = 1\naudit = false\n[teacher]\nkind = \"model\"\nsource = \"{}\"\n[student]\nkind = \"layers\"\nselect = \"even\"\n[[objectives]]\nkind = \"forward_kl\"\nweight = 1.0\n[training]\nsteps = 1\nbatch_size = 2\n[baseline]\nskip = \"a test\"\n[data]\n{data}\n",
            self.at("model").display()
        );
        let path = self.write("recipe.toml", recipe);
        limbeck().arg(verb).arg(path).arg("--out").arg(self.at("run")).args(more).output().unwrap()
    }

    /// What `validate` finds in records of a source.
    fn survey(&self, source: &Path, more: &str) -> Result<Value, String> {
        let data =
            format!("kind = \"records\"\nsource = \"{}\"\nsequence_length = 60\n{more}", source.display());
        let output = self.run("validate", &data, &["--json"]);
        match output.status.success() {
            true => Ok(serde_json::from_slice::<Value>(&output.stdout).unwrap()["survey"].clone()),
            false => Err(stderr(&output)),
        }
    }
}

fn sum(index: usize) -> Value {
    json!({"prompt": format!("{index} and {index}? "), "completion": (2 * index).to_string()})
}

fn notes(survey: &Value) -> String {
    survey["notes"].as_array().unwrap().iter().map(|note| format!("{}\n", note.as_str().unwrap())).collect()
}

#[test]
fn tokens_across_the_border_of_prompt_and_answer_are_counted() {
    let bench = Bench::merging(&[["b", "c"]]);
    let parts = |index: usize| match index % 4 {
        0 => json!({"prompt": "ab", "completion": "cd"}),
        1 => json!({"prompt": "a", "completion": "bcd"}),
        2 => json!({"prompt": "abc", "completion": "d"}),
        _ => json!({"prompt": "ab ", "completion": "cd"}),
    };
    let file = bench.rows("records.jsonl", 40, parts);
    let found = bench.survey(&file, "").unwrap();
    let losses = &found["losses"];
    assert_eq!(
        (&losses["read"], &losses["spanning_tokens"], &losses["spanning_records"]),
        (&json!(40), &json!(10), &json!(10))
    );
    assert!(notes(&found).contains("scored with the answer: 10, in 10 of 40 records"), "{found}");
    let none = bench.rows("none.jsonl", 40, |_| parts(3));
    assert_eq!(bench.survey(&none, "").unwrap()["losses"]["spanning_tokens"], 0);
    // A run keeps the count beside its data, in its manifest and in its results.
    let data = format!("kind = \"records\"\nsource = \"{}\"\nsequence_length = 60", file.display());
    let output = bench.run("run", &data, &[]);
    assert!(output.status.success(), "{}", stderr(&output));
    let read = |name: &str| fs::read_to_string(bench.at("run").join(name)).unwrap();
    let summary: Value = serde_json::from_str(&read("data/data.json")).unwrap();
    assert_eq!(summary["losses"]["spanning_tokens"], 10);
    for name in ["manifest.json", "results.json", "report.html"] {
        assert!(read(name).contains("scored with the answer: 10, in 10 of 40 records"), "{name}");
    }
    assert!(stderr(&output).contains("scored with the answer: 10"), "{}", stderr(&output));
}

#[test]
fn a_folder_is_its_training_split_and_its_validation_is_held_out() {
    let bench = Bench::new();
    let folder = bench.at("set");
    bench.rows("set/data/train.jsonl", 12, sum);
    for name in [
        "README.md",
        "LICENSE.txt",
        "dataset_infos.json",
        ".ipynb_checkpoints/train.jsonl",
        "data/._train.jsonl",
    ] {
        bench.write(&format!("set/{name}"), "not data");
    }
    let found = bench.survey(&folder, "held_out = 0.25").unwrap();
    assert_eq!((&found["training"], &found["held_out"]), (&json!(9), &json!(3)));
    for name in ["README.md", "dataset_infos.json", "._train.jsonl"] {
        assert!(notes(&found).contains(name), "{found}");
    }
    bench.rows("set/data/validation.jsonl", 5, sum);
    bench.rows("set/data/test.jsonl", 7, sum);
    for (setting, [training, held_out]) in
        [("", [12, 5]), ("held_out = \"test\"", [12, 7]), ("held_out = 0.25", [9, 3])]
    {
        let found = bench.survey(&folder, setting).unwrap();
        assert_eq!(
            (&found["training"], &found["held_out"]),
            (&json!(training), &json!(held_out)),
            "{setting}"
        );
        assert!(notes(&found).contains("test"), "{found}");
    }
    let error = bench.survey(&folder, "held_out = \"dev\"").unwrap_err();
    assert!(error.contains("no split `dev`") && error.contains("validation, test"), "{error}");
}

#[test]
fn configurations_are_kept_apart() {
    let bench = Bench::new();
    for (name, count) in [("en", 8), ("de", 12)] {
        bench.rows(&format!("set/{name}/train.jsonl"), count, sum);
    }
    let error = bench.survey(&bench.at("set"), "").unwrap_err();
    assert!(error.contains("`de`, `en`") && error.contains("data.config"), "{error}");
    let found = bench.survey(&bench.at("set"), "config = \"en\"\nheld_out = 0.25").unwrap();
    assert_eq!(found["training"], 6);
    bench.write(
        "set/README.md",
        "---\nconfigs:\n- config_name: all\n  data_files:\n  - split: train\n    path: \"*/train.jsonl\"\n---\n",
    );
    assert_eq!(bench.survey(&bench.at("set"), "held_out = 0.25").unwrap()["training"], 15);
}

#[test]
fn what_is_lost_is_counted_and_too_much_is_refused() {
    let bench = Bench::new();
    let long = |index: usize| {
        let words = if index.is_multiple_of(10) { 1 } else { 30 };
        json!({"prompt": "rain ".repeat(words), "completion": "quay"})
    };
    let source = bench.rows("long.jsonl", 40, long);
    let error = bench.survey(&source, "").unwrap_err();
    for part in
        ["of 40 records, 36 left out", "prompt alone", "data.sequence_length = 60", "155", "data.max_lost"]
    {
        assert!(error.contains(part), "{part} is not in {error}");
    }
    let data = format!(
        "kind = \"records\"\nsource = \"{}\"\nsequence_length = 60\nmax_lost = 0.95\nheld_out = 0.25",
        source.display()
    );
    let output = bench.run("run", &data, &[]);
    assert!(output.status.success(), "{}", stderr(&output));
    for place in ["data/data.json", "manifest.json", "results.json", "report.html"] {
        let text = fs::read_to_string(bench.at("run").join(place)).unwrap();
        assert!(text.contains("36 left out"), "{place}: {text}");
    }
    assert!(stderr(&output).contains("36 left out") && stderr(&output).contains("fewer than 30"));
}

#[test]
fn ids_beyond_the_vocabulary_and_wrong_rows_are_named_by_file_and_line() {
    let bench = Bench::new();
    let ids = |index: usize| json!({"input_ids": [1, 2, if index == 3 { 257 } else { 256 }]});
    let source = bench.rows("ids.jsonl", 8, ids);
    for verb in ["train", "capture", "validate"] {
        let output = bench.run(verb, &format!("kind = \"records\"\nsource = \"{}\"", source.display()), &[]);
        assert_eq!(output.status.code(), Some(2), "{verb}");
        for part in ["ids.jsonl, line 4", "input_ids[2]", "the id 257", "below 257"] {
            assert!(stderr(&output).contains(part), "{verb}: {part} is not in {}", stderr(&output));
        }
    }
    let mixed =
        |index: usize| if index.is_multiple_of(3) { json!({"text": 5}) } else { json!({"text": "rain"}) };
    let error = bench.survey(&bench.rows("mixed.jsonl", 30, mixed), "").unwrap_err();
    assert!(
        error.contains("line 1,") && error.contains("line 13,") && !error.contains("line 16,"),
        "{error}"
    );
    let source = bench.rows("long.jsonl", 8, |_| json!({"text": "rain ".repeat(13)}));
    let output = bench.run("train", &format!("kind = \"records\"\nsource = \"{}\"", source.display()), &[]);
    assert!(
        stderr(&output).contains("65 tokens") && stderr(&output).contains("64 positions"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn columns_that_mean_something_are_used_or_refused_and_the_others_named() {
    let bench = Bench::new();
    let labels =
        |_| json!({"input_ids": [7, 8, 9], "labels": [-100, 8, 9], "attention_mask": [1, 1, 1], "id": 4});
    let found = bench.survey(&bench.rows("labels.jsonl", 8, labels), "held_out = 0.5").unwrap();
    assert_eq!(found["scored_tokens"], 8);
    assert!(notes(&found).contains("not used: `id`"), "{found}");
    let tools = |_| json!({"messages": [{"role": "assistant", "content": "a"}], "tools": [{"name": "look"}]});
    let source = bench.rows("tools.jsonl", 8, tools);
    let error = bench.survey(&source, "").unwrap_err();
    assert!(error.contains("tools.jsonl, line 1, column `tools`"), "{error}");
    assert!(bench.survey(&source, "ignore = [\"tools\"]").is_ok());
    let csv: String = (0..8).map(|index| format!("{index} and,{index}\n")).collect();
    let source = bench.write("sums.csv", format!("prompt,completion\n{csv}"));
    assert_eq!(bench.survey(&source, "held_out = 0.5").unwrap()["training"], 4);
}

#[test]
fn several_sources_are_mixed_by_weight() {
    let bench = Bench::new();
    let (first, second) = (bench.rows("a.jsonl", 40, sum), bench.rows("b.jsonl", 8, sum));
    let data = |weights: [&str; 2]| {
        format!(
            "kind = \"records\"\nheld_out = 0.25\n[[data.sources]]\nsource = \"{}\"\n{}\n[[data.sources]]\nsource = \"{}\"\n{}",
            first.display(),
            weights[0],
            second.display(),
            weights[1]
        )
    };
    for (weights, training) in [(["", ""], 36), (["weight = 2.0", "weight = 1"], 18)] {
        let output = bench.run("validate", &data(weights), &["--json"]);
        assert!(output.status.success(), "{}", stderr(&output));
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(found["survey"]["training"], training);
        assert!(notes(&found["survey"]).contains("b.jsonl: 6 examples"), "{found}");
    }
    let output = bench.run("validate", &data(["weight = 2.0", ""]), &[]);
    assert!(stderr(&output).contains("give all of them one"), "{}", stderr(&output));
}

#[test]
fn validate_estimates_every_stage_and_leaves_the_run_folder_alone() {
    let bench = Bench::new();
    let source = bench.rows("sums.jsonl", 40, sum);
    let found = bench.survey(&source, "").unwrap();
    assert_eq!((&found["training"], &found["held_out"]), (&json!(30), &json!(10)));
    assert!(notes(&found).contains("10 examples are held out, fewer than 30"), "{found}");
    let stages: Vec<&str> = found["estimate"]["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["stage"].as_str().unwrap())
        .collect();
    assert_eq!(stages, ["student", "evaluate"]);
    assert!(!bench.at("run").exists());
    let output = common::on_tiny("validate", &bench.at("run"), &[]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for part in [
        "valid",
        "64 examples to train on, 16 held out",
        "teacher",
        "baseline",
        "evaluate",
        "audit",
        "in all",
    ] {
        assert!(text.contains(part), "{part} is not in {text}{}", stderr(&output));
    }
}

#[cfg(unix)]
#[test]
fn pipes_and_devices_are_refused() {
    let bench = Bench::new();
    let pipe = bench.at("pipe.jsonl");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(bench.survey(&pipe, "").unwrap_err().contains("a named pipe"));
    bench.rows("set/train.jsonl", 8, sum);
    fs::rename(&pipe, bench.at("set/more.jsonl")).unwrap();
    assert!(bench.survey(&bench.at("set"), "").unwrap_err().contains("a named pipe"));
}
