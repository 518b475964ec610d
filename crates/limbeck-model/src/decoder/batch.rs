//! A batch of token sequences.

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::error::ModelError;

/// Token sequences of unequal length, padded on the right.
///
/// Attention is causal, so that padding on the right changes nothing before it.
#[derive(Debug, Clone)]
pub struct TokenBatch {
    /// Token ids, `[batch, seq]`, padded with 0.
    pub ids: Tensor<2, Int>,
    /// Length of each sequence before padding.
    pub lengths: Vec<usize>,
}

impl TokenBatch {
    /// Pads `rows` to their longest.
    ///
    /// # Errors
    /// A batch without rows, or an empty row.
    pub fn new<R: AsRef<[u32]>>(rows: &[R], device: &Device) -> Result<Self, ModelError> {
        let lengths: Vec<usize> = rows.iter().map(|row| row.as_ref().len()).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        if let Some(row) = lengths.iter().position(|&n| n == 0) {
            return Err(empty(row));
        }
        if rows.is_empty() {
            return Err(empty(0));
        }
        let mut ids = vec![0i32; rows.len() * longest];
        for (row, line) in rows.iter().zip(ids.chunks_exact_mut(longest)) {
            for (slot, &id) in line.iter_mut().zip(row.as_ref()) {
                *slot = id as i32;
            }
        }
        let data = TensorData::new(ids, [rows.len(), longest]);
        Ok(Self { ids: Tensor::from_data(data, device), lengths })
    }

    /// `[batch, seq]`.
    pub fn dims(&self) -> [usize; 2] {
        self.ids.dims()
    }

    /// The index of each row's last token in the flattened `[batch * seq]`.
    pub fn last_positions(&self) -> Vec<usize> {
        let width = self.dims()[1];
        let rows = self.lengths.iter().enumerate();
        rows.map(|(row, length)| row * width + length - 1).collect()
    }
}

fn empty(row: usize) -> ModelError {
    ModelError::Length { row, found: 0, most: usize::MAX }
}
