//! The circuits of two networks side by side, component by matched component.

use std::collections::BTreeSet;

use limbeck_results::{Alignment, Circuit, CircuitComparison, CircuitMember, CircuitNode};

/// What became of the teacher's circuit in the student, by the matches of their alignment.
pub fn compare_circuits(teacher: &Circuit, student: &Circuit, alignment: &Alignment) -> CircuitComparison {
    let labels =
        |circuit: &Circuit| -> BTreeSet<String> { circuit.nodes.iter().map(CircuitNode::label).collect() };
    let (taught, learnt) = (labels(teacher), labels(student));
    let (inside, outside): (Vec<_>, Vec<_>) =
        alignment.matches.iter().partition(|pair| taught.contains(&pair.teacher));
    let share = |pairs: &[&limbeck_results::Match]| {
        pairs.iter().filter(|pair| learnt.contains(&pair.student)).count() as f64 / pairs.len() as f64
    };
    let matched: BTreeSet<&String> = inside.iter().map(|pair| &pair.student).collect();
    CircuitComparison {
        teacher_size: taught.len(),
        student_size: learnt.len(),
        teacher_share: teacher.share,
        student_share: student.share,
        kept: share(&inside),
        kept_outside: share(&outside),
        of_the_student_alone: (student.nodes.iter().map(CircuitNode::label))
            .filter(|label| !matched.contains(label))
            .collect(),
        members: inside
            .into_iter()
            .map(|pair| CircuitMember {
                teacher: pair.teacher.clone(),
                student: pair.student.clone(),
                in_student_circuit: learnt.contains(&pair.student),
            })
            .collect(),
    }
}
