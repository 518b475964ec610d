//! How alike components are in what removing them does, prompt by prompt.

use limbeck_results::ComponentKind;
use limbeck_stats::ranks;

use super::products::{dot, times_transposed};
use crate::influence::component;
use crate::{AuditError, Sweep};

/// How effects are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Correlation {
    /// Of the effects themselves.
    Pearson,
    /// Of their ranks.
    Spearman,
}

/// Effects `LD_full - LD_ablated` of the components of a kind, `[component][prompt]`.
pub(crate) fn effects(sweep: &Sweep, kind: ComponentKind) -> Vec<Vec<f64>> {
    let count = sweep.components();
    (0..count)
        .filter(|&index| component(index, sweep.heads).0 == kind)
        .map(|index| {
            (sweep.full.iter().enumerate())
                .map(|(prompt, full)| full - sweep.ablated[prompt * count + index])
                .collect()
        })
        .collect()
}

/// Correlation over prompts of every component here (rows) and there (columns), in `[-1, 1]`; 0 where the effects of one
/// do not differ between prompts.
///
/// # Errors
/// [`AuditError::Read`] when the product cannot be read back.
pub(crate) fn correlations(
    correlation: Correlation,
    here: &[Vec<f64>],
    there: &[Vec<f64>],
) -> Result<Vec<Vec<f64>>, AuditError> {
    let standard = |effects: &[Vec<f64>]| -> Vec<f64> {
        effects.iter().flat_map(|effects| standardised(correlation, effects)).collect()
    };
    let prompts = here.first().map_or(0, Vec::len);
    let values = times_transposed(&standard(here), &standard(there), prompts.max(1))?;
    let rows = values.chunks_exact(there.len().max(1));
    Ok(rows.map(|row| row.iter().map(|value| value.clamp(-1.0, 1.0)).collect()).collect())
}

/// The correlation of one pair over chosen prompts, repetitions counting.
pub(crate) fn correlation_of(correlation: Correlation, here: &[f64], there: &[f64], chosen: &[usize]) -> f64 {
    let picked = |effects: &[f64]| -> Vec<f64> { chosen.iter().map(|&prompt| effects[prompt]).collect() };
    let (a, b) = (standardised(correlation, &picked(here)), standardised(correlation, &picked(there)));
    dot(&a, &b).clamp(-1.0, 1.0)
}

/// Centred and of length 1; zeros when constant (to rounding, since sums of equal numbers may differ in the last bit).
fn standardised(correlation: Correlation, effects: &[f64]) -> Vec<f64> {
    let mut values = match correlation {
        Correlation::Pearson => effects.to_vec(),
        Correlation::Spearman => ranks(effects),
    };
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    let size = dot(&values, &values).sqrt();
    values.iter_mut().for_each(|value| *value -= mean);
    let length = dot(&values, &values).sqrt();
    let factor = if length > size * 1e-12 { 1.0 / length } else { 0.0 };
    values.iter_mut().for_each(|value| *value *= factor);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correlations_by_hand() {
        let a = vec![1.0, 2.0, 3.0, 4.0];
        let here = [a.clone(), vec![4.0, 3.0, 2.0, 1.0], vec![0.3; 4]];
        let there = [vec![1.0, 2.0, 3.0, 40.0], a];
        let pearson = correlations(Correlation::Pearson, &here, &there).unwrap();
        let spearman = correlations(Correlation::Spearman, &here, &there).unwrap();
        // Inner product of the deviations over their lengths.
        let expected =
            59.0 / (5.0f64 * (10.5f64.powi(2) + 9.5f64.powi(2) + 8.5f64.powi(2) + 28.5f64.powi(2))).sqrt();
        assert!((pearson[0][0] - expected).abs() < 1e-12);
        assert!((spearman[0][0] - 1.0).abs() < 1e-12);
        assert!((pearson[1][1] + 1.0).abs() < 1e-12);
        assert_eq!((pearson[2][0], spearman[2][1]), (0.0, 0.0));
        let chosen = correlation_of(Correlation::Pearson, &here[0], &there[0], &[0, 0, 1, 2]);
        assert!((chosen - 1.0).abs() < 1e-12);
    }

    #[test]
    fn effects_are_what_removal_takes() {
        let sweep = Sweep {
            layers: 1,
            heads: 1,
            full: vec![3.0, 5.0],
            correct: vec![true, true],
            ablated: vec![1.0, 3.0, 5.5, 4.0],
        };
        assert_eq!(effects(&sweep, ComponentKind::Head), [vec![2.0, -0.5]]);
        assert_eq!(effects(&sweep, ComponentKind::Mlp), [vec![0.0, 1.0]]);
    }
}
