//! SIGKILL at any moment, and again: the same bits.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use common::{bits, distillation, metrics_without_seconds};
use limbeck_data::progress::Silent;
use limbeck_distill::train;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const DIR: &str = "LIMBECK_TEST_KILL_DIR";
const STEPS: u64 = 60;

/// The child's side: trains in the folder the environment names and writes the final bits. Run by the test below.
#[test]
#[ignore = "the child process of `killed_again_and_again_it_ends_in_the_same_bits`"]
fn child() {
    let dir = PathBuf::from(std::env::var_os(DIR).expect("only the test below starts this"));
    let outcome = train(distillation(&dir, STEPS), &Silent).unwrap();
    let text: String = bits(&outcome.decoder).iter().map(|word| format!("{word:08x}")).collect();
    limbeck_data::atomic::write_atomic(&dir.join("bits"), text.as_bytes()).unwrap();
}

fn start(dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "child"])
        .env(DIR, dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn killed_again_and_again_it_ends_in_the_same_bits() {
    let (whole, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let begin = Instant::now();
    assert!(start(whole.path()).wait().unwrap().success());
    let duration = begin.elapsed();
    let mut random = ChaCha8Rng::seed_from_u64(std::process::id().into());
    let mut kills = 0;
    for _ in 0..8 {
        let mut child = start(killed.path());
        std::thread::sleep(duration.mul_f64(random.random_range(0.1..0.6)));
        if child.try_wait().unwrap().is_none() {
            // On Unix this is SIGKILL.
            child.kill().unwrap();
            kills += 1;
        }
        child.wait().unwrap();
    }
    assert!(start(killed.path()).wait().unwrap().success());
    assert!(kills >= 2, "only {kills} kills came in time");
    let read = |dir: &tempfile::TempDir| std::fs::read_to_string(dir.path().join("bits")).unwrap();
    assert_eq!(read(&whole), read(&killed));
    let metrics = |dir: &tempfile::TempDir| metrics_without_seconds(&dir.path().join("metrics.jsonl"));
    assert_eq!(metrics(&whole), metrics(&killed));
    assert_eq!(metrics(&whole).len(), STEPS as usize);
    // Nothing half-written is left.
    for entry in std::fs::read_dir(killed.path().join("checkpoints")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name.starts_with("step-"), "{name}");
    }
}
