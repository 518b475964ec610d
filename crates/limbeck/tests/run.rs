//! A whole run of seconds, through the program.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{files, limbeck, on_tiny, stderr, succeed};
use limbeck::model::{
    Activation, Decoder, DecoderConfig, Lineage, Parameter, Sizes, Tokenizer, save_hf_folder,
};
use serde_json::Value;

#[test]
fn a_run_goes_from_recipe_to_report_and_is_not_done_twice() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("run");
    let mut command = on_tiny("run", &folder, &["--json"]);
    command.env("HF_TOKEN", "hf_verysecrettoken");
    let output = succeed(command);
    let data: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(data["verdict"]["headline"].is_string());

    let results: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("results.json")).unwrap()).unwrap();
    let mut measures: Vec<String> =
        ["a", "similarity", "influence"].map(|m| format!("/audit/alignment/{m}")).into();
    for network in ["teacher", "student", "baseline"] {
        measures.extend(["accuracy", "loss"].map(|m| format!("/evaluation/{network}/{m}")));
        measures.extend(["mean", "worst", "severity"].map(|m| format!("/audit/brittleness/{network}/{m}")));
    }
    for network in ["student", "baseline"] {
        measures.extend(["agreement", "kl"].map(|m| format!("/evaluation/{network}/{m}")));
    }
    for measure in measures {
        let estimate = results.pointer(&measure).unwrap_or_else(|| panic!("no {measure}"));
        for part in ["value", "low", "high"] {
            assert!(estimate.get(part).is_some(), "{measure} has no {part}");
        }
    }
    let wanted = [
        "report.html",
        "manifest.json",
        "recipe.toml",
        "metrics.jsonl",
        "teacher/config.json",
        "student/model.safetensors",
        "student/config.json",
        "student/tokenizer.json",
        "student/README.md",
        "baseline/model.safetensors",
    ];
    for file in wanted {
        assert!(folder.join(file).is_file(), "no {file}");
    }
    assert!(!folder.join("checkpoints").exists(), "finished checkpoints are removed");
    for file in files(&folder) {
        let bytes = std::fs::read(&file).unwrap();
        let found = bytes.windows(18).any(|window| window == b"hf_verysecrettoken");
        assert!(!found, "{} holds the token", file.display());
    }
    let names: Vec<Value> =
        results["training"]["runs"].as_array().unwrap().iter().map(|run| run["network"].clone()).collect();
    assert_eq!(names, ["teacher", "student", "baseline"]);
    for line in std::fs::read_to_string(folder.join("metrics.jsonl")).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(line["terms"].as_array().unwrap().iter().all(|term| term["name"].is_string()));
    }

    // No folder of this machine is in what is published.
    for file in ["student/README.md", "student/lineage.json", "baseline/README.md", "teacher/lineage.json"] {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        let here = place.path().to_str().unwrap();
        assert!(!text.contains(here) && !text.contains("output_dir"), "{file} names a local folder:\n{text}");
    }

    // The same again: every stage is skipped, the results are the same, and both are said.
    let again = succeed(on_tiny("run", &folder, &[]));
    let printed = String::from_utf8_lossy(&again.stdout).into_owned();
    assert!(printed.contains("holds this run, finished; nothing was done again"), "{printed}");
    assert!(printed.contains(results["verdict"]["headline"].as_str().unwrap().split(' ').next().unwrap()));
    let told = stderr(&again);
    for stage in ["data", "teacher", "student", "baseline", "evaluate", "audit", "export"] {
        assert!(told.contains(&format!("{stage}: unchanged, skipped")), "{stage} was done again:\n{told}");
    }
    let second: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("results.json")).unwrap()).unwrap();
    assert_eq!(results, second);

    // Another recipe does not overwrite a finished run, whatever the verb, and what differs is named.
    let before = std::fs::read(folder.join("results.json")).unwrap();
    for verb in ["run", "train", "evaluate", "audit"] {
        let more = ["--set", "audit.prompts_per_template=4", "--set", "training.steps=5"];
        let refused = on_tiny(verb, &folder, &more).output().unwrap();
        let told = stderr(&refused);
        assert_eq!(refused.status.code(), Some(2), "{told}");
        for said in ["audit.prompts_per_template: 3 -> 4", "training.steps: 6 -> 5", "--force", "--out"] {
            assert!(told.contains(said), "{verb} does not say {said}:\n{told}");
        }
    }
    assert_eq!(before, std::fs::read(folder.join("results.json")).unwrap());
    let kept = std::fs::read_to_string(folder.join("recipe.toml")).unwrap();
    assert!(kept.contains("prompts_per_template = 3"), "{kept}");

    // Another audit, when that is wanted: what is above it stays.
    let changed = succeed(on_tiny("run", &folder, &["--force", "--set", "audit.prompts_per_template=4"]));
    let told = stderr(&changed);
    assert!(told.contains("student: unchanged, skipped") && !told.contains("audit: unchanged"), "{told}");

    // A missing output is made again, alone.
    std::fs::remove_file(folder.join("audit.json")).unwrap();
    let mended = succeed(on_tiny("run", &folder, &["--set", "audit.prompts_per_template=4"]));
    assert!(stderr(&mended).contains("student: unchanged, skipped"));
    assert!(folder.join("audit.json").is_file());

    // The page alone.
    std::fs::remove_file(folder.join("report.html")).unwrap();
    let mut command = limbeck();
    command.arg("report").arg(&folder);
    succeed(command);
    assert!(folder.join("report.html").is_file());

    // A gate that says no, by another name of the same key.
    let gate = r#"gates=[{measure="evaluation.student.accuracy", at_least=1.0}]"#;
    let more = ["--set", "audit.prompts_per_template=4", "--set", gate];
    let refused = on_tiny("run", &folder, &more).output().unwrap();
    assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
}

#[test]
fn verbs_work_alone_and_models_come_and_go() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("run");
    succeed(on_tiny("train", &folder, &[]));
    assert!(!folder.join("evaluation.json").exists());
    let evaluated = succeed(on_tiny("evaluate", &folder, &["--json"]));
    let data: Value = serde_json::from_slice(&evaluated.stdout).unwrap();
    assert!(data["evaluation"]["student"]["kl"]["value"].is_number());

    // The scores by example, from which the figures follow; of an evaluation that stands, nothing is done again.
    let table = |name: &str| place.path().join(name);
    let save = |name: &str| {
        on_tiny("evaluate", &folder, &["--save-scores", table(name).to_str().unwrap()]).output().unwrap()
    };
    for name in ["scores.jsonl", "scores.parquet"] {
        let output = save(name);
        assert!(
            output.status.success() && stderr(&output).contains("evaluate: unchanged"),
            "{}",
            stderr(&output)
        );
    }
    let rows: Vec<Value> = std::fs::read_to_string(table("scores.jsonl"))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for network in ["teacher", "student", "baseline"] {
        let own = || rows.iter().filter(|row| row["set"] == "held_out" && row["network"] == network);
        let sum = |key: &str| own().map(|row| row[key].as_f64().unwrap()).sum::<f64>();
        assert_eq!(own().count() as u64, data["evaluation"]["examples"].as_u64().unwrap());
        for (measure, key) in [("loss", "loss"), ("accuracy", "correct")] {
            let told = data["evaluation"][network][measure]["value"].as_f64().unwrap();
            assert!((sum(key) / sum("tokens") - told).abs() < 1e-9, "{network} {measure}");
        }
    }
    assert!(std::fs::read(table("scores.parquet")).unwrap().starts_with(b"PAR1"));
    let wrong = save("scores.csv");
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        stderr(&wrong).contains(".jsonl or .parquet") && !table("scores.csv").exists(),
        "{}",
        stderr(&wrong)
    );

    let student = folder.join("student");
    let out = place.path().join("logits.safetensors");
    let mut command = limbeck();
    command
        .args(["model", "logits"])
        .arg(&student)
        .args(["--text", "Van done in 1 . Hat done in"])
        .arg("--out")
        .arg(&out);
    succeed(command);
    assert!(std::fs::metadata(&out).unwrap().len() > 100);

    let mut command = limbeck();
    command.args(["model", "show", "--json"]).arg(&student);
    let shown: Value = serde_json::from_slice(&succeed(command).stdout).unwrap();
    assert_eq!(shown["model"]["layers"], 1);

    let copy = place.path().join("copy");
    let mut command = limbeck();
    command.args(["model", "export"]).arg(&student).args(["--format", "hf", "--out"]).arg(&copy);
    succeed(command);
    let generate = |model: &std::path::Path| {
        let mut command = limbeck();
        command.args(["model", "generate"]).arg(model).args([
            "--prompt",
            "Van done in 1 . Hat done in",
            "--max-tokens",
            "4",
        ]);
        String::from_utf8(succeed(command).stdout).unwrap()
    };
    assert_eq!(generate(&student), generate(&copy));

    let mut command = limbeck();
    command
        .args(["audit", "--task", "numerals", "--prompts", "2", "--json", "--out"])
        .arg(folder.join("looked-inside"))
        .arg("--teacher")
        .arg(&student)
        .arg("--student")
        .arg(&student);
    let audit: Value = serde_json::from_slice(&succeed(command).stdout).unwrap();
    let a = audit["audit"]["alignment"]["a"]["value"].as_f64().unwrap();
    assert!((a - 1.0).abs() < 1e-9, "A(model, itself) = {a}");
    for answer in ["carries", "became", "alike", "breaks"] {
        assert!(!audit["answers"][answer].as_str().unwrap().is_empty(), "{answer}");
    }
    let page = std::fs::read_to_string(folder.join("looked-inside/audit.html")).unwrap();
    assert!(page.contains("What breaks first") && page.contains("id=\"disturbance\""));
    assert!(folder.join("looked-inside/audit.json").is_file());
}

#[test]
fn a_recipe_without_a_task_is_not_audited_and_says_how_to_add_one() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("run");
    let output = succeed(on_tiny("run", &folder, &["--set", "audit=false"]));
    assert!(!folder.join("audit.json").exists());
    let results = std::fs::read_to_string(folder.join("results.json")).unwrap();
    assert!(results.contains("No audit was made"), "{results}");
    let told = stderr(&output);
    for said in ["run folder", "teacher ", "student ", "parameters", "examples to train on", "[audit]"] {
        assert!(told.contains(said), "the opening lines do not say {said}:\n{told}");
    }
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(printed.contains("[audit]"), "{printed}");
}

#[test]
fn inputs_that_changed_do_not_overwrite_a_finished_run_either() {
    let place = tempfile::tempdir().unwrap();
    let (folder, prompts) = (place.path().join("run"), place.path().join("own.jsonl"));
    let line = |first: u32| {
        format!(
            "{{\"clean\": \"Van done in {first} . Hat done in\", \"corrupted\": \"Van done in {} . Hat done in\", \
             \"right\": \" {}\", \"wrong\": \" {first}\"}}\n",
            first + 20,
            first + 1
        )
    };
    std::fs::write(&prompts, (1..9).map(line).collect::<String>()).unwrap();
    let task = format!("audit.task={{kind=\"jsonl\", path=\"{}\"}}", prompts.display());
    let again = |more: &[&str]| {
        let mut all = vec!["--set", task.as_str(), "--set", "audit.prompts_per_template=8"];
        all.extend(more);
        on_tiny("run", &folder, &all)
    };
    succeed(again(&[]));
    std::fs::write(&prompts, (1..8).map(line).collect::<String>()).unwrap();
    let refused = again(&[]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("what the audit stage reads"), "{}", stderr(&refused));
    succeed(again(&["--force"]));
}

/// Settings that are fitted are compared late; the refusal finds the run as it was.
#[test]
fn a_refusal_to_replace_a_finished_run_touches_nothing_of_it() {
    let place = tempfile::tempdir().unwrap();
    let (made, folder) = (place.path().join("made"), place.path().join("run"));
    succeed(on_tiny("run", &made, &["--set", "audit=false"]));
    let recipe = place.path().join("r.toml");
    let text = format!(
        "name = \"kept\"\n[teacher]\nkind = \"model\"\nsource = \"{}\"\n[student]\nkind = \"layers\"\nselect = \"even\"\n\
         [data]\nkind = \"numerals\"\nexamples = 64\nheld_out = 32\nshifted = 8\n[training]\nsteps = 2\n\
         [[objectives]]\nkind = \"forward_kl\"\n",
        made.join("teacher").display()
    );
    std::fs::write(&recipe, text).unwrap();
    let with = |verb: &str, more: &[&str]| {
        let mut command = limbeck();
        command.arg(verb).arg(&recipe).arg("--out").arg(&folder).args(more);
        command
    };
    let rate = ["--set", "training.learning_rate=0.01"];
    succeed(with("run", &rate));
    let before = std::fs::read_to_string(folder.join("recipe.toml")).unwrap();
    for verb in ["evaluate", "train", "run"] {
        let refused = with(verb, &[]).output().unwrap();
        assert_eq!(refused.status.code(), Some(2), "{verb}: {}", stderr(&refused));
        assert!(stderr(&refused).contains("training.learning_rate: 0.01 -> "), "{}", stderr(&refused));
        assert_eq!(std::fs::read_to_string(folder.join("recipe.toml")).unwrap(), before, "{verb}");
    }
    let again = String::from_utf8_lossy(&succeed(with("run", &rate)).stdout).into_owned();
    assert!(again.contains("nothing was done again"), "{again}");
}

#[test]
fn an_audit_on_prompts_of_ones_own_is_done_again_when_they_change() {
    let place = tempfile::tempdir().unwrap();
    let (folder, prompts) = (place.path().join("run"), place.path().join("own.jsonl"));
    let line = |first: u32, other: u32| {
        format!(
            "{{\"clean\": \"Van done in {first} . Hat done in\", \"corrupted\": \"Van done in {other} . Hat done in\", \
             \"right\": \" {}\", \"wrong\": \" {first}\"}}\n",
            first + 1
        )
    };
    std::fs::write(&prompts, (1..9).map(|first| line(first, 20 + first)).collect::<String>()).unwrap();
    let task = format!("audit.task={{kind=\"jsonl\", path=\"{}\"}}", prompts.display());
    let all = "audit.prompts_per_template=8";
    let audit = || on_tiny("audit", &folder, &["--json", "--set", &task, "--set", all]);
    let found: Value = serde_json::from_slice(&succeed(audit()).stdout).unwrap();
    assert_eq!((&found["audit"]["task"], &found["audit"]["prompts"]), (&"own.jsonl".into(), &8.into()));
    let spread = &found["audit"]["student"]["logit_difference_spread"];
    assert!(
        spread["median"]["value"].is_number() && spread["standard_deviation"]["low"].is_number(),
        "{spread}"
    );
    let manifest = std::fs::read_to_string(folder.join("manifest.json")).unwrap();
    assert!(manifest.contains("audit prompts"), "{manifest}");

    assert!(stderr(&succeed(audit())).contains("audit: unchanged, skipped"));
    std::fs::write(&prompts, (1..7).map(|first| line(first, 20 + first)).collect::<String>()).unwrap();
    let found: Value = serde_json::from_slice(&succeed(audit()).stdout).unwrap();
    assert_eq!(found["audit"]["prompts"], 6);

    let student = folder.join("student");
    let of_models = |task: &str| {
        let mut command = limbeck();
        command.args(["audit", "--json", "--prompts", "2", "--task", task, "--teacher"]).arg(&student);
        command.arg("--student").arg(&student);
        command
    };
    let found: Value = serde_json::from_slice(&succeed(of_models(prompts.to_str().unwrap())).stdout).unwrap();
    assert_eq!((&found["audit"]["task"], &found["audit"]["prompts"]), (&"own.jsonl".into(), &2.into()));
    let found: Value = serde_json::from_slice(&succeed(of_models("induction")).stdout).unwrap();
    assert_eq!((&found["audit"]["task"], &found["audit"]["prompts"]), (&"induction".into(), &6.into()));

    std::fs::write(&prompts, line(1, 2) + "{\"clean\": 3}\n").unwrap();
    for (task, said) in [
        ("ioi", "cannot express the ioi task"),
        ("numeral", "it is one of numerals, number_words"),
        (prompts.to_str().unwrap(), "own.jsonl, line 2, column `clean`: found a number"),
    ] {
        let refused = of_models(task).output().unwrap();
        assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
        assert!(stderr(&refused).contains(said), "{}", stderr(&refused));
    }
}

#[test]
fn a_student_learns_from_captured_signals() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("run");
    succeed(on_tiny("train", &folder, &["--set", "capture.top_k=8"]));
    assert!(folder.join("signals").is_dir());
    assert!(folder.join("student/model.safetensors").is_file());
}

/// A model folder with a byte-level tokenizer, of which `change` changes the shape and `weight` one parameter.
fn model_folder(
    folder: &std::path::Path,
    change: impl FnOnce(&mut DecoderConfig),
    weight: impl Fn(&str, &mut Vec<f32>),
) {
    let tokenizers = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../limbeck-model/tests/fixtures");
    let tokenizer = Tokenizer::from_folder(&tokenizers.join("tokenizers/smollm")).unwrap();
    let mut config = DecoderConfig::llama(Sizes {
        vocab_size: tokenizer.vocab_size(),
        d_model: 16,
        n_layers: 2,
        n_heads: 2,
        n_kv_heads: 2,
        d_mlp: 16,
        max_positions: 64,
    });
    change(&mut config);
    let decoder = Decoder::init(&config, 3, &Default::default()).unwrap().map(&mut |name, parameter| {
        let mut values = parameter.to_vec();
        weight(name, &mut values);
        Parameter::from_vec(&parameter.shape(), values, &Default::default())
    });
    save_hf_folder(folder, &decoder, &tokenizer, &Lineage::default()).unwrap();
}

/// A run of one step whose student is exported to GGUF.
fn exporting(place: &std::path::Path, formats: &str) -> std::process::Command {
    let records: String = (0..24)
        .map(|n| format!("{{\"prompt\": \"rain {n} on\", \"completion\": \" the quay\"}}\n"))
        .collect();
    std::fs::write(place.join("records.jsonl"), records).unwrap();
    let recipe = format!(
        r#"
name = "export"
output_dir = "{run}"
audit = false
[teacher]
kind = "model"
source = "{teacher}"
[student]
kind = "layers"
select = "even"
[data]
kind = "records"
source = "{data}"
held_out = 0.25
[[objectives]]
kind = "forward_kl"
weight = 1.0
[training]
steps = 1
batch_size = 2
learning_rate = 1e-6
[baseline]
skip = "a test"
[export]
gguf = {formats}
"#,
        run = place.join("run").display(),
        teacher = place.join("teacher").display(),
        data = place.join("records.jsonl").display(),
    );
    std::fs::write(place.join("recipe.toml"), recipe).unwrap();
    let mut command = limbeck();
    command.arg("run").arg(place.join("recipe.toml"));
    command
}

#[test]
fn an_export_that_cannot_succeed_is_refused_before_training() {
    let place = tempfile::tempdir().unwrap();
    model_folder(&place.path().join("teacher"), |config| config.activation = Activation::Relu, |_, _| {});
    let output = exporting(place.path(), r#"["f32"]"#).output().unwrap();
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("export: ") && told.contains("hidden_act is relu"), "{told}");
    assert!(!place.path().join("run/student").exists() && !told.contains("training student"), "{told}");
    // `validate` says the same.
    let recipe = place.path().join("recipe.toml");
    let output = limbeck().arg("validate").arg(&recipe).output().unwrap();
    let line = |text: &str| text.lines().find(|line| line.contains("hidden_act is relu")).unwrap().to_owned();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(line(&stderr(&output)), line(&told));
    let fits = limbeck().arg("validate").arg(&recipe).args(["--set", "export.gguf=[]"]).output().unwrap();
    assert_eq!(fits.status.code(), Some(0), "{}", stderr(&fits));
}

#[test]
fn a_failed_export_costs_nothing_but_itself() {
    let place = tempfile::tempdir().unwrap();
    // A weight beyond half precision that no output depends on.
    model_folder(
        &place.path().join("teacher"),
        |_| {},
        |name, values| match name {
            "blocks.0.mlp.up.weight" => values[0] = 1e5,
            "blocks.0.mlp.down.weight" => values.iter_mut().step_by(16).for_each(|value| *value = 0.0),
            _ => {}
        },
    );
    let output = exporting(place.path(), r#"["f16", "f32"]"#).output().unwrap();
    let (told, run) = (stderr(&output), place.path().join("run"));
    assert_eq!(output.status.code(), Some(3), "{told}");
    for file in ["results.json", "report.html", "student-f32.gguf", "student/README.md"] {
        assert!(run.join(file).is_file(), "no {file}:\n{told}");
    }
    assert!(!run.join("student-f16.gguf").exists());
    let results: Value =
        serde_json::from_str(&std::fs::read_to_string(run.join("results.json")).unwrap()).unwrap();
    let notes = results["notes"].to_string();
    for text in [&notes, &String::from_utf8_lossy(&output.stdout).into_owned()] {
        assert!(text.contains("student-f16.gguf failed") && text.contains("blk.0.ffn_up.weight"), "{text}");
    }
    // The export is tried again, and says so again.
    let again = exporting(place.path(), r#"["f16", "f32"]"#).output().unwrap();
    assert_eq!(again.status.code(), Some(3), "{}", stderr(&again));
}

#[test]
fn several_seeds_train_several_students_and_compare_over_all_of_them() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("run");
    let more = ["--set", "seeds=3", "--set", "audit=false"];
    succeed(on_tiny("run", &folder, &more));
    let read = |file: &str| -> Value {
        serde_json::from_str(&std::fs::read_to_string(folder.join(file)).unwrap()).unwrap()
    };
    let weights = |network: &str| std::fs::read(folder.join(network).join("model.safetensors")).unwrap();
    for (first, second) in [("student", "student-2"), ("student-2", "student-3"), ("baseline", "baseline-2")]
    {
        assert!(weights(first) != weights(second), "{first} and {second} are the same network");
    }
    let results = read("results.json");
    assert_eq!(results["evaluation"]["seeds"], 3);
    let runs = results["training"]["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 7, "a teacher and three of each");

    // The mean over seeds and the difference follow from the scores that anybody can take away.
    let lines = std::fs::read_to_string(folder.join("scores.jsonl")).unwrap();
    let mut loss = std::collections::HashMap::<(String, u64), (f64, f64)>::new();
    for line in lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        if line["set"] != "held_out" {
            continue;
        }
        for one in line["networks"].as_array().unwrap() {
            let key = (one["network"].as_str().unwrap().to_owned(), one["training"].as_u64().unwrap());
            let (sum, tokens) = loss.entry(key).or_default();
            *sum += one["loss"].as_f64().unwrap();
            *tokens += line["tokens"].as_f64().unwrap();
        }
    }
    let mean = |network: &str| -> f64 {
        let of = |training| loss[&(network.to_owned(), training)];
        (1..=3).map(|training| of(training).0 / of(training).1).sum::<f64>() / 3.0
    };
    let close = |found: &Value, expected: f64| {
        let found = found["value"].as_f64().unwrap();
        assert!((found - expected).abs() < 1e-9, "{found} and {expected}");
    };
    close(&results["evaluation"]["over_seeds"]["student"]["loss"], mean("student"));
    close(&results["evaluation"]["over_seeds"]["baseline"]["loss"], mean("baseline"));
    let comparison = &results["evaluation"]["comparisons"][1];
    close(&comparison["difference"], mean("student") - mean("baseline"));
    let sentence = comparison["sentence"].as_str().unwrap();
    assert!(sentence.contains("over seeds and examples"), "{sentence}");
    assert!(results["verdict"]["headline"].as_str().unwrap().starts_with("Over 3 trainings"));

    // The first seed's networks are those that one seed alone would give.
    let alone = place.path().join("alone");
    let one = ["--set", "audit=false"];
    succeed(on_tiny("run", &alone, &one));
    let other = |network: &str| std::fs::read(alone.join(network).join("model.safetensors")).unwrap();
    assert!(weights("student") == other("student") && weights("baseline") == other("baseline"));
    let results: Value =
        serde_json::from_str(&std::fs::read_to_string(alone.join("results.json")).unwrap()).unwrap();
    assert!(results["verdict"]["headline"].as_str().unwrap().starts_with("In this one training"));
}
