//! What an operation of this crate can refuse, with the facts of each refusal.

use thiserror::Error;

/// A refused call: nothing was computed.
#[derive(Debug, Error, Clone, PartialEq)]
#[non_exhaustive]
pub enum KernelError {
    /// Two operands disagree about a dimension.
    #[error("{operation}: {operand} has {dimension} {found}, expected {expected}")]
    Shape {
        /// The operation that was asked for.
        operation: &'static str,
        /// The operand that does not fit.
        operand: &'static str,
        /// The name of its dimension.
        dimension: &'static str,
        /// The size it has.
        found: usize,
        /// The size that would be right.
        expected: usize,
    },
    /// An operation over zero tokens or zero columns has no mean.
    #[error("{operation}: {operand} is empty")]
    Empty {
        /// The operation that was asked for.
        operation: &'static str,
        /// The empty operand.
        operand: &'static str,
    },
    /// The part of the vocabulary asked for is larger than a model's.
    #[error("losses over logits: {used} vocabulary columns asked for, but the {model} has {available}")]
    Vocabulary {
        /// `student` or `teacher`.
        model: &'static str,
        /// Columns asked for.
        used: usize,
        /// Columns that exist.
        available: usize,
    },
    /// A token id lies outside the vocabulary.
    #[error("losses over logits: {role} id {id} of token {row} is outside the vocabulary of {used}")]
    TokenId {
        /// `target` or `teacher`.
        role: &'static str,
        /// Index of the scored token.
        row: usize,
        /// The id.
        id: u32,
        /// Size of the vocabulary.
        used: usize,
    },
    /// A term compares with a teacher, but none was given.
    #[error("losses over logits: term {term} compares with a teacher, but there is none")]
    TeacherMissing {
        /// Index of the term.
        term: usize,
    },
    /// A term compares the logits themselves, and a sparse signal has none for most outcomes.
    #[error(
        "losses over logits: term {term} matches logits, which needs the teacher's whole logits; \
         a sparse signal keeps the k largest only"
    )]
    SparseTeacher {
        /// Index of the term.
        term: usize,
    },
    /// A temperature, share or weight is not a usable number.
    #[error("losses over logits: term {term} has {name} {value}; {rule}")]
    Term {
        /// Index of the term.
        term: usize,
        /// `temperature`, `alpha`, `beta` or `weight`.
        name: &'static str,
        /// The value found.
        value: f64,
        /// What would be right.
        rule: &'static str,
    },
    /// A sparse signal was captured at one temperature and asked for at another.
    #[error(
        "losses over logits: term {term} has temperature {wanted}, but the sparse signal was captured at {captured}; \
         a truncated distribution cannot be moved to another temperature"
    )]
    SignalTemperature {
        /// Index of the term.
        term: usize,
        /// Temperature of the term.
        wanted: f64,
        /// Temperature of the signal.
        captured: f64,
    },
    /// One token of a sparse signal is not a probability distribution.
    #[error("sparse signal, token {row}: {problem} ({value})")]
    Signal {
        /// Index of the token.
        row: usize,
        /// What is wrong.
        problem: &'static str,
        /// The offending number.
        value: f64,
    },
    /// A tensor does not hold 32-bit floats.
    #[error("{operation}: values are {found}, expected F32")]
    Dtype {
        /// The operation that was asked for.
        operation: &'static str,
        /// The element type found.
        found: String,
    },
    /// A number that steers an optimizer is out of range.
    #[error("{optimizer}: {name} is {value}; {rule}")]
    Optimizer {
        /// The optimizer, or what else the number is for.
        optimizer: &'static str,
        /// The name of the number.
        name: &'static str,
        /// Its value.
        value: f64,
        /// What would be right.
        rule: &'static str,
    },
}
