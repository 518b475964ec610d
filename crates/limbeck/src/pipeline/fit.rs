//! Settings that a recipe leaves open, fitted to the size of the model and of the data: what ends in minutes on two
//! cores. They depend on the recipe and what it names alone, never on the machine.

use limbeck_data::atomic::write_atomic;

use super::finished::{RECIPE, differences};
use super::{Pipeline, StageError};
use crate::recipe::{AuditSection, Recipe, TeacherConfig, resolved};

/// Parameters of a teacher from which defaults are fitted.
const LARGE: f64 = 20e6;
/// Parameters from which they are fitted more tightly.
const VERY_LARGE: f64 = 500e6;
/// Passes over the data that the steps make.
const PASSES: usize = 3;

/// Defaults of a size of model.
struct Fitted {
    batch_size: usize,
    steps: (u64, u64),
    learning_rate: f64,
    checkpoint_every: u64,
    max_examples: usize,
    prompts_per_template: usize,
}

fn of_size(parameters: f64) -> Option<Fitted> {
    match parameters {
        size if size >= VERY_LARGE => Some(Fitted {
            batch_size: 4,
            steps: (50, 150),
            learning_rate: 1e-4,
            checkpoint_every: 10,
            max_examples: 64,
            prompts_per_template: 6,
        }),
        size if size >= LARGE => Some(Fitted {
            batch_size: 8,
            steps: (50, 300),
            learning_rate: 3e-4,
            checkpoint_every: 25,
            max_examples: 256,
            prompts_per_template: 10,
        }),
        _ => None,
    }
}

/// Sets what the recipe leaves `open`; gives what was set, as `key = value`.
fn fit(
    recipe: &mut Recipe,
    open: &[String],
    parameters: f64,
    (examples, held_out): (usize, usize),
) -> Vec<String> {
    let fits = !matches!(recipe.teacher, TeacherConfig::Trained { .. });
    let Some(of) = of_size(parameters).filter(|_| fits) else { return Vec::new() };
    let is_open = |key: &str| open.iter().any(|one| one == key);
    let mut said = Vec::new();
    let training = &mut recipe.training;
    if is_open("training.batch_size") {
        training.batch_size = of.batch_size.max(training.accumulation);
        said.push(format!("training.batch_size = {}", training.batch_size));
    }
    if is_open("training.steps") {
        let passes = (PASSES * examples).div_ceil(training.batch_size.max(1)) as u64;
        training.steps = passes.clamp(of.steps.0, of.steps.1);
        said.push(format!("training.steps = {}", training.steps));
    }
    if is_open("training.warmup_steps") {
        training.warmup_steps = training.warmup_steps.min(training.steps / 10);
    }
    if is_open("training.learning_rate") {
        training.learning_rate = of.learning_rate;
        said.push(format!("training.learning_rate = {:e}", training.learning_rate));
    }
    if is_open("training.checkpoint_every") {
        training.checkpoint_every = of.checkpoint_every;
    }
    if is_open("evaluation.max_examples") && held_out > of.max_examples {
        recipe.evaluation.max_examples = Some(of.max_examples);
        said.push(format!("evaluation.max_examples = {}", of.max_examples));
    }
    if let (true, AuditSection::Settings(audit)) = (is_open("audit.prompts_per_template"), &mut recipe.audit)
    {
        audit.prompts_per_template = of.prompts_per_template;
        said.push(format!("audit.prompts_per_template = {}", of.prompts_per_template));
    }
    said
}

impl Pipeline<'_> {
    /// Fits what the recipe leaves open to the teacher and the data, says so, and writes the recipe anew.
    pub(crate) fn settle(&mut self) -> Result<(), StageError> {
        if self.open.is_empty() {
            return Ok(());
        }
        let parameters = self.shapes()?.teacher.parameter_count() as f64;
        let examples = self.examples()?;
        let sizes = (examples.training.len(), examples.held_out.len());
        let open = std::mem::take(&mut self.open);
        let said = fit(&mut self.recipe, &open, parameters, sizes);
        if said.is_empty() {
            return self.write_recipe();
        }
        self.resolved = resolved(&self.recipe)?;
        self.write_recipe()?;
        if !self.finished {
            self.progress.note(&format!(
                "fitted to a teacher of {} parameters: {}; a recipe's own values win",
                super::opening::magnitude(parameters),
                said.join(", ")
            ));
        }
        Ok(())
    }

    /// Writes the resolved recipe, unless a finished run of another one stands there: that is refused by the first stage that
    /// would be done anew, and must find the run as it was.
    fn write_recipe(&self) -> Result<(), StageError> {
        let other = |before: &str| !differences(before, &self.resolved).is_empty();
        if self.finished && !self.force && self.earlier.as_deref().is_some_and(other) {
            return Ok(());
        }
        Ok(write_atomic(&self.file(RECIPE), self.resolved.as_bytes())?)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::recipe::{Loaded, Override, builtin, load_text};

    fn loaded(changes: &[&str]) -> Loaded {
        let text = builtin("smollm2-halved").unwrap().text;
        let bare = text.split("[training]").next().unwrap().to_owned();
        let changes: Vec<Override> = changes.iter().map(|it| Override::from_flag(it).unwrap()).collect();
        load_text(&bare, Path::new("r"), &changes).unwrap()
    }

    #[test]
    fn what_is_left_open_fits_the_model_and_what_is_set_stays() {
        let Loaded { mut recipe, open, .. } = loaded(&["audit.task=induction"]);
        let said = fit(&mut recipe, &open, 135e6, (34, 300));
        assert!(said.len() >= 4, "{said:?}");
        assert_eq!((recipe.training.batch_size, recipe.training.steps), (8, 50));
        assert_eq!((recipe.training.warmup_steps, recipe.evaluation.max_examples), (5, Some(256)));
        assert_eq!(recipe.audit.settings().unwrap().prompts_per_template, 10);
        let mut larger = loaded(&[]).recipe;
        fit(&mut larger, &open, 135e6, (400, 30));
        assert_eq!((larger.training.steps, larger.evaluation.max_examples), (150, None));
        assert!(larger.audit.settings().is_none(), "no audit that nobody asked for");

        let Loaded { mut recipe, open, .. } = loaded(&["training.steps=7", "evaluation.max_examples=3"]);
        fit(&mut recipe, &open, 1.7e9, (34, 30));
        assert_eq!((recipe.training.steps, recipe.evaluation.max_examples), (7, Some(3)));
        assert_eq!(recipe.training.batch_size, 4);

        let Loaded { mut recipe, open, .. } = loaded(&[]);
        let before = recipe.clone();
        assert!(
            fit(&mut recipe, &open, 1e6, (34, 300)).is_empty() && recipe == before,
            "small models keep the defaults"
        );
    }
}
