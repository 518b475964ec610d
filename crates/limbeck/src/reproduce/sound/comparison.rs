//! Variants against plain distillation, over seeds.

use limbeck_stats::{Estimate, StatsError, holm, sign_flip_test};

use super::measure::Measured;
use super::nested::{Draw, nested};
use super::settings::Variant;

/// Everything measured: per seed the teacher and each variant's student.
pub(super) struct Measurements {
    /// Names of the variants, plain distillation first.
    pub(super) names: Vec<String>,
    pub(super) teachers: Vec<Measured>,
    /// `[seed][variant]`.
    pub(super) students: Vec<Vec<Measured>>,
    /// Seconds of training, alike.
    pub(super) seconds: Vec<Vec<f64>>,
}

/// A figure of a network on drawn units.
pub(super) type Statistic = fn(&Measured, &mut Draw<'_>) -> f64;

/// Severity.
pub(super) fn severity(measured: &Measured, draw: &mut Draw<'_>) -> f64 {
    measured.severity(&draw.units(measured.full.len()))
}

/// Mean over the scored sets of the share that is right.
pub(super) fn accuracy(measured: &Measured, draw: &mut Draw<'_>) -> f64 {
    let sets = measured.sets.iter().map(|set| mean(&set.right, draw));
    sets.sum::<f64>() / measured.sets.len().max(1) as f64
}

/// Mean over the scored sets of the share on which teacher and network agree.
pub(super) fn agreement(measured: &Measured, draw: &mut Draw<'_>) -> f64 {
    let sets = measured.sets.iter().map(|set| mean(&set.agrees, draw));
    sets.sum::<f64>() / measured.sets.len().max(1) as f64
}

/// Alignment; over seeds only.
pub(super) fn alignment(measured: &Measured, _: &mut Draw<'_>) -> f64 {
    measured.a
}

fn mean(values: &[f64], draw: &mut Draw<'_>) -> f64 {
    let units = draw.units(values.len());
    units.iter().map(|&unit| values[unit]).sum::<f64>() / units.len().max(1) as f64
}

impl Measurements {
    pub(super) fn new(variants: &[&Variant]) -> Self {
        let names = variants.iter().map(|variant| variant.name.clone()).collect();
        Self { names, teachers: Vec::new(), students: Vec::new(), seconds: Vec::new() }
    }

    /// Begins a seed.
    pub(super) fn begin(&mut self, teacher: Measured) {
        self.teachers.push(teacher);
        self.students.push(Vec::new());
        self.seconds.push(Vec::new());
    }

    /// Adds the next variant of the seed begun last.
    pub(super) fn add(&mut self, student: Measured, seconds: f64) {
        if let (Some(students), Some(times)) = (self.students.last_mut(), self.seconds.last_mut()) {
            students.push(student);
            times.push(seconds);
        }
    }

    fn seeds(&self) -> usize {
        self.students.len()
    }

    /// A figure of the teachers.
    pub(super) fn teacher(&self, statistic: Statistic, resamples: usize) -> Estimate {
        nested(self.seeds(), resamples, |seed, draw| [statistic(&self.teachers[seed], draw)], |[value]| value)
    }

    /// A figure of a variant's students.
    pub(super) fn student(&self, variant: usize, statistic: Statistic, resamples: usize) -> Estimate {
        let per_seed = |seed: usize, draw: &mut Draw<'_>| [statistic(&self.students[seed][variant], draw)];
        nested(self.seeds(), resamples, per_seed, |[value]| value)
    }

    /// The same by seed, on all units.
    pub(super) fn by_seed(&self, variant: usize, statistic: Statistic) -> Vec<f64> {
        let one = |seed: usize| {
            nested(1, 0, |_, draw| [statistic(&self.students[seed][variant], draw)], |[value]| value).value
        };
        (0..self.seeds()).map(one).collect()
    }

    /// A variant minus plain distillation, seed by seed and prompt by prompt.
    pub(super) fn difference(&self, variant: usize, statistic: Statistic, resamples: usize) -> Estimate {
        self.paired(variant, statistic, resamples, |[own, plain]| own - plain)
    }

    /// A variant over plain distillation: 1 where both are 0, infinite where plain distillation alone is.
    pub(super) fn ratio(&self, variant: usize, statistic: Statistic, resamples: usize) -> Estimate {
        self.paired(variant, statistic, resamples, |[own, plain]| match plain > 0.0 {
            true => own / plain,
            false if own > 0.0 => f64::INFINITY,
            false => 1.0,
        })
    }

    fn paired(
        &self,
        variant: usize,
        statistic: Statistic,
        resamples: usize,
        combine: impl Fn([f64; 2]) -> f64,
    ) -> Estimate {
        let per_seed = |seed: usize, draw: &mut Draw<'_>| {
            // Both on the same units: the draw is repeated for the second.
            let both = &self.students[seed];
            draw.twice(|draw| statistic(&both[variant], draw), |draw| statistic(&both[0], draw))
        };
        nested(self.seeds(), resamples, per_seed, combine)
    }

    /// One-sided p-values that each variant's severity is below that of plain distillation, by flipping the signs of the seeds'
    /// differences, and the same by Holm's correction over all variants.
    pub(super) fn p_values(&self) -> Result<(Vec<f64>, Vec<f64>), StatsError> {
        let plain = self.by_seed(0, severity);
        let mut found = Vec::new();
        for variant in 1..self.names.len() {
            let own = self.by_seed(variant, severity);
            let differences: Vec<f64> = own.iter().zip(&plain).map(|(own, plain)| own - plain).collect();
            let test = sign_flip_test(&differences, 10_000, 42)?;
            let half = test.p_value / 2.0;
            found.push(if test.mean < 0.0 { half } else { 1.0 - half });
        }
        let adjusted = holm(&found);
        Ok((found, adjusted))
    }
}
