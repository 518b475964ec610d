//! How the logit difference spreads over prompts: standard deviation and quartiles.

use limbeck_results::Spread;
use limbeck_stats::{Bootstrap, quantile};

use crate::AuditError;

/// Standard deviation (`n - 1`) and quartiles (type 7 of Hyndman & Fan 1996) of `values`, each with a 95% bootstrap
/// interval over prompts; none of fewer than two prompts.
///
/// # Errors
/// [`AuditError::Stats`] when a value is not a number.
pub(crate) fn spread(values: &[f64], bootstrap: &Bootstrap) -> Result<Option<Spread>, AuditError> {
    if values.len() < 2 {
        return Ok(None);
    }
    let mut drawn = Vec::with_capacity(values.len());
    let found = bootstrap.statistics(values.len(), 4, |chosen, out| {
        drawn.clear();
        drawn.extend(chosen.iter().map(|&prompt| values[prompt]));
        drawn.sort_by(f64::total_cmp);
        let count = drawn.len() as f64;
        let mean = drawn.iter().sum::<f64>() / count;
        let squares = drawn.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        out[0] = (squares / (count - 1.0)).sqrt();
        for (out, share) in out[1..].iter_mut().zip([0.25, 0.5, 0.75]) {
            // What is not a number makes the statistic one, and that is refused.
            *out = quantile(&drawn, share).unwrap_or(f64::NAN);
        }
    })?;
    Ok(match found.as_slice() {
        &[standard_deviation, lower_quartile, median, upper_quartile] => {
            Some(Spread { standard_deviation, lower_quartile, median, upper_quartile })
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_five_numbers_by_hand() {
        let bootstrap = Bootstrap::with_seed(1).with_resamples(200);
        let found = spread(&[5.0, 1.0, 2.0, 4.0, 3.0], &bootstrap).unwrap().unwrap();
        // numpy: std([1, 2, 3, 4, 5], ddof=1), percentile of 25, 50, 75.
        assert!((found.standard_deviation.value - 2.5f64.sqrt()).abs() < 1e-12);
        let quartiles = [found.lower_quartile, found.median, found.upper_quartile];
        assert_eq!(quartiles.map(|one| one.value), [2.0, 3.0, 4.0]);
        assert!(quartiles.iter().all(|one| !one.has_interval()), "five numbers are too few");
        let ten: Vec<f64> = [5.0, 1.0, 2.0, 4.0, 3.0].repeat(2);
        let median = spread(&ten, &bootstrap).unwrap().unwrap().median;
        assert!(median.low <= median.value && median.value <= median.high && median.low < median.high);
    }

    #[test]
    fn one_prompt_has_none_and_no_number_is_refused() {
        let bootstrap = Bootstrap::default().with_resamples(10);
        assert_eq!(spread(&[1.0], &bootstrap).unwrap(), None);
        assert!(spread(&[1.0, f64::NAN], &bootstrap).is_err());
    }
}
