//! What an audit will take: removals, curves, circuits and the statistics over them.

use limbeck_audit::{AblationChoice, AuditConfig, AuditError};
use limbeck_eval::Encode;
use limbeck_eval::contrast::{ContrastOptions, generate, shifts};
use limbeck_kernels::Precision;
use limbeck_model::DecoderConfig;
use serde::Serialize;

use super::super::shapes::Shapes;
use super::{BASE_BYTES, Rate, StageEstimate, flops, scoring_bytes};

/// Part of a whole pass that is left when it restarts where a component is removed, on average over the components.
const RESTARTED: f64 = 0.5;
/// Part of the rate of training that the audit's shorter products reach.
const SHARE: f64 = 0.4;
/// Part of a pass that a search for a circuit computes: what is removed needs no computing.
const PRUNED: f64 = 0.4;
/// Seconds of one pair of components in one resample of an alignment.
const PAIR: f64 = 4e-7;
/// Seconds of a pass over one prompt beyond its products, for each block.
const PASS_OVERHEAD: f64 = 1e-5;

/// How many prompts an audit has.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AuditSize {
    /// Prompts of the task.
    pub prompts: usize,
    /// Their mean length in tokens.
    pub tokens: f64,
    /// Groups of prompts of one template and length.
    pub groups: usize,
    /// Prompts of all shifted versions together.
    pub shifted_prompts: usize,
}

impl AuditSize {
    /// Makes the prompts and counts them.
    ///
    /// # Errors
    /// When the task cannot be made, or the tokenizer cannot express it.
    pub fn of(settings: &AuditConfig, tokenizer: &dyn Encode) -> Result<Self, AuditError> {
        let task = generate(&settings.task, tokenizer, &settings.prompts())?;
        let tokens: usize = task.groups.iter().map(|group| group.length * group.prompts.len()).sum();
        let wanted = &settings.brittleness.shifts;
        let per_template = settings.brittleness.shift_prompts.min(settings.prompts_per_template);
        let options = ContrastOptions { per_template, ..settings.prompts() };
        let shifted_prompts = if wanted.is_empty() {
            0
        } else {
            let made = shifts(&settings.task, tokenizer, &options)?;
            made.tasks.iter().filter(|shift| wanted.contains(&shift.name)).map(|shift| shift.task.len()).sum()
        };
        let prompts = task.len();
        Ok(Self {
            prompts,
            tokens: tokens as f64 / prompts.max(1) as f64,
            groups: task.groups.len(),
            shifted_prompts,
        })
    }
}

/// The audit of the teacher and `students` networks of the student's shape.
pub(super) fn audited(
    settings: &AuditConfig,
    shapes: &Shapes,
    students: usize,
    size: &AuditSize,
    rate: Rate,
) -> StageEstimate {
    let (teacher, student) = (&shapes.teacher, &shapes.student);
    let count = students as f64;
    let network =
        |config: &DecoderConfig| passes(settings, config, size) * seconds_of_pass(config, size, rate);
    let pairs = (components(teacher) * components(student)) as f64;
    let resamples = (settings.alignment_resamples + 4 * settings.similarity.resamples) as f64;
    let batch = (settings.batch_size.min(size.prompts) as f64).max(1.0);
    let weights = 4.0 * (flops::parameters(teacher) + count * flops::parameters(student));
    // The sweep keeps the stream before every block; products go side by side over up to 2048 tokens.
    let streams = batch * size.tokens * (teacher.n_layers * teacher.d_model) as f64 * 4.0 * 3.0;
    StageEstimate {
        stage: "audit",
        seconds: network(teacher) + count * (network(student) + pairs * resamples * PAIR),
        memory_bytes: BASE_BYTES + weights + streams + scoring_bytes(teacher, 2048.0, 1.0),
        work: format!(
            "{} prompts, {} components of the teacher and {} of each of {students} students removed in turn",
            size.prompts,
            components(teacher),
            components(student)
        ),
        shorter: "audit.prompts_per_template (or audit = false)",
    }
}

/// Heads and MLPs.
fn components(config: &DecoderConfig) -> usize {
    config.n_layers * (config.n_heads + 1)
}

fn seconds_of_pass(config: &DecoderConfig, size: &AuditSize, rate: Rate) -> f64 {
    let operations = flops::blocks(config, size.tokens) + flops::head(config, 1.0);
    operations / (SHARE * rate.reached(Precision::F32, config.d_model))
        + PASS_OVERHEAD * config.n_layers as f64
}

/// Whole passes over one prompt that the audit of one network comes to.
fn passes(settings: &AuditConfig, config: &DecoderConfig, size: &AuditSize) -> f64 {
    let (prompts, components) = (size.prompts as f64, components(config) as f64);
    let ablations = if settings.ablation == AblationChoice::Zero { 1.0 } else { 2.0 };
    let mut passes = prompts * (6.0 + ablations * components * RESTARTED);
    if settings.groups && config.n_kv_heads != config.n_heads {
        passes += prompts * (config.n_layers * config.n_kv_heads) as f64 * RESTARTED;
    }
    passes += size.shifted_prompts as f64 * (2.0 + components * RESTARTED);
    let brittleness = &settings.brittleness;
    let of_curves = prompts.min(brittleness.prompts as f64);
    if brittleness.curves {
        let noise = brittleness.noise_sizes.len() * brittleness.noise_draws;
        let removed = brittleness.removed.iter().filter(|count| (**count as f64) < components).count();
        passes += of_curves * (1 + noise + removed * (1 + brittleness.random_orders)) as f64;
    }
    let patching = &settings.patching;
    if flops::parameters(config) <= patching.up_to_parameters as f64 {
        let pairs = prompts.min((patching.prompts_per_group * size.groups) as f64);
        let of_components = if patching.components { components } else { 0.0 };
        let of_streams = if patching.residual { (config.n_layers + 1) as f64 * size.tokens } else { 0.0 };
        passes += 2.0 * pairs * (of_components + of_streams) * RESTARTED;
    }
    let circuit = &settings.circuit;
    if circuit.enabled {
        let few = components <= circuit.thresholds_up_to as f64;
        let searches = if few { 1.0 + circuit.thresholds.len() as f64 } else { 1.0 };
        let tried = searches * (components + circuit.edges as f64) * RESTARTED + circuit.random as f64;
        passes += PRUNED * prompts.min(circuit.prompts as f64) * tried;
    }
    passes
}
