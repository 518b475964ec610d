//! Members' logits into the logits of the ensemble.

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::TeachError;

/// How the members' distributions become one. `p_m = softmax(z_m / T)` and `w_m` are the members' distributions and
/// weights (which sum to 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Combination {
    /// `p = sum_m w_m p_m`: right whenever any member is.
    #[default]
    Arithmetic,
    /// `p` proportional to `prod_m p_m^w_m`, which is the softmax of the mean logits: right only where all agree.
    Geometric,
    /// For each example the member with the least weighted entropy `H(p_m) / w_m`: the surest one.
    Surest,
    /// For each example the member that gives the true class the most weighted probability `w_m p_m(y)`; where members
    /// are equal, the first.
    BestOnLabel,
}

impl Combination {
    /// Whether it looks at the true classes.
    pub fn needs_labels(self) -> bool {
        matches!(self, Self::BestOnLabel)
    }

    /// Whether one set of logits stands for the ensemble at every temperature.
    pub fn holds_at_any_temperature(self) -> bool {
        matches!(self, Self::Geometric)
    }
}

/// Weights of the members: positive or zero, summing to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights(Vec<f64>);

impl Weights {
    /// Equal weights.
    ///
    /// # Errors
    /// No members.
    pub fn equal(members: usize) -> Result<Self, TeachError> {
        Self::new(&vec![1.0; members], members)
    }

    /// Weights in these proportions.
    ///
    /// # Errors
    /// No members, another number of weights than members, a weight that is negative or not finite, or none above 0.
    pub fn new(proportions: &[f64], members: usize) -> Result<Self, TeachError> {
        let wrong = |found: String, right: &str| {
            Err(TeachError::Config { key: "weights", found, right: right.to_owned() })
        };
        if members == 0 {
            return Err(TeachError::Config {
                key: "members",
                found: "none".to_owned(),
                right: "at least one".to_owned(),
            });
        }
        if proportions.len() != members {
            let right = format!("one weight for each of the {members} members");
            return wrong(format!("{} weights", proportions.len()), &right);
        }
        if let Some(weight) = proportions.iter().find(|weight| !(weight.is_finite() && **weight >= 0.0)) {
            return wrong(weight.to_string(), "finite and at least 0");
        }
        let sum: f64 = proportions.iter().sum();
        if !(sum.is_finite() && sum > 0.0) {
            return wrong(sum.to_string(), "above 0 in sum");
        }
        Ok(Self(proportions.iter().map(|weight| weight / sum).collect()))
    }

    /// The weights.
    pub fn values(&self) -> &[f64] {
        &self.0
    }
}

/// The ensemble's logits `z` with `softmax(z / temperature)` the combined distribution, from the members' logits:
/// `members[m]` is `[rows, classes]`, row-major. `labels` has the true class of each row, for combinations that
/// [need it](Combination::needs_labels). Probabilities below the smallest positive float count as that.
///
/// # Errors
/// Members of different length, as many weights as members, labels that do not fit, a temperature not above 0.
pub fn combine(
    members: &[Vec<f32>],
    classes: usize,
    weights: &Weights,
    combination: Combination,
    temperature: f64,
    labels: &[u32],
) -> Result<Vec<f32>, TeachError> {
    check(members, classes, weights, combination, temperature, labels)?;
    let Some(first) = members.first() else {
        return Ok(Vec::new());
    };
    let mut out = vec![0.0_f32; first.len()];
    out.par_chunks_mut(classes).enumerate().for_each(|(row, out)| {
        let rows = || members.iter().map(|member| &member[row * classes..(row + 1) * classes]);
        match combination {
            Combination::Geometric => {
                for (place, out) in out.iter_mut().enumerate() {
                    let terms = rows().zip(&weights.0).map(|(z, weight)| weight * f64::from(z[place]));
                    *out = terms.sum::<f64>() as f32;
                }
            }
            Combination::Arithmetic => {
                let mut mean = vec![0.0_f64; classes];
                for (z, weight) in rows().zip(&weights.0) {
                    for (sum, p) in mean.iter_mut().zip(softmax(z, temperature)) {
                        *sum += weight * p;
                    }
                }
                for (out, p) in out.iter_mut().zip(mean) {
                    *out = (temperature * p.max(f64::from(f32::MIN_POSITIVE)).ln()) as f32;
                }
            }
            Combination::Surest | Combination::BestOnLabel => {
                let merit = |(z, weight): (&[f32], &f64)| {
                    let p = softmax(z, temperature);
                    match combination {
                        Combination::BestOnLabel => weight * p[labels[row] as usize],
                        _ => {
                            let entropy: f64 = p.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum();
                            -entropy / weight.max(f64::MIN_POSITIVE)
                        }
                    }
                };
                let merits: Vec<f64> = rows().zip(&weights.0).map(merit).collect();
                let best =
                    (0..merits.len()).fold(0, |best, m| if merits[m] > merits[best] { m } else { best });
                out.copy_from_slice(&members[best][row * classes..(row + 1) * classes]);
            }
        }
    });
    Ok(out)
}

fn check(
    members: &[Vec<f32>],
    classes: usize,
    weights: &Weights,
    combination: Combination,
    temperature: f64,
    labels: &[u32],
) -> Result<(), TeachError> {
    let wrong = |key, found: String, right: String| Err(TeachError::Config { key, found, right });
    if !(temperature.is_finite() && temperature > 0.0) {
        return wrong("temperature", temperature.to_string(), "finite and above 0".to_owned());
    }
    if weights.0.len() != members.len() {
        let right = format!("one for each of the {} members", members.len());
        return wrong("weights", weights.0.len().to_string(), right);
    }
    let length = members.first().map_or(0, Vec::len);
    if classes == 0 || !length.is_multiple_of(classes) || members.iter().any(|member| member.len() != length)
    {
        let lengths: Vec<usize> = members.iter().map(Vec::len).collect();
        return wrong("members", format!("logits of lengths {lengths:?}"), format!("rows of {classes} each"));
    }
    if combination.needs_labels()
        && (labels.len() != length / classes || labels.iter().any(|label| *label as usize >= classes))
    {
        let right = format!("{} classes below {classes}", length / classes);
        return wrong("labels", format!("{} labels", labels.len()), right);
    }
    Ok(())
}

fn softmax(z: &[f32], temperature: f64) -> Vec<f64> {
    let top = f64::from(z.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let mut p: Vec<f64> = z.iter().map(|z| ((f64::from(*z) - top) / temperature).exp()).collect();
    let sum: f64 = p.iter().sum();
    p.iter_mut().for_each(|p| *p /= sum);
    p
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [f32; 6] = [2.0, 0.0, -1.0, 0.1, 0.0, 0.2];
    const B: [f32; 6] = [0.0, 3.0, 0.5, 5.0, -5.0, 0.0];

    fn of(combination: Combination, temperature: f64, labels: &[u32]) -> Vec<f32> {
        let weights = Weights::new(&[3.0, 1.0], 2).unwrap();
        combine(&[A.to_vec(), B.to_vec()], 3, &weights, combination, temperature, labels).unwrap()
    }

    #[test]
    fn the_arithmetic_mean_is_one_of_probabilities_at_the_temperature() {
        for temperature in [0.7, 1.0, 4.0] {
            let z = of(Combination::Arithmetic, temperature, &[]);
            for row in 0..2 {
                let at = row * 3..row * 3 + 3;
                let (p, q) = (softmax(&A[at.clone()], temperature), softmax(&B[at.clone()], temperature));
                for (place, found) in softmax(&z[at], temperature).iter().enumerate() {
                    assert!((found - (0.75 * p[place] + 0.25 * q[place])).abs() < 1e-6);
                }
            }
        }
    }

    #[test]
    fn the_geometric_mean_is_the_normalised_product_of_powers() {
        let temperature = 2.0;
        let z = of(Combination::Geometric, temperature, &[]);
        let (p, q) = (softmax(&A[..3], temperature), softmax(&B[..3], temperature));
        let product: Vec<f64> = p.iter().zip(&q).map(|(p, q)| p.powf(0.75) * q.powf(0.25)).collect();
        let sum: f64 = product.iter().sum();
        for (found, product) in softmax(&z[..3], temperature).iter().zip(&product) {
            assert!((found - product / sum).abs() < 1e-6);
        }
    }

    #[test]
    fn a_choice_is_made_for_each_example() {
        // B is a little surer than A in the first row, but has a third of its weight; in the second row it is much surer.
        assert_eq!(of(Combination::Surest, 1.0, &[]), [&A[..3], &B[3..]].concat());
        let chosen = of(Combination::BestOnLabel, 1.0, &[0, 2]);
        assert_eq!(chosen, A);
        assert_eq!(of(Combination::BestOnLabel, 1.0, &[1, 2])[..3], B[..3]);
    }

    #[test]
    fn one_member_is_itself_and_what_does_not_fit_is_refused() {
        let one = Weights::equal(1).unwrap();
        let z = combine(&[A.to_vec()], 3, &one, Combination::Arithmetic, 3.0, &[]).unwrap();
        for (found, expected) in softmax(&z[..3], 3.0).iter().zip(softmax(&A[..3], 3.0)) {
            assert!((found - expected).abs() < 1e-6);
        }
        let refuse = |members: &[Vec<f32>], temperature, combination| {
            combine(members, 3, &one, combination, temperature, &[]).unwrap_err().to_string()
        };
        assert!(refuse(&[A.to_vec()], 0.0, Combination::Arithmetic).contains("temperature"));
        assert!(refuse(&[A.to_vec(), A.to_vec()], 1.0, Combination::Arithmetic).contains("weights"));
        assert!(refuse(&[vec![0.0; 4]], 1.0, Combination::Arithmetic).contains("rows of 3"));
        assert!(refuse(&[A.to_vec()], 1.0, Combination::BestOnLabel).contains("labels"));
        assert!(Weights::new(&[0.0, 0.0], 2).is_err() && Weights::new(&[-1.0, 2.0], 2).is_err());
        assert!(Weights::new(&[1.0], 2).is_err() && Weights::equal(0).is_err());
    }
}
