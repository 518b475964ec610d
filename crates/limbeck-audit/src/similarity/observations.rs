//! What similarity needs to have seen of a network, from one pass over the clean prompts.

use limbeck_data::progress::Progress;
use limbeck_eval::contrast::ContrastTask;
use limbeck_model::{Decoder, SiteKind};

use super::outputs::{Outputs, Reduction, projections};
use super::walk::each_block;
use super::{AttentionMaps, Directions, SimilarityConfig};
use crate::AuditError;
use crate::rows::check_readable;

/// Attention, directions and outputs of every block on the clean prompts.
#[derive(Debug, Clone, PartialEq)]
pub struct Observations {
    /// Attention maps.
    pub maps: AttentionMaps,
    /// Principal directions of the residual stream after every block.
    pub streams: Directions,
    /// Principal directions of every MLP's output.
    pub mlps: Directions,
    pub(crate) outputs: Outputs,
}

impl Observations {
    /// Runs the clean prompts once.
    ///
    /// # Errors
    /// [`AuditError::Vocabulary`] and [`AuditError::Length`] for prompts that the network cannot read,
    /// [`AuditError::Cancelled`] on request, [`AuditError::Site`] and [`AuditError::Read`] when values do not come.
    pub fn measure(
        decoder: &Decoder,
        task: &ContrastTask,
        config: &SimilarityConfig,
        batch_size: usize,
        label: &str,
        progress: &dyn Progress,
    ) -> Result<Observations, AuditError> {
        check_readable(decoder, task)?;
        let shortest = task.groups.iter().map(|group| group.length).min().unwrap_or(1);
        let free = shortest.saturating_sub(config.skip_positions).max(1);
        let reduction = Reduction {
            positions: (config.rows / task.len().max(1)).clamp(1, free),
            skip: config.skip_positions,
            directions: config.directions,
        };
        let mut found = Observations {
            maps: AttentionMaps::empty(decoder, task),
            streams: Directions::empty(decoder, task),
            mlps: Directions::empty(decoder, task),
            outputs: Outputs::empty(&reduction),
        };
        let projections = projections(decoder);
        let kinds = [SiteKind::Pattern, SiteKind::Z, SiteKind::MlpOut, SiteKind::ResidPost];
        progress.start(label, decoder.config().n_layers as u64, "blocks");
        let seen = each_block(decoder, task, &kinds, batch_size, progress, &mut |layer, seen| {
            found.maps.add(layer, seen)?;
            found.streams.add(layer, SiteKind::ResidPost, seen)?;
            found.mlps.add(layer, SiteKind::MlpOut, seen)?;
            found.outputs.add(layer, seen, &projections[layer], &reduction)?;
            progress.advance(1);
            Ok(())
        });
        progress.finish();
        seen.map(|()| found)
    }
}
