//! A student that learns from several language models at once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::Path;

use common::{limbeck, on_tiny, stderr, succeed, tiny};

/// The tiny recipe with another teacher section.
fn recipe(place: &Path, teacher: &str) -> std::path::PathBuf {
    let text = std::fs::read_to_string(tiny()).unwrap();
    let begins = text.find("[teacher]").unwrap();
    let ends = text.find("[student]").unwrap();
    let path = place.join("ensemble.toml");
    std::fs::write(&path, format!("{}{teacher}\n{}", &text[..begins], &text[ends..])).unwrap();
    path
}

#[test]
fn two_teachers_of_earlier_runs_teach_together() {
    let place = tempfile::tempdir().unwrap();
    let mut members = Vec::new();
    for seed in ["3", "4"] {
        let folder = place.path().join(seed);
        succeed(on_tiny("train", &folder, &["--set", &format!("seed={seed}")]));
        // A teacher, and the student of the other run: both are models like any other.
        members.push(folder.join(if seed == "3" { "teacher" } else { "student" }));
    }
    let teacher = format!(
        "[teacher]\nkind = \"ensemble\"\ncombination = \"geometric\"\nmembers = [{{ source = {:?} }}, {{ source = {:?}, weight = 2.0 }}]\n",
        members[0], members[1]
    );
    let run = |out: &str, teacher: &str| {
        let mut command = limbeck();
        command
            .args(["run", "--quiet", "--json", "--out"])
            .arg(place.path().join(out))
            .arg(recipe(place.path(), teacher));
        command
    };
    succeed(run("together", &teacher));
    let results = std::fs::read_to_string(place.path().join("together/results.json")).unwrap();
    let results: serde_json::Value = serde_json::from_str(&results).unwrap();
    assert!(results["notes"].to_string().contains("ensemble of 2 models"), "{}", results["notes"]);
    assert!(results["evaluation"]["student"]["accuracy"]["value"].is_number());
    // Another weight is another teacher: the student is trained anew, and ends elsewhere.
    let weights =
        |out: &str| std::fs::read(place.path().join(out).join("student/model.safetensors")).unwrap();
    let together = weights("together");
    succeed(run("other", &teacher.replace("2.0", "0.0")));
    assert_ne!(weights("other"), together);

    let none = run("none", "[teacher]\nkind = \"ensemble\"\nmembers = []\n").output().unwrap();
    assert_eq!(none.status.code(), Some(2));
    assert!(stderr(&none).contains("teacher.members"), "{}", stderr(&none));
    let nowhere = "[teacher]\nkind = \"ensemble\"\nmembers = [{ source = \"no/such/model\" }]\n";
    let nowhere = run("none", nowhere).output().unwrap();
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(stderr(&nowhere).contains("no/such/model"), "{}", stderr(&nowhere));
}
