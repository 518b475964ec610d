//! Between canonical parameter names and those of Hugging Face checkpoints, family by family.

use burn::tensor::Device;

use super::Decoder;
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

impl Decoder {
    /// A decoder from a checkpoint in its family's Hugging Face names and layout.
    ///
    /// # Errors
    /// A missing tensor, or one whose shape contradicts `config`, by its name in the checkpoint.
    pub fn from_weights(
        config: &DecoderConfig,
        source: &mut dyn WeightSource,
        device: &Device,
    ) -> Result<Self, ModelError> {
        Self::from_parameters(config, &mut |name, shape| read(config, source, name, shape), device)
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

/// The values of a canonical parameter, out of a checkpoint.
fn read(
    config: &DecoderConfig,
    source: &mut dyn WeightSource,
    canonical: &str,
    shape: &[usize],
) -> Result<Vec<f32>, ModelError> {
    let flipped = |shape: &[usize]| shape.iter().rev().copied().collect::<Vec<_>>();
    match place(config, canonical) {
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
    let tensor = source.tensor(&name)?;
    if tensor.shape != expected {
        let (found, expected) = (tensor.shape, expected.to_vec());
        return Err(ModelError::Shape { name, found, expected });
    }
    Ok(tensor)
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
