//! Which classes a generalist confuses: K-means on the columns of the covariance of its predictions.

use limbeck_model::ClassLogits;
use limbeck_stats::{KMeans, StatsError};
use serde::{Deserialize, Serialize};

use super::probabilities;

/// What K-means sees of the covariance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Columns {
    /// Its columns as they are, as in the paper.
    #[default]
    Plain,
    /// Its columns with the class's own variance replaced by its largest covariance with another class, each scaled to
    /// length 1. Where a generalist is nearly always right, the variance is almost all of a column: plain columns are then as
    /// far from each other as can be, and K-means finds one large cluster and single classes.
    Scaled,
}

/// The covariance of the predicted probabilities over the examples, one column a class: classes that are predicted together
/// have alike columns. No label is looked at.
pub fn prediction_covariance(generalist: &ClassLogits) -> Vec<Vec<f64>> {
    let classes = generalist.classes;
    let count = generalist.len().max(1) as f64;
    let rows: Vec<Vec<f64>> = generalist.rows().map(probabilities).collect();
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

fn scaled(mut covariance: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    for (class, column) in covariance.iter_mut().enumerate() {
        let others = column.iter().enumerate().filter(|(other, _)| *other != class).map(|(_, value)| *value);
        column[class] = others.fold(0.0, f64::max);
        let length = column.iter().map(|value| value * value).sum::<f64>().sqrt();
        if length > 0.0 {
            column.iter_mut().for_each(|value| *value /= length);
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
    columns: Columns,
    kmeans: KMeans,
) -> Result<Vec<Vec<u32>>, StatsError> {
    let covariance = prediction_covariance(generalist);
    let clustering = kmeans.fit(&match columns {
        Columns::Plain => covariance,
        Columns::Scaled => scaled(covariance),
    })?;
    let sets = clustering.members().into_iter();
    Ok(sets.map(|set| set.into_iter().map(|class| class as u32).collect()).collect())
}

#[cfg(test)]
mod tests {
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
        let covariance = prediction_covariance(&logits);
        assert!(covariance[0][3] > 0.0 && covariance[0][1] < 0.0);
        let kmeans = KMeans { clusters: 3, passes: 5, restarts: 5, seed: 2 };
        for columns in [Columns::Plain, Columns::Scaled] {
            let mut sets = confusable_classes(&logits, columns, kmeans).unwrap();
            sets.sort();
            assert_eq!(sets, [[0, 3], [1, 4], [2, 5]]);
        }
    }
}
