//! The forward pass, whole and in pieces.

use std::ops::Range;

use burn::tensor::{Int, Tensor};
use limbeck_kernels::{embedding, linear, linear_frozen};

use super::attention::Context;
use super::{Decoder, KeyValueCache, Layout, TokenBatch};
use crate::site::{Site, SiteKind};
use crate::tap::Tap;

impl Decoder {
    /// Logits, `[batch, seq, vocab]`.
    ///
    /// The whole of `[tokens, vocab]` stands in memory; losses over large vocabularies use
    /// [`Decoder::hidden`] and [`Decoder::head`] with the fused kernels.
    pub fn logits(&self, batch: &TokenBatch, tap: &mut dyn Tap) -> Tensor<3> {
        let hidden = self.hidden(batch, tap);
        self.unembed(hidden)
    }

    /// Input of the head, `[batch, seq, d_model]`: the residual stream after the final norm.
    ///
    /// Equals `finish(run_blocks(0..n_layers, embed(batch)))`. The tokens of `batch` must be inside the
    /// vocabulary and no longer than `max_positions`: see [`Decoder::check`].
    pub fn hidden(&self, batch: &TokenBatch, tap: &mut dyn Tap) -> Tensor<3> {
        let resid = self.embed(batch, tap);
        let resid = self.run_blocks(0..self.blocks.len(), resid, tap);
        self.finish(resid, tap)
    }

    /// The residual stream entering the first block, `[batch, seq, d_model]`.
    pub fn embed(&self, batch: &TokenBatch, tap: &mut dyn Tap) -> Tensor<3> {
        let layout = Layout::whole(batch.dims()[1]);
        self.embed_at(batch.ids.clone(), &layout, tap)
    }

    /// Runs some blocks on a residual stream `[batch, seq, d_model]` of whole sequences.
    pub fn run_blocks(&self, blocks: Range<usize>, resid: Tensor<3>, tap: &mut dyn Tap) -> Tensor<3> {
        let layout = Layout::whole(resid.dims()[1]);
        self.run_blocks_at(blocks, resid, &layout, None, tap)
    }

    /// The final norm, `[batch, seq, d_model] -> [batch, seq, d_model]`.
    pub fn finish(&self, resid: Tensor<3>, tap: &mut dyn Tap) -> Tensor<3> {
        let normed = self.ln_final.apply(resid, self.config.norm);
        touch(tap, Site::outer(SiteKind::FinalNorm), normed)
    }

    /// The head product, `[batch, seq, d_model] -> [batch, seq, vocab]`.
    pub fn unembed(&self, hidden: Tensor<3>) -> Tensor<3> {
        let ready = self.frozen_head.as_ref().and_then(|head| linear_frozen(&hidden, head, None));
        ready.unwrap_or_else(|| linear(hidden, self.head(), None, self.precision))
    }

    pub(crate) fn embed_at(&self, ids: Tensor<2, Int>, layout: &Layout, tap: &mut dyn Tap) -> Tensor<3> {
        let batch = ids.dims()[0];
        let tokens = embedding(self.embed.clone(), ids);
        let tokens = touch(tap, Site::outer(SiteKind::Embed), tokens);
        let Some(table) = &self.pos_embed else {
            return tokens;
        };
        let places = match layout.positions(self.config.max_positions) {
            Some(positions) => {
                let rows: Vec<i32> = positions.iter().map(|&p| p as i32).collect();
                let index = Tensor::<1, Int>::from_ints(rows.as_slice(), &table.device());
                let shape = [batch, layout.length, self.config.d_model];
                table.clone().select(0, index).reshape(shape)
            }
            None => table.clone().narrow(0, layout.offset, layout.length).unsqueeze::<3>().expand([
                batch,
                layout.length,
                self.config.d_model,
            ]),
        };
        let places = touch(tap, Site::outer(SiteKind::PosEmbed), places);
        tokens + places
    }

    pub(crate) fn run_blocks_at(
        &self,
        blocks: Range<usize>,
        mut resid: Tensor<3>,
        layout: &Layout,
        mut cache: Option<&mut KeyValueCache>,
        tap: &mut dyn Tap,
    ) -> Tensor<3> {
        let batch = resid.dims()[0];
        let rotation = self.rotary.as_ref().map(|table| match layout.positions(self.config.max_positions) {
            Some(positions) => table.at(&positions, batch),
            None => table.span(layout.offset, layout.length),
        });
        for (index, block) in self.blocks.iter().enumerate() {
            if !blocks.contains(&index) {
                continue;
            }
            let at = |kind| Site::block(index, kind);
            resid = touch(tap, at(SiteKind::ResidPre), resid);
            let normed = block.ln1.apply(resid.clone(), self.config.norm);
            let normed = touch(tap, at(SiteKind::Ln1), normed);
            let context = Context {
                config: &self.config,
                block: index,
                rotation: rotation.as_ref(),
                left_pads: &layout.left_pads,
                cache: cache.as_mut().map(|cache| &mut cache.layers[index]),
            };
            let attended = block.attention.apply(normed, context, tap);
            let attended = touch(tap, at(SiteKind::AttnOut), attended);
            resid = touch(tap, at(SiteKind::ResidMid), resid + attended);
            let normed = block.ln2.apply(resid.clone(), self.config.norm);
            let normed = touch(tap, at(SiteKind::Ln2), normed);
            let out = block.mlp.apply(normed, self.config.activation, index, tap);
            let out = touch(tap, at(SiteKind::MlpOut), out);
            resid = touch(tap, at(SiteKind::ResidPost), resid + out);
        }
        resid
    }
}

fn touch(tap: &mut dyn Tap, site: Site, value: Tensor<3>) -> Tensor<3> {
    if tap.wants(site) { tap.touch3(site, value) } else { value }
}
