//! From errors of networks to figures, differences and claims.

use limbeck_eval::classes::ErrorRuns;
use limbeck_results::{Claim, ClaimOutcome, Figure, FigureTable, FigureUnit};
use limbeck_stats::{Bootstrap, Estimate};

use super::ReproduceError;

/// Resamples of every interval: enough for two digits of its ends, and quick over 10,000 cases.
const RESAMPLES: usize = 2000;

/// What the intervals of errors are.
pub(super) const OVER_CASES: &str =
    "Mean over seeds; in brackets the 95% bootstrap interval over test cases, and the figure of every seed.";

/// The bootstrap of all figures.
pub(super) fn bootstrap() -> Bootstrap {
    Bootstrap::default().with_resamples(RESAMPLES)
}

/// A row with a number of errors.
pub(super) fn errors(what: &str, paper: Option<f64>, runs: &ErrorRuns) -> Result<Figure, ReproduceError> {
    Ok(Figure {
        what: what.to_owned(),
        unit: FigureUnit::Count,
        paper,
        ours: runs.errors(bootstrap())?,
        per_seed: runs.counts(),
    })
}

/// A row with a share of right cases; `cluster_of` as in [`ErrorRuns::accuracy`].
pub(super) fn accuracy(
    what: &str,
    paper: Option<f64>,
    runs: &ErrorRuns,
    cluster_of: Option<&[usize]>,
) -> Result<Figure, ReproduceError> {
    let cases = runs.by_case().len().max(1) as f64;
    Ok(Figure {
        what: what.to_owned(),
        unit: FigureUnit::Share,
        paper,
        ours: runs.accuracy(bootstrap(), cluster_of)?,
        per_seed: runs.counts().iter().map(|errors| 1.0 - errors / cases).collect(),
    })
}

/// A row with a number that differs from seed to seed and has no cases: the interval is the range over seeds.
pub(super) fn per_seed(what: &str, unit: FigureUnit, paper: Option<f64>, values: &[f64]) -> Figure {
    let count = values.len().max(1) as f64;
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Figure {
        what: what.to_owned(),
        unit,
        paper,
        ours: Estimate { value: values.iter().sum::<f64>() / count, low, high },
        per_seed: values.to_vec(),
    }
}

/// Share of the gap from `from` to `to` that `student` closes, `(from - student) / (from - to)`, each the mean of its
/// cases, resampled together over clusters of cases. `None` when there is no gap in some resample.
pub(super) fn gap_closed(
    from: &ErrorRuns,
    to: &ErrorRuns,
    student: &ErrorRuns,
    cluster_of: Option<&[usize]>,
) -> Option<Estimate> {
    let (from, to, student) = (from.by_case(), to.by_case(), student.by_case());
    let cases = from.len();
    let clusters: Vec<usize> = cluster_of.map_or_else(|| (0..cases).collect(), <[usize]>::to_vec);
    let count = clusters.iter().max()? + 1;
    let mut sums = vec![[0.0; 2]; count];
    for (case, &cluster) in clusters.iter().enumerate() {
        sums[cluster][0] += from[case] - student[case];
        sums[cluster][1] += from[case] - to[case];
    }
    let share = |units: &[usize]| {
        let sum = |of: usize| units.iter().map(|&unit| sums[unit][of]).sum::<f64>();
        sum(0) / sum(1)
    };
    bootstrap().statistic(count, share).ok()
}

/// A table.
pub(super) fn table(title: &str, caption: &str, rows: Vec<Figure>) -> FigureTable {
    FigureTable { title: title.to_owned(), caption: caption.to_owned(), rows }
}

/// A claim that holds where an estimate lies wholly above `bound`, and fails where it lies wholly below.
pub(super) fn above(statement: &str, estimate: &Estimate, bound: f64, because: String) -> Claim {
    let outcome = if estimate.low > bound {
        ClaimOutcome::Agrees
    } else if estimate.high < bound {
        ClaimOutcome::Differs
    } else {
        ClaimOutcome::CannotTell
    };
    Claim { statement: statement.to_owned(), outcome, because }
}

/// A claim that a plain figure decides.
pub(super) fn decided(statement: &str, holds: bool, because: String) -> Claim {
    let outcome = if holds { ClaimOutcome::Agrees } else { ClaimOutcome::Differs };
    Claim { statement: statement.to_owned(), outcome, because }
}

/// `12.3 [10.1, 14.0]`.
pub(super) fn written(estimate: &Estimate, digits: usize) -> String {
    let Estimate { value, low, high } = estimate;
    format!("{value:.digits$} [{low:.digits$}, {high:.digits$}]")
}
