//! The whole audit of a teacher and its student, and of the baseline beside them.

use limbeck_data::progress::Progress;
use limbeck_eval::Encode;
use limbeck_eval::contrast::{ContrastOptions, ContrastTask, ShiftedTask, generate, shifts};
use limbeck_model::Decoder;
use limbeck_results::{Alignment, Audit, CircuitComparison, NetworkAudit};

use crate::brittleness::{Brittle, ShiftedSweeps, compare, shifted_brittleness};
use crate::circuit::compare_circuits;
use crate::compared::Compared;
use crate::inside::inside;
use crate::pictures::attention_picture;
use crate::record::Record;
use crate::similarity::alignment_floors;
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

/// A student and its baseline, trained from one seed.
#[derive(Clone, Copy)]
pub struct Pair<'a> {
    /// The student.
    pub student: Subject<'a>,
    /// The same student trained without the teacher.
    pub baseline: Option<Subject<'a>>,
}

/// An audit with what it was computed from.
#[derive(Debug, Clone, PartialEq)]
pub struct Audited {
    /// What was found.
    pub audit: Audit,
    /// The prompts, and what every network answered on each.
    pub record: Record,
}

/// Audits the student of the first pair, and its baseline where there is one, against `teacher`. Further pairs are
/// trainings of the same from other seeds: only what tells whether brittleness differs beyond one training is
/// measured on them, one sweep for each network and set of prompts.
///
/// The prompts are made with the teacher's tokenizer; the others must read them as the same tokens, else their
/// positions could not be compared.
///
/// # Errors
/// [`AuditError::Config`] for values that make no audit, [`AuditError::NoStudent`] without pairs, [`AuditError::Task`]
/// when the tokenizer cannot express the task, [`AuditError::Tokens`] when the tokenizers differ, and what [`sweep`] and
/// [`crate::alignment`] say.
pub fn audit(
    teacher: Subject,
    pairs: &[Pair],
    config: &AuditConfig,
    progress: &dyn Progress,
) -> Result<Audit, AuditError> {
    audited(teacher, pairs, config, progress).map(|found| found.audit)
}

/// As [`audit`], with prompts and figures by prompt.
///
/// # Errors
/// As [`audit`].
pub fn audited(
    teacher: Subject,
    pairs: &[Pair],
    config: &AuditConfig,
    progress: &dyn Progress,
) -> Result<Audited, AuditError> {
    config.check()?;
    let Some((&Pair { student: pupil, baseline: control }, others)) = pairs.split_first() else {
        return Err(AuditError::NoStudent);
    };
    let task = generate(&config.task, teacher.tokenizer, &config.prompts())?;
    for (what, reason) in &task.left_out {
        progress.note(&format!("{}: {what} left out: {reason}", task.name));
    }
    read_alike(teacher, pairs, &task)?;
    let measure = |name, subject| Measured::new(name, subject, &task, config, progress);
    let taught = measure("teacher", teacher)?;
    let student = measure("student", pupil)?;
    let baseline = control.map(|baseline| measure("baseline", baseline)).transpose()?;
    let swept = |name: &str, decoder: &Decoder, task: &ContrastTask| {
        sweep(decoder, task, config.ablation(), config.batch_size, name, progress)
    };
    let others = others.iter().enumerate().map(|(place, pair)| -> Result<_, AuditError> {
        let name =
            |whose: &str| format!("{whose} of training {}: {} ablation", place + 2, config.ablation.name());
        let baseline = pair.baseline.map(|one| swept(&name("baseline"), one.decoder, &task)).transpose()?;
        Ok((swept(&name("student"), pair.student.decoder, &task)?, baseline))
    });
    let others = others.collect::<Result<Vec<(Sweep, Option<Sweep>)>, AuditError>>()?;

    let mut record = Record::default();
    let mut shifted = Vec::new();
    for shift in shifted_tasks(teacher.tokenizer, config, progress)? {
        read_alike(teacher, pairs, &shift.task)?;
        let found = shifted_sweeps(teacher, pairs, &shift, config, progress);
        let Some(sweeps) = unless_too_few(found, &shift.name, progress)? else { continue };
        shifted.push(shifted_brittleness(&shift, &sweeps, config)?);
        record.add_shift(shift, sweeps, config.ablation.name());
    }
    let compared = |name, measured: &Measured| {
        Compared::measure(name, taught.measurements(), measured.measurements(), config, progress)
    };
    let baseline_found = baseline.as_ref().map(|measured| compared("baseline", measured)).transpose()?;
    let found = compared("student", &student)?;
    let alignment_floors = alignment_floors(
        &taught.placed(teacher),
        &student.placed(pupil),
        baseline.as_ref().zip(control).map(|(measured, subject)| measured.placed(subject)).as_ref(),
        &task,
        config,
        progress,
    )?;
    let control_brittle = baseline.as_ref().map(|one| &one.brittle);
    let brittleness =
        compare(&taught.brittle, &student.brittle, control_brittle, &others, task.chance(), shifted, config)?;
    let student_circuit = student.compare_circuit(&taught, &found.alignment);
    let baseline_circuit = (baseline.as_ref().zip(baseline_found.as_ref()))
        .and_then(|(one, found)| one.compare_circuit(&taught, &found.alignment));
    let (baseline_alignment, baseline_inside) =
        baseline_found.map(|found| (found.alignment, (found.similarity, found.roles))).unzip();
    let (baseline_similarity, baseline_roles) = baseline_inside.unzip();
    let ablation = config.ablation.name();
    let prompts = task.len();
    for (network, measured) in [("teacher", &taught), ("student", &student)]
        .into_iter()
        .chain(baseline.as_ref().map(|one| ("baseline", one)))
    {
        record.add_network(&task.name, network, ablation, measured.brittle.sweep(), &measured.zero);
    }
    record.add_trainings(&task.name, others, ablation);
    let name = task.name.clone();
    record.add_task(task);
    let audit = Audit {
        task: name,
        prompts,
        ablation: ablation.to_owned(),
        teacher: taught.audit,
        student: student.audit,
        baseline: baseline.map(|measured| measured.audit),
        alignment: found.alignment,
        baseline_alignment,
        alignment_floors,
        similarity: Some(found.similarity),
        baseline_similarity,
        roles: Some(found.roles),
        baseline_roles,
        student_circuit,
        baseline_circuit,
        brittleness,
    };
    Ok(Audited { audit, record })
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

/// Removes every component of every network in turn, by the audit's own ablation, on shifted prompts.
fn shifted_sweeps(
    teacher: Subject,
    pairs: &[Pair],
    shift: &ShiftedTask,
    config: &AuditConfig,
    progress: &dyn Progress,
) -> Result<ShiftedSweeps, AuditError> {
    let what = shift.name.replace('_', " ");
    let swept = |whose: &str, seed: usize, subject: Subject| {
        let of = if seed == 0 { String::new() } else { format!(" of training {}", seed + 1) };
        let label = format!("{whose}{of}: {what}");
        sweep(subject.decoder, &shift.task, config.ablation(), config.batch_size, &label, progress)
    };
    let pair = |(seed, pair): (usize, &Pair)| -> Result<(Sweep, Option<Sweep>), AuditError> {
        let baseline = pair.baseline.map(|one| swept("baseline", seed, one)).transpose()?;
        Ok((swept("student", seed, pair.student)?, baseline))
    };
    Ok(ShiftedSweeps {
        teacher: swept("teacher", 0, teacher)?,
        pairs: pairs.iter().enumerate().map(pair).collect::<Result<_, _>>()?,
    })
}

/// Nothing, with a note, where the prompts are too few for the audit's ablation.
fn unless_too_few(
    found: Result<ShiftedSweeps, AuditError>,
    shift: &str,
    progress: &dyn Progress,
) -> Result<Option<ShiftedSweeps>, AuditError> {
    match found {
        Err(error @ AuditError::FewCorrupted { .. }) => {
            progress.note(&format!("shifted prompts, {shift} left out: {error}"));
            Ok(None)
        }
        other => other.map(Some),
    }
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

    /// The network with its sweep by zero ablation.
    fn placed<'a>(&'a self, subject: Subject<'a>) -> (&'a Decoder, &'a Sweep) {
        (subject.decoder, &self.zero)
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

/// Refuses networks that read the prompts otherwise than the teacher.
fn read_alike(teacher: Subject, pairs: &[Pair], task: &ContrastTask) -> Result<(), AuditError> {
    for pair in pairs {
        for (name, subject) in [("student", Some(pair.student)), ("baseline", pair.baseline)] {
            let read = |subject: Subject| same_tokens(name, subject.tokenizer, teacher.tokenizer, task);
            subject.map_or(Ok(()), read)?;
        }
    }
    Ok(())
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
