//! Whether a number format holds the values written in it.

use rayon::prelude::*;

use super::error::WeightsError;
use super::float::first_not_finite;
use super::source::HostTensor;

/// Refused above this relative error of a tensor, |stored - exact| / |exact| by root mean squares. Half precision has 3e-4 and
/// blocks of eight bits 5e-3; more means values too small for the format.
const MOST: f64 = 0.1;
const CHUNK: usize = 1 << 16;

/// Refuses a tensor of which the stored form, read back as `stored`, is not the tensor any more: values that became infinite, or
/// matrices that became nothing (a bias may be as good as zero). `format` names the format in messages.
pub(crate) fn check_held(
    tensor: &str,
    exact: &HostTensor,
    stored: &[f32],
    format: &str,
) -> Result<(), WeightsError> {
    let (matrix, exact) = (exact.shape.len() > 1, exact.values.as_slice());
    let refuse =
        |reason: String, remedy| Err(WeightsError::NotHeld { tensor: tensor.to_owned(), reason, remedy });
    if let Some(at) = first_not_finite(exact) {
        let value = exact.get(at).copied().unwrap_or(f32::NAN);
        return refuse(format!("holds {value} at element {at}"), "weights are finite");
    }
    if let Some(first) = first_not_finite(stored) {
        // Of a block with one scale no value is held when its largest is not: that is the one to name.
        let block = stored
            .iter()
            .zip(exact)
            .enumerate()
            .skip(first)
            .take_while(|(_, (stored, _))| !stored.is_finite());
        let largest = block.max_by(|(_, (_, a)), (_, (_, b))| a.abs().total_cmp(&b.abs()));
        let (at, value) = largest.map_or((first, f32::NAN), |(at, (_, value))| (at, *value));
        let reason = format!("holds {value:e} at element {at}, beyond the range of {format}");
        return refuse(reason, "f32 would hold it");
    }
    if !matrix {
        return Ok(());
    }
    let pairs = exact.par_chunks(CHUNK).zip(stored.par_chunks(CHUNK));
    let sums: Vec<[f64; 2]> = pairs
        .map(|(exact, stored)| {
            exact.iter().zip(stored).fold([0.0, 0.0], |[error, size], (&exact, &stored)| {
                let (exact, stored) = (f64::from(exact), f64::from(stored));
                [error + (stored - exact).powi(2), size + exact * exact]
            })
        })
        .collect();
    let [error, size] = sums.iter().fold([0.0, 0.0], |[a, b], [error, size]| [a + error, b + size]);
    if error > MOST * MOST * size {
        let share = 100.0 * (error / size).sqrt();
        let reason = format!("would be off by {share:.0}% in {format}, its values are too small");
        return refuse(reason, "f32 would hold it");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::float::{self, FloatFormat};
    use crate::weights::gguf::{TensorType, quantise_q8_0};

    fn matrix(values: &[f32]) -> HostTensor {
        HostTensor { shape: vec![1, values.len()], values: values.to_vec() }
    }

    fn in_half(values: &[f32]) -> Result<(), WeightsError> {
        check_held("t", &matrix(values), &float::from_f16(&FloatFormat::F16.encode(values)), "f16")
    }

    #[test]
    fn what_half_precision_cannot_hold_is_refused() {
        in_half(&[0.1, 65504.0, -65519.0, 0.0]).unwrap();
        in_half(&[0.0; 4]).unwrap();
        in_half(&[1e-9, 1.0]).unwrap();
        for (values, words) in [
            ([0.1, 65520.0], "6.552e4 at element 1, beyond the range of f16; f32 would hold it"),
            ([-1e5, 0.0], "-1e5 at element 0"),
            ([1e-9, 2e-9], "off by 100% in f16"),
            ([f32::NAN, 0.0], "holds NaN at element 0; weights are finite"),
        ] {
            let error = in_half(&values).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn what_the_scale_of_a_block_cannot_hold_is_refused() {
        let check = |value: f32| {
            let mut values = vec![0.5; 64];
            values[40] = value;
            let stored = TensorType::Q8_0.dequantise(&quantise_q8_0(&values));
            check_held("t", &matrix(&values), &stored, "q8_0")
        };
        check(8e6).unwrap();
        let error = check(1e8).unwrap_err().to_string();
        assert!(error.contains("holds 1e8 at element 40, beyond the range of q8_0"), "{error}");
        let small = vec![1e-9; 32];
        let stored = TensorType::Q8_0.dequantise(&quantise_q8_0(&small));
        assert!(check_held("t", &matrix(&small), &stored, "q8_0").is_err());
    }
}
