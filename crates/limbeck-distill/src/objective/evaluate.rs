//! The weighted sum of all objectives on one micro-batch, in as few products with the head as the teacher's signal allows.

use burn::tensor::Tensor;
use limbeck_kernels::{HeadTerm, HeadTermKind, TeacherLogits, head_losses};
use limbeck_model::{Both, Capture, Components, Fill, Gates, NoTap, Removed, Site, Tap};
use limbeck_teach::{HiddenShape, Signal};

use super::terms::scalar;
use super::{AblationKl, InfluenceMatching, MicroBatch, ObjectiveConfig, Terms, inside};
use crate::DistillError;
use crate::soundness::{Correspondence, Penalty, directional, share_distance};
use crate::trainer::Network;

/// The sum as it grows.
struct Sum {
    total: Option<Tensor<1>>,
    values: Vec<f64>,
    /// Factor of each objective; `None` for one that is left out.
    weights: Vec<Option<f64>>,
}

impl Sum {
    fn holds(&self, index: usize) -> bool {
        self.weights[index].is_some()
    }

    fn weight(&self, index: usize) -> f64 {
        self.weights[index].unwrap_or_default()
    }

    /// Adds a term that has its weight already.
    fn add(&mut self, term: Tensor<1>) {
        self.total = Some(match self.total.take() {
            Some(sum) => sum + term,
            None => term,
        });
    }

    /// Adds a share of an objective.
    fn weigh(&mut self, index: usize, loss: Tensor<1>, share: f64) {
        self.values[index] += scalar(&loss) * share;
        self.add(loss * (self.weight(index) * share));
    }
}

impl Terms {
    /// `sum_i w_i L_i` as a differentiable scalar [1], and every unweighted `L_i`.
    ///
    /// With `only`, the sum is that one objective with weight 1 and the other values are left at 0: one pass per
    /// objective gives the exact gradient of each.
    ///
    /// # Errors
    /// When the fused operation refuses its input, or a needed signal is missing.
    pub fn evaluate(
        &self,
        network: &Network,
        batch: &MicroBatch,
        only: Option<usize>,
    ) -> Result<(Tensor<1>, Vec<f64>), DistillError> {
        let weights = (0..self.len()).map(|index| match only {
            Some(one) => (one == index).then_some(1.0),
            None => Some(self.weight(index)),
        });
        let mut sum = Sum { total: None, values: vec![0.0; self.len()], weights: weights.collect() };
        if (0..self.len()).any(|index| sum.holds(index) && self.needs_main_pass(index, batch)) {
            self.main_pass(network, batch, &mut sum)?;
        }
        for index in (0..self.len()).filter(|&index| sum.holds(index)).collect::<Vec<_>>() {
            match &self.objectives[index] {
                ObjectiveConfig::AblationKl(it) => {
                    if let Some(removed) = batch.ablated.get(&index).and_then(|gone| gone.student.as_ref()) {
                        let hidden = hidden_without(network, batch, removed, it.fill);
                        self.ablation(index, it, network, batch, hidden, &mut sum)?;
                    }
                }
                ObjectiveConfig::InfluenceSpread(it) => {
                    let loss = self.influence(network, batch, it.step, |influence, margin| {
                        it.penalty(influence, margin)
                    })?;
                    sum.weigh(index, loss, 1.0);
                }
                ObjectiveConfig::InfluenceMatching(it) => {
                    let target = self.taught_influence(index, it, network, batch)?;
                    let loss = self.influence(network, batch, it.step, |influence, _| {
                        share_distance(influence, &target)
                    })?;
                    sum.weigh(index, loss, 1.0);
                }
                _ => {}
            }
        }
        match sum.total {
            Some(total) => Ok((total, sum.values)),
            None => Err(DistillError::NoObjective),
        }
    }

    /// Whether an objective is computed on the pass that all share.
    fn needs_main_pass(&self, index: usize, batch: &MicroBatch) -> bool {
        match &self.objectives[index] {
            ObjectiveConfig::InfluenceSpread(_) | ObjectiveConfig::InfluenceMatching(_) => false,
            ObjectiveConfig::AblationKl(_) => {
                batch.ablated.get(&index).is_none_or(|gone| gone.student.is_none())
            }
            _ => true,
        }
    }

    /// The pass all share: dropped components, head terms, hidden states, components compared.
    fn main_pass(&self, network: &Network, batch: &MicroBatch, sum: &mut Sum) -> Result<(), DistillError> {
        let chosen: Vec<usize> = (0..self.len()).filter(|&index| sum.holds(index)).collect();
        let pairs: Vec<usize> = (0..network.projections.len())
            .filter(|&pair| sum.holds(network.projections[pair].objective))
            .collect();
        let mut sites: Vec<Site> = pairs.iter().map(|&pair| network.projections[pair].student).collect();
        let compared: Vec<(usize, Vec<(Site, Site)>)> = match self.layers(network) {
            Some(layers) => chosen
                .iter()
                .map(|&index| (index, inside::sites(&self.objectives[index], layers)))
                .filter(|(_, pairs)| !pairs.is_empty())
                .collect(),
            None => Vec::new(),
        };
        sites.extend(compared.iter().flat_map(|(_, pairs)| pairs.iter().map(|(ours, _)| *ours)));
        let mut capture = Capture::new(sites);
        let mut gates = batch.dropped.as_ref().map(|dropped| {
            Gates::removing(dropped, self.dropout_fill(), &batch.tokens, &batch.places.device())
        });
        let mut nothing = NoTap;
        let dropout: &mut dyn Tap = match &mut gates {
            Some(gates) => gates,
            None => &mut nothing,
        };
        // What is compared is what components say before they are dropped.
        let stream = network.decoder.hidden(&batch.tokens, &mut Both(&mut capture, dropout));

        let heads: Vec<(usize, HeadTermKind)> =
            chosen.iter().filter_map(|&index| Some((index, self.objectives[index].head_term()?))).collect();
        let hidden = batch.gather(stream);
        if !heads.is_empty() {
            for (distribution, members) in self.groups(&heads, batch.signal.as_ref())? {
                let teacher = distribution
                    .and_then(|at| batch.signal.as_ref().map(|signal| &signal.distributions[at].logits));
                self.head(network, batch, hidden.clone(), teacher, &members, sum)?;
            }
        }
        for &pair in &pairs {
            let projection = &network.projections[pair];
            let index = projection.objective;
            let share = network.projections.iter().filter(|other| other.objective == index).count() as f64;
            let missing = || DistillError::Capability {
                objective: self.names[index].clone(),
                needs: format!("hidden states at {} and {}", projection.student, projection.teacher),
                gives: "they are missing in this step's signal".to_string(),
            };
            let taught =
                batch.signal.as_ref().and_then(|signal| signal.hidden.get(pair)).ok_or_else(missing)?;
            let learned = capture.get3(projection.student).ok_or_else(missing)?;
            let loss = projection.loss(batch.gather(learned), taught.clone());
            sum.weigh(index, loss, 1.0 / share);
        }
        if !compared.is_empty() {
            let tokens = batch.tokens_in_place();
            for (index, pairs) in &compared {
                let loss = inside::loss(&self.objectives[*index], pairs, &capture, &batch.taught, &tokens);
                sum.weigh(*index, loss.ok_or_else(|| self.missing(*index, "its components' outputs"))?, 1.0);
            }
        }
        for &index in &chosen {
            if let ObjectiveConfig::AblationKl(it) = &self.objectives[index]
                && self.needs_main_pass(index, batch)
            {
                self.ablation(index, it, network, batch, hidden.clone(), sum)?;
            }
        }
        Ok(())
    }

    /// Adds the divergence of an ablation from hidden states of the student's.
    fn ablation(
        &self,
        index: usize,
        it: &AblationKl,
        network: &Network,
        batch: &MicroBatch,
        hidden: Tensor<2>,
        sum: &mut Sum,
    ) -> Result<(), DistillError> {
        let without = batch.ablated.get(&index).and_then(|gone| gone.signal.as_ref());
        let signal = without.or(batch.signal.as_ref());
        let found =
            signal.and_then(|signal| Some(&signal.distributions[signal.find(it.temperature)?].logits));
        let teacher = found.ok_or_else(|| self.missing(index, "the teacher's distribution"))?;
        self.head(network, batch, hidden, Some(teacher), &[(index, it.term())], sum)
    }

    /// Adds terms over the vocabulary that listen to one distribution.
    fn head(
        &self,
        network: &Network,
        batch: &MicroBatch,
        hidden: Tensor<2>,
        teacher: Option<&TeacherLogits>,
        members: &[(usize, HeadTermKind)],
        sum: &mut Sum,
    ) -> Result<(), DistillError> {
        let terms: Vec<HeadTerm> =
            members.iter().map(|&(index, kind)| HeadTerm { kind, weight: sum.weight(index) }).collect();
        let losses = head_losses(
            hidden,
            network.decoder.head(),
            &batch.targets,
            teacher,
            &terms,
            self.vocab_used,
            network.decoder.precision(),
        )?;
        for (&(index, _), value) in members.iter().zip(&losses.values) {
            sum.values[index] = *value;
        }
        sum.add(losses.total);
        Ok(())
    }

    /// A penalty on the influence of the student's components, as a scalar with its gradient. Nothing is dropped here.
    fn influence(
        &self,
        network: &Network,
        batch: &MicroBatch,
        step: f64,
        penalty: impl Fn(&[f64], f64) -> Penalty,
    ) -> Result<Tensor<1>, DistillError> {
        let targets = batch.target_ids();
        let margin = batch.margin(&targets, self.vocab_used);
        let measured = margin.influence(&network.decoder, Fill::Mean)?;
        let penalty = penalty(&measured.by_component, measured.margin);
        Ok(directional(&network.decoder, &margin, &measured, &penalty, Fill::Mean, step))
    }

    /// The teacher's influence, summed over what stands behind each of the student's components.
    fn taught_influence(
        &self,
        index: usize,
        it: &InfluenceMatching,
        network: &Network,
        batch: &MicroBatch,
    ) -> Result<Vec<f64>, DistillError> {
        let missing = || self.missing(index, "the influence of its components");
        let measured =
            batch.signal.as_ref().and_then(|signal| signal.influence.as_ref()).ok_or_else(missing)?;
        let layers = self.layers(network).ok_or_else(missing)?;
        let teacher = self.teacher.map(HiddenShape::components).ok_or_else(missing)?;
        let config = network.decoder.config();
        let student = Components { layers: config.n_layers, heads: config.n_heads };
        let sizes: Vec<f64> = measured.by_component.iter().map(|influence| influence.abs()).collect();
        Ok(Correspondence::new(student, teacher, it.layers.spans(layers)).onto_student(&sizes))
    }

    fn missing(&self, index: usize, what: &str) -> DistillError {
        DistillError::Capability {
            objective: self.names[index].clone(),
            needs: format!("{what} of the teacher"),
            gives: "they are missing in this step's signal".to_string(),
        }
    }

    /// Divides the head terms by the teacher's distribution they listen to. A full distribution serves every
    /// temperature, so there is one group; a captured one serves one temperature each. Cross-entropy joins the first.
    fn groups(
        &self,
        heads: &[(usize, HeadTermKind)],
        signal: Option<&Signal>,
    ) -> Result<Vec<Group>, DistillError> {
        let mut groups: Vec<Group> = Vec::new();
        let mut without: Vec<(usize, HeadTermKind)> = Vec::new();
        for &(index, kind) in heads {
            let requirement = self.objectives[index].requires();
            if requirement.distribution.is_none() && !requirement.logits {
                without.push((index, kind));
                continue;
            }
            let found = match requirement.distribution {
                Some(temperature) => signal.and_then(|signal| signal.find(temperature)),
                None => signal.and_then(whole_logits),
            };
            let at = found.ok_or_else(|| DistillError::Capability {
                objective: self.names[index].clone(),
                needs: match requirement.distribution {
                    Some(temperature) => format!("the teacher's distribution at temperature {temperature}"),
                    None => "the teacher's whole logits".to_string(),
                },
                gives: "they are missing in this step's signal".to_string(),
            })?;
            match groups.iter_mut().find(|(distribution, _)| *distribution == Some(at)) {
                Some((_, members)) => members.push((index, kind)),
                None => groups.push((Some(at), vec![(index, kind)])),
            }
        }
        match groups.first_mut() {
            Some((_, members)) => members.append(&mut without),
            None => groups.push((None, without)),
        }
        Ok(groups)
    }
}

/// The student's hidden states of the predictions without some components.
fn hidden_without(network: &Network, batch: &MicroBatch, removed: &Removed, fill: Fill) -> Tensor<2> {
    let mut gates = Gates::removing(removed, fill, &batch.tokens, &batch.places.device());
    batch.gather(network.decoder.hidden(&batch.tokens, &mut gates))
}

/// Index of the teacher's distribution and the objectives that listen to it.
type Group = (Option<usize>, Vec<(usize, HeadTermKind)>);

/// Index of a distribution that is not cut to its likeliest outcomes.
fn whole_logits(signal: &Signal) -> Option<usize> {
    signal.distributions.iter().position(|it| !matches!(it.logits, TeacherLogits::Sparse(_)))
}
