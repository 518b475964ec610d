//! Bands from teacher to student components.

use limbeck_results::{Flow, Role};

use super::rule::part;
use super::{Told, name};

/// A band for every pair of counterparts, one for every discarded component, and one for every student component in
/// use without a source. At each end a component's `|drop|` is divided among its bands by the `|drop|` of what is at
/// their other end.
pub(super) fn flow(told: &Told) -> Vec<Flow> {
    let (found, (ours, theirs)) = (told.found, told.drops);
    let mut bands = Vec::new();
    for (t, counterparts) in found.counterparts.iter().enumerate() {
        let role = found.roles[t];
        let (kind, _, label) = name(told.teacher, t);
        for &(s, above) in counterparts {
            bands.push(Flow {
                teacher: Some(label.clone()),
                student: Some(name(told.student, s).2),
                teacher_drop: ours[t].abs() * part(s, counterparts, theirs),
                student_drop: theirs[s].abs() * part(t, &found.sources[s], ours),
                similarity: Some(told.similarity(kind, above)),
                role: Some(role),
            });
        }
        if role == Role::Discarded {
            bands.push(Flow {
                teacher: Some(label),
                student: None,
                teacher_drop: ours[t].abs(),
                student_drop: 0.0,
                similarity: None,
                role: Some(role),
            });
        }
    }
    for (s, sources) in found.sources.iter().enumerate() {
        if sources.is_empty() && found.standings[s] != limbeck_results::Standing::Idle {
            bands.push(Flow {
                teacher: None,
                student: Some(name(told.student, s).2),
                teacher_drop: 0.0,
                student_drop: theirs[s].abs(),
                similarity: None,
                role: None,
            });
        }
    }
    bands
}
