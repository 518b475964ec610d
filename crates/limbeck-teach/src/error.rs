//! What can go wrong with a teacher.

use limbeck_data::DataError;
use limbeck_kernels::KernelError;
use limbeck_model::ModelError;
use thiserror::Error;

/// An error of this crate; those of other crates are boxed, so that a result stays small.
#[derive(Debug, Error)]
pub enum TeachError {
    /// A query asks for more than the teacher declared.
    #[error("asked for {asked}, but this teacher gives {gives}")]
    Beyond {
        /// What was asked.
        asked: String,
        /// What the teacher declares.
        gives: String,
    },
    /// Captured signals belong to something else.
    #[error("the signals in {folder} are of another {what}: they have {found}, this run has {expected}")]
    OtherSignals {
        /// Where the signals are.
        folder: String,
        /// `teacher`, `tokenizer`, ...
        what: &'static str,
        /// In the files.
        found: String,
        /// In this run.
        expected: String,
    },
    /// A captured example does not cover what is asked of it.
    #[error(
        "the signals of an example of {length} tokens do not cover token {position}; capture the same data again"
    )]
    Uncovered {
        /// Tokens of the example.
        length: usize,
        /// The token whose distribution is missing.
        position: usize,
    },
    /// A setting of the capture is impossible.
    #[error("capture: {key} = {found}, which should be {right}")]
    Config {
        /// The key.
        key: &'static str,
        /// What was asked.
        found: String,
        /// What would be right.
        right: String,
    },
    /// The two models do not read the same tokens.
    #[error("teacher and student use different tokenizers: {difference}")]
    Tokenizers {
        /// The exact difference.
        difference: String,
    },
    /// A model has fewer rows in its head than its tokenizer has tokens.
    #[error("the {model}'s head has {rows} rows, but its tokenizer has {tokens} tokens")]
    SmallHead {
        /// `teacher` or `student`.
        model: &'static str,
        /// Rows of the head.
        rows: usize,
        /// Tokens of the tokenizer.
        tokens: usize,
    },
    /// The teacher gave a number that is not finite.
    #[error("the teacher's logits for example {example} are not finite")]
    NotFinite {
        /// Index of the example.
        example: usize,
    },
    /// The user asked to stop.
    #[error("the capture was stopped after {done} of {total} examples; the same command goes on from there")]
    Cancelled {
        /// Examples in complete shards.
        done: u64,
        /// Examples in all.
        total: u64,
    },
    /// Reading or writing of the signals failed.
    #[error(transparent)]
    Data(Box<DataError>),
    /// A fused operation refused its input.
    #[error(transparent)]
    Kernel(Box<KernelError>),
    /// The model failed.
    #[error(transparent)]
    Model(Box<ModelError>),
}

impl From<DataError> for TeachError {
    fn from(error: DataError) -> Self {
        Self::Data(Box::new(error))
    }
}

impl From<ModelError> for TeachError {
    fn from(error: ModelError) -> Self {
        Self::Model(Box::new(error))
    }
}

impl From<KernelError> for TeachError {
    fn from(error: KernelError) -> Self {
        Self::Kernel(Box::new(error))
    }
}
