//! Every mistake in a recipe is named with file, line, key and what would be right.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use limbeck::recipe::{Override, RecipeError, load_text};

const GOOD: &str = include_str!("tiny.toml");

/// What the user sees of a recipe's mistakes: the error, then its hints.
fn complaint(text: &str, overrides: &[Override]) -> String {
    match load_text(text, Path::new("recipe.toml"), overrides) {
        Ok(_) => panic!("the recipe was accepted"),
        Err(error) => {
            let hints = error.hints().iter().map(|hint| format!("\nhint: {hint}")).collect::<String>();
            format!("{error}{hints}")
        }
    }
}

fn with(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "the tiny recipe has no `{from}`");
    complaint(&GOOD.replacen(from, to, 1), &[])
}

fn flag(argument: &str) -> Vec<Override> {
    vec![Override::from_flag(argument).unwrap()]
}

#[test]
fn the_tiny_recipe_is_good() {
    load_text(GOOD, Path::new("recipe.toml"), &[]).unwrap();
}

#[test]
fn unknown_keys_are_named_with_line_and_suggestion() {
    insta::assert_snapshot!("unknown_key", with("learning_rate = 1e-3", "lerning_rate = 1e-3"));
    insta::assert_snapshot!("unknown_section", with("[evaluation]", "[evalution]"));
    insta::assert_snapshot!("unknown_key_of_a_kind", with("temperature = 2.0", "temprature = 2.0"));
}

#[test]
fn unknown_kinds_are_named_with_those_there_are() {
    insta::assert_snapshot!("unknown_kind", with("kind = \"forward_kl\"", "kind = \"forwardkl\""));
    insta::assert_snapshot!("missing_kind", with("kind = \"numerals\"", "# nothing"));
}

#[test]
fn wrong_types_are_named_with_the_right_one() {
    insta::assert_snapshot!("wrong_type", with("n_layers = 2", "n_layers = \"two\""));
    insta::assert_snapshot!("negative", with("batch_size = 4", "batch_size = -4"));
    insta::assert_snapshot!("not_finite", with("weight = 0.5", "weight = nan"));
    insta::assert_snapshot!("wrong_choice", with("select = \"even\"", "select = \"evn\""));
}

#[test]
fn missing_keys_are_named() {
    insta::assert_snapshot!("missing_key", with("d_model = 16", ""));
    insta::assert_snapshot!("missing_section", complaint("name = \"x\"", &[]));
}

#[test]
fn text_that_is_no_toml_is_named_with_its_line() {
    insta::assert_snapshot!("not_toml", with("seed = 3", "seed = = 3"));
}

#[test]
fn objectives_that_ask_too_much_are_refused() {
    let hidden =
        "[capture]\ntop_k = 4\n\n[[objectives]]\nkind = \"hidden_mse\"\nweight = 1.0\n\n[[objectives]]";
    insta::assert_snapshot!("capability", with("[[objectives]]", hidden));
    let matching = hidden.replace("hidden_mse", "logit_matching");
    insta::assert_snapshot!("logit_capability", with("[[objectives]]", &matching));
    let share = "[[objectives]]\nkind = \"jensen_shannon\"\nbeta = 1.0\n\n[[objectives]]";
    insta::assert_snapshot!("share", with("[[objectives]]", share));
    let layers = "[[objectives]]\nkind = \"hidden_mse\"\nlayers = [[0, 7]]\n\n[[objectives]]";
    insta::assert_snapshot!("layer_pair", with("[[objectives]]", layers));
    insta::assert_snapshot!("layer_choice", with("select = \"even\"", "select = [0, 9]"));
}

#[test]
fn what_cannot_be_meant_is_refused() {
    insta::assert_snapshot!("no_baseline", with("[baseline]\ntrain = true", "[baseline]\ntrain = false"));
    insta::assert_snapshot!("odd_heads", with("n_heads = 2", "n_heads = 3"));
    let gguf = "[export]\ngguf = [\"f16\"]\n\n[baseline]";
    insta::assert_snapshot!("no_gguf", with("[baseline]", gguf));
    insta::assert_snapshot!("no_steps", with("steps = 6", "steps = 0"));
}

#[test]
fn tasks_that_cannot_be_are_refused() {
    let audit = |text: &str| with("prompts_per_template = 3", text);
    insta::assert_snapshot!("unknown_task", audit("task = \"number_word\""));
    insta::assert_snapshot!("wrong_task_type", audit("task = 3"));
    insta::assert_snapshot!("unknown_task_kind", audit("task = { kind = \"json\", path = \"x\" }"));
    insta::assert_snapshot!("task_without_path", audit("task = { kind = \"jsonl\" }"));
    insta::assert_snapshot!(
        "no_prompts_file",
        audit("task = { kind = \"jsonl\", path = \"no/such.jsonl\" }")
    );
    insta::assert_snapshot!("no_distractors", audit("task = \"ioi\"\ndistractors = \"words\""));
    insta::assert_snapshot!("gate_of_nothing", with("seed = 3", "seed = 3\ngates = [{ measure = \"x\" }]"));
}

#[test]
fn every_task_is_good() {
    for task in ["numerals", "number_words", "ioi", "greater_than", "induction", "simple_qa"] {
        let text = GOOD.replacen("prompts_per_template = 3", &format!("task = \"{task}\""), 1);
        let loaded = load_text(&text, Path::new("recipe.toml"), &[]).unwrap();
        let settings = loaded.recipe.audit.settings().unwrap();
        assert_eq!(settings.task, task.parse().unwrap());
        let again = load_text(&loaded.resolved, Path::new("again"), &[]).unwrap();
        assert_eq!(again.recipe, loaded.recipe);
    }
}

#[test]
fn flags_and_the_environment_are_named_too() {
    insta::assert_snapshot!("flag_key", complaint(GOOD, &flag("training.stps=3")));
    insta::assert_snapshot!("flag_type", complaint(GOOD, &flag("training.steps=many")));
    insta::assert_snapshot!("flag_element", complaint(GOOD, &flag("objectives.7.weight=1")));
    let error: RecipeError = Override::from_flag("training.steps").unwrap_err();
    insta::assert_snapshot!("flag_form", error.to_string());
}
