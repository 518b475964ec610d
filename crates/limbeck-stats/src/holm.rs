//! Holm's correction for several tests at once.

/// Adjusted p-values of several hypotheses, in their order: the family-wise error stays below a level when those with an
/// adjusted p-value below it are rejected.
///
/// With p ascending, `max over j <= i of min(1, (m - j + 1) p_(j))` (Holm 1979, "A simple sequentially rejective multiple test
/// procedure").
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut largest: f64 = 0.0;
    for (rank, &index) in order.iter().enumerate() {
        largest = largest.max(((p_values.len() - rank) as f64 * p_values[index]).min(1.0));
        adjusted[index] = largest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_four_hypotheses() {
        // By hand: 4 x 0.005, 3 x 0.01, 2 x 0.03, then 0.04 held up by the one before.
        let found = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (found, expected) in found.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((found - expected).abs() < 1e-12, "{found} instead of {expected}");
        }
        assert_eq!(holm(&[0.7, 0.9]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }
}
