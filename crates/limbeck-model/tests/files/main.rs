//! Files in and out: weights, tokenizers, chat templates, damaged input.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod chats;
mod companions;
mod hostile;
mod made;
mod mutations;
mod refused;
mod roundtrip;
mod settings;
mod splits;
mod tokenizers;
mod tokens;
mod weights;

use std::path::{Path, PathBuf};

use burn::tensor::Device;

/// Where the tests compute.
fn flex() -> Device {
    Device::flex()
}

/// A file under tests/fixtures.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// A file in the folder of large shared files, or `None` with a message.
fn shared(name: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("LIMBECK_SHARED_DATA") else {
        eprintln!("skipped: LIMBECK_SHARED_DATA is not set");
        return None;
    };
    Some(Path::new(&folder).join(name))
}
