//! The facts of the report, for programs.

use limbeck_results::Results;

/// `results.json`: keys in the order of the schema, a newline at the end.
///
/// A number that is not finite is `null`.
///
/// # Errors
/// Those of serde_json; none is known for this type.
pub fn results_json(results: &Results) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(results)?;
    text.push('\n');
    Ok(text)
}
