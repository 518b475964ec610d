//! `limbeck bench step`: the time of one distillation step.

use clap::Args;

use super::super::Desk;
use super::measurement::{Measurement, Setting};
use super::sweep::Sweep;
use super::workload::{Shape, Workload};
use super::{PrecisionName, classifier, decoder};
use crate::exit::Exit;
use crate::failure::Failure;

/// Arguments of `limbeck bench step`.
///
/// A step is a teacher's answer, the student's forward and backward pass, clipping and AdamW, with the loss
/// 0.5 T^2 KL + 0.5 CE at T = 2. Three steps warm up; the last one, which writes a checkpoint, is not timed either.
#[derive(Debug, Args)]
pub(crate) struct Step {
    /// The shape of teacher, student and batch
    #[arg(long, value_enum, default_value_t = Workload::W1)]
    workload: Workload,
    /// Time per token along growing shapes instead
    #[arg(long, value_enum, conflicts_with = "workload")]
    sweep: Option<Sweep>,
    /// Number format of the products' operands
    #[arg(long, value_enum, default_value_t = PrecisionName::F32)]
    precision: PrecisionName,
    /// Steps timed
    #[arg(long, default_value_t = 12, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    steps: u32,
    /// Seed of weights and tokens
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
}

impl Step {
    pub(crate) fn perform(self, desk: &Desk) -> Result<Exit, Failure> {
        match self.sweep {
            Some(sweep) => {
                let points = sweep
                    .shapes()
                    .into_iter()
                    .map(|(name, shape)| self.measure(name, &Shape::Decoder(shape), desk))
                    .collect::<Result<Vec<_>, Failure>>()?;
                desk.output.data(&sweep.data(&points), || sweep.table(&points))?;
            }
            None => {
                let found = self.measure(self.workload.name(), &self.workload.shape(), desk)?;
                desk.output.data(&found, || found.table())?;
            }
        }
        Ok(Exit::Fine)
    }

    fn measure(&self, name: String, shape: &Shape, desk: &Desk) -> Result<Measurement, Failure> {
        let device = desk.open_device()?;
        let timed = self.steps as usize;
        let precision = self.precision.into();
        let (seen, losses) = match shape {
            Shape::Decoder(shape) => {
                decoder::run(shape, timed, self.seed, precision, &device, &desk.progress)?
            }
            Shape::Classifier(shape) => {
                classifier::run(shape, timed, self.seed, precision, &device, &desk.progress)?
            }
        };
        let setting = Setting { precision, device: desk.device };
        Measurement::new(name, shape, setting, &seen, losses)
            .ok_or_else(|| Failure::broke("the training ended before a step was timed"))
    }
}
