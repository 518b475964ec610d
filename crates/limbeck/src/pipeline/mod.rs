//! The stages of a run and the folder they write.
//!
//! ```text
//! tokenizer -> data -> teacher -> capture -> student -> evaluate -> report
//!                         |                  baseline -> audit ----^
//!                         +------------------^           export
//! ```
//!
//! Each stage has a fingerprint: the hash of its section of the recipe and of everything it reads. A stage
//! whose fingerprint stands in `manifest.json` and whose outputs still hash to what was noted is skipped.
//! Outputs are written atomically and noted afterwards, so that a run killed at any moment continues.

mod assemble;
mod capture;
mod divergence;
mod error;
pub mod estimate;
mod examples;
mod export;
mod finished;
mod fit;
mod folder;
mod foresee;
mod journal;
mod leftovers;
mod losses;
mod manifest;
mod measure;
mod opening;
mod provenance;
mod records;
mod shapes;
mod sources;
mod stage;
mod survey;
mod teacher;
mod train;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use limbeck_data::atomic::write_atomic;
use limbeck_data::progress::Progress;
use limbeck_model::LoadedModel;
use limbeck_results::Results;

use crate::networks::{LocatedModel, locate_model};
use crate::recipe::{Loaded, Recipe, TeacherConfig};

pub use assemble::{REPORT, RESULTS, read_results, rerender, write_report};
pub use error::{PipelineError, StageError};
use examples::Examples;
pub use finished::Difference;
use finished::{Before, RECIPE};
use folder::RunFolder;
pub use journal::Journal;
pub use manifest::{Manifest, StageRecord};
pub use measure::facts;
pub use provenance::stale;
use shapes::Outline;
pub use survey::{Lengths, Survey};

/// How far a run goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// The teacher's signals.
    Capture,
    /// Student and baseline.
    Train,
    /// Their scores.
    Evaluate,
    /// Their insides.
    Audit,
    /// Everything, and the page.
    Report,
}

/// A recipe on its way through the stages.
pub struct Pipeline<'a> {
    recipe: Recipe,
    resolved: String,
    folder: RunFolder,
    manifest: Manifest,
    device: Device,
    progress: &'a dyn Progress,
    located: BTreeMap<String, LocatedModel>,
    /// Shapes and tokenizers of models that exist, by locator.
    outlines: BTreeMap<String, Outline>,
    teacher: Option<Arc<LoadedModel>>,
    examples: Option<Arc<Examples>>,
    /// Keys that the recipe leaves open until they are fitted.
    open: Vec<String>,
    /// The recipe that the folder held when it was opened.
    earlier: Option<String>,
    /// Whether the folder held the results of a finished run when it was opened.
    finished: bool,
    /// Whether such a run may be replaced.
    force: bool,
    /// Whether a stage has been done in this process.
    worked: bool,
    /// What could not be done without stopping the run, in sentences.
    failures: Vec<String>,
    /// Of the stage at work, see [`Pipeline::remark`].
    remarks: Vec<String>,
}

impl std::fmt::Debug for Pipeline<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipeline").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl<'a> Pipeline<'a> {
    /// Opens and locks the recipe's run folder and writes the resolved recipe into it. Networks will live on `device`.
    /// A finished run of another recipe, or of other inputs, is replaced with `force` only.
    ///
    /// # Errors
    /// When another process holds the folder, a finished run stands in it, or it cannot be written.
    pub fn open(
        loaded: Loaded,
        force: bool,
        device: Device,
        progress: &'a dyn Progress,
    ) -> Result<Self, PipelineError> {
        let Loaded { recipe, resolved, mut open } = loaded;
        if matches!(recipe.teacher, TeacherConfig::Trained { .. }) {
            // There is no model to fit to: what is left open has its default.
            open.clear();
        }
        let folder = RunFolder::open(&recipe.output_dir)?;
        let before = Before::read(folder.root());
        before.make_way(folder.root(), &resolved, &open, force)?;
        // Beside a finished run the recipe is written once all of it is known to be the same: a refusal touches nothing.
        if !before.finished || force || open.is_empty() {
            write_atomic(&folder.at(RECIPE), resolved.as_bytes())?;
        }
        let mut manifest = Manifest::read(folder.root());
        manifest.limbeck_version = env!("CARGO_PKG_VERSION").to_owned();
        manifest.name.clone_from(&recipe.name);
        manifest.seed = recipe.seed;
        manifest.write(folder.root())?;
        Ok(Self {
            recipe,
            resolved,
            folder,
            manifest,
            device,
            progress,
            located: BTreeMap::new(),
            outlines: BTreeMap::new(),
            teacher: None,
            examples: None,
            open,
            finished: before.finished,
            earlier: before.recipe,
            force,
            worked: false,
            failures: Vec::new(),
            remarks: Vec::new(),
        })
    }

    /// The run folder.
    pub fn folder(&self) -> &Path {
        self.folder.root()
    }

    /// What failed without stopping the run, in sentences: audit and exports. The report says it too.
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    /// The recipe in work.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Whether the run was finished before, and nothing of it was done again.
    pub fn was_finished(&self) -> bool {
        self.finished && !self.worked
    }

    /// The model a locator names, fetched once.
    fn locate(&mut self, locator: &str) -> Result<LocatedModel, StageError> {
        if let Some(located) = self.located.get(locator) {
            return Ok(located.clone());
        }
        let located = locate_model(locator, self.progress)?;
        self.located.insert(locator.to_owned(), located.clone());
        Ok(located)
    }

    /// Does every stage the goal needs that is not done yet.
    ///
    /// # Errors
    /// The first stage that fails; what was done before is kept. On the way to the report, an audit or an export that fails
    /// costs only itself, see [`Pipeline::failures`].
    pub fn reach(&mut self, goal: Goal) -> Result<(), PipelineError> {
        self.make_examples()?;
        if goal == Goal::Report {
            self.foresee_exports()?;
        }
        self.settle().map_err(|error| self.fail("student", error))?;
        if matches!(goal, Goal::Audit | Goal::Report) {
            self.foresee_audit()?;
        }
        self.introduce();
        self.announce();
        self.make_teacher()?;
        self.make_signals(goal)?;
        if goal == Goal::Capture {
            return Ok(());
        }
        self.make_students()?;
        if matches!(goal, Goal::Evaluate | Goal::Report) {
            self.make_evaluation()?;
        }
        if matches!(goal, Goal::Audit | Goal::Report) {
            let made = self.make_audit();
            self.survive(goal, "audit", made)?;
        }
        if goal == Goal::Report {
            self.make_exports()?;
        }
        Ok(())
    }

    /// On the way to the report, keeps the error of a stage that nothing else needs, and forgets what it made earlier.
    fn survive(
        &mut self,
        goal: Goal,
        stage: &'static str,
        made: Result<(), PipelineError>,
    ) -> Result<(), PipelineError> {
        match made {
            // What the stage could not do; a refusal to begin it, or a wish to stop, is the run's own end.
            Err(error @ PipelineError::Stage { .. }) if goal == Goal::Report => {
                let failure = format!("The {stage} failed: {}.", error.of_what());
                self.progress.note(&failure);
                self.drop_stage(stage)?;
                self.failures.push(failure);
                Ok(())
            }
            other => other,
        }
    }

    /// Does everything and writes `results.json` and `report.html`.
    ///
    /// # Errors
    /// The first stage that fails; what was done before is kept.
    pub fn run(&mut self) -> Result<Results, PipelineError> {
        self.reach(Goal::Report)?;
        self.make_report()
    }
}
