//! Runs of the program on the tiny recipe.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The program, deaf to the settings of whoever runs the tests.
pub fn limbeck() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_limbeck"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LIMBECK") {
            command.env_remove(name);
        }
    }
    command.env("NO_COLOR", "1");
    command
}

/// The tiny recipe's file.
pub fn tiny() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tiny.toml")
}

/// `limbeck VERB tiny.toml --out FOLDER`, with further arguments.
pub fn on_tiny(verb: &str, folder: &Path, more: &[&str]) -> Command {
    let mut command = limbeck();
    command.arg(verb).arg(tiny()).arg("--out").arg(folder).args(more);
    command
}

/// What a finished process wrote to stderr.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs to the end; anything but exit code 0 fails the test.
pub fn succeed(mut command: Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, stderr(&output));
    output
}

/// All files below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}
