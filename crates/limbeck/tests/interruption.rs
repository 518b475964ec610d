//! A run that is killed or interrupted at any moment goes on to the same bits.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{on_tiny, stderr, succeed};

/// Steps enough that there is time to kill.
const LONGER: [&str; 6] =
    ["--set", "training.steps=24", "--set", "teacher.training.steps=24", "--set", "audit=false"];

fn start(folder: &Path) -> Child {
    on_tiny("run", folder, &LONGER).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

fn weights(folder: &Path) -> (Vec<u8>, Vec<u8>) {
    let read = |file: &str| std::fs::read(folder.join(file)).unwrap();
    (read("student/model.safetensors"), read("baseline/model.safetensors"))
}

fn wait_for(what: &str, child: &mut Child, holds: impl Fn() -> bool) -> bool {
    let began = Instant::now();
    while !holds() {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        assert!(began.elapsed() < Duration::from_secs(120), "{what} never came");
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}

fn network_in_checkpoints(folder: &Path, network: &str) -> bool {
    std::fs::read_dir(folder.join("checkpoints")).is_ok_and(|entries| {
        entries.flatten().any(|entry| {
            entry.file_name().to_string_lossy().starts_with(network)
                && std::fs::read_dir(entry.path()).is_ok_and(|mut inside| inside.next().is_some())
        })
    })
}

#[test]
fn killed_at_any_moment_a_run_ends_in_the_same_bits() {
    let place = tempfile::tempdir().unwrap();
    let whole = place.path().join("whole");
    succeed(on_tiny("run", &whole, &LONGER));
    let killed = place.path().join("killed");
    let moments: [(&str, &dyn Fn() -> bool); 5] = [
        ("the data", &|| killed.join("recipe.toml").exists()),
        ("a checkpoint of the teacher", &|| network_in_checkpoints(&killed, "teacher-")),
        ("a checkpoint of the student", &|| network_in_checkpoints(&killed, "student-")),
        ("the student", &|| killed.join("student").exists()),
        ("a checkpoint of the baseline", &|| network_in_checkpoints(&killed, "baseline-")),
    ];
    let mut kills = 0;
    for (what, holds) in moments {
        let mut child = start(&killed);
        if wait_for(what, &mut child, holds) {
            child.kill().unwrap();
            kills += 1;
        }
        child.wait().unwrap();
    }
    assert!(kills >= 3, "the run was killed {kills} times only");
    succeed(on_tiny("run", &killed, &LONGER));
    assert!(weights(&whole) == weights(&killed), "the weights differ");
}

#[test]
fn ctrl_c_ends_cleanly_and_the_same_command_goes_on() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("run");
    let mut child = start(&folder);
    let met =
        wait_for("a checkpoint of the student", &mut child, || network_in_checkpoints(&folder, "student-"));
    assert!(met, "the run ended before it could be interrupted");
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(130), "{told}");
    assert!(told.contains("hint: the same command goes on from there"), "{told}");
    succeed(on_tiny("run", &folder, &LONGER));
}

/// An audit stopped on the way goes on with the parts it had found, to the same figures.
#[test]
fn an_audit_that_was_stopped_goes_on_where_it_was() {
    let place = tempfile::tempdir().unwrap();
    let (whole, stopped) = (place.path().join("whole"), place.path().join("stopped"));
    let more = ["--set", "audit.prompts_per_template=6", "--set", "audit.batch_size=2"];
    succeed(on_tiny("audit", &whole, &more));
    let mut child =
        on_tiny("audit", &stopped, &more).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let parts = || {
        let mut folders = std::fs::read_dir(stopped.join("checkpoints")).into_iter().flatten().flatten();
        folders
            .any(|folder| std::fs::metadata(folder.path().join("parts")).is_ok_and(|file| file.len() > 2_000))
    };
    assert!(wait_for("parts of the audit", &mut child, parts), "the audit ended before it could be stopped");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(130), "{told}");
    assert!(told.contains("stopped at "), "what was stopped is said to be done:\n{told}");

    let told = stderr(&succeed(on_tiny("audit", &stopped, &more)));
    assert!(told.contains("parts that an interrupted process has found"), "{told}");
    let read = |folder: &Path| std::fs::read(folder.join("audit.json")).unwrap();
    assert!(read(&whole) == read(&stopped), "the figures differ");
    assert!(!stopped.join("checkpoints").exists(), "what is finished needs no parts");
}

#[test]
fn two_runs_do_not_write_one_folder() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("run");
    let mut child = start(&folder);
    assert!(wait_for("the recipe", &mut child, || folder.join("recipe.toml").exists()));
    let second = on_tiny("run", &folder, &LONGER).output().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(second.status.code(), Some(2));
    assert!(stderr(&second).contains("another run is writing"), "{}", stderr(&second));
}
