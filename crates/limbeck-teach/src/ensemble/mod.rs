//! Several teachers as one: the mean of their distributions at a temperature, with weights, or for each example the
//! member that knows it best (Hinton, Vinyals, Dean 2015, section 2: "arithmetic or geometric mean").

mod classifiers;
mod decoders;
mod mean;

pub use classifiers::ClassifierTeacher;
pub use decoders::EnsembleTeacher;
pub use mean::{Combination, Weights, combine};
