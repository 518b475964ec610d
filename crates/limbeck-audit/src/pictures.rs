//! Where the heads with the largest drops look, small enough to draw.

use limbeck_eval::Encode;
use limbeck_eval::contrast::ContrastTask;
use limbeck_results::{AttentionPicture, Component, HeadPicture};

use crate::{AttentionMaps, AuditError};

/// Heads drawn.
const HEADS: usize = 3;

/// Mean attention of the heads with the largest drops over the group with the most prompts (the first of equals),
/// with the tokens of its first prompt as the example; `None` without prompts.
///
/// # Errors
/// [`AuditError::Task`] when a token has no text.
pub(crate) fn attention_picture(
    maps: &AttentionMaps,
    task: &ContrastTask,
    tokenizer: &dyn Encode,
    components: &[Component],
) -> Result<Option<AttentionPicture>, AuditError> {
    let largest = task.groups.iter().map(|group| group.prompts.len()).max().unwrap_or(0);
    let found = task.groups.iter().position(|group| group.prompts.len() == largest);
    let Some((place, example)) = found.and_then(|at| Some((at, task.groups[at].prompts.first()?))) else {
        return Ok(None);
    };
    let tokens = example.clean.iter().map(|&token| tokenizer.decode_ids(&[token]));
    let mut order: Vec<(&Component, usize)> =
        components.iter().filter_map(|component| Some((component, component.head?))).collect();
    order.sort_by(|a, b| b.0.drop.value.total_cmp(&a.0.drop.value));
    let picture = |&(component, head): &(&Component, usize)| HeadPicture {
        component: component.label(),
        attention: (maps.mean_in_group(place, component.layer, head).into_iter())
            .map(|weight| (weight * 1e4).round() / 1e4)
            .collect(),
    };
    Ok(Some(AttentionPicture {
        tokens: tokens.collect::<Result<_, _>>()?,
        heads: order.iter().take(HEADS).map(picture).collect(),
    }))
}
