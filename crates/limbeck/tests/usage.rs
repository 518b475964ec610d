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
