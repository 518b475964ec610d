//! The values that an ablation puts in place, for one batch of prompts.

use burn::tensor::{Tensor, TensorData};
use limbeck_eval::contrast::{ContrastGroup, ContrastTask};
use limbeck_model::{Capture, Decoder, NoTap, Site, SiteKind, TokenBatch};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::moments::{Moments, Spread, enough};
use super::{Ablation, Base};
use crate::AuditError;
use crate::means::gather;
use crate::rows::Row;
use crate::values::captured;

/// What an ablation needs to know about a whole task.
pub(crate) enum Source<'a> {
    Zero,
    Mean(Vec<Moments>),
    /// The prompt that each row's values come from.
    Donors(Vec<&'a [u32]>),
    Noise {
        size: f64,
        seed: u64,
        spread: Spread,
    },
}

impl<'a> Source<'a> {
    pub(crate) fn new(
        decoder: &Decoder,
        task: &'a ContrastTask,
        ablation: Ablation,
        base: Base,
        kinds: &[SiteKind],
        batch_size: usize,
    ) -> Result<Source<'a>, AuditError> {
        let moments = || -> Result<Vec<Moments>, AuditError> {
            task.groups.iter().map(|group| Moments::measure(decoder, group, kinds, batch_size)).collect()
        };
        Ok(match ablation {
            Ablation::Zero => Source::Zero,
            Ablation::Mean => Source::Mean(moments()?),
            Ablation::Partner => Source::Donors(
                task.prompts()
                    .map(|prompt| match base {
                        Base::Clean => prompt.corrupted.as_slice(),
                        Base::Corrupted => prompt.clean.as_slice(),
                    })
                    .collect(),
            ),
            Ablation::Resample { seed } => {
                let drawn = task.groups.iter().enumerate().map(|(index, group)| drawn(group, seed, index));
                Source::Donors(drawn.collect::<Result<Vec<_>, _>>()?.concat())
            }
            Ablation::Noise { size, seed } => {
                let spread = Spread::measure(decoder, &task.groups, &moments()?, kinds, batch_size)?;
                Source::Noise { size, seed, spread }
            }
        })
    }

    /// The values for prompts `first..first + rows.len()` of the task.
    pub(crate) fn batch<'b>(
        &'b self,
        decoder: &Decoder,
        first: usize,
        rows: &'b [Row<'b>],
    ) -> Result<Replacement<'b>, AuditError> {
        let donors = match self {
            Source::Donors(donors) => {
                let batch = TokenBatch::new(&donors[first..first + rows.len()], &decoder.device())?;
                Some((decoder.embed(&batch, &mut NoTap), Capture::default()))
            }
            _ => None,
        };
        Ok(Replacement { source: self, first, rows, donors })
    }
}

/// For each prompt of a group a corrupted prompt that is not its own partner.
fn drawn(group: &ContrastGroup, seed: u64, index: usize) -> Result<Vec<&[u32]>, AuditError> {
    enough(group)?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(index as u64);
    let others = group.corrupted.len() - 1;
    let mut other = |own: usize| {
        let at = rng.random_range(0..others);
        group.corrupted[if at >= own { at + 1 } else { at }].as_slice()
    };
    Ok((0..group.prompts.len()).map(&mut other).collect())
}

/// The values for one batch, layer by layer.
pub(crate) struct Replacement<'a> {
    source: &'a Source<'a>,
    first: usize,
    rows: &'a [Row<'a>],
    /// The donors' residual stream entering the next block, and what the last one computed.
    donors: Option<(Tensor<3>, Capture)>,
}

impl Replacement<'_> {
    /// Makes the values of a block's sites ready; blocks come in order.
    pub(crate) fn enter(&mut self, decoder: &Decoder, layer: usize, kinds: &[SiteKind]) {
        if let Some((resid, _)) = self.donors.take() {
            let mut seen = Capture::new(kinds.iter().map(|kind| Site::block(layer, *kind)));
            let next = decoder.run_blocks(layer..layer + 1, resid, &mut seen);
            self.donors = Some((next, seen));
        }
    }

    /// What stands at a site instead of `value`, `[batch, seq, width]`.
    pub(crate) fn instead(
        &self,
        layer: usize,
        kind: SiteKind,
        value: Tensor<3>,
    ) -> Result<Tensor<3>, AuditError> {
        match (self.source, &self.donors) {
            (Source::Zero, _) => Ok(value.zeros_like()),
            (Source::Mean(moments), _) => {
                let means = moments.iter().map(|moments| moments.mean(layer, kind));
                let means = means.collect::<Result<Vec<_>, _>>()?;
                Ok(gather(self.rows, value.dims()[1], |row| means[row.group].clone()))
            }
            (Source::Noise { size, seed, spread }, _) => {
                let noise = self.noise(*seed, layer, kind, &value);
                Ok(value + noise * spread.of(layer, kind)? * *size)
            }
            (Source::Donors(_), Some((_, seen))) => captured(seen, Site::block(layer, kind)),
            (Source::Donors(_), None) => Err(AuditError::Site { site: Site::block(layer, kind).to_string() }),
        }
    }

    /// Standard normal noise like `value`. Each prompt and site draws from a stream of its own, so that the batch does
    /// not matter.
    fn noise(&self, seed: u64, layer: usize, kind: SiteKind, value: &Tensor<3>) -> Tensor<3> {
        let dims = value.dims();
        let per_row = dims[1] * dims[2];
        let mut values = vec![0.0f32; dims[0] * per_row];
        for (row, values) in values.chunks_exact_mut(per_row).enumerate() {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let prompt = (self.first + row) as u64;
            rng.set_stream(prompt << 32 | (layer as u64) << 8 | kind as u64);
            let drawn = self.rows[row].prompt.clean.len() * dims[2];
            values[..drawn].iter_mut().for_each(|value| *value = rng.sample(StandardNormal));
        }
        Tensor::from_data(TensorData::new(values, dims), &value.device())
    }
}
