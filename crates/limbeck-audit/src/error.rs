//! What can go wrong in an audit.

use limbeck_eval::EvalError;
use limbeck_model::ModelError;
use limbeck_stats::StatsError;

/// An error of `limbeck-audit`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// A key of the configuration has a value that makes no audit.
    #[error("{key} = {found}, but {expected}")]
    Config {
        /// The key.
        key: &'static str,
        /// The value found.
        found: String,
        /// What would be right.
        expected: &'static str,
    },
    /// Two networks read the same prompt as different tokens, so that their positions cannot be compared.
    #[error(
        "the {first} and the {second} read `{prompt}` as different tokens: {first_ids:?} and {second_ids:?}"
    )]
    Tokens {
        /// One network.
        first: &'static str,
        /// The other.
        second: &'static str,
        /// The prompt.
        prompt: String,
        /// Tokens of the first.
        first_ids: Vec<u32>,
        /// Tokens of the second.
        second_ids: Vec<u32>,
    },
    /// A prompt holds a token that the network has no row for.
    #[error("the prompts hold token {token}, but the network has a vocabulary of {vocab} tokens")]
    Vocabulary {
        /// The token.
        token: u32,
        /// The network's vocabulary.
        vocab: usize,
    },
    /// A prompt is longer than the network can read.
    #[error("a prompt has {length} tokens, but the network has {positions} positions")]
    Length {
        /// Tokens of the prompt.
        length: usize,
        /// Positions of the network.
        positions: usize,
    },
    /// The prompts of a task are longer than a network can read.
    #[error("{what} of the audit have {length} tokens, but the {network} reads {positions} at most")]
    Prompts {
        /// Which prompts.
        what: String,
        /// The network.
        network: &'static str,
        /// Tokens of the first that is too long.
        length: usize,
        /// Positions of the network.
        positions: usize,
    },
    /// Something was to be changed that the network does not have.
    #[error("there is no {what} {index}: the network has {count}, counted from 0")]
    Target {
        /// What it would be.
        what: &'static str,
        /// Its number.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// There is no student to audit.
    #[error("an audit needs at least one student")]
    NoStudent,
    /// A group has too few corrupted prompts to draw others from, or to measure a spread over.
    #[error("group {group} has {found} corrupted prompts, but noise and resampling need at least 2")]
    FewCorrupted {
        /// The group.
        group: String,
        /// Its corrupted prompts.
        found: usize,
    },
    /// The network makes no difference at all between right and wrong answers, so that no share of it can be lost.
    #[error(
        "the network's mean logit difference over {prompts} prompts is {value}: shares of it cannot be measured"
    )]
    NoDifference {
        /// Prompts measured.
        prompts: usize,
        /// The mean.
        value: f64,
    },
    /// A component was named that the network does not have.
    #[error("there is no such component: the network has {layers} blocks of {heads} query heads and an MLP")]
    NoComponent {
        /// Blocks.
        layers: usize,
        /// Query heads per block.
        heads: usize,
    },
    /// Two measurements are not of the same prompts or components.
    #[error("{what}: {first} in one measurement, {second} in the other")]
    Mismatch {
        /// What is counted.
        what: &'static str,
        /// The first count.
        first: usize,
        /// The second count.
        second: usize,
    },
    /// A site that the decoder passed by without handing its value over.
    #[error("the decoder did not hand over {site}")]
    Site {
        /// Name of the site.
        site: String,
    },
    /// A gradient that the way back did not reach.
    #[error("the logit difference does not depend on what {reader} reads")]
    NoGradient {
        /// Who reads.
        reader: String,
    },
    /// A tensor could not be read back.
    #[error("{what} could not be read from the device: {detail}")]
    Read {
        /// Which tensor.
        what: &'static str,
        /// The backend's message.
        detail: String,
    },
    /// The prompts could not be made.
    #[error(transparent)]
    Task(#[from] EvalError),
    /// The decoder refused.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The figures allow no estimate.
    #[error(transparent)]
    Stats(#[from] StatsError),
    /// The user asked to stop.
    #[error("stopped on request")]
    Cancelled,
}
