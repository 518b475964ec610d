//! Where a decoder gets its weights: named tensors on the host, one at a time.

use std::collections::BTreeMap;

use super::error::WeightsError;

/// A tensor in plain memory.
#[derive(Debug, Clone, PartialEq)]
pub struct HostTensor {
    /// Sizes of the dimensions, outermost first.
    pub shape: Vec<usize>,
    /// The values in row-major order; as many as the product of `shape`.
    pub values: Vec<f32>,
}

impl HostTensor {
    /// A tensor of the given shape, after checking that the values fill it.
    ///
    /// # Errors
    /// [`WeightsError::ShapeMismatch`] when the number of values is not the product of the sizes.
    pub fn new(name: &str, shape: Vec<usize>, values: Vec<f32>) -> Result<Self, WeightsError> {
        match element_count(&shape) {
            Some(count) if count == values.len() => Ok(Self { shape, values }),
            _ => Err(WeightsError::ShapeMismatch { tensor: name.to_owned(), shape, values: values.len() }),
        }
    }

    /// The transpose of a matrix; tensors of any other rank are returned as they are.
    #[must_use]
    pub fn transposed(self) -> Self {
        let &[rows, columns] = self.shape.as_slice() else {
            return self;
        };
        let mut values = vec![0.0; self.values.len()];
        for (row, line) in self.values.chunks_exact(columns.max(1)).enumerate() {
            for (column, &value) in line.iter().enumerate() {
                values[column * rows + row] = value;
            }
        }
        Self { shape: vec![columns, rows], values }
    }
}

/// The product of the sizes, or `None` when it overflows.
pub(crate) fn element_count(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size))
}

/// Named tensors under the Hugging Face names of their family (GPT-2 without the `transformer.` prefix), in Hugging Face's
/// memory layout (`[out, in]` for linear layers, `[in, out]` for GPT-2's Conv1D).
pub trait WeightSource: Send {
    /// All names, sorted.
    fn names(&self) -> Vec<String>;

    /// The shape of one tensor.
    ///
    /// # Errors
    /// As [`WeightSource::tensor`].
    fn shape(&mut self, name: &str) -> Result<Vec<usize>, WeightsError> {
        Ok(self.tensor(name)?.shape)
    }

    /// One tensor, converted to `f32`.
    ///
    /// # Errors
    /// [`WeightsError::MissingTensor`] for an unknown name, [`WeightsError::NotFinite`] for infinite values and NaN in a file,
    /// otherwise what is wrong with the file.
    fn tensor(&mut self, name: &str) -> Result<HostTensor, WeightsError>;

    /// What the file itself calls a tensor, for messages.
    fn stored_name(&self, name: &str) -> String {
        name.to_owned()
    }

    /// Where the tensors come from, for messages.
    fn origin(&self) -> String {
        "memory".to_owned()
    }
}

/// Tensors held in memory.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MemoryWeights(pub BTreeMap<String, HostTensor>);

impl WeightSource for MemoryWeights {
    fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    fn shape(&mut self, name: &str) -> Result<Vec<usize>, WeightsError> {
        self.get(name).map(|tensor| tensor.shape.clone())
    }

    fn tensor(&mut self, name: &str) -> Result<HostTensor, WeightsError> {
        self.get(name).cloned()
    }
}

impl MemoryWeights {
    fn get(&self, name: &str) -> Result<&HostTensor, WeightsError> {
        self.0.get(name).ok_or_else(|| WeightsError::MissingTensor {
            tensor: name.to_owned(),
            origin: "memory".to_owned(),
        })
    }
}
