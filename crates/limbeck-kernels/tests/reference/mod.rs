//! Random operands, and the head losses written down in 64 bits from their definitions.
#![allow(dead_code, reason = "not every test file asks for everything")]

use limbeck_kernels::{HeadTerm, HeadTermKind, SparseLogits, TAIL_FLOOR, forward_kl_gap_bound};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Operands of one call.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) tokens: usize,
    pub(crate) vocab: usize,
    pub(crate) teacher_vocab: usize,
    pub(crate) used: usize,
    pub(crate) hidden: Vec<f32>,
    pub(crate) head: Vec<f32>,
    pub(crate) targets: Vec<u32>,
    pub(crate) teacher_hidden: Vec<f32>,
    pub(crate) teacher_head: Vec<f32>,
    pub(crate) sparse: Option<SparseLogits>,
}

impl Case {
    /// A teacher one wider and with a few more padded rows than the student.
    pub(crate) fn random(seed: u64, tokens: usize, width: usize, vocab: usize, used: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut values = |count: usize| (0..count).map(|_| rng.random_range(-1.5..1.5)).collect::<Vec<f32>>();
        let teacher_vocab = vocab + 3;
        let hidden = values(tokens * width);
        let head = values(vocab * width);
        let teacher_hidden = values(tokens * (width + 1));
        let teacher_head = values(teacher_vocab * (width + 1));
        let targets = (0..tokens).map(|_| rng.random_range(0..used as u32)).collect();
        Self {
            tokens,
            vocab,
            teacher_vocab,
            used,
            hidden,
            head,
            targets,
            teacher_hidden,
            teacher_head,
            sparse: None,
        }
    }

    /// A classifier's logits: the hidden states are the logits, and the head is the identity.
    pub(crate) fn classifier(seed: u64, rows: usize, classes: usize, used: usize) -> Self {
        let mut case = Self::random(seed, rows, classes, classes, used);
        case.head = (0..classes * classes).map(|at| f32::from(u8::from(at % (classes + 1) == 0))).collect();
        case.hidden.iter_mut().for_each(|logit| *logit *= 2.0);
        case
    }

    /// The same with the teacher cut to its k most probable outcomes.
    pub(crate) fn sparse(mut self, k: usize, temperature: f64) -> Self {
        let mut signal = SparseLogits { temperature, k, ids: vec![], log_probs: vec![], tail_mass: vec![] };
        for logits in Reference::new(&self).teacher {
            let log_p = log_softmax(&logits, temperature);
            let mut order: Vec<usize> = (0..log_p.len()).collect();
            order.sort_by(|a, b| log_p[*b].total_cmp(&log_p[*a]));
            signal.ids.extend(order[..k].iter().map(|id| *id as u32));
            signal.log_probs.extend(order[..k].iter().map(|id| log_p[*id] as f32));
            signal.tail_mass.push(order[k..].iter().map(|id| log_p[*id].exp()).sum::<f64>() as f32);
        }
        self.sparse = Some(signal);
        self
    }
}

/// Logits of both models over the used columns.
pub(crate) struct Reference<'a> {
    case: &'a Case,
    student: Vec<Vec<f64>>,
    pub(crate) teacher: Vec<Vec<f64>>,
}

impl<'a> Reference<'a> {
    pub(crate) fn new(case: &'a Case) -> Self {
        Self::moved(case, None, None)
    }

    /// With one element of the hidden states or of the head moved by a step.
    pub(crate) fn moved(case: &'a Case, hidden: Option<(usize, f64)>, head: Option<(usize, f64)>) -> Self {
        let wide = |values: &[f32]| values.iter().map(|value| f64::from(*value)).collect::<Vec<_>>();
        let mut student = [wide(&case.hidden), wide(&case.head)];
        for (values, step) in student.iter_mut().zip([hidden, head]) {
            if let Some((at, by)) = step {
                values[at] += by;
            }
        }
        let [hidden, head] = student;
        let teacher = logits(&wide(&case.teacher_hidden), &wide(&case.teacher_head), case.tokens, case.used);
        Self { case, student: logits(&hidden, &head, case.tokens, case.used), teacher }
    }

    pub(crate) fn total(&self, terms: &[HeadTerm]) -> f64 {
        terms.iter().map(|term| term.weight * self.value(term.kind)).sum()
    }

    pub(crate) fn value(&self, kind: HeadTermKind) -> f64 {
        let rows = (0..self.case.tokens).map(|row| match kind {
            HeadTermKind::CrossEntropy => {
                -log_softmax(&self.student[row], 1.0)[self.case.targets[row] as usize]
            }
            HeadTermKind::ForwardKl { temperature } => {
                let [p, q] = self.outcomes(row, temperature, 0.0);
                temperature * temperature * kl(&p, &q)
            }
            HeadTermKind::ReverseKl { temperature } => {
                let [p, q] = self.outcomes(row, temperature, TAIL_FLOOR);
                temperature * temperature * kl(&q, &p)
            }
            HeadTermKind::JensenShannon { beta, temperature } => {
                let [p, q] = self.outcomes(row, temperature, 0.0);
                let m = mixture(beta, &p, 1.0 - beta, &q);
                temperature * temperature * (beta * kl(&p, &m) + (1.0 - beta) * kl(&q, &m))
            }
            HeadTermKind::SkewForwardKl { alpha, temperature } => {
                let [p, q] = self.outcomes(row, temperature, 0.0);
                temperature * temperature * kl(&p, &mixture(alpha, &p, 1.0 - alpha, &q))
            }
            HeadTermKind::SkewReverseKl { alpha, temperature } => {
                let [p, q] = self.outcomes(row, temperature, 0.0);
                temperature * temperature * kl(&q, &mixture(1.0 - alpha, &p, alpha, &q))
            }
            HeadTermKind::TotalVariation { temperature } => {
                let [p, q] = self.outcomes(row, temperature, 0.0);
                let distance = p.iter().zip(&q).map(|(p, q)| (p - q).abs()).sum::<f64>();
                temperature * temperature * 0.5 * distance
            }
            HeadTermKind::LogitMatching => {
                let pairs = self.student[row].iter().zip(&self.teacher[row]);
                let differences: Vec<f64> = pairs.map(|(z, t)| z - t).collect();
                let count = differences.len() as f64;
                let mean = differences.iter().sum::<f64>() / count;
                differences.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (2.0 * count)
            }
        });
        rows.sum::<f64>() / self.case.tokens as f64
    }

    /// Mean over the tokens of the bound on what the cut hides, with the factor T^2.
    pub(crate) fn forward_gap_bound(&self, temperature: f64) -> f64 {
        let signal = self.case.sparse.as_ref().unwrap();
        let rows = (0..self.case.tokens).map(|row| {
            let kept = row * signal.k..(row + 1) * signal.k;
            let log_q = log_softmax(&self.student[row], temperature);
            let ids = &signal.ids[kept.clone()];
            let tail: Vec<f64> =
                (0..log_q.len()).filter(|id| !ids.contains(&(*id as u32))).map(|id| log_q[id]).collect();
            let mass: f64 = tail.iter().map(|value| value.exp()).sum();
            let least = tail.iter().copied().fold(f64::INFINITY, f64::min) - mass.ln();
            let least_kept =
                signal.log_probs[kept].iter().map(|value| f64::from(*value).exp()).fold(1.0, f64::min);
            forward_kl_gap_bound(f64::from(signal.tail_mass[row]), least_kept, least)
        });
        temperature * temperature * rows.sum::<f64>() / self.case.tokens as f64
    }

    /// Teacher's and student's probabilities of the outcomes compared.
    fn outcomes(&self, row: usize, temperature: f64, floor: f64) -> [Vec<f64>; 2] {
        let q: Vec<f64> =
            log_softmax(&self.student[row], temperature).iter().map(|value| value.exp()).collect();
        let Some(signal) = &self.case.sparse else {
            let p = log_softmax(&self.teacher[row], temperature);
            return [p.iter().map(|value| value.exp()).collect(), q];
        };
        let kept = row * signal.k..(row + 1) * signal.k;
        let ids = &signal.ids[kept.clone()];
        let mut p: Vec<f64> = signal.log_probs[kept].iter().map(|value| f64::from(*value).exp()).collect();
        let mut reduced: Vec<f64> = ids.iter().map(|id| q[*id as usize]).collect();
        if signal.k < q.len() {
            p.push(f64::from(signal.tail_mass[row]).max(floor));
            reduced.push((0..q.len()).filter(|id| !ids.contains(&(*id as u32))).map(|id| q[id]).sum());
        }
        [p, reduced]
    }
}

fn mixture(a: f64, p: &[f64], b: f64, q: &[f64]) -> Vec<f64> {
    p.iter().zip(q).map(|(p, q)| a * p + b * q).collect()
}

fn kl(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| if *a == 0.0 { 0.0 } else { a * (a.ln() - b.ln()) }).sum()
}

fn log_softmax(logits: &[f64], temperature: f64) -> Vec<f64> {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|logit| ((logit - largest) / temperature).exp()).sum();
    logits.iter().map(|logit| (logit - largest) / temperature - sum.ln()).collect()
}

fn logits(hidden: &[f64], head: &[f64], tokens: usize, used: usize) -> Vec<Vec<f64>> {
    let width = hidden.len() / tokens;
    let row = |token: usize| &hidden[token * width..(token + 1) * width];
    let product = |token, id: usize| row(token).iter().zip(&head[id * width..]).map(|(x, y)| x * y).sum();
    (0..tokens).map(|token| (0..used).map(|id| product(token, id)).collect()).collect()
}
