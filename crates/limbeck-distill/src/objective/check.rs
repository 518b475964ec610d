//! Whether a list of objectives can be trained at all; asked when the recipe is read.

use limbeck_teach::Capabilities;

use super::{ObjectiveConfig, term_names};
use crate::DistillError;

/// Blocks of the two networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layers {
    /// Of the student.
    pub student: usize,
    /// Of the teacher.
    pub teacher: usize,
}

/// Checks weights, temperatures, what the teacher can give (`None`: there is no teacher) and, where the depths
/// are known already, the layer pairs.
///
/// # Errors
/// The first objective that cannot be trained, with what it needs and what there is.
pub fn check(
    objectives: &[ObjectiveConfig],
    teacher: Option<&Capabilities>,
    layers: Option<Layers>,
) -> Result<(), DistillError> {
    if objectives.is_empty() {
        return Err(DistillError::NoObjective);
    }
    for (objective, name) in objectives.iter().zip(term_names(objectives)) {
        check_settings(objective, &name)?;
        check_capabilities(objective, &name, teacher)?;
        if let (Some(mapping), Some(layers)) = (objective.needs().layers, layers) {
            mapping.check(&name, layers)?;
        }
    }
    if objectives.iter().all(|objective| objective.weight() == 0.0) {
        return Err(DistillError::Setting {
            objective: objectives.iter().map(ObjectiveConfig::name).collect::<Vec<_>>().join(", "),
            key: "weight",
            found: "0 everywhere".to_string(),
            right: "above 0 for at least one objective",
        });
    }
    Ok(())
}

/// Temperatures at which a distribution over logits of usual size still differs from the uniform one and from a single token in
/// 32-bit numbers, and T^2 stays in proportion.
const TEMPERATURES: std::ops::RangeInclusive<f64> = 0.01..=1000.0;

fn check_settings(objective: &ObjectiveConfig, name: &str) -> Result<(), DistillError> {
    let weight = objective.weight();
    if !weight.is_finite() || weight < 0.0 {
        return Err(DistillError::Setting {
            objective: name.to_string(),
            key: "weight",
            found: weight.to_string(),
            right: "a number of at least 0",
        });
    }
    objective.check(name)?;
    match objective.needs().distribution {
        Some(temperature) if !TEMPERATURES.contains(&temperature) => Err(DistillError::Setting {
            objective: name.to_string(),
            key: "temperature",
            found: temperature.to_string(),
            right: "from 0.01 to 1000: beyond, 32-bit numbers hold the uniform distribution or a single token only",
        }),
        _ => Ok(()),
    }
}

/// Refuses heads that cannot be matched: values of another width.
///
/// # Errors
/// [`DistillError::Capability`] for the first objective that needs equal widths.
pub fn check_heads(
    objectives: &[ObjectiveConfig],
    student: usize,
    teacher: usize,
) -> Result<(), DistillError> {
    let names = term_names(objectives);
    let mut matching = objectives.iter().zip(names);
    match matching.find(|(objective, _)| objective.needs().equal_head_widths) {
        Some((_, objective)) if student != teacher => Err(DistillError::Capability {
            objective,
            needs: format!("heads of the teacher as wide as the student's, {student}"),
            gives: format!("the teacher's are {teacher} wide; component_cka compares heads of any width"),
        }),
        _ => Ok(()),
    }
}

/// Refuses a share in a mixture that is not strictly between its ends.
pub(super) fn between_zero_and_one(
    name: &str,
    key: &'static str,
    found: f64,
    right: &'static str,
) -> Result<(), DistillError> {
    if found > 0.0 && found < 1.0 {
        return Ok(());
    }
    Err(DistillError::Setting { objective: name.to_string(), key, found: found.to_string(), right })
}

fn check_capabilities(
    objective: &ObjectiveConfig,
    name: &str,
    teacher: Option<&Capabilities>,
) -> Result<(), DistillError> {
    let needs = objective.needs();
    let refuse = |needs: String, gives: String| {
        Err(DistillError::Capability { objective: name.to_string(), needs, gives })
    };
    let distribution = needs.distribution.unwrap_or(1.0);
    let asked: [(bool, String, fn(&Capabilities, f64) -> bool); 4] = [
        (
            needs.distribution.is_some(),
            format!("the teacher's next-token distribution at temperature {distribution}"),
            |gives, at| (gives.logits || gives.top_k.is_some()) && gives.has_temperature(at),
        ),
        (needs.logits, "the teacher's whole logits".to_string(), |gives, _| gives.logits),
        (needs.hidden, "the teacher's hidden states".to_string(), |gives, _| gives.hidden),
        (
            needs.components || needs.influence,
            "to look at the teacher's heads and MLPs".to_string(),
            |gives, _| gives.components,
        ),
    ];
    for (_, what, given) in asked.into_iter().filter(|(is, ..)| *is) {
        match teacher {
            None => return refuse(what, "this training has no teacher".to_string()),
            Some(gives) if !given(gives, distribution) => {
                return refuse(what, format!("this teacher gives {gives}"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}
