//! GGUF, the file format of llama.cpp: reading versions 1 to 3, writing version 3.
//!
//! Layout (ggml, docs/gguf.md): magic, version, tensor count, key count, keys with typed values, tensor descriptions, padding to
//! `general.alignment`, tensor data. Version 1 has 32-bit counts and lengths, versions 2 and 3 have 64-bit ones.

mod blocks;
mod config;
mod cursor;
mod error;
mod export;
mod file;
mod k_blocks;
mod keys;
mod names;
mod quantise;
mod rope;
mod source;
mod split;
mod value;
mod writer;

pub use blocks::TensorType;
pub use config::hf_config;
pub use error::GgufError;
pub use export::{GgufDtype, check_gguf, save_gguf_pieces};
pub use file::{GgufFile, TensorInfo};
pub use quantise::quantise_q8_0;
pub use source::GgufSource;
pub use split::split_parts;
pub use value::{Array, Value, ValueType};
pub use writer::{GgufWriter, StoredTensor};
