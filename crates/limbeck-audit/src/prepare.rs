//! Whether the prompts of an audit can be made and read, before there are networks to audit.

use limbeck_data::progress::Silent;
use limbeck_eval::Encode;
use limbeck_eval::contrast::{ContrastTask, generate};

use crate::audit::{same_tokens, shifted_tasks};
use crate::{AuditConfig, AuditError};

/// What is known of a network before it is trained.
#[derive(Clone, Copy)]
pub struct KnownNetwork<'a> {
    /// Its part in the audit, such as `student`.
    pub name: &'static str,
    /// Its tokenizer.
    pub tokenizer: &'a dyn Encode,
    /// Tokens it can read at once.
    pub positions: usize,
    /// Rows of its embedding.
    pub vocab_size: usize,
}

/// Makes the prompts of the task and of its shifted versions as [`crate::audit()`] will, by the first reader's tokenizer, and
/// refuses what an audit would refuse after the training.
///
/// # Errors
/// As [`crate::audit()`] says of the configuration, the task and the tokens; [`AuditError::Prompts`] for prompts longer than a
/// network can read.
pub fn check_task(config: &AuditConfig, readers: &[KnownNetwork<'_>]) -> Result<(), AuditError> {
    config.check()?;
    let Some(first) = readers.first() else { return Ok(()) };
    let task = generate(&config.task, first.tokenizer, &config.prompts())?;
    let shifted = shifted_tasks(first.tokenizer, config, &Silent)?;
    let shifted = shifted.iter().map(|shift| (format!("the shifted prompts `{}`", shift.name), &shift.task));
    for (what, task) in std::iter::once(("the prompts".to_owned(), &task)).chain(shifted) {
        for reader in readers {
            same_tokens(reader.name, reader.tokenizer, first.tokenizer, task)?;
            fits(&what, reader, task)?;
        }
    }
    Ok(())
}

/// Refuses prompts that a network cannot read.
fn fits(what: &str, reader: &KnownNetwork<'_>, task: &ContrastTask) -> Result<(), AuditError> {
    for prompt in task.prompts() {
        let length = prompt.clean.len();
        if length > reader.positions {
            return Err(AuditError::Prompts {
                what: what.to_owned(),
                network: reader.name,
                length,
                positions: reader.positions,
            });
        }
        let ids = prompt.clean.iter().chain(&prompt.corrupted).chain(&prompt.right).chain(&prompt.wrong);
        if let Some(token) = ids.copied().find(|id| *id as usize >= reader.vocab_size) {
            return Err(AuditError::Vocabulary { token, vocab: reader.vocab_size });
        }
    }
    Ok(())
}
