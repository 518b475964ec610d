//! What careless hands meet: nothing of the user's is lost, stale figures are called stale, and a late failure costs only itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use common::{limbeck, on_tiny, stderr, succeed};
use serde_json::Value;

const QUICK: [&str; 6] =
    ["--set", "training.steps=3", "--set", "teacher.training.steps=3", "--set", "audit=false"];

fn quick(verb: &str, folder: &Path, more: &[&str]) -> Command {
    let mut command = on_tiny(verb, folder, &QUICK);
    command.args(more);
    command
}

fn refused(mut command: Command, parts: &[&str]) -> String {
    let output = command.output().unwrap();
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{command:?}: {told}");
    for part in parts {
        assert!(told.contains(part), "`{part}` is not in: {told}");
    }
    told
}

fn gate(folder: &Path) -> Output {
    limbeck().arg("gate").arg(folder).args(["--min-accuracy", "0"]).output().unwrap()
}

fn stale(folder: &Path, part: &str) {
    for verb in ["gate", "report"] {
        let mut command = limbeck();
        command.arg(verb).arg(folder);
        if verb == "gate" {
            command.args(["--min-accuracy", "0"]);
        }
        refused(command, &["are stale", part]);
    }
}

#[test]
fn results_know_what_they_are_of_and_a_run_folder_holds_nothing_older() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("run");
    succeed(quick("run", &folder, &[]));
    assert_eq!(gate(&folder).status.code(), Some(0));
    let results: Value = serde_json::from_slice(&fs::read(folder.join("results.json")).unwrap()).unwrap();
    assert!(
        results["made_from"]["weights"]["student/model.safetensors"].is_string(),
        "{}",
        results["made_from"]
    );

    // Weights that are not those measured.
    let weights = folder.join("student/model.safetensors");
    let whole = fs::read(&weights).unwrap();
    let mut other = whole.clone();
    *other.last_mut().unwrap() ^= 1;
    fs::write(&weights, other).unwrap();
    stale(&folder, "student/model.safetensors is not what was measured");
    fs::write(&weights, whole).unwrap();
    assert_eq!(gate(&folder).status.code(), Some(0));

    // A recipe that was laid there since.
    let recipe = fs::read_to_string(folder.join("recipe.toml")).unwrap();
    fs::write(folder.join("recipe.toml"), recipe.replace("seed = 3", "seed = 4")).unwrap();
    stale(&folder, "recipe.toml says something else");
    fs::write(folder.join("recipe.toml"), recipe).unwrap();

    // The student alone anew: what was measured on the old one goes, and results that somebody puts back are stale.
    assert!(folder.join("evaluation.json").exists());
    let results = fs::read(folder.join("results.json")).unwrap();
    succeed(quick("train", &folder, &["--force", "--set", "training.steps=4"]));
    assert!(!folder.join("evaluation.json").exists() && !folder.join("models.json").exists());
    fs::write(folder.join("results.json"), results).unwrap();
    stale(&folder, "the stage `student` was done again since");

    // A baseline that the recipe no longer trains goes too, with its curve.
    assert!(folder.join("baseline/model.safetensors").exists());
    fs::write(folder.join(".writing-killed.tmp"), "half").unwrap();
    fs::create_dir(folder.join("data/.writing-killed.tmp")).unwrap();
    succeed(quick("run", &folder, &["--force", "--set", "baseline={train=false, skip=\"a test\"}"]));
    assert!(!folder.join("baseline").exists() && !folder.join("training/baseline.json").exists());
    assert!(!fs::read_to_string(folder.join("metrics.jsonl")).unwrap().contains("\"baseline\""));
    assert!(
        !folder.join(".writing-killed.tmp").exists() && !folder.join("data/.writing-killed.tmp").exists()
    );
    assert_eq!(gate(&folder).status.code(), Some(0));

    // What somebody put beside a network is found before the network is trained anew, and stays.
    fs::write(folder.join("student/notes.md"), "mine").unwrap();
    let skip = ["--force", "--set", "baseline={train=false, skip=\"a test\"}", "--set", "training.steps=5"];
    refused(quick("train", &folder, &skip), &["notes.md", "did not write"]);
    assert_eq!(fs::read(folder.join("student/notes.md")).unwrap(), b"mine");
}

#[test]
fn nothing_that_is_not_ours_is_replaced() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("run");
    succeed(quick("train", &folder, &["--set", "baseline={train=false, skip=\"a test\"}"]));
    let student = folder.join("student");
    let export = |out: &Path, format: &str| {
        let mut command = limbeck();
        command.args(["model", "export", "--format", format]).arg(&student).arg("--out").arg(out);
        command
    };
    let thesis = place.path().join("thesis");
    fs::create_dir(&thesis).unwrap();
    fs::write(thesis.join("chapter.tex"), "years of work").unwrap();
    refused(export(&thesis, "hf"), &["thesis", "chapter.tex", "hint: "]);
    refused(export(&thesis.join("chapter.tex"), "hf"), &["chapter.tex", "a file"]);
    refused(export(&thesis.join("chapter.tex"), "gguf"), &["chapter.tex", "did not write"]);
    refused(export(&thesis, "gguf"), &["a folder"]);
    let mut logits = limbeck();
    logits
        .args(["model", "logits", "--text", "Van done in 1"])
        .arg(&student)
        .arg("--out")
        .arg(thesis.join("chapter.tex"));
    refused(logits, &["chapter.tex"]);
    fs::write(thesis.join("audit.json"), "{\"mine\": 1}").unwrap();
    let mut audit = limbeck();
    audit.args(["audit", "--teacher"]).arg(&student).arg("--student").arg(&student).arg("--out").arg(&thesis);
    refused(audit, &["audit.json"]);
    // A run folder where somebody's files would be written over.
    for (name, inside) in [("student", "thesis.tex"), ("data", "numbers.csv")] {
        let other = place.path().join(format!("other-{name}"));
        fs::create_dir_all(other.join(name)).unwrap();
        fs::write(other.join(name).join(inside), "mine").unwrap();
        refused(quick("run", &other, &[]), &[name, "did not write"]);
        assert_eq!(fs::read_dir(&other).unwrap().count(), 1, "something was written there");
    }
    let other = place.path().join("other-recipe");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("recipe.toml"), "mine").unwrap();
    refused(quick("run", &other, &[]), &["recipe.toml"]);
    assert_eq!(fs::read(thesis.join("chapter.tex")).unwrap(), b"years of work");
    assert_eq!(fs::read(thesis.join("audit.json")).unwrap(), b"{\"mine\": 1}");
    // Ours may be replaced, also when an earlier version wrote it, without a marker.
    let copy = place.path().join("copy");
    succeed(export(&copy, "hf"));
    succeed(export(&copy, "hf"));
    fs::remove_file(copy.join(".limbeck")).unwrap();
    succeed(export(&copy, "hf"));
    fs::write(copy.join("notes.md"), "mine").unwrap();
    refused(export(&copy, "hf"), &["notes.md"]);
    // Local files need no home.
    let mut show = limbeck();
    show.args(["model", "show"]).arg(&student).env_remove("HOME").env_remove("XDG_CACHE_HOME");
    succeed(show);
}

#[test]
fn an_audit_that_cannot_be_is_found_before_the_training_and_one_that_fails_costs_only_itself() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("run");
    let prompts = place.path().join("own.jsonl");
    let task = format!("audit.task={{kind=\"jsonl\", path=\"{}\"}}", prompts.display());
    let line = |text: &str| {
        format!(
            "{{\"clean\": \"{text} 1 . Hat done in\", \"corrupted\": \"{text} 2 . Hat done in\", \"right\": \" 2\", \"wrong\": \" 1\"}}\n"
        )
    };
    let train = ["--set", "training.steps=3", "--set", "teacher.training.steps=3"];
    for (text, said) in [("Zyx done in", "Zyx"), (&"Van done in 1 . ".repeat(20), "reads 64 at most")] {
        fs::write(&prompts, line(text).repeat(3)).unwrap();
        let mut command = on_tiny("run", &folder, &train);
        command.args(["--set", &task]);
        refused(command, &["audit", said]);
        refused(on_tiny("validate", &folder, &["--set", &task]), &["audit: ", said]);
        assert!(
            !folder.join("teacher").exists() && !folder.join("student").exists(),
            "{said}: trained before"
        );
    }
    // A failure that nobody can foresee: a folder stands where the audit is to be written.
    succeed(quick("run", &folder, &[]));
    fs::create_dir_all(folder.join("audit.json/deep")).unwrap();
    let mut command = on_tiny("run", &folder, &train);
    command.args([
        "--force",
        "--set",
        "audit.brittleness.curves=false",
        "--set",
        "audit.circuit.enabled=false",
    ]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("report: ") && told.contains("failed: The audit failed: "), "{told}");
    let results: Value = serde_json::from_slice(&fs::read(folder.join("results.json")).unwrap()).unwrap();
    let notes = results["notes"].to_string();
    assert!(results.get("audit").is_none() && notes.contains("The audit failed: "), "{notes}");
    assert!(fs::read_to_string(folder.join("report.html")).unwrap().contains("The audit failed: "));
}

#[test]
fn signals_are_captured_again_when_the_recipe_changes() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("run");
    for top_k in [4, 5] {
        succeed(quick("capture", &folder, &["--set", &format!("capture.top_k={top_k}")]));
        let header: Value =
            serde_json::from_slice(&fs::read(folder.join("signals/signals.json")).unwrap()).unwrap();
        assert!(header.to_string().contains(&format!("\"k\":{top_k}")), "{header}");
    }
    assert!(!folder.join("checkpoints").exists());
}

#[test]
fn divergence_is_said() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("run");
    let more = [
        "--set",
        "training.steps=12",
        "--set",
        "training.learning_rate=50.0",
        "--set",
        "training.warmup_steps=0",
    ];
    let output = quick("run", &folder, &more).output().unwrap();
    let told = stderr(&output);
    match output.status.code() {
        // The loss stayed finite: said in the terminal, the results and the manifest.
        Some(0) => {
            assert!(told.contains("diverged"), "{told}");
            for file in ["results.json", "manifest.json", "report.html"] {
                assert!(fs::read_to_string(folder.join(file)).unwrap().contains("diverged"), "{file}");
            }
        }
        code => assert!(code == Some(3) && told.contains("diverged"), "{code:?} {told}"),
    }
    let hot = "objectives=[{kind=\"forward_kl\", weight=1.0, temperature=1e30}]";
    refused(quick("run", &folder, &["--set", hot]), &["temperature", "from 0.01 to 1000"]);
}

#[test]
fn numbers_beyond_any_use_are_refused_by_key_at_once() {
    let place = tempfile::tempdir().unwrap();
    for key in [
        "training.steps",
        "training.batch_size",
        "training.learning_rate",
        "teacher.architecture.d_model",
        "teacher.architecture.n_layers",
        "teacher.architecture.max_positions",
        "data.examples",
        "data.distractors",
        "evaluation.batch_size",
        "evaluation.resamples",
        "audit.resamples",
        "audit.prompts_per_template",
        "capture.top_k",
        "capture.shard_examples",
    ] {
        for value in ["1000000000", "9223372036854775807", "1e300", "nan"] {
            let mut command =
                on_tiny("validate", &place.path().join("run"), &["--set", &format!("{key}={value}")]);
            let output = command.output().unwrap();
            assert_eq!(output.status.code(), Some(2), "{key}={value}: {}", stderr(&output));
            let last = key.rsplit('.').next().unwrap();
            assert!(stderr(&output).contains(last), "{key}={value}: {}", stderr(&output));
        }
    }
    let mut wide = on_tiny("validate", &place.path().join("run"), &[]);
    wide.args(["--set", "teacher.architecture.d_model=65536", "--set", "teacher.architecture.n_layers=1000"]);
    refused(wide, &["teacher.architecture", "GiB"]);
    let mut threads = limbeck();
    threads.args(["recipes", "list"]).env("RAYON_NUM_THREADS", "100000");
    refused(threads, &["RAYON_NUM_THREADS", "1024"]);
    let mut instructions = limbeck();
    instructions.args(["recipes", "list"]).env("LIMBECK_INSTRUCTIONS", "avx3");
    refused(instructions, &["LIMBECK_INSTRUCTIONS", "avx3", "avx512"]);
}

#[test]
fn text_of_strangers_cannot_act_on_the_terminal() {
    let place = tempfile::tempdir().unwrap();
    let strange = "a\u{1b}]0;x\u{7}\u{202e}\u{9b}2Jb";
    let recipe = place.path().join("r.toml");
    fs::write(
        &recipe,
        format!(
            "name = \"x\"\n\"{}\" = 1\n",
            strange.replace('\u{1b}', "\\u001b").replace('\u{7}', "\\u0007")
        ),
    )
    .unwrap();
    for arguments in [
        vec!["run".to_owned(), format!("{strange}.toml")],
        vec!["run".to_owned(), recipe.display().to_string()],
        vec!["model".to_owned(), "show".to_owned(), strange.to_owned()],
        vec!["run".to_owned(), "quickstart".to_owned(), "--set".to_owned(), format!("{strange}=1")],
        vec![strange.to_owned()],
    ] {
        let output = limbeck().args(&arguments).output().unwrap();
        let told = stderr(&output) + &String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(2), "{told}");
        let bad = told.chars().find(|letter| *letter != '\n' && limbeck::data::text::is_unsafe(*letter));
        assert_eq!(bad, None, "{arguments:?}: {told:?}");
    }
    let told = stderr(&limbeck().args(["model", "show", "hf:org/n@hf_abcdefghijklmnop"]).output().unwrap());
    assert!(told.contains("HF_TOKEN") && !told.contains("abcdefghij"), "{told}");
}
