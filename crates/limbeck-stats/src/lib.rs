//! Paired tests, bootstrap intervals and calibration over plain numbers.

mod estimate;

pub use estimate::Estimate;
