//! K-means over plain points, online and in batches.

use rand::distr::{Distribution, Uniform, weighted::WeightedIndex};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::StatsError;

/// How to cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KMeans {
    /// Number of clusters.
    pub clusters: usize,
    /// Times all points are shown, one after the other in a random order, to the online rule.
    pub passes: usize,
    /// Beginnings tried; the clustering with the least inertia is kept.
    pub restarts: usize,
    /// Seed of beginnings and orders.
    pub seed: u64,
}

/// Points in clusters.
#[derive(Debug, Clone, PartialEq)]
pub struct Clustering {
    /// The cluster of each point.
    pub cluster_of: Vec<usize>,
    /// The mean of each cluster's points.
    pub centres: Vec<Vec<f64>>,
    /// Sum of squared distances of the points to their centres.
    pub inertia: f64,
}

impl Clustering {
    /// The points of each cluster, in ascending order.
    pub fn members(&self) -> Vec<Vec<usize>> {
        let mut members = vec![Vec::new(); self.centres.len()];
        for (point, &cluster) in self.cluster_of.iter().enumerate() {
            members[cluster].push(point);
        }
        members
    }
}

impl KMeans {
    /// Clusters the points.
    ///
    /// Centres begin at points drawn far from each other (Arthur and Vassilvitskii 2007, "k-means++"). Then each point in
    /// turn moves its nearest centre towards itself by `1 / n`, `n` counting the points that centre has won (MacQueen 1967:
    /// the online rule). At last whole passes of Lloyd's rule run until no point changes its cluster, so that the result
    /// is a fixed point. A cluster that loses all its points takes the point farthest from its centre.
    ///
    /// # Errors
    /// No points, points of different length, a value that is not finite, or more clusters than points, or none.
    pub fn fit(&self, points: &[Vec<f64>]) -> Result<Clustering, StatsError> {
        self.check(points)?;
        let mut best: Option<Clustering> = None;
        for restart in 0..self.restarts.max(1) {
            let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
            rng.set_stream(restart as u64);
            let mut centres = self.beginning(points, &mut rng)?;
            self.online(points, &mut centres, &mut rng);
            let found = settle(points, centres);
            if best.as_ref().is_none_or(|best| found.inertia < best.inertia) {
                best = Some(found);
            }
        }
        best.ok_or(StatsError::Empty { what: WHAT })
    }

    fn check(&self, points: &[Vec<f64>]) -> Result<(), StatsError> {
        let Some(first) = points.first() else {
            return Err(StatsError::Empty { what: WHAT });
        };
        for (index, point) in points.iter().enumerate() {
            if point.len() != first.len() {
                return Err(StatsError::Mismatched { what: WHAT, first: first.len(), second: point.len() });
            }
            if let Some(value) = point.iter().find(|value| !value.is_finite()) {
                return Err(StatsError::NotFinite { what: WHAT, index, value: *value });
            }
        }
        if self.clusters == 0 || self.clusters > points.len() {
            let (value, high) = (self.clusters as f64, points.len() as f64);
            return Err(StatsError::OutOfRange { what: "clusters of K-means", value, low: 1.0, high });
        }
        Ok(())
    }

    fn beginning(&self, points: &[Vec<f64>], rng: &mut ChaCha8Rng) -> Result<Vec<Vec<f64>>, StatsError> {
        let uniform = Uniform::new(0, points.len()).map_err(|_| StatsError::Empty { what: WHAT })?;
        let mut centres = vec![points[uniform.sample(rng)].clone()];
        while centres.len() < self.clusters {
            let squares: Vec<f64> = points.iter().map(|point| nearest(point, &centres).1).collect();
            let chosen = match WeightedIndex::new(&squares) {
                Ok(weighted) => weighted.sample(rng),
                // All points coincide with centres: any will do.
                Err(_) => rng.random_range(0..points.len()),
            };
            centres.push(points[chosen].clone());
        }
        Ok(centres)
    }

    fn online(&self, points: &[Vec<f64>], centres: &mut [Vec<f64>], rng: &mut ChaCha8Rng) {
        let mut won = vec![1.0; centres.len()];
        let mut order: Vec<usize> = (0..points.len()).collect();
        for _ in 0..self.passes {
            order.shuffle(rng);
            for &point in &order {
                let (winner, _) = nearest(&points[point], centres);
                won[winner] += 1.0;
                for (centre, value) in centres[winner].iter_mut().zip(&points[point]) {
                    *centre += (value - *centre) / won[winner];
                }
            }
        }
    }
}

const WHAT: &str = "K-means";

/// Index of the nearest centre (the first of several) and the squared distance to it.
fn nearest(point: &[f64], centres: &[Vec<f64>]) -> (usize, f64) {
    let square = |centre: &[f64]| -> f64 { point.iter().zip(centre).map(|(a, b)| (a - b).powi(2)).sum() };
    let mut best = (0, f64::INFINITY);
    for (index, centre) in centres.iter().enumerate() {
        let distance = square(centre);
        if distance < best.1 {
            best = (index, distance);
        }
    }
    best
}

/// Lloyd's rule until nothing changes. Each round lowers the inertia or ends, and there are finitely many partitions.
fn settle(points: &[Vec<f64>], mut centres: Vec<Vec<f64>>) -> Clustering {
    let mut cluster_of = vec![usize::MAX; points.len()];
    loop {
        let found: Vec<usize> = points.iter().map(|point| nearest(point, &centres).0).collect();
        let mut found = found;
        for cluster in 0..centres.len() {
            if !found.contains(&cluster) {
                let farthest = (0..points.len())
                    .filter(|point| found.iter().filter(|other| **other == found[*point]).count() > 1)
                    .max_by(|a, b| {
                        let distance = |point: &usize| nearest(&points[*point], &centres).1;
                        distance(a).total_cmp(&distance(b))
                    });
                if let Some(point) = farthest {
                    found[point] = cluster;
                }
            }
        }
        if found == cluster_of {
            break;
        }
        cluster_of = found;
        for (cluster, centre) in centres.iter_mut().enumerate() {
            let own: Vec<&Vec<f64>> = points
                .iter()
                .zip(&cluster_of)
                .filter(|(_, of)| **of == cluster)
                .map(|(point, _)| point)
                .collect();
            if own.is_empty() {
                continue;
            }
            for (place, value) in centre.iter_mut().enumerate() {
                *value = own.iter().map(|point| point[place]).sum::<f64>() / own.len() as f64;
            }
        }
        if points.iter().zip(&cluster_of).all(|(point, cluster)| {
            let square: f64 = point.iter().zip(&centres[*cluster]).map(|(a, b)| (a - b).powi(2)).sum();
            square <= nearest(point, &centres).1
        }) {
            break;
        }
    }
    let inertia = points
        .iter()
        .zip(&cluster_of)
        .map(|(point, cluster)| {
            point.iter().zip(&centres[*cluster]).map(|(a, b)| (a - b).powi(2)).sum::<f64>()
        })
        .sum();
    Clustering { cluster_of, centres, inertia }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOW: KMeans = KMeans { clusters: 3, passes: 3, restarts: 4, seed: 1 };

    fn blobs() -> Vec<Vec<f64>> {
        let centres = [[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]];
        (0..60)
            .map(|i| {
                let wobble = |k: usize| ((i * k) % 7) as f64 / 7.0;
                vec![centres[i % 3][0] + wobble(3), centres[i % 3][1] + wobble(5)]
            })
            .collect()
    }

    #[test]
    fn separate_blobs_are_found_and_the_result_is_a_fixed_point() {
        let points = blobs();
        let found = HOW.fit(&points).unwrap();
        for (index, cluster) in found.cluster_of.iter().enumerate() {
            assert_eq!(*cluster, found.cluster_of[index % 3]);
            assert_eq!(*cluster, nearest(&points[index], &found.centres).0);
        }
        assert_eq!(found.members().iter().map(Vec::len).collect::<Vec<_>>(), [20, 20, 20]);
        for (cluster, members) in found.members().iter().enumerate() {
            let mean = members.iter().map(|point| points[*point][0]).sum::<f64>() / 20.0;
            assert!((mean - found.centres[cluster][0]).abs() < 1e-12);
        }
        assert_eq!(HOW.fit(&points).unwrap(), found);
    }

    #[test]
    fn every_cluster_has_a_point_even_when_points_coincide() {
        let points = vec![vec![1.0]; 5];
        let found = HOW.fit(&points).unwrap();
        assert!(found.members().iter().all(|members| !members.is_empty()), "{found:?}");
        assert_eq!(found.inertia, 0.0);
        let alone = KMeans { clusters: 5, ..HOW }.fit(&blobs()[..5]).unwrap();
        assert_eq!(alone.inertia, 0.0);
    }

    #[test]
    fn what_cannot_be_clustered_is_refused() {
        assert!(HOW.fit(&[]).is_err());
        assert!(HOW.fit(&[vec![1.0], vec![2.0]]).is_err());
        assert!(KMeans { clusters: 0, ..HOW }.fit(&blobs()).is_err());
        assert!(KMeans { clusters: 1, ..HOW }.fit(&[vec![1.0], vec![1.0, 2.0]]).is_err());
        assert!(KMeans { clusters: 1, ..HOW }.fit(&[vec![f64::NAN]]).is_err());
    }
}
