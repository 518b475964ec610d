//! The whole audit of a teacher and its student, and of the baseline beside them.

use limbeck_data::progress::Progress;
use limbeck_eval::Encode;
use limbeck_eval::contrast::{ContrastTask, generate};
use limbeck_model::Decoder;
use limbeck_results::{Alignment, Audit, NetworkAudit};
use limbeck_stats::Bootstrap;

use crate::brittleness::{Brittle, compare};
use crate::inside::inside;
use crate::sweep::{Ablation, Sweep, sweep, sweeps};
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
        Measured::new(name, subject, &task, config, progress)
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
        ablation: config.ablation.name().to_owned(),
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
        subject: Subject,
        task: &ContrastTask,
        config: &AuditConfig,
        progress: &dyn Progress,
    ) -> Result<Measured, AuditError> {
        let (decoder, batch) = (subject.decoder, config.batch_size);
        let (removed, zero) = removals(name, decoder, task, config, progress)?;
        Ok(Measured {
            audit: inside(name, subject, task, &removed, config, progress)?,
            brittle: Brittle::measure(name, decoder, task, removed, config, progress)?,
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

/// The sweep by the configured ablation, and the one by zero ablation, in one go.
fn removals(
    name: &str,
    decoder: &Decoder,
    task: &ContrastTask,
    config: &AuditConfig,
    progress: &dyn Progress,
) -> Result<(Sweep, Sweep), AuditError> {
    let batch = config.batch_size;
    match config.ablation() {
        Ablation::Zero => {
            let zero =
                sweep(decoder, task, Ablation::Zero, batch, &format!("{name}: zero ablation"), progress)?;
            Ok((zero.clone(), zero))
        }
        other => {
            let label = format!("{name}: {} and zero ablation", config.ablation.name());
            let [found, zero] = sweeps(decoder, task, [other, Ablation::Zero], batch, &label, progress)?;
            Ok((found, zero))
        }
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
