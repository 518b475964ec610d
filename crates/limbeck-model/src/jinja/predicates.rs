//! Tests: `value is ...`.

use super::ast::Comparison;
use super::operators::compare;
use super::scope::Budget;
use super::value::Value;
use super::{Outcome, filters};

const NAMES: [&str; 37] = [
    "!=",
    "<",
    "<=",
    "==",
    ">",
    ">=",
    "boolean",
    "callable",
    "defined",
    "divisibleby",
    "eq",
    "equalto",
    "escaped",
    "even",
    "false",
    "filter",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sameas",
    "sequence",
    "string",
    "test",
    "true",
];
const MORE: [&str; 2] = ["undefined", "upper"];

pub(super) fn exists(name: &str) -> bool {
    NAMES.contains(&name) || MORE.contains(&name)
}

pub(super) fn holds(name: &str, value: &Value, given: &[Value], budget: &Budget) -> Outcome<bool> {
    let other = || given.first().ok_or_else(|| format!("the test {name:?} takes a value"));
    let number =
        || value.as_int().ok_or_else(|| format!("the test {name:?} takes an integer, not {}", value.kind()));
    let cased = |lower: bool| {
        let text = value.to_text();
        text.chars().any(|letter| letter.is_lowercase() || letter.is_uppercase())
            && !text.chars().any(|letter| if lower { letter.is_uppercase() } else { letter.is_lowercase() })
    };
    budget.scan(value.text_size())?;
    let by = |comparison: Comparison| compare(comparison, value, other()?, budget);
    Ok(match name {
        "defined" => !matches!(value, Value::Undefined(_)),
        "undefined" => matches!(value, Value::Undefined(_)),
        "none" => matches!(value, Value::None),
        "boolean" => matches!(value, Value::Bool(_)),
        "true" => matches!(value, Value::Bool(true)),
        "false" => matches!(value, Value::Bool(false)),
        "integer" => matches!(value, Value::Int(_)),
        "float" => matches!(value, Value::Float(_)),
        "number" => matches!(value, Value::Int(_) | Value::Float(_) | Value::Bool(_)),
        "string" => matches!(value, Value::Text(_)),
        "mapping" => matches!(value, Value::Dict(_)),
        // What has a length and items, as Python asks; a value that is not there has both.
        "sequence" => value.length().is_some() && !matches!(value, Value::Loop(_)),
        "iterable" => value.length().is_some(),
        "callable" => matches!(
            value,
            Value::Function(_) | Value::Macro(_) | Value::Method(_) | Value::Joiner(_) | Value::Loop(_)
        ),
        "escaped" => false,
        "sameas" => match (value, other()?) {
            (Value::Int(_) | Value::Float(_), Value::Bool(_))
            | (Value::Bool(_), Value::Int(_) | Value::Float(_)) => false,
            (Value::Int(_), Value::Float(_)) | (Value::Float(_), Value::Int(_)) => false,
            (value, other) => value == other,
        },
        "odd" => number()?.rem_euclid(2) == 1,
        "even" => number()?.rem_euclid(2) == 0,
        "divisibleby" => match other()?.as_int() {
            Some(by) if by != 0 => number()?.wrapping_rem(by) == 0,
            _ => return Err("divisibleby takes an integer other than 0".to_owned()),
        },
        "lower" => cased(true),
        "upper" => cased(false),
        "eq" | "equalto" | "==" => by(Comparison::Equal)?,
        "ne" | "!=" => by(Comparison::Unequal)?,
        "lt" | "lessthan" | "<" => by(Comparison::Less)?,
        "le" | "<=" => by(Comparison::LessOrEqual)?,
        "gt" | "greaterthan" | ">" => by(Comparison::Greater)?,
        "ge" | ">=" => by(Comparison::GreaterOrEqual)?,
        "in" => by(Comparison::In)?,
        "filter" => value.as_text().is_some_and(|name| filters::exists(name)),
        "test" => value.as_text().is_some_and(|name| exists(name)),
        _ => return Err(format!("unknown test {name:?}")),
    })
}
