//! Weights in and out: safetensors and GGUF under one trait, Hugging Face folders.

mod error;
mod fit;
pub mod float;
pub mod gguf;
mod mapped;
mod safetensors_header;
mod safetensors_in;
mod safetensors_out;
mod source;

pub use error::WeightsError;
pub use float::FloatFormat;
pub use mapped::MappedFile;
pub(crate) use mapped::read_whole;
pub use safetensors_in::SafetensorsSource;
pub use safetensors_out::write_safetensors;
pub(crate) use source::element_count;
pub use source::{HostTensor, MemoryWeights, WeightSource};
