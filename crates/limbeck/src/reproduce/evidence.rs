//! From errors of networks to figures, differences and claims. Every claim is decided by an interval.

use limbeck_eval::classes::{ErrorRuns, Share, contrast, share_of};
use limbeck_results::{Claim, ClaimOutcome, Figure, FigureTable, FigureUnit};
use limbeck_stats::{Direction, Estimate, Finding, student_t};

use super::ReproduceError;

/// What the intervals of errors are.
pub(super) const OVER_CASES: &str = "Mean over seeds, and the figure of every seed. In brackets the 95% interval: over test cases for \
    one seed, over test cases and seeds crossed for several.";

/// What the intervals of figures without cases are.
pub(super) const OVER_SEEDS: &str = "Mean over seeds; in brackets Student's 95% interval over them.";

/// A row with a number of errors.
pub(super) fn errors(what: &str, paper: Option<f64>, runs: &ErrorRuns) -> Result<Figure, ReproduceError> {
    Ok(Figure {
        what: what.to_owned(),
        unit: FigureUnit::Count,
        paper,
        ours: runs.errors()?,
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
        ours: runs.accuracy(cluster_of)?,
        per_seed: runs.counts().iter().map(|errors| 1.0 - errors / cases).collect(),
    })
}

/// A row with a number that differs from seed to seed and has no cases; one seed has no interval.
pub(super) fn per_seed(
    what: &str,
    unit: FigureUnit,
    paper: Option<f64>,
    values: &[f64],
) -> Result<Figure, ReproduceError> {
    let ours = student_t(values, 0.95)?;
    Ok(Figure { what: what.to_owned(), unit, paper, ours, per_seed: values.to_vec() })
}

/// The difference in errors, first less second, as a number of cases.
pub(super) fn fewer(first: &ErrorRuns, second: &ErrorRuns) -> Result<Estimate, ReproduceError> {
    let cases = first.by_case().len() as f64;
    Ok(first.difference(second, None)?.map(|share| share * cases))
}

/// The claim that `student` closes at least `bound` of the gap from `from` to `to`, `(from - student) / (from - to)`.
///
/// Where `to` is not better than `from` by the interval there is no gap, and nothing can be said of a share of it.
pub(super) fn gap_closed(
    statement: &str,
    from: &ErrorRuns,
    to: &ErrorRuns,
    student: &ErrorRuns,
    cluster_of: Option<&[usize]>,
    bound: f64,
) -> Result<Claim, ReproduceError> {
    let percent = |share: Estimate| written(&share.map(|share| share * 100.0), 0);
    Ok(match share_of([from, student], [from, to], cluster_of)? {
        Share::Of(share) => above(statement, &share, bound, format!("{}% of the gap", percent(share))),
        Share::NoWhole(gap) => Claim {
            statement: statement.to_owned(),
            outcome: ClaimOutcome::CannotTell,
            because: format!(
                "there is no gap that the data can tell: {} points",
                written(&gap.map(|share| share * 100.0), 2)
            ),
        },
    })
}

/// The claim that `after` is below `part` of `before`, in errors; `because` with both as shares.
pub(super) fn below_part(
    statement: &str,
    before: &ErrorRuns,
    after: &ErrorRuns,
    part: f64,
    because: String,
) -> Result<Claim, ReproduceError> {
    let excess = contrast(&[(part, before), (-1.0, after)], None)?;
    Ok(above(statement, &excess, 0.0, because))
}

/// The claim that two networks are alike within `margin` errors: by two one-sided tests at 5%; it fails where they are apart by at
/// least the margin.
pub(super) fn alike(
    statement: &str,
    first: &ErrorRuns,
    second: &ErrorRuns,
    margin: f64,
    because: String,
) -> Result<Claim, ReproduceError> {
    let wide = fewer(first, second)?;
    // The interval at 95% within the margin is two tests at 2.5%: stricter than needed, and the one that is shown.
    let outcome = match Finding::of_size(&wide, &wide, margin, Direction::LowerIsBetter) {
        Finding::Equal => ClaimOutcome::Agrees,
        Finding::Better | Finding::Worse => ClaimOutcome::Differs,
        Finding::CannotTell => ClaimOutcome::CannotTell,
    };
    Ok(Claim { statement: statement.to_owned(), outcome, because })
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

/// The claim that an estimate is at most `bound`.
pub(super) fn at_most(statement: &str, estimate: &Estimate, bound: f64, because: String) -> Claim {
    let turned = Estimate { value: -estimate.value, low: -estimate.high, high: -estimate.low };
    above(statement, &turned, -bound, because)
}

/// `12.3 [10.1, 14.0]`, or `12.3 (no interval)`.
pub(super) fn written(estimate: &Estimate, digits: usize) -> String {
    let Estimate { value, low, high } = estimate;
    if estimate.has_interval() {
        format!("{value:.digits$} [{low:.digits$}, {high:.digits$}]")
    } else {
        format!("{value:.digits$} (no interval)")
    }
}
