//! Rows of a table by index.

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::{
    BalancedCheckpointing, CheckpointStrategy, NoCheckpointing,
};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, DispatchKindConversion, DispatchTensor, Flex};
use burn::tensor::{DType, Int, Tensor, module};

use crate::buffer::{build, for_rows};
use crate::flex::{contiguous, floats, from_floats};
use crate::operation::Values;
use crate::plain::plain;

/// Rows of `table` by `ids`: `[rows, width]` and `[batch, seq]` give `[batch, seq, width]`. The gradient of a row
/// is the sum over the places that named it, in their order.
///
/// Where the table's gradient exists already, as that of a tied head does, the rows are added to it in place: a
/// second table of zeros is never made.
///
/// # Panics
/// If an id is outside the table.
pub fn embedding(table: Tensor<2>, ids: Tensor<2, Int>) -> Tensor<3> {
    let shape = ids.dims();
    let [rows, _] = table.dims();
    let places: Arc<[usize]> =
        ids.clone().into_data().iter::<i64>().map(|id| usize::try_from(id).unwrap_or(usize::MAX)).collect();
    assert!(places.iter().all(|&id| id < rows), "embedding: every id is a row of the table");
    fused(&table, &places, shape).unwrap_or_else(|| module::embedding(table, ids))
}

fn fused(table: &Tensor<2>, places: &Arc<[usize]>, shape: [usize; 2]) -> Option<Tensor<3>> {
    if plain() || table.dtype() != DType::F32 {
        return None;
    }
    if !table.is_autodiff() {
        let values = contiguous(table.clone())?;
        return Some(Tensor::from_primitive::<Flex>(rows_of(&values, places, shape)));
    }
    tracked::<NoCheckpointing>(table, places, shape)
        .or_else(|| tracked::<BalancedCheckpointing>(table, places, shape))
}

fn tracked<C: CheckpointStrategy>(
    table: &Tensor<2>,
    places: &Arc<[usize]>,
    shape: [usize; 2],
) -> Option<Tensor<3>>
where
    DispatchTensor: DispatchKindConversion<Autodiff<Flex, C>>,
{
    let table = table.clone().try_into_primitive::<Autodiff<Flex, C>>().ok()?;
    let result = rows_of(&table.primitive().to_contiguous(), places, shape);
    let result = match Lookup.prepare::<C>([table.node()]).compute_bound().stateful() {
        OpsKind::Tracked(preparation) => preparation.finish(Saved { table, places: places.clone() }, result),
        OpsKind::UnTracked(preparation) => preparation.finish(result),
    };
    Some(Tensor::from_primitive::<Autodiff<Flex, C>>(result))
}

fn rows_of(table: &Values, places: &[usize], [batch, seq]: [usize; 2]) -> Values {
    let width = table.layout().shape()[1];
    let values = floats(table);
    let out = build(places.len() * width, |out| {
        for_rows(out, width, |first, out| {
            for (out, &id) in out.chunks_exact_mut(width).zip(&places[first..]) {
                out.write_copy_of_slice(&values[id * width..(id + 1) * width]);
            }
        });
    });
    from_floats(out, [batch, seq, width].into())
}

#[derive(Debug)]
struct Lookup;

/// The table, by which its gradient is found, and the rows taken.
#[derive(Debug, Clone)]
struct Saved {
    table: FloatTensor<Autodiff<Flex>>,
    places: Arc<[usize]>,
}

impl Backward<Flex, 1> for Lookup {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let upstream = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let Saved { table, places } = ops.state;
        let shape = table.primitive().layout().shape().clone();
        let (width, length) = (shape[1], shape.num_elements());
        let mut sum = match gradients.remove::<Flex>(&table) {
            Some(sum) => sum.to_contiguous(),
            None => from_floats(vec![0.0; length], shape),
        };
        let start = sum.layout().start_offset();
        let values = &mut sum.storage_mut::<f32>()[start..start + length];
        for (upstream, &id) in floats(&upstream).chunks_exact(width.max(1)).zip(&*places) {
            let row = &mut values[id * width..(id + 1) * width];
            row.iter_mut().zip(upstream).for_each(|(sum, value)| *sum += value);
        }
        gradients.register::<Flex>(table.id(), sum);
    }
}
