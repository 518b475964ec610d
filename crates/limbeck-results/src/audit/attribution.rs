//! Where a network's logit difference comes from: components' own shares, the way through the layers, patching.

use limbeck_stats::Estimate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ComponentKind;

/// Where the logit difference of one network comes from. Intervals resample prompts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Attribution {
    /// Clean prompts measured.
    pub prompts: usize,
    /// What each component adds to the logit difference by itself.
    pub direct: DirectAttribution,
    /// What could be read off the residual stream before the first block and after each.
    pub lens: Vec<LensPoint>,
    /// What restores the logit difference, and what spoils it; absent when it was not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patching: Option<Patching>,
}

/// Direct logit attribution: the logit difference at the last position as a sum over everything that was added to
/// the residual stream, with the final norm's scale held at that of the whole stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DirectAttribution {
    /// Mean logit difference over these prompts, in logits: the sum of all that follows, to rounding.
    pub logit_difference: Estimate,
    /// Of the token embeddings, in logits.
    pub embedding: Estimate,
    /// Of learned position embeddings, in logits; absent where positions are rotary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positions: Option<Estimate>,
    /// Of every head and MLP, by layer, heads before the MLP.
    pub components: Vec<DirectEffect>,
    /// Of the attention output biases of all layers together, in logits; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attention_biases: Option<Estimate>,
    /// Of the final norm's bias, in logits; absent where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_norm_bias: Option<Estimate>,
}

/// What one component adds to the logit difference by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DirectEffect {
    /// Head or MLP.
    pub kind: ComponentKind,
    /// Block it is in, from 0.
    pub layer: usize,
    /// Query head, from 0; absent for an MLP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<usize>,
    /// Mean contribution over prompts, in logits.
    pub effect: Estimate,
}

/// The logit lens at one depth: final norm and head applied to the residual stream as it stands there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LensPoint {
    /// Blocks the stream has passed: 0 is the embedding, the number of layers the network's own answer.
    pub blocks: usize,
    /// Mean logit difference, in logits.
    pub logit_difference: Estimate,
    /// Mean probability of the right answers together, in `[0, 1]`.
    pub probability: Estimate,
    /// Mean rank of the best right answer among the whole vocabulary; 1 is first.
    pub rank: Estimate,
}

/// Activation patching both ways.
///
/// Every effect is `(LD_patched - LD_corrupted) / (LD_clean - LD_corrupted)` with means over prompts: 0 is as the
/// corrupted run, 1 as the clean one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Patching {
    /// Pairs of clean and corrupted prompts measured.
    pub prompts: usize,
    /// Mean logit difference of the clean prompts, in logits.
    pub clean: Estimate,
    /// Mean logit difference of the corrupted prompts, in logits.
    pub corrupted: Estimate,
    /// Every head and MLP at all positions, by layer, heads before the MLP; empty when not asked for.
    pub components: Vec<PatchedComponent>,
    /// The residual stream entering each block, position by position, one grid per group of prompts; empty when not
    /// asked for.
    pub residual: Vec<PatchedResidual>,
}

/// What becomes of the answer when one component's output comes from the other run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PatchedComponent {
    /// Head or MLP.
    pub kind: ComponentKind,
    /// Block it is in, from 0.
    pub layer: usize,
    /// Query head, from 0; absent for an MLP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<usize>,
    /// Corrupted run with the clean value: what it restores (1 is all).
    pub denoising: Estimate,
    /// Clean run with the corrupted value: what is left without it (1 is all).
    pub noising: Estimate,
}

/// Patching of the residual stream at one position of one layer at a time, over prompts of one layout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PatchedResidual {
    /// Name of the group of prompts.
    pub group: String,
    /// Its prompts measured.
    pub prompts: usize,
    /// Text of each position in the first of them.
    pub tokens: Vec<String>,
    /// Corrupted run with the clean value, `[layer][position]`.
    pub denoising: Vec<Vec<Estimate>>,
    /// Clean run with the corrupted value, `[layer][position]`.
    pub noising: Vec<Vec<Estimate>>,
}
