//! Classifiers that teach, one or several.

use burn::tensor::Tensor;
use limbeck_data::labelled::LabelledSet;
use limbeck_model::{ClassLogits, Mlp, predict};

use super::{Combination, Weights, combine};
use crate::TeachError;

/// One or several classifiers that answer as one. A student that was distilled before is a member like any other.
#[derive(Debug, Clone)]
pub struct ClassifierTeacher {
    members: Vec<Mlp>,
    weights: Weights,
    combination: Combination,
    temperature: f64,
}

impl ClassifierTeacher {
    /// An ensemble that is asked at this temperature.
    ///
    /// # Errors
    /// No members, members of different features or classes, or weights that do not fit.
    pub fn new(
        members: Vec<Mlp>,
        weights: Weights,
        combination: Combination,
        temperature: f64,
    ) -> Result<Self, TeachError> {
        let wrong = |key, found: String, right: String| Err(TeachError::Config { key, found, right });
        if weights.values().len() != members.len() {
            let right = format!("one for each of the {} members", members.len());
            return wrong("weights", weights.values().len().to_string(), right);
        }
        if !(temperature.is_finite() && temperature > 0.0) {
            return wrong("temperature", temperature.to_string(), "finite and above 0".to_owned());
        }
        if let Some(first) = members.first() {
            let shape = (first.features(), first.classes());
            if let Some(other) = members.iter().find(|other| (other.features(), other.classes()) != shape) {
                let found = format!("{} features and {} classes", other.features(), other.classes());
                return wrong("members", found, format!("{} and {}, as the first has", shape.0, shape.1));
            }
        }
        let members = members.into_iter().map(Mlp::frozen).collect();
        Ok(Self { members, weights, combination, temperature })
    }

    /// One classifier alone.
    ///
    /// # Errors
    /// None is known.
    pub fn one(network: Mlp) -> Result<Self, TeachError> {
        Self::new(vec![network], Weights::equal(1)?, Combination::Geometric, 1.0)
    }

    /// How the members are combined, in words: with the members, all that decides the answers.
    pub fn description(&self) -> String {
        format!("{:?} of {:?} at {}", self.combination, self.weights.values(), self.temperature)
    }

    /// The members.
    pub fn members(&self) -> &[Mlp] {
        &self.members
    }

    /// The logits of `features` (`[batch, features]`): their softmax at the teacher's temperature is the combined
    /// distribution. `labels` has the true classes.
    ///
    /// # Errors
    /// Labels that do not fit.
    pub fn logits(&self, features: Tensor<2>, labels: &[u32]) -> Result<ClassLogits, TeachError> {
        let answers = self.members.iter().map(|member| {
            let logits = member.logits(features.clone()).into_data();
            let values: Vec<f32> = logits.iter::<f32>().collect();
            ClassLogits { classes: member.classes(), values }
        });
        self.combined(answers.collect(), labels)
    }

    /// The logits of the chosen examples of a set, as [`Self::logits`].
    ///
    /// # Errors
    /// As [`Self::logits`].
    pub fn answer(&self, set: &LabelledSet, rows: &[usize]) -> Result<ClassLogits, TeachError> {
        let labels: Vec<u32> = rows.iter().map(|&row| set.labels()[row]).collect();
        let answers = self.members.iter().map(|member| predict(member, set, rows)).collect();
        self.combined(answers, &labels)
    }

    fn combined(&self, mut answers: Vec<ClassLogits>, labels: &[u32]) -> Result<ClassLogits, TeachError> {
        if answers.len() == 1 {
            return Ok(answers.remove(0));
        }
        let classes = self.members.first().map_or(0, Mlp::classes);
        let members: Vec<Vec<f32>> = answers.into_iter().map(|answer| answer.values).collect();
        let values = combine(&members, classes, &self.weights, self.combination, self.temperature, labels)?;
        Ok(ClassLogits { classes, values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use limbeck_data::labelled::digits;

    #[test]
    fn an_ensemble_answers_with_the_mean_of_its_members() {
        let set = digits().unwrap().test;
        let device = Device::flex();
        let members: Vec<Mlp> = (0..3).map(|seed| Mlp::init(&[64, 8, 10], seed, &device).unwrap()).collect();
        let weights = Weights::equal(3).unwrap();
        let rows = [0, 7, 200];
        let teacher = ClassifierTeacher::new(members.clone(), weights, Combination::Geometric, 2.0).unwrap();
        let found = teacher.answer(&set, &rows).unwrap();
        let each: Vec<ClassLogits> = members.iter().map(|member| predict(member, &set, &rows)).collect();
        for (place, found) in found.values.iter().enumerate() {
            let mean: f32 = each.iter().map(|one| one.values[place]).sum::<f32>() / 3.0;
            assert!((found - mean).abs() < 1e-4);
        }
        let one = ClassifierTeacher::one(members[1].clone()).unwrap();
        assert_eq!(one.answer(&set, &rows).unwrap(), each[1]);
        let other = Mlp::init(&[64, 8, 9], 0, &device).unwrap();
        let mixed = vec![members[0].clone(), other];
        let weights = Weights::equal(2).unwrap();
        assert!(ClassifierTeacher::new(mixed, weights, Combination::Arithmetic, 1.0).is_err());
    }
}
