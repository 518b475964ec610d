//! Between canonical parameter names and those of Hugging Face checkpoints, family by family.

use std::collections::BTreeSet;

use burn::tensor::Device;

use super::Decoder;
use super::bare::{BARE, Prefixed};
use crate::config::{DecoderConfig, Family};
use crate::error::ModelError;
use crate::weights::{HostTensor, MemoryWeights, WeightSource};

/// How a canonical parameter lies in a checkpoint.
enum Place {
    /// As it is.
    Same(String),
    /// Transposed (GPT-2's Conv1D stores `[in, out]`).
    Transposed(String),
    /// The `part`-th third of the columns of a fused q, k, v, transposed when a matrix.
    Third { name: String, part: usize },
}

impl Place {
    /// The name in the checkpoint.
    fn name(&self) -> &str {
        match self {
            Self::Same(name) | Self::Transposed(name) | Self::Third { name, .. } => name,
        }
    }
}

/// The head's name, in all families.
const HEAD: &str = "lm_head.weight";

/// Whether a checkpoint's tensor is by its name a part of such a decoder, be it one that the configuration has not.
fn is_part(config: &DecoderConfig, name: &str) -> bool {
    let parts: &[&str] = match config.family {
        Family::Gpt2 => &["h.", "wte.", "wpe.", "ln_f.", "lm_head."],
        Family::Llama | Family::Qwen2 | Family::Qwen3 => &["model.", "lm_head."],
    };
    let bare = if config.family == Family::Gpt2 { &[][..] } else { &BARE[..] };
    parts.iter().chain(bare).any(|part| name.starts_with(part))
}

impl Decoder {
    /// A decoder from a checkpoint in its family's Hugging Face names and layout.
    ///
    /// # Errors
    /// As [`Decoder::from_checkpoint`].
    pub fn from_weights(
        config: &DecoderConfig,
        source: &mut dyn WeightSource,
        device: &Device,
    ) -> Result<Self, ModelError> {
        Self::from_checkpoint(config, source, device).map(|(decoder, _)| decoder)
    }

    /// A decoder from a checkpoint, and what of the checkpoint was left out or decided against the configuration, in sentences.
    ///
    /// A head that is stored beside a tied embedding with other values is used, and the decoder is not tied (as transformers 5
    /// does); where a tied model's file holds the head alone, it is the embedding too. A tied network's checkpoint may lack the
    /// prefix that says that there is a head (`layers.0.` for `model.layers.0.`).
    ///
    /// # Errors
    /// A missing tensor, or one whose shape contradicts `config`, by its name in the checkpoint; a tensor of the decoder's parts
    /// that `config` has no place for; [`ModelError::NoHead`].
    pub fn from_checkpoint(
        config: &DecoderConfig,
        source: &mut dyn WeightSource,
        device: &Device,
    ) -> Result<(Self, Vec<String>), ModelError> {
        let mut config = config.clone();
        let mut notes = Vec::new();
        let source = &mut Prefixed::new(config.family, source);
        let stored: BTreeSet<String> = source.names().into_iter().collect();
        let embedding = place(&config, "embed.weight").name().to_owned();
        let head_only = config.tied && stored.contains(HEAD) && !stored.contains(&embedding);
        if config.tied
            && stored.contains(HEAD)
            && stored.contains(&embedding)
            && source.tensor(HEAD)? != source.tensor(&embedding)?
        {
            config.tied = false;
            let (head, embedding) = (source.stored_name(HEAD), source.stored_name(&embedding));
            notes.push(format!(
                "{}: tie_word_embeddings is true, but {head} is stored with other values than {embedding}; the stored head is used",
                source.origin()
            ));
        }
        if !config.tied && !stored.contains(HEAD) && stored.contains(&embedding) {
            return Err(ModelError::NoHead { origin: source.origin(), bare: source.is_bare() });
        }
        let mut used = BTreeSet::from([HEAD.to_owned()]);
        let decoder = Self::from_parameters(
            &config,
            &mut |name, shape| {
                let mut place = place(&config, name);
                if head_only && name == "embed.weight" {
                    place = Place::Same(HEAD.to_owned());
                }
                used.insert(place.name().to_owned());
                read(place, source, shape)
            },
            device,
        )?;
        let left_out: Vec<String> = stored.difference(&used).cloned().collect();
        if let Some(name) = left_out.iter().find(|name| is_part(&config, name)) {
            return Err(ModelError::UnusedWeight {
                origin: source.origin(),
                name: source.stored_name(name),
                family: config.family.model_type(),
            });
        }
        if !left_out.is_empty() {
            let shown: Vec<&str> = left_out.iter().take(4).map(String::as_str).collect();
            let more = if left_out.len() > shown.len() { ", ..." } else { "" };
            notes.push(format!(
                "{}: {} tensors are no part of the decoder and were left out: {}{more}",
                source.origin(),
                left_out.len(),
                shown.join(", ")
            ));
        }
        Ok((decoder, notes))
    }

    /// Its weights in the family's Hugging Face names and layout.
    pub fn to_hf_weights(&self) -> MemoryWeights {
        let mut out = MemoryWeights::default();
        self.visit(&mut |name, parameter| {
            let tensor = HostTensor { shape: parameter.shape(), values: parameter.to_vec() };
            match place(self.config(), name) {
                Place::Same(name) => {
                    out.0.insert(name, tensor);
                }
                Place::Transposed(name) => {
                    out.0.insert(name, tensor.transposed());
                }
                Place::Third { name, part } => {
                    let tensor = if tensor.shape.len() == 2 { tensor.transposed() } else { tensor };
                    let fused = out.0.entry(name).or_insert_with(|| fused_like(&tensor));
                    copy_third(fused, &tensor, part);
                }
            }
        });
        out
    }
}

/// The values of a parameter of the given shape that lies at `place`.
fn read(place: Place, source: &mut dyn WeightSource, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
    let flipped = |shape: &[usize]| shape.iter().rev().copied().collect::<Vec<_>>();
    match place {
        Place::Same(name) => Ok(take(source, name, shape)?.values),
        Place::Transposed(name) => Ok(take(source, name, &flipped(shape))?.transposed().values),
        Place::Third { name, part } => {
            let mut fused = flipped(shape);
            if let Some(columns) = fused.last_mut() {
                *columns *= 3;
            }
            let third = third_of(&take(source, name, &fused)?, part);
            Ok(if third.shape.len() == 2 { third.transposed().values } else { third.values })
        }
    }
}

fn take(source: &mut dyn WeightSource, name: String, expected: &[usize]) -> Result<HostTensor, ModelError> {
    let found = source.shape(&name)?;
    if found != expected {
        let (origin, name, expected) = (source.origin(), source.stored_name(&name), expected.to_vec());
        return Err(ModelError::ShapeIn { origin, name, found, expected });
    }
    Ok(source.tensor(&name)?)
}

/// A zeroed tensor with three times the columns.
fn fused_like(part: &HostTensor) -> HostTensor {
    let mut shape = part.shape.clone();
    if let Some(columns) = shape.last_mut() {
        *columns *= 3;
    }
    HostTensor { values: vec![0.0; 3 * part.values.len()], shape }
}

fn copy_third(fused: &mut HostTensor, part: &HostTensor, index: usize) {
    let columns = part.shape.last().copied().unwrap_or(1).max(1);
    let rows = fused.values.chunks_exact_mut(3 * columns);
    for (row, values) in rows.zip(part.values.chunks_exact(columns)) {
        row[index * columns..(index + 1) * columns].copy_from_slice(values);
    }
}

fn third_of(fused: &HostTensor, index: usize) -> HostTensor {
    let columns = fused.shape.last().copied().unwrap_or(3) / 3;
    let mut shape = fused.shape.clone();
    if let Some(last) = shape.last_mut() {
        *last = columns;
    }
    let rows = fused.values.chunks_exact((3 * columns).max(1));
    let values = rows.flat_map(|row| row[index * columns..(index + 1) * columns].iter().copied());
    HostTensor { shape, values: values.collect() }
}

/// Where a canonical parameter lies in a checkpoint of the family.
fn place(config: &DecoderConfig, canonical: &str) -> Place {
    match config.family {
        Family::Gpt2 => gpt2(canonical),
        Family::Llama | Family::Qwen2 | Family::Qwen3 => Place::Same(llama(canonical)),
    }
}

/// Splits `blocks.3.attn.q.weight` into `("3", "attn.q.weight")`.
fn in_block(canonical: &str) -> Option<(&str, &str)> {
    canonical.strip_prefix("blocks.")?.split_once('.')
}

fn gpt2(canonical: &str) -> Place {
    let Some((block, rest)) = in_block(canonical) else {
        return Place::Same(match canonical {
            "embed.weight" => "wte.weight".to_owned(),
            "pos_embed.weight" => "wpe.weight".to_owned(),
            "unembed.weight" => "lm_head.weight".to_owned(),
            other => other.replace("ln_final", "ln_f"),
        });
    };
    let (part, kind) = rest.rsplit_once('.').unwrap_or((rest, ""));
    let thirds = ["attn.q", "attn.k", "attn.v"];
    if let Some(index) = thirds.iter().position(|third| *third == part) {
        let name = format!("h.{block}.attn.c_attn.{kind}");
        return Place::Third { name, part: index };
    }
    let name = match part {
        "ln1" => "ln_1",
        "ln2" => "ln_2",
        "attn.o" => "attn.c_proj",
        "mlp.up" => "mlp.c_fc",
        "mlp.down" => "mlp.c_proj",
        other => other,
    };
    let full = format!("h.{block}.{name}.{kind}");
    match kind == "weight" && !part.starts_with("ln") {
        true => Place::Transposed(full),
        false => Place::Same(full),
    }
}

fn llama(canonical: &str) -> String {
    let Some((block, rest)) = in_block(canonical) else {
        return match canonical {
            "embed.weight" => "model.embed_tokens.weight".to_owned(),
            "unembed.weight" => "lm_head.weight".to_owned(),
            other => other.replace("ln_final", "model.norm"),
        };
    };
    let (part, kind) = rest.rsplit_once('.').unwrap_or((rest, ""));
    let name = match part {
        "ln1" => "input_layernorm",
        "ln2" => "post_attention_layernorm",
        "attn.q" => "self_attn.q_proj",
        "attn.k" => "self_attn.k_proj",
        "attn.v" => "self_attn.v_proj",
        "attn.o" => "self_attn.o_proj",
        "attn.q_norm" => "self_attn.q_norm",
        "attn.k_norm" => "self_attn.k_norm",
        "mlp.gate" => "mlp.gate_proj",
        "mlp.up" => "mlp.up_proj",
        "mlp.down" => "mlp.down_proj",
        other => other,
    };
    format!("model.layers.{block}.{name}.{kind}")
}
