//! Which classes a generalist confuses: K-means on the columns of the covariance of its predictions.

use limbeck_model::ClassLogits;
use limbeck_stats::{KMeans, StatsError};

use super::probabilities;

/// The covariance of the predicted probabilities `softmax(z / temperature)` over the examples, one column a class: classes that
/// are predicted together have alike columns. No label is looked at. The paper's is at temperature 1; where a generalist
/// is nearly always sure, a higher one shows what it confuses, which at 1 drowns in each class's own variance.
pub fn prediction_covariance(generalist: &ClassLogits, temperature: f64) -> Vec<Vec<f64>> {
    let classes = generalist.classes;
    let count = generalist.len().max(1) as f64;
    let cooled =
        |row: &[f32]| -> Vec<f32> { row.iter().map(|z| (f64::from(*z) / temperature) as f32).collect() };
    let rows: Vec<Vec<f64>> = generalist.rows().map(|row| probabilities(&cooled(row))).collect();
    let mut mean = vec![0.0; classes];
    for row in &rows {
        mean.iter_mut().zip(row).for_each(|(sum, p)| *sum += p / count);
    }
    let mut covariance = vec![vec![0.0; classes]; classes];
    for row in &rows {
        for (column, own) in covariance.iter_mut().zip(row.iter().zip(&mean)) {
            for (entry, other) in column.iter_mut().zip(row.iter().zip(&mean)) {
                *entry += (own.0 - own.1) * (other.0 - other.1) / count;
            }
        }
    }
    covariance
}

/// Sets of classes that the generalist confuses: the clusters of the columns of [`prediction_covariance`].
///
/// # Errors
/// No examples, logits that are not finite, or more clusters than classes.
pub fn confusable_classes(
    generalist: &ClassLogits,
    temperature: f64,
    kmeans: KMeans,
) -> Result<Vec<Vec<u32>>, StatsError> {
    let clustering = kmeans.fit(&prediction_covariance(generalist, temperature))?;
    let sets = clustering.members().into_iter();
    Ok(sets.map(|set| set.into_iter().map(|class| class as u32).collect()).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn classes_that_are_confused_come_together() {
        // Six classes, the examples of each split between it and its partner: 0 with 3, 1 with 4, 2 with 5.
        let values = (0..60)
            .flat_map(|example: usize| {
                let (first, sure) = (example % 6, (example / 6) as f32 / 10.0);
                let partner = (first + 3) % 6;
                (0..6).map(move |class| match class {
                    class if class == first => 2.0 + sure,
                    class if class == partner => 2.0 - sure,
                    _ => -3.0,
                })
            })
            .collect();
        let logits = ClassLogits { classes: 6, values };
        let covariance = prediction_covariance(&logits, 1.0);
        assert!(covariance[0][3] > 0.0 && covariance[0][1] < 0.0);
        let kmeans = KMeans { clusters: 3, passes: 5, restarts: 5, seed: 2 };
        let mut sets = confusable_classes(&logits, 1.0, kmeans).unwrap();
        sets.sort();
        assert_eq!(sets, [[0, 3], [1, 4], [2, 5]]);
    }
}
