//! Where things come from: locators, readers, records, the signal store, atomic files.

pub mod atomic;
pub mod corpora;
pub mod env;
pub mod error;
pub mod examples;
pub mod file;
pub mod hash;
pub mod labelled;
pub mod locate;
pub mod memory;
mod pattern;
pub mod progress;
pub mod records;
pub mod signals;
pub mod table;
pub mod text;

pub use error::DataError;
