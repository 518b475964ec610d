//! What an audit was computed from: prompts, tokens, and every network's answer on each, for others to recompute.

use std::path::{Path, PathBuf};

use limbeck_data::DataError;
use limbeck_data::table::{Column, write_table};
use limbeck_eval::contrast::{ContrastPrompt, ContrastTask, ShiftedTask};
use limbeck_results::component_label;

use crate::brittleness::ShiftedSweeps;
use crate::influence::component;
use crate::{AuditConfig, Sweep};

/// Name of a network with nothing removed, among its components.
const WHOLE: &str = "whole";

/// Prompts of the task and its shifted versions, and the logit differences on each.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Record {
    /// Prompts by name of the task, or of what is shifted.
    pub tasks: Vec<(String, ContrastTask)>,
    /// Logit differences.
    pub sweeps: Vec<SweepRecord>,
}

/// A network's logit differences on the prompts of one task.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepRecord {
    /// The task, or what is shifted.
    pub task: String,
    /// `teacher`, `student` or `baseline`.
    pub network: &'static str,
    /// Which training of it, from 1.
    pub training: usize,
    /// What removed components leave behind.
    pub ablation: &'static str,
    /// The logit differences.
    pub sweep: Sweep,
}

impl Record {
    pub(crate) fn add_task(&mut self, task: ContrastTask) {
        self.tasks.insert(0, (task.name.clone(), task));
    }

    /// Both sweeps of a network that is audited in full.
    pub(crate) fn add_network(
        &mut self,
        task: &str,
        network: &'static str,
        ablation: &'static str,
        sweep: &Sweep,
        zero: &Sweep,
    ) {
        self.add(task, network, 1, ablation, sweep.clone());
        if ablation != "zero" {
            self.add(task, network, 1, "zero", zero.clone());
        }
    }

    /// Sweeps of students and baselines of further trainings.
    pub(crate) fn add_trainings(
        &mut self,
        task: &str,
        others: Vec<(Sweep, Option<Sweep>)>,
        ablation: &'static str,
    ) {
        for (place, (student, baseline)) in others.into_iter().enumerate() {
            self.add(task, "student", place + 2, ablation, student);
            if let Some(baseline) = baseline {
                self.add(task, "baseline", place + 2, ablation, baseline);
            }
        }
    }

    pub(crate) fn add_shift(&mut self, shift: ShiftedTask, sweeps: ShiftedSweeps, ablation: &'static str) {
        self.add(&shift.name, "teacher", 1, ablation, sweeps.teacher);
        for (place, (student, baseline)) in sweeps.pairs.into_iter().enumerate() {
            self.add(&shift.name, "student", place + 1, ablation, student);
            if let Some(baseline) = baseline {
                self.add(&shift.name, "baseline", place + 1, ablation, baseline);
            }
        }
        self.tasks.push((shift.name, shift.task));
    }

    fn add(
        &mut self,
        task: &str,
        network: &'static str,
        training: usize,
        ablation: &'static str,
        sweep: Sweep,
    ) {
        self.sweeps.push(SweepRecord { task: task.to_owned(), network, training, ablation, sweep });
    }

    /// Writes what the configuration asks for, relative paths below `folder`; the files written.
    ///
    /// # Errors
    /// As [`write_table`].
    pub fn save(&self, config: &AuditConfig, folder: &Path) -> Result<Vec<PathBuf>, DataError> {
        let mut written = Vec::new();
        if let Some(file) = &config.save_prompts {
            self.write_prompts(&folder.join(file))?;
            written.push(file.clone());
        }
        if let Some(file) = &config.save_scores {
            self.write_scores(&folder.join(file))?;
            written.push(file.clone());
        }
        Ok(written)
    }

    /// Writes one row a prompt: `task`, `prompt` (its number in the task, from 0), `group`, `text`, `corrupted_text`,
    /// `tokens`, `corrupted_tokens`, and the tokens of `right` and `wrong` answers. The ending of `path`, `.jsonl` or
    /// `.parquet`, says the format.
    ///
    /// # Errors
    /// As [`write_table`].
    pub fn write_prompts(&self, path: &Path) -> Result<(), DataError> {
        let rows: Vec<(&str, usize, &str, &ContrastPrompt)> = (self.tasks.iter())
            .flat_map(|(name, task)| {
                let prompts = task
                    .groups
                    .iter()
                    .flat_map(|group| group.prompts.iter().map(move |prompt| (group.name.as_str(), prompt)));
                prompts
                    .enumerate()
                    .map(move |(number, (group, prompt))| (name.as_str(), number, group, prompt))
            })
            .collect();
        let text = |of: &dyn Fn(&ContrastPrompt) -> String| {
            Column::Text(rows.iter().map(|(.., prompt)| of(prompt)).collect())
        };
        let tokens = |of: &dyn Fn(&ContrastPrompt) -> Vec<u32>| {
            Column::Tokens(rows.iter().map(|(.., prompt)| of(prompt)).collect())
        };
        write_table(
            path,
            &[
                ("task", Column::Text(rows.iter().map(|(task, ..)| (*task).to_owned()).collect())),
                ("prompt", Column::Count(rows.iter().map(|(_, number, ..)| *number as u64).collect())),
                ("group", Column::Text(rows.iter().map(|(_, _, group, _)| (*group).to_owned()).collect())),
                ("text", text(&|prompt| prompt.text.clone())),
                ("corrupted_text", text(&|prompt| prompt.corrupted_text.clone())),
                ("tokens", tokens(&|prompt| prompt.clean.clone())),
                ("corrupted_tokens", tokens(&|prompt| prompt.corrupted.clone())),
                ("right", tokens(&|prompt| prompt.right.clone())),
                ("wrong", tokens(&|prompt| prompt.wrong.clone())),
            ],
        )
    }

    /// Writes one row a prompt, network and removed component: `task`, `prompt`, `network`, `training` (from 1),
    /// `ablation`, `component` and `logit_difference`. Where nothing is removed the component is `whole`, the ablation
    /// `none`, and `correct` says whether a right answer ranks first. The format as for [`Record::write_prompts`].
    ///
    /// # Errors
    /// As [`write_table`].
    pub fn write_scores(&self, path: &Path) -> Result<(), DataError> {
        let mut rows = Rows::default();
        for (place, found) in self.sweeps.iter().enumerate() {
            let same = |other: &SweepRecord| {
                (&other.task, other.network, other.training) == (&found.task, found.network, found.training)
            };
            // Both ablations of a network share its untouched pass.
            let first = !self.sweeps[..place].iter().any(same);
            for prompt in 0..found.sweep.prompts() {
                if first {
                    let correct = Some(found.sweep.correct[prompt]);
                    rows.push(found, prompt, "none", WHOLE.to_owned(), found.sweep.full[prompt], correct);
                }
                let components = found.sweep.components();
                for index in 0..components {
                    let (_, layer, head) = component(index, found.sweep.heads);
                    let value = found.sweep.ablated[prompt * components + index];
                    rows.push(found, prompt, found.ablation, component_label(layer, head), value, None);
                }
            }
        }
        write_table(path, &rows.columns())
    }
}

/// The columns of the scores.
#[derive(Default)]
struct Rows {
    task: Vec<String>,
    prompt: Vec<u64>,
    network: Vec<String>,
    training: Vec<u64>,
    ablation: Vec<String>,
    component: Vec<String>,
    logit_difference: Vec<f64>,
    correct: Vec<Option<bool>>,
}

impl Rows {
    fn push(
        &mut self,
        of: &SweepRecord,
        prompt: usize,
        ablation: &str,
        component: String,
        value: f64,
        correct: Option<bool>,
    ) {
        self.task.push(of.task.clone());
        self.prompt.push(prompt as u64);
        self.network.push(of.network.to_owned());
        self.training.push(of.training as u64);
        self.ablation.push(ablation.to_owned());
        self.component.push(component);
        self.logit_difference.push(value);
        self.correct.push(correct);
    }

    fn columns(self) -> [(&'static str, Column); 8] {
        [
            ("task", Column::Text(self.task)),
            ("prompt", Column::Count(self.prompt)),
            ("network", Column::Text(self.network)),
            ("training", Column::Count(self.training)),
            ("ablation", Column::Text(self.ablation)),
            ("component", Column::Text(self.component)),
            ("logit_difference", Column::Number(self.logit_difference)),
            ("correct", Column::Flag(self.correct)),
        ]
    }
}
