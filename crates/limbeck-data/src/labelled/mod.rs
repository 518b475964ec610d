//! Labelled examples: a matrix of features and a class for each row.

mod catalogue;
mod digits;
mod idx;
mod npy;
mod set;
mod spoken;

pub use catalogue::{DATA_SETS, DataSet, SourceOverrides, data_set, load_split, load_spoken, source_of};
pub use digits::digits;
pub use idx::{IdxSizes, read_idx_folder, read_idx_set};
pub use npy::{Array, read_npz};
pub use set::{Features, Image, LabelledSet, Split};
pub use spoken::{FrameTask, Frames, Recording, SpokenDigits, Standard, read_spoken_digits};
