//! Limits of every number and text of a recipe, checked before any of them decides how much is allocated or how long is computed.
//!
//! The limits are far above what a distillation on one machine can use; they catch slips and hostile recipes. A key that is
//! not listed has the limits of [`MOST`].

use limbeck_data::text;

use super::error::Problem;
use super::node::{Content, Node};

/// Limit of whole numbers that have none of their own.
const MOST: i64 = 10_000_000;
/// Limit of other numbers that have none of their own.
const MOST_FLOAT: f64 = 1e6;
/// Longest text, in bytes, and longest list.
const LONGEST: usize = 100_000;

/// Keys whose value allocates nothing and computes nothing by being large.
const FREE: [&str; 12] = [
    "seed",
    "checkpoint_every",
    "log_every",
    "term_gradients_every",
    "warmup_steps",
    "max_examples",
    "up_to_parameters",
    "at_least",
    "at_most",
    "clip_norm",
    // Has bounds where it is used.
    "temperature",
    "temperatures",
];

/// Limits by the last part of a key.
const LIMITS: &[(&str, i64)] = &[
    ("accumulation", 1 << 16),
    ("after", 1_000),
    ("alignment_resamples", 100_000),
    ("batch_size", 1 << 16),
    ("before", 1_000),
    ("clusterings", 10_000),
    ("d_mlp", 1 << 18),
    ("d_model", 1 << 16),
    ("directions", 1 << 12),
    ("distractors", 64),
    ("hidden", 1 << 16),
    ("jitter", 1_000),
    ("max_positions", 1 << 20),
    ("members", 1_000),
    ("n_heads", 1 << 10),
    ("n_kv_heads", 1 << 10),
    ("n_layers", 1 << 10),
    ("noise_draws", 1_000),
    ("period", 100_000),
    ("positions", 1_000),
    ("prompts_per_group", 100_000),
    ("prompts_per_template", 100_000),
    ("random", 10_000),
    ("random_orders", 1_000),
    ("resamples", 1_000_000),
    ("rows", 1_000_000),
    ("sequence_length", 1 << 20),
    ("sequences", 10_000),
    ("shard_examples", 1_000_000),
    ("shift_prompts", 10_000),
    ("slices", 256),
    ("student_widths", 1 << 16),
    ("top_k", 1 << 20),
];

/// The same for keys that take any number.
const FLOAT_LIMITS: &[(&str, f64)] = &[
    ("alpha", 100.0),
    ("eps", 1.0),
    ("learning_rate", 100.0),
    ("noise", 1000.0),
    ("noise_sizes", 1000.0),
    ("weight_decay", 100.0),
];

/// Everything in the document that is beyond its limit.
pub(crate) fn check(root: &Node) -> Vec<Problem> {
    let mut problems = Vec::new();
    walk(root, "", "", &mut problems);
    problems
}

fn walk(node: &Node, path: &str, key: &str, problems: &mut Vec<Problem>) {
    let mut refuse = |message: String| {
        let key = (!path.is_empty()).then(|| path.to_owned());
        problems.push(Problem { origin: node.origin.clone(), key, message, hint: None });
    };
    let below = |part: &str| if path.is_empty() { part.to_owned() } else { format!("{path}.{part}") };
    match &node.content {
        Content::Table(entries) => {
            for (name, entry) in entries {
                walk(&entry.node, &below(name), name, problems);
            }
        }
        Content::Array(items) if items.len() > LONGEST => {
            refuse(format!("found a list of {}, expected at most {LONGEST}", items.len()));
        }
        Content::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, &below(&index.to_string()), key, problems);
            }
        }
        Content::Text(text) if text.len() > LONGEST => {
            refuse(format!("found a text of {} bytes, expected at most {LONGEST}", text.len()));
        }
        Content::Text(text) if text.contains('\0') => {
            refuse("found a text with the character NUL, which no path or name has".to_owned());
        }
        Content::Integer(_) | Content::Float(_) if FREE.contains(&key) => {
            if let Content::Float(number) = &node.content
                && !number.is_finite()
            {
                refuse(format!("found {number:?}, expected a finite number"));
            }
        }
        Content::Integer(number) => {
            let limit = limit_of(LIMITS, key).unwrap_or(MOST);
            let limit = limit_of(FLOAT_LIMITS, key).map_or(limit, |limit| limit as i64);
            if !(-limit..=limit).contains(number) {
                refuse(format!("found {number}, expected at most {limit}"));
            }
        }
        Content::Float(number) => {
            let limit = limit_of(LIMITS, key).map_or(MOST_FLOAT, |limit| limit as f64);
            let limit = limit_of(FLOAT_LIMITS, key).unwrap_or(limit);
            // Written so that what is no number is refused too.
            let within = number.abs() <= limit;
            if !within {
                refuse(format!("found {number:?}, expected a number of at most {limit}"));
            }
        }
        Content::Text(_) | Content::Boolean(_) | Content::Datetime(_) => {}
    }
}

fn limit_of<T: Copy>(limits: &[(&str, T)], key: &str) -> Option<T> {
    limits.iter().find(|(name, _)| *name == key).map(|(_, limit)| *limit)
}

/// A text of the recipe as a message may hold it.
pub(crate) fn quoted(found: &str) -> String {
    format!("\"{}\"", text::name(found))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_number_beyond_its_limit_is_refused_by_key() {
        let text = "a.batch_size = 1000000000\nseed = 9000000000\nname = \"x\"\nweights = [1.0, inf]\ntraining.learning_rate = 1e9\n\
                    [audit]\nresamples = 10000\nunknown = 2147483648\n";
        let root = Node::parse(text, Path::new("r.toml")).unwrap();
        let mut keys: Vec<String> = check(&root).into_iter().filter_map(|problem| problem.key).collect();
        keys.sort();
        assert_eq!(keys, ["a.batch_size", "audit.unknown", "training.learning_rate", "weights.1"]);
        assert_eq!(quoted("a\n\u{1b}"), "\"a\\n\\u{1b}\"");
    }
}
