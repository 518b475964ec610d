//! How alike the components of two networks are, by every measure.
//!
//! [`Observations`] takes from one pass what is needed of a network, [`Comparison`] sets two networks side by side, and
//! [`similarity`] sums it up. [`alignment`] is the metric of Haskins & Adams 2025.

mod alignment;
mod assignment;
mod attention_maps;
mod comparison;
mod config;
mod directions;
mod effects;
mod eigen;
mod floors;
mod matching;
mod moments;
mod observations;
mod outputs;
mod permutation;
mod products;
mod table;
mod variants;
mod walk;

pub use alignment::{AlignmentInput, alignment};
pub use attention_maps::AttentionMaps;
pub(crate) use comparison::Draw;
pub use comparison::{Comparison, Measurements};
pub use config::SimilarityConfig;
pub use directions::Directions;
pub(crate) use floors::alignment_floors;
pub(crate) use matching::place;
pub use matching::{AlignmentParts, Pairing, alignment_parts};
pub use observations::Observations;
pub(crate) use outputs::projections;

use limbeck_data::progress::Progress;
use limbeck_results::{AlignmentVariant, Similarity, VariantAlignment};
use limbeck_stats::Bootstrap;

use crate::AuditError;

/// Every measure between the components of two networks, and alignment by variant A and one to one.
///
/// # Errors
/// [`AuditError::Stats`] when a resample has no logit difference, [`AuditError::Cancelled`] on request.
pub fn similarity(
    comparison: &Comparison,
    config: &SimilarityConfig,
    seed: u64,
    label: &str,
    progress: &dyn Progress,
) -> Result<Similarity, AuditError> {
    let bootstrap = Bootstrap::with_seed(seed).with_resamples(config.resamples);
    let (teacher, student) = (comparison.teacher, comparison.student);
    let prompts = teacher.mean.prompts();
    let draws: Vec<Draw> = bootstrap.draws(prompts)?.map(Draw::new).collect();
    let matrices: Vec<_> = comparison.matrices().collect();
    progress.start(label, matrices.len() as u64 + 2, "measures");
    let found = || -> Result<Similarity, AuditError> {
        let mut measures = Vec::with_capacity(matrices.len());
        for (measure, kind, matrix) in &matrices {
            let found = table::summarise(comparison, *measure, *kind, matrix, &bootstrap, &draws, progress)?;
            measures.push(found);
            progress.advance(1);
        }
        let a = variants::variant_a(comparison, &bootstrap, progress)?;
        progress.advance(1);
        let one_to_one = variants::one_to_one(comparison, &bootstrap, &draws, progress)?;
        progress.advance(1);
        Ok(Similarity {
            rows: prompts * teacher.observations.outputs.rows_per_prompt,
            directions: config.directions,
            teacher_variance: teacher.observations.outputs.variance(),
            student_variance: student.observations.outputs.variance(),
            resamples: config.resamples,
            measures,
            alignments: vec![
                VariantAlignment { variant: AlignmentVariant::A, alignment: a },
                VariantAlignment { variant: AlignmentVariant::OneToOne, alignment: one_to_one },
            ],
        })
    };
    let found = found();
    progress.finish();
    found
}
