//! Tiny models and data for the tests of every floor.

mod data;
mod models;
mod progress;

pub use data::{counting_examples, random_examples};
pub use models::{TINY_VOCAB, deeper, tiny_gpt2, tiny_llama};
pub use progress::StopAfter;
