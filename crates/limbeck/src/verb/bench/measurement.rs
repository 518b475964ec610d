//! What a timed training came to: one JSON object, or a small table.

use limbeck::kernels::{DeviceName, Instructions, Precision, gemm_rate};
use serde::Serialize;

use super::flops;
use super::stamps::Timed;
use super::workload::Shape;

/// The figures of one workload.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Measurement {
    /// Name of the workload, or the point of a sweep.
    pub(super) workload: String,
    /// Number format of the products' operands.
    pub(super) precision: Precision,
    /// The processor.
    pub(super) device: String,
    /// Threads of the CPU.
    pub(super) threads: usize,
    /// Vector instructions of its kernels.
    pub(super) instructions: &'static str,
    /// Steps timed.
    pub(super) steps: usize,
    /// Median milliseconds of a step.
    pub(super) median_ms: f64,
    /// Fastest step.
    pub(super) min_ms: f64,
    /// Slowest step.
    pub(super) max_ms: f64,
    /// What a step consists of: tokens or examples.
    pub(super) unit: &'static str,
    /// Of these in a step.
    pub(super) units_per_step: usize,
    /// Of these a second, by the median.
    pub(super) units_per_second: f64,
    /// Largest resident memory before the last step's checkpoint, teacher and data included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) peak_rss_mib: Option<f64>,
    /// Minor page faults a step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) minor_faults_per_step: Option<f64>,
    /// Operations of a step's matrix products, in units of 10^9 (`flops.rs`).
    pub(super) gflop_per_step: f64,
    /// GFLOP/s by the median.
    pub(super) gflops: f64,
    /// GFLOP/s of a large matrix product of this precision in this process; on the CPU only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) gemm_gflops: Option<f64>,
    /// `gflops / gemm_gflops`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) share_of_gemm: Option<f64>,
    /// Loss of the last step.
    pub(super) final_loss: f64,
    /// Loss of every step, warm-up included.
    pub(super) losses: Vec<f64>,
}

/// How a workload was run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    pub(super) precision: Precision,
    pub(super) device: DeviceName,
}

impl Measurement {
    /// Puts the figures together; `None` when no step was timed. Measures the rate of products now.
    pub(super) fn new(
        workload: String,
        shape: &Shape,
        setting: Setting,
        timed: &Timed,
        losses: Vec<f64>,
    ) -> Option<Self> {
        let median_ms = median(&timed.ms)?;
        let (unit, units_per_step) = match shape {
            Shape::Decoder(shape) => ("tokens", shape.rows * shape.length),
            Shape::Classifier(shape) => ("examples", shape.batch),
        };
        let gflop_per_step = flops::step(shape) * 1e-9;
        let gflops = gflop_per_step / median_ms * 1e3;
        let gemm_gflops = (setting.device == DeviceName::Cpu).then(|| gemm_rate(setting.precision));
        Some(Self {
            workload,
            precision: setting.precision,
            device: setting.device.to_string(),
            threads: threads(),
            instructions: Instructions::used().name(),
            steps: timed.ms.len(),
            median_ms,
            min_ms: timed.ms.iter().copied().fold(f64::INFINITY, f64::min),
            max_ms: timed.ms.iter().copied().fold(0.0, f64::max),
            unit,
            units_per_step,
            units_per_second: units_per_step as f64 / median_ms * 1e3,
            peak_rss_mib: timed.peak_rss_mib,
            minor_faults_per_step: timed.faults_per_step,
            gflop_per_step,
            gflops,
            gemm_gflops,
            share_of_gemm: gemm_gflops.map(|rate| gflops / rate),
            final_loss: losses.last().copied().unwrap_or(f64::NAN),
            losses,
        })
    }

    /// Milliseconds of a token or example.
    pub(super) fn ms_per_unit(&self) -> f64 {
        self.median_ms / self.units_per_step as f64
    }

    /// The figures for people, one a line.
    pub(super) fn table(&self) -> String {
        let Self { workload, precision, device, threads, instructions, steps, unit, .. } = self;
        let precision = precision.name();
        let mut rows = vec![
            ("step, median", format!("{:.2} ms", self.median_ms)),
            ("fastest, slowest", format!("{:.2} to {:.2} ms", self.min_ms, self.max_ms)),
            (unit, format!("{:.0} a second, {} a step", self.units_per_second, self.units_per_step)),
        ];
        rows.extend(self.peak_rss_mib.map(|mib| ("peak memory", format!("{mib:.0} MiB"))));
        rows.extend(self.minor_faults_per_step.map(|faults| ("page faults", format!("{faults:.0} a step"))));
        rows.push((
            "products",
            format!("{:.3} GFLOP a step, {:.1} GFLOP/s", self.gflop_per_step, self.gflops),
        ));
        if let (Some(rate), Some(share)) = (self.gemm_gflops, self.share_of_gemm) {
            rows.push((
                "machine's rate",
                format!("{rate:.1} GFLOP/s, of which {:.1}% reached", 100.0 * share),
            ));
        }
        rows.push(("loss, first and last", {
            let first = self.losses.first().copied().unwrap_or(f64::NAN);
            format!("{first:.6}, {:.6}", self.final_loss)
        }));
        let mut text = format!(
            "{workload}, {precision}, {device}, {threads} threads, {instructions}, {steps} steps timed\n"
        );
        for (name, value) in rows {
            text += &format!("  {name:<21} {value}\n");
        }
        text
    }
}

/// The middle value, or the mean of the two in the middle.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        count if count % 2 == 1 => Some(sorted[half]),
        _ => Some(0.5 * (sorted[half - 1] + sorted[half])),
    }
}

/// Threads that the CPU backend uses: `RAYON_NUM_THREADS` when it is a number above 0, otherwise all cores.
pub(super) fn threads() -> usize {
    let asked = std::env::var("RAYON_NUM_THREADS").ok().and_then(|text| text.parse().ok());
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    asked.filter(|&threads| threads > 0).unwrap_or_else(cores)
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_of_odd_and_even_counts() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
    }
}
