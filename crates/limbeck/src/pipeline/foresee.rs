//! Failures that can be foreseen: an audit that the tokenizers or the context do not allow is refused before anything is trained.

use std::path::Path;

use limbeck_audit::{AuditConfig, KnownNetwork, check_task};
use limbeck_data::atomic::read_json;
use limbeck_distill::StudentConfig;
use limbeck_model::{DecoderConfig, ModelError, Tokenizer, open_model};

use super::{Pipeline, PipelineError, StageError};
use crate::recipe::TeacherConfig;

/// What is known of a network before it is made.
type Known = (Tokenizer, DecoderConfig);

impl Pipeline<'_> {
    /// Refuses an audit that would be refused after the training, unless it was made already.
    pub(super) fn foresee_audit(&mut self) -> Result<(), PipelineError> {
        let Some(settings) = self.recipe.audit.settings() else { return Ok(()) };
        let inputs = self.audit_inputs(&settings)?;
        let fingerprint = self.fingerprint("audit", &inputs)?;
        if self.manifest.holds("audit", &fingerprint, self.folder.root()) {
            return Ok(());
        }
        self.try_task(&settings).map_err(|error| self.fail("audit", error))
    }

    fn try_task(&mut self, settings: &AuditConfig) -> Result<(), StageError> {
        let (teacher, teacher_config) = self.known_teacher()?;
        let (other, student_config) = match self.recipe.student.clone() {
            StudentConfig::Layers(_) => (None, teacher_config.clone()),
            StudentConfig::Fresh(shape) => {
                let base = match &shape.config {
                    Some(file) => {
                        DecoderConfig::from_hf_json(&read_json(Path::new(file))?).map_err(ModelError::from)?
                    }
                    None => teacher_config.clone(),
                };
                (None, shape.resolve(&base)?)
            }
            StudentConfig::Model(model) => {
                let (tokenizer, config) = self.known(&model.source)?;
                (Some(tokenizer), config)
            }
        };
        let reader = |name, tokenizer, config: &DecoderConfig| KnownNetwork {
            name,
            tokenizer,
            positions: config.max_positions,
            vocab_size: config.vocab_size,
        };
        let readers = [
            reader("teacher", &teacher, &teacher_config),
            reader("student", other.as_ref().unwrap_or(&teacher), &student_config),
        ];
        Ok(check_task(settings, &readers)?)
    }

    fn known_teacher(&mut self) -> Result<Known, StageError> {
        if let TeacherConfig::Trained { architecture, .. } = self.recipe.teacher.clone() {
            let tokenizer = self.tokenizer()?;
            let config = architecture.decoder(tokenizer.vocab_size()).map_err(ModelError::from)?;
            return Ok((tokenizer, config));
        }
        let source = self.recipe.teacher.first_source().unwrap_or_default().to_owned();
        self.known(&source)
    }

    fn known(&mut self, source: &str) -> Result<Known, StageError> {
        let located = self.locate(source)?;
        let files = open_model(&located.path).map_err(ModelError::from)?;
        let config = DecoderConfig::from_hf_json(&files.config).map_err(ModelError::from)?;
        Ok((files.tokenizer, config))
    }
}
