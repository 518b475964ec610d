//! What a run will take, before it is begun: seconds and memory of every stage, from the shapes of the networks, the
//! counts of the data and one measured rate of this machine.
//!
//! The operations of matrix products are counted ([`flops`]) and divided by the part of the machine's product rate
//! that networks of that width have been measured to reach (docs/performance.md); what is not products, the audit's
//! statistics above all, is a fitted constant. That is right within a factor of two or so on an idle machine, and
//! said to be an estimate wherever it is shown.

mod audit;
pub mod flops;
mod of_run;

use limbeck_distill::TrainingConfig;
use limbeck_kernels::{Precision, gemm_rate};
use limbeck_model::DecoderConfig;
use serde::Serialize;

use super::shapes::Shapes;
use crate::recipe::{Recipe, TeacherConfig};

pub use audit::AuditSize;

/// Seconds below which work is not long: nothing needs to be said before it.
pub const LONG_SECONDS: f64 = 60.0;
/// Positions whose logits the losses hold at a time, and 32-bit tables of that size they hold.
const HEAD_CHUNK: f64 = 128.0 * 3.0;
/// The program without any network, in bytes.
const BASE_BYTES: f64 = 80e6;
/// Seconds of a training step or a scored batch beyond its products, for each block it passes.
const STEP_OVERHEAD: f64 = 1e-4;

/// How much data a run has.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct DataSize {
    /// Training examples.
    pub training: usize,
    /// Mean tokens of a training example.
    pub tokens: f64,
    /// Longest training example in tokens.
    pub longest: usize,
    /// Held-out examples.
    pub held_out: usize,
    /// Mean tokens of a held-out example.
    pub held_out_tokens: f64,
    /// Examples of all shifted sets together.
    pub shifted: usize,
}

/// This machine's rate of matrix products, in operations a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    f32: f64,
    bf16: f64,
}

impl Rate {
    /// Measures it: a fifth of a second for each precision that the recipe uses.
    pub fn measure(recipe: &Recipe) -> Self {
        let rounded = recipe.training.precision == Precision::Bf16
            || matches!(&recipe.teacher, TeacherConfig::Trained { training, .. } if training.precision == Precision::Bf16);
        let f32 = gemm_rate(Precision::F32) * 1e9;
        Self { f32, bf16: if rounded { gemm_rate(Precision::Bf16) * 1e9 } else { f32 } }
    }

    /// A rate that any machine of today reaches, to see whether work is long enough to measure the true one.
    pub fn assumed() -> Self {
        Self { f32: 3e10, bf16: 3e10 }
    }

    /// Operations a second that a network of this width reaches in training and scoring: the measured shares of
    /// docs/performance.md, fitted by `a d / (d + b)`.
    fn reached(self, precision: Precision, width: usize) -> f64 {
        let width = width as f64;
        match precision {
            Precision::Bf16 => self.bf16 * 0.7 * width / (width + 180.0),
            _ => self.f32 * 0.75 * width / (width + 100.0),
        }
    }
}

/// What one stage will take.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageEstimate {
    /// The stage, as in `manifest.json`.
    pub stage: &'static str,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Largest memory, in bytes.
    pub memory_bytes: f64,
    /// What it consists of.
    pub work: String,
    /// The setting that shortens it.
    pub shorter: &'static str,
}

/// What a run will take.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Estimate {
    /// Its long stages, in order.
    pub stages: Vec<StageEstimate>,
    /// The machine's rate of 32-bit products it was computed with, in 10^9 operations a second.
    pub gflops: f64,
}

/// Estimates a recipe's run.
pub(crate) fn estimate(
    recipe: &Recipe,
    shapes: &Shapes,
    data: &DataSize,
    audit: Option<&AuditSize>,
    rate: Rate,
) -> Estimate {
    let mut stages = Vec::new();
    let Shapes { teacher, student } = shapes;
    let members = match &recipe.teacher {
        TeacherConfig::Ensemble { members, .. } => members.len() as f64,
        _ => 1.0,
    };
    if let TeacherConfig::Trained { training, .. } = &recipe.teacher {
        stages.push(trained("teacher", "teacher.training.steps", training, teacher, None, data, rate, 1));
    }
    let replayed = matches!(&recipe.teacher, TeacherConfig::Model { signals: Some(_), .. });
    if recipe.capture.is_some() {
        let work = members * flops::forward(teacher, data.training as f64, data.tokens);
        stages.push(StageEstimate {
            stage: "capture",
            seconds: work / rate.reached(Precision::F32, teacher.d_model),
            memory_bytes: BASE_BYTES + scoring_bytes(teacher, 8.0, data.longest as f64),
            work: format!("{} examples through the teacher", data.training),
            shorter: "data.max_examples",
        });
    }
    let asked = (!replayed && recipe.capture.is_none()).then_some((teacher, members));
    stages.push(trained(
        "student",
        "training.steps",
        &recipe.training,
        student,
        asked,
        data,
        rate,
        recipe.seeds,
    ));
    if recipe.baseline.skip.is_none() {
        stages.push(trained(
            "baseline",
            "training.steps",
            &recipe.training,
            student,
            None,
            data,
            rate,
            recipe.seeds,
        ));
    }
    stages.push(evaluated(recipe, shapes, data, rate));
    if let Some((size, settings)) = audit.zip(recipe.audit.settings()) {
        let students = if recipe.baseline.skip.is_none() { 2 } else { 1 };
        stages.push(audit::audited(&settings, shapes, students, size, rate));
    }
    Estimate { stages, gflops: rate.f32 * 1e-9 }
}

/// A training: three passes of the network, one of each teacher that is asked.
fn trained(
    stage: &'static str,
    shorter: &'static str,
    training: &TrainingConfig,
    network: &DecoderConfig,
    teacher: Option<(&DecoderConfig, f64)>,
    data: &DataSize,
    rate: Rate,
    trainings: usize,
) -> StageEstimate {
    let (steps, rows) = (training.steps as f64 * trainings as f64, training.batch_size as f64);
    let own =
        3.0 * flops::forward(network, rows, data.tokens) / rate.reached(training.precision, network.d_model);
    let asked = teacher.map_or(0.0, |(teacher, members)| {
        members * flops::forward(teacher, rows, data.tokens)
            / rate.reached(training.precision, teacher.d_model)
    });
    let blocks = 3 * network.n_layers + teacher.map_or(0, |(teacher, _)| teacher.n_layers);
    // AdamW passes over weights, gradients and both moments: seven times four bytes a parameter at 10 GB a second.
    let update = flops::parameters(network) * 28.0 / 10e9;
    let micro = rows / training.accumulation.max(1) as f64;
    let weights = 16.0 * flops::parameters(network)
        + teacher.map_or(0.0, |(teacher, members)| 4.0 * members * flops::parameters(teacher));
    let kept = micro * data.longest as f64 * kept_floats(network) * 4.0;
    let head = HEAD_CHUNK * network.vocab_size as f64 * 4.0;
    StageEstimate {
        stage,
        seconds: steps * (own + asked + update + STEP_OVERHEAD * blocks as f64),
        memory_bytes: BASE_BYTES + weights + kept + head,
        work: format!(
            "{} steps of {} sequences, {:.0} tokens each on average{}",
            training.steps,
            training.batch_size,
            data.tokens,
            if trainings > 1 { format!(", {trainings} seeds") } else { String::new() }
        ),
        shorter,
    }
}

/// Numbers a training keeps of every token for its backward pass.
fn kept_floats(network: &DecoderConfig) -> f64 {
    let attention = 2 * network.n_heads * network.d_head + 2 * network.n_kv_heads * network.d_head;
    let inner = if network.gated { 3 } else { 2 } * network.d_mlp;
    (network.n_layers * (5 * network.d_model + attention + inner)) as f64
}

/// Memory of a network that only answers, over `rows` sequences of `length` tokens.
fn scoring_bytes(network: &DecoderConfig, rows: f64, length: f64) -> f64 {
    let tokens = rows * length;
    let width = (6 * network.d_model + 3 * network.d_mlp) as f64;
    4.0 * (flops::parameters(network) + tokens * width + HEAD_CHUNK * network.vocab_size as f64)
}

/// The evaluation: every network over the held-out and the shifted examples.
fn evaluated(recipe: &Recipe, shapes: &Shapes, data: &DataSize, rate: Rate) -> StageEstimate {
    let scored = recipe.evaluation.max_examples.map_or(data.held_out, |most| most.min(data.held_out));
    let rows = (scored + data.shifted) as f64;
    let students = if recipe.baseline.skip.is_none() { 2.0 } else { 1.0 };
    let time = |config: &DecoderConfig| {
        flops::forward(config, rows, data.held_out_tokens) / rate.reached(Precision::F32, config.d_model)
            + rows / recipe.evaluation.batch_size as f64 * STEP_OVERHEAD * config.n_layers as f64
    };
    // Sums over resampled examples: about a nanosecond each, some thirty figures.
    let resampling = 3e-8 * recipe.evaluation.resamples as f64 * rows;
    let batch = recipe.evaluation.batch_size as f64;
    let weights = 4.0 * students * flops::parameters(&shapes.student);
    StageEstimate {
        stage: "evaluate",
        seconds: time(&shapes.teacher) + students * time(&shapes.student) + resampling,
        memory_bytes: BASE_BYTES + weights + scoring_bytes(&shapes.teacher, batch, data.held_out_tokens),
        work: format!("{} examples through {} networks", scored + data.shifted, 1.0 + students),
        shorter: "evaluation.max_examples",
    }
}

impl Estimate {
    /// Seconds of all stages together.
    pub fn seconds(&self) -> f64 {
        self.stages.iter().map(|stage| stage.seconds).sum()
    }

    /// Largest memory of any stage, in bytes.
    pub fn memory_bytes(&self) -> f64 {
        self.stages.iter().map(|stage| stage.memory_bytes).fold(0.0, f64::max)
    }

    /// The stage that takes longest.
    pub fn longest(&self) -> Option<&StageEstimate> {
        self.stages.iter().max_by(|a, b| a.seconds.total_cmp(&b.seconds))
    }

    /// The whole in one sentence, with the setting that shortens the longest stage.
    pub fn sentence(&self) -> String {
        let parts: Vec<String> =
            self.stages.iter().map(|stage| format!("{} {}", stage.stage, duration(stage.seconds))).collect();
        let mut text = format!(
            "estimate: about {} in all ({}), up to {} of memory; a rough guess from this machine's {:.0} GFLOP/s",
            duration(self.seconds()),
            parts.join(", "),
            bytes(self.memory_bytes()),
            self.gflops
        );
        if let Some(stage) = self.longest().filter(|stage| stage.seconds > LONG_SECONDS) {
            text += &format!("; {} shortens the {} stage", stage.shorter, stage.stage);
        }
        text
    }
}

/// Seconds in words: `40 s`, `7 min`, `1 h 20 min`; nothing finer than the estimate is.
pub fn duration(seconds: f64) -> String {
    if seconds < 1.0 {
        return "under 1 s".to_owned();
    }
    if seconds < 90.0 {
        return format!("{seconds:.0} s");
    }
    let minutes = (seconds / 60.0).round();
    if minutes < 90.0 {
        return format!("{minutes:.0} min");
    }
    if minutes < 48.0 * 60.0 {
        return format!("{:.0} h {:.0} min", (minutes / 60.0).floor(), minutes % 60.0);
    }
    format!("{:.0} days", minutes / 60.0 / 24.0)
}

/// Bytes in words: `730 MiB`, `1.4 GiB`.
pub fn bytes(count: f64) -> String {
    let mib = count / (1 << 20) as f64;
    if mib < 1024.0 { format!("{mib:.0} MiB") } else { format!("{:.1} GiB", mib / 1024.0) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use limbeck_model::Sizes;

    use super::*;
    use crate::recipe::{builtin, load_text};

    fn quickstart() -> (Recipe, Shapes, DataSize) {
        let recipe = load_text(builtin("quickstart").unwrap().text, Path::new("q"), &[]).unwrap().recipe;
        let teacher = DecoderConfig::gpt2(Sizes {
            vocab_size: 200,
            d_model: 128,
            n_layers: 4,
            n_heads: 4,
            n_kv_heads: 4,
            d_mlp: 512,
            max_positions: 64,
        });
        let student = DecoderConfig { n_layers: 2, ..teacher.clone() };
        let data = DataSize {
            training: 20_000,
            tokens: 40.0,
            longest: 60,
            held_out: 512,
            held_out_tokens: 40.0,
            shifted: 768,
        };
        (recipe, Shapes { teacher, student }, data)
    }

    #[test]
    fn every_stage_of_a_recipe_is_estimated_and_grows_with_its_setting() {
        let (mut recipe, shapes, data) = quickstart();
        let size = AuditSize { prompts: 300, tokens: 20.0, groups: 3, shifted_prompts: 18 };
        let of =
            |recipe: &Recipe| estimate(recipe, &shapes, &data, Some(&size), Rate { f32: 5e11, bf16: 5e11 });
        let first = of(&recipe);
        let names: Vec<&str> = first.stages.iter().map(|stage| stage.stage).collect();
        assert_eq!(names, ["teacher", "student", "baseline", "evaluate", "audit"]);
        assert!(first.stages.iter().all(|stage| stage.seconds > 0.0 && stage.memory_bytes > 1e7));
        recipe.training.steps *= 10;
        let longer = of(&recipe);
        assert!((longer.stages[1].seconds / first.stages[1].seconds - 10.0).abs() < 1e-9);
        assert!(longer.sentence().contains("estimate: about"), "{}", longer.sentence());
        recipe.baseline.skip = Some("a test".into());
        assert!(of(&recipe).stages.iter().all(|stage| stage.stage != "baseline"));
    }

    /// SmolLM2-135M and its half, a step of 4 x 128 tokens on a machine of 611 GFLOP/s: 942 ms, 1.9 GiB measured
    /// (docs/performance.md); a sweep over 100 prompts 340 s.
    #[test]
    fn a_step_of_smollm2_takes_what_was_measured() {
        let (mut recipe, _, _) = quickstart();
        let teacher = DecoderConfig {
            n_kv_heads: 3,
            ..DecoderConfig::llama(Sizes {
                vocab_size: 49152,
                d_model: 576,
                n_layers: 30,
                n_heads: 9,
                n_kv_heads: 3,
                d_mlp: 1536,
                max_positions: 2048,
            })
        };
        assert!((flops::parameters(&teacher) / 134.5e6 - 1.0).abs() < 0.01);
        let shapes = Shapes { student: DecoderConfig { n_layers: 15, ..teacher.clone() }, teacher };
        recipe.training = TrainingConfig { steps: 1, batch_size: 4, ..TrainingConfig::default() };
        recipe.seeds = 1;
        let data = DataSize { training: 9, tokens: 128.0, longest: 128, ..DataSize::default() };
        let step = &estimate(&recipe, &shapes, &data, None, Rate { f32: 611e9, bf16: 1252e9 }).stages[1];
        assert!(step.stage == "student" && (0.6..1.6).contains(&step.seconds), "{step:?}");
    }

    #[test]
    fn durations_and_sizes_are_short() {
        for (seconds, text) in
            [(0.2, "under 1 s"), (40.0, "40 s"), (420.0, "7 min"), (5400.0, "1 h 30 min"), (1e6, "12 days")]
        {
            assert_eq!(duration(seconds), text);
        }
        assert_eq!(bytes(730.0 * 1048576.0), "730 MiB");
        assert_eq!(bytes(1.5 * 1073741824.0), "1.5 GiB");
    }
}
