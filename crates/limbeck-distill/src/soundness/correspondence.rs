//! Which of the teacher's components stand behind each of the student's.

use limbeck_model::{Components, Removed};

/// Components of teacher and student set against each other: a teacher's component belongs to the student's
/// components of the layers that its layer is paired with, its MLP to the MLP, its head t of `H_t` to head
/// `floor(t H_s / H_t)` of `H_s`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correspondence {
    student: Components,
    teacher: Components,
    /// Pairs of a student's and a teacher's layer.
    pairs: Vec<[usize; 2]>,
}

impl Correspondence {
    /// By pairs of layers (student, teacher), counted from 0.
    pub fn new(student: Components, teacher: Components, pairs: Vec<[usize; 2]>) -> Self {
        Self { student, teacher, pairs }
    }

    /// Indices (student, teacher) of components that belong together.
    fn matched(&self) -> impl Iterator<Item = (usize, usize)> {
        let (student, teacher) = (self.student, self.teacher);
        self.pairs.iter().flat_map(move |&[ours, theirs]| {
            (0..=teacher.heads).map(move |head| {
                let to =
                    if head == teacher.heads { student.heads } else { head * student.heads / teacher.heads };
                (student.index(ours, to), teacher.index(theirs, head))
            })
        })
    }

    /// The teacher's components that belong to those removed from the student, sequence by sequence.
    pub fn removed_from_teacher(&self, student: &Removed) -> Removed {
        let mut mask = Vec::with_capacity(student.rows() * self.teacher.count());
        for row in student.mask.chunks(self.student.count().max(1)) {
            let mut gone = vec![false; self.teacher.count()];
            for (ours, theirs) in self.matched() {
                gone[theirs] |= row[ours];
            }
            mask.extend(gone);
        }
        Removed { components: self.teacher, mask }
    }

    /// Sums of the teacher's values over the components that belong to each of the student's.
    pub fn onto_student(&self, teacher: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; self.student.count()];
        for (ours, theirs) in self.matched() {
            sums[ours] += teacher[theirs];
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn halved() -> Correspondence {
        let student = Components { layers: 1, heads: 2 };
        let teacher = Components { layers: 2, heads: 4 };
        Correspondence::new(student, teacher, vec![[0, 0], [0, 1]])
    }

    #[test]
    fn groups_of_heads_and_spans_of_layers_are_summed() {
        let teacher: Vec<f64> = (1..=10).map(f64::from).collect();
        // Heads 0 and 1 of both layers, heads 2 and 3, the MLPs.
        assert_eq!(
            halved().onto_student(&teacher),
            [1.0 + 2.0 + 6.0 + 7.0, 3.0 + 4.0 + 8.0 + 9.0, 5.0 + 10.0]
        );
    }

    #[test]
    fn the_teacher_loses_what_stands_behind_the_students_loss() {
        let student =
            Removed { components: halved().student, mask: vec![false, true, false, false, false, true] };
        let teacher = halved().removed_from_teacher(&student);
        let first = [false, false, true, true, false, false, false, true, true, false];
        let second = [false, false, false, false, true, false, false, false, false, true];
        assert_eq!(teacher.mask, [first, second].concat());
        assert_eq!(teacher.rows(), 2);
    }
}
