//! What can be wrong with a tokenizer or with text given to one.

use std::path::PathBuf;

use limbeck_data::text::name;
use thiserror::Error;

use crate::weights::gguf::GgufError;

/// A failure to build or use a tokenizer.
#[derive(Debug, Error)]
pub enum TokenizerError {
    /// The operating system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A tokenizer file cannot be understood.
    #[error("{origin}: not a tokenizer: {reason}")]
    Invalid {
        /// The file or model.
        origin: String,
        /// What is wrong.
        reason: String,
    },
    /// The tokenizer keys of a GGUF file are missing or of another type.
    #[error("{path}: {source}")]
    Gguf {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: GgufError,
    },
    /// A tokenizer model there is no implementation for.
    #[error(
        "{path}: tokenizer.ggml.model {found:?} is not supported; gpt2 (byte-level BPE) and llama (SentencePiece) are"
    )]
    UnsupportedModel {
        /// The file.
        path: PathBuf,
        /// The value found.
        found: String,
    },
    /// A pre-tokenizer this program does not know.
    #[error("{origin}: pre-tokenizer {found} is not known; known are {known}")]
    UnknownPreTokenizer {
        /// The file or model.
        origin: String,
        /// The name or description found.
        found: String,
        /// The names known.
        known: String,
    },
    /// Two ids for one token.
    #[error("{origin}: token \"{}\" has the ids {first} and {second}", name(.token))]
    DuplicateToken {
        /// The file or model.
        origin: String,
        /// The token.
        token: String,
        /// Its first id.
        first: usize,
        /// Its second id.
        second: usize,
    },
    /// A closed vocabulary met a word it does not hold.
    #[error("word \"{}\" (number {position} of the text) is not in the closed vocabulary of {size} words", name(.word))]
    UnknownWord {
        /// The word.
        word: String,
        /// Its place in the text, counted from 1.
        position: usize,
        /// Size of the vocabulary.
        size: usize,
    },
    /// An id outside the vocabulary.
    #[error("token id {id} is not in the vocabulary of {size}")]
    UnknownId {
        /// The id.
        id: u32,
        /// Size of the vocabulary.
        size: usize,
    },
    /// A word that a closed vocabulary cannot hold.
    #[error("{word:?} cannot be a word of a closed vocabulary: {reason}")]
    BadWord {
        /// The word.
        word: String,
        /// Why not.
        reason: &'static str,
    },
    /// Encoding or decoding failed inside the tokenizer.
    #[error("{origin}: {reason}")]
    Failed {
        /// The file or model.
        origin: String,
        /// What the tokenizer said.
        reason: String,
    },
    /// A file gives a token another id than the vocabulary has for it.
    #[error("{path}: token \"{}\" has the id {stated} there, but {found} by tokenizer.json", name(.token))]
    TokenId {
        /// The file.
        path: PathBuf,
        /// The token.
        token: String,
        /// The id in the file.
        stated: u64,
        /// The id by `tokenizer.json`.
        found: u32,
    },
    /// A file is larger than any tokenizer is.
    #[error("{path}: {bytes} bytes; at most {most} are read")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The limit.
        most: u64,
    },
    /// A student whose vocabulary lacks the token its texts end with.
    #[error(
        "the texts end with {token:?} (id {id}), which the student's vocabulary of {size} does not have; a student of the teacher's vocabulary learns to end"
    )]
    NoEndToken {
        /// The token.
        token: String,
        /// Its id.
        id: u32,
        /// Size of the student's vocabulary.
        size: usize,
    },
    /// The tokenizer has no form in GGUF.
    #[error("this tokenizer cannot be written into a GGUF file: {reason}")]
    NoGgufForm {
        /// Why not.
        reason: String,
    },
}
