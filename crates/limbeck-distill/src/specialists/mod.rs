//! Specialists for classes that a generalist confuses (Hinton, Vinyals, Dean 2015, section 5).
//!
//! [`confusable_classes`] finds the class sets without labels; [`dustbin_set`] and [`full_set`] make the data a specialist
//! trains on; [`Specialist`] turns its logits into an [`Opinion`]; [`minimise`] finds the distribution that agrees best with
//! generalist and specialists (Eq. 5).

mod clusters;
mod inference;
mod specialist;

pub use clusters::{Columns, confusable_classes, prediction_covariance};
pub use inference::{Agreed, Opinion, minimise, one_covering};
pub use specialist::{Specialist, SpecialistSet, dustbin_network, dustbin_set, full_set, probabilities};
