//! What became of each of the teacher's components in the student, and which of the student's carry too much.

mod config;
mod flow;
mod rule;

pub use config::RolesConfig;

use limbeck_data::progress::Progress;
use limbeck_results::{
    ComponentKind, Counterpart, Role, RoleCount, RoleRule, Roles, StudentRole, TeacherRole, component_label,
};
use limbeck_stats::Bootstrap;

use self::rule::{Evidence, Verdicts, judge, sharers};
use crate::influence::component;
use crate::rows::stop_if_asked;
use crate::similarity::{Comparison, Draw, place};
use crate::{AuditError, Sweep};

/// Most similar components of each, among those in use, that are looked at.
const CANDIDATES: usize = 4;
/// Share of `in_use` from which a component may be in use in a resample.
const NEARLY: f64 = 0.5;

/// Roles of the teacher's components and standings of the student's, by the rule of [`limbeck_results::RoleRule`]; stability
/// is the share of resamples of prompts that give the same.
///
/// Resamples measure drops anew, and similarities of every pair that is among the four most similar of one of the two
/// components, of those in use or nearly so; what chance gives stays that of all prompts.
///
/// # Errors
/// [`AuditError::Config`] for thresholds that make no rule, [`AuditError::Cancelled`] on request.
pub fn roles(
    comparison: &Comparison,
    config: &RolesConfig,
    seed: u64,
    progress: &dyn Progress,
) -> Result<Roles, AuditError> {
    config.check()?;
    let (teacher, student) = (comparison.teacher.mean, comparison.student.mean);
    let bootstrap = Bootstrap::with_seed(seed).with_resamples(config.resamples);
    let draws: Vec<Draw> = bootstrap.draws(teacher.prompts())?.map(Draw::new).collect();
    let everyone: Vec<usize> = (0..teacher.prompts()).collect();
    let ours = (drops(teacher, &everyone), drops(student, &everyone));
    let candidates = |kind| Candidates::new(comparison, config, kind, &ours, &draws, progress);
    let (heads, mlps) = (candidates(ComponentKind::Head)?, candidates(ComponentKind::Mlp)?);
    let verdict = |number: Option<usize>, drops: &(Vec<f64>, Vec<f64>)| {
        let pairs = [heads.pairs(number), mlps.pairs(number)].concat();
        judge(&Evidence { pairs: &pairs, teacher: &drops.0, student: &drops.1 }, config)
    };
    let found = verdict(None, &ours);
    let mut same = (vec![0usize; found.roles.len()], vec![0usize; found.standings.len()]);
    for (number, draw) in draws.iter().enumerate() {
        stop_if_asked(progress)?;
        let drops = (drops(teacher, &draw.chosen), drops(student, &draw.chosen));
        let drawn = verdict(Some(number), &drops);
        for (count, (a, b)) in same.0.iter_mut().zip(found.roles.iter().zip(&drawn.roles)) {
            *count += usize::from(a == b);
        }
        for (count, (a, b)) in same.1.iter_mut().zip(found.standings.iter().zip(&drawn.standings)) {
            *count += usize::from(a == b);
        }
    }
    let share = |count: usize| count as f64 / draws.len() as f64;
    let told = Told { teacher, student, drops: &ours, found: &found, chances: [heads.chance, mlps.chance] };
    let all_pairs = [heads.pairs(None), mlps.pairs(None)].concat();
    Ok(Roles {
        rule: RoleRule {
            measure: config.measure,
            similar: config.similar,
            margin: config.margin,
            in_use: config.in_use,
            overload: config.overload,
            heavy: config.heavy,
            head_chance: heads.chance,
            mlp_chance: mlps.chance,
            resamples: config.resamples,
        },
        counts: told.counts(),
        teacher: (0..found.roles.len()).map(|t| told.teacher_role(t, share(same.0[t]), &all_pairs)).collect(),
        student: (0..found.standings.len()).map(|s| told.student_role(s, share(same.1[s]))).collect(),
        flow: flow::flow(&told),
    })
}

/// Drop of every component over the chosen prompts, in percentage points.
fn drops(sweep: &Sweep, chosen: &[usize]) -> Vec<f64> {
    let mut scores = vec![0.0; sweep.components()];
    sweep.scores(chosen, &mut scores);
    scores.iter().map(|score| 100.0 - score).collect()
}

/// Pairs of one kind that may be counterparts.
struct Candidates {
    chance: f64,
    /// Places among all components, and the similarity.
    found: Vec<(usize, usize, f64)>,
    /// `[pair][draw]`.
    resampled: Vec<Vec<f64>>,
}

impl Candidates {
    fn new(
        comparison: &Comparison,
        config: &RolesConfig,
        kind: ComponentKind,
        drops: &(Vec<f64>, Vec<f64>),
        draws: &[Draw],
        progress: &dyn Progress,
    ) -> Result<Candidates, AuditError> {
        let none = || Candidates { chance: 0.0, found: Vec::new(), resampled: Vec::new() };
        let Some(matrix) = comparison.matrix(config.measure, kind) else { return Ok(none()) };
        let (teachers, students) = (matrix.len(), matrix.first().map_or(0, Vec::len));
        if teachers * students == 0 {
            return Ok(none());
        }
        let chance = matrix.iter().flatten().sum::<f64>() / (teachers * students) as f64;
        let (ours, theirs) = (comparison.teacher.mean.heads, comparison.student.mean.heads);
        let nearly = |drop: f64| drop.abs() >= NEARLY * config.in_use;
        let used_teacher: Vec<bool> = (0..teachers).map(|t| nearly(drops.0[place(kind, t, ours)])).collect();
        let used_student: Vec<bool> =
            (0..students).map(|s| nearly(drops.1[place(kind, s, theirs)])).collect();
        let mut chosen = vec![false; teachers * students];
        let mut mark = |mut order: Vec<(f64, usize)>, count: usize| {
            order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            order.iter().take(count).for_each(|&(_, at)| chosen[at] = true);
        };
        for (t, row) in matrix.iter().enumerate() {
            let entries = row.iter().enumerate().map(|(s, &value)| (value, t * students + s));
            // The nearest of all, which is told whatever its use.
            mark(entries.clone().collect(), 1);
            if used_teacher[t] {
                mark(entries.filter(|(_, at)| used_student[at % students]).collect(), CANDIDATES);
            }
        }
        for s in (0..students).filter(|&s| used_student[s]) {
            let entries = matrix.iter().enumerate().map(|(t, row)| (row[s], t * students + s));
            mark(entries.filter(|(_, at)| used_teacher[at / students]).collect(), CANDIDATES);
        }
        let pairs: Vec<(usize, usize)> =
            (0..chosen.len()).filter(|&at| chosen[at]).map(|at| (at / students, at % students)).collect();
        let resampled = comparison.resampled(config.measure, kind, &pairs, draws, progress)?;
        let found = pairs
            .iter()
            .map(|&(t, s)| (place(kind, t, ours), place(kind, s, theirs), matrix[t][s]))
            .collect();
        Ok(Candidates { chance, found, resampled })
    }

    /// The pairs with their similarity above chance, on all prompts or on a resample.
    fn pairs(&self, number: Option<usize>) -> Vec<(usize, usize, f64)> {
        let value = |(pair, &(t, s, similarity)): (usize, &(usize, usize, f64))| {
            let similarity = number.map_or(similarity, |number| self.resampled[pair][number]);
            (t, s, above_chance(similarity, self.chance))
        };
        self.found.iter().enumerate().map(value).collect()
    }
}

/// `(S - chance) / (1 - chance)`; 0 where chance leaves no room.
fn above_chance(similarity: f64, chance: f64) -> f64 {
    if chance < 1.0 { (similarity - chance) / (1.0 - chance) } else { 0.0 }
}

/// Everything the words are made of.
struct Told<'a> {
    teacher: &'a Sweep,
    student: &'a Sweep,
    drops: &'a (Vec<f64>, Vec<f64>),
    found: &'a Verdicts,
    /// Of heads and of MLPs.
    chances: [f64; 2],
}

fn name(sweep: &Sweep, index: usize) -> (ComponentKind, usize, String) {
    let (kind, layer, head) = component(index, sweep.heads);
    (kind, layer, component_label(layer, head))
}

impl Told<'_> {
    /// What a similarity above chance was before.
    fn similarity(&self, kind: ComponentKind, above: f64) -> f64 {
        let chance = self.chances[usize::from(kind == ComponentKind::Mlp)];
        chance + above * (1.0 - chance)
    }

    fn counterpart(&self, sweep: &Sweep, drops: &[f64], &(index, above): &(usize, f64)) -> Counterpart {
        let (kind, _, component) = name(sweep, index);
        Counterpart {
            component,
            similarity: self.similarity(kind, above),
            above_chance: above,
            drop: drops[index],
        }
    }

    fn counts(&self) -> Vec<RoleCount> {
        let total: f64 = self.drops.0.iter().map(|drop| drop.abs()).sum();
        let count = |role: Role| {
            let mut counted = RoleCount { role, heads: 0, mlps: 0, influence: 0.0 };
            for (index, _) in self.found.roles.iter().enumerate().filter(|(_, found)| **found == role) {
                match name(self.teacher, index).0 {
                    ComponentKind::Head => counted.heads += 1,
                    ComponentKind::Mlp => counted.mlps += 1,
                }
                if total > 0.0 {
                    counted.influence += self.drops.0[index].abs() / total;
                }
            }
            counted
        };
        Role::ALL.into_iter().map(count).collect()
    }

    fn teacher_role(&self, index: usize, stability: f64, pairs: &[(usize, usize, f64)]) -> TeacherRole {
        let (kind, layer, component) = name(self.teacher, index);
        let described = |pair: &(usize, f64)| self.counterpart(self.student, &self.drops.1, pair);
        let nearest = (pairs.iter()).filter(|(t, _, _)| *t == index).fold(
            None::<(usize, f64)>,
            |best, &(_, s, above)| match best {
                Some((_, found)) if found >= above => best,
                _ => Some((s, above)),
            },
        );
        let shared = sharers(&self.found.counterparts, &self.found.sources, index);
        TeacherRole {
            component,
            kind,
            layer,
            role: self.found.roles[index],
            stability,
            drop: self.drops.0[index],
            counterparts: self.found.counterparts[index].iter().map(described).collect(),
            shares_with: shared.into_iter().map(|other| name(self.teacher, other).2).collect(),
            nearest: nearest.as_ref().map(described),
        }
    }

    fn student_role(&self, index: usize, stability: f64) -> StudentRole {
        let (kind, layer, component) = name(self.student, index);
        let sources = self.found.sources[index].iter();
        StudentRole {
            component,
            kind,
            layer,
            standing: self.found.standings[index],
            stability,
            drop: self.drops.1[index],
            inherited_drop: self.found.inherited[index],
            sources: sources.map(|pair| self.counterpart(self.teacher, &self.drops.0, pair)).collect(),
        }
    }
}
