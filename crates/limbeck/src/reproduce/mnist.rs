//! `hinton-mnist`: the teacher, the student on hard labels, the student on soft targets; both students by one optimizer and schedule, and
//! both again by another.

use std::sync::Arc;

use limbeck_distill::classifier::{ClassTerm, ClassifierConfig, SoftTerm, WeightedTerm};
use limbeck_eval::classes::{ErrorRuns, wrong};
use limbeck_model::{ClassLogits, Mlp, predict};
use serde::{Deserialize, Serialize};
use toml::Table;

use super::evidence::{OVER_CASES, above, at_most, errors, fewer, gap_closed, table, written};
use super::recipe::settings;
use super::workbench::{HashedSet, JobTeacher, NetworkJob, Workbench};
use super::{Findings, ReproduceError};

/// The part of the recipe that says what is measured on what; shared by the experiments on MNIST.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Cases {
    /// Name of the data set.
    pub(super) data: String,
    /// Training cases set apart: to choose settings, or to choose a bias.
    pub(super) held_out: usize,
    /// What figures are of: the test set, or (to choose settings) the training cases set apart.
    pub(super) scored_on: ScoredOn,
}

/// Where errors are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ScoredOn {
    /// The test set; networks train on every training case.
    Test,
    /// The training cases set apart, which networks do not train on.
    HeldOut,
}

/// How soft targets are used; shared by the experiments on MNIST.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Softness {
    /// Temperature of teacher and student.
    pub(super) temperature: f64,
    /// Weight of the soft term (which has its factor T^2).
    pub(super) soft_weight: f64,
    /// Weight of the cross-entropy with the true classes.
    pub(super) hard_weight: f64,
}

impl Softness {
    /// The objectives.
    pub(super) fn terms(&self) -> Vec<ClassTerm> {
        let SoftTerm { weight, temperature } =
            SoftTerm { weight: self.soft_weight, temperature: self.temperature };
        let mut terms = vec![ClassTerm::soft(weight, temperature)];
        if self.hard_weight > 0.0 {
            terms.push(ClassTerm::CrossEntropy(WeightedTerm { weight: self.hard_weight }));
        }
        terms
    }
}

/// The data of an experiment on MNIST.
pub(super) struct Data {
    /// The training set.
    pub(super) training: HashedSet,
    /// Rows the teacher trains on.
    pub(super) rows: Arc<Vec<usize>>,
    /// Rows of the training set that are set apart.
    pub(super) held_out: Arc<Vec<usize>>,
    /// The set figures are of.
    pub(super) scored: HashedSet,
    /// Its rows.
    pub(super) cases: Arc<Vec<usize>>,
}

impl Data {
    /// Loads the data. The cases set apart are the same for every seed.
    pub(super) fn load(cases: &Cases, bench: &Workbench<'_>) -> Result<Self, ReproduceError> {
        let (training, test) = bench.images(&cases.data)?;
        if cases.held_out >= training.set.len() {
            return Err(ReproduceError::Setting {
                key: "held_out",
                found: cases.held_out.to_string(),
                right: format!("below {}, the number of training cases", training.set.len()),
            });
        }
        let (rest, held_out) = training.set.held_out(cases.held_out, 0);
        let held_out = Arc::new(held_out);
        Ok(match cases.scored_on {
            ScoredOn::Test => Self {
                rows: Arc::new(training.all()),
                cases: Arc::new(test.all()),
                scored: test,
                held_out,
                training,
            },
            ScoredOn::HeldOut => Self {
                rows: Arc::new(rest),
                scored: training.clone(),
                cases: Arc::clone(&held_out),
                held_out,
                training,
            },
        })
    }

    /// The true classes of the scored cases.
    pub(super) fn labels(&self) -> Vec<u32> {
        self.cases.iter().map(|&row| self.scored.set.labels()[row]).collect()
    }

    /// What a network says about the scored cases.
    pub(super) fn answers(&self, network: &Mlp) -> ClassLogits {
        predict(network, &self.scored.set, &self.cases)
    }

    /// Which of the scored cases a network gets wrong.
    pub(super) fn wrong(&self, network: &Mlp) -> Vec<bool> {
        wrong(&self.answers(network), &self.labels())
    }
}

#[derive(Debug, Deserialize)]
struct Settings {
    #[serde(flatten)]
    cases: Cases,
    teacher: ClassifierConfig,
    /// The student, on hard labels and on soft targets.
    student: ClassifierConfig,
    /// The student by another optimizer and schedule, on both again.
    other: ClassifierConfig,
    targets: Softness,
}

/// A student on hard labels and on soft targets, all else the same.
#[derive(Default)]
struct Pair {
    hard: ErrorRuns,
    soft: ErrorRuns,
}

/// Runs it.
pub(super) fn run(recipe: &Table, seeds: &[u64], bench: &Workbench<'_>) -> Result<Findings, ReproduceError> {
    let settings: Settings = settings(recipe, "hinton-mnist")?;
    let data = Data::load(&settings.cases, bench)?;
    let mut teacher = ErrorRuns::default();
    let mut pairs = [Pair::default(), Pair::default()];
    for &seed in seeds {
        let job = |label: &str, config| {
            NetworkJob::hard(label, config, &data.training, Arc::clone(&data.rows), seed)
        };
        let taught = bench.network(&job("teacher", &settings.teacher))?;
        let targets = Arc::new(predict(&taught.network, &data.training.set, &data.rows));
        teacher.add(data.wrong(&taught.network))?;
        let mut counts = vec![format!("teacher {}", last(&teacher))];
        for (config, pair) in [&settings.student, &settings.other].into_iter().zip(&mut pairs) {
            let how = config.optimizer.name();
            let plain = bench.network(&job(&format!("student on hard labels by {how}"), config))?;
            let distilled = job(&format!("student on soft targets by {how}"), config)
                .taught(JobTeacher::Stored(Arc::clone(&targets)), settings.targets.terms());
            let distilled = bench.network(&distilled)?;
            pair.hard.add(data.wrong(&plain.network))?;
            pair.soft.add(data.wrong(&distilled.network))?;
            counts.push(format!("by {how} hard {}, soft {}", last(&pair.hard), last(&pair.soft)));
        }
        bench.progress.note(&format!("seed {seed}: errors of {}", counts.join("; ")));
    }
    findings(&settings, &data, &teacher, &pairs)
}

fn last(runs: &ErrorRuns) -> f64 {
    runs.counts().last().copied().unwrap_or_default()
}

fn findings(
    settings: &Settings,
    data: &Data,
    teacher: &ErrorRuns,
    pairs: &[Pair; 2],
) -> Result<Findings, ReproduceError> {
    let cases = data.cases.len();
    let mut rows = vec![errors(&format!("teacher, {}", shape(&settings.teacher)), Some(67.0), teacher)?];
    let mut claims = Vec::new();
    for ((config, pair), first) in
        [&settings.student, &settings.other].into_iter().zip(pairs).zip([true, false])
    {
        let paper = |errors: f64| first.then_some(errors);
        let (size, how) = (shape(config), format!("{}, {} epochs", config.optimizer.name(), config.epochs));
        let at = settings.targets.temperature;
        rows.push(errors(&format!("student on hard labels, {size}, {how}"), paper(146.0), &pair.hard)?);
        rows.push(errors(
            &format!("student on soft targets at T = {at}, {size}, {how}"),
            paper(74.0),
            &pair.soft,
        )?);
        let less = fewer(&pair.hard, &pair.soft)?;
        claims.push(above(
            &format!(
                "The student makes fewer errors with soft targets than with hard labels, both by {how}."
            ),
            &less,
            0.0,
            format!("{} errors fewer", written(&less, 0)),
        ));
        claims.push(gap_closed(
            &format!(
                "Soft targets close at least half of the gap between the student on hard labels and the teacher, by \
                 {how} (paper: 91%)."
            ),
            &pair.hard,
            teacher,
            &pair.soft,
            None,
            0.5,
        )?);
    }
    let ours = teacher.errors()?;
    claims.push(at_most(
        "The regularised teacher makes at most 1.1% errors (paper: 0.67%).",
        &ours,
        0.011 * cases as f64,
        format!("{} errors of {cases}", written(&ours, 0)),
    ));
    let caption = format!("Errors on {cases} cases of {}. {OVER_CASES}", place(&settings.cases));
    Ok(Findings {
        tables: vec![table("Errors", &caption, rows)],
        claims,
        notes: notes(),
        ..Findings::default()
    })
}

/// Where the figures are from.
pub(super) fn place(cases: &Cases) -> String {
    match cases.scored_on {
        ScoredOn::Test => format!("{}'s test set", cases.data),
        ScoredOn::HeldOut => format!("{}'s training set, set apart to choose settings", cases.data),
    }
}

/// `2 x 800` for two hidden layers of 800.
pub(super) fn shape(config: &ClassifierConfig) -> String {
    match config.hidden.as_slice() {
        [first, rest @ ..] if rest.iter().all(|width| width == first) => {
            format!("{} x {first} units", config.hidden.len())
        }
        widths => format!("{widths:?} units"),
    }
}

fn notes() -> Vec<String> {
    vec![
        "The paper gives no learning rate, batch size, number of epochs, dropout or max-norm; ours are in the recipe and \
         were chosen on 10,000 training cases set apart (`--set held_out=10000 --set scored_on='held_out'`), never on the \
         test set. Momentum's were chosen for hard labels and AdamW's for soft targets; both kinds of targets are trained by \
         either, so that only pairs of the same optimizer and schedule are compared."
            .to_owned(),
        "The soft term has the factor T^2; its weight and that of the hard labels are in the recipe. The student sees no \
         jitter and no dropout, as in the paper, so that the teacher's logits are computed once."
            .to_owned(),
    ]
}
