//! Whether a training can fit into this machine's memory: least needs against what is at hand, before anything is allocated.

use limbeck_distill::TrainingConfig;
use limbeck_model::DecoderConfig;

/// Bytes that training needs for every parameter: the weight, its gradient and AdamW's two moments, in 32 bits.
const PER_PARAMETER: u128 = 16;
/// Bytes of a 32-bit number.
const NUMBER: u128 = 4;

/// More memory is needed than there is.
#[derive(Debug, thiserror::Error)]
#[error(
    "{what} needs at least {:.1} GiB of memory, and this machine has {:.1} GiB at hand: {remedy}",
    *needed as f64 / GIB,
    *at_hand as f64 / GIB
)]
pub struct MemoryError {
    what: String,
    remedy: &'static str,
    needed: u128,
    at_hand: u64,
}

const GIB: f64 = (1_u64 << 30) as f64;

/// Bytes that this process may still take: what the machine has free or can free, and what its control group allows. None where
/// the system does not say.
pub fn at_hand() -> Option<u64> {
    let machine = limbeck_data::memory::available()?;
    let group = |file: &str| -> Option<u64> {
        std::fs::read_to_string(format!("/sys/fs/cgroup/{file}")).ok()?.trim().parse().ok()
    };
    let allowed = group("memory.max").zip(group("memory.current"));
    Some(allowed.map_or(machine, |(most, used)| machine.min(most.saturating_sub(used))))
}

/// Refuses to make and train a network that cannot fit.
///
/// # Errors
/// [`MemoryError`], with both sizes.
pub fn check_network(name: &str, config: &DecoderConfig) -> Result<(), MemoryError> {
    let count = config.parameter_count();
    let what = format!("training the {name}, of {count} parameters,");
    within(what, "smaller sizes (n_layers, d_model, d_mlp)", count.saturating_mul(PER_PARAMETER))
}

/// Refuses a classifier of which the weights between layers of these widths cannot fit; `key` is that of the widths.
///
/// # Errors
/// [`MemoryError`], with both sizes.
pub(crate) fn check_layers(key: &str, widths: &[u64]) -> Result<(), MemoryError> {
    let weights = widths.windows(2).map(|pair| u128::from(pair[0]) * u128::from(pair[1]));
    let count = weights.fold(0u128, u128::saturating_add);
    let what = format!("{key}: training a network of {count} parameters or more");
    within(what, "narrower hidden layers", count.saturating_mul(PER_PARAMETER))
}

/// Refuses a step whose activations cannot fit, for sequences of `longest` tokens.
///
/// # Errors
/// [`MemoryError`], with both sizes.
pub fn check_step(
    name: &str,
    config: &DecoderConfig,
    training: &TrainingConfig,
    longest: usize,
) -> Result<(), MemoryError> {
    let rows = training.batch_size.div_ceil(training.accumulation.max(1)) as u128;
    let tokens = rows.saturating_mul(longest as u128);
    // What the way back reads again: the residual stream and the inputs of the products of every block.
    let width = (config.d_model as u128).saturating_mul(4).saturating_add(config.d_mlp as u128);
    let numbers = tokens.saturating_mul(width).saturating_mul(config.n_layers as u128);
    let what = format!("a step of training the {name}, of {tokens} tokens at once,");
    let remedy = "a smaller training.batch_size, or a larger training.accumulation";
    within(what, remedy, numbers.saturating_mul(NUMBER))
}

fn within(what: String, remedy: &'static str, needed: u128) -> Result<(), MemoryError> {
    match at_hand() {
        Some(at_hand) if needed > u128::from(at_hand) => Err(MemoryError { what, remedy, needed, at_hand }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{Architecture, ScratchFamily};

    #[test]
    fn what_cannot_fit_is_refused_with_both_sizes() {
        let shape = |d_model| Architecture {
            family: ScratchFamily::Gpt2,
            n_layers: 2,
            d_model,
            n_heads: 2,
            d_mlp: None,
            max_positions: 64,
        };
        let small = shape(16).decoder(64).unwrap();
        check_network("teacher", &small).unwrap();
        if at_hand().is_some() {
            let large = shape(1 << 22).decoder(64).unwrap();
            let error = check_network("teacher", &large).unwrap_err().to_string();
            assert!(error.contains("GiB at hand") && error.contains("d_model"), "{error}");
            let training = TrainingConfig { batch_size: 1 << 40, ..TrainingConfig::default() };
            assert!(check_step("student", &small, &training, 1 << 20).is_err());
        }
    }
}
