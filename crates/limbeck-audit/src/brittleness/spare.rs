//! Spare capacity: how much of a removed component's effect others take over.

use burn::tensor::Tensor;
use limbeck_data::progress::Progress;
use limbeck_eval::contrast::ContrastTask;
use limbeck_model::{Capture, Decoder, NoTap, Site, SiteKind, TokenBatch};
use limbeck_results::{Repair, SpareCapacity, component_label};
use limbeck_stats::Bootstrap;

use crate::answers::Answers;
use crate::influence::component;
use crate::means::{Means, gather};
use crate::rows::{Row, check_readable, rows, stop_if_asked};
use crate::{AuditError, Sweep};

/// Components listed with their effects.
const LISTED: usize = 12;

/// Spare capacity of `decoder` on `task`; `sweep` is its mean-ablation sweep over it.
///
/// The direct effect `D` of a component is what `LD` loses when its mean over the corrupted prompts takes its place
/// in the final residual stream at the last position, and nowhere before; the final norm sees the change. The total
/// effect `T` is what the sweep finds. Then `D - T` is what later components make good (self-repair: McGrath et al.
/// 2023; Rushing & Nanda 2024, without the part of the final norm), and the spare capacity is
/// `sum of clamp(D - T, 0, D) / sum of D` over the components with `D > 0`, each mean taken over prompts first. Noise
/// in `T` can only raise it. 95% bootstrap intervals resample prompts.
///
/// # Errors
/// [`AuditError::Mismatch`] when the sweep is of other prompts or components, [`AuditError::Stats`] when a resample has no
/// logit difference, [`AuditError::Cancelled`] on request.
pub fn spare_capacity(
    decoder: &Decoder,
    task: &ContrastTask,
    sweep: &Sweep,
    batch_size: usize,
    bootstrap: &Bootstrap,
    progress: &dyn Progress,
) -> Result<SpareCapacity, AuditError> {
    check_readable(decoder, task)?;
    let means = (task.groups.iter())
        .map(|group| Means::measure(decoder, &group.corrupted, batch_size))
        .collect::<Result<Vec<Means>, AuditError>>()?;
    let mut direct = Vec::with_capacity(sweep.ablated.len());
    for rows in rows(task).chunks(batch_size) {
        stop_if_asked(progress)?;
        direct.extend(without_directly(decoder, rows, &means)?);
    }
    from_effects(&direct, sweep, bootstrap)
}

/// `LD` with each component's mean in its place in the final residual stream only, `[prompt, component]`.
fn without_directly(decoder: &Decoder, rows: &[Row], means: &[Means]) -> Result<Vec<f64>, AuditError> {
    let config = decoder.config();
    let (heads, d_head) = (config.n_heads, config.d_head);
    let ids: Vec<&[u32]> = rows.iter().map(|row| row.prompt.clean.as_slice()).collect();
    let answers = Answers::new(decoder, rows);
    let mut resid = decoder.embed(&TokenBatch::new(&ids, &decoder.device())?, &mut NoTap);
    let [batch, length, _] = resid.dims();
    let mut changes: Vec<Tensor<3>> = Vec::new();
    for layer in 0..config.n_layers {
        let [z, mlp] = [SiteKind::Z, SiteKind::MlpOut].map(|kind| Site::block(layer, kind));
        let missing = |site: Site| move || AuditError::Site { site: site.to_string() };
        let mut seen = Capture::new([z, mlp]);
        resid = decoder.run_blocks(layer..layer + 1, resid, &mut seen);
        let mean = gather(rows, length, |row| means[row.group].z[layer].clone());
        let away = mean - seen.get4(z).ok_or_else(missing(z))?;
        let away = answers.at_last(away.reshape([batch, length, heads * d_head]));
        changes.extend((0..heads).map(|head| {
            decoder.project_heads(layer, head..head + 1, away.clone().narrow(2, head * d_head, d_head))
        }));
        let mean = gather(rows, length, |row| means[row.group].mlp[layer].clone());
        changes.push(answers.at_last(mean - seen.get3(mlp).ok_or_else(missing(mlp))?));
    }
    let whole = answers.at_last(resid);
    let columns = changes
        .into_iter()
        .map(|change| answers.differences_at_last(decoder, whole.clone() + change))
        .collect::<Result<Vec<Vec<f64>>, AuditError>>()?;
    Ok((0..rows.len()).flat_map(|prompt| columns.iter().map(move |column| column[prompt])).collect())
}

/// Spare capacity from `LD` without each component's direct effect, `[prompt, component]`, and the sweep.
fn from_effects(direct: &[f64], sweep: &Sweep, bootstrap: &Bootstrap) -> Result<SpareCapacity, AuditError> {
    let components = sweep.components();
    if direct.len() != sweep.ablated.len() {
        let (first, second) = (direct.len(), sweep.ablated.len());
        return Err(AuditError::Mismatch { what: "prompts times components", first, second });
    }
    let mut losses = vec![(0.0, 0.0); components];
    let mut sum = |chosen: &[usize]| -> (f64, Vec<(f64, f64)>) {
        losses.fill((0.0, 0.0));
        let mut whole = 0.0;
        for &prompt in chosen {
            let full = sweep.full[prompt];
            whole += full;
            let places = prompt * components..(prompt + 1) * components;
            let values = direct[places.clone()].iter().zip(&sweep.ablated[places]);
            for (loss, (direct, ablated)) in losses.iter_mut().zip(values) {
                loss.0 += full - direct;
                loss.1 += full - ablated;
            }
        }
        (whole, losses.clone())
    };
    let everyone: Vec<usize> = (0..sweep.prompts()).collect();
    let (whole, point) = sum(&everyone);
    let mut order: Vec<usize> = (0..components).collect();
    order.sort_by(|&a, &b| (point[b].0 / whole).total_cmp(&(point[a].0 / whole)));
    order.truncate(LISTED);
    let estimates = bootstrap.statistics(sweep.prompts(), 1 + order.len(), |chosen, out| {
        let (whole, losses) = sum(chosen);
        let direct: f64 = losses.iter().map(|(direct, _)| direct.max(0.0)).sum();
        let repaired: f64 = (losses.iter().filter(|(direct, _)| *direct > 0.0))
            .map(|(direct, total)| (direct - total).clamp(0.0, *direct))
            .sum();
        out[0] = if direct > 0.0 { repaired / direct } else { 0.0 };
        for (value, &index) in out[1..].iter_mut().zip(&order) {
            *value = 100.0 * losses[index].0 / whole;
        }
    })?;
    let listed = order.iter().zip(&estimates[1..]).map(|(&index, &direct)| {
        let (_, layer, head) = component(index, sweep.heads);
        Repair { component: component_label(layer, head), direct, total: 100.0 * point[index].1 / whole }
    });
    Ok(SpareCapacity { taken_over: estimates[0], components: listed.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planted_effects() {
        // LD 10 on both prompts. Direct losses 6, 4 and -1; total losses 2, 8 and 0: 4 of 10 made good.
        let sweep = Sweep {
            layers: 1,
            heads: 2,
            full: vec![10.0, 10.0],
            correct: vec![true, true],
            ablated: vec![8.0, 2.0, 10.0, 8.0, 2.0, 10.0],
        };
        let direct = [4.0, 6.0, 11.0, 4.0, 6.0, 11.0];
        let found = from_effects(&direct, &sweep, &Bootstrap::default().with_resamples(20)).unwrap();
        assert!((found.taken_over.value - 0.4).abs() < 1e-12 && !found.taken_over.has_interval());
        let listed: Vec<(&str, f64, f64)> = (found.components.iter())
            .map(|one| (one.component.as_str(), one.direct.value, one.total))
            .collect();
        assert_eq!(listed, [("0.0", 60.0, 20.0), ("0.1", 40.0, 80.0), ("MLP 0", -10.0, 0.0)]);
        assert!(from_effects(&direct[1..], &sweep, &Bootstrap::default()).is_err());
    }
}
