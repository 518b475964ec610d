//! What a recipe's run would have before it and take, without training anything: what `limbeck validate` says.

use std::sync::Arc;

use limbeck_data::examples::TokenExample;
use serde::Serialize;

use super::estimate::{Estimate, bytes, duration};
use super::examples::Examples;
use super::losses::Losses;
use super::{Pipeline, PipelineError, StageError};

/// Wrong records that are listed.
const MOST_ERRORS: usize = 5;

/// Tokens of a list of examples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Lengths {
    /// Of the shortest.
    pub min: usize,
    /// Of the one in the middle.
    pub median: usize,
    /// Of the longest.
    pub max: usize,
}

impl Lengths {
    fn of(examples: &[TokenExample]) -> Self {
        let mut all: Vec<usize> = examples.iter().map(TokenExample::len).collect();
        all.sort_unstable();
        let at = |index: usize| all.get(index).copied().unwrap_or(0);
        Self { min: at(0), median: at(all.len() / 2), max: at(all.len().saturating_sub(1)) }
    }
}

/// A recipe's data and what its run will take.
#[derive(Debug, Clone, Serialize)]
pub struct Survey {
    /// Examples to train on.
    pub training: usize,
    /// Their tokens.
    pub tokens: Lengths,
    /// Tokens of theirs that are learned.
    pub scored_tokens: usize,
    /// Examples held out.
    pub held_out: usize,
    /// Examples of each shifted set.
    pub shifted: Vec<(String, usize)>,
    /// Records read, left out by reason, and cut.
    losses: Losses,
    /// How the data was told apart, and what was left out.
    pub notes: Vec<String>,
    /// Seconds and memory of every stage; a rough guess.
    pub estimate: Estimate,
}

impl Pipeline<'_> {
    /// Reads the data and estimates the run; writes nothing of it.
    ///
    /// # Errors
    /// What a run would stop at before it trains: sources that cannot be fetched, up to five wrong records, too many
    /// losses, models that cannot be read, an export that the format cannot hold, an audit that the tokenizers or the context do
    /// not allow.
    pub fn survey(&mut self) -> Result<Survey, PipelineError> {
        let examples = self.read_data().map_err(|error| self.fail("data", error))?;
        self.foresee_exports()?;
        self.settle().map_err(|error| self.fail("student", error))?;
        self.foresee_audit()?;
        let estimate = self.estimate_at(None).map_err(|error| self.fail("estimate", error))?;
        Ok(Survey {
            training: examples.training.len(),
            tokens: Lengths::of(&examples.training),
            scored_tokens: examples.training.iter().map(TokenExample::scored_count).sum(),
            held_out: examples.held_out.len(),
            shifted: examples.shifts.iter().map(|set| (set.name.clone(), set.examples.len())).collect(),
            losses: examples.losses.clone(),
            notes: examples.notes.clone(),
            estimate,
        })
    }

    fn read_data(&mut self) -> Result<Arc<Examples>, StageError> {
        let sources = self.fetch_sources()?;
        let examples = Arc::new(self.build(&sources, MOST_ERRORS)?);
        self.examples = Some(Arc::clone(&examples));
        Ok(examples)
    }
}

impl Survey {
    /// The whole for people, a fact a line.
    pub fn text(&self) -> String {
        let Lengths { min, median, max } = self.tokens;
        let mut text = format!(
            "data: {} examples to train on, {} held out; {min} to {max} tokens, median {median}; {} tokens learned",
            self.training, self.held_out, self.scored_tokens
        );
        for (name, count) in &self.shifted {
            text += &format!("\n  shifted set {name}: {count} examples");
        }
        for note in &self.notes {
            text += &format!("\n  {note}");
        }
        text += &format!("\nestimate (rough, from this machine's {:.0} GFLOP/s):", self.estimate.gflops);
        for stage in &self.estimate.stages {
            let (time, memory) = (duration(stage.seconds), bytes(stage.memory_bytes));
            text += &format!("\n  {:<9} {time:>11}  {memory:>9}  {}", stage.stage, stage.work);
        }
        let (time, memory) = (duration(self.estimate.seconds()), bytes(self.estimate.memory_bytes()));
        text += &format!("\n  {:<9} {time:>11}  {memory:>9}", "in all");
        if let Some(stage) = self.estimate.longest() {
            text += &format!("\n  the longest stage is {}: {} shortens it", stage.stage, stage.shorter);
        }
        text
    }
}
