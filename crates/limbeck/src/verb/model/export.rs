//! `limbeck model export`: a model in another layout.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use limbeck::data::atomic::{check_file_replaceable, check_replaceable};
use limbeck::model::weights::FloatFormat;
use limbeck::model::weights::gguf::GgufDtype;
use limbeck::model::{Ingredient, Lineage, ModelError, save_folder_pieces, save_gguf};
use limbeck::recipe::published_name;
use serde_json::json;

use super::super::Desk;
use super::fail;
use crate::exit::Exit;
use crate::failure::Failure;

/// Stands in the metadata of every GGUF file that we write, as part of its name.
const SIGN: &str = "limbeck";

/// Arguments of `limbeck model export`.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The model
    model: String,
    /// The layout
    #[arg(long, value_enum)]
    format: Format,
    /// The number format; a Hugging Face folder takes f32 or f16
    #[arg(long, value_enum, default_value_t = Dtype::F32)]
    dtype: Dtype,
    /// Folder or file to write
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
}

/// Layouts of a model on disk.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// A folder with config.json, model.safetensors, tokenizer.json and a model card
    Hf,
    /// One GGUF file
    Gguf,
}

/// Number formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Dtype {
    /// 32-bit floats
    F32,
    /// 16-bit floats
    F16,
    /// 8-bit blocks of 32 with a 16-bit scale
    #[value(name = "q8_0")]
    Q8_0,
}

impl Export {
    pub(crate) fn perform(self, desk: &Desk) -> Result<Exit, Failure> {
        // Before the model is read, which may take long.
        let writable = match self.format {
            Format::Hf => check_replaceable(&self.out),
            Format::Gguf => check_file_replaceable(&self.out, SIGN),
        };
        writable.map_err(fail)?;
        let model = super::load(&self.model, desk)?;
        match self.format {
            Format::Hf => {
                let float = match self.dtype {
                    Dtype::F32 => FloatFormat::F32,
                    Dtype::F16 => FloatFormat::F16,
                    Dtype::Q8_0 => {
                        return Err(Failure::input("a Hugging Face folder is written in f32 or f16")
                            .hint("q8_0 goes with --format gguf"));
                    }
                };
                let lineage = Lineage {
                    name: published_name(&self.model),
                    base: Some(Ingredient { name: published_name(&model.origin), hash: model.hash.clone() }),
                    ..Lineage::default()
                };
                let config = model.decoder.config().to_hf_json();
                let mut weights = model.decoder.to_hf_weights();
                save_folder_pieces(&self.out, &config, &mut weights, &model.tokenizer, &lineage, float)
                    .map_err(|error| fail(ModelError::from(error)))?;
            }
            Format::Gguf => {
                let dtype = match self.dtype {
                    Dtype::F32 => GgufDtype::F32,
                    Dtype::F16 => GgufDtype::F16,
                    Dtype::Q8_0 => GgufDtype::Q8_0,
                };
                save_gguf(&self.out, &model.decoder, &model.tokenizer, dtype).map_err(fail)?;
            }
        }
        desk.output.data(&json!({ "out": self.out }), || self.out.display().to_string())?;
        Ok(Exit::Fine)
    }
}
