//! One example's signals: made of logits when capturing, checked when read.

use super::SignalHeader;
use crate::DataError;
use crate::examples::TokenExample;

/// How far the kept probabilities and the tail may miss 1 together: 32-bit rounding of a normaliser near 100
/// moves a log-probability by 1e-5, and a tail near 0 is a difference of nearly equal numbers.
const SUM_TOLERANCE: f64 = 2e-3;

/// The signals of one example: `n` scored tokens, `k` ids each, `m` temperatures.
#[derive(Debug, Clone, PartialEq)]
pub struct SignalRow {
    /// Content hash of the example's ids ([`TokenExample::key`]).
    pub key: [u8; 32],
    /// Number of tokens of the example.
    pub length: u32,
    /// The scored positions, ascending `[n]`. Position `i`: the distribution of token `i` given those before it.
    pub positions: Vec<u32>,
    /// The likeliest ids, likeliest first `[n * k]`.
    pub ids: Vec<u32>,
    /// Their log-probabilities at temperature 1 `[n * k]`.
    pub log_probs: Vec<f32>,
    /// `Z_T` for each position and temperature `[n * m]`.
    pub normalisers: Vec<f32>,
    /// The mass outside the `k` ids for each position and temperature `[n * m]`.
    pub tails: Vec<f32>,
}

impl SignalRow {
    /// A row for `example`, to be filled with [`SignalRow::push_logits`] once for each scored position, in order.
    pub fn start(example: &TokenExample) -> Self {
        Self {
            key: example.key(),
            length: example.ids.len() as u32,
            positions: example.scored_positions().map(|position| position as u32).collect(),
            ids: Vec::new(),
            log_probs: Vec::new(),
            normalisers: Vec::new(),
            tails: Vec::new(),
        }
    }

    /// Adds the teacher's logits `[vocab_size]` for the next scored position.
    ///
    /// The `k` largest are kept, of equal ones the smaller id first, so that the choice never depends on the
    /// order of computation. Sums run in 64 bits.
    ///
    /// # Errors
    /// Another number of logits than the vocabulary has, one that is not a finite number, or more calls
    /// than scored positions.
    pub fn push_logits(&mut self, header: &SignalHeader, logits: &[f32]) -> Result<(), DataError> {
        let wrong = |name, found: String, expected: String| DataError::Argument { name, found, expected };
        let m = header.temperatures.len();
        if logits.len() != header.vocab_size as usize {
            return Err(wrong(
                "the number of logits",
                logits.len().to_string(),
                header.vocab_size.to_string(),
            ));
        }
        if self.normalisers.len() >= self.positions.len() * m {
            return Err(wrong(
                "the number of scored positions",
                format!("more than {}", self.positions.len()),
                "one call for each".to_owned(),
            ));
        }
        if let Some(at) = logits.iter().position(|logit| !logit.is_finite()) {
            return Err(wrong(
                "a logit",
                format!("{} for id {at}", logits[at]),
                "a finite number".to_owned(),
            ));
        }
        let k = header.k as usize;
        let likelier = |a: &u32, b: &u32| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b));
        let mut order: Vec<u32> = (0..header.vocab_size).collect();
        if k < order.len() {
            order.select_nth_unstable_by(k - 1, likelier);
            order.truncate(k);
        }
        order.sort_unstable_by(likelier);

        let largest = f64::from(logits[order[0] as usize]);
        let mut first_normaliser = 0.0;
        for temperature in &header.temperatures {
            let scaled = |logit: f32| ((f64::from(logit) - largest) / temperature).exp();
            let total: f64 = logits.iter().map(|logit| scaled(*logit)).sum();
            let kept: f64 = order.iter().map(|id| scaled(logits[*id as usize])).sum();
            let normaliser = largest / temperature + total.ln();
            if *temperature == 1.0 {
                first_normaliser = normaliser;
            }
            // With everything kept the tail is 0, not the rounding of a difference.
            let tail = if k == logits.len() { 0.0 } else { (1.0 - kept / total).clamp(0.0, 1.0) };
            self.normalisers.push(normaliser as f32);
            self.tails.push(tail as f32);
        }
        for id in order {
            // Rounding must not make a probability exceed 1.
            let log_prob = (f64::from(logits[id as usize]) - first_normaliser).min(0.0);
            self.ids.push(id);
            self.log_probs.push(log_prob as f32);
        }
        Ok(())
    }

    /// Log-probabilities of the kept ids at the captured temperature number `temperature`, for scored
    /// position number `index`: `(log p_1 + Z_1) / T - Z_T`, `[k]`.
    pub fn log_probs_at(&self, header: &SignalHeader, index: usize, temperature: usize) -> Vec<f32> {
        let (k, m) = (header.k as usize, header.temperatures.len());
        let first = header.temperatures.iter().position(|one| *one == 1.0).unwrap_or(0);
        let normaliser_1 = f64::from(self.normalisers[index * m + first]);
        let normaliser_t = f64::from(self.normalisers[index * m + temperature]);
        self.log_probs[index * k..(index + 1) * k]
            .iter()
            .map(|log_prob| {
                ((f64::from(*log_prob) + normaliser_1) / header.temperatures[temperature] - normaliser_t)
                    as f32
            })
            .collect()
    }

    /// Number of scored positions.
    pub fn scored_count(&self) -> usize {
        self.positions.len()
    }

    /// What in this row contradicts the header or itself, or none.
    pub(super) fn contradiction(&self, header: &SignalHeader) -> Option<String> {
        let (n, k, m) = (self.positions.len(), header.k as usize, header.temperatures.len());
        for (name, found, expected) in [
            ("ids", self.ids.len(), n.checked_mul(k)),
            ("log-probabilities", self.log_probs.len(), n.checked_mul(k)),
            ("normalisers", self.normalisers.len(), n.checked_mul(m)),
            ("tail masses", self.tails.len(), n.checked_mul(m)),
        ] {
            if Some(found) != expected {
                let expected = expected.map_or("too many".to_owned(), |count| count.to_string());
                return Some(format!("{found} {name} for {n} scored positions, expected {expected}"));
            }
        }
        if self.positions.first() == Some(&0) {
            return Some("the first token is scored, although nothing predicts it".to_owned());
        }
        if !self.positions.windows(2).all(|pair| pair[0] < pair[1]) {
            return Some("the scored positions do not ascend".to_owned());
        }
        if let Some(last) = self.positions.last().filter(|last| **last >= self.length) {
            return Some(format!("position {last} is scored, of {} tokens", self.length));
        }
        if let Some(id) = self.ids.iter().find(|id| **id >= header.vocab_size) {
            return Some(format!("id {id} is not below the vocabulary's {}", header.vocab_size));
        }
        if let Some(value) = self.log_probs.iter().find(|value| !value.is_finite() || **value > 0.0) {
            return Some(format!("a log-probability is {value}, expected finite and at most 0"));
        }
        if let Some(value) = self.normalisers.iter().find(|value| !value.is_finite()) {
            return Some(format!("a normaliser is {value}, expected finite"));
        }
        if let Some(value) = self.tails.iter().find(|value| !(0.0..=1.0).contains(*value)) {
            return Some(format!("a tail mass is {value}, expected between 0 and 1"));
        }
        let mut sorted: Vec<u32> = Vec::with_capacity(k);
        for index in 0..n {
            sorted.clear();
            sorted.extend_from_slice(&self.ids[index * k..(index + 1) * k]);
            sorted.sort_unstable();
            if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
                return Some(format!("id {} twice at position {}", pair[0], self.positions[index]));
            }
            for (at, temperature) in header.temperatures.iter().enumerate() {
                let kept: f64 =
                    self.log_probs_at(header, index, at).iter().map(|value| f64::from(*value).exp()).sum();
                let sum = kept + f64::from(self.tails[index * m + at]);
                if (sum - 1.0).abs() > SUM_TOLERANCE || sum.is_nan() {
                    return Some(format!(
                        "at position {} and temperature {temperature} the probabilities and the tail sum to {sum}",
                        self.positions[index]
                    ));
                }
            }
        }
        None
    }
}
