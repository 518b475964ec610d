//! Comparison of what the components of both networks say.

use std::collections::BTreeMap;

use burn::tensor::{Int, Tensor};
use limbeck_model::{Capture, Site, SiteKind};
use limbeck_teach::SiteValue;

use super::{LayerMapping, Layers, ObjectiveConfig};

/// The sites an objective compares within each layer pair, and its mapping; `None` for the other objectives.
pub(super) fn compared(objective: &ObjectiveConfig) -> Option<(&'static [SiteKind], &LayerMapping)> {
    match objective {
        ObjectiveConfig::AttentionMatching(it) => Some((&[SiteKind::Pattern], &it.layers)),
        ObjectiveConfig::HeadMatching(it) => Some((&[SiteKind::Z], &it.layers)),
        ObjectiveConfig::ComponentCka(it) => Some((&[SiteKind::Z, SiteKind::MlpOut], &it.layers)),
        _ => None,
    }
}

/// Pairs of sites (student, teacher) of such an objective, in order.
pub(super) fn sites(objective: &ObjectiveConfig, layers: Layers) -> Vec<(Site, Site)> {
    let Some((kinds, mapping)) = compared(objective) else { return Vec::new() };
    let pairs = mapping.pairs(layers).into_iter();
    let sites = pairs.flat_map(|[student, teacher]| {
        kinds.iter().map(move |&kind| (Site::block(student, kind), Site::block(teacher, kind)))
    });
    sites.collect()
}

/// The mean loss, [1], over the pairs of sites; `None` when a value is missing.
pub(super) fn loss(
    objective: &ObjectiveConfig,
    pairs: &[(Site, Site)],
    student: &Capture,
    teacher: &BTreeMap<Site, SiteValue>,
    tokens: &Tensor<1, Int>,
) -> Option<Tensor<1>> {
    let mut losses: Vec<Tensor<1>> = Vec::new();
    for (ours, theirs) in pairs {
        match teacher.get(theirs)? {
            SiteValue::Rank4(theirs) => {
                let (ours, theirs) = (student.get4(*ours)?, theirs.clone());
                match objective {
                    ObjectiveConfig::AttentionMatching(it) => losses.push(it.loss(ours, theirs, tokens)),
                    ObjectiveConfig::HeadMatching(it) => losses.push(it.loss(ours, theirs, tokens)),
                    ObjectiveConfig::ComponentCka(it) => losses.extend(it.heads(ours, theirs, tokens)),
                    _ => return None,
                }
            }
            SiteValue::Rank3(theirs) => match objective {
                ObjectiveConfig::ComponentCka(it) => {
                    losses.push(it.mlp(student.get3(*ours)?, theirs.clone(), tokens));
                }
                _ => return None,
            },
        }
    }
    (!losses.is_empty()).then(|| Tensor::cat(losses, 0).mean())
}

/// Both sides [n, heads, width], or their means over the heads, [n, 1, width], where the numbers of heads differ.
pub(super) fn mean_over_heads(student: Tensor<3>, teacher: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
    match student.dims()[1] == teacher.dims()[1] {
        true => (student, teacher),
        false => (student.mean_dim(1), teacher.mean_dim(1)),
    }
}
