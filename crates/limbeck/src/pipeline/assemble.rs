//! The report stage: everything found, as `results.json` and `report.html`.

use std::path::{Path, PathBuf};

use limbeck_data::atomic::{read_json, write_atomic};
use limbeck_data::text::visible;
use limbeck_eval::verdict;
use limbeck_report::{render_html, results_json};
use limbeck_results::{BaselineOutcome, Models, Results, SCHEMA_VERSION, Training};

use super::train::Trained;
use super::{Pipeline, PipelineError};
use crate::recipe::TeacherConfig;

/// The page of a run folder.
pub const REPORT: &str = "report.html";
/// The facts of a run folder.
pub const RESULTS: &str = "results.json";

impl Pipeline<'_> {
    /// Gathers what the stages wrote into results and page.
    pub(super) fn make_report(&mut self) -> Result<Results, PipelineError> {
        let results = self.gather()?;
        write_report(self.root(), &results)?;
        Ok(results)
    }

    fn gather(&self) -> Result<Results, PipelineError> {
        let evaluation = self.evaluation()?;
        let audit = self.audited()?;
        let facts = self.facts()?;
        let baseline = match &self.recipe.baseline.skip {
            Some(reason) => BaselineOutcome::Skipped { reason: reason.clone() },
            None => BaselineOutcome::Trained,
        };
        let seconds =
            self.manifest.stages.iter().map(|(name, stage)| (name.clone(), stage.seconds)).collect();
        Ok(Results {
            schema_version: SCHEMA_VERSION,
            name: self.recipe.name.clone(),
            limbeck_version: env!("CARGO_PKG_VERSION").to_owned(),
            seed: self.recipe.seed,
            verdict: verdict(&evaluation, audit.as_ref()),
            models: Models { teacher: facts.teacher, student: facts.student, baseline },
            inputs: self.manifest.inputs.clone(),
            training: self.training()?,
            evaluation,
            audit,
            seconds,
            recipe: self.resolved.clone(),
            notes: self.notes(),
            made_from: Some(self.made_from()),
        })
    }

    /// How the networks were trained, in order.
    ///
    /// # Errors
    /// When a file of the run folder is missing or damaged.
    pub fn training(&self) -> Result<Training, PipelineError> {
        let mut runs = Vec::new();
        let learners = self.learners().into_iter().map(|(learner, index)| learner.name(index));
        for network in std::iter::once("teacher".to_owned()).chain(learners) {
            runs.extend(Trained::read(self, &network)?);
        }
        Ok(Training { runs })
    }

    /// What a reader must know about how the figures came about.
    fn notes(&self) -> Vec<String> {
        let mut notes = self.failures.clone();
        notes.extend(self.manifest.notes.values().flatten().cloned());
        if let Some(reason) = &self.recipe.baseline.skip {
            notes.push(format!("No baseline was trained: {reason}"));
        }
        if let Some(labelled) = self.recipe.baseline.labelled {
            notes.push(format!(
                "The labels of {labelled} training examples count as known: the baseline learned from these alone, the student from the \
                 teacher's answers to all training examples and from no label, in the same number of steps."
            ));
        }
        if let Some(most) = self.recipe.evaluation.max_examples {
            notes.push(format!("At most {most} held-out examples were scored."));
        }
        if self.recipe.audit.settings().is_none() {
            notes.push(
                "No audit was made, so nothing is known about what is inside the student. A section [audit] with a task, \
                 such as task = \"induction\", adds one."
                    .into(),
            );
        }
        notes.extend(self.manifest.stages.values().flat_map(|record| record.remarks.iter().cloned()));
        if let TeacherConfig::Ensemble { members, .. } = &self.recipe.teacher {
            notes.push(format!(
                "The student learned from an ensemble of {} models; the teacher's scores and audit are those of the first, {}.",
                members.len(),
                members.first().map_or("", |member| member.source.as_str())
            ));
        }
        if let Some(capture) = &self.recipe.capture {
            notes.push(format!(
                "The student learned from captured signals: the teacher's {} likeliest tokens and the \
                 mass of the rest.",
                capture.top_k
            ));
        }
        notes
    }
}

/// Writes `results.json` and `report.html` into a folder.
///
/// # Errors
/// When they cannot be written.
pub fn write_report(folder: &Path, results: &Results) -> Result<PathBuf, PipelineError> {
    write_atomic(&folder.join(RESULTS), results_json(results).map_err(unwritable)?.as_bytes())?;
    let page = folder.join(REPORT);
    write_atomic(&page, visible(&render_html(results)).as_bytes())?;
    Ok(page)
}

fn unwritable(error: serde_json::Error) -> PipelineError {
    PipelineError::of_stage("report", error.into())
}

/// What a run folder's `results.json` says.
///
/// # Errors
/// When the folder holds no results.
pub fn read_results(folder: &Path) -> Result<Results, PipelineError> {
    Ok(read_json(&folder.join(RESULTS))?)
}

/// Renders the page of a run folder anew from its `results.json`.
///
/// # Errors
/// When the folder holds no results, or the page cannot be written.
pub fn rerender(folder: &Path) -> Result<(PathBuf, Results), PipelineError> {
    let results = read_results(folder)?;
    let page = folder.join(REPORT);
    write_atomic(&page, visible(&render_html(&results)).as_bytes())?;
    Ok((page, results))
}
