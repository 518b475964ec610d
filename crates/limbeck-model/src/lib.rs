//! Decoders and classifiers, sites and interventions, weights in and out, tokenizers, generation.

pub mod chat;
pub mod classifier;
pub mod config;
pub mod decoder;
pub mod error;
pub mod folder;
pub mod gates;
pub mod generate;
pub mod influence;
mod jinja;
pub mod loaded;
pub mod parameter;
pub mod site;
pub mod tap;
pub mod tokenizer;
pub mod weights;

pub use classifier::{ClassLogits, DenseLayer, Mlp, argmax, load_classifier, predict, save_classifier};
pub use config::{Activation, DecoderConfig, Family, Llama3Scaling, Norm, Position, RopeScaling, Sizes};
pub use decoder::{Decoder, HeadInputs, TokenBatch};
pub use error::{ConfigError, ModelError};
pub use folder::{Ingredient, Lineage, ModelFiles, open_model, save_folder_pieces};
pub use gates::{Both, Components, Fill, Gates, Removed};
pub use generate::{GenerationConfig, generate};
pub use influence::{Influence, Margin};
pub use loaded::{LoadedModel, load_model, read_outline, save_gguf, save_hf_folder};
pub use parameter::Parameter;
pub use site::{Site, SiteKind};
pub use tap::{Action, Capture, Intervention, Interventions, NoTap, Tap};
pub use tokenizer::{Compatibility, Tokenizer, TokenizerError};
pub use weights::{HostTensor, WeightSource, WeightsError};
