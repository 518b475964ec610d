//! A student, or a baseline, beside the teacher: alignment, similarity of components, roles.

use limbeck_data::progress::Progress;
use limbeck_results::{Alignment, Roles, Similarity};
use limbeck_stats::Bootstrap;

use crate::rows::stop_if_asked;
use crate::{AuditConfig, AuditError, Comparison, Measurements, alignment, roles, similarity};

/// How a network compares with the teacher.
pub(crate) struct Compared {
    pub(crate) alignment: Alignment,
    pub(crate) similarity: Similarity,
    pub(crate) roles: Roles,
}

impl Compared {
    pub(crate) fn measure(
        name: &str,
        teacher: Measurements,
        student: Measurements,
        config: &AuditConfig,
        progress: &dyn Progress,
    ) -> Result<Compared, AuditError> {
        stop_if_asked(progress)?;
        let bootstrap = Bootstrap::with_seed(config.seed).with_resamples(config.alignment_resamples);
        let alignment = alignment(&teacher.alignment_input(), &student.alignment_input(), &bootstrap)?;
        let comparison = Comparison::new(teacher, student, progress)?;
        let label = format!("{name}: similarity");
        let similarity = similarity(&comparison, &config.similarity, config.seed, &label, progress)?;
        let roles = roles(&comparison, &config.roles, config.seed, progress)?;
        Ok(Compared { alignment, similarity, roles })
    }
}
