//! One forward pass over the clean prompts, block by block, for all that is measured on them.

use burn::tensor::Tensor;
use limbeck_data::progress::Progress;
use limbeck_eval::contrast::ContrastTask;
use limbeck_model::{Capture, Decoder, NoTap, Site, SiteKind};

use crate::AuditError;
use crate::rows::{clean_batch, stop_if_asked};

/// What one block showed on a batch of prompts of one group.
pub(crate) struct Seen {
    /// The group.
    pub(crate) group: usize,
    /// Prompts in the batch.
    pub(crate) prompts: usize,
    values: Capture,
}

impl Seen {
    /// `[prompts, length, d_model]`.
    pub(crate) fn get3(&self, layer: usize, kind: SiteKind) -> Result<Tensor<3>, AuditError> {
        let site = Site::block(layer, kind);
        self.values.get3(site).ok_or_else(|| AuditError::Site { site: site.to_string() })
    }

    /// `[prompts, length, heads, d_head]`, or `[prompts, heads, length, length]` of a pattern.
    pub(crate) fn get4(&self, layer: usize, kind: SiteKind) -> Result<Tensor<4>, AuditError> {
        let site = Site::block(layer, kind);
        self.values.get4(site).ok_or_else(|| AuditError::Site { site: site.to_string() })
    }
}

/// Hands over what each block has at the sites of `kinds`, all batches of the task at once, in the order of
/// [`ContrastTask::prompts`].
pub(crate) fn each_block(
    decoder: &Decoder,
    task: &ContrastTask,
    kinds: &[SiteKind],
    batch_size: usize,
    progress: &dyn Progress,
    see: &mut dyn FnMut(usize, &[Seen]) -> Result<(), AuditError>,
) -> Result<(), AuditError> {
    let mut batches = Vec::new();
    for (group, of_group) in task.groups.iter().enumerate() {
        for prompts in of_group.prompts.chunks(batch_size) {
            let resid = decoder.embed(&clean_batch(decoder, prompts)?, &mut NoTap);
            batches.push((group, prompts.len(), resid));
        }
    }
    for layer in 0..decoder.config().n_layers {
        stop_if_asked(progress)?;
        let mut seen = Vec::with_capacity(batches.len());
        for (group, prompts, resid) in &mut batches {
            let mut values = Capture::new(kinds.iter().map(|&kind| Site::block(layer, kind)));
            *resid = decoder.run_blocks(layer..layer + 1, resid.clone(), &mut values);
            seen.push(Seen { group: *group, prompts: *prompts, values });
        }
        see(layer, &seen)?;
    }
    Ok(())
}
