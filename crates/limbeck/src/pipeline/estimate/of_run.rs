//! The estimate of a run at hand: its networks' shapes, its data, its audit's prompts.

use limbeck_data::examples::TokenExample;

use super::super::examples::Examples;
use super::super::{Pipeline, StageError};
use super::{AuditSize, DataSize, Estimate, LONG_SECONDS, Rate, estimate};

impl DataSize {
    /// Counts a run's examples.
    pub(crate) fn of(examples: &Examples) -> Self {
        let mean = |list: &[TokenExample]| {
            list.iter().map(TokenExample::len).sum::<usize>() as f64 / list.len().max(1) as f64
        };
        Self {
            training: examples.training.len(),
            tokens: mean(&examples.training),
            longest: examples.training.iter().map(TokenExample::len).max().unwrap_or(0),
            held_out: examples.held_out.len(),
            held_out_tokens: mean(&examples.held_out),
            shifted: examples.shifts.iter().map(|shift| shift.examples.len()).sum(),
        }
    }
}

impl Pipeline<'_> {
    /// What this run will take, on a machine of that rate; measured when none is given.
    ///
    /// # Errors
    /// Data or models that cannot be read, and an audit task that the tokenizer cannot express.
    pub(crate) fn estimate_at(&mut self, rate: Option<Rate>) -> Result<Estimate, StageError> {
        let data = DataSize::of(self.examples()?.as_ref());
        let shapes = self.shapes()?;
        let audit = match self.recipe.audit.settings() {
            Some(settings) => Some(AuditSize::of(&settings, &self.tokenizer()?)?),
            None => None,
        };
        let rate = rate.unwrap_or_else(|| Rate::measure(&self.recipe));
        Ok(estimate(&self.recipe, &shapes, &data, audit.as_ref(), rate))
    }

    /// Says what the run will take, where that is long. Short work is begun without a word, and an estimate that
    /// cannot be made is left to the stage that will say why.
    pub(crate) fn announce(&mut self) {
        let long = self.estimate_at(Some(Rate::assumed())).is_ok_and(|one| one.seconds() > LONG_SECONDS);
        if long && let Ok(estimate) = self.estimate_at(None) {
            self.progress.note(&estimate.sentence());
        }
    }
}
