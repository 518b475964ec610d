//! Classifiers on labelled examples: errors with intervals, and the adjustment of class biases.

mod bias;
mod errors;

pub use bias::{Shift, match_mean_probability, shift_for_fewest_errors, shifted};
pub use errors::{ErrorRuns, Share, contrast, share_of, wrong};
