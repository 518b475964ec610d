//! How close the fused head losses come to the rate of the machine's matrix products.
//!
//! `cargo run --release -p limbeck-kernels --example head_rate [tokens width vocabulary teacher_width repeats]`
//!
//! Prints, for the shape given (default: W2, and SmolLM2's), the median time of the four products
//! alone, of the fused operation with its gradients, and of the same in plain tensor operations.
#![allow(clippy::print_stdout, missing_docs)]

use std::time::Instant;

use burn::tensor::{Device, Distribution, Tensor};
use limbeck_kernels::{HeadLosses, HeadTerm, HeadTermKind, KernelError, TeacherLogits};
use limbeck_kernels::{head_losses, head_losses_composed};

struct Shape {
    tokens: usize,
    width: usize,
    vocabulary: usize,
    teacher_width: usize,
    repeats: usize,
}

fn main() -> Result<(), KernelError> {
    let given: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    if let [tokens, width, vocabulary, teacher_width, repeats] = given[..] {
        return measure(&Shape { tokens, width, vocabulary, teacher_width, repeats });
    }
    measure(&Shape { tokens: 512, width: 384, vocabulary: 50257, teacher_width: 384, repeats: 10 })?;
    measure(&Shape { tokens: 512, width: 576, vocabulary: 49152, teacher_width: 576, repeats: 10 })
}

fn measure(shape: &Shape) -> Result<(), KernelError> {
    let Shape { tokens, width, vocabulary, teacher_width, repeats } = *shape;
    println!("{tokens} tokens, width {width}, vocabulary {vocabulary}, teacher width {teacher_width}");
    let products = median(repeats, || {
        product(tokens, width, vocabulary);
        product(tokens, vocabulary, width);
        product(vocabulary, tokens, width);
        product(tokens, teacher_width, vocabulary);
        Ok(())
    })?;
    let operations = 2.0 * (tokens * vocabulary) as f64 * (3 * width + teacher_width) as f64;
    report("products alone", products, operations, products);

    let device = Device::flex();
    let random =
        |rows, columns| Tensor::<2>::random([rows, columns], Distribution::Normal(0.0, 0.3), &device);
    let hidden = random(tokens, width);
    let head = random(vocabulary, width);
    let targets: Vec<u32> = (0..tokens as u32).map(|at| at * 7 % vocabulary as u32).collect();
    let teacher = TeacherLogits::Head {
        hidden: random(tokens, teacher_width),
        head: random(vocabulary, teacher_width),
    };
    let terms = [
        HeadTerm { kind: HeadTermKind::CrossEntropy, weight: 0.5 },
        HeadTerm { kind: HeadTermKind::ForwardKl { temperature: 2.0 }, weight: 0.5 },
    ];
    type Body = fn(
        Tensor<2>,
        Tensor<2>,
        &[u32],
        Option<&TeacherLogits>,
        &[HeadTerm],
        usize,
    ) -> Result<HeadLosses, KernelError>;
    for (name, body) in [("fused", head_losses as Body), ("composed", head_losses_composed as Body)] {
        let time = median(if name == "fused" { repeats } else { repeats.div_ceil(4) }, || {
            let hidden = hidden.clone().autodiff().require_grad();
            let head = head.clone().autodiff().require_grad();
            let losses = body(hidden, head, &targets, Some(&teacher), &terms, vocabulary)?;
            losses.total.backward();
            Ok(())
        })?;
        report(name, time, operations, products);
    }
    Ok(())
}

/// One product `[m, k] x [k, n]` with the right operand transposed in memory, as the head has it.
fn product(m: usize, k: usize, n: usize) {
    let (left, right) = (vec![0.5_f32; m * k], vec![0.25_f32; k * n]);
    let mut out = vec![0.0_f32; m * n];
    let [k_stride, n_stride] = [k as isize, n as isize];
    #[allow(unsafe_code, reason = "a measurement of the gemm crate itself")]
    // SAFETY: the three vectors have the sizes and strides passed with them.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            n_stride,
            false,
            left.as_ptr(),
            1,
            k_stride,
            right.as_ptr(),
            k_stride,
            1,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::Rayon(0),
        );
    }
    std::hint::black_box(out);
}

fn median(repeats: usize, mut run: impl FnMut() -> Result<(), KernelError>) -> Result<f64, KernelError> {
    run()?;
    let mut seconds = Vec::with_capacity(repeats);
    for _ in 0..repeats.max(1) {
        let start = Instant::now();
        run()?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[seconds.len() / 2])
}

fn report(name: &str, seconds: f64, operations: f64, products: f64) {
    let rate = operations / seconds * 1e-9;
    println!(
        "  {name:<15} {:8.1} ms {rate:7.0} GFLOP/s  {:.2} of the products' rate",
        seconds * 1e3,
        products / seconds
    );
}
