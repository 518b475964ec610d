//! The rule that gives out roles, over plain numbers.

use limbeck_results::{Role, Standing};

use super::RolesConfig;

/// What the rule looks at.
pub(crate) struct Evidence<'a> {
    /// Pairs (teacher, student) that may be counterparts, with `(S - chance) / (1 - chance)`.
    pub(crate) pairs: &'a [(usize, usize, f64)],
    /// Drop of every teacher component, in percentage points.
    pub(crate) teacher: &'a [f64],
    /// Drop of every student component.
    pub(crate) student: &'a [f64],
}

/// What the rule found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Verdicts {
    /// By teacher component.
    pub(crate) roles: Vec<Role>,
    /// By student component.
    pub(crate) standings: Vec<Standing>,
    /// By teacher component: its counterparts with their similarity above chance, most similar first.
    pub(crate) counterparts: Vec<Vec<(usize, f64)>>,
    /// By student component: the teacher components whose counterpart it is, likewise.
    pub(crate) sources: Vec<Vec<(usize, f64)>>,
    /// By student component: the drop of its sources, each divided among its counterparts by their own drops.
    pub(crate) inherited: Vec<f64>,
}

/// Gives out roles and standings.
///
/// A component is in use when its `|drop|` is at least `in_use`. Two are counterparts when both are in use, their similarity
/// above chance is at least `similar`, and it comes within `margin` of the best that each of the two has with any
/// component in use.
///
/// A teacher component that is not in use is idle; one in use without a counterpart is discarded. Otherwise the student
/// components that are its counterparts are set against the teacher components that share one of them with it, itself
/// among these: as many, and it is preserved; fewer student components, and it is merged; more, and it is split.
///
/// A student component not in use is idle. One with a drop of at least `heavy` that exceeds `overload` times what it
/// inherited is over-relied on. Of the rest, those without a source are new, the others inherit.
pub(crate) fn judge(evidence: &Evidence, config: &RolesConfig) -> Verdicts {
    let (teacher, student) = (evidence.teacher, evidence.student);
    let in_use = |drop: f64| drop.abs() >= config.in_use;
    let used = || evidence.pairs.iter().filter(|&&(t, s, _)| in_use(teacher[t]) && in_use(student[s]));
    let mut best_of_teacher = vec![f64::NEG_INFINITY; teacher.len()];
    let mut best_of_student = vec![f64::NEG_INFINITY; student.len()];
    for &(t, s, above) in used() {
        best_of_teacher[t] = best_of_teacher[t].max(above);
        best_of_student[s] = best_of_student[s].max(above);
    }
    let mut counterparts: Vec<Vec<(usize, f64)>> = vec![Vec::new(); teacher.len()];
    let mut sources: Vec<Vec<(usize, f64)>> = vec![Vec::new(); student.len()];
    for &(t, s, above) in used() {
        let best = best_of_teacher[t].max(best_of_student[s]);
        if above >= config.similar && above >= best - config.margin {
            counterparts[t].push((s, above));
            sources[s].push((t, above));
        }
    }
    for list in counterparts.iter_mut().chain(&mut sources) {
        list.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    }
    let role = |t: usize| {
        if !in_use(teacher[t]) {
            return Role::Idle;
        }
        match (counterparts[t].len(), sharers(&counterparts, &sources, t).len() + 1) {
            (0, _) => Role::Discarded,
            (students, teachers) if students < teachers => Role::Merged,
            (students, teachers) if students > teachers => Role::Split,
            _ => Role::Preserved,
        }
    };
    let inherited: Vec<f64> = (0..student.len())
        .map(|s| {
            sources[s].iter().map(|&(t, _)| teacher[t].max(0.0) * part(s, &counterparts[t], student)).sum()
        })
        .collect();
    let standing = |s: usize| {
        if !in_use(student[s]) {
            Standing::Idle
        } else if student[s] >= config.heavy && student[s] > config.overload * inherited[s] {
            Standing::OverRelied
        } else if sources[s].is_empty() {
            Standing::New
        } else {
            Standing::Inherits
        }
    };
    Verdicts {
        roles: (0..teacher.len()).map(role).collect(),
        standings: (0..student.len()).map(standing).collect(),
        counterparts,
        sources,
        inherited,
    }
}

/// The other teacher components that share a counterpart with `t`, in their order.
pub(crate) fn sharers(
    counterparts: &[Vec<(usize, f64)>],
    sources: &[Vec<(usize, f64)>],
    t: usize,
) -> Vec<usize> {
    let mut found: Vec<usize> = (counterparts[t].iter())
        .flat_map(|&(s, _)| sources[s].iter().map(|&(other, _)| other))
        .filter(|&other| other != t)
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Part of `one` among `all`, by their `|drop|`.
pub(crate) fn part(one: usize, all: &[(usize, f64)], drops: &[f64]) -> f64 {
    let total: f64 = all.iter().map(|&(index, _)| drops[index].abs()).sum();
    if total > 0.0 { drops[one].abs() / total } else { 1.0 / all.len().max(1) as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(pairs: &[(usize, usize, f64)], teacher: &[f64], student: &[f64]) -> Verdicts {
        judge(&Evidence { pairs, teacher, student }, &RolesConfig::default())
    }

    #[test]
    fn planted_roles() {
        // Teacher: 0 kept as 0; 1 and 2 merged into 1; 3 split over 2 and 3; 4 dropped; 5 of no use.
        let pairs = [
            (0, 0, 0.95),
            (1, 1, 0.7),
            (2, 1, 0.65),
            (3, 2, 0.7),
            (3, 3, 0.68),
            (4, 0, 0.3),
            (4, 2, 0.45),
            (5, 4, 0.99),
        ];
        let teacher = [30.0, 10.0, 8.0, -20.0, 15.0, 0.1];
        let student = [40.0, 60.0, 5.0, 7.5, 0.3, -9.0];
        let found = judged(&pairs, &teacher, &student);
        use Role::{Discarded, Merged, Preserved, Split};
        assert_eq!(found.roles, [Preserved, Merged, Merged, Split, Discarded, Role::Idle]);
        // 1 carries 60 where 18 came in; 5 has no source.
        use Standing::{Inherits, New, OverRelied};
        assert_eq!(found.standings, [Inherits, OverRelied, Inherits, Inherits, Standing::Idle, New]);
        assert_eq!(sharers(&found.counterparts, &found.sources, 1), [2]);
        assert!((found.inherited[1] - 18.0).abs() < 1e-12);
        assert_eq!(found.counterparts[3], [(2, 0.7), (3, 0.68)]);
        assert!((part(3, &found.counterparts[3], &student) - 0.6).abs() < 1e-12);
    }

    #[test]
    fn a_likeness_far_below_the_best_is_none() {
        // Student 0 is the copy of teacher 0; that teacher 1 resembles it too does not make a merger.
        let found = judged(&[(0, 0, 0.98), (1, 0, 0.6)], &[10.0, 10.0], &[12.0]);
        assert_eq!(found.roles, [Role::Preserved, Role::Discarded]);
        let found = judged(&[(0, 0, 0.7), (1, 0, 0.6)], &[10.0, 10.0], &[12.0]);
        assert_eq!(found.roles, [Role::Merged, Role::Merged]);
    }

    #[test]
    fn as_many_as_before_are_preserved() {
        // Two look-alikes in the teacher, two in the student.
        let pairs = [(0, 0, 0.9), (0, 1, 0.85), (1, 0, 0.88), (1, 1, 0.9)];
        let found = judged(&pairs, &[10.0, 9.0], &[8.0, 11.0]);
        assert_eq!(found.roles, [Role::Preserved, Role::Preserved]);
    }

    #[test]
    fn what_the_student_does_not_use_is_no_counterpart() {
        let found = judged(&[(0, 0, 1.0)], &[10.0], &[0.5]);
        assert_eq!((found.roles[0], found.standings[0]), (Role::Discarded, Standing::Idle));
    }
}
