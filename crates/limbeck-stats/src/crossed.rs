//! Seeds crossed with items: what a mean over both is worth when every seed is measured on the same items.
//!
//! Each value is a mean, a part of its seed, a part of its item and a rest, `y = m + a_s + b_i + e_si`. Few items or few
//! seeds each limit what is known; taking seeds times items for independent units, or items alone, understates it.

use crate::clustered::{carrying, towards};
use crate::distribution::student;
use crate::error::{check_finite, check_range};
use crate::{Bootstrap, Estimate, SMALLEST_SAMPLE, StatsError};

/// What resampled values are called in errors.
const RESAMPLED: &str = "crossed seeds and resampled items";

/// A mean over seeds and items with the parts of its variance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crossed {
    /// The mean with an interval for other seeds and other items; without one ([`Estimate::alone`]) for one seed,
    /// fewer than [`SMALLEST_SAMPLE`] items, or values that do not vary.
    pub estimate: Estimate,
    /// Number of seeds.
    pub seeds: usize,
    /// Number of items.
    pub items: usize,
    /// Variance of a seed's part, at least 0.
    pub variance_seed: f64,
    /// Variance of an item's part, at least 0; with the part it shares with the rest where only resamples are at hand.
    pub variance_item: f64,
    /// Variance of the rest.
    pub variance_rest: f64,
    /// Satterthwaite's degrees of freedom of the mean's variance; NaN without an interval.
    pub degrees_of_freedom: f64,
}

/// The mean of `values[seed][item]` with both taken at random: the two-way layout without repetition (Searle, Casella &
/// McCulloch 1992, "Variance Components", chapter 4).
///
/// With mean squares `A` of seeds, `B` of items and `E` of the rest, the mean's variance is `(max(A - E, 0) + B) / (S I)`, whose
/// degrees of freedom are Satterthwaite's (1946). With three seeds that alone covers some 92%; so the interval is the wider of it and of the two
/// parts' own, `t_(S-1)^2 max(A - E, 0) + t_(I-1)^2 B`, and covers 93 to 97% (3, 5 and 10 seeds, in a test).
///
/// # Errors
/// No values, seeds with different numbers of items, a value that is not finite, or a confidence outside `(0, 1)`.
pub fn crossed(values: &[Vec<f64>], confidence: f64) -> Result<Crossed, StatsError> {
    layout(values, None, confidence)
}

/// [`crossed`] for values that lie between two bounds, such as 0 and 1 for shares and -1 and 1 for their differences.
///
/// The items get two more, half the range to either side of the mean, drawn towards the items that vary as in
/// [`crate::clustered_difference`]: values that are all the same still have an interval. It does not leave the bounds.
///
/// # Errors
/// As [`crossed`], bounds in the wrong order, and a value outside them.
pub fn crossed_bounded(
    values: &[Vec<f64>],
    bounds: (f64, f64),
    confidence: f64,
) -> Result<Crossed, StatsError> {
    const WHAT: &str = "bounds of crossed values";
    check_range(WHAT, bounds.1 - bounds.0, f64::MIN_POSITIVE, f64::MAX)?;
    for &value in values.iter().flatten() {
        check_range(WHAT, value, bounds.0, bounds.1)?;
    }
    let mut found = layout(values, Some(bounds.1 - bounds.0), confidence)?;
    found.estimate.low = found.estimate.low.max(bounds.0);
    found.estimate.high = found.estimate.high.min(bounds.1);
    Ok(found)
}

fn layout(values: &[Vec<f64>], range: Option<f64>, confidence: f64) -> Result<Crossed, StatsError> {
    const WHAT: &str = "crossed seeds and items";
    let (seeds, items) = (values.len(), values.first().map_or(0, Vec::len));
    for row in values {
        crate::error::check_paired(WHAT, items, row.len())?;
        check_finite(WHAT, row)?;
    }
    if seeds == 0 || items == 0 {
        return Err(StatsError::Empty { what: WHAT });
    }
    let (s, i) = (seeds as f64, items as f64);
    let of_seed: Vec<f64> = values.iter().map(|row| row.iter().sum::<f64>() / i).collect();
    let of_item: Vec<f64> =
        (0..items).map(|item| values.iter().map(|row| row[item]).sum::<f64>() / s).collect();
    let mean = of_seed.iter().sum::<f64>() / s;
    let squares = |of: &[f64]| of.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    let rest: f64 = values
        .iter()
        .zip(&of_seed)
        .map(|(row, seed)| {
            row.iter().zip(&of_item).map(|(y, item)| (y - seed - item + mean).powi(2)).sum::<f64>()
        })
        .sum();
    let (free_s, free_i) = (s - 1.0, i - 1.0);
    let per = |sum: f64, freedom: f64| if freedom > 0.0 { sum / freedom } else { 0.0 };
    let mut between_items = squares(&of_item);
    let mut counted = i;
    if let Some(range) = range {
        let squares: Vec<f64> = of_item.iter().map(|value| (value - mean).powi(2)).collect();
        let varying = squares.iter().filter(|square| **square > 0.0).count();
        let half = (range / 2.0).powi(2);
        between_items += 2.0 * towards(between_items / varying.max(1) as f64, half, carrying(&squares));
        counted += 2.0;
    }
    let a = per(i * squares(&of_seed), free_s);
    let b = per(s * between_items * i / counted, counted - 1.0);
    let e = per(rest, free_s * free_i);
    let parts = Parts {
        seed: (a - e).max(0.0) / (s * i),
        item: b / (s * i),
        terms: [(a / (s * i), free_s), (b / (s * i), free_i), (e / (s * i), free_s * free_i)],
    };
    Ok(Crossed {
        estimate: parts.interval(WHAT, mean, seeds, items, confidence)?,
        seeds,
        items,
        variance_seed: ((a - e) / i).max(0.0),
        variance_item: ((b - e) / s).max(0.0),
        variance_rest: e,
        degrees_of_freedom: parts.freedom(seeds, items),
    })
}

/// [`crossed`] for a statistic that is not a mean over items, from its values on resamples of them: the sums over resamples, from
/// which the interval at any confidence follows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CrossedResamples {
    mean: f64,
    seeds: usize,
    items: usize,
    parts: Parts,
    between: f64,
    own: f64,
}

impl CrossedResamples {
    /// `points` holds the statistic for each seed on all items, `resamples[r]` for each seed on the `r`th resample of the items,
    /// which is the same for all seeds; there are `items` of them.
    ///
    /// The spread over resamples of the mean over seeds is the items' part `V` of its variance. The mean of the single seeds' own
    /// spreads exceeds it by what seeds do not share, `e (1 - 1 / S)`, so that the seeds' variance is that of `points` less `e`, and
    /// the mean's `max(var - e, 0) / S + V`. A bootstrap's variance is `(I - 1) / I` times too small and is corrected.
    ///
    /// # Errors
    /// No seeds, fewer than two resamples, rows of other length, a value that is not finite.
    pub fn new(points: &[f64], resamples: &[Vec<f64>], items: usize) -> Result<Self, StatsError> {
        check_finite(RESAMPLED, points)?;
        for row in resamples {
            crate::error::check_paired(RESAMPLED, points.len(), row.len())?;
            check_finite(RESAMPLED, row)?;
        }
        if resamples.len() < 2 || items == 0 {
            return Err(StatsError::Empty { what: RESAMPLED });
        }
        let (seeds, s, i) = (points.len(), points.len() as f64, items as f64);
        let mean = points.iter().sum::<f64>() / s;
        let correction = if items > 1 { i / (i - 1.0) } else { 1.0 };
        let means: Vec<f64> = resamples.iter().map(|row| row.iter().sum::<f64>() / s).collect();
        let item = correction * variance(&means);
        let each = (0..seeds)
            .map(|seed| correction * variance(&resamples.iter().map(|row| row[seed]).collect::<Vec<f64>>()))
            .sum::<f64>()
            / s;
        let own = if seeds > 1 { ((each - item) * s / (s - 1.0)).max(0.0) } else { 0.0 };
        let between = if seeds > 1 { variance(points) } else { 0.0 };
        let parts = Parts {
            seed: (between - own).max(0.0) / s,
            item,
            terms: [(between / s, s - 1.0), (item, i - 1.0), (own / s, (s - 1.0) * (i - 1.0))],
        };
        Ok(Self { mean, seeds, items, parts, between, own })
    }

    /// The mean over seeds with its interval.
    ///
    /// # Errors
    /// A confidence outside `(0, 1)`.
    pub fn at(&self, confidence: f64) -> Result<Crossed, StatsError> {
        let Self { mean, seeds, items, ref parts, between, own } = *self;
        Ok(Crossed {
            estimate: parts.interval(RESAMPLED, mean, seeds, items, confidence)?,
            seeds,
            items,
            variance_seed: (between - own).max(0.0),
            variance_item: (parts.item - own / seeds as f64).max(0.0) * items as f64,
            variance_rest: own * items as f64,
            degrees_of_freedom: parts.freedom(seeds, items),
        })
    }
}

/// [`CrossedResamples`] at one confidence.
///
/// # Errors
/// As [`CrossedResamples::new`] and [`CrossedResamples::at`].
pub fn crossed_from_resamples(
    points: &[f64],
    resamples: &[Vec<f64>],
    items: usize,
    confidence: f64,
) -> Result<Crossed, StatsError> {
    CrossedResamples::new(points, resamples, items)?.at(confidence)
}

/// The variance of a mean by its parts, and the mean squares they were made of with their degrees of freedom.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Parts {
    seed: f64,
    item: f64,
    terms: [(f64, f64); 3],
}

impl Parts {
    fn freedom(&self, seeds: usize, items: usize) -> f64 {
        let total = self.seed + self.item;
        if seeds < 2 || items < SMALLEST_SAMPLE || total <= 0.0 {
            return f64::NAN;
        }
        // A seeds' part of zero was not found smaller than the rest: only the items' mean square is in the sum then.
        let used = if self.seed > 0.0 { &self.terms[..] } else { &self.terms[1..2] };
        let below: f64 = used.iter().map(|(term, freedom)| term * term / freedom).sum();
        (total * total / below).max(1.0)
    }

    fn interval(
        &self,
        what: &'static str,
        mean: f64,
        seeds: usize,
        items: usize,
        confidence: f64,
    ) -> Result<Estimate, StatsError> {
        let freedom = self.freedom(seeds, items);
        if freedom.is_nan() {
            return Ok(Estimate::alone(mean));
        }
        let whole = student(what, confidence, freedom)?.powi(2) * (self.seed + self.item);
        let apart = student(what, confidence, seeds as f64 - 1.0)?.powi(2) * self.seed
            + student(what, confidence, items as f64 - 1.0)?.powi(2) * self.item;
        let half = whole.max(apart).sqrt();
        Ok(Estimate { value: mean, low: mean - half, high: mean + half })
    }
}

fn variance(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0)
}

impl Bootstrap {
    /// The bootstrap of `statistic(seeds, items)` with both resampled, independently of each other (Owen 2007, "The pigeonhole
    /// bootstrap").
    ///
    /// A check of [`crossed`]: it overstates the part of the rest, and with few seeds understates theirs by
    /// `(S - 1) / S`.
    ///
    /// # Errors
    /// No seeds or items, or a statistic that is not finite on a resample.
    pub fn crossed(
        &self,
        seeds: usize,
        items: usize,
        mut statistic: impl FnMut(&[usize], &[usize]) -> f64,
    ) -> Result<Estimate, StatsError> {
        let value = statistic(&(0..seeds).collect::<Vec<_>>(), &(0..items).collect::<Vec<_>>());
        check_finite("crossed bootstrap", &[value])?;
        let of_seeds = Self { seed: self.seed ^ 0x5eed_5eed, ..*self };
        let draws = of_seeds.draws(seeds)?.zip(self.draws(items)?);
        let resampled = draws.map(|(seeds, items)| statistic(&seeds, &items)).collect();
        self.interval(value, resampled)
    }
}
