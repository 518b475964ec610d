//! What can go wrong with a model.

use std::path::PathBuf;

use thiserror::Error;

use crate::chat::ChatError;
use crate::tokenizer::TokenizerError;
use crate::weights::WeightsError;

/// A configuration that is no decoder of ours.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum ConfigError {
    /// The file holds something else than a JSON object.
    #[error("the model configuration is not a JSON object")]
    NotAnObject,
    /// A key is absent.
    #[error("the model configuration lacks `{key}`")]
    Missing {
        /// The key.
        key: String,
    },
    /// A key holds what cannot be computed.
    #[error("`{key}` is {found}; it should be {expected}")]
    Value {
        /// The key.
        key: String,
        /// What was found.
        found: String,
        /// What would be right.
        expected: String,
    },
    /// Sizes that the machine cannot hold.
    #[error(
        "the model configuration describes a network of {parameters} parameters, {gib:.1} GiB; {at_hand:.1} GiB of memory are at hand",
        gib = *.bytes as f64 / GIB,
        at_hand = *.available as f64 / GIB
    )]
    TooLarge {
        /// Parameters of the network.
        parameters: u128,
        /// Bytes of its weights in 32 bits.
        bytes: u128,
        /// Bytes at hand.
        available: u64,
    },
}

/// Bytes of a gibibyte.
const GIB: f64 = 1024.0 * 1024.0 * 1024.0;

impl ConfigError {
    pub(crate) fn value(key: &str, found: &str, expected: &str) -> Self {
        ConfigError::Value { key: key.to_owned(), found: found.to_owned(), expected: expected.to_owned() }
    }
}

/// Anything that can go wrong with a model.
#[derive(Debug, Error)]
pub enum ModelError {
    /// The configuration is unusable.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The configuration in a file is unusable.
    #[error("{path}: {source}", path = path.display())]
    ConfigIn {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        #[source]
        source: ConfigError,
    },
    /// A weight that the network described has no place for.
    #[error(
        "{origin}: tensor {name} has no place in the {family} model that the configuration describes, and leaving it out would \
         make another network"
    )]
    UnusedWeight {
        /// Where it was found.
        origin: String,
        /// Its name there.
        name: String,
        /// The family.
        family: &'static str,
    },
    /// A checkpoint without a head, of a network that has one of its own.
    #[error(
        "{origin} has no tensor lm_head.weight, the head, and the configuration does not say that it is the embedding \
         (tie_word_embeddings is not true){saved}",
        saved = if *.bare { "; a base model was saved here (as LlamaModel, not LlamaForCausalLM), and a head cannot be invented" } else { "" }
    )]
    NoHead {
        /// The file.
        origin: String,
        /// Whether its tensors are named as those of a network that never had a head.
        bare: bool,
    },
    /// A weights file is unusable.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A tokenizer is unusable.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// A chat template is unusable.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// A backward pass left something without a gradient.
    #[error("the backward pass gave {of} no gradient")]
    Gradient {
        /// What should have one.
        of: &'static str,
    },
    /// A weight the configuration asks for is absent.
    #[error("the weights lack `{name}`")]
    MissingWeight {
        /// Name in the source.
        name: String,
    },
    /// A weight has another shape than the configuration says.
    #[error("weight `{name}` has shape {found:?}; the configuration asks for {expected:?}")]
    Shape {
        /// Name in the source.
        name: String,
        /// Shape in the source.
        found: Vec<usize>,
        /// Shape by the configuration.
        expected: Vec<usize>,
    },
    /// A weight in a file has another shape than the configuration says.
    #[error("{origin}: weight `{name}` has shape {found:?}; the configuration asks for {expected:?}")]
    ShapeIn {
        /// The file.
        origin: String,
        /// Name in it.
        name: String,
        /// Shape in the file.
        found: Vec<usize>,
        /// Shape by the configuration.
        expected: Vec<usize>,
    },
    /// A batch with no tokens, or with more than the model has positions for.
    #[error("sequence {row} has {found} tokens; it should have 1 to {most}")]
    Length {
        /// Row of the batch, from 0.
        row: usize,
        /// Tokens found.
        found: usize,
        /// Most tokens the model takes.
        most: usize,
    },
    /// A token outside the vocabulary.
    #[error("token {id} at position {position} of sequence {row} is outside the vocabulary of {vocab_size}")]
    Token {
        /// The token.
        id: u32,
        /// Row of the batch, from 0.
        row: usize,
        /// Position in the row, from 0.
        position: usize,
        /// Size of the vocabulary.
        vocab_size: usize,
    },
    /// A setting of generation is out of range.
    #[error("generation: `{key}` is {found}; it should be {expected}")]
    Generation {
        /// The setting.
        key: &'static str,
        /// What was found.
        found: String,
        /// What would be right.
        expected: &'static str,
    },
    /// A name that is no site.
    #[error("`{name}` is no site; sites are named like blocks.0.attn.hook_z or blocks.0.hook_mlp_out")]
    Site {
        /// The name.
        name: String,
    },
}
