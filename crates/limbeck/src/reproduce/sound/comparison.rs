//! Variants against plain distillation, over seeds.

use limbeck_stats::{Estimate, StatsError, fieller, holm, sign_flip_test, student_t};

use super::measure::Measured;
use super::settings::Variant;

/// Confidence of the intervals over seeds that tables show.
pub(super) const CONFIDENCE: f64 = 0.95;

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

/// A figure of a network.
pub(super) type Statistic<'a> = &'a dyn Fn(&Measured) -> f64;

/// Severity.
pub(super) fn severity(measured: &Measured) -> f64 {
    measured.severity()
}

/// Mean over the scored sets of the share that is right.
pub(super) fn accuracy(measured: &Measured) -> f64 {
    mean(measured.sets.iter().map(|set| mean(set.right.iter().copied())))
}

/// Mean over the scored sets of the share on which teacher and network agree.
pub(super) fn agreement(measured: &Measured) -> f64 {
    mean(measured.sets.iter().map(|set| mean(set.agrees.iter().copied())))
}

/// Alignment.
pub(super) fn alignment(measured: &Measured) -> f64 {
    measured.a
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len().max(1) as f64;
    values.sum::<f64>() / count
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

    /// A figure of the teachers.
    pub(super) fn teacher(&self, statistic: Statistic<'_>) -> Result<Estimate, StatsError> {
        student_t(&self.teachers.iter().map(statistic).collect::<Vec<f64>>(), CONFIDENCE)
    }

    /// A figure of a variant's students.
    pub(super) fn student(&self, variant: usize, statistic: Statistic<'_>) -> Result<Estimate, StatsError> {
        student_t(&self.by_seed(variant, statistic), CONFIDENCE)
    }

    /// The same by seed.
    pub(super) fn by_seed(&self, variant: usize, statistic: Statistic<'_>) -> Vec<f64> {
        self.students.iter().map(|students| statistic(&students[variant])).collect()
    }

    /// A variant minus another, seed by seed.
    pub(super) fn differences(&self, variant: usize, other: usize, statistic: Statistic<'_>) -> Vec<f64> {
        let (own, others) = (self.by_seed(variant, statistic), self.by_seed(other, statistic));
        own.iter().zip(&others).map(|(own, other)| own - other).collect()
    }

    /// The mean of those differences.
    pub(super) fn difference(
        &self,
        variant: usize,
        other: usize,
        statistic: Statistic<'_>,
        confidence: f64,
    ) -> Result<Estimate, StatsError> {
        student_t(&self.differences(variant, other, statistic), confidence)
    }

    /// A variant's mean over another's, which may be all 0: there is no ratio then.
    pub(super) fn ratio(
        &self,
        variant: usize,
        other: usize,
        statistic: Statistic<'_>,
        confidence: f64,
    ) -> Result<Estimate, StatsError> {
        let (own, others) = (self.by_seed(variant, statistic), self.by_seed(other, statistic));
        if others.iter().all(|value| *value == 0.0) {
            return Ok(Estimate::alone(f64::NAN));
        }
        fieller(&own, &others, confidence)
    }

    /// One-sided p-values that each variant's severity is below that of plain distillation, by flipping the signs of the seeds'
    /// differences, and the same by Holm's correction over all variants.
    pub(super) fn p_values(&self) -> Result<(Vec<f64>, Vec<f64>), StatsError> {
        let mut found = Vec::new();
        for variant in 1..self.names.len() {
            let differences = self.differences(variant, 0, &severity);
            let test = sign_flip_test(&differences, 10_000, 42)?;
            let half = test.p_value / 2.0;
            found.push(if test.mean < 0.0 { half } else { 1.0 - half });
        }
        let adjusted = holm(&found);
        Ok((found, adjusted))
    }
}
