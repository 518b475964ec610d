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
