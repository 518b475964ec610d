//! Penalties on the influence of components, with their slopes.

/// A penalty P of influences I and margin M, and its partial derivatives there.
#[derive(Debug, Clone, PartialEq)]
pub struct Penalty {
    /// P.
    pub value: f64,
    /// `dP/dI_c`.
    pub by_influence: Vec<f64>,
    /// `dP/dM`.
    pub by_margin: f64,
}

/// Share of the margin from which a component counts as carrying much: the threshold of severity (Haskins & Adams
/// 2025, arXiv 2505.10822).
pub const HEAVY: f64 = 0.2;

/// The Herfindahl index of squared influences, `sum_c s_c^2` with `s_c = I_c^2 / sum I^2`: 1 when one component has all,
/// 1/C when C share evenly. 0, without slope, where there is no influence at all.
pub fn herfindahl(influence: &[f64]) -> Penalty {
    let total: f64 = influence.iter().map(|i| i * i).sum();
    if total <= 0.0 {
        return Penalty { value: 0.0, by_influence: vec![0.0; influence.len()], by_margin: 0.0 };
    }
    let shares: Vec<f64> = influence.iter().map(|i| i * i / total).collect();
    let value: f64 = shares.iter().map(|s| s * s).sum();
    let slopes = influence.iter().zip(&shares).map(|(i, s)| 4.0 * i / total * (s - value));
    Penalty { value, by_influence: slopes.collect(), by_margin: 0.0 }
}

/// A smooth severity: `mean_c (max(0, I_c / M - 0.2) / 0.8)^2`, the square of what severity takes the mean of, with the
/// first-order share `I_c / M` for the measured drop. 0, without slope, where the margin is not above 0: a network
/// that does not prefer the right tokens has nothing to lose.
pub fn severity(influence: &[f64], margin: f64) -> Penalty {
    let mut penalty = Penalty { value: 0.0, by_influence: vec![0.0; influence.len()], by_margin: 0.0 };
    if margin <= 0.0 {
        return penalty;
    }
    let (count, span) = (influence.len().max(1) as f64, 1.0 - HEAVY);
    for (slope, i) in penalty.by_influence.iter_mut().zip(influence) {
        let over = (i / margin - HEAVY).max(0.0) / span;
        penalty.value += over * over / count;
        *slope = 2.0 * over / (span * count * margin);
        penalty.by_margin -= *slope * i / margin;
    }
    penalty
}

/// The squared distance of shares, `sum_c (s_c - t_c)^2` with `s_c = |I_c| / sum |I|` and the same t of the
/// teacher's `target`. 0, without slope, where either has no influence at all.
pub fn share_distance(influence: &[f64], target: &[f64]) -> Penalty {
    let (total, theirs) = (absolute(influence), absolute(target));
    if total <= 0.0 || theirs <= 0.0 {
        return Penalty { value: 0.0, by_influence: vec![0.0; influence.len()], by_margin: 0.0 };
    }
    let apart: Vec<f64> =
        influence.iter().zip(target).map(|(i, t)| i.abs() / total - t.abs() / theirs).collect();
    // The shares sum to 1: a larger |I_c| takes from every other share.
    let common: f64 = influence.iter().zip(&apart).map(|(i, e)| 2.0 * e * i.abs() / total).sum();
    let slopes = influence.iter().zip(&apart).map(|(i, e)| i.signum() * (2.0 * e - common) / total);
    Penalty { value: apart.iter().map(|e| e * e).sum(), by_influence: slopes.collect(), by_margin: 0.0 }
}

fn absolute(values: &[f64]) -> f64 {
    values.iter().map(|value| value.abs()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFLUENCE: [f64; 5] = [0.9, -0.2, 0.05, 0.4, 0.31];

    /// Central differences in f64.
    fn assert_slopes(penalty: impl Fn(&[f64], f64) -> Penalty) {
        let (margin, step) = (1.1, 1e-6);
        let found = penalty(&INFLUENCE, margin);
        for c in 0..INFLUENCE.len() {
            let moved = |by: f64| {
                let mut influence = INFLUENCE;
                influence[c] += by;
                penalty(&influence, margin).value
            };
            let slope = (moved(step) - moved(-step)) / (2.0 * step);
            assert!((slope - found.by_influence[c]).abs() < 1e-8, "{c}: {slope} {}", found.by_influence[c]);
        }
        let by_margin = penalty(&INFLUENCE, margin + step).value - penalty(&INFLUENCE, margin - step).value;
        assert!((by_margin / (2.0 * step) - found.by_margin).abs() < 1e-8);
    }

    #[test]
    fn slopes_agree_with_finite_differences() {
        assert_slopes(|influence, _| herfindahl(influence));
        assert_slopes(severity);
        assert_slopes(|influence, _| share_distance(influence, &[0.1, 0.4, -0.2, 0.3, 0.5]));
    }

    #[test]
    fn the_ends_of_their_ranges() {
        assert_eq!(herfindahl(&[0.0, -3.0, 0.0]).value, 1.0);
        assert!((herfindahl(&[2.0; 8]).value - 0.125).abs() < 1e-15);
        // One of four components carries all: ((1 - 0.2) / 0.8)^2 / 4.
        assert!((severity(&[2.0, 0.0, 0.1, -5.0], 2.0).value - 0.25).abs() < 1e-12);
        assert_eq!(severity(&[0.1, 0.2], 1.0).value, 0.0);
        assert!(share_distance(&[1.0, 2.0, -1.0], &[10.0, -20.0, 10.0]).value < 1e-30);
        for none in [herfindahl(&[0.0; 3]), severity(&[1.0], -1.0), share_distance(&[0.0], &[1.0])] {
            assert_eq!((none.value, none.by_margin), (0.0, 0.0));
        }
    }
}
