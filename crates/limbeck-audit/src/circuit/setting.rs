//! What circuits are measured on: prompts, and what each component says when it is not in the circuit.

use burn::tensor::Tensor;
use limbeck_eval::contrast::ContrastTask;
use limbeck_model::{Decoder, NoTap, TokenBatch};

use super::NodeSet;
use crate::AuditError;
use crate::answers::Answers;
use crate::means::{Means, gather};
use crate::rows::{Row, check_readable, rows};

/// What a component says instead when it, or an edge from it, is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replacement {
    /// Its mean over the corrupted prompts of the group, per position.
    Mean,
    /// What it says on the corrupted version of the same prompt.
    Corrupted,
}

/// What every component writes, for each row of a batch.
#[derive(Debug, Clone)]
pub(crate) struct Writings {
    /// Embedding, `[batch, seq, d_model]`.
    pub(crate) embed: Tensor<3>,
    /// Weighted values of the heads by layer, `[batch, seq, heads, d_head]`.
    pub(crate) z: Vec<Tensor<4>>,
    /// Output of attention by layer, `[batch, seq, d_model]`.
    pub(crate) attention: Vec<Tensor<3>>,
    /// Output of the MLP by layer, `[batch, seq, d_model]`.
    pub(crate) mlp: Vec<Tensor<3>>,
}

impl Writings {
    /// Of an untouched forward pass.
    pub(crate) fn of(decoder: &Decoder, embed: Tensor<3>) -> Writings {
        let mut all = Writings { embed: embed.clone(), z: vec![], attention: vec![], mlp: vec![] };
        let mut resid = embed;
        for layer in 0..decoder.config().n_layers {
            let z = decoder.head_values(layer, resid.clone());
            let attention = decoder.attention_out(layer, z.clone());
            let mid = resid + attention.clone();
            let mlp = decoder.mlp_out(layer, mid.clone());
            resid = mid + mlp.clone();
            all.z.push(z);
            all.attention.push(attention);
            all.mlp.push(mlp);
        }
        all
    }
}

/// Some prompts, ready to be run with any part of the network removed.
pub(crate) struct Batch {
    pub(crate) answers: Answers,
    /// The clean embedding, `[batch, seq, d_model]`.
    pub(crate) embed: Tensor<3>,
    /// What removed components say.
    pub(crate) away: Writings,
    /// The outputs of removed attention and MLPs at the last positions, by layer, `[batch, 1, d_model]`.
    pub(crate) attention_last: Vec<Tensor<3>>,
    pub(crate) mlp_last: Vec<Tensor<3>>,
}

/// A network, the prompts and their logit differences in the whole network.
pub(crate) struct Setting<'a> {
    pub(crate) decoder: &'a Decoder,
    pub(crate) batches: Vec<Batch>,
    /// `LD` of the whole network, one per prompt.
    pub(crate) full: Vec<f64>,
    /// `LD` with every component removed, one per prompt, where that is what scores are judged above.
    nothing: Option<Vec<f64>>,
}

impl<'a> Setting<'a> {
    /// Prepares at most `prompts` of the task's prompts, spread evenly.
    pub(crate) fn new(
        decoder: &'a Decoder,
        task: &ContrastTask,
        replacement: Replacement,
        prompts: usize,
        batch_size: usize,
    ) -> Result<Setting<'a>, AuditError> {
        check_readable(decoder, task)?;
        let chosen = spread(rows(task), prompts);
        let means = match replacement {
            Replacement::Mean => {
                let means = |corrupted| GroupMeans::measure(decoder, corrupted, batch_size);
                task.groups.iter().map(|group| means(&group.corrupted)).collect::<Result<Vec<_>, _>>()?
            }
            Replacement::Corrupted => vec![],
        };
        let batch = |rows: &[Row]| -> Result<Batch, AuditError> {
            let embed = embedded(decoder, rows.iter().map(|row| row.prompt.clean.as_slice()))?;
            let away = match replacement {
                Replacement::Mean => gathered(decoder, rows, &means, embed.dims()[1]),
                Replacement::Corrupted => {
                    let corrupted = rows.iter().map(|row| row.prompt.corrupted.as_slice());
                    Writings::of(decoder, embedded(decoder, corrupted)?)
                }
            };
            let answers = Answers::new(decoder, rows);
            let last = |all: &[Tensor<3>]| all.iter().map(|out| answers.at_last(out.clone())).collect();
            Ok(Batch {
                attention_last: last(&away.attention),
                mlp_last: last(&away.mlp),
                answers,
                embed,
                away,
            })
        };
        let batches = chosen.chunks(batch_size).map(batch).collect::<Result<Vec<_>, _>>()?;
        let mut setting = Setting { decoder, batches, full: vec![], nothing: None };
        setting.full = setting.differences(&setting.whole())?;
        Ok(setting)
    }

    /// Judges what is kept by what the components add: by the score above that with every component removed.
    pub(crate) fn judged_above_nothing(mut self) -> Result<Setting<'a>, AuditError> {
        let decoder = self.decoder.config();
        self.nothing = Some(self.differences(&NodeSet::empty(decoder.n_layers, decoder.n_heads))?);
        Ok(self)
    }

    /// What there is to keep: the sum over prompts of `LD`, above that with every component removed where scores are
    /// judged so.
    pub(crate) fn to_keep(&self) -> f64 {
        self.full.iter().sum::<f64>() - self.base()
    }

    fn base(&self) -> f64 {
        self.nothing.as_ref().map_or(0.0, |nothing| nothing.iter().sum())
    }

    /// `100 * (sum(LD) - sum(LD_nothing)) / (sum(LD_full) - sum(LD_nothing))`, in percent: what circuits are judged by;
    /// without the sums of `LD_nothing` unless [`Setting::judged_above_nothing`].
    pub(crate) fn kept(&self, differences: &[f64]) -> f64 {
        100.0 * (differences.iter().sum::<f64>() - self.base()) / self.to_keep()
    }

    /// All components of the network.
    pub(crate) fn whole(&self) -> NodeSet {
        NodeSet::whole(self.decoder.config().n_layers, self.decoder.config().n_heads)
    }

    /// `100 * sum(LD) / sum(LD_full)`, in percent.
    pub(crate) fn score(&self, differences: &[f64]) -> f64 {
        100.0 * differences.iter().sum::<f64>() / self.full.iter().sum::<f64>()
    }
}

/// `count` of the items at equal distances, or all of them where there are fewer.
pub(crate) fn spread<T>(items: Vec<T>, count: usize) -> Vec<T> {
    let total = items.len();
    if total <= count {
        return items;
    }
    let mut chosen = (0..count).map(|index| index * total / count).peekable();
    let kept = items.into_iter().enumerate().filter(|(at, _)| chosen.next_if_eq(at).is_some());
    kept.map(|(_, item)| item).collect()
}

/// The residual stream entering the first block.
pub(crate) fn embedded<'t>(
    decoder: &Decoder,
    tokens: impl Iterator<Item = &'t [u32]>,
) -> Result<Tensor<3>, AuditError> {
    let tokens: Vec<&[u32]> = tokens.collect();
    Ok(decoder.embed(&TokenBatch::new(&tokens, &decoder.device())?, &mut NoTap))
}

/// Means over a group's corrupted prompts.
struct GroupMeans {
    /// `[1, seq, d_model]`.
    embed: Tensor<3>,
    components: Means,
}

impl GroupMeans {
    fn measure(
        decoder: &Decoder,
        corrupted: &[Vec<u32>],
        batch_size: usize,
    ) -> Result<GroupMeans, AuditError> {
        let mut embed: Option<Tensor<3>> = None;
        for chunk in corrupted.chunks(batch_size) {
            let sum = embedded(decoder, chunk.iter().map(Vec::as_slice))?.sum_dim(0);
            embed = Some(match embed {
                Some(before) => before + sum,
                None => sum,
            });
        }
        let embed = embed.ok_or(AuditError::Mismatch { what: "corrupted prompts", first: 0, second: 1 })?;
        let components = Means::measure(decoder, corrupted, batch_size)?;
        Ok(GroupMeans { embed: embed / corrupted.len() as f64, components })
    }
}

fn gathered(decoder: &Decoder, rows: &[Row], means: &[GroupMeans], length: usize) -> Writings {
    let of = |row: &Row| &means[row.group];
    let layers = 0..decoder.config().n_layers;
    let z: Vec<Tensor<4>> =
        layers.clone().map(|layer| gather(rows, length, |row| of(row).components.z[layer].clone())).collect();
    Writings {
        embed: gather(rows, length, |row| of(row).embed.clone()),
        attention: layers.clone().map(|layer| decoder.attention_out(layer, z[layer].clone())).collect(),
        mlp: layers.map(|layer| gather(rows, length, |row| of(row).components.mlp[layer].clone())).collect(),
        z,
    }
}
