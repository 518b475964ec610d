//! `limbeck gate`: what it lets pass, what it stops, and what it says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::Path;
use std::process::Output;

use common::{limbeck, on_tiny, stderr, succeed};
use serde_json::{Value, json};

fn gate(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = limbeck();
    command.arg("gate").arg(folder).args(arguments);
    command.output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Puts figures of our own into a run's results.
fn plant(folder: &Path, figures: &[(&str, Value)]) {
    let path = folder.join("results.json");
    let mut results: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    for (place, value) in figures {
        *results.pointer_mut(place).unwrap() = value.clone();
    }
    std::fs::write(&path, results.to_string()).unwrap();
}

#[test]
fn bounds_are_held_against_a_run() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("run");
    let recipe_gates = r#"gates=[{measure="evaluation.student.accuracy", at_least=0.5}]"#;
    let run = on_tiny("run", &folder, &["--set", recipe_gates]).output().unwrap();
    assert!(run.status.code().is_some_and(|code| code < 2), "{}", stderr(&run));
    let estimate = |value: f64, low: f64, high: f64| json!({ "value": value, "low": low, "high": high });
    plant(
        &folder,
        &[
            ("/evaluation/student/accuracy", estimate(0.80, 0.75, 0.85)),
            ("/evaluation/student/agreement", estimate(0.89, 0.86, 0.92)),
            ("/evaluation/student/kl", json!({ "value": null, "low": null, "high": null })),
            ("/audit/student/accuracy", estimate(0.9, 0.8, 0.95)),
            ("/audit/student/logit_difference", estimate(2.0, 1.5, 2.5)),
            ("/audit/brittleness/student/severity", estimate(0.05, 0.03, 0.08)),
            ("/audit/brittleness/student/worst", estimate(55.0, 50.0, 60.0)),
            ("/audit/alignment/a", estimate(0.85, 0.83, 0.87)),
        ],
    );
    let all = [
        "--min-accuracy",
        "0.8",
        "--min-agreement",
        "0.85",
        "--max-severity",
        "0.05",
        "--min-alignment",
        "0.8",
    ];
    let fine = gate(&folder, &all);
    assert_eq!(fine.status.code(), Some(0), "{}{}", stdout(&fine), stderr(&fine));
    assert_eq!(stdout(&fine).lines().count(), 4);
    assert!(stdout(&fine).lines().all(|line| line.starts_with("passed: ")), "{}", stdout(&fine));

    let broken = gate(&folder, &["--min-accuracy", "0.9", "--min-agreement", "0.85", "--max-worst", "20"]);
    assert_eq!(broken.status.code(), Some(1), "{}", stderr(&broken));
    let said = stdout(&broken);
    assert!(
        said.contains("failed: evaluation.student.accuracy is 0.8000 (95% interval 0.7500 to 0.8500), but must be at least 0.9"),
        "{said}"
    );
    assert!(said.contains("failed: audit.brittleness.student.worst is 55.0000"), "{said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("failed")).count(), 2, "{said}");

    // Beyond the bound by its value, but not by its interval.
    let unsure = gate(&folder, &["--min-agreement", "0.9"]);
    assert_eq!(unsure.status.code(), Some(1));
    assert!(stdout(&unsure).starts_with("failed, cannot tell: "), "{}", stdout(&unsure));
    let lenient = gate(&folder, &["--min-agreement", "90%", "--cannot-tell", "pass"]);
    assert_eq!(lenient.status.code(), Some(0), "{}", stderr(&lenient));
    assert!(stdout(&lenient).starts_with("passed, cannot tell: "), "{}", stdout(&lenient));

    // A measure that no results can hold, and a bound in another unit, are mistakes of whoever asks.
    let unknown = gate(&folder, &["--at-most", "evaluation.student.nonsense=100"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(stderr(&unknown).contains("evaluation.student has no \"nonsense\""), "{}", stderr(&unknown));
    for (flag, bound, right) in [("--min-accuracy", "90", "0.9"), ("--max-worst", "0.3", "30")] {
        let mistaken = gate(&folder, &[flag, bound]);
        assert_eq!(mistaken.status.code(), Some(2), "{flag}");
        assert!(stderr(&mistaken).contains(&format!("write {right}")), "{}", stderr(&mistaken));
    }

    // What is not there, or no number, never passes.
    for measure in ["evaluation.student.kl=100", "audit.baseline=100"] {
        let missing = gate(&folder, &["--at-most", measure]);
        assert_eq!(missing.status.code(), Some(1), "{measure}");
        assert!(stdout(&missing).contains("the results hold no such number"), "{}", stdout(&missing));
    }

    // The recipe's own gates: alone when no bound is named, beside them when asked for.
    assert!(stdout(&gate(&folder, &[])).contains("evaluation.student.accuracy is 0.8000"));
    assert_eq!(stdout(&gate(&folder, &["--min-alignment", "0.8"])).lines().count(), 1);
    assert_eq!(stdout(&gate(&folder, &["--min-alignment", "0.8", "--recipe"])).lines().count(), 2);

    let data: Value = serde_json::from_slice(
        &gate(&folder, &["--json", "--min-agreement", "0.9", "--cannot-tell", "pass"]).stdout,
    )
    .unwrap();
    assert_eq!((&data["passed"], &data["gates"][0]["answer"]), (&true.into(), &"cannot_tell".into()));
    assert_eq!(data["gates"][0]["interval"], json!([0.86, 0.92]));
}

#[test]
fn a_gate_without_bounds_or_results_is_bad_input() {
    let place = tempfile::tempdir().unwrap();
    let nothing = gate(place.path(), &["--min-accuracy", "0.5"]);
    assert_eq!(nothing.status.code(), Some(2));
    assert!(stderr(&nothing).contains("holds no results.json"), "{}", stderr(&nothing));
    std::fs::write(place.path().join("results.json"), "{ this is not JSON").unwrap();
    let damaged = gate(place.path(), &["--min-accuracy", "0.5"]);
    assert_eq!(damaged.status.code(), Some(2), "{}", stderr(&damaged));
    assert!(stderr(&damaged).contains("results.json"), "{}", stderr(&damaged));
    for bound in ["nan", "inf", "many", ""] {
        let refused = gate(place.path(), &["--min-accuracy", bound]);
        assert_eq!(refused.status.code(), Some(2), "{bound}");
        assert!(stderr(&refused).contains("--min-accuracy"), "{}", stderr(&refused));
    }
    for bound in ["evaluation.student.kl", "=3", "evaluation.student.kl=low"] {
        assert_eq!(gate(place.path(), &["--at-most", bound]).status.code(), Some(2), "{bound}");
    }

    let folder = place.path().join("run");
    succeed(on_tiny("run", &folder, &["--set", "audit=false"]));
    let none = gate(&folder, &[]);
    assert_eq!(none.status.code(), Some(2));
    assert!(
        stderr(&none).contains("no bound is named") && stderr(&none).contains("hint: "),
        "{}",
        stderr(&none)
    );
    let unaudited = gate(&folder, &["--max-severity", "1"]);
    assert_eq!(unaudited.status.code(), Some(1), "an audit that was not made passes nothing");
}
