//! The opening lines of a run: which networks, how large, on what data, and where it is written.

use limbeck_data::examples::TokenExample;

use super::{Pipeline, StageError};
use crate::recipe::TeacherConfig;

impl Pipeline<'_> {
    /// Says what the run is about to do; a run that is finished has been said already.
    pub(crate) fn introduce(&mut self) {
        // What cannot be read is said by the stage that needs it.
        if !self.finished
            && let Ok(lines) = self.opening()
        {
            lines.iter().for_each(|line| self.progress.note(line));
        }
    }

    fn opening(&mut self) -> Result<Vec<String>, StageError> {
        let of = self.shapes()?;
        let examples = self.examples()?;
        let recipe = &self.recipe;
        let sized = |config: &limbeck_model::DecoderConfig| {
            let size = magnitude(config.parameter_count() as f64);
            let layers = if config.n_layers == 1 { "layer" } else { "layers" };
            format!("{}, {size} parameters, {} {layers}", config.family.model_type(), config.n_layers)
        };
        let of_teacher = match &recipe.teacher {
            TeacherConfig::Trained { training, .. } => {
                format!("trained here for {} steps", training.steps)
            }
            TeacherConfig::Ensemble { members, .. } => format!("{} models as one, the first", members.len()),
            TeacherConfig::Model { source, .. } => source.clone(),
        };
        let scored: usize = examples.training.iter().map(TokenExample::scored_count).sum();
        let training = &recipe.training;
        let baseline = match &recipe.baseline.skip {
            None => "the same student, trained without the teacher".to_owned(),
            Some(reason) => format!("none: {reason}"),
        };
        let audit = match recipe.audit.settings() {
            Some(settings) => match settings.task.path() {
                Some(path) => path.display().to_string(),
                None => {
                    format!("{}, {} prompts a template", known(&settings.task), settings.prompts_per_template)
                }
            },
            None => "none; a section [audit] with task = \"induction\" adds one".to_owned(),
        };
        Ok(vec![
            format!("{}: run folder {}", recipe.name, self.root().display()),
            format!("  teacher   {of_teacher} ({})", sized(&of.teacher)),
            format!(
                "  student   {}; {} steps of {} sequences",
                sized(&of.student),
                training.steps,
                training.batch_size
            ),
            format!("  baseline  {baseline}"),
            format!(
                "  data      {} examples to train on ({scored} scored tokens), {} held out",
                examples.training.len(),
                examples.held_out.len()
            ),
            format!("  audit     {audit}"),
        ])
    }
}

/// The name of a task built in.
fn known(task: &limbeck_eval::contrast::TaskChoice) -> &'static str {
    match task {
        limbeck_eval::contrast::TaskChoice::Known(task) => task.name(),
        limbeck_eval::contrast::TaskChoice::Own(_) => "own prompts",
    }
}

/// A number of parameters: `134.5 M`, `812 k`.
pub(crate) fn magnitude(count: f64) -> String {
    match count {
        count if count >= 1e9 => format!("{:.2} B", count / 1e9),
        count if count >= 1e6 => format!("{:.1} M", count / 1e6),
        count if count >= 1e3 => format!("{:.0} k", count / 1e3),
        count => format!("{count:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::magnitude;

    #[test]
    fn numbers_of_parameters_are_short() {
        for (count, text) in
            [(134_515_008.0, "134.5 M"), (812_000.0, "812 k"), (1.71e9, "1.71 B"), (97.0, "97")]
        {
            assert_eq!(magnitude(count), text);
        }
    }
}
