//! The weighted sum of all objectives on one micro-batch, in as few passes of the student and products with the head as their
//! needs allow.

use burn::tensor::Tensor;
use limbeck_kernels::{HeadTerm, HeadTermKind, TeacherLogits, head_losses};
use limbeck_model::{Both, Capture, Gates, NoTap, Site, Tap};
use limbeck_teach::Signal;

use super::step::{Loss, SharedPass};
use super::{MicroBatch, Step, Terms};
use crate::DistillError;
use crate::trainer::Network;

/// The sum as it grows.
struct Sum {
    total: Option<Tensor<1>>,
    values: Vec<f64>,
}

impl Sum {
    fn add(&mut self, index: usize, loss: Loss) {
        self.values[index] = loss.value;
        loss.parts.into_iter().for_each(|part| self.add_part(part));
    }

    /// Adds a term that has its weight already.
    fn add_part(&mut self, part: Tensor<1>) {
        self.total = Some(match self.total.take() {
            Some(sum) => sum + part,
            None => part,
        });
    }
}

impl Terms {
    /// `sum_i w_i L_i` as a differentiable scalar [1], and every unweighted `L_i`. Terms over the vocabulary come first, then the
    /// others in the order of the recipe.
    ///
    /// With `only`, the sum is that one objective with weight 1 and the other values are left at 0: one pass per
    /// objective gives the exact gradient of each.
    ///
    /// # Errors
    /// When an operation refuses its input, or a needed signal is missing.
    pub fn evaluate(
        &self,
        network: &Network,
        batch: &MicroBatch,
        only: Option<usize>,
    ) -> Result<(Tensor<1>, Vec<f64>), DistillError> {
        let chosen: Vec<usize> =
            (0..self.len()).filter(|&index| only.is_none_or(|one| one == index)).collect();
        let weight = |index: usize| if only.is_some() { 1.0 } else { self.weight(index) };
        let mut sum = Sum { total: None, values: vec![0.0; self.len()] };
        let shared = match chosen.iter().any(|&index| self.shares_pass(index, batch)) {
            true => Some(self.shared_pass(network, batch, &chosen)),
            false => None,
        };
        if let Some(pass) = &shared {
            self.head_terms(network, batch, &pass.hidden, &chosen, &weight, &mut sum)?;
        }
        for &index in chosen.iter().filter(|&&index| self.objectives[index].needs().head.is_none()) {
            let step = Step {
                network,
                batch,
                index,
                name: &self.names[index],
                weight: weight(index),
                columns: self.vocab_used,
                layers: self.layers(network),
                teacher: self.teacher,
                shared: shared.as_ref(),
            };
            sum.add(index, self.objectives[index].loss(&step)?);
        }
        match sum.total {
            Some(total) => Ok((total, sum.values)),
            None => Err(DistillError::NoObjective),
        }
    }

    /// Whether an objective is computed on the pass that all share: not where its student lost components of its own.
    fn shares_pass(&self, index: usize, batch: &MicroBatch) -> bool {
        let whole = batch.ablated.get(&index).is_none_or(|gone| gone.student.is_none());
        whole && !self.objectives[index].needs().own_pass
    }

    /// The pass all share, with dropped components. What is captured is what components say before they are dropped.
    fn shared_pass(&self, network: &Network, batch: &MicroBatch, chosen: &[usize]) -> SharedPass {
        let projections = network.projections.iter().filter(|pair| chosen.contains(&pair.objective));
        let mut sites: Vec<Site> = projections.map(|pair| pair.student).collect();
        let layers = self.layers(network);
        let compared = chosen.iter().flat_map(|&index| self.objectives[index].needs().compared(layers));
        sites.extend(compared.map(|(ours, _)| ours));
        let mut capture = Capture::new(sites);
        let mut gates = batch.dropped.as_ref().map(|dropped| {
            Gates::removing(dropped, self.dropout_fill(), &batch.tokens, &batch.places.device())
        });
        let mut nothing = NoTap;
        let dropout: &mut dyn Tap = match &mut gates {
            Some(gates) => gates,
            None => &mut nothing,
        };
        let stream = network.decoder.hidden(&batch.tokens, &mut Both(&mut capture, dropout));
        SharedPass { hidden: batch.gather(stream), capture }
    }

    /// Adds the terms over the vocabulary, one fused operation for each of the teacher's distributions.
    fn head_terms(
        &self,
        network: &Network,
        batch: &MicroBatch,
        hidden: &Tensor<2>,
        chosen: &[usize],
        weight: &dyn Fn(usize) -> f64,
        sum: &mut Sum,
    ) -> Result<(), DistillError> {
        let heads: Vec<(usize, HeadTermKind)> =
            chosen.iter().filter_map(|&index| Some((index, self.objectives[index].needs().head?))).collect();
        if heads.is_empty() {
            return Ok(());
        }
        for (distribution, members) in self.groups(&heads, batch.signal.as_ref())? {
            let teacher = distribution
                .and_then(|at| batch.signal.as_ref().map(|signal| &signal.distributions[at].logits));
            let terms: Vec<HeadTerm> =
                members.iter().map(|&(index, kind)| HeadTerm { kind, weight: weight(index) }).collect();
            let losses = head_losses(
                hidden.clone(),
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
            sum.add_part(losses.total);
        }
        Ok(())
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
            let needs = self.objectives[index].needs();
            if needs.distribution.is_none() && !needs.logits {
                without.push((index, kind));
                continue;
            }
            let found = match needs.distribution {
                Some(temperature) => signal.and_then(|signal| signal.find(temperature)),
                None => signal.and_then(whole_logits),
            };
            let at = found.ok_or_else(|| DistillError::Capability {
                objective: self.names[index].clone(),
                needs: match needs.distribution {
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

/// Index of the teacher's distribution and the objectives that listen to it.
type Group = (Option<usize>, Vec<(usize, HeadTermKind)>);

/// Index of a distribution that is not cut to its likeliest outcomes.
fn whole_logits(signal: &Signal) -> Option<usize> {
    signal.distributions.iter().position(|it| !matches!(it.logits, TeacherLogits::Sparse(_)))
}
