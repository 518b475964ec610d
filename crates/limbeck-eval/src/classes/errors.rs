//! Which cases a classifier gets wrong, over one or several seeds.

use limbeck_model::ClassLogits;
use limbeck_stats::{Bootstrap, Cluster, Estimate, StatsError};

/// For each example whether the likeliest class is another than the true one.
pub fn wrong(logits: &ClassLogits, labels: &[u32]) -> Vec<bool> {
    logits.predictions().iter().zip(labels).map(|(found, label)| found != label).collect()
}

/// Errors of the same network under several seeds on the same cases.
///
/// The unit of all intervals is the case (or the cluster of cases, such as a recording): what is resampled is the mean over
/// seeds of each. They say how far the figure would move with other test cases; how far it moves with the seed is seen in
/// [`ErrorRuns::counts`].
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

    /// Mean number of errors, with a bootstrap interval over cases.
    ///
    /// # Errors
    /// No runs or no cases.
    pub fn errors(&self, bootstrap: Bootstrap) -> Result<Estimate, StatsError> {
        let by_case = self.by_case();
        let cases = by_case.len() as f64;
        Ok(bootstrap.mean(&by_case)?.map(|rate| rate * cases))
    }

    /// Share of the cases that are right, with a bootstrap interval over clusters of cases: `cluster_of` names each
    /// case's; without it every case is its own.
    ///
    /// # Errors
    /// No runs or no cases.
    pub fn accuracy(
        &self,
        bootstrap: Bootstrap,
        cluster_of: Option<&[usize]>,
    ) -> Result<Estimate, StatsError> {
        let by_case = self.by_case();
        match cluster_of {
            None => {
                let right: Vec<f64> = by_case.iter().map(|wrong| 1.0 - wrong).collect();
                bootstrap.mean(&right)
            }
            Some(cluster_of) => bootstrap.ratio(&clusters(&by_case, cluster_of)),
        }
    }

    /// Errors of this network less those of another, the cases resampled together.
    ///
    /// # Errors
    /// No cases, or other cases.
    pub fn difference(&self, other: &Self, bootstrap: Bootstrap) -> Result<Estimate, StatsError> {
        let (ours, theirs) = (self.by_case(), other.by_case());
        let cases = ours.len() as f64;
        Ok(bootstrap.difference(&ours, &theirs)?.map(|rate| rate * cases))
    }
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
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn seeds_are_averaged_case_by_case() {
        let mut runs = ErrorRuns::default();
        runs.add(vec![true, false, true, false]).unwrap();
        runs.add(vec![true, false, false, false]).unwrap();
        assert!(runs.add(vec![true]).is_err());
        assert_eq!(runs.by_case(), [1.0, 0.0, 0.5, 0.0]);
        assert_eq!(runs.counts(), [2.0, 1.0]);
        let bootstrap = Bootstrap::default().with_resamples(500);
        let errors = runs.errors(bootstrap).unwrap();
        assert_eq!(errors.value, 1.5);
        assert!(errors.low < 1.5 && errors.high > 1.5);
        assert_eq!(runs.only(&[0, 2]).counts(), [2.0, 1.0]);
        let clustered = runs.accuracy(bootstrap, Some(&[0, 0, 1, 1])).unwrap();
        assert_eq!(clustered.value, 0.625);
        assert!((clustered.low - 0.5).abs() < 1e-12 && (clustered.high - 0.75).abs() < 1e-12);
        assert_eq!(runs.difference(&runs, bootstrap).unwrap(), Estimate::point(0.0));
    }

    #[test]
    fn wrong_cases_are_those_with_another_class_on_top() {
        let logits = ClassLogits { classes: 2, values: vec![0.0, 1.0, 3.0, 2.0] };
        assert_eq!(wrong(&logits, &[1, 1]), [false, true]);
    }
}
