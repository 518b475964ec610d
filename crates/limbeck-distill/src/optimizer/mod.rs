//! From gradients to new weights: clipping by the global norm, AdamW, and the learning rate over the steps.

pub mod gradient;
pub mod moments;
pub mod schedule;

pub use gradient::GradientSum;
pub use moments::Moments;
pub use schedule::{Constant, Decay, Schedule};
