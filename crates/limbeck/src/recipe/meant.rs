//! What was meant by a name that is none: the nearest of those there are, or the one that other programs call so.

/// Names that other programs give to keys, values and kinds of a recipe, each with what they are called here; where
/// several stand, the first that fits the place is meant.
const OTHER_NAMES: &[(&str, &[&str])] = &[
    ("lr", &["learning_rate"]),
    ("max_lr", &["learning_rate"]),
    ("peak_lr", &["learning_rate"]),
    ("bs", &["batch_size"]),
    ("batch", &["batch_size"]),
    ("micro_batch_size", &["batch_size"]),
    ("per_device_train_batch_size", &["batch_size"]),
    ("train_batch_size", &["batch_size"]),
    ("gradient_accumulation_steps", &["accumulation"]),
    ("gradient_accumulation", &["accumulation"]),
    ("grad_accum", &["accumulation"]),
    ("epochs", &["steps"]),
    ("num_epochs", &["steps"]),
    ("num_train_epochs", &["steps"]),
    ("max_steps", &["steps"]),
    ("num_steps", &["steps"]),
    ("iterations", &["steps"]),
    ("iters", &["steps"]),
    ("max_iters", &["steps"]),
    ("warmup", &["warmup_steps"]),
    ("wd", &["weight_decay"]),
    ("decay", &["weight_decay"]),
    ("grad_clip", &["clip_norm"]),
    ("gradient_clipping", &["clip_norm"]),
    ("max_grad_norm", &["clip_norm"]),
    ("lr_scheduler", &["schedule"]),
    ("lr_scheduler_type", &["schedule"]),
    ("scheduler", &["schedule"]),
    ("adam_epsilon", &["eps"]),
    ("epsilon", &["eps"]),
    ("dropout", &["component_dropout"]),
    ("dtype", &["precision"]),
    ("torch_dtype", &["precision"]),
    ("save_steps", &["checkpoint_every"]),
    ("save_every", &["checkpoint_every"]),
    ("logging_steps", &["log_every"]),
    ("random_seed", &["seed"]),
    ("random_state", &["seed"]),
    ("t", &["temperature"]),
    ("tau", &["temperature"]),
    ("temp", &["temperature"]),
    ("alpha", &["weight", "beta"]),
    ("beta", &["alpha"]),
    ("coef", &["weight"]),
    ("coefficient", &["weight"]),
    ("lambda", &["weight"]),
    ("scale", &["weight"]),
    ("max_length", &["sequence_length", "max_positions"]),
    ("max_seq_length", &["sequence_length", "max_positions"]),
    ("max_seq_len", &["sequence_length", "max_positions"]),
    ("max_tokens", &["sequence_length"]),
    ("seq_len", &["sequence_length", "max_positions"]),
    ("seq_length", &["sequence_length", "max_positions"]),
    ("block_size", &["sequence_length", "max_positions"]),
    ("context_length", &["sequence_length", "max_positions"]),
    ("n_positions", &["max_positions"]),
    ("val_split", &["held_out"]),
    ("validation_split", &["held_out"]),
    ("test_size", &["held_out"]),
    ("eval_split", &["held_out"]),
    ("max_samples", &["max_examples"]),
    ("num_samples", &["max_examples"]),
    ("limit", &["max_examples"]),
    ("dataset", &["source", "data"]),
    ("datasets", &["source", "data"]),
    ("path", &["source", "config"]),
    ("file", &["source", "path"]),
    ("url", &["source"]),
    ("name", &["source", "kind"]),
    ("repo", &["source"]),
    ("model", &["source", "student"]),
    ("model_name", &["source"]),
    ("model_name_or_path", &["source"]),
    ("pretrained", &["source"]),
    ("base_model", &["source", "teacher"]),
    ("type", &["kind"]),
    ("loss", &["kind", "objectives"]),
    ("losses", &["objectives"]),
    ("loss_fn", &["objectives"]),
    ("eval", &["evaluation"]),
    ("train", &["training"]),
    ("trainer", &["training"]),
    ("optimizer", &["training"]),
    ("signals", &["capture"]),
    ("num_layers", &["n_layers"]),
    ("num_hidden_layers", &["n_layers"]),
    ("n_layer", &["n_layers"]),
    ("layers", &["n_layers", "select"]),
    ("depth", &["n_layers"]),
    ("hidden_size", &["d_model"]),
    ("n_embd", &["d_model"]),
    ("width", &["d_model"]),
    ("dim", &["d_model"]),
    ("num_heads", &["n_heads"]),
    ("n_head", &["n_heads"]),
    ("num_attention_heads", &["n_heads"]),
    ("heads", &["n_heads"]),
    ("num_key_value_heads", &["n_kv_heads"]),
    ("intermediate_size", &["d_mlp"]),
    ("d_ff", &["d_mlp"]),
    ("tie_word_embeddings", &["tied"]),
    ("out", &["output_dir"]),
    ("output", &["output_dir"]),
    ("out_dir", &["output_dir"]),
    ("run_dir", &["output_dir"]),
    ("prompts", &["prompts_per_template"]),
    ("k", &["top_k"]),
    ("kl", &["forward_kl"]),
    ("kld", &["forward_kl"]),
    ("kl_div", &["forward_kl"]),
    ("kldiv", &["forward_kl"]),
    ("kl_divergence", &["forward_kl"]),
    ("soft_targets", &["forward_kl"]),
    ("distillation", &["forward_kl"]),
    ("kd", &["forward_kl"]),
    ("rkl", &["reverse_kl"]),
    ("js", &["jensen_shannon"]),
    ("jsd", &["jensen_shannon"]),
    ("js_divergence", &["jensen_shannon"]),
    ("ce", &["cross_entropy"]),
    ("xent", &["cross_entropy"]),
    ("nll", &["cross_entropy"]),
    ("lm", &["cross_entropy"]),
    ("hard_labels", &["cross_entropy"]),
    ("mse", &["hidden_mse", "logit_matching"]),
    ("hidden", &["hidden_mse"]),
    ("hidden_states", &["hidden_mse"]),
    ("cosine_hidden", &["hidden_mse"]),
    ("logits", &["logit_matching"]),
    ("attention", &["attention_matching"]),
    ("attn", &["attention_matching"]),
    ("cka", &["component_cka"]),
    ("float32", &["f32"]),
    ("fp32", &["f32"]),
    ("bfloat16", &["bf16"]),
    ("float16", &["f16", "bf16"]),
    ("fp16", &["f16", "bf16"]),
    ("half", &["even", "f16", "bf16"]),
    ("q8", &["q8_0"]),
    ("int8", &["q8_0"]),
    ("jsonl", &["records"]),
    ("json", &["records", "jsonl"]),
    ("csv", &["records"]),
    ("parquet", &["records"]),
    ("chat", &["records"]),
    ("instructions", &["records"]),
    ("txt", &["text"]),
    ("corpus", &["text"]),
    ("numbers", &["numerals"]),
    ("hf", &["model"]),
    ("huggingface", &["model"]),
    ("gguf", &["model"]),
    ("scratch", &["trained", "fresh"]),
    ("random", &["fresh"]),
    ("new", &["fresh"]),
    ("pruned", &["layers"]),
    ("layer", &["layers"]),
    ("none", &["constant"]),
    ("mean_ablation", &["mean"]),
    ("zero_ablation", &["zero"]),
    ("gpt", &["gpt2"]),
    ("smollm2", &["llama"]),
];

/// The known name that is meant: one written otherwise, one near enough, or one that others call so.
pub fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let known: Vec<&'k str> = known.collect();
    let plain = name.trim().to_lowercase().replace(['-', ' '], "_");
    let written = known.iter().copied().find(|one| *one == plain);
    let called = || {
        let (_, names) = OTHER_NAMES.iter().find(|(other, _)| *other == plain)?;
        names.iter().find_map(|meant| known.iter().copied().find(|one| one == meant))
    };
    let likeness = || {
        known
            .iter()
            .map(|one| (strsim::jaro_winkler(&plain, one), *one))
            .filter(|(likeness, one)| {
                let most = if plain.chars().count() < 4 { 1 } else { 2 };
                *likeness > 0.8 || strsim::damerau_levenshtein(&plain, one) <= most
            })
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, one)| one)
    };
    written.or_else(called).or_else(likeness)
}

/// The choice of layers that is meant by words that are none.
pub(crate) fn layers(text: &str) -> Option<String> {
    let plain = text.trim().to_lowercase().replace(['-', '_'], " ");
    let words: Vec<&str> = plain.split_whitespace().collect();
    let stride = |word: &str| match word {
        "other" | "second" | "two" => Some(2),
        "third" | "three" => Some(3),
        "fourth" | "four" => Some(4),
        "fifth" | "five" => Some(5),
        "sixth" | "six" => Some(6),
        digits => {
            digits.trim_end_matches(char::is_alphabetic).parse().ok().filter(|number| *number > 0_usize)
        }
    };
    let every = |number: usize| match number {
        1 => "every 1st".to_owned(),
        2 => "every 2nd".to_owned(),
        3 => "every 3rd".to_owned(),
        more => format!("every {more}th"),
    };
    match words.as_slice() {
        ["every" | "each", word, ..] => stride(word).map(every),
        ["every" | "each" | "all"] => Some(every(1)),
        ["half" | "alternate" | "alternating", ..] => Some(every(2)),
        ["first", "and", "last"] | ["first", "last"] => Some("first_last".to_owned()),
        ["odd"] => None,
        [word] => match stride(word) {
            Some(number) if word.starts_with(char::is_numeric) => Some(every(number)),
            _ => nearest(word, ["even", "first_last"].into_iter()).map(str::to_owned),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_other_programs_lead_to_ours() {
        let training = ["learning_rate", "batch_size", "steps", "eps", "betas", "seed", "log_every"];
        let kinds = ["forward_kl", "reverse_kl", "jensen_shannon", "cross_entropy", "hidden_mse"];
        for (typed, known, meant) in [
            ("lr", &training[..], Some("learning_rate")),
            ("learningrate", &training[..], Some("learning_rate")),
            ("learning-rate", &training[..], Some("learning_rate")),
            ("epochs", &training[..], Some("steps")),
            ("kl", &kinds[..], Some("forward_kl")),
            ("KL", &kinds[..], Some("forward_kl")),
            ("Reverse-KL", &kinds[..], Some("reverse_kl")),
            ("jsd", &kinds[..], Some("jensen_shannon")),
            ("ce", &kinds[..], Some("cross_entropy")),
            ("zebra", &kinds[..], None),
        ] {
            assert_eq!(nearest(typed, known.iter().copied()), meant, "{typed}");
        }
    }

    #[test]
    fn layers_in_words_are_read_as_what_they_mean() {
        for (typed, meant) in [
            ("every second", Some("every 2nd")),
            ("every other layer", Some("every 2nd")),
            ("every third", Some("every 3rd")),
            ("every_2nd", Some("every 2nd")),
            ("every 4", Some("every 4th")),
            ("2nd", Some("every 2nd")),
            ("half", Some("every 2nd")),
            ("evn", Some("even")),
            ("Even", Some("even")),
            ("first-last", Some("first_last")),
            ("every 0th", None),
            ("zebra", None),
        ] {
            assert_eq!(layers(typed).as_deref(), meant, "{typed}");
        }
    }
}
