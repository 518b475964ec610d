//! What can be changed in a network: heads, groups of them, MLPs, neurons, the residual stream.

use std::ops::Range;

use limbeck_model::{DecoderConfig, SiteKind};

use crate::AuditError;

/// A place whose values are replaced in an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// One query head, at `hook_z`; also where several share keys and values.
    Head {
        /// Block, from 0.
        layer: usize,
        /// Query head, from 0.
        head: usize,
    },
    /// All query heads that share one key and value head, at `hook_z`.
    Group {
        /// Block, from 0.
        layer: usize,
        /// Key and value head, from 0.
        group: usize,
    },
    /// An MLP, at `hook_mlp_out`.
    Mlp {
        /// Block, from 0.
        layer: usize,
    },
    /// One neuron, at `mlp.hook_post`.
    Neuron {
        /// Block, from 0.
        layer: usize,
        /// Neuron, from 0.
        neuron: usize,
    },
    /// The residual stream entering a block (`hook_resid_pre`), at all positions.
    Residual {
        /// Block, from 0.
        layer: usize,
    },
    /// The residual stream entering a block, at one position of every prompt that has it.
    Position {
        /// Block, from 0.
        layer: usize,
        /// Position, from 0.
        position: usize,
    },
}

impl Target {
    /// Every head and MLP, by layer, heads before the MLP: the order of [`crate::Sweep`].
    pub fn components(layers: usize, heads: usize) -> Vec<Target> {
        let of_layer =
            |layer| (0..heads).map(move |head| Target::Head { layer, head }).chain([Target::Mlp { layer }]);
        (0..layers).flat_map(of_layer).collect()
    }

    /// Every group of query heads that share keys and values, by layer.
    pub fn groups(config: &DecoderConfig) -> Vec<Target> {
        let of_layer = |layer| (0..config.n_kv_heads).map(move |group| Target::Group { layer, group });
        (0..config.n_layers).flat_map(of_layer).collect()
    }

    /// The block it is in.
    pub fn layer(self) -> usize {
        match self {
            Target::Head { layer, .. }
            | Target::Group { layer, .. }
            | Target::Mlp { layer }
            | Target::Neuron { layer, .. }
            | Target::Residual { layer }
            | Target::Position { layer, .. } => layer,
        }
    }

    /// Where its values are.
    pub fn site(self) -> SiteKind {
        match self {
            Target::Head { .. } | Target::Group { .. } => SiteKind::Z,
            Target::Mlp { .. } => SiteKind::MlpOut,
            Target::Neuron { .. } => SiteKind::MlpPost,
            Target::Residual { .. } | Target::Position { .. } => SiteKind::ResidPre,
        }
    }

    /// The query heads of a head or group.
    pub fn heads(self, config: &DecoderConfig) -> Range<usize> {
        let shared = config.n_heads / config.n_kv_heads;
        match self {
            Target::Head { head, .. } => head..head + 1,
            Target::Group { group, .. } => group * shared..(group + 1) * shared,
            _ => 0..0,
        }
    }

    /// Blocks that are computed anew when it is changed.
    pub(crate) fn blocks(self, layers: usize) -> u64 {
        let rest = layers - self.layer();
        (if matches!(self, Target::Mlp { .. } | Target::Neuron { .. }) { rest - 1 } else { rest }) as u64
    }

    /// Refuses places that the network does not have.
    pub(crate) fn check(self, config: &DecoderConfig) -> Result<(), AuditError> {
        let (what, index, count) = match self {
            _ if self.layer() >= config.n_layers => ("block", self.layer(), config.n_layers),
            Target::Head { head, .. } => ("head", head, config.n_heads),
            Target::Group { group, .. } => ("key and value head", group, config.n_kv_heads),
            Target::Neuron { neuron, .. } => ("neuron", neuron, config.d_mlp),
            Target::Position { position, .. } => ("position", position, config.max_positions),
            Target::Mlp { layer } | Target::Residual { layer } => ("block", layer, config.n_layers),
        };
        if index < count { Ok(()) } else { Err(AuditError::Target { what, index, count }) }
    }
}
