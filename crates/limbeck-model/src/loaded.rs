//! A decoder together with its tokenizer: what a path on disk becomes, and how it is written back.

use std::path::Path;

use burn::tensor::Device;

use crate::config::DecoderConfig;
use crate::decoder::Decoder;
use crate::error::ModelError;
use crate::folder::{Lineage, open_model, save_folder_pieces};
use crate::tokenizer::Tokenizer;
use crate::weights::FloatFormat;
use crate::weights::gguf::{GgufDtype, save_gguf_pieces};

/// A decoder that knows its tokenizer and where it came from.
#[derive(Clone)]
pub struct LoadedModel {
    /// The network.
    pub decoder: Decoder,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    /// BLAKE3 (hex) of its files.
    pub hash: String,
    /// Where it came from, for people.
    pub origin: String,
}

/// Loads a Hugging Face folder or a `.gguf` file.
///
/// # Errors
/// What is wrong with the files, by file and key or tensor.
pub fn load_model(path: &Path, device: &Device) -> Result<LoadedModel, ModelError> {
    let mut files = open_model(path)?;
    let config = DecoderConfig::from_hf_json(&files.config)?;
    let decoder = Decoder::from_weights(&config, files.weights.as_mut(), device)?;
    Ok(LoadedModel { decoder, tokenizer: files.tokenizer, hash: files.hash, origin: files.origin })
}

/// Writes a folder that transformers loads, weights in `f32`.
///
/// # Errors
/// What writing the files reports.
pub fn save_hf_folder(
    folder: &Path,
    decoder: &Decoder,
    tokenizer: &Tokenizer,
    lineage: &Lineage,
) -> Result<(), ModelError> {
    let config = decoder.config().to_hf_json();
    let mut weights = decoder.to_hf_weights();
    let format = FloatFormat::F32;
    save_folder_pieces(folder, &config, &mut weights, tokenizer, lineage, format)?;
    Ok(())
}

/// Writes a GGUF file that llama.cpp loads.
///
/// # Errors
/// A tokenizer without a GGUF form; what writing the file reports.
pub fn save_gguf(
    path: &Path,
    decoder: &Decoder,
    tokenizer: &Tokenizer,
    dtype: GgufDtype,
) -> Result<(), ModelError> {
    let config = decoder.config().to_hf_json();
    let mut weights = decoder.to_hf_weights();
    save_gguf_pieces(path, &config, &mut weights, tokenizer, dtype)?;
    Ok(())
}
