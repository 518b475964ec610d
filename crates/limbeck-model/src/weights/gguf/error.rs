//! Every state a GGUF file must not be in.

use thiserror::Error;

/// What is wrong with a GGUF file. Offsets and sizes are in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GgufError {
    /// The first four bytes are not `GGUF`.
    #[error("not a GGUF file: it starts with {found:?}")]
    BadMagic {
        /// The first bytes, at most four.
        found: Vec<u8>,
    },
    /// A version this program does not read.
    #[error("GGUF version {found} is not supported; versions 1 to 3 are")]
    UnsupportedVersion {
        /// The version in the file.
        found: u32,
    },
    /// The file was written for the other byte order.
    #[error("GGUF file of a big-endian machine; only little-endian files are supported")]
    BigEndian,
    /// The file ends inside something.
    #[error("file ends early: {what} at byte {offset} needs {needed} bytes, {available} are left")]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Where it starts.
        offset: usize,
        /// How many bytes it needs.
        needed: u64,
        /// How many there are.
        available: usize,
    },
    /// A count that cannot be true for a file of this size.
    #[error("{what}: {count} cannot fit in the {available} bytes left")]
    ImpossibleCount {
        /// What is counted.
        what: &'static str,
        /// The count in the file.
        count: u64,
        /// Bytes left.
        available: usize,
    },
    /// A string is not UTF-8.
    #[error("{what} at byte {offset} is not UTF-8")]
    NotUtf8 {
        /// What the string is.
        what: &'static str,
        /// Where it starts.
        offset: usize,
    },
    /// A value type outside the format.
    #[error("key {key}: value type {found} is unknown")]
    UnknownValueType {
        /// The key.
        key: String,
        /// The type's number.
        found: u32,
    },
    /// A bool that is neither 0 nor 1.
    #[error("byte {offset}: a bool is 0 or 1, found {found}")]
    BadBool {
        /// Where.
        offset: usize,
        /// The byte.
        found: u8,
    },
    /// Arrays of arrays of arrays ...
    #[error("key {key}: arrays are nested more than {limit} deep")]
    NestedTooDeep {
        /// The key.
        key: String,
        /// The allowed depth.
        limit: usize,
    },
    /// The same key twice.
    #[error("key {key} occurs twice")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// The same tensor twice.
    #[error("tensor {tensor} occurs twice")]
    DuplicateTensor {
        /// The tensor.
        tensor: String,
    },
    /// Alignment is not a positive power of two.
    #[error("general.alignment is {found}; it must be a power of two from 1 to 65536")]
    BadAlignment {
        /// The value.
        found: String,
    },
    /// No or too many dimensions.
    #[error("tensor {tensor} has {found} dimensions; 1 to 4 are allowed")]
    BadRank {
        /// The tensor.
        tensor: String,
        /// The number of dimensions.
        found: u32,
    },
    /// A dimension of size zero.
    #[error("tensor {tensor} of shape {shape:?} is empty")]
    EmptyTensor {
        /// The tensor.
        tensor: String,
        /// Its shape, outermost dimension first.
        shape: Vec<u64>,
    },
    /// The sizes multiply to more than a machine word.
    #[error("tensor {tensor}: shape {shape:?} overflows")]
    ShapeOverflow {
        /// The tensor.
        tensor: String,
        /// Its shape, outermost dimension first.
        shape: Vec<u64>,
    },
    /// A tensor type that is unknown or not read.
    #[error("tensor {tensor} has type {found}; supported are {supported}")]
    UnsupportedTensorType {
        /// The tensor.
        tensor: String,
        /// The type's number.
        found: u32,
        /// Names of the types that are read.
        supported: String,
    },
    /// Rows do not consist of whole blocks.
    #[error("tensor {tensor}: rows of {row} values are not whole blocks of {block}")]
    PartialBlock {
        /// The tensor.
        tensor: String,
        /// Values in a row.
        row: usize,
        /// Values in a block.
        block: usize,
    },
    /// Data does not start on the alignment.
    #[error("tensor {tensor}: offset {offset} is not a multiple of the alignment {alignment}")]
    Misaligned {
        /// The tensor.
        tensor: String,
        /// Its offset in the data section.
        offset: u64,
        /// The file's alignment.
        alignment: usize,
    },
    /// Data lies outside the file.
    #[error(
        "tensor {tensor}: {size} bytes at offset {offset} reach beyond the {available} bytes of tensor data"
    )]
    OutOfBounds {
        /// The tensor.
        tensor: String,
        /// Its offset in the data section.
        offset: u64,
        /// Its size.
        size: u64,
        /// Size of the data section.
        available: usize,
    },
    /// Two tensors share bytes.
    #[error("tensors {first} and {second} overlap")]
    Overlap {
        /// The tensor that starts first.
        first: String,
        /// The other.
        second: String,
    },
    /// A key the model cannot be read without.
    #[error("key {key} is missing")]
    MissingKey {
        /// The key.
        key: String,
    },
    /// A key holds a value of another type or range.
    #[error("key {key} should be {expected}, found {found}")]
    WrongValue {
        /// The key.
        key: String,
        /// What would be right.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// A key of the architecture that this reader does not know.
    #[error(
        "key {key} ({found}) is unknown here; it may say that the network is another than this decoder computes"
    )]
    UnknownKey {
        /// The key.
        key: String,
        /// What it holds.
        found: String,
    },
    /// A part of a split model whose name does not say which.
    #[error(
        "this is part {number} of {count} of a split model; the parts are found by their names, so that this one's must end in \
         -{number:05}-of-{count:05}.gguf"
    )]
    SplitName {
        /// Which part, from 1.
        number: usize,
        /// How many there are.
        count: usize,
    },
    /// A split model of which parts are not there.
    #[error("this is part {number} of {count} of a split model; not beside it: {missing}")]
    SplitParts {
        /// Which part was opened, from 1.
        number: usize,
        /// How many there are.
        count: usize,
        /// The file names of those missing.
        missing: String,
    },
    /// Parts of a split model that do not belong together.
    #[error("{part} is no part of this split model: {reason}")]
    SplitStranger {
        /// The file name.
        part: String,
        /// What contradicts the other parts.
        reason: String,
    },
    /// An architecture there is no decoder for.
    #[error("architecture {found:?} is not supported; llama, qwen2, qwen3 and gpt2 are")]
    UnsupportedArchitecture {
        /// The value of `general.architecture`.
        found: String,
    },
    /// A tensor the model cannot be read without.
    #[error("tensor {tensor} is missing")]
    MissingTensor {
        /// Its GGUF name.
        tensor: String,
    },
    /// A tensor of the wrong shape.
    #[error("tensor {tensor} has shape {found:?}; expected {expected}")]
    WrongShape {
        /// The tensor.
        tensor: String,
        /// Its shape, outermost dimension first.
        found: Vec<usize>,
        /// What would be right.
        expected: String,
    },
    /// A tensor name that belongs to no part of the model.
    #[error("tensor {tensor} has no place in a model of architecture {architecture}")]
    UnknownTensor {
        /// The tensor.
        tensor: String,
        /// The architecture.
        architecture: String,
    },
    /// The per-frequency factors follow no known rule.
    #[error(
        "rope_freqs.weight is not of the Llama 3 form and cannot be written as a Hugging Face configuration"
    )]
    UnknownRopeFactors,
}
