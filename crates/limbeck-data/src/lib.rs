//! Where things come from: locators, readers, records, the signal store, atomic files.

pub mod progress;
