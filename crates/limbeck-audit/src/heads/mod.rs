//! What every attention head does, by measured scores.

mod classes;
mod config;
mod copying;
mod repeated;

pub use config::HeadsConfig;

use limbeck_data::progress::Progress;
use limbeck_eval::Encode;
use limbeck_eval::contrast::ContrastTask;
use limbeck_model::Decoder;
use limbeck_results::{HeadDescription, HeadPattern, Heads, PatternScore, component_label};
use limbeck_stats::Bootstrap;

use self::repeated::Repeated;
use crate::AuditError;
use crate::rows::stop_if_asked;
use crate::similarity::AttentionMaps;

/// How far above uniform attention a head must be, as a factor, to be called after a pattern: a class that covers half
/// the prompt gets half of the attention of a head that does not look at all.
const ABOVE_UNIFORM: f64 = 2.0;

/// Attention to one kind of position, one value for each sequence or prompt.
#[derive(Debug, Clone, PartialEq)]
struct Mass {
    pattern: HeadPattern,
    values: Vec<f64>,
    uniform: f64,
}

/// Describes every head: attention to the previous, the current, the first and the duplicate token and by induction on
/// repeated random tokens, attention from the answer's position to classes of tokens on the task's clean prompts, and
/// copying.
///
/// A head is called after the pattern with the largest excess over uniform attention, among those of mean attention at
/// least `threshold` and at least twice what uniform attention gives. `maps` are of `task`'s prompts.
///
/// # Errors
/// [`AuditError::Config`] for values that describe nothing, [`AuditError::Cancelled`] on request, [`AuditError::Site`] and
/// [`AuditError::Read`] when values do not come.
pub fn describe_heads(
    decoder: &Decoder,
    tokenizer: &dyn Encode,
    task: &ContrastTask,
    maps: &AttentionMaps,
    config: &HeadsConfig,
    seed: u64,
    progress: &dyn Progress,
) -> Result<Heads, AuditError> {
    config.check()?;
    stop_if_asked(progress)?;
    let bootstrap = Bootstrap::with_seed(seed).with_resamples(config.resamples);
    let repeated = Repeated::draw(decoder, tokenizer, config, seed)?;
    let general = repeated.masses(decoder)?;
    let classes = classes::masses(maps, task, tokenizer);
    stop_if_asked(progress)?;
    let copying = copying::copying(decoder, config.copied_tokens, seed)?;
    let heads = decoder.config().n_heads;
    let mut described = Vec::with_capacity(general.len());
    for (index, ((general, classes), copying)) in general.into_iter().zip(classes).zip(copying).enumerate() {
        let score = |mass: &Mass| -> Result<PatternScore, AuditError> {
            let attention = bootstrap.mean(&mass.values)?;
            Ok(PatternScore { pattern: mass.pattern, attention, uniform: mass.uniform })
        };
        let scores =
            general.iter().chain(&classes).map(score).collect::<Result<Vec<PatternScore>, AuditError>>()?;
        described.push(HeadDescription {
            head: component_label(index / heads, Some(index % heads)),
            layer: index / heads,
            pattern: called_after(&scores, config.threshold),
            scores,
            copying,
        });
    }
    Ok(Heads {
        sequences: repeated.rows.len(),
        period: repeated.period,
        threshold: config.threshold,
        heads: described,
    })
}

/// The pattern of largest excess over uniform attention among those that reach the threshold, the first of equal ones.
fn called_after(scores: &[PatternScore], threshold: f64) -> Option<HeadPattern> {
    let reached = scores.iter().filter(|score| {
        score.attention.value >= threshold && score.attention.value >= ABOVE_UNIFORM * score.uniform
    });
    let excess = |score: &PatternScore| score.attention.value - score.uniform;
    let best = reached.fold(None::<&PatternScore>, |best, score| match best {
        Some(found) if excess(found) >= excess(score) => best,
        _ => Some(score),
    });
    best.map(|score| score.pattern)
}

#[cfg(test)]
mod tests {
    use limbeck_results::Estimate;

    use super::*;

    #[test]
    fn a_head_is_called_after_what_it_does_most() {
        let score =
            |pattern, value, uniform| PatternScore { pattern, attention: Estimate::point(value), uniform };
        let scores = [
            score(HeadPattern::Previous, 0.5, 0.1),
            score(HeadPattern::Changed, 0.9, 0.6),
            score(HeadPattern::Induction, 0.45, 0.02),
            score(HeadPattern::Numbers, 0.3, 0.01),
        ];
        assert_eq!(called_after(&scores, 0.4), Some(HeadPattern::Induction));
        assert_eq!(called_after(&scores, 0.48), Some(HeadPattern::Previous));
        assert_eq!(called_after(&scores, 0.8), None);
    }
}
