//! How alike the components of two networks are.

mod alignment;
mod attention_maps;
mod eigen;
mod matching;
mod residual;

pub use alignment::{AlignmentInput, alignment};
pub use attention_maps::AttentionMaps;
pub use matching::{AlignmentParts, Pairing, alignment_parts};
pub use residual::ResidualStreams;
