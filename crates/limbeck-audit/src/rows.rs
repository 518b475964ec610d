//! Prompts as the measurements walk over them: one list over all groups, checked, and turned into tokens.

use burn::tensor::{Device, Int, Tensor, TensorData};
use limbeck_data::progress::Progress;
use limbeck_eval::contrast::{ContrastPrompt, ContrastTask};
use limbeck_model::{Decoder, TokenBatch};

use crate::AuditError;

/// A prompt and the group whose means belong to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(crate) group: usize,
    pub(crate) prompt: &'a ContrastPrompt,
}

/// All prompts of a task, in the order of [`ContrastTask::prompts`].
pub(crate) fn rows(task: &ContrastTask) -> Vec<Row<'_>> {
    (task.groups.iter().enumerate())
        .flat_map(|(group, prompts)| prompts.prompts.iter().map(move |prompt| Row { group, prompt }))
        .collect()
}

/// Refuses prompts with unknown tokens or too many of them.
pub(crate) fn check_readable(decoder: &Decoder, task: &ContrastTask) -> Result<(), AuditError> {
    let (vocab, positions) = (decoder.config().vocab_size, decoder.config().max_positions);
    for prompt in task.prompts() {
        let mut tokens =
            prompt.clean.iter().chain(&prompt.corrupted).chain(&prompt.right).chain(&prompt.wrong);
        if let Some(&token) = tokens.find(|&&token| token as usize >= vocab) {
            return Err(AuditError::Vocabulary { token, vocab });
        }
        if prompt.clean.len() > positions {
            return Err(AuditError::Length { length: prompt.clean.len(), positions });
        }
    }
    Ok(())
}

pub(crate) fn stop_if_asked(progress: &dyn Progress) -> Result<(), AuditError> {
    if progress.cancelled() { Err(AuditError::Cancelled) } else { Ok(()) }
}

/// The clean prompts as tokens; all of a group have one length.
pub(crate) fn clean_batch(decoder: &Decoder, prompts: &[ContrastPrompt]) -> Result<TokenBatch, AuditError> {
    let rows: Vec<&[u32]> = prompts.iter().map(|prompt| prompt.clean.as_slice()).collect();
    Ok(TokenBatch::new(&rows, &decoder.device())?)
}

/// Values of a tensor, row-major.
pub(crate) fn read<const D: usize>(tensor: Tensor<D>, what: &'static str) -> Result<Vec<f32>, AuditError> {
    tensor
        .into_data()
        .try_to_vec::<f32>()
        .map_err(|error| AuditError::Read { what, detail: format!("{error:?}") })
}

/// Token ids or places as a tensor, `[count]`.
pub(crate) fn indices(ids: &[u32], device: &Device) -> Tensor<1, Int> {
    let ids: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
    let count = ids.len();
    Tensor::from_data(TensorData::new(ids, [count]), device)
}
