//! Floating-point operations of a step, counted from the shape alone.
//!
//! Those of a decoder are [`limbeck::pipeline::estimate::flops`]; a step is `F(teacher) + 3 F(student)`. A classifier is
//! the sum of its layers' `2 B in out`; its first layer needs no gradient of its input.

use limbeck::model::DecoderConfig;
use limbeck::pipeline::estimate::flops::forward as decoder_forward;

use super::workload::{ClassifierShape, DecoderShape, Shape};

/// Operations of one step.
pub(super) fn step(shape: &Shape) -> f64 {
    match shape {
        Shape::Decoder(shape) => decoder_step(shape),
        Shape::Classifier(shape) => classifier_step(shape),
    }
}

fn decoder_step(shape: &DecoderShape) -> f64 {
    let forward = |config: &DecoderConfig| decoder_forward(config, shape.rows as f64, shape.length as f64);
    forward(&shape.teacher()) + 3.0 * forward(&shape.student)
}

fn classifier_step(shape: &ClassifierShape) -> f64 {
    let forward = |widths: &[usize]| {
        let products: usize = widths.windows(2).map(|pair| pair[0] * pair[1]).sum();
        2.0 * (shape.batch * products) as f64
    };
    let first = 2.0 * (shape.batch * shape.student[0] * shape.student[1]) as f64;
    forward(&shape.teacher) + 3.0 * forward(&shape.student) - first
}

#[cfg(test)]
mod tests {
    use super::super::workload::Workload;
    use super::*;

    /// Counted by hand: one layer, every product written out.
    #[test]
    fn operations_of_a_small_decoder() {
        let shape = DecoderShape::gpt2(10, [1, 1], 4, 2, [1, 3]);
        let projections = 3 * (4 * 4 * 4);
        let mlp = 3 * 2 * (4 * 16);
        // Pairs (query, key): 1 + 2 + 3; two heads of width 2; scores and values.
        let attention = 6 * 2 * 2 * 2;
        let head = 2 * 4 * 10;
        let forward = 2.0 * f64::from(projections + mlp + attention + head);
        assert_eq!(step(&Shape::Decoder(shape)), 4.0 * forward);
    }

    #[test]
    fn operations_of_w3() {
        let teacher = 784 * 1200 + 1200 * 1200 + 1200 * 10;
        let student = 784 * 800 + 800 * 800 + 800 * 10;
        let expected = 256.0 * f64::from(teacher + 3 * student - 784 * 800);
        assert_eq!(step(&Workload::W3.shape()), expected);
    }
}
