//! Named places in a forward pass, with TransformerLens's names.

use std::fmt;
use std::str::FromStr;

use crate::error::ModelError;

/// What is computed at a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SiteKind {
    /// Token embeddings, `[batch, seq, d_model]`.
    Embed,
    /// Position embeddings (learned positions only), `[batch, seq, d_model]`.
    PosEmbed,
    /// Residual stream entering a block, `[batch, seq, d_model]`.
    ResidPre,
    /// Normalised input of attention, `[batch, seq, d_model]`.
    Ln1,
    /// Queries (after q-norm, before rotation), `[batch, seq, heads, d_head]`.
    Q,
    /// Keys (after k-norm, before rotation), `[batch, seq, kv_heads, d_head]`.
    K,
    /// Values, `[batch, seq, kv_heads, d_head]`.
    V,
    /// Attention probabilities, `[batch, heads, query, key]`.
    Pattern,
    /// Each head's weighted values, input of the output projection, `[batch, seq, heads, d_head]`.
    Z,
    /// Output of attention, `[batch, seq, d_model]`.
    AttnOut,
    /// Residual stream between attention and MLP, `[batch, seq, d_model]`.
    ResidMid,
    /// Normalised input of the MLP, `[batch, seq, d_model]`.
    Ln2,
    /// Neurons after the nonlinearity (and gate), `[batch, seq, d_mlp]`.
    MlpPost,
    /// Output of the MLP, `[batch, seq, d_model]`.
    MlpOut,
    /// Residual stream leaving a block, `[batch, seq, d_model]`.
    ResidPost,
    /// Normalised input of the head, `[batch, seq, d_model]`.
    FinalNorm,
}

const KINDS: [(SiteKind, &str); 16] = [
    (SiteKind::Embed, "hook_embed"),
    (SiteKind::PosEmbed, "hook_pos_embed"),
    (SiteKind::ResidPre, "hook_resid_pre"),
    (SiteKind::Ln1, "ln1.hook_normalized"),
    (SiteKind::Q, "attn.hook_q"),
    (SiteKind::K, "attn.hook_k"),
    (SiteKind::V, "attn.hook_v"),
    (SiteKind::Pattern, "attn.hook_pattern"),
    (SiteKind::Z, "attn.hook_z"),
    (SiteKind::AttnOut, "hook_attn_out"),
    (SiteKind::ResidMid, "hook_resid_mid"),
    (SiteKind::Ln2, "ln2.hook_normalized"),
    (SiteKind::MlpPost, "mlp.hook_post"),
    (SiteKind::MlpOut, "hook_mlp_out"),
    (SiteKind::ResidPost, "hook_resid_post"),
    (SiteKind::FinalNorm, "ln_final.hook_normalized"),
];

impl SiteKind {
    /// Whether values here have rank 4 (`touch4`) rather than 3 (`touch3`).
    pub fn is_per_head(self) -> bool {
        matches!(self, SiteKind::Q | SiteKind::K | SiteKind::V | SiteKind::Pattern | SiteKind::Z)
    }

    fn outside_blocks(self) -> bool {
        matches!(self, SiteKind::Embed | SiteKind::PosEmbed | SiteKind::FinalNorm)
    }

    fn name(self) -> &'static str {
        KINDS.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }
}

/// A place where a forward pass may be looked at or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Site {
    /// The block, from 0; absent before the first and after the last.
    pub block: Option<usize>,
    /// What is computed there.
    pub kind: SiteKind,
}

impl Site {
    /// A site inside a block.
    pub fn block(block: usize, kind: SiteKind) -> Self {
        Site { block: Some(block), kind }
    }

    /// A site outside the blocks: embeddings and the final norm.
    pub fn outer(kind: SiteKind) -> Self {
        Site { block: None, kind }
    }

    /// Every site of a decoder with `n_layers` blocks, in the order a forward pass meets them.
    pub fn all(n_layers: usize, learned_positions: bool) -> Vec<Site> {
        let mut sites = vec![Site::outer(SiteKind::Embed)];
        if learned_positions {
            sites.push(Site::outer(SiteKind::PosEmbed));
        }
        for block in 0..n_layers {
            let inside = KINDS.iter().filter(|(kind, _)| !kind.outside_blocks());
            sites.extend(inside.map(|(kind, _)| Site::block(block, *kind)));
        }
        sites.push(Site::outer(SiteKind::FinalNorm));
        sites
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(block) = self.block {
            write!(f, "blocks.{block}.")?;
        }
        f.write_str(self.kind.name())
    }
}

impl FromStr for Site {
    type Err = ModelError;

    fn from_str(name: &str) -> Result<Self, ModelError> {
        let unknown = || ModelError::Site { name: name.to_owned() };
        let (block, rest) = match name.strip_prefix("blocks.") {
            Some(tail) => {
                let (number, rest) = tail.split_once('.').ok_or_else(unknown)?;
                (Some(number.parse().map_err(|_| unknown())?), rest)
            }
            None => (None, name),
        };
        KINDS
            .iter()
            .find(|(kind, text)| *text == rest && kind.outside_blocks() == block.is_none())
            .map(|(kind, _)| Site { block, kind: *kind })
            .ok_or_else(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for site in Site::all(3, true) {
            assert_eq!(site.to_string().parse::<Site>().unwrap(), site);
        }
        assert_eq!(Site::block(3, SiteKind::Z).to_string(), "blocks.3.attn.hook_z");
    }

    #[test]
    fn strange_names_are_refused() {
        for name in ["", "blocks.", "blocks.x.hook_z", "blocks.1.hook_embed", "hook_mlp_out"] {
            assert!(name.parse::<Site>().is_err(), "{name}");
        }
    }
}
