//! What one example contributes to a mean over tokens.

/// The sum and the number of an example's items.
///
/// Tokens of one example are not independent; intervals come from resampling the examples.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Cluster {
    /// Sum of the items.
    pub sum: f64,
    /// Number of items, or their total weight.
    pub count: f64,
}

impl Cluster {
    /// A cluster of `count` items with the given sum.
    pub fn new(sum: f64, count: f64) -> Self {
        Self { sum, count }
    }

    /// All items of several clusters together.
    pub fn total<'a>(clusters: impl IntoIterator<Item = &'a Cluster>) -> Self {
        clusters.into_iter().fold(Self::default(), |total, cluster| Self {
            sum: total.sum + cluster.sum,
            count: total.count + cluster.count,
        })
    }

    /// `sum / count`; NaN without items.
    pub fn mean(&self) -> f64 {
        self.sum / self.count
    }
}
