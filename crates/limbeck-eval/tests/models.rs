//! What a real model makes of every task, for running by hand:
//! `LIMBECK_TEST_MODEL=MODEL cargo test --workspace --test models -- --ignored --nocapture`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use burn::tensor::Device;
use limbeck_eval::contrast::ContrastTask;
use limbeck_eval::contrast::{ContrastOptions, KnownTask, TaskChoice, generate, shifts};
use limbeck_model::{LoadedModel, NoTap, TokenBatch, load_model};
use limbeck_stats::{Bootstrap, quantile};

/// Prompts per template.
const PROMPTS: usize = 6;

/// Accuracy and logit differences.
fn measure(model: &LoadedModel, task: &ContrastTask) -> (f64, Vec<f64>) {
    let vocab = model.decoder.config().vocab_size;
    let (mut correct, mut differences) = (0, Vec::new());
    for group in &task.groups {
        let rows: Vec<&[u32]> = group.prompts.iter().map(|prompt| prompt.clean.as_slice()).collect();
        let batch = TokenBatch::new(&rows, &Device::flex()).unwrap();
        let hidden = model.decoder.hidden(&batch, &mut NoTap);
        let last = hidden.narrow(1, group.length - 1, 1);
        let width = last.dims()[2];
        let logits = last.reshape([rows.len(), width]).matmul(model.decoder.head().transpose());
        let values = logits.into_data().try_to_vec::<f32>().unwrap();
        for (row, prompt) in values.chunks(vocab).zip(&group.prompts) {
            let mean = |tokens: &[u32]| {
                tokens.iter().map(|&token| f64::from(row[token as usize])).sum::<f64>() / tokens.len() as f64
            };
            differences.push(mean(&prompt.right) - mean(&prompt.wrong));
            let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
            correct += usize::from(prompt.right.contains(&(best as u32)));
        }
    }
    (correct as f64 / differences.len() as f64, differences)
}

fn told(name: &str, model: &LoadedModel, task: &ContrastTask) -> f64 {
    let (accuracy, mut differences) = measure(model, task);
    let mean = Bootstrap::default().with_resamples(2_000).mean(&differences).unwrap();
    differences.sort_by(f64::total_cmp);
    let quartiles = [0.25, 0.5, 0.75].map(|share| quantile(&differences, share).unwrap());
    let prefers = differences.iter().filter(|value| **value > 0.0).count() as f64 / differences.len() as f64;
    println!(
        "{name}: {} prompts in {} groups, accuracy {accuracy:.2}, right preferred {prefers:.2}, LD {:.2} ({:.2} to \
         {:.2}), quartiles {:.2} {:.2} {:.2}; `{}`",
        task.len(),
        task.groups.len(),
        mean.value,
        mean.low,
        mean.high,
        quartiles[0],
        quartiles[1],
        quartiles[2],
        task.groups[0].prompts[0].text
    );
    for (what, reason) in &task.left_out {
        println!("  left out: {what}: {reason}");
    }
    prefers
}

#[test]
#[ignore = "needs a model: LIMBECK_TEST_MODEL"]
fn a_model_on_every_task() {
    let path = std::env::var_os("LIMBECK_TEST_MODEL").expect("LIMBECK_TEST_MODEL names a model");
    let model = load_model(std::path::Path::new(&path), &Device::flex()).unwrap();
    let options = ContrastOptions { per_template: PROMPTS, ..ContrastOptions::default() };
    for known in KnownTask::ALL {
        let choice = TaskChoice::Known(known);
        match generate(&choice, &model.tokenizer, &options) {
            Ok(task) => assert!(told(known.name(), &model, &task) > 0.5, "{}", known.name()),
            Err(error) => println!("{}: {error}", known.name()),
        }
        let found = shifts(&choice, &model.tokenizer, &options);
        for shift in found.iter().flat_map(|found| &found.tasks) {
            told(&format!("  {}", shift.name), &model, &shift.task);
        }
    }
}
