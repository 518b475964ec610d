//! Rows of a table by index.

use std::sync::Arc;

use burn::tensor::{Int, Tensor, module};

use crate::buffer::{build, for_rows};
use crate::flex::{floats, from_floats};
use crate::operation::{Operation, Values, run};

/// Rows of `table` by `ids`: `[rows, width]` and `[batch, seq]` give `[batch, seq, width]`. The gradient of a row
/// is the sum over the places that named it, in their order.
///
/// # Panics
/// If an id is outside the table.
pub fn embedding(table: Tensor<2>, ids: Tensor<2, Int>) -> Tensor<3> {
    let [batch, seq] = ids.dims();
    let [rows, _] = table.dims();
    let places: Arc<[usize]> =
        ids.clone().into_data().iter::<i64>().map(|id| usize::try_from(id).unwrap_or(usize::MAX)).collect();
    assert!(places.iter().all(|&id| id < rows), "embedding: every id is a row of the table");
    run(Lookup { places, shape: [batch, seq] }, [table.clone().into()])
        .unwrap_or_else(|| module::embedding(table, ids))
}

#[derive(Debug)]
struct Lookup {
    places: Arc<[usize]>,
    shape: [usize; 2],
}

impl Operation<1> for Lookup {
    /// Rows and width of the table.
    type Saved = [usize; 2];

    fn forward(&self, [table]: [Values; 1], _: [bool; 1]) -> (Values, [usize; 2]) {
        let shape = table.layout().shape();
        let (rows, width) = (shape[0], shape[1]);
        let values = floats(&table);
        let out = build(self.places.len() * width, |out| {
            for_rows(out, width, |first, out| {
                for (out, &id) in out.chunks_exact_mut(width).zip(&self.places[first..]) {
                    out.write_copy_of_slice(&values[id * width..(id + 1) * width]);
                }
            });
        });
        let [batch, seq] = self.shape;
        (from_floats(out, [batch, seq, width].into()), [rows, width])
    }

    fn backward(&self, [rows, width]: [usize; 2], upstream: Values, _: [bool; 1]) -> [Option<Values>; 1] {
        let mut gradient = vec![0.0_f32; rows * width];
        for (upstream, &id) in floats(&upstream).chunks_exact(width.max(1)).zip(&*self.places) {
            let row = &mut gradient[id * width..(id + 1) * width];
            row.iter_mut().zip(upstream).for_each(|(sum, value)| *sum += value);
        }
        [Some(from_floats(gradient, [rows, width].into()))]
    }
}
