//! The whole audit of a teacher and its student, and of the baseline beside them.

use limbeck_data::progress::Progress;
use limbeck_eval::Encode;
use limbeck_eval::contrast::{ContrastTask, generate};
use limbeck_model::Decoder;
use limbeck_results::{Alignment, Audit, NetworkAudit};
use limbeck_stats::Bootstrap;

use crate::brittleness::{Brittle, compare};
use crate::influence::network_audit;
use crate::sweep::{Ablation, Sweep, sweeps};
use crate::{AlignmentInput, AttentionMaps, AuditConfig, AuditError, ResidualStreams, alignment};

/// A network with what reads its text.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The network.
    pub decoder: &'a Decoder,
    /// Its tokenizer.
    pub tokenizer: &'a dyn Encode,
}

/// Audits `student`, and `baseline` where there is one, against `teacher`.
///
/// The prompts are made with the teacher's tokenizer; the others must read them as the same tokens, else their
/// positions could not be compared.
///
/// # Errors
/// [`AuditError::Config`] for values that make no audit, [`AuditError::Task`] when the tokenizer cannot express the
/// task, [`AuditError::Tokens`] when the tokenizers differ, and what [`sweep`] and [`alignment`] say.
pub fn audit(
    teacher: Subject,
    student: Subject,
    baseline: Option<Subject>,
    config: &AuditConfig,
    progress: &dyn Progress,
) -> Result<Audit, AuditError> {
    config.check()?;
    let task = generate(&config.task, teacher.tokenizer, &config.prompts())?;
    for (what, reason) in &task.left_out {
        progress.note(&format!("{}: {what} left out: {reason}", task.name));
    }
    let measure = |name, subject: Subject| -> Result<Measured, AuditError> {
        same_tokens(name, subject, teacher, &task)?;
        Measured::new(name, subject.decoder, &task, config, progress)
    };
    let taught = measure("teacher", teacher)?;
    let student = measure("student", student)?;
    let baseline = baseline.map(|baseline| measure("baseline", baseline)).transpose()?;
    let baseline_alignment =
        baseline.as_ref().map(|measured| measured.align(&taught, config, progress)).transpose()?;
    let alignment = student.align(&taught, config, progress)?;
    let brittleness =
        compare(&taught.brittle, &student.brittle, baseline.as_ref().map(|one| &one.brittle), config)?;
    Ok(Audit {
        task: task.name.clone(),
        prompts: task.len(),
        teacher: taught.audit,
        student: student.audit,
        baseline: baseline.map(|measured| measured.audit),
        alignment,
        baseline_alignment,
        similarity: None,
        baseline_similarity: None,
        roles: None,
        baseline_roles: None,
        student_circuit: None,
        baseline_circuit: None,
        brittleness,
    })
}

/// Everything measured on one network.
struct Measured {
    audit: NetworkAudit,
    brittle: Brittle,
    zero: Sweep,
    maps: AttentionMaps,
    streams: ResidualStreams,
}

impl Measured {
    fn new(
        name: &str,
        decoder: &Decoder,
        task: &ContrastTask,
        config: &AuditConfig,
        progress: &dyn Progress,
    ) -> Result<Measured, AuditError> {
        let bootstrap = Bootstrap::with_seed(config.seed).with_resamples(config.resamples);
        let batch = config.batch_size;
        let label = format!("{name}: mean and zero ablation");
        let [mean, zero] = sweeps(decoder, task, [Ablation::Mean, Ablation::Zero], batch, &label, progress)?;
        Ok(Measured {
            audit: network_audit(&mean, task, &bootstrap)?,
            brittle: Brittle::measure(name, decoder, task, mean, config, progress)?,
            zero,
            maps: AttentionMaps::measure(decoder, task, batch, progress)?,
            streams: ResidualStreams::measure(decoder, task, batch, progress)?,
        })
    }

    fn input(&self) -> AlignmentInput<'_> {
        AlignmentInput { maps: &self.maps, streams: &self.streams, sweep: &self.zero }
    }

    /// Alignment of this network with the teacher.
    fn align(
        &self,
        teacher: &Measured,
        config: &AuditConfig,
        progress: &dyn Progress,
    ) -> Result<Alignment, AuditError> {
        if progress.cancelled() {
            return Err(AuditError::Cancelled);
        }
        let bootstrap = Bootstrap::with_seed(config.seed).with_resamples(config.alignment_resamples);
        alignment(&teacher.input(), &self.input(), &bootstrap)
    }
}

/// Refuses a network that reads the prompts otherwise than the teacher.
fn same_tokens(
    name: &'static str,
    subject: Subject,
    teacher: Subject,
    task: &ContrastTask,
) -> Result<(), AuditError> {
    for prompt in task.prompts() {
        let (first, second) =
            (teacher.tokenizer.encode_text(&prompt.text)?, subject.tokenizer.encode_text(&prompt.text)?);
        if first != second {
            return Err(AuditError::Tokens {
                first: "teacher",
                second: name,
                prompt: prompt.text.clone(),
                first_ids: first,
                second_ids: second,
            });
        }
    }
    Ok(())
}
