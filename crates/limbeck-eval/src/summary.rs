//! Scores per token become estimates with intervals: the examples are what is resampled.

use limbeck_results::{Estimate, StudentScores, TeacherScores};
use limbeck_stats::{Bootstrap, Cluster, Reliability, clustered_proportion, crossed_from_resamples};

use crate::EvalError;
use crate::scoring::{NetworkScores, Scores};

/// With fewer examples than this an interval says nothing about a difference.
pub(crate) const FEWEST_EXAMPLES: usize = 8;

/// One network's scores, gathered by example.
pub(crate) struct ByExample {
    pub(crate) accuracy: Vec<Cluster>,
    pub(crate) loss: Vec<Cluster>,
    pub(crate) agreement: Vec<Cluster>,
    pub(crate) kl: Vec<Cluster>,
    reliability: Vec<Reliability>,
}

impl ByExample {
    /// Gathers network `network`'s tokens by the example they are in.
    pub(crate) fn gather(scores: &Scores, network: usize) -> Result<ByExample, EvalError> {
        let tokens = &scores.networks[network];
        let mut gathered =
            ByExample { accuracy: vec![], loss: vec![], agreement: vec![], kl: vec![], reliability: vec![] };
        let mut start = 0;
        for run in scores.example.chunk_by(|a, b| a == b) {
            let range = start..start + run.len();
            start = range.end;
            gathered.push(tokens, range)?;
        }
        Ok(gathered)
    }

    fn push(&mut self, tokens: &NetworkScores, range: std::ops::Range<usize>) -> Result<(), EvalError> {
        let count = range.len() as f64;
        let share = |values: &[bool]| values.iter().filter(|&&value| value).count() as f64;
        self.accuracy.push(Cluster::new(share(&tokens.correct[range.clone()]), count));
        self.agreement.push(Cluster::new(share(&tokens.agrees[range.clone()]), count));
        self.loss.push(Cluster::new(tokens.loss[range.clone()].iter().sum(), count));
        self.kl.push(Cluster::new(tokens.kl[range.clone()].iter().sum(), count));
        let mut reliability = Reliability::new();
        for i in range {
            reliability.add(tokens.confidence[i].clamp(0.0, 1.0), tokens.correct[i])?;
        }
        self.reliability.push(reliability);
        Ok(())
    }

    /// Examples gathered.
    pub(crate) fn examples(&self) -> usize {
        self.loss.len()
    }

    /// Calibration error over the chosen examples; not a number without any.
    pub(crate) fn ece_of(&self, chosen: &[usize]) -> f64 {
        let mut all = Reliability::new();
        chosen.iter().for_each(|&example| all.merge(&self.reliability[example]));
        all.ece().unwrap_or(f64::NAN)
    }

    /// Scores against the data.
    pub(crate) fn teacher(&self, bootstrap: &Bootstrap) -> Result<TeacherScores, EvalError> {
        let loss = bootstrap.ratio(&self.loss)?;
        Ok(TeacherScores {
            accuracy: clustered_proportion(&self.accuracy, bootstrap.confidence)?,
            loss,
            perplexity: loss.map(f64::exp),
            ece: bootstrap.ece(&self.reliability)?,
        })
    }

    /// Scores against the data and the teacher.
    pub(crate) fn student(&self, bootstrap: &Bootstrap) -> Result<StudentScores, EvalError> {
        let TeacherScores { accuracy, loss, perplexity, ece } = self.teacher(bootstrap)?;
        Ok(StudentScores {
            accuracy,
            loss,
            perplexity,
            ece,
            agreement: clustered_proportion(&self.agreement, bootstrap.confidence)?,
            kl: bootstrap.ratio(&self.kl)?,
        })
    }
}

/// Mean scores of the same network trained with several seeds; intervals over seeds and examples, crossed.
pub(crate) fn over_seeds(networks: &[&ByExample], bootstrap: &Bootstrap) -> Result<StudentScores, EvalError> {
    let examples = networks.first().map_or(0, |network| network.examples());
    let crossed = |of: &dyn Fn(&ByExample, &[usize]) -> f64| -> Result<Estimate, EvalError> {
        let (points, values) = bootstrap.resampled(examples, networks.len(), |chosen, out| {
            for (out, network) in out.iter_mut().zip(networks) {
                *out = of(network, chosen);
            }
        })?;
        Ok(crossed_from_resamples(&points, &values, examples, bootstrap.confidence)?.estimate)
    };
    let mean = |pick: fn(&ByExample) -> &[Cluster]| {
        crossed(&|network, chosen| Cluster::total(chosen.iter().map(|&i| &pick(network)[i])).mean())
    };
    let share = |pick: fn(&ByExample) -> &[Cluster]| -> Result<Estimate, EvalError> {
        // Seeds share the examples: pooled they say no more than one of them where all are right or all wrong.
        let found = mean(pick)?;
        let pooled: Vec<Cluster> =
            (0..examples).map(|i| Cluster::total(networks.iter().map(|network| &pick(network)[i]))).collect();
        let floor = clustered_proportion(&pooled, bootstrap.confidence)?;
        Ok(Estimate {
            value: found.value,
            low: found.low.min(floor.low).max(0.0),
            high: found.high.max(floor.high).min(1.0),
        })
    };
    let loss = mean(|one| &one.loss)?;
    Ok(StudentScores {
        accuracy: share(|one| &one.accuracy)?,
        loss,
        perplexity: loss.map(f64::exp),
        ece: crossed(&|network, chosen| network.ece_of(chosen))?,
        agreement: share(|one| &one.agreement)?,
        kl: mean(|one| &one.kl)?,
    })
}
