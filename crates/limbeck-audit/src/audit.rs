//! The whole audit of a teacher and its student, and of the baseline beside them.

use limbeck_data::progress::Progress;
use limbeck_eval::Encode;
use limbeck_eval::contrast::{ContrastOptions, ContrastTask, ShiftedTask, generate, shifts};
use limbeck_model::Decoder;
use limbeck_results::{Alignment, Audit, CircuitComparison, NetworkAudit};

use crate::brittleness::{Brittle, Decoders, compare, shifted_brittleness};
use crate::circuit::compare_circuits;
use crate::compared::Compared;
use crate::inside::inside;
use crate::pictures::attention_picture;
use crate::sweep::{Ablation, Sweep, sweep, sweeps};
use crate::{AuditConfig, AuditError, Measurements, Observations, describe_heads};

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
        same_tokens(name, subject.tokenizer, teacher.tokenizer, &task)?;
        Measured::new(name, subject, &task, config, progress)
    };
    let (pupil, control) = (student, baseline);
    let taught = measure("teacher", teacher)?;
    let student = measure("student", pupil)?;
    let baseline = control.map(|baseline| measure("baseline", baseline)).transpose()?;
    let subjects = [("teacher", Some(teacher)), ("student", Some(pupil)), ("baseline", control)];
    let networks = Decoders {
        teacher: teacher.decoder,
        student: pupil.decoder,
        baseline: control.map(|subject| subject.decoder),
    };
    let mut shifted = Vec::new();
    for shift in shifted_tasks(teacher.tokenizer, config, progress)? {
        for (name, subject) in subjects {
            let read =
                |subject: Subject| same_tokens(name, subject.tokenizer, teacher.tokenizer, &shift.task);
            subject.map_or(Ok(()), read)?;
        }
        shifted.push(shifted_brittleness(networks, &shift, config, progress)?);
    }
    let compared = |name, measured: &Measured| {
        Compared::measure(name, taught.measurements(), measured.measurements(), config, progress)
    };
    let baseline_found = baseline.as_ref().map(|measured| compared("baseline", measured)).transpose()?;
    let found = compared("student", &student)?;
    let others = baseline.as_ref().map(|one| &one.brittle);
    let brittleness = compare(&taught.brittle, &student.brittle, others, shifted, config)?;
    let student_circuit = student.compare_circuit(&taught, &found.alignment);
    let baseline_circuit = (baseline.as_ref().zip(baseline_found.as_ref()))
        .and_then(|(one, found)| one.compare_circuit(&taught, &found.alignment));
    let (baseline_alignment, baseline_inside) =
        baseline_found.map(|found| (found.alignment, (found.similarity, found.roles))).unzip();
    let (baseline_similarity, baseline_roles) = baseline_inside.unzip();
    Ok(Audit {
        task: task.name.clone(),
        prompts: task.len(),
        ablation: config.ablation.name().to_owned(),
        teacher: taught.audit,
        student: student.audit,
        baseline: baseline.map(|measured| measured.audit),
        alignment: found.alignment,
        baseline_alignment,
        similarity: Some(found.similarity),
        baseline_similarity,
        roles: Some(found.roles),
        baseline_roles,
        student_circuit,
        baseline_circuit,
        brittleness,
    })
}

/// The shifted versions of the task that the configuration names and the tokenizer can express.
pub(crate) fn shifted_tasks(
    tokenizer: &dyn Encode,
    config: &AuditConfig,
    progress: &dyn Progress,
) -> Result<Vec<ShiftedTask>, AuditError> {
    let wanted = &config.brittleness.shifts;
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let per_template = config.brittleness.shift_prompts.min(config.prompts_per_template);
    let options = ContrastOptions { per_template, ..config.prompts() };
    let made = shifts(&config.task, tokenizer, &options)?;
    for (what, reason) in made.left_out.iter().filter(|(name, _)| wanted.contains(name)) {
        progress.note(&format!("shifted prompts, {what} left out: {reason}"));
    }
    Ok(made.tasks.into_iter().filter(|shift| wanted.contains(&shift.name)).collect())
}

/// Everything measured on one network.
struct Measured {
    audit: NetworkAudit,
    brittle: Brittle,
    zero: Sweep,
    observations: Observations,
}

impl Measured {
    fn new(
        name: &str,
        subject: Subject,
        task: &ContrastTask,
        config: &AuditConfig,
        progress: &dyn Progress,
    ) -> Result<Measured, AuditError> {
        let (decoder, tokenizer, batch) = (subject.decoder, subject.tokenizer, config.batch_size);
        let (removed, zero) = removals(name, decoder, task, config, progress)?;
        let label = format!("{name}: observations");
        let observations = Observations::measure(decoder, task, &config.similarity, batch, &label, progress)?;
        let (maps, seed) = (&observations.maps, config.seed);
        let heads = describe_heads(decoder, tokenizer, task, maps, &config.heads, seed, progress)?;
        let mut audit = inside(name, subject, task, &removed, config, progress)?;
        audit.head_descriptions = Some(heads);
        audit.attention = attention_picture(maps, task, tokenizer, &audit.components)?;
        Ok(Measured {
            audit,
            brittle: Brittle::measure(name, decoder, task, removed, config, progress)?,
            zero,
            observations,
        })
    }

    fn measurements(&self) -> Measurements<'_> {
        Measurements { observations: &self.observations, mean: self.brittle.sweep(), zero: &self.zero }
    }

    /// This network's circuit beside the teacher's, where both have one.
    fn compare_circuit(&self, teacher: &Measured, alignment: &Alignment) -> Option<CircuitComparison> {
        let (teacher, own) = (teacher.audit.circuit.as_ref()?, self.audit.circuit.as_ref()?);
        Some(compare_circuits(teacher, own, alignment))
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
pub(crate) fn same_tokens(
    name: &'static str,
    tokenizer: &dyn Encode,
    teacher: &dyn Encode,
    task: &ContrastTask,
) -> Result<(), AuditError> {
    for prompt in task.prompts() {
        let (first, second) = (teacher.encode_text(&prompt.text)?, tokenizer.encode_text(&prompt.text)?);
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
