//! Failures that can be foreseen: an export that the format cannot hold, and an audit that the tokenizers or the context do not
//! allow, are refused before anything is trained, and by `limbeck validate`.

use limbeck_audit::{KnownNetwork, check_task};
use limbeck_model::ModelError;
use limbeck_model::weights::gguf::check_gguf;

use super::shapes::Outline;
use super::{Pipeline, PipelineError};

impl Pipeline<'_> {
    /// Refuses an export that could not succeed afterwards: a student or a tokenizer that the format cannot hold.
    pub(super) fn foresee_exports(&mut self) -> Result<(), PipelineError> {
        if self.recipe.export.gguf.is_empty() {
            return Ok(());
        }
        let fits = self.outlines().and_then(|(_, Outline { config, tokenizer })| {
            check_gguf(&config, &tokenizer).map_err(|error| ModelError::from(error).into())
        });
        fits.map_err(|error| self.fail("export", error))
    }

    /// Refuses an audit that would be refused after the training, unless it was made already.
    pub(super) fn foresee_audit(&mut self) -> Result<(), PipelineError> {
        let Some(settings) = self.recipe.audit.settings() else { return Ok(()) };
        let inputs = self.audit_inputs(&settings)?;
        let fingerprint = self.fingerprint("audit", &inputs)?;
        if self.manifest.holds("audit", &fingerprint, self.folder.root()) {
            return Ok(());
        }
        let found = self.outlines().and_then(|(teacher, student)| {
            Ok(check_task(&settings, &[reader("teacher", &teacher), reader("student", &student)])?)
        });
        found.map_err(|error| self.fail("audit", error))
    }
}

/// A network as the audit's prompts are tried on it.
fn reader<'a>(name: &'static str, outline: &'a Outline) -> KnownNetwork<'a> {
    KnownNetwork {
        name,
        tokenizer: &outline.tokenizer,
        positions: outline.config.max_positions,
        vocab_size: outline.config.vocab_size,
    }
}
