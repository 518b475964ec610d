//! Influence of every component at first order: what its gate does to the margin of the right tokens.

use burn::tensor::{Int, Tensor, TensorData};

use crate::decoder::{Decoder, TokenBatch};
use crate::error::ModelError;
use crate::gates::{Components, Fill, Gates};
use crate::parameter::floats;
use crate::tap::Tap;

/// The predictions a margin is taken over.
#[derive(Debug, Clone, Copy)]
pub struct Margin<'a> {
    /// The sequences.
    pub tokens: &'a TokenBatch,
    /// For each prediction, its row in the hidden states flattened to `[batch * seq, d]`.
    pub places: &'a Tensor<1, Int>,
    /// For each prediction, the right token.
    pub targets: &'a Tensor<1, Int>,
    /// Columns of the head that take part.
    pub columns: usize,
}

/// The margin and its derivatives by the gates.
#[derive(Debug, Clone, PartialEq)]
pub struct Influence {
    /// The margin M.
    pub margin: f64,
    /// `I_c = dM/dg_c` at g = 1, by component.
    pub by_component: Vec<f64>,
}

impl Margin<'_> {
    /// `M = mean over the predictions of (z_y - mean_v z_v)`: how far the right token's logit stands above the average one, `[1]`.
    ///
    /// Unlike a loss it does not go flat where the network is right, so that its derivative by a gate stays the
    /// share of the answer that a component carries. Formed from the hidden states and two rows of the head; no
    /// `[tokens, vocab]` exists.
    pub fn value(&self, decoder: &Decoder, tap: &mut dyn Tap) -> Tensor<1> {
        let hidden = decoder.hidden(self.tokens, tap);
        let [batch, seq, width] = hidden.dims();
        let hidden = hidden.reshape([batch * seq, width]).select(0, self.places.clone());
        let head = decoder.head().narrow(0, 0, self.columns);
        let right = head.clone().select(0, self.targets.clone()) - head.mean_dim(0);
        let count = self.targets.dims()[0].max(1) as f64;
        (hidden * right).sum() / count
    }

    /// The first-order effect of every component: `I_c = dM/dg_c = a_c . dM/da_c` (with [`Fill::Mean`]
    /// `(a_c - mean) . dM/da_c`), so that removing c takes about `I_c` off M.
    ///
    /// Source: the head importance of Michel, Levy, Neubig 2019 (arXiv 1905.10650), equation 2, here signed, summed over
    /// the predictions and of the margin instead of the loss, whose derivative vanishes where training has converged;
    /// attribution patching (Syed, Rager, Conmy 2023, arXiv 2310.10348) with zero or the mean as the corrupted value.
    ///
    /// # Errors
    /// [`ModelError::Gradient`] when the gates got no gradient.
    pub fn influence(&self, decoder: &Decoder, fill: Fill) -> Result<Influence, ModelError> {
        // Outside the graph only the gates are leaves: the way back forms no gradient of a weight.
        let decoder = decoder.clone().frozen();
        let config = decoder.config();
        let components = Components { layers: config.n_layers, heads: config.n_heads };
        let ones = TensorData::new(vec![1.0f32; components.count()], [components.count()]);
        let gates: Tensor<1> = Tensor::from_data(ones, &decoder.device()).autodiff().require_grad();
        let mut tap = Gates::of(gates.clone(), components, fill, self.tokens);
        let margin = self.value(&decoder, &mut tap);
        let value = floats(margin.clone().inner().into_data()).first().copied().unwrap_or(f32::NAN);
        let mut gradients = margin.backward();
        let found = gates.grad_remove(&mut gradients).ok_or(ModelError::Gradient { of: "the gates" })?;
        let by_component = floats(found.into_data()).into_iter().map(f64::from).collect();
        Ok(Influence { margin: f64::from(value), by_component })
    }
}
