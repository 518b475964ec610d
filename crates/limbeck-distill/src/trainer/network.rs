//! Everything that is trained: the student and the projections of its hidden-state objectives.

use burn::tensor::Tensor;
use limbeck_data::hash::hash_bytes;
use limbeck_model::{Decoder, Parameter};
use limbeck_teach::HiddenShape;

use crate::objective::hidden_mse::Beside;
use crate::objective::{Layers, ObjectiveConfig, Projection, term_names};

/// A decoder and its projections. The projections never leave the trainer.
#[derive(Debug, Clone)]
pub struct Network {
    /// The student, every parameter a leaf that keeps its gradient.
    pub decoder: Decoder,
    /// One projection per layer pair, in the order of the objectives.
    pub projections: Vec<Projection>,
}

impl Network {
    /// Makes a decoder trainable, with fresh projections towards a teacher of this depth and width.
    pub fn new(
        decoder: Decoder,
        objectives: &[ObjectiveConfig],
        teacher: Option<HiddenShape>,
        seed: u64,
    ) -> Self {
        let mut projections = Vec::new();
        let (width, depth) = (decoder.config().d_model, decoder.config().n_layers);
        let decoder = decoder.trainable();
        if let Some(shape) = teacher {
            let device = decoder.device().inner();
            let names = term_names(objectives);
            let layers = Layers { student: depth, teacher: shape.layers };
            for (index, objective) in objectives.iter().enumerate() {
                projections.extend(objective.projections(&Beside {
                    term: &names[index],
                    objective: index,
                    layers,
                    student_width: width,
                    teacher_width: shape.width,
                    seed,
                    device: &device,
                }));
            }
        }
        let network = Self { decoder, projections };
        network.map(&mut |_, parameter| parameter.require_grad())
    }

    /// The same values as gradient leaves of their own, so that several passes can run at the same time.
    pub fn replica(&self) -> Self {
        self.clone().map(&mut |_, parameter| parameter.require_grad())
    }

    /// Shows every trained tensor: the decoder's parameters in its own order, then the projections.
    pub fn visit(&self, see: &mut dyn FnMut(&str, &Parameter)) {
        self.decoder.visit(see);
        for projection in &self.projections {
            see(&projection.name, &Parameter::Matrix(projection.weight.clone()));
        }
    }

    /// Replaces every trained tensor, in the order of [`Network::visit`]. A replacement keeps its shape.
    #[must_use]
    pub fn map(self, change: &mut dyn FnMut(&str, Parameter) -> Parameter) -> Self {
        let decoder = self.decoder.map(change);
        let mut projections = self.projections;
        for projection in &mut projections {
            let nothing = Tensor::zeros([1, 1], &projection.weight.device().inner());
            let weight = std::mem::replace(&mut projection.weight, nothing);
            projection.weight = match change(&projection.name, Parameter::Matrix(weight)) {
                Parameter::Matrix(weight) => weight,
                Parameter::Vector(flat) => flat.unsqueeze_dim(0),
            };
        }
        Self { decoder, projections }
    }

    /// BLAKE3 over names, shapes and values of every trained tensor, hex.
    pub fn hash(&self) -> String {
        let mut parts = Vec::new();
        self.visit(&mut |name, parameter| {
            let bytes: Vec<u8> = parameter.to_vec().iter().flat_map(|value| value.to_le_bytes()).collect();
            parts.extend_from_slice(
                format!("{name} {:?} {}\n", parameter.shape(), hash_bytes(&bytes)).as_bytes(),
            );
        });
        hash_bytes(&parts)
    }

    /// The student alone, outside any gradient graph.
    pub fn into_decoder(self) -> Decoder {
        self.decoder.frozen()
    }
}
