//! Checkpoints of a network saved without its head, as transformers' `LlamaModel.save_pretrained` writes them: the same tensors
//! without `model.` before their names. (GPT-2's `transformer.` is taken off by the reader of safetensors.)

use std::collections::{BTreeMap, BTreeSet};

use crate::config::Family;
use crate::weights::{HostTensor, WeightSource, WeightsError};

/// The part of a language model that has no head, in the names of a checkpoint with one.
const PREFIX: &str = "model.";
/// How the names of its tensors begin where that is left out.
pub(super) const BARE: [&str; 3] = ["embed_tokens.", "layers.", "norm."];

/// A checkpoint under the names of one with a head. A tensor that is stored under both names is listed under both, so that the one
/// without a place is refused: such a file holds two networks.
pub(super) struct Prefixed<'a> {
    source: &'a mut dyn WeightSource,
    /// The name in the source of every tensor, by its name with the prefix.
    stored: BTreeMap<String, String>,
    bare: bool,
}

impl<'a> Prefixed<'a> {
    pub(super) fn new(family: Family, source: &'a mut dyn WeightSource) -> Self {
        let names: BTreeSet<String> = source.names().into_iter().collect();
        let is_bare = |name: &str| family != Family::Gpt2 && BARE.iter().any(|part| name.starts_with(part));
        let mut bare = false;
        let mut stored = BTreeMap::new();
        for name in &names {
            let full = format!("{PREFIX}{name}");
            let renamed = is_bare(name) && !names.contains(&full);
            bare |= renamed;
            stored.insert(if renamed { full } else { name.clone() }, name.clone());
        }
        Self { source, stored, bare }
    }

    /// Whether tensors of the network lie there without the prefix.
    pub(super) fn is_bare(&self) -> bool {
        self.bare
    }

    /// The name in the source. What is absent from a bare checkpoint is missed under its bare name.
    fn inner(&self, name: &str) -> String {
        let absent = || if self.bare { name.strip_prefix(PREFIX).unwrap_or(name) } else { name };
        self.stored.get(name).map_or_else(absent, String::as_str).to_owned()
    }
}

impl WeightSource for Prefixed<'_> {
    fn names(&self) -> Vec<String> {
        self.stored.keys().cloned().collect()
    }

    fn shape(&mut self, name: &str) -> Result<Vec<usize>, WeightsError> {
        let name = self.inner(name);
        self.source.shape(&name)
    }

    fn tensor(&mut self, name: &str) -> Result<HostTensor, WeightsError> {
        let name = self.inner(name);
        self.source.tensor(&name)
    }

    fn stored_name(&self, name: &str) -> String {
        self.source.stored_name(&self.inner(name))
    }

    fn origin(&self) -> String {
        self.source.origin()
    }
}
