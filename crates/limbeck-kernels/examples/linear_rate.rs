//! Matrix products of a layer through burn's flex backend, in rank 2 and batched in rank 3.
//!
//! `cargo run --release -p limbeck-kernels --example linear_rate`
#![allow(clippy::print_stdout, missing_docs)]

use std::time::Instant;

use burn::tensor::{Device, Distribution, Tensor};
use limbeck_kernels::linear;

const TOKENS: usize = 512;
const SEQUENCES: usize = 4;

fn main() {
    let device = Device::flex();
    let random =
        |rows, columns| Tensor::<2>::random([rows, columns], Distribution::Normal(0.0, 0.3), &device);
    for (input, output, repeats) in
        [(576, 1536, 20), (1536, 576, 20), (384, 1152, 20), (128, 512, 50), (576, 49152, 3)]
    {
        println!("{input} -> {output}");
        let x = random(TOKENS, input).reshape([SEQUENCES, TOKENS / SEQUENCES, input]);
        let weight = random(output, input);
        let flat = || x.clone().reshape([TOKENS, input]);
        let operations = 2.0 * (TOKENS * input * output) as f64;
        report("forward, rank 2", operations, repeats, || {
            let _ = flat().matmul(weight.clone().transpose());
        });
        report("forward, rank 3 x 2", operations, repeats, || {
            let _ = x.clone().matmul(weight.clone().transpose().unsqueeze::<3>());
        });
        let tracked =
            || [x.clone().reshape([TOKENS, input]), weight.clone()].map(|t| t.autodiff().require_grad());
        report("both ways, linear()", 3.0 * operations, repeats, || {
            let [x, weight] = tracked();
            linear(x.reshape([SEQUENCES, TOKENS / SEQUENCES, input]), weight, None).sum().backward();
        });
        report("both ways, rank 3 x 2", 3.0 * operations, repeats, || {
            let [x, weight] = tracked();
            let x = x.reshape([SEQUENCES, TOKENS / SEQUENCES, input]);
            x.matmul(weight.transpose().unsqueeze::<3>()).sum().backward();
        });
    }
}

fn report(name: &str, operations: f64, repeats: usize, mut run: impl FnMut()) {
    run();
    let mut seconds: Vec<f64> = Vec::with_capacity(repeats);
    for _ in 0..repeats {
        let start = Instant::now();
        run();
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    let median = seconds[seconds.len() / 2];
    println!("  {name:<24} {:8.2} ms {:6.0} GFLOP/s", median * 1e3, operations / median * 1e-9);
}
