//! The distribution that agrees best with the generalist and the covering specialists (Hinton, Vinyals, Dean 2015, Eq. 5).

use crate::DistillError;

/// Largest entry of the gradient, relative to the number of voices, at which the minimum counts as found.
const TOLERANCE: f64 = 1e-9;
/// Steps after which the search is given up.
const MOST_STEPS: usize = 10_000;
/// Longest step tried, in steps of expectation and maximisation.
const LONGEST_STEP: f64 = 64.0;
/// Probabilities below this count as this: a voice that rules a class out wholly would have an infinite divergence.
const FLOOR: f64 = 1e-300;

/// What a specialist says: the probability of each of `classes`, and, when there is one more probability than classes, that
/// of all other classes together (the dustbin).
#[derive(Debug, Clone, PartialEq)]
pub struct Opinion {
    /// Its classes.
    pub classes: Vec<u32>,
    /// Of each class, and of the dustbin.
    pub probabilities: Vec<f64>,
}

/// The minimum of Eq. 5.
#[derive(Debug, Clone, PartialEq)]
pub struct Agreed {
    /// q, a distribution over all classes.
    pub probabilities: Vec<f64>,
    /// Steps of descent it took.
    pub steps: usize,
}

/// Minimises `KL(p_g || q) + sum_m KL(p_m || q)` over distributions `q = softmax(z)`, where `q` is summed over the classes of
/// a specialist's dustbin before it is compared.
///
/// With `r_j` the probability that all voices give class j (of a dustbin, in proportion to `q` within it), the gradient in z
/// is `(M + 1) q_j - r_j`. The descent begins at `z = ln p_g` and goes along `s_j = ln(r_j / ((M + 1) q_j))`: downhill in every
/// component, and scaled so that rare classes move as fast as common ones. A step of length 1 never raises the value (it is
/// the step of expectation and maximisation, Dempster et al. 1977); longer ones are tried and kept where they lower it. The
/// sum is convex in q, so that its stationary points are minima. Without specialists the answer is `p_g` itself.
///
/// # Errors
/// Opinions that do not fit the classes, or a search that does not end.
pub fn minimise(generalist: &[f64], opinions: &[Opinion]) -> Result<Agreed, DistillError> {
    check(generalist, opinions)?;
    if opinions.is_empty() {
        return Ok(Agreed { probabilities: generalist.to_vec(), steps: 0 });
    }
    let voices = (opinions.len() + 1) as f64;
    let mut z: Vec<f64> = generalist.iter().map(|p| p.max(FLOOR).ln()).collect();
    let mut q = softmax(&z);
    let mut value = objective(generalist, opinions, &q);
    let mut gradient = slope(generalist, opinions, &q);
    let mut length = 1.0;
    for steps in 0..MOST_STEPS {
        if largest(&gradient) <= TOLERANCE * voices {
            return Ok(Agreed { probabilities: q, steps });
        }
        // r_j = (M + 1) q_j - gradient_j.
        let way: Vec<f64> =
            q.iter().zip(&gradient).map(|(q, g)| ((voices * q - g).max(FLOOR) / (voices * q)).ln()).collect();
        let step = |length: f64| z.iter().zip(&way).map(|(z, way)| z + length * way).collect::<Vec<f64>>();
        let mut moved = step(length);
        let mut next = softmax(&moved);
        let mut reached = objective(generalist, opinions, &next);
        if reached > value && length > 1.0 {
            length = 1.0;
            moved = step(length);
            next = softmax(&moved);
            reached = objective(generalist, opinions, &next);
        } else {
            length = f64::min(1.5 * length, LONGEST_STEP);
        }
        gradient = slope(generalist, opinions, &next);
        (z, q, value) = (moved, next, reached);
    }
    Err(DistillError::Data {
        reason: format!(
            "the search for the distribution of Eq. 5 did not end: the gradient is {:e} after {MOST_STEPS} steps",
            largest(&gradient)
        ),
    })
}

/// The minimum for a single covering specialist with a dustbin, in closed form: on its classes the mean of both voices; on
/// the others the generalist's proportions, scaled to the mean of what both give to the dustbin.
pub fn one_covering(generalist: &[f64], opinion: &Opinion) -> Vec<f64> {
    let own = |class: usize| opinion.classes.iter().position(|one| *one as usize == class);
    let rest: f64 =
        generalist.iter().enumerate().filter(|(class, _)| own(*class).is_none()).map(|(_, p)| p).sum();
    let dustbin = opinion.probabilities.get(opinion.classes.len()).copied().unwrap_or_default();
    let scale = if rest > 0.0 { f64::midpoint(rest, dustbin) / rest } else { 0.0 };
    generalist
        .iter()
        .enumerate()
        .map(|(class, p)| match own(class) {
            Some(place) => f64::midpoint(*p, opinion.probabilities[place]),
            None => p * scale,
        })
        .collect()
}

fn check(generalist: &[f64], opinions: &[Opinion]) -> Result<(), DistillError> {
    let wrong = |reason: String| Err(DistillError::Data { reason });
    if generalist.is_empty() || generalist.iter().any(|p| !(0.0..=1.0 + 1e-9).contains(p)) {
        return wrong("the generalist's probabilities are not from 0 to 1".to_owned());
    }
    for opinion in opinions {
        let (classes, given) = (opinion.classes.len(), opinion.probabilities.len());
        let outside = opinion.classes.iter().any(|class| *class as usize >= generalist.len());
        let dustbin = given == classes + 1 && classes < generalist.len();
        let whole = given == classes && classes == generalist.len();
        if outside || !(dustbin || whole) || opinion.probabilities.iter().any(|p| !p.is_finite()) {
            return wrong(format!(
                "a specialist's {given} probabilities for {classes} of {} classes do not fit",
                generalist.len()
            ));
        }
    }
    Ok(())
}

fn softmax(z: &[f64]) -> Vec<f64> {
    let top = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = z.iter().map(|z| (z - top).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| (power / sum).max(FLOOR)).collect()
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most, value| value.abs().max(most))
}

fn divergence(p: f64, q: f64) -> f64 {
    if p > 0.0 { p * (p / q.max(FLOOR)).ln() } else { 0.0 }
}

/// The mass that q gives to the dustbin of an opinion.
fn dustbin_mass(opinion: &Opinion, q: &[f64]) -> f64 {
    let mut outside = vec![true; q.len()];
    for class in &opinion.classes {
        outside[*class as usize] = false;
    }
    q.iter().zip(&outside).filter(|(_, outside)| **outside).map(|(q, _)| q).sum()
}

fn objective(generalist: &[f64], opinions: &[Opinion], q: &[f64]) -> f64 {
    let own: f64 = generalist.iter().zip(q).map(|(p, q)| divergence(*p, *q)).sum();
    let theirs = opinions.iter().map(|opinion| {
        let classes = opinion.classes.iter().zip(&opinion.probabilities);
        let special: f64 = classes.map(|(class, p)| divergence(*p, q[*class as usize])).sum();
        let dustbin = opinion.probabilities.get(opinion.classes.len());
        special + dustbin.map_or(0.0, |p| divergence(*p, dustbin_mass(opinion, q)))
    });
    own + theirs.sum::<f64>()
}

fn slope(generalist: &[f64], opinions: &[Opinion], q: &[f64]) -> Vec<f64> {
    let voices = (opinions.len() + 1) as f64;
    let mut gradient: Vec<f64> = generalist.iter().zip(q).map(|(p, q)| voices * q - p).collect();
    for opinion in opinions {
        // What the dustbin's probability amounts to for each unit of q in it.
        let share = opinion
            .probabilities
            .get(opinion.classes.len())
            .map_or(0.0, |p| p / dustbin_mass(opinion, q).max(FLOOR));
        let mut given: Vec<f64> = q.iter().map(|q| share * q).collect();
        for (class, p) in opinion.classes.iter().zip(&opinion.probabilities) {
            given[*class as usize] = *p;
        }
        gradient.iter_mut().zip(given).for_each(|(gradient, given)| *gradient -= given);
    }
    gradient
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn random(rng: &mut ChaCha8Rng, classes: usize) -> Vec<f64> {
        softmax(&(0..classes).map(|_| rng.random_range(-4.0..4.0)).collect::<Vec<f64>>())
    }

    #[test]
    fn without_specialists_the_generalist_is_the_answer() {
        let generalist = [0.7, 0.2, 0.1];
        assert_eq!(minimise(&generalist, &[]).unwrap().probabilities, generalist);
    }

    #[test]
    fn one_specialist_has_a_closed_form() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for _ in 0..50 {
            let generalist = random(&mut rng, 8);
            let opinion = Opinion { classes: vec![5, 1, 6], probabilities: random(&mut rng, 4) };
            let found = minimise(&generalist, std::slice::from_ref(&opinion)).unwrap();
            let expected = one_covering(&generalist, &opinion);
            for (found, expected) in found.probabilities.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-7, "{found} {expected}");
            }
            assert!((expected.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn full_softmaxes_agree_on_their_mean() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let generalist = random(&mut rng, 6);
        let opinions: Vec<Opinion> = (0..3)
            .map(|_| Opinion { classes: (0..6).collect(), probabilities: random(&mut rng, 6) })
            .collect();
        let found = minimise(&generalist, &opinions).unwrap();
        for class in 0..6 {
            let mean =
                (generalist[class] + opinions.iter().map(|one| one.probabilities[class]).sum::<f64>()) / 4.0;
            assert!((found.probabilities[class] - mean).abs() < 1e-8);
        }
    }

    #[test]
    fn with_several_overlapping_specialists_no_neighbour_is_better() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        for _ in 0..20 {
            let generalist = random(&mut rng, 7);
            let opinions = [
                Opinion { classes: vec![0, 1, 2], probabilities: random(&mut rng, 4) },
                Opinion { classes: vec![2, 3], probabilities: random(&mut rng, 3) },
                Opinion { classes: vec![5], probabilities: random(&mut rng, 2) },
            ];
            let found = minimise(&generalist, &opinions).unwrap();
            let least = objective(&generalist, &opinions, &found.probabilities);
            for _ in 0..50 {
                let noise: Vec<f64> = (0..7).map(|_| rng.random_range(-0.05..0.05)).collect();
                let z: Vec<f64> =
                    found.probabilities.iter().zip(noise).map(|(p, noise)| p.ln() + noise).collect();
                assert!(objective(&generalist, &opinions, &softmax(&z)) >= least - 1e-12);
            }
        }
    }

    #[test]
    fn opinions_that_do_not_fit_are_refused() {
        let generalist = [0.5, 0.5];
        let refused = |classes: Vec<u32>, probabilities: Vec<f64>| {
            minimise(&generalist, &[Opinion { classes, probabilities }]).is_err()
        };
        assert!(refused(vec![2], vec![0.5, 0.5]));
        assert!(refused(vec![0], vec![1.0]));
        assert!(refused(vec![0, 1], vec![0.5, 0.5, 0.0]));
        assert!(refused(vec![0], vec![f64::NAN, 0.5]));
        assert!(minimise(&[f64::NAN], &[]).is_err());
    }
}
