//! Losses of one token and their gradient with respect to its logits, in two passes over the row
//! (three with divergences from a mixture, [`super::row_pointwise`]).
//!
//! With `z`, `t` the logits minus their maxima, `delta_j = (t_j - z_j) / T`, `Z = sum e^{z_j / T}`,
//! `Y = sum e^{t_j / T}`:
//!
//! * forward: `KL(p || q) = (1/Y) sum_j e^{t_j / T} delta_j + log Z - log Y`;
//! * reverse: `R = KL(q || p) = log Y - log Z - (1/Z) sum_j e^{z_j / T} delta_j`;
//! * cross-entropy: `log Z - z_target`, at T = 1.
//!
//! So the first pass gives every normaliser and every value, and the second the gradient, for a
//! slot of one temperature with weights `a` (cross-entropy), `w` (forward) and `v` (reverse):
//! `a (q_j - [j = target]) + T w (q_j - p_j) + T v q_j (log Y - log Z - delta_j - R)`.
//!
//! Cross-entropy beside a divergence at T = 2 takes no exponentials of its own: `e^z = (e^{z / 2})^2`.

use super::plan::{Plan, Slot, weight};
use super::row_matching::Matching;
use super::row_pointwise::{Normalisers, add_slopes, pointwise_sums};
use super::row_sparse::{SparseSlot, sparse_sums};
use super::sparse::SparseRow;
use crate::vector::{Kernel, dot, exp, largest, sum};

/// Elements handled at a time: four buffers of this many floats stay in the first-level cache.
pub(super) const BLOCK: usize = 512;

/// What a token is compared with.
#[derive(Debug, Clone, Copy)]
pub(super) enum TeacherRow<'a> {
    None,
    Dense(&'a [f32]),
    Sparse(SparseRow<'a>),
}

/// One token's work: `logits` is read, and overwritten with the gradient if there is a `share`.
pub(super) struct Row<'a> {
    /// The student's logits over the used columns.
    pub(super) logits: &'a mut [f32],
    pub(super) teacher: TeacherRow<'a>,
    /// The right outcome, where a term asks for it.
    pub(super) target: Option<usize>,
    pub(super) plan: &'a Plan,
    /// Factor of the gradient, 1 / n; `None` when no gradient is wanted.
    pub(super) share: Option<f64>,
    /// Receives the value of each term.
    pub(super) values: &'a mut [f64],
}

/// Sums over one row at one temperature.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    pub(super) student: f64,
    pub(super) teacher: f64,
    teacher_delta: f64,
    student_delta: f64,
    /// Of the squares of the student's exponentials, where a slot wants them.
    squares: f64,
}

/// Coefficients of `e^{z/T}`, `e^{z/T} delta` and `e^{t/T}` in the gradient of a slot, and what its
/// terms that are summed outcome by outcome need.
#[derive(Debug, Clone, Copy, Default)]
struct Coefficients {
    student: f32,
    student_delta: f32,
    teacher: f32,
    normalisers: Normalisers,
}

/// Maxima of the two rows, subtracted before every exponential.
#[derive(Debug, Clone, Copy)]
pub(super) struct Maxima {
    pub(super) student: f32,
    pub(super) teacher: f32,
}

pub(super) struct Buffers {
    student: [f32; BLOCK],
    teacher: [f32; BLOCK],
    delta: [f32; BLOCK],
}

impl Buffers {
    /// The first elements of each: student, teacher, delta.
    #[inline(always)]
    pub(super) fn first(&mut self, length: usize) -> [&mut [f32]; 3] {
        [&mut self.student[..length], &mut self.teacher[..length], &mut self.delta[..length]]
    }
}

impl Kernel for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let dense = match self.teacher {
            TeacherRow::Dense(logits) => logits,
            _ => &[],
        };
        let maxima = Maxima { student: largest(self.logits), teacher: largest(dense) };
        let target_logit = self.target.map(|target| f64::from(self.logits[target] - maxima.student));
        let mut buffers = Buffers { student: [0.0; BLOCK], teacher: [0.0; BLOCK], delta: [0.0; BLOCK] };
        let mut coefficients = Vec::with_capacity(self.plan.slots.len());
        let mut sparse = Vec::new();
        let mut normalisers = Vec::with_capacity(self.plan.slots.len());
        for (index, slot) in self.plan.slots.iter().enumerate() {
            let mut factors = Coefficients::default();
            let normaliser = match self.teacher {
                TeacherRow::Sparse(row) if slot.compares() => {
                    let tail = sparse_sums::<FMA>(self.logits, row, slot, maxima.student, self.values);
                    let normaliser = tail.normaliser;
                    sparse.push(tail);
                    normaliser
                }
                _ if slot.compares() => {
                    let sums = measure::<FMA>(self.logits, dense, maxima, slot, &mut buffers);
                    normalisers.extend(slot.square.map(|index| (index, sums.squares)));
                    let share = self.share.unwrap_or(0.0);
                    factors = dense_values(slot, sums, share, self.values);
                    if !slot.pointwise.is_empty() {
                        let rest = Normalisers::new(&sums);
                        let slopes = pointwise_sums::<FMA>(
                            self.logits,
                            dense,
                            maxima,
                            slot,
                            &rest,
                            self.values,
                            &mut buffers,
                        );
                        factors.student -= (share * slot.temperature * slopes / sums.student) as f32;
                        factors.normalisers = rest;
                    }
                    sums.student
                }
                // Its sum comes with that of the exponentials that it squares.
                TeacherRow::Dense(_) if self.plan.is_square(index) => {
                    coefficients.push(factors);
                    continue;
                }
                _ => measure::<FMA>(self.logits, &[], maxima, slot, &mut buffers).student,
            };
            coefficients.push(factors);
            normalisers.push((index, normaliser));
        }
        for (index, normaliser) in normalisers {
            let hard = &self.plan.slots[index].cross_entropy;
            for (term, _) in hard {
                self.values[*term] = normaliser.ln() - target_logit.unwrap_or(0.0);
            }
            let share = weight(hard) * self.share.unwrap_or(0.0);
            coefficients[index].student += (share / normaliser) as f32;
        }
        let matching = (!self.plan.matching.is_empty()).then(|| Matching::new(self.logits, dense, maxima));
        if let Some(matching) = &matching {
            let value = matching.value::<FMA>(self.logits);
            self.plan.matching.iter().for_each(|(term, _)| self.values[*term] = value);
        }
        let Some(share) = self.share else { return };
        let kept: Vec<f32> = match self.teacher {
            TeacherRow::Sparse(row) => row.ids.iter().map(|&id| self.logits[id as usize]).collect(),
            _ => Vec::new(),
        };
        let gradient = Gradient {
            teacher: dense,
            maxima,
            plan: self.plan,
            coefficients: &coefficients,
            sparse: &sparse,
            matching,
            share,
        };
        gradient.write::<FMA>(self.logits, &mut buffers);
        if let TeacherRow::Sparse(row) = self.teacher {
            for ((position, &id), &logit) in row.ids.iter().enumerate().zip(&kept) {
                let mut value = 0.0;
                for (slot, factors) in self.plan.slots.iter().zip(&coefficients) {
                    let scaled = f64::from((logit - maxima.student) * slot.inverse);
                    value += f64::from(factors.student) * scaled.exp();
                }
                for tail in &sparse {
                    value += share * tail.kept_gradient(position);
                }
                self.logits[id as usize] = value as f32;
            }
        }
        if let Some(target) = self.target {
            let hard: f64 = self.plan.slots.iter().map(|slot| weight(&slot.cross_entropy)).sum();
            self.logits[target] -= (hard * share) as f32;
        }
    }
}

/// First pass: the sums of one temperature. Without a teacher only the student's normaliser.
#[inline(always)]
fn measure<const FMA: bool>(
    student: &[f32],
    teacher: &[f32],
    maxima: Maxima,
    slot: &Slot,
    buffers: &mut Buffers,
) -> Sums {
    let inverse = slot.inverse;
    let mut sums = Sums::default();
    for start in (0..student.len()).step_by(BLOCK) {
        let z = &student[start..(start + BLOCK).min(student.len())];
        let from_student = &mut buffers.student[..z.len()];
        if teacher.is_empty() {
            exponentials::<FMA>(z, maxima.student, inverse, from_student);
            sums.student += f64::from(sum(from_student));
            continue;
        }
        let t = &teacher[start..start + z.len()];
        let from_teacher = &mut buffers.teacher[..z.len()];
        let delta = &mut buffers.delta[..z.len()];
        exponentials::<FMA>(z, maxima.student, inverse, from_student);
        exponentials::<FMA>(t, maxima.teacher, inverse, from_teacher);
        differences(z, t, maxima, inverse, delta);
        sums.student += f64::from(sum(from_student));
        sums.teacher += f64::from(sum(from_teacher));
        sums.teacher_delta += f64::from(dot::<FMA>(from_teacher, delta));
        sums.student_delta += f64::from(dot::<FMA>(from_student, delta));
        if slot.square.is_some() {
            sums.squares += f64::from(dot::<FMA>(from_student, from_student));
        }
    }
    sums
}

/// Writes the values of a slot's dense divergences, and returns their gradient's coefficients.
#[inline(always)]
fn dense_values(slot: &Slot, sums: Sums, share: f64, values: &mut [f64]) -> Coefficients {
    let temperature = slot.temperature;
    let square = temperature * temperature;
    // Rounding may leave a tiny negative number where the distributions agree; a KL divergence is
    // never negative. NaN stays NaN.
    let above_zero = |value: f64| if value < 0.0 { 0.0 } else { value };
    let log_ratio = sums.teacher.ln() - sums.student.ln();
    let forward = above_zero(sums.teacher_delta / sums.teacher - log_ratio);
    let reverse = above_zero(log_ratio - sums.student_delta / sums.student);
    slot.forward.iter().for_each(|(term, _)| values[*term] = square * forward);
    slot.reverse.iter().for_each(|(term, _)| values[*term] = square * reverse);
    let forward_weight = weight(&slot.forward) * share * temperature;
    let reverse_weight = weight(&slot.reverse) * share * temperature;
    Coefficients {
        student: ((forward_weight + reverse_weight * (log_ratio - reverse)) / sums.student) as f32,
        student_delta: (-reverse_weight / sums.student) as f32,
        teacher: (-forward_weight / sums.teacher) as f32,
        normalisers: Normalisers::default(),
    }
}

/// What the second pass needs to know of a row.
struct Gradient<'a> {
    teacher: &'a [f32],
    maxima: Maxima,
    plan: &'a Plan,
    coefficients: &'a [Coefficients],
    sparse: &'a [SparseSlot],
    matching: Option<Matching<'a>>,
    share: f64,
}

impl Gradient<'_> {
    /// Second pass: overwrites the student's logits with the gradient of the weighted sum.
    #[inline(always)]
    fn write<const FMA: bool>(&self, student: &mut [f32], buffers: &mut Buffers) {
        let length = student.len();
        let matching_factor = (weight(&self.plan.matching) * self.share / length as f64) as f32;
        let mut gradient = [0.0_f32; BLOCK];
        for start in (0..length).step_by(BLOCK) {
            let end = (start + BLOCK).min(length);
            let z = &mut student[start..end];
            let gradient = &mut gradient[..z.len()];
            gradient.fill(0.0);
            for (index, (slot, factors)) in self.plan.slots.iter().zip(self.coefficients).enumerate() {
                if !self.teacher.is_empty() && self.plan.is_square(index) {
                    continue;
                }
                let teacher = if slot.compares() { self.teacher.get(start..end) } else { None };
                self.add_slot::<FMA>(z, teacher.unwrap_or(&[]), slot, factors, gradient, buffers);
            }
            for tail in self.sparse {
                let share = tail.tail_coefficient() * self.share;
                if share != 0.0 {
                    let from_student = &mut buffers.student[..z.len()];
                    exponentials::<FMA>(z, tail.tail_maximum, tail.inverse, from_student);
                    add_scaled(gradient, from_student, share as f32);
                }
            }
            if let Some(matching) = &self.matching {
                matching.add(start, z, matching_factor, gradient);
            }
            z.copy_from_slice(gradient);
        }
    }

    /// Adds the dense terms of one temperature to a block's gradient.
    #[inline(always)]
    fn add_slot<const FMA: bool>(
        &self,
        z: &[f32],
        t: &[f32],
        slot: &Slot,
        factors: &Coefficients,
        gradient: &mut [f32],
        buffers: &mut Buffers,
    ) {
        let from_student = &mut buffers.student[..z.len()];
        let square = slot.square.filter(|_| !t.is_empty()).map(|index| self.coefficients[index].student);
        if factors.student != 0.0 || factors.student_delta != 0.0 || square.is_some() {
            exponentials::<FMA>(z, self.maxima.student, slot.inverse, from_student);
            add_scaled(gradient, from_student, factors.student);
        }
        if t.is_empty() {
            return;
        }
        if let Some(square) = square {
            add_product(gradient, from_student, from_student, square);
        }
        if factors.student_delta != 0.0 {
            let delta = &mut buffers.delta[..z.len()];
            differences(z, t, self.maxima, slot.inverse, delta);
            add_product(gradient, from_student, delta, factors.student_delta);
        }
        if factors.teacher != 0.0 {
            let from_teacher = &mut buffers.teacher[..z.len()];
            exponentials::<FMA>(t, self.maxima.teacher, slot.inverse, from_teacher);
            add_scaled(gradient, from_teacher, factors.teacher);
        }
        if slot.pointwise.iter().any(|term| term.weight != 0.0) {
            add_slopes::<FMA>(z, t, self.maxima, slot, &factors.normalisers, self.share, gradient, buffers);
        }
    }
}

/// `out_j = e^{(x_j - maximum) / T}`.
#[inline(always)]
pub(super) fn exponentials<const FMA: bool>(x: &[f32], maximum: f32, inverse: f32, out: &mut [f32]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out = exp::<FMA>((x - maximum) * inverse);
    }
}

#[inline(always)]
pub(super) fn differences(student: &[f32], teacher: &[f32], maxima: Maxima, inverse: f32, out: &mut [f32]) {
    for ((out, z), t) in out.iter_mut().zip(student).zip(teacher) {
        *out = ((t - maxima.teacher) - (z - maxima.student)) * inverse;
    }
}

#[inline(always)]
fn add_scaled(sum: &mut [f32], values: &[f32], factor: f32) {
    for (sum, value) in sum.iter_mut().zip(values) {
        *sum += value * factor;
    }
}

#[inline(always)]
fn add_product(sum: &mut [f32], a: &[f32], b: &[f32], factor: f32) {
    for ((sum, a), b) in sum.iter_mut().zip(a).zip(b) {
        *sum += a * b * factor;
    }
}
