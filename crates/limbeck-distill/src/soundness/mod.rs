//! What keeps a student's inside sound: components removed as it learns, influence that is measured and steered.
//!
//! A component is a head (its z) or an MLP (its output). Objectives in [`crate::objective`] use what is here; the
//! dropout of whole components is a setting of the training.

pub mod cka;
pub mod concentration;
pub mod correspondence;
pub mod directional;
pub mod draw;
pub mod dropout;
pub mod probability;

pub use cka::linear_cka;
pub use concentration::{Penalty, herfindahl, severity, share_distance};
pub use correspondence::Correspondence;
pub use directional::directional;
pub use draw::{Draw, Moment};
pub use dropout::ComponentDropout;
pub use probability::Probability;
