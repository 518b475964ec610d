//! Decoders and classifiers, sites and interventions, weights in and out, tokenizers, generation.

pub mod config;
pub mod decoder;
pub mod error;
pub mod generate;
pub mod parameter;
pub mod site;
pub mod tap;

pub use config::{Activation, DecoderConfig, Family, Llama3Scaling, Norm, Position, Sizes};
pub use decoder::{Decoder, TokenBatch};
pub use error::{ConfigError, ModelError};
pub use generate::{GenerationConfig, generate};
pub use parameter::Parameter;
pub use site::{Site, SiteKind};
pub use tap::{Action, Capture, Intervention, Interventions, NoTap, Tap};
