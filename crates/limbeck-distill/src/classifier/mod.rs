//! Training of classifiers over fixed features: dropout, max-norm, jitter, momentum, early stopping; hard labels, soft
//! targets and logit matching (Hinton, Vinyals, Dean 2015).

mod batch;
mod config;
mod loss;
mod solver;
mod train;

pub use config::{
    AdamWConfig, ClassTerm, ClassifierConfig, EarlyStopping, MomentumConfig, SoftTerm, SolverConfig,
    WeightedTerm,
};
pub use train::{ClassifierJob, EpochRecord, SoftTargets, TrainedClassifier, train_classifier};
