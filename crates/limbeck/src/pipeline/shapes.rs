//! The shapes of a run's teacher and student, without loading their weights.

use std::path::Path;

use limbeck_data::atomic::read_json;
use limbeck_distill::StudentConfig;
use limbeck_model::{DecoderConfig, ModelError, Position, open_model};

use super::{Pipeline, StageError};
use crate::recipe::TeacherConfig;

/// Shapes of teacher and student.
pub(crate) struct Shapes {
    pub(crate) teacher: DecoderConfig,
    pub(crate) student: DecoderConfig,
}

impl Pipeline<'_> {
    /// The shapes of teacher and student; of an ensemble the first member's.
    pub(crate) fn shapes(&mut self) -> Result<Shapes, StageError> {
        let teacher = match self.recipe.teacher.clone() {
            TeacherConfig::Trained { architecture, .. } => {
                let vocabulary = self.tokenizer()?.vocab_size();
                architecture.decoder(vocabulary).map_err(ModelError::from)?
            }
            other => match other.first_source() {
                Some(source) => self.shape_of(source)?,
                None => return Err(StageError::TooLittle { reason: "the ensemble has no member".into() }),
            },
        };
        let student = match self.recipe.student.clone() {
            StudentConfig::Layers(layers) => layers.config(&teacher)?,
            StudentConfig::Fresh(shape) => {
                let base = match &shape.config {
                    Some(file) => {
                        DecoderConfig::from_hf_json(&read_json(Path::new(file))?).map_err(ModelError::from)?
                    }
                    None => teacher.clone(),
                };
                shape.resolve(&base)?
            }
            StudentConfig::Model(model) => self.shape_of(&model.source)?,
        };
        Ok(Shapes { teacher, student })
    }

    fn shape_of(&mut self, source: &str) -> Result<DecoderConfig, StageError> {
        let located = self.locate(source)?;
        let files = open_model(&located.path).map_err(ModelError::from)?;
        Ok(DecoderConfig::from_hf_json(&files.config).map_err(ModelError::from)?)
    }
}

/// Parameters of a decoder but for biases and norms: embedding, learned positions, blocks, and a head of its own.
pub(crate) fn parameters(config: &DecoderConfig) -> f64 {
    let [vocabulary, width, inner, positions] =
        [config.vocab_size, config.d_model, config.d_mlp, config.max_positions].map(|size| size as f64);
    let [heads, groups] = [config.n_heads, config.n_kv_heads].map(|count| (count * config.d_head) as f64);
    let matrices = if config.gated { 3.0 } else { 2.0 };
    let block = width * (2.0 * heads + 2.0 * groups + matrices * inner);
    let tables = if config.tied { 1.0 } else { 2.0 } * vocabulary * width;
    let learned = if matches!(config.position, Position::Learned) { positions * width } else { 0.0 };
    tables + learned + config.n_layers as f64 * block
}
