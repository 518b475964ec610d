//! Reproductions on the embedded digits: resumed to the same bits, with clear words about wrong data.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::Path;
use std::process::Output;

use common::{files, limbeck, stderr, succeed};

fn small(name: &str, out: &Path, more: &[&str]) -> Output {
    let mut command = limbeck();
    command.args(["reproduce", name, "--small", "--quiet", "--json", "--out"]).arg(out).args(more);
    succeed(command)
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_experiments_are_listed_and_an_unknown_one_is_answered_with_them() {
    let mut command = limbeck();
    command.args(["reproduce", "list"]);
    let listed = String::from_utf8(succeed(command).stdout).unwrap();
    for name in [
        "hinton-mnist",
        "hinton-temperature",
        "hinton-no-threes",
        "hinton-sevens-eights",
        "hinton-speech",
        "hinton-regulariser",
        "hinton-specialists",
        "sound-student",
        "sound-student-smollm2",
    ] {
        assert!(listed.contains(name), "{listed}");
    }
    let output = limbeck().args(["reproduce", "hinton-mnits"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("hinton-mnist"), "{}", stderr(&output));
}

#[test]
fn a_run_goes_on_from_its_networks_to_the_same_bits() {
    let place = tempfile::tempdir().unwrap();
    let first = json(&small("hinton-mnist", place.path(), &["--seeds", "2"]));
    assert_eq!(first["networks"].as_array().unwrap().len(), 10);
    assert_eq!(first["tables"][0]["rows"][0]["paper"], 67.0);
    assert_eq!(first["tables"][0]["rows"][0]["per_seed"].as_array().unwrap().len(), 2);
    let page = std::fs::read_to_string(place.path().join("hinton-mnist/report.html")).unwrap();
    assert!(page.contains("The paper's figures beside ours") && !page.contains("<script"));
    // The networks know how long they took, so the same figures mean that none was trained again.
    assert_eq!(json(&small("hinton-mnist", place.path(), &["--seeds", "2"])), first);
    // One network lost, as after a kill while it was trained: it comes back with the same weights.
    let lost = first["networks"][1]["key"].as_str().unwrap();
    let folder = place.path().join("networks").join(lost);
    let weights = std::fs::read(folder.join("classifier.safetensors")).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let again = json(&small("hinton-mnist", place.path(), &["--seeds", "2"]));
    assert_eq!(std::fs::read(folder.join("classifier.safetensors")).unwrap(), weights);
    assert_eq!(again["tables"], first["tables"]);
    // Another experiment finds the teachers there.
    let networks = || files(&place.path().join("networks")).len();
    let before = networks();
    small("hinton-no-threes", place.path(), &["--seeds", "2"]);
    assert_eq!(networks() - before, 2 * 3, "two students of three files each, and no teacher");
}

#[test]
fn numbers_beyond_all_use_are_refused_at_once() {
    let place = tempfile::tempdir().unwrap();
    for (experiment, more, key) in [
        ("hinton-mnist", ["--set", "teacher.hidden=[1000000000]"], "teacher.hidden"),
        ("hinton-mnist", ["--set", "teacher.hidden=[60000, 60000, 60000, 60000, 60000]"], "teacher.hidden"),
        ("hinton-mnist", ["--set", "teacher.epochs=1000000000000"], "teacher.epochs"),
        ("hinton-mnist", ["--seeds", "1000000000000"], "--seeds"),
        (
            "sound-student",
            ["--set", "measures.prompts_per_template=1000000000"],
            "measures.prompts_per_template",
        ),
        ("sound-student", ["--set", "measures.prompts_per_template=0"], "prompts_per_template"),
        ("sound-student", ["--set", "teacher.architecture.d_model=65536"], "d_model"),
    ] {
        let mut command = limbeck();
        command.args(["reproduce", experiment, "--out"]).arg(place.path()).args(more);
        let began = std::time::Instant::now();
        let output = command.output().unwrap();
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{more:?}: {told}");
        assert!(told.contains(key), "{more:?}: {told}");
        assert!(began.elapsed().as_secs() < 20 && !place.path().join("networks").exists(), "{more:?}");
    }
}

#[test]
fn every_experiment_on_pictures_runs_small() {
    let place = tempfile::tempdir().unwrap();
    for name in ["hinton-temperature", "hinton-sevens-eights", "hinton-specialists"] {
        let found = json(&small(name, place.path(), &["--jobs", "2"]));
        assert!(!found["claims"].as_array().unwrap().is_empty(), "{name}");
        assert!(!found["tables"][0]["rows"].as_array().unwrap().is_empty(), "{name}");
        assert_eq!(found["small"], true);
    }
}

#[test]
fn the_number_of_jobs_changes_nothing() {
    let place = tempfile::tempdir().unwrap();
    let of = |jobs: &str| {
        let folder = place.path().join(jobs);
        json(&small("hinton-specialists", &folder, &["--jobs", jobs]))["tables"].clone()
    };
    assert_eq!(of("1"), of("3"));
}

#[test]
fn sound_students_are_compared_over_seeds_and_found_again() {
    let place = tempfile::tempdir().unwrap();
    let validation = ["--seeds", "2", "--set", "phase='validation'"];
    let first = json(&small("sound-student", place.path(), &validation));
    let candidates = first["networks"].as_array().unwrap().len() / 2 - 1;
    assert!(candidates > 10, "every kind of objective is tried");
    assert_eq!(first["claims"].as_array().unwrap().len(), candidates - 1);
    let rows = first["tables"][0]["rows"].as_array().unwrap();
    assert_eq!(rows.len(), candidates + 1, "the teacher and every candidate");
    for row in &rows[1..] {
        let severity = row["ours"]["value"].as_f64().unwrap();
        assert!((0.0..=100.0).contains(&severity), "{row}");
        assert_eq!(row["per_seed"].as_array().unwrap().len(), 2);
    }
    // A network and every measurement lost: all comes back the same.
    let lost = first["networks"][1]["key"].as_str().unwrap();
    std::fs::remove_dir_all(place.path().join("networks").join(lost)).unwrap();
    std::fs::remove_dir_all(place.path().join("measures")).unwrap();
    let again = json(&small("sound-student", place.path(), &validation));
    let but_costs = |found: &serde_json::Value| {
        let tables = found["tables"].as_array().unwrap();
        (tables[..tables.len() - 1].to_vec(), found["claims"].clone())
    };
    assert_eq!(but_costs(&again), but_costs(&first));
    // One variant is asked about once more, on other seeds.
    let confirmed =
        json(&small("sound-student", place.path(), &["--seeds", "1", "--set", "phase='confirmation'"]));
    let claims = confirmed["claims"].as_array().unwrap();
    assert_eq!(claims.len(), 1);
    assert!(claims[0]["statement"].as_str().unwrap().starts_with("ablated student: "), "{}", claims[0]);
    // A list that does not begin with plain distillation has nothing to compare with.
    let mut command = limbeck();
    command.args(["reproduce", "sound-student", "--small", "--out"]).arg(place.path());
    let output = command.args(["--set", "variants=[]"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("begins with plain distillation"), "{}", stderr(&output));
}

#[test]
fn the_second_confirmation_is_not_looked_at_before_its_seeds_are_done() {
    let place = tempfile::tempdir().unwrap();
    let of = |seeds: &str| {
        json(&small("sound-student", place.path(), &["--seeds", seeds, "--set", "phase='confirmation-2'"]))
    };
    let early = of("1");
    assert!(early["claims"].as_array().unwrap().is_empty());
    assert_eq!(early["tables"].as_array().unwrap().len(), 1, "what it cost");
    assert!(early["notes"][1].as_str().unwrap().contains("1 of 2 seeds"), "{}", early["notes"]);
    let whole = of("2");
    let claims = whole["claims"].as_array().unwrap();
    let main = claims.iter().filter(|claim| claim["statement"].as_str().unwrap().starts_with("main outcome"));
    assert_eq!((main.count(), claims.len()), (2, 10));
    let rows = whole["tables"][0]["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 5, "plain, variant, control, and two differences");
    for row in &rows[..3] {
        let damage = row["ours"]["value"].as_f64().unwrap();
        assert!((0.0..=100.0).contains(&damage), "{row}");
    }
    // A control is trained for its own number of steps, and the networks of both runs are the same.
    let steps = |label: &str| {
        let all = whole["networks"].as_array().unwrap();
        all.iter().find(|one| one["label"].as_str().unwrap().contains(label)).unwrap()["epoch"].clone()
    };
    assert_eq!(
        (steps("student plain,").as_u64(), steps("student plain, 9 steps").as_u64()),
        (Some(6), Some(9))
    );
}

#[test]
fn wrong_data_and_wrong_settings_are_bad_input() {
    let place = tempfile::tempdir().unwrap();
    let refuse = |arguments: &[&str]| {
        let output =
            limbeck().args(["reproduce", "hinton-mnist", "--out"]).arg(place.path()).args(arguments).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        stderr(&output)
    };
    let data = place.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let given = format!("mnist={}", data.display());
    assert!(refuse(&["--data", &given]).contains("no train-images-idx3-ubyte"));
    for name in [
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    ] {
        std::fs::write(data.join(name), b"\0\0\x08\x09\0\0\0\x01").unwrap();
    }
    assert!(refuse(&["--data", &given]).contains("0x00000809"));
    // Right magic, too few images.
    let mut images = vec![0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1];
    images.push(9);
    std::fs::write(data.join("train-images-idx3-ubyte"), images).unwrap();
    std::fs::write(data.join("train-labels-idx1-ubyte"), b"\0\0\x08\x01\0\0\0\x01\x03").unwrap();
    assert!(refuse(&["--data", &given]).contains("60000 images"));
    assert!(refuse(&["--data", "mnist=no/such/folder"]).contains("--data mnist=FOLDER"));
    assert!(refuse(&["--data", "mnits=x"]).contains("fashion-mnist"));
    assert!(refuse(&["--small", "--set", "teacher.epocs=3"]).contains("epocs"));
    assert!(refuse(&["--small", "--set", "teachr.epochs=3"]).contains("teachr"));
    assert!(refuse(&["--small", "--set", "held_out=5000"]).contains("held_out"));
    assert!(refuse(&["--small", "--set", "teacher.hidden_dropout=1.5"]).contains("hidden_dropout"));
}
