//! Writing GGUF version 3.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::blocks::TensorType;
use super::value::{Value, write_string};

const ALIGNMENT: usize = 32;

/// A tensor to be written: its form now, its bytes later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTensor {
    /// The name in the file.
    pub name: String,
    /// Sizes, outermost dimension first.
    pub shape: Vec<usize>,
    /// The stored type; rows must be whole blocks.
    pub kind: TensorType,
}

impl StoredTensor {
    /// Bytes of the data.
    #[must_use]
    pub fn size(&self) -> usize {
        self.shape.iter().product::<usize>() / self.kind.block() * self.kind.block_bytes()
    }
}

/// The head of a file to be written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GgufWriter {
    /// Keys and values, without `general.alignment` (the default, 32, is used).
    pub metadata: BTreeMap<String, Value>,
    /// The tensors in the order of their data.
    pub tensors: Vec<StoredTensor>,
}

impl GgufWriter {
    /// Writes the head, then the data that `data` gives for each tensor in turn.
    ///
    /// # Errors
    /// What `out` or `data` report, and [`io::ErrorKind::InvalidData`] when the data has not the size of the description.
    pub fn write(
        &self,
        out: &mut dyn Write,
        data: &mut dyn FnMut(&StoredTensor) -> io::Result<Vec<u8>>,
    ) -> io::Result<()> {
        let mut head = Vec::new();
        head.extend(b"GGUF");
        head.extend(3u32.to_le_bytes());
        head.extend((self.tensors.len() as u64).to_le_bytes());
        let keys: Vec<_> = self.metadata.iter().filter(|(key, _)| *key != "general.alignment").collect();
        head.extend((keys.len() as u64).to_le_bytes());
        for (key, value) in keys {
            write_string(&mut head, key);
            value.write(&mut head);
        }
        let mut offset = 0u64;
        for tensor in &self.tensors {
            write_string(&mut head, &tensor.name);
            head.extend((tensor.shape.len() as u32).to_le_bytes());
            for &size in tensor.shape.iter().rev() {
                head.extend((size as u64).to_le_bytes());
            }
            head.extend(tensor.kind.number().to_le_bytes());
            head.extend(offset.to_le_bytes());
            offset += tensor.size().next_multiple_of(ALIGNMENT) as u64;
        }
        head.resize(head.len().next_multiple_of(ALIGNMENT), 0);
        out.write_all(&head)?;
        for tensor in &self.tensors {
            let bytes = data(tensor)?;
            if bytes.len() != tensor.size() {
                let message = format!(
                    "tensor {}: {} bytes of data for {} described",
                    tensor.name,
                    bytes.len(),
                    tensor.size()
                );
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            out.write_all(&bytes)?;
            out.write_all(&vec![0; bytes.len().next_multiple_of(ALIGNMENT) - bytes.len()])?;
        }
        Ok(())
    }
}
