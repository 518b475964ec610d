//! The schemas checked in are those the types generate.
#![allow(clippy::unwrap_used)]

use std::path::Path;

fn compare(file: &str, verb: &str, schema: &serde_json::Value) {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas")).join(file);
    let written = std::fs::read_to_string(path).unwrap_or_default();
    let generated = format!("{}\n", serde_json::to_string_pretty(schema).unwrap());
    assert!(
        written == generated,
        "schemas/{file} is out of date; bring it up with: cargo run -- schema {verb} > schemas/{file}"
    );
}

#[test]
fn the_recipe_schema_is_up_to_date() {
    compare("recipe.schema.json", "recipe", &limbeck::recipe::schema());
}

#[test]
fn the_results_schema_is_up_to_date() {
    compare("results.schema.json", "results", &limbeck::results::schema());
}

#[test]
fn the_reference_of_recipes_is_up_to_date() {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/recipe.md"));
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == limbeck::recipe::reference(),
        "docs/recipe.md is out of date; bring it up with: cargo run -- schema reference > docs/recipe.md"
    );
}

/// The recipe that the README shows is the one in `examples/`, and it can be read.
#[test]
fn the_recipe_in_the_readme_is_the_one_in_examples() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let read = |file: &str| std::fs::read_to_string(root.join(file)).unwrap();
    let readme = read("README.md");
    let recipe = read("examples/tickets.toml");
    assert!(
        readme.contains(&format!("```toml\n{recipe}```")),
        "README.md shows another recipe than examples/tickets.toml"
    );
    let local =
        recipe.replace("examples/tickets.jsonl", root.join("examples/tickets.jsonl").to_str().unwrap());
    let loaded = limbeck::recipe::load_text(&local, Path::new("tickets.toml"), &[]).unwrap();
    assert!(loaded.recipe.audit.settings().is_none());
    assert_eq!(read("examples/tickets.jsonl").lines().count(), 64);
    assert!(readme.lines().count() <= 250);
}
