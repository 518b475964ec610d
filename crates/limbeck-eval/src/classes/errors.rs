//! Which cases a classifier gets wrong, over one or several seeds.

use limbeck_model::ClassLogits;
use limbeck_stats::{
    Cluster, Estimate, StatsError, clustered_difference, clustered_proportion, crossed, paired_proportions,
    student_t,
};

/// Confidence of all intervals here.
const CONFIDENCE: f64 = 0.95;

/// For each example whether the likeliest class is another than the true one.
pub fn wrong(logits: &ClassLogits, labels: &[u32]) -> Vec<bool> {
    logits.predictions().iter().zip(labels).map(|(found, label)| found != label).collect()
}

/// Errors of the same network under several seeds on the same cases.
///
/// Intervals at 95%. Under several seeds they hold other cases (or clusters of cases, such as recordings) and other seeds, the two
/// crossed ([`limbeck_stats::crossed`]); under one seed other cases alone. They are never narrower than a score
/// interval of the cases, and so never of zero width.
#[derive(Debug, Clone, Default)]
pub struct ErrorRuns {
    runs: Vec<Vec<bool>>,
}

impl ErrorRuns {
    /// Adds the run of one more seed.
    ///
    /// # Errors
    /// [`StatsError::Mismatched`] when it is over another number of cases.
    pub fn add(&mut self, wrong: Vec<bool>) -> Result<(), StatsError> {
        let first = self.runs.first().map_or(wrong.len(), Vec::len);
        if first != wrong.len() {
            return Err(StatsError::Mismatched { what: "errors of two seeds", first, second: wrong.len() });
        }
        self.runs.push(wrong);
        Ok(())
    }

    /// For each seed and each case whether it is wrong.
    pub fn runs(&self) -> &[Vec<bool>] {
        &self.runs
    }

    /// Errors of each seed.
    pub fn counts(&self) -> Vec<f64> {
        self.runs.iter().map(|run| run.iter().filter(|wrong| **wrong).count() as f64).collect()
    }

    /// The share of seeds that get each case wrong.
    pub fn by_case(&self) -> Vec<f64> {
        let seeds = self.runs.len().max(1) as f64;
        let cases = self.runs.first().map_or(0, Vec::len);
        (0..cases).map(|case| self.runs.iter().filter(|run| run[case]).count() as f64 / seeds).collect()
    }

    /// The same for the chosen cases alone.
    #[must_use]
    pub fn only(&self, cases: &[usize]) -> Self {
        let runs =
            self.runs.iter().map(|run| cases.iter().filter_map(|&case| run.get(case)).copied().collect());
        Self { runs: runs.collect() }
    }

    /// Mean number of errors.
    ///
    /// # Errors
    /// No runs or no cases.
    pub fn errors(&self) -> Result<Estimate, StatsError> {
        let cases = self.cases() as f64;
        Ok(flipped(self.accuracy(None)?).map(|rate| rate * cases))
    }

    /// Share of the cases that are right; `cluster_of` names each case's cluster, without it every case is its own.
    ///
    /// # Errors
    /// No runs or no cases.
    pub fn accuracy(&self, cluster_of: Option<&[usize]>) -> Result<Estimate, StatsError> {
        let by_case = self.by_case();
        let own: Vec<usize> = (0..by_case.len()).collect();
        let cluster_of = cluster_of.unwrap_or(&own);
        let seeds = self.runs.len() as f64;
        let pooled: Vec<Cluster> = clusters(&by_case, cluster_of)
            .into_iter()
            .map(|cluster| Cluster::new(cluster.sum * seeds, cluster.count * seeds))
            .collect();
        let of_cases = clustered_proportion(&pooled, CONFIDENCE)?;
        let wrong = contrast(&[(1.0, self)], Some(cluster_of))?;
        let hull = wider(of_cases, flipped(wrong));
        Ok(Estimate { low: hull.low.max(0.0), high: hull.high.min(1.0), ..hull })
    }

    /// Share of the cases that this network gets wrong less that of another, paired by case and seed.
    ///
    /// # Errors
    /// No cases, other cases, or numbers of runs of which neither is a multiple of the other.
    pub fn difference(&self, other: &Self, cluster_of: Option<&[usize]>) -> Result<Estimate, StatsError> {
        let by_contrast = contrast(&[(1.0, self), (-1.0, other)], cluster_of)?;
        let of_cases = match (cluster_of, self.runs.as_slice(), other.runs.as_slice()) {
            (None, [ours], [theirs]) => paired_proportions(ours, theirs, CONFIDENCE)?.difference,
            _ => {
                let own: Vec<usize> = (0..self.cases()).collect();
                let cluster_of = cluster_of.unwrap_or(&own);
                let right = |runs: &Self| clusters(&runs.by_case(), cluster_of);
                clustered_difference(&right(other), &right(self), CONFIDENCE)?
            }
        };
        // One run says nothing that the score interval of its cases does not say better.
        Ok(if self.runs.len() > 1 { wider(of_cases, by_contrast) } else { of_cases })
    }

    fn cases(&self) -> usize {
        self.runs.first().map_or(0, Vec::len)
    }

    /// For each of `groups` equal groups of consecutive runs the share of them that get each case wrong.
    fn grouped(&self, groups: usize) -> Vec<Vec<f64>> {
        let size = self.runs.len() / groups;
        let group = |runs: &[Vec<bool>]| -> Vec<f64> {
            (0..self.cases())
                .map(|case| runs.iter().filter(|run| run[case]).count() as f64 / runs.len() as f64)
                .collect()
        };
        self.runs.chunks(size).map(group).collect()
    }
}

/// `sum of weight x share wrong` over several networks on the same cases, paired by case and by seed; without an interval where
/// nothing varies.
///
/// Networks with more runs than the others (the members of an ensemble, seed after seed) are averaged within each seed. Clusters
/// of cases weigh by their cases; their spread is that of the sums `sum (y - mean)` over a cluster.
///
/// # Errors
/// No networks or no cases, other cases, or numbers of runs that are no multiples of the least.
pub fn contrast(terms: &[(f64, &ErrorRuns)], cluster_of: Option<&[usize]>) -> Result<Estimate, StatsError> {
    const WHAT: &str = "contrast of errors";
    let seeds = terms.iter().map(|(_, runs)| runs.runs.len()).min().unwrap_or_default();
    let cases = terms.first().map_or(0, |(_, runs)| runs.cases());
    if seeds == 0 || cases == 0 {
        return Err(StatsError::Empty { what: WHAT });
    }
    let mut values = vec![vec![0.0; cases]; seeds];
    for (weight, runs) in terms {
        if runs.cases() != cases || runs.runs.len() % seeds != 0 {
            let (first, second) = (seeds * cases, runs.runs.len() * runs.cases());
            return Err(StatsError::Mismatched { what: WHAT, first, second });
        }
        for (row, group) in values.iter_mut().zip(runs.grouped(seeds)) {
            row.iter_mut().zip(group).for_each(|(value, wrong)| *value += weight * wrong);
        }
    }
    let mean = values.iter().flatten().sum::<f64>() / (seeds * cases) as f64;
    let own: Vec<usize> = (0..cases).collect();
    let cluster_of = cluster_of.unwrap_or(&own);
    let count = cluster_of.iter().max().map_or(0, |most| most + 1);
    let sums: Vec<Vec<f64>> = values
        .iter()
        .map(|row| {
            let mut sums = vec![0.0; count];
            row.iter().zip(cluster_of).for_each(|(value, &cluster)| sums[cluster] += value - mean);
            sums
        })
        .collect();
    let spread = match sums.as_slice() {
        [only] => student_t(only, CONFIDENCE)?,
        several => crossed(several, CONFIDENCE)?.estimate,
    };
    // Sums are about zero: their mean is rounding.
    let half = (spread.high - spread.low) / 2.0 * count as f64 / cases as f64;
    Ok(Estimate { value: mean, low: mean - half, high: mean + half })
}

/// The share `x` for which `numerator - x denominator` is zero, each a contrast of errors, with all `x` whose contrast has zero in its
/// interval (Fieller 1954, crossed over seeds and cases).
///
/// # Errors
/// As [`contrast`].
pub fn share_of(
    numerator: [&ErrorRuns; 2],
    denominator: [&ErrorRuns; 2],
    cluster_of: Option<&[usize]>,
) -> Result<Share, StatsError> {
    let whole = contrast(&[(1.0, denominator[0]), (-1.0, denominator[1])], cluster_of)?;
    // NaN ends compare as not apart.
    let apart = whole.low > 0.0;
    if !apart {
        return Ok(Share::NoWhole(whole));
    }
    let at = |x: f64| {
        let terms = [(1.0, numerator[0]), (-1.0, numerator[1]), (-x, denominator[0]), (x, denominator[1])];
        contrast(&terms, cluster_of)
    };
    let value = at(0.0)?.value / whole.value;
    let end = |sign: f64| -> Result<f64, StatsError> {
        let holds = |off: f64| -> Result<bool, StatsError> {
            let found = at(value + sign * off)?;
            Ok(!found.has_interval() || found.holds(0.0))
        };
        let (mut inside, mut outside) = (0.0, 0.1);
        while holds(outside)? {
            inside = outside;
            outside *= 2.0;
            if outside > 1e3 {
                return Ok(sign * f64::INFINITY);
            }
        }
        for _ in 0..20 {
            let middle = f64::midpoint(inside, outside);
            if holds(middle)? {
                inside = middle;
            } else {
                outside = middle;
            }
        }
        Ok(value + sign * outside)
    };
    Ok(Share::Of(Estimate { value, low: end(-1.0)?, high: end(1.0)? }))
}

/// A share of a difference of errors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Share {
    /// The share.
    Of(Estimate),
    /// The whole, which is not above zero by its interval: a share of it has no meaning, whatever its sign.
    NoWhole(Estimate),
}

/// The share right of a share wrong, and the other way about.
fn flipped(share: Estimate) -> Estimate {
    Estimate { value: 1.0 - share.value, low: 1.0 - share.high, high: 1.0 - share.low }
}

/// The estimate with the wider of two intervals on either side, one of which may be missing.
fn wider(first: Estimate, second: Estimate) -> Estimate {
    // `min` and `max` leave NaN out.
    Estimate { value: first.value, low: first.low.min(second.low), high: first.high.max(second.high) }
}

/// Right cases and their number, for each cluster.
pub(crate) fn clusters(by_case: &[f64], cluster_of: &[usize]) -> Vec<Cluster> {
    let count = cluster_of.iter().max().map_or(0, |most| most + 1);
    let mut clusters = vec![Cluster { sum: 0.0, count: 0.0 }; count];
    for (wrong, &cluster) in by_case.iter().zip(cluster_of) {
        clusters[cluster].sum += 1.0 - wrong;
        clusters[cluster].count += 1.0;
    }
    clusters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_averaged_case_by_case() {
        let mut runs = ErrorRuns::default();
        runs.add(vec![true, false, true, false]).unwrap();
        runs.add(vec![true, false, false, false]).unwrap();
        assert!(runs.add(vec![true]).is_err());
        assert_eq!(runs.by_case(), [1.0, 0.0, 0.5, 0.0]);
        assert_eq!(runs.counts(), [2.0, 1.0]);
        let errors = runs.errors().unwrap();
        assert_eq!(errors.value, 1.5);
        assert!(errors.low < 1.5 && errors.high > 1.5 && errors.low >= 0.0 && errors.high <= 4.0);
        assert_eq!(runs.only(&[0, 2]).counts(), [2.0, 1.0]);
        let clustered = runs.accuracy(Some(&[0, 0, 1, 1])).unwrap();
        assert_eq!(clustered.value, 0.625);
        assert!(clustered.low < 0.5 && clustered.high > 0.75);
    }

    /// Runs of `cases` cases that get the given ones wrong.
    fn of(cases: usize, wrong: &[&[usize]]) -> ErrorRuns {
        let mut runs = ErrorRuns::default();
        for one in wrong {
            runs.add((0..cases).map(|case| one.contains(&case)).collect()).unwrap();
        }
        runs
    }

    #[test]
    fn no_interval_has_zero_width() {
        for runs in [of(500, &[&[]]), of(500, &[&[], &[], &[]])] {
            let errors = runs.errors().unwrap();
            assert_eq!(errors.value, 0.0);
            // The rule of three and a little: none of 500 wrong is at most some 0.7%.
            assert!((3.0..5.0).contains(&errors.high), "{errors:?}");
            let nothing = runs.difference(&runs, None).unwrap();
            assert!(nothing.value == 0.0 && nothing.low < -0.005 && nothing.high > 0.005, "{nothing:?}");
        }
    }

    #[test]
    fn seeds_that_differ_widen_the_interval() {
        let first: Vec<usize> = (0..60).collect();
        let second: Vec<usize> = (20..40).collect();
        let alike = of(1000, &[&first[..40], &first[..40], &first[..40]]);
        let apart = of(1000, &[&first, &second, &first[..40]]);
        let width = |runs: &ErrorRuns| {
            let found = runs.errors().unwrap();
            found.high - found.low
        };
        assert!(width(&apart) > 1.5 * width(&alike), "{} and {}", width(&apart), width(&alike));
        // Six runs against three: averaged two by two.
        let six = of(1000, &[&first, &first, &second, &second, &first[..40], &first[..40]]);
        assert_eq!(six.difference(&apart, None).unwrap().value, 0.0);
        assert!(contrast(&[(1.0, &of(1000, &[&[], &[]])), (1.0, &apart)], None).is_err());
    }

    #[test]
    fn a_share_of_a_gap_minds_its_signs() {
        let many: Vec<usize> = (0..100).collect();
        let (hard, teacher) = (of(1000, &[&many]), of(1000, &[&many[..20]]));
        let Share::Of(closed) =
            share_of([&hard, &of(1000, &[&many[..40]])], [&hard, &teacher], None).unwrap()
        else {
            panic!("there is a gap");
        };
        assert!((closed.value - 0.75).abs() < 1e-12 && closed.low > 0.6 && closed.high < 0.9, "{closed:?}");
        // A student worse than hard labels closes a negative share.
        let more: Vec<usize> = (0..150).collect();
        let Share::Of(widened) = share_of([&hard, &of(1000, &[&more])], [&hard, &teacher], None).unwrap()
        else {
            panic!("there is a gap");
        };
        assert!(widened.value < 0.0 && widened.high < 0.0, "{widened:?}");
        // A teacher worse than hard labels leaves no gap, of which a still worse student closed "133%" by two minus signs.
        let worse =
            share_of([&teacher, &of(1000, &[&many])], [&teacher, &of(1000, &[&many[..80]])], None).unwrap();
        assert!(matches!(worse, Share::NoWhole(whole) if whole.value < 0.0));
    }

    #[test]
    fn wrong_cases_are_those_with_another_class_on_top() {
        let logits = ClassLogits { classes: 2, values: vec![0.0, 1.0, 3.0, 2.0] };
        assert_eq!(wrong(&logits, &[1, 1]), [false, true]);
    }
}
