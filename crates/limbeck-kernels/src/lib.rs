//! Fused operations over burn tensors, each with a default body in plain tensor operations.

mod adamw;
mod error;
mod flex;
mod head;
mod product;
mod reduction;
mod vector;

pub use adamw::{AdamW, AdamWSlot};
pub use error::KernelError;
pub use flex::{map_values, with_values};
pub use head::{
    HeadLosses, HeadTerm, HeadTermKind, SparseLogits, TAIL_FLOOR, TeacherLogits,
    forward_kl_gap_bound, head_losses, head_losses_composed,
};
pub use reduction::sum_of_squares;
