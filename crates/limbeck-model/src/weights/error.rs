//! What can be wrong with weights on disk.

use std::path::PathBuf;

use thiserror::Error;

use super::gguf::GgufError;
use crate::error::ConfigError;
use crate::tokenizer::TokenizerError;

/// A failure to read or write a model's files.
#[derive(Debug, Error)]
pub enum WeightsError {
    /// The operating system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A GGUF file is not what it should be.
    #[error("{path}: {source}")]
    Gguf {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        #[source]
        source: GgufError,
    },
    /// A safetensors header is not what it should be.
    #[error("{path}: not a valid safetensors file: {reason}")]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        reason: String,
    },
    /// A JSON file does not parse.
    #[error("{path}: not valid JSON: {source}")]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// A JSON file parses, but a value in it is missing or of the wrong kind.
    #[error("{path}: {key} should be {expected}")]
    JsonValue {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// What would be right.
        expected: &'static str,
    },
    /// A tensor has a type that weights cannot have.
    #[error("{path}: tensor {tensor} is stored as {found}; weights are F64, F32, F16 or BF16")]
    UnsupportedType {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its stored type.
        found: String,
    },
    /// A weight is infinite or no number.
    #[error("{path}: tensor {tensor} holds {found} at element {index}; weights are finite")]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor, as the file calls it.
        tensor: String,
        /// The value.
        found: String,
        /// Its place in the tensor, row-major, from 0.
        index: usize,
    },
    /// A weight that the number format to be written cannot hold.
    #[error("tensor {tensor} {reason}; {remedy}")]
    NotHeld {
        /// The tensor.
        tensor: String,
        /// What would become of it.
        reason: String,
        /// The format that would hold it.
        remedy: &'static str,
    },
    /// What was named is no file: a folder, a pipe, a device.
    #[error("{path} is not a regular file")]
    NotAFile {
        /// What was named.
        path: PathBuf,
    },
    /// A file that is read whole is larger than any of its kind.
    #[error("{path} has {found} bytes; such files have at most {most}")]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Its size.
        found: u64,
        /// The limit.
        most: u64,
    },
    /// The name is not there.
    #[error("{origin} has no tensor {tensor}")]
    MissingTensor {
        /// The name asked for.
        tensor: String,
        /// Where it was looked for.
        origin: String,
    },
    /// Two files of one model both hold a tensor.
    #[error("tensor {tensor} is in {first} and again in {second}")]
    DuplicateTensor {
        /// The tensor.
        tensor: String,
        /// The first file.
        first: PathBuf,
        /// The second file.
        second: PathBuf,
    },
    /// The number of values does not fit the shape.
    #[error("tensor {tensor} of shape {shape:?} cannot hold {values} values")]
    ShapeMismatch {
        /// The tensor.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
        /// How many values came with it.
        values: usize,
    },
    /// A folder holds no model this program reads.
    #[error("{path} holds no model: {missing} is not there")]
    NotAModel {
        /// The folder or file.
        path: PathBuf,
        /// What was looked for.
        missing: &'static str,
    },
    /// The configuration of an export is no decoder's.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The model or tokenizer has no form in the file to be written.
    #[error("cannot write {format}: {reason}")]
    NotExportable {
        /// The format.
        format: &'static str,
        /// Why not.
        reason: String,
    },
    /// A file could not be put in place.
    #[error(transparent)]
    Data(#[from] limbeck_data::DataError),
    /// The tokenizer beside the weights is not what it should be.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

impl WeightsError {
    pub(crate) fn io(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { path, source }
    }

    /// The first value of `values` that is not finite, as an error.
    pub(crate) fn check_finite(path: &std::path::Path, tensor: &str, values: &[f32]) -> Result<(), Self> {
        let Some(index) = super::float::first_not_finite(values) else { return Ok(()) };
        let (path, tensor) = (path.to_path_buf(), tensor.to_owned());
        let found = values.get(index).map(f32::to_string).unwrap_or_default();
        Err(Self::NotFinite { path, tensor, found, index })
    }

    pub(crate) fn gguf(path: &std::path::Path) -> impl FnOnce(GgufError) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Gguf { path, source }
    }
}
