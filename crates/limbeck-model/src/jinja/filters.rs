//! Filters: `value | name(...)`.

use std::rc::Rc;

use super::format::percent;
use super::json::{Style, dumps};
use super::render::Machine;
use super::value::Value;
use super::{Outcome, sequences, text};

const NAMES: [&str; 51] = [
    "abs",
    "attr",
    "batch",
    "capitalize",
    "center",
    "count",
    "d",
    "default",
    "dictsort",
    "e",
    "escape",
    "filesizeformat",
    "first",
    "float",
    "forceescape",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "pprint",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "string",
    "striptags",
    "sum",
    "title",
    "tojson",
    "trim",
    "truncate",
    "unique",
    "upper",
    "urlencode",
    "wordcount",
    "wordwrap",
];

pub(super) fn exists(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Arguments of a filter or method, by position or name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Args<'a> {
    pub(super) positional: &'a [Value],
    pub(super) named: &'a [(String, Value)],
}

impl<'a> Args<'a> {
    pub(super) fn get(&self, at: usize, name: &str) -> Option<&'a Value> {
        self.positional
            .get(at)
            .or_else(|| self.named.iter().find(|(known, _)| known == name).map(|(_, value)| value))
    }

    pub(super) fn text(&self, at: usize, name: &str) -> Outcome<Option<Rc<str>>> {
        match self.get(at, name) {
            None | Some(Value::None) => Ok(None),
            Some(Value::Text(text)) => Ok(Some(Rc::clone(text))),
            Some(other) => Err(format!("{name} is a text, not {}", other.kind())),
        }
    }

    pub(super) fn int(&self, at: usize, name: &str, default: i64) -> Outcome<i64> {
        match self.get(at, name) {
            None => Ok(default),
            Some(value) => {
                value.as_int().ok_or_else(|| format!("{name} is an integer, not {}", value.kind()))
            }
        }
    }

    pub(super) fn flag(&self, at: usize, name: &str, default: bool) -> bool {
        self.get(at, name).map_or(default, Value::is_true)
    }
}

pub(super) fn apply(
    machine: &Machine,
    name: &str,
    value: &Value,
    positional: &[Value],
    named: &[(String, Value)],
) -> Outcome<Value> {
    let args = Args { positional, named };
    let budget = &machine.budget;
    let whole = || machine.text_of(value);
    let same = |text: String| {
        budget.text(text.len())?;
        Ok(Value::text(text))
    };
    match name {
        "safe" | "string" => Ok(Value::Text(whole()?)),
        "e" | "escape" | "forceescape" => same(text::escape(&whole()?)),
        "lower" => same(whole()?.to_lowercase()),
        "upper" => same(whole()?.to_uppercase()),
        "capitalize" => same(text::capitalize(&whole()?)),
        "title" => same(text::title_words(&whole()?)),
        "trim" => {
            let letters = args.text(0, "chars")?;
            same(text::strip(&whole()?, letters.as_deref(), true, true).to_owned())
        }
        "striptags" => same(text::strip_tags(&whole()?)),
        "urlencode" => same(text::url_encode(&whole()?)),
        "wordcount" => Ok(Value::Int(text::word_count(&whole()?) as i64)),
        "replace" => {
            let wanted = args.get(0, "old").ok_or("replace takes two texts")?.to_text();
            let with = args.get(1, "new").ok_or("replace takes two texts")?.to_text();
            let count = args.get(2, "count").and_then(Value::as_int);
            text::replace(&whole()?, &wanted, &with, count, budget)
        }
        "center" => text::justify(&whole()?, args.int(0, "width", 80)?, ' ', text::Side::Center, budget),
        "indent" => text::indent(&whole()?, &args, budget),
        "truncate" => text::truncate(&whole()?, &args, budget),
        "wordwrap" => text::word_wrap(&whole()?, args.int(0, "width", 79)?, budget),
        "filesizeformat" => text::file_size(value, args.flag(0, "binary", false)),
        "format" => {
            let given = if positional.is_empty() {
                Value::dict(named.iter().map(|(key, item)| (Value::text(key), item.clone())).collect())
            } else {
                Value::tuple(positional.to_vec())
            };
            percent(&whole()?, &given, budget)
        }
        "pprint" => {
            budget.text(value.text_size())?;
            let mut out = String::new();
            value.write_repr(&mut out);
            same(out)
        }
        "tojson" => {
            if let Value::Undefined(name) = value {
                return Err(format!("{name} is undefined and has no JSON form"));
            }
            budget.text(value.text_size())?;
            same(dumps(value, &style(&args, budget)?, budget)?)
        }
        "default" | "d" => {
            let missing =
                matches!(value, Value::Undefined(_)) || (args.flag(1, "boolean", false) && !value.is_true());
            Ok(if missing {
                args.get(0, "default_value").cloned().unwrap_or_else(|| Value::text(""))
            } else {
                value.clone()
            })
        }
        "abs" => match value {
            Value::Float(number) => Ok(Value::Float(number.abs())),
            other => other
                .as_int()
                .and_then(i64::checked_abs)
                .map(Value::Int)
                .ok_or_else(|| format!("{} has no absolute value", other.kind())),
        },
        "int" => Ok(to_int(value, args.int(1, "base", 10)?)
            .unwrap_or(args.get(0, "default").cloned().unwrap_or(Value::Int(0)))),
        "float" => {
            let number = match value {
                Value::Text(text) => text.trim().replace('_', "").parse().ok(),
                other => other.as_float(),
            };
            Ok(number
                .map_or_else(|| args.get(0, "default").cloned().unwrap_or(Value::Float(0.0)), Value::Float))
        }
        "round" => round(value, &args),
        "attr" => {
            let name = args.text(0, "name")?.ok_or("attr takes a name")?;
            super::expressions::attribute(value, &name)
        }
        _ => sequences::apply(machine, name, value, &args),
    }
}

fn style(args: &Args<'_>, budget: &super::scope::Budget) -> Outcome<Style> {
    let indent = match args.get(1, "indent") {
        None | Some(Value::None) => None,
        Some(Value::Text(text)) => Some(text.to_string()),
        Some(value) => {
            let spaces = value.as_int().ok_or("indent is a number of spaces or a text")?;
            Some(" ".repeat(usize::try_from(spaces).unwrap_or(0).min(1000)))
        }
    };
    let separators = match args.get(2, "separators") {
        None | Some(Value::None) => None,
        Some(pair) => match pair.items(budget)?.as_slice() {
            [item, key] => Some((item.to_text().to_string(), key.to_text().to_string())),
            _ => return Err("separators is a pair of texts".to_owned()),
        },
    };
    let item = if indent.is_some() { "," } else { ", " };
    let (item, key) = separators.unwrap_or_else(|| (item.to_owned(), ": ".to_owned()));
    Ok(Style {
        ascii: args.flag(0, "ensure_ascii", false),
        indent,
        item,
        key,
        sorted: args.flag(3, "sort_keys", false),
    })
}

fn to_int(value: &Value, base: i64) -> Option<Value> {
    match value {
        Value::Text(text) => {
            let text = text.trim().replace('_', "");
            let digits = match base {
                16 => text.trim_start_matches("0x").trim_start_matches("0X"),
                8 => text.trim_start_matches("0o").trim_start_matches("0O"),
                2 => text.trim_start_matches("0b").trim_start_matches("0B"),
                _ => &text,
            };
            let base = u32::try_from(base).ok().filter(|base| (2..=36).contains(base))?;
            let whole = i64::from_str_radix(digits, base).ok();
            whole
                .or_else(|| {
                    text.parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| number as i64)
                })
                .map(Value::Int)
        }
        Value::Float(number) if number.is_finite() => Some(Value::Int(*number as i64)),
        other => other.as_int().map(Value::Int),
    }
}

fn round(value: &Value, args: &Args<'_>) -> Outcome<Value> {
    let number = value.as_float().ok_or_else(|| format!("{} cannot be rounded", value.kind()))?;
    let precision = args.int(0, "precision", 0)?.clamp(-300, 300);
    let method = args.text(1, "method")?.unwrap_or_else(|| "common".into());
    if let (Value::Int(_), "common", 0..) = (value, &*method, precision) {
        return Ok(value.clone());
    }
    let scale = 10_f64.powi(precision as i32);
    Ok(Value::Float(match &*method {
        "common" if precision >= 0 => format!("{number:.*}", precision as usize).parse().unwrap_or(number),
        "common" => (number * scale).round_ties_even() / scale,
        "ceil" => (number * scale).ceil() / scale,
        "floor" => (number * scale).floor() / scale,
        other => return Err(format!("round has no method {other:?}; common, ceil and floor are there")),
    }))
}
