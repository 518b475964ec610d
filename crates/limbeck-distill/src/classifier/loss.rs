//! Objectives over class logits and their gradient.

use burn::tensor::{Tensor, TensorData};
use limbeck_kernels::KernelError;

use super::ClassTerm;

/// The value of every term and a scalar whose gradient is that of their weighted sum.
pub(super) fn losses(
    logits: &Tensor<2>,
    labels: &[u32],
    teacher: Option<&[f32]>,
    terms: &[ClassTerm],
) -> Result<(Tensor<1>, Vec<f64>), KernelError> {
    let [batch, classes] = logits.dims();
    let z: Vec<f32> = logits.clone().inner().into_data().iter::<f32>().collect();
    let mut gradient = vec![0.0_f32; z.len()];
    let mut values = vec![0.0; terms.len()];
    for row in 0..batch {
        let at = row * classes..(row + 1) * classes;
        let z: Vec<f64> = z[at.clone()].iter().map(|v| f64::from(*v)).collect();
        let v: Vec<f64> =
            teacher.map(|t| t[at.clone()].iter().map(|v| f64::from(*v)).collect()).unwrap_or_default();
        for (term, value) in terms.iter().zip(&mut values) {
            match term {
                ClassTerm::CrossEntropy(term) => {
                    let q = log_softmax(&z, 1.0);
                    *value -= q[labels[row] as usize];
                    for (j, g) in gradient[at.clone()].iter_mut().enumerate() {
                        let target = f64::from(u8::from(j == labels[row] as usize));
                        *g += (term.weight * (q[j].exp() - target)) as f32;
                    }
                }
                ClassTerm::SoftTargets(term) => {
                    let t = term.temperature;
                    let (q, p) = (log_softmax(&z, t), log_softmax(&v, t));
                    *value += t * t * p.iter().zip(&q).map(|(p, q)| p.exp() * (p - q)).sum::<f64>();
                    for (j, g) in gradient[at.clone()].iter_mut().enumerate() {
                        *g += (term.weight * t * (q[j].exp() - p[j].exp())) as f32;
                    }
                }
                ClassTerm::LogitMatching(term) => {
                    let n = classes as f64;
                    let mean = |x: &[f64]| x.iter().sum::<f64>() / n;
                    let (mz, mv) = (mean(&z), mean(&v));
                    let difference: Vec<f64> = z.iter().zip(&v).map(|(z, v)| (z - mz) - (v - mv)).collect();
                    *value += difference.iter().map(|d| d * d).sum::<f64>() / (2.0 * n);
                    for (g, d) in gradient[at.clone()].iter_mut().zip(&difference) {
                        *g += (term.weight * d / n) as f32;
                    }
                }
            }
        }
    }
    let scale = 1.0 / batch as f32;
    gradient.iter_mut().for_each(|g| *g *= scale);
    values.iter_mut().for_each(|v| *v *= f64::from(scale));
    let gradient = Tensor::<2>::from_data(TensorData::new(gradient, [batch, classes]), &logits.device());
    Ok(((logits.clone() * gradient).sum(), values))
}

fn log_softmax(z: &[f64], t: f64) -> Vec<f64> {
    let top = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = z.iter().map(|z| ((z - top) / t).exp()).sum();
    z.iter().map(|z| (z - top) / t - sum.ln()).collect()
}
