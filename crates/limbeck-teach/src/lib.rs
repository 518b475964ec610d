//! Who answers: local and replayed teachers, and the signals they give.
//!
//! The trainer knows only [`Teacher`]: it cannot tell live weights from yesterday's files. What a teacher
//! can give is declared as [`Capabilities`], so that a recipe asking for more is refused when it is read.

pub mod capture;
pub mod ensemble;
pub mod error;
pub mod local;
pub mod replay;
pub mod teacher;
pub mod vocabulary;

pub use capture::{CaptureConfig, CaptureOutcome, capture};
pub use ensemble::{ClassifierTeacher, Combination, EnsembleTeacher, Weights, combine};
pub use error::TeachError;
pub use local::LocalTeacher;
pub use replay::ReplayTeacher;
pub use teacher::{
    Capabilities, Distribution, HiddenShape, Prediction, Signal, SiteValue, Teacher, TeacherIdentity,
    TeacherQuery, predictions,
};
pub use vocabulary::align;
