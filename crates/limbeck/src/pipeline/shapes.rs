//! What is known of a run's networks before they are made or loaded: their shapes and tokenizers.

use std::path::Path;

use limbeck_data::atomic::read_json;
use limbeck_distill::StudentConfig;
use limbeck_model::{DecoderConfig, ModelError, Tokenizer, read_outline};

use super::{Pipeline, StageError};
use crate::recipe::TeacherConfig;

/// A network without its weights.
#[derive(Debug, Clone)]
pub(super) struct Outline {
    pub(super) config: DecoderConfig,
    pub(super) tokenizer: Tokenizer,
}

/// Shapes of teacher and student.
#[derive(Debug, Clone)]
pub(crate) struct Shapes {
    pub(crate) teacher: DecoderConfig,
    pub(crate) student: DecoderConfig,
}

impl Pipeline<'_> {
    /// The shapes of teacher and student; of an ensemble the first member's.
    pub(crate) fn shapes(&mut self) -> Result<Shapes, StageError> {
        let (teacher, student) = self.outlines()?;
        Ok(Shapes { teacher: teacher.config, student: student.config })
    }

    /// Teacher and student as they will be; of an ensemble the first member.
    pub(super) fn outlines(&mut self) -> Result<(Outline, Outline), StageError> {
        let teacher = match self.recipe.teacher.clone() {
            TeacherConfig::Trained { architecture, .. } => {
                let tokenizer = self.tokenizer()?;
                let config = architecture.decoder(tokenizer.vocab_size()).map_err(ModelError::from)?;
                Outline { config, tokenizer }
            }
            other => match other.first_source() {
                Some(source) => self.outline_of(source)?,
                None => return Err(StageError::TooLittle { reason: "the ensemble has no member".into() }),
            },
        };
        let config = match self.recipe.student.clone() {
            StudentConfig::Layers(layers) => layers.config(&teacher.config)?,
            StudentConfig::Fresh(shape) => match &shape.config {
                Some(file) => shape.resolve(&config_in(Path::new(file))?)?,
                None => shape.resolve(&teacher.config)?,
            },
            StudentConfig::Model(model) => {
                let student = self.outline_of(&model.source)?;
                return Ok((teacher, student));
            }
        };
        let student = Outline { config, tokenizer: teacher.tokenizer.clone() };
        Ok((teacher, student))
    }

    /// The outline of a model that exists, read once.
    fn outline_of(&mut self, source: &str) -> Result<Outline, StageError> {
        if let Some(outline) = self.outlines.get(source) {
            return Ok(outline.clone());
        }
        let located = self.locate(source)?;
        let (config, tokenizer) = read_outline(&located.path)?;
        let outline = Outline { config, tokenizer };
        self.outlines.insert(source.to_owned(), outline.clone());
        Ok(outline)
    }
}

/// The shape in a file of its own.
fn config_in(file: &Path) -> Result<DecoderConfig, StageError> {
    let config = DecoderConfig::from_hf_json(&read_json(file)?);
    Ok(config.map_err(|source| ModelError::ConfigIn { path: file.to_owned(), source })?)
}
