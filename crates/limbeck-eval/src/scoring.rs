//! One pass of several networks over the same examples.
//!
//! Per scored token only a few numbers are kept; the logits exist for a chunk of tokens at a time, so memory
//! does not grow with tokens x vocabulary.

use burn::tensor::{Int, Tensor, TensorData};
use limbeck_data::examples::TokenExample;
use limbeck_data::progress::Progress;
use limbeck_kernels::{Precision, linear};
use limbeck_model::{Decoder, NoTap, TokenBatch};
use rayon::prelude::*;

use crate::EvalError;

/// How to run the pass. Neither number changes a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScoringOptions {
    /// Examples per forward pass.
    pub batch_size: usize,
    /// Tokens whose logits are held at once.
    pub chunk_tokens: usize,
    /// The softmaxes run over the first so many columns; `None`: over the smallest of the vocabularies.
    pub vocab_used: Option<usize>,
}

impl Default for ScoringOptions {
    fn default() -> Self {
        ScoringOptions { batch_size: 8, chunk_tokens: 256, vocab_used: None }
    }
}

/// What one network said at every scored token, in the order of the examples.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NetworkScores {
    /// `-log p(target)`, in nats.
    pub loss: Vec<f64>,
    /// The token ranked first; the lowest id on a tie.
    pub top: Vec<u32>,
    /// Probability of that token, in `[0, 1]`.
    pub confidence: Vec<f64>,
    /// Whether that token is the target.
    pub correct: Vec<bool>,
    /// Whether the first network ranks the same token first.
    pub agrees: Vec<bool>,
    /// `KL(first network || this one)` at T = 1, in nats; 0 for the first network.
    pub kl: Vec<f64>,
}

/// Scores of all networks on the same tokens.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scores {
    /// Index of the example that each scored token is in.
    pub example: Vec<usize>,
    /// One entry per network, the teacher first.
    pub networks: Vec<NetworkScores>,
}

/// Scores `networks` (name and decoder, the teacher first) on the scored tokens of `examples`.
///
/// # Errors
/// [`EvalError::Nothing`] when no token is scored, [`EvalError::Token`], [`EvalError::Length`] and [`EvalError::Mask`] for
/// examples that the networks cannot read, [`EvalError::NotFinite`] when a logit is not a number,
/// [`EvalError::Cancelled`] on request.
pub fn score(
    networks: &[(&'static str, &Decoder)],
    examples: &[TokenExample],
    options: &ScoringOptions,
    label: &str,
    progress: &dyn Progress,
) -> Result<Scores, EvalError> {
    let shared = networks.iter().map(|(_, decoder)| decoder.config().vocab_size).min().unwrap_or(0);
    let vocab = options.vocab_used.unwrap_or(shared);
    check(networks, examples, options, vocab.min(shared), label)?;
    if vocab == 0 || vocab > shared {
        return Err(EvalError::Option {
            option: "vocab_used",
            found: vocab.to_string(),
            expected: format!("the networks share a vocabulary of {shared} tokens"),
        });
    }
    let total: usize = examples.iter().map(scored_count).sum();
    let mut scores = Scores {
        example: Vec::with_capacity(total),
        networks: vec![NetworkScores::default(); networks.len()],
    };
    let heads: Vec<Tensor<2>> = networks.iter().map(|(_, decoder)| decoder.head()).collect();
    progress.start(label, total as u64, "tokens");
    let indices: Vec<usize> = (0..examples.len()).filter(|&i| scored_count(&examples[i]) > 0).collect();
    for batch in indices.chunks(options.batch_size) {
        if progress.cancelled() {
            progress.finish();
            return Err(EvalError::Cancelled);
        }
        let rows = Rows::of(batch, examples);
        let mut hidden = Vec::with_capacity(networks.len());
        for (_, decoder) in networks {
            let tokens = TokenBatch::new(&rows.ids, &decoder.device())?;
            let states = decoder.hidden(&tokens, &mut NoTap);
            let [count, length, width] = states.dims();
            let at = Tensor::<1, Int>::from_data(
                TensorData::new(rows.flat_positions(length), [rows.targets.len()]),
                &decoder.device(),
            );
            hidden.push(states.reshape([count * length, width]).select(0, at));
        }
        for start in (0..rows.targets.len()).step_by(options.chunk_tokens) {
            let end = (start + options.chunk_tokens).min(rows.targets.len());
            chunk(networks, &hidden, &heads, &rows, start..end, vocab, &mut scores)?;
            progress.advance((end - start) as u64);
        }
    }
    progress.finish();
    Ok(scores)
}

fn scored_count(example: &TokenExample) -> usize {
    example.scored.iter().filter(|&&scored| scored).count()
}

fn check(
    networks: &[(&'static str, &Decoder)],
    examples: &[TokenExample],
    options: &ScoringOptions,
    vocab: usize,
    label: &str,
) -> Result<(), EvalError> {
    for (option, value) in [("batch_size", options.batch_size), ("chunk_tokens", options.chunk_tokens)] {
        if value == 0 {
            return Err(EvalError::Option {
                option,
                found: "0".into(),
                expected: "it must be at least 1".into(),
            });
        }
    }
    let scored: usize = examples.iter().map(scored_count).sum();
    if scored == 0 {
        return Err(EvalError::Nothing { set: label.to_owned(), examples: examples.len(), scored });
    }
    for (index, example) in examples.iter().enumerate() {
        let first = example.scored.first() == Some(&true);
        if example.ids.len() != example.scored.len() || first {
            return Err(EvalError::Mask {
                example: index,
                ids: example.ids.len(),
                mask: example.scored.len(),
                first,
            });
        }
        if let Some(&token) = example.ids.iter().find(|&&token| token as usize >= vocab) {
            return Err(EvalError::Token { example: index, token, vocab });
        }
        for (network, decoder) in networks {
            let positions = decoder.config().max_positions;
            if example.ids.len() > positions {
                return Err(EvalError::Length {
                    example: index,
                    length: example.ids.len(),
                    network,
                    positions,
                });
            }
        }
    }
    Ok(())
}

/// The scored tokens of one batch.
struct Rows {
    ids: Vec<Vec<u32>>,
    /// Row of the batch and position of the prediction (one before the target).
    places: Vec<(usize, usize)>,
    targets: Vec<u32>,
    example: Vec<usize>,
}

impl Rows {
    fn of(batch: &[usize], examples: &[TokenExample]) -> Rows {
        let mut rows = Rows { ids: Vec::new(), places: Vec::new(), targets: Vec::new(), example: Vec::new() };
        for (row, &index) in batch.iter().enumerate() {
            let example = &examples[index];
            // Nothing after the last scored token matters to a causal network.
            let end = example.scored.iter().rposition(|&scored| scored).unwrap_or(0);
            rows.ids.push(example.ids[..end.max(1)].to_vec());
            for position in (1..=end).filter(|&i| example.scored[i]) {
                rows.places.push((row, position - 1));
                rows.targets.push(example.ids[position]);
                rows.example.push(index);
            }
        }
        rows
    }

    fn flat_positions(&self, length: usize) -> Vec<i64> {
        self.places.iter().map(|&(row, position)| (row * length + position) as i64).collect()
    }
}

/// The figures of one token that need its whole distribution.
struct TokenFigures {
    loss: f64,
    top: u32,
    confidence: f64,
    kl: f64,
}

fn chunk(
    networks: &[(&'static str, &Decoder)],
    hidden: &[Tensor<2>],
    heads: &[Tensor<2>],
    rows: &Rows,
    tokens: std::ops::Range<usize>,
    vocab: usize,
    scores: &mut Scores,
) -> Result<(), EvalError> {
    let targets = &rows.targets[tokens.clone()];
    let examples = &rows.example[tokens.clone()];
    let mut teacher: Vec<f32> = Vec::new();
    let mut teacher_top: Vec<u32> = Vec::new();
    for (index, (name, _)) in networks.iter().enumerate() {
        let logits =
            linear(hidden[index].clone().slice([tokens.clone()]), heads[index].clone(), None, Precision::F32);
        let width = logits.dims()[1];
        let values: Vec<f32> = logits.into_data().try_to_vec().map_err(|error| EvalError::Read {
            network: name,
            what: "logits",
            detail: format!("{error:?}"),
        })?;
        if index == 0 {
            teacher = values.chunks_exact(width).flat_map(|row| &row[..vocab]).copied().collect();
        }
        let rows = values.par_chunks_exact(width).zip(teacher.par_chunks_exact(vocab)).zip(targets);
        let figures: Vec<TokenFigures> = rows
            .map(|((row, teacher), &target)| figures(&row[..vocab], teacher, target, index > 0))
            .collect();
        if index == 0 {
            teacher_top = figures.iter().map(|token| token.top).collect();
            scores.example.extend(examples);
        }
        let into = &mut scores.networks[index];
        for (i, token) in figures.iter().enumerate() {
            if !token.loss.is_finite() || !token.kl.is_finite() {
                let what = if token.loss.is_finite() { "divergence" } else { "loss" };
                return Err(EvalError::NotFinite { network: name, what, example: examples[i] });
            }
            into.loss.push(token.loss);
            into.top.push(token.top);
            into.confidence.push(token.confidence);
            into.correct.push(token.top == targets[i]);
            into.agrees.push(token.top == teacher_top[i]);
            into.kl.push(token.kl);
        }
    }
    Ok(())
}

fn figures(row: &[f32], teacher: &[f32], target: u32, diverges: bool) -> TokenFigures {
    let (top, normaliser) = top_and_normaliser(row);
    let kl = if diverges {
        let (_, teacher_normaliser) = top_and_normaliser(teacher);
        let sum: f64 = teacher
            .iter()
            .zip(row)
            .map(|(&t, &s)| {
                let log_p = f64::from(t) - teacher_normaliser;
                f64::from(((log_p) as f32).exp()) * (log_p - (f64::from(s) - normaliser))
            })
            .sum();
        // Rounding may leave a divergence of nothing slightly below it.
        sum.max(0.0)
    } else {
        0.0
    };
    TokenFigures {
        loss: normaliser - f64::from(row[target as usize]),
        top: top as u32,
        confidence: (f64::from(row[top]) - normaliser).exp(),
        kl,
    }
}

/// The first largest entry, and `log(sum(exp(row)))`.
fn top_and_normaliser(row: &[f32]) -> (usize, f64) {
    let mut top = 0;
    for (i, &value) in row.iter().enumerate() {
        if value > row[top] {
            top = i;
        }
    }
    let largest = row[top];
    let sum: f64 = row.iter().map(|&value| f64::from((value - largest).exp())).sum();
    (top, f64::from(largest) + sum.ln())
}
