//! Tensor names and layouts: llama.cpp's against Hugging Face's.

use super::error::GgufError;
use crate::config::Family;

/// The architectures there is a decoder for, as `general.architecture` names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Architecture {
    Llama,
    Qwen2,
    Qwen3,
    Gpt2,
}

/// What to do with a tensor between the two layouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// Nothing.
    Same,
    /// Transpose: Hugging Face's GPT-2 keeps its Conv1D weights `[in, out]`.
    Transposed,
    /// Rotary halves interleaved within each query head.
    RotaryQuery,
    /// Rotary halves interleaved within each key head.
    RotaryKey,
}

/// Names outside the blocks: GGUF, Hugging Face.
const LLAMA_TOP: &[(&str, &str)] = &[
    ("token_embd.weight", "model.embed_tokens.weight"),
    ("output_norm.weight", "model.norm.weight"),
    ("output.weight", "lm_head.weight"),
];

/// Names inside block N after `blk.N.` and `model.layers.N.`.
const LLAMA_BLOCK: &[(&str, &str)] = &[
    ("attn_norm.weight", "input_layernorm.weight"),
    ("attn_q.weight", "self_attn.q_proj.weight"),
    ("attn_q.bias", "self_attn.q_proj.bias"),
    ("attn_k.weight", "self_attn.k_proj.weight"),
    ("attn_k.bias", "self_attn.k_proj.bias"),
    ("attn_v.weight", "self_attn.v_proj.weight"),
    ("attn_v.bias", "self_attn.v_proj.bias"),
    ("attn_output.weight", "self_attn.o_proj.weight"),
    ("attn_output.bias", "self_attn.o_proj.bias"),
    ("attn_q_norm.weight", "self_attn.q_norm.weight"),
    ("attn_k_norm.weight", "self_attn.k_norm.weight"),
    ("ffn_norm.weight", "post_attention_layernorm.weight"),
    ("ffn_gate.weight", "mlp.gate_proj.weight"),
    ("ffn_gate.bias", "mlp.gate_proj.bias"),
    ("ffn_up.weight", "mlp.up_proj.weight"),
    ("ffn_up.bias", "mlp.up_proj.bias"),
    ("ffn_down.weight", "mlp.down_proj.weight"),
    ("ffn_down.bias", "mlp.down_proj.bias"),
];

const GPT2_TOP: &[(&str, &str)] = &[
    ("token_embd.weight", "wte.weight"),
    ("position_embd.weight", "wpe.weight"),
    ("output_norm.weight", "ln_f.weight"),
    ("output_norm.bias", "ln_f.bias"),
    ("output.weight", "lm_head.weight"),
];

/// Names inside block N after `blk.N.` and `h.N.`.
const GPT2_BLOCK: &[(&str, &str)] = &[
    ("attn_norm.weight", "ln_1.weight"),
    ("attn_norm.bias", "ln_1.bias"),
    ("attn_qkv.weight", "attn.c_attn.weight"),
    ("attn_qkv.bias", "attn.c_attn.bias"),
    ("attn_output.weight", "attn.c_proj.weight"),
    ("attn_output.bias", "attn.c_proj.bias"),
    ("ffn_norm.weight", "ln_2.weight"),
    ("ffn_norm.bias", "ln_2.bias"),
    ("ffn_up.weight", "mlp.c_fc.weight"),
    ("ffn_up.bias", "mlp.c_fc.bias"),
    ("ffn_down.weight", "mlp.c_proj.weight"),
    ("ffn_down.bias", "mlp.c_proj.bias"),
];

impl Architecture {
    /// That of a family.
    pub(super) fn of(family: Family) -> Self {
        match family {
            Family::Llama => Self::Llama,
            Family::Qwen2 => Self::Qwen2,
            Family::Qwen3 => Self::Qwen3,
            Family::Gpt2 => Self::Gpt2,
        }
    }

    /// From `general.architecture`.
    pub(super) fn parse(name: &str) -> Result<Self, GgufError> {
        [Self::Llama, Self::Qwen2, Self::Qwen3, Self::Gpt2]
            .into_iter()
            .find(|architecture| architecture.name() == name)
            .ok_or_else(|| GgufError::UnsupportedArchitecture { found: name.chars().take(40).collect() })
    }

    /// The name in GGUF; for these four it is also Hugging Face's `model_type`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Gpt2 => "gpt2",
        }
    }

    /// Hugging Face's class with a language modelling head.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Llama => "LlamaForCausalLM",
            Self::Qwen2 => "Qwen2ForCausalLM",
            Self::Qwen3 => "Qwen3ForCausalLM",
            Self::Gpt2 => "GPT2LMHeadModel",
        }
    }

    /// Name tables (top, block) and Hugging Face's block prefix.
    fn tables(
        self,
    ) -> (&'static [(&'static str, &'static str)], &'static [(&'static str, &'static str)], &'static str)
    {
        match self {
            Self::Gpt2 => (GPT2_TOP, GPT2_BLOCK, "h."),
            Self::Llama | Self::Qwen2 | Self::Qwen3 => (LLAMA_TOP, LLAMA_BLOCK, "model.layers."),
        }
    }

    /// The Hugging Face name of a GGUF tensor.
    pub(super) fn to_hf(self, name: &str) -> Option<String> {
        let (top, block, prefix) = self.tables();
        if let Some(rest) = name.strip_prefix("blk.") {
            let (number, rest) = rest.split_once('.')?;
            let number: u32 = number.parse().ok()?;
            let (_, hf) = block.iter().find(|(gguf, _)| *gguf == rest)?;
            return Some(format!("{prefix}{number}.{hf}"));
        }
        top.iter().find(|(gguf, _)| *gguf == name).map(|(_, hf)| (*hf).to_owned())
    }

    /// The GGUF name of a Hugging Face tensor.
    pub(super) fn to_gguf(self, name: &str) -> Option<String> {
        let (top, block, prefix) = self.tables();
        if let Some(rest) = name.strip_prefix(prefix) {
            let (number, rest) = rest.split_once('.')?;
            let number: u32 = number.parse().ok()?;
            let (gguf, _) = block.iter().find(|(_, hf)| *hf == rest)?;
            return Some(format!("blk.{number}.{gguf}"));
        }
        top.iter().find(|(_, hf)| *hf == name).map(|(gguf, _)| (*gguf).to_owned())
    }

    /// How the layouts of a tensor differ, by its Hugging Face name.
    pub(super) fn layout(self, hf_name: &str) -> Layout {
        match self {
            Self::Gpt2 if hf_name.contains(".c_") && hf_name.ends_with(".weight") => Layout::Transposed,
            // llama.cpp rotates neighbouring pairs for this architecture, transformers the two halves of a head; the converter
            // reorders the rows of q and k (weights and biases) accordingly. Qwen's rotation in llama.cpp is by halves.
            Self::Llama if hf_name.contains(".q_proj.") => Layout::RotaryQuery,
            Self::Llama if hf_name.contains(".k_proj.") => Layout::RotaryKey,
            _ => Layout::Same,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_translate_both_ways() {
        for architecture in
            [Architecture::Llama, Architecture::Qwen2, Architecture::Qwen3, Architecture::Gpt2]
        {
            let (top, block, _) = architecture.tables();
            let names = top.iter().map(|(gguf, _)| (*gguf).to_owned());
            for name in names.chain(block.iter().map(|(gguf, _)| format!("blk.17.{gguf}"))) {
                let hf = architecture.to_hf(&name).unwrap();
                assert_eq!(architecture.to_gguf(&hf).as_deref(), Some(name.as_str()));
            }
            assert_eq!(architecture.to_hf("blk.x.attn_q.weight"), None);
        }
        assert_eq!(Architecture::Gpt2.layout("h.0.attn.c_attn.bias"), Layout::Same);
        assert_eq!(Architecture::Gpt2.layout("h.0.mlp.c_fc.weight"), Layout::Transposed);
        assert_eq!(Architecture::Qwen3.layout("model.layers.0.self_attn.q_proj.weight"), Layout::Same);
        assert!(matches!(Architecture::parse("mamba"), Err(GgufError::UnsupportedArchitecture { .. })));
    }
}
