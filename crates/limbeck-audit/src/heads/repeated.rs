//! Where heads look in random tokens that are repeated once: previous, current, duplicate, induction, first.

use limbeck_eval::Encode;
use limbeck_model::{Capture, Decoder, NoTap, Site, SiteKind, TokenBatch};
use limbeck_results::HeadPattern;
use rand::SeedableRng;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;

use super::{HeadsConfig, Mass};
use crate::AuditError;
use crate::rows::read;

/// Sequences `leading, x_1 .. x_n, x_1 .. x_n` of distinct random tokens.
pub(super) struct Repeated {
    pub(super) rows: Vec<Vec<u32>>,
    pub(super) period: usize,
    leading: usize,
}

impl Repeated {
    /// Draws the sequences for a network. Tokens are drawn from the whole vocabulary, so that nothing but the repetition
    /// tells what comes next (Olsson et al. 2022).
    ///
    /// # Errors
    /// What the tokenizer says of its leading tokens.
    pub(super) fn draw(
        decoder: &Decoder,
        tokenizer: &dyn Encode,
        config: &HeadsConfig,
        seed: u64,
    ) -> Result<Repeated, AuditError> {
        let leading = tokenizer.leading()?;
        let (vocab, positions) = (decoder.config().vocab_size, decoder.config().max_positions);
        let period = config.period.min(vocab).min(positions.saturating_sub(leading.len()) / 2);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let rows = (0..config.sequences).map(|_| {
            let drawn: Vec<u32> = sample(&mut rng, vocab, period).into_iter().map(|id| id as u32).collect();
            [leading.as_slice(), &drawn, &drawn].concat()
        });
        Ok(Repeated { rows: rows.collect(), period, leading: leading.len() })
    }

    /// Mean attention of every head to each kind of position, sequence by sequence.
    ///
    /// Duplicate and induction look at queries in the second half, the others at all queries after the first position. The
    /// first position itself is left out of the previous and the current token.
    ///
    /// # Errors
    /// [`AuditError::Site`] when the decoder hands no pattern over.
    pub(super) fn masses(&self, decoder: &Decoder) -> Result<Vec<Vec<Mass>>, AuditError> {
        let (layers, heads) = (decoder.config().n_layers, decoder.config().n_heads);
        let mut found: Vec<Vec<Mass>> = vec![Vec::new(); layers * heads];
        // Two tokens are the least that repeat.
        if self.period < 2 {
            return Ok(found);
        }
        let length = self.leading + 2 * self.period;
        let second = self.leading + self.period;
        // Query and key of every entry that counts.
        let kinds: [(HeadPattern, Vec<(usize, usize)>); 5] = [
            (HeadPattern::Previous, (2..length).map(|q| (q, q - 1)).collect()),
            (HeadPattern::Duplicate, (second..length).map(|q| (q, q - self.period)).collect()),
            (HeadPattern::Induction, (second..length).map(|q| (q, q - self.period + 1)).collect()),
            (HeadPattern::Current, (1..length).map(|q| (q, q)).collect()),
            (HeadPattern::First, (1..length).map(|q| (q, 0)).collect()),
        ];
        for of_head in &mut found {
            *of_head = (kinds.iter())
                .map(|(pattern, entries)| Mass {
                    pattern: *pattern,
                    values: Vec::with_capacity(self.rows.len()),
                    uniform: entries.iter().map(|(q, _)| 1.0 / (q + 1) as f64).sum::<f64>()
                        / entries.len() as f64,
                })
                .collect();
        }
        let batch = TokenBatch::new(&self.rows, &decoder.device())?;
        let mut resid = decoder.embed(&batch, &mut NoTap);
        for layer in 0..layers {
            let site = Site::block(layer, SiteKind::Pattern);
            let mut capture = Capture::new([site]);
            resid = decoder.run_blocks(layer..layer + 1, resid, &mut capture);
            let pattern = capture.get4(site).ok_or_else(|| AuditError::Site { site: site.to_string() })?;
            let pattern = read(pattern, "attention patterns")?;
            for (at, map) in pattern.chunks_exact(length * length).enumerate() {
                for (mass, (_, entries)) in found[layer * heads + at % heads].iter_mut().zip(&kinds) {
                    let sum: f64 = entries.iter().map(|&(q, k)| f64::from(map[q * length + k])).sum();
                    mass.values.push(sum / entries.len() as f64);
                }
            }
        }
        Ok(found)
    }
}
