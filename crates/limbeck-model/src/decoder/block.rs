//! The parts of a block: norms, linear maps, MLP.

use burn::tensor::Tensor;
use limbeck_kernels::{
    FrozenWeight, Precision, activate, gated, layer_norm, linear, linear_frozen, rms_norm,
};

use super::{matrix, vector};
use crate::config::{Activation, Norm};
use crate::parameter::Parameter;
use crate::site::{Site, SiteKind};
use crate::tap::Tap;

/// One transformer block.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) ln1: NormWeights,
    pub(crate) attention: AttentionWeights,
    pub(crate) ln2: NormWeights,
    pub(crate) mlp: MlpWeights,
}

/// Weights of attention.
#[derive(Debug, Clone)]
pub(crate) struct AttentionWeights {
    pub(crate) q: Linear,
    pub(crate) k: Linear,
    pub(crate) v: Linear,
    pub(crate) o: Linear,
    pub(crate) q_norm: Option<NormWeights>,
    pub(crate) k_norm: Option<NormWeights>,
}

/// Weights of an MLP, gated or not.
#[derive(Debug, Clone)]
pub(crate) struct MlpWeights {
    pub(crate) gate: Option<Linear>,
    pub(crate) up: Linear,
    pub(crate) down: Linear,
}

/// `y = x W^T + b`, `W` of shape `[out, in]`.
#[derive(Debug, Clone)]
pub(crate) struct Linear {
    pub(crate) weight: Tensor<2>,
    pub(crate) bias: Option<Tensor<1>>,
    /// Of its product.
    pub(crate) precision: Precision,
    /// The weight made ready for products in bfloat16; see [`super::Decoder::ready`].
    pub(crate) frozen: Option<FrozenWeight>,
}

/// Scale, and shift when it is a LayerNorm.
#[derive(Debug, Clone)]
pub(crate) struct NormWeights {
    pub(crate) weight: Tensor<1>,
    pub(crate) bias: Option<Tensor<1>>,
}

impl Linear {
    /// `[batch, seq, in] -> [batch, seq, out]`.
    pub(crate) fn apply(&self, x: Tensor<3>) -> Tensor<3> {
        let ready = self.frozen.as_ref();
        let ready = ready.and_then(|weight| linear_frozen(&x, weight, self.bias.as_ref()));
        ready.unwrap_or_else(|| linear(x, self.weight.clone(), self.bias.clone(), self.precision))
    }

    fn map(self, name: &str, change: &mut dyn FnMut(&str, Parameter) -> Parameter) -> Self {
        Self {
            weight: matrix(change, &format!("{name}.weight"), self.weight),
            bias: self.bias.map(|bias| vector(change, &format!("{name}.bias"), bias)),
            precision: self.precision,
            // Made of the weight as it was.
            frozen: None,
        }
    }
}

impl NormWeights {
    /// Normalises the last dimension.
    pub(crate) fn apply<const D: usize>(&self, x: Tensor<D>, norm: Norm) -> Tensor<D> {
        let weight = self.weight.clone();
        match norm {
            Norm::Layer { eps } => layer_norm(x, weight, self.bias.clone(), eps),
            Norm::Rms { eps } => rms_norm(x, weight, eps),
        }
    }

    pub(crate) fn map(self, name: &str, change: &mut dyn FnMut(&str, Parameter) -> Parameter) -> Self {
        Self {
            weight: vector(change, &format!("{name}.weight"), self.weight),
            bias: self.bias.map(|bias| vector(change, &format!("{name}.bias"), bias)),
        }
    }
}

impl MlpWeights {
    /// `[batch, seq, d_model] -> [batch, seq, d_model]`, touching `mlp.hook_post` on the way.
    pub(crate) fn apply(
        &self,
        x: Tensor<3>,
        nonlinearity: Activation,
        block: usize,
        tap: &mut dyn Tap,
    ) -> Tensor<3> {
        let post = match &self.gate {
            Some(gate) => gated(gate.apply(x.clone()), self.up.apply(x), nonlinearity),
            None => activate(self.up.apply(x), nonlinearity),
        };
        let site = Site::block(block, SiteKind::MlpPost);
        let post = if tap.wants(site) { tap.touch3(site, post) } else { post };
        self.down.apply(post)
    }
}

impl Block {
    /// Every linear map, to be changed.
    pub(crate) fn linears_mut(&mut self) -> impl Iterator<Item = &mut Linear> {
        let attention = &mut self.attention;
        let mlp = &mut self.mlp;
        [&mut attention.q, &mut attention.k, &mut attention.v, &mut attention.o, &mut mlp.up, &mut mlp.down]
            .into_iter()
            .chain(mlp.gate.as_mut())
    }

    pub(crate) fn map(self, name: &str, change: &mut dyn FnMut(&str, Parameter) -> Parameter) -> Self {
        let ln1 = self.ln1.map(&format!("{name}.ln1"), change);
        let a = self.attention;
        let attention = AttentionWeights {
            q: a.q.map(&format!("{name}.attn.q"), change),
            k: a.k.map(&format!("{name}.attn.k"), change),
            v: a.v.map(&format!("{name}.attn.v"), change),
            o: a.o.map(&format!("{name}.attn.o"), change),
            q_norm: a.q_norm.map(|norm| norm.map(&format!("{name}.attn.q_norm"), change)),
            k_norm: a.k_norm.map(|norm| norm.map(&format!("{name}.attn.k_norm"), change)),
        };
        let ln2 = self.ln2.map(&format!("{name}.ln2"), change);
        let m = self.mlp;
        let mlp = MlpWeights {
            gate: m.gate.map(|gate| gate.map(&format!("{name}.mlp.gate"), change)),
            up: m.up.map(&format!("{name}.mlp.up"), change),
            down: m.down.map(&format!("{name}.mlp.down"), change),
        };
        Self { ln1, attention, ln2, mlp }
    }
}
