//! The parts of a block: norms, linear maps, MLP.

use burn::tensor::{Tensor, activation};

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
        let [batch, seq, width] = x.dims();
        // One product of all rows: a batched one would repeat the weight per row.
        let y = x.reshape([batch * seq, width]).matmul(self.weight.clone().transpose());
        let y = match &self.bias {
            Some(bias) => y + bias.clone().unsqueeze::<2>(),
            None => y,
        };
        let out = self.weight.dims()[0];
        y.reshape([batch, seq, out])
    }

    fn map(self, name: &str, change: &mut dyn FnMut(&str, Parameter) -> Parameter) -> Self {
        Self {
            weight: matrix(change, &format!("{name}.weight"), self.weight),
            bias: self.bias.map(|bias| vector(change, &format!("{name}.bias"), bias)),
        }
    }
}

impl NormWeights {
    /// Normalises the last dimension.
    pub(crate) fn apply<const D: usize>(&self, x: Tensor<D>, norm: Norm) -> Tensor<D> {
        match norm {
            Norm::Layer { eps } => {
                let centred = x.clone() - x.mean_dim(D - 1);
                let variance = centred.clone().square().mean_dim(D - 1);
                let unit = centred * (variance + eps).sqrt().recip();
                let scaled = unit * self.weight.clone().unsqueeze::<D>();
                match &self.bias {
                    Some(bias) => scaled + bias.clone().unsqueeze::<D>(),
                    None => scaled,
                }
            }
            Norm::Rms { eps } => {
                let square = x.clone().square().mean_dim(D - 1);
                x * (square + eps).sqrt().recip() * self.weight.clone().unsqueeze::<D>()
            }
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
            Some(gate) => activate(gate.apply(x.clone()), nonlinearity) * self.up.apply(x),
            None => activate(self.up.apply(x), nonlinearity),
        };
        let site = Site::block(block, SiteKind::MlpPost);
        let post = if tap.wants(site) { tap.touch3(site, post) } else { post };
        self.down.apply(post)
    }
}

impl Block {
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

fn activate(x: Tensor<3>, nonlinearity: Activation) -> Tensor<3> {
    match nonlinearity {
        Activation::GeluTanh => activation::gelu_approximate(x),
        Activation::Gelu => activation::gelu(x),
        Activation::Silu => activation::silu(x),
        Activation::Relu => activation::relu(x),
    }
}
