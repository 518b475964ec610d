//! A decoder together with its tokenizer: what a path on disk becomes, and how it is written back.

use std::path::Path;

use burn::tensor::Device;

use crate::config::DecoderConfig;
use crate::decoder::Decoder;
use crate::error::ModelError;
use crate::folder::{Lineage, ModelFiles, open_model, save_folder_pieces};
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
    /// What of its files was left out, or decided where they contradict each other, in sentences.
    pub notes: Vec<String>,
}

/// Loads a Hugging Face folder or a `.gguf` file.
///
/// # Errors
/// What is wrong with the files, by file and key or tensor.
pub fn load_model(path: &Path, device: &Device) -> Result<LoadedModel, ModelError> {
    let mut files = open_model(path)?;
    let config = config_of(&files)?;
    let (decoder, mut notes) = Decoder::from_checkpoint(&config, files.weights.as_mut(), device)?;
    let stray = files.tokenizer.drop_ids_beyond(config.vocab_size);
    notes.extend(stray.into_iter().map(|sentence| format!("{}: {sentence}", path.display())));
    notes.extend(stray_ids(&files));
    notes.extend(files.tokenizer.notes());
    Ok(LoadedModel { decoder, tokenizer: files.tokenizer, hash: files.hash, origin: files.origin, notes })
}

/// What a model's files say of it without its weights: its shape, and its tokenizer as [`load_model`] gives it.
///
/// # Errors
/// As [`load_model`]; the values of the weights are not looked at.
pub fn read_outline(path: &Path) -> Result<(DecoderConfig, Tokenizer), ModelError> {
    let mut files = open_model(path)?;
    let config = config_of(&files)?;
    files.tokenizer.drop_ids_beyond(config.vocab_size);
    Ok((config, files.tokenizer))
}

fn config_of(files: &ModelFiles) -> Result<DecoderConfig, ModelError> {
    DecoderConfig::from_hf_json(&files.config)
        .map_err(|source| ModelError::ConfigIn { path: files.config_path.clone(), source })
}

/// What a configuration says of special tokens that cannot be: ids that its tokenizer does not have. They are not used (see
/// [`Tokenizer::from_folder`]); transformers writes 50256 there when it saves a GPT-2 again.
fn stray_ids(files: &ModelFiles) -> Vec<String> {
    let mut notes = Vec::new();
    for (role, used) in
        [("bos", files.tokenizer.bos()), ("eos", files.tokenizer.eos()), ("pad", files.tokenizer.pad())]
    {
        let key = format!("{role}_token_id");
        let Some(value) = files.config.get(&key).filter(|value| !value.is_null()) else { continue };
        let ids = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        let known = |id: &serde_json::Value| {
            let id = id.as_u64().and_then(|id| u32::try_from(id).ok());
            id.is_some_and(|id| files.tokenizer.id_to_token(id).is_some())
        };
        if let Some(stray) = ids.iter().find(|id| !known(id)) {
            let instead = used.map_or_else(
                || format!("there is no {role} token"),
                |id| format!("the {role} token is {id}, as the tokenizer says"),
            );
            notes.push(format!(
                "{}: {key} {stray} is none of the tokenizer's {} tokens and is ignored; {instead}",
                files.config_path.display(),
                files.tokenizer.vocab_size()
            ));
        }
    }
    notes
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
/// A network or tokenizer without a GGUF form ([`check_gguf`](crate::weights::gguf::check_gguf)), values that `dtype` cannot hold;
/// what writing the file reports.
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
