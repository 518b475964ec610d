//! Distil a large model into a small one, then prove what survived.
//!
//! This crate is the door of the house: it re-exports every floor, reads recipes ([`recipe`]) and runs
//! them into a run folder ([`pipeline`]). The program `limbeck` is a thin command line over it.
//!
//! | module | what lives there |
//! |---|---|
//! | [`recipe`] | recipes in layers, with the place of every mistake |
//! | [`pipeline`] | stages, fingerprints, the run folder |
//! | [`reproduce`] | experiments of papers, their figures beside ours |
//! | [`report`] | results to one HTML page |
//! | [`audit`] | influence, alignment, brittleness |
//! | [`eval`] | tasks and paired evaluation |
//! | [`distill`] | objectives, trainer, checkpoints, students |
//! | [`teach`] | who answers: local and replayed teachers |
//! | [`model`] | decoders, sites and interventions, weights, tokenizers, generation |
//! | [`kernels`] | fused operations |
//! | [`data`] | locators, readers, records, signal store, atomic files |
//! | [`results`] | the schema of `results.json` |
//! | [`stats`] | intervals and tests over plain numbers |

pub use limbeck_audit as audit;
pub use limbeck_data as data;
pub use limbeck_distill as distill;
pub use limbeck_eval as eval;
pub use limbeck_kernels as kernels;
pub use limbeck_model as model;
pub use limbeck_report as report;
pub use limbeck_results as results;
pub use limbeck_stats as stats;
pub use limbeck_teach as teach;

pub mod env;
pub mod memory;
pub mod networks;
pub mod pipeline;
pub mod recipe;
pub mod reproduce;
