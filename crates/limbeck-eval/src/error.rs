//! What can go wrong in making tasks and scoring networks.

use limbeck_data::DataError;
use limbeck_model::ModelError;
use limbeck_stats::StatsError;

/// An error of `limbeck-eval`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// The tokenizer cannot express the task.
    #[error("the tokenizer cannot express the {task} task: {reason}")]
    Inexpressible {
        /// Name of the task.
        task: &'static str,
        /// What stands in the way.
        reason: String,
    },
    /// An option has a value that makes no task.
    #[error("{option} = {found}, but {expected}")]
    Option {
        /// Name of the option.
        option: &'static str,
        /// The value found.
        found: String,
        /// What would be right.
        expected: String,
    },
    /// A set of examples is empty, or scores nothing.
    #[error("the {set} set has {examples} examples and {scored} scored tokens: there is nothing to measure")]
    Nothing {
        /// Which set.
        set: String,
        /// Examples in it.
        examples: usize,
        /// Scored tokens in it.
        scored: usize,
    },
    /// An example holds a token that a network has no row for.
    #[error("example {example} holds token {token}, but the networks share a vocabulary of {vocab} tokens")]
    Token {
        /// Index of the example in its set, from 0.
        example: usize,
        /// The token.
        token: u32,
        /// Tokens that all networks know.
        vocab: usize,
    },
    /// An example is longer than a network's last position.
    #[error("example {example} has {length} tokens, but the {network} has {positions} positions")]
    Length {
        /// Index of the example in its set, from 0.
        example: usize,
        /// Its length in tokens.
        length: usize,
        /// Which network.
        network: &'static str,
        /// Positions that network has.
        positions: usize,
    },
    /// An example whose mask does not fit its tokens.
    #[error("example {example} has {ids} tokens and a mask of {mask}{}", if *.first { ", and scores its first token, which nothing predicts" } else { "" })]
    Mask {
        /// Index of the example in its set, from 0.
        example: usize,
        /// Tokens.
        ids: usize,
        /// Entries of the mask.
        mask: usize,
        /// Whether the mask scores token 0.
        first: bool,
    },
    /// A network gave a value that is not a number.
    #[error("the {network} gave a non-finite {what} on example {example}")]
    NotFinite {
        /// Which network.
        network: &'static str,
        /// Which figure.
        what: &'static str,
        /// Index of the example in its set, from 0.
        example: usize,
    },
    /// A tensor could not be read back.
    #[error("the {network}'s {what} could not be read from the device: {detail}")]
    Read {
        /// Which network.
        network: &'static str,
        /// Which tensor.
        what: &'static str,
        /// The backend's message.
        detail: String,
    },
    /// A file of prompts is not what it should be.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The figures allow no estimate.
    #[error(transparent)]
    Stats(#[from] StatsError),
    /// The decoder refused.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The user asked to stop.
    #[error("stopped on request")]
    Cancelled,
}
