//! The trait of whoever answers, and the shape of questions and answers.

use std::fmt;

use burn::tensor::Tensor;
use limbeck_data::examples::TokenExample;
use limbeck_kernels::TeacherLogits;
use limbeck_model::{Components, Fill, Influence, Removed, Site};
use serde::{Deserialize, Serialize};

use crate::TeachError;

/// Which teacher it is; part of every fingerprint, so that signals of another teacher are never mistaken for its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeacherIdentity {
    /// BLAKE3 of its weights, hex.
    pub hash: String,
    /// Hash of its tokenizer, hex.
    pub tokenizer_hash: String,
    /// Rows of its head, padding included.
    pub vocab_size: usize,
    /// Where it came from, for people.
    pub origin: String,
}

/// What a teacher can give.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Capabilities {
    /// Generated text.
    pub text: bool,
    /// The likeliest k tokens of each position with the mass of the rest.
    pub top_k: Option<usize>,
    /// The whole distribution.
    pub logits: bool,
    /// Hidden states.
    pub hidden: bool,
    /// What its heads and MLPs say, how much each matters, and its answers without some of them.
    #[serde(default)]
    pub components: bool,
    /// The temperatures its distributions exist at; any, when absent.
    pub temperatures: Option<Vec<f64>>,
}

impl Capabilities {
    /// What a decoder on this machine gives: known before it is loaded.
    pub fn local() -> Self {
        Self { text: true, top_k: None, logits: true, hidden: true, components: true, temperatures: None }
    }

    /// What captured signals give.
    pub fn replay(k: usize, temperatures: Vec<f64>) -> Self {
        Self { top_k: Some(k), temperatures: Some(temperatures), ..Self::default() }
    }

    /// Whether its distributions exist at this temperature.
    pub fn has_temperature(&self, temperature: f64) -> bool {
        self.temperatures.as_ref().is_none_or(|known| known.contains(&temperature))
    }
}

impl fmt::Display for Capabilities {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if self.text {
            parts.push("text".to_string());
        }
        if self.logits {
            parts.push("full distributions".to_string());
        }
        if let Some(k) = self.top_k {
            parts.push(format!("the top {k} tokens"));
        }
        if self.hidden {
            parts.push("hidden states".to_string());
        }
        if self.components {
            parts.push("its heads and MLPs".to_string());
        }
        if let Some(temperatures) = &self.temperatures {
            let list: Vec<String> = temperatures.iter().map(f64::to_string).collect();
            parts.push(format!("temperatures {}", list.join(", ")));
        }
        match parts.is_empty() {
            true => out.write_str("nothing"),
            false => out.write_str(&parts.join("; ")),
        }
    }
}

/// One predicted token: `target = rows[row].ids[position + 1]`, predicted from the hidden state at `position`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prediction {
    /// Index in the batch.
    pub row: usize,
    /// Position of the hidden state, one before the target's.
    pub position: usize,
    /// The token of the data.
    pub target: u32,
}

/// The predictions of all scored tokens, row by row, in order of position.
pub fn predictions(rows: &[&TokenExample]) -> Vec<Prediction> {
    let mut found = Vec::new();
    for (row, example) in rows.iter().enumerate() {
        for (position, (&target, &scored)) in example.ids.iter().zip(&example.scored).enumerate() {
            if scored && position > 0 {
                found.push(Prediction { row, position: position - 1, target });
            }
        }
    }
    found
}

/// What the trainer asks about a batch.
#[derive(Debug, Clone, Copy, Default)]
pub struct TeacherQuery<'a> {
    /// The sequences.
    pub rows: &'a [&'a TokenExample],
    /// The predictions to be judged, n of them: those of [`predictions`].
    pub positions: &'a [Prediction],
    /// The temperatures at which distributions are wanted; none when empty.
    pub temperatures: &'a [f64],
    /// The sites (of rank 3) whose hidden states are wanted.
    pub sites: &'a [Site],
    /// The sites (of any rank) whose values are wanted whole, padding included.
    pub whole: &'a [Site],
    /// Over how many leading columns of the head its components' influence is wanted.
    pub influence: Option<usize>,
    /// Components of its own that it is to answer without.
    pub without: Option<(&'a Removed, Fill)>,
}

impl TeacherQuery<'_> {
    /// For a teacher that answers with distributions only: refuses a query that wants to look inside.
    pub(crate) fn refuse_inside(&self, gives: &Capabilities) -> Result<(), TeachError> {
        let asked = match (self.sites.first().or(self.whole.first()), self.influence, self.without) {
            (Some(site), ..) => format!("the values at {site}"),
            (_, Some(_), _) => "the influence of its components".to_owned(),
            (.., Some(_)) => "its answer without some components".to_owned(),
            _ => return Ok(()),
        };
        Err(TeachError::Beyond { asked, gives: gives.to_string() })
    }
}

/// A teacher's next-token distributions for the n predictions of a query.
#[derive(Debug)]
pub struct Distribution {
    /// The temperature they hold at; any, when absent.
    pub temperature: Option<f64>,
    /// The distributions.
    pub logits: TeacherLogits,
}

/// A teacher's answer to a [`TeacherQuery`].
#[derive(Debug, Default)]
pub struct Signal {
    /// One that holds at any temperature, or one for every asked temperature.
    pub distributions: Vec<Distribution>,
    /// One for every asked site, [n, width].
    pub hidden: Vec<Tensor<2>>,
    /// One for every site asked for whole.
    pub whole: Vec<SiteValue>,
    /// The influence of every component, where asked for.
    pub influence: Option<Influence>,
}

/// A whole value of a site.
#[derive(Debug, Clone)]
pub enum SiteValue {
    /// Of rank 3, [batch, seq, width].
    Rank3(Tensor<3>),
    /// Of rank 4, as [`limbeck_model::SiteKind`] says.
    Rank4(Tensor<4>),
}

impl Signal {
    /// Index of the distribution that holds at a temperature.
    pub fn find(&self, temperature: f64) -> Option<usize> {
        self.distributions.iter().position(|it| it.temperature.is_none_or(|known| known == temperature))
    }
}

/// Sizes of a teacher that shows hidden states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HiddenShape {
    /// Blocks.
    pub layers: usize,
    /// Width of the residual stream.
    pub width: usize,
    /// Query heads per block.
    pub heads: usize,
    /// Width of a head.
    pub head_width: usize,
}

impl HiddenShape {
    /// Its heads and MLPs.
    pub fn components(self) -> Components {
        Components { layers: self.layers, heads: self.heads }
    }
}

/// Whoever answers.
pub trait Teacher: Send + Sync {
    /// Which teacher it is.
    fn identity(&self) -> &TeacherIdentity;

    /// What it can give.
    fn capabilities(&self) -> Capabilities;

    /// Sizes of what it shows of its inside; `None` when it shows nothing.
    fn hidden_shape(&self) -> Option<HiddenShape>;

    /// Answers a query, without a gradient.
    ///
    /// # Errors
    /// When the query asks for more than [`Teacher::capabilities`] says, or the answer is not to be had.
    fn signal(&self, query: &TeacherQuery<'_>) -> Result<Signal, TeachError>;
}
