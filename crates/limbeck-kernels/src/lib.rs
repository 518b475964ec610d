//! Fused operations over burn tensors, each with a default body in plain tensor operations.
//!
//! * [`head_losses`]: head product, distillation objectives and gradients in chunks of tokens;
//! * [`logit_losses`]: the same objectives over logits that exist already, such as a classifier's;
//! * [`linear`], [`linear_frozen`]: the affine map, by a weight that is trained or made ready once;
//! * [`attention`], [`layer_norm`], [`rms_norm`], [`activate`], [`gated`], [`rotate`], [`embedding`]: the rest of a
//!   decoder;
//! * [`KeyValues`], [`attention_cached`]: keys and values kept while a text is continued;
//! * [`AdamW`] and [`sum_of_squares`]: the optimizer's passes over slices;
//! * [`gemm_rate`]: the machine's own rate of products, the ceiling;
//! * [`DeviceName`]: the processor, chosen by name; [`Instructions`]: its vector instructions;
//! * [`Momentum`] and [`limit_row_norms`]: the optimizer and the weight constraint of classifiers;
//! * [`with_values`] and [`map_values`]: between tensors and slices;
//! * [`on_pool`], [`with_plain_bodies`]: where, and by which bodies, work is done.
//!
//! Operations find their fused body at run time by the tensor's backend (flex, plain or under
//! autodiff); the vector instructions are found at run time too. The same operands give the same
//! bits on one machine, whatever the threads do.

mod activation;
mod adamw;
mod allocator;
mod attention;
mod buffer;
mod device;
mod embedding;
mod error;
mod flex;
mod head;
mod instructions;
mod linear;
mod momentum;
mod norm;
mod operation;
mod optimizer;
mod plain;
mod pool;
mod precision;
mod product;
mod rate;
mod reduction;
mod rotary;
mod spare;
mod vector;

pub use activation::{Activation, activate, activate_composed, gated, gated_composed};
pub use adamw::{AdamW, AdamWSlot};
pub use allocator::keep_freed_memory;
pub use attention::{
    KeyValues, attend, attention, attention_cached, attention_cached_composed, attention_composed,
    attention_pattern,
};
pub use device::{DeviceError, DeviceName};
pub use embedding::embedding;
pub use error::KernelError;
pub use flex::{map_values, with_values};
pub use head::{
    HeadLosses, HeadTerm, HeadTermKind, SparseLogits, TAIL_FLOOR, TeacherLogits, forward_kl_gap_bound,
    head_losses, head_losses_composed, logit_losses, logit_losses_composed,
};
pub use instructions::{INSTRUCTIONS, Instructions};
pub use linear::{FrozenWeight, linear, linear_composed, linear_frozen};
pub use momentum::{Momentum, MomentumSlot, limit_row_norms};
pub use norm::{layer_norm, layer_norm_composed, rms_norm, rms_norm_composed};
pub use plain::{Bodies, with_plain_bodies};
pub use pool::on_pool;
pub use precision::Precision;
pub use rate::gemm_rate;
pub use reduction::sum_of_squares;
pub use rotary::{rotate, rotate_composed};
pub use spare::recycle;
