//! `tojson`: Python's `json.dumps`, as transformers has it in place of Jinja's filter.

use std::fmt::Write as _;

use super::value::{Value, float_text};
use super::{Outcome, scope::Budget};

/// How it is written.
#[derive(Debug)]
pub(super) struct Style {
    pub(super) ascii: bool,
    /// What a level is indented by.
    pub(super) indent: Option<String>,
    pub(super) item: String,
    pub(super) key: String,
    pub(super) sorted: bool,
}

pub(super) fn dumps(value: &Value, style: &Style, budget: &Budget) -> Outcome<String> {
    let mut out = String::new();
    write(value, style, 0, budget, &mut out)?;
    Ok(out)
}

fn plain(text: &str, out: &mut String) -> Outcome<()> {
    out.push_str(text);
    Ok(())
}

fn write(value: &Value, style: &Style, level: usize, budget: &Budget, out: &mut String) -> Outcome<()> {
    budget.enter()?;
    let result = match value {
        Value::None => plain("null", out),
        Value::Bool(value) => plain(if *value { "true" } else { "false" }, out),
        Value::Int(value) => plain(&value.to_string(), out),
        Value::Float(value) => plain(&number(*value), out),
        Value::Text(text) => {
            quote(text, style.ascii, out);
            Ok(())
        }
        Value::List(items) | Value::Tuple(items) => {
            let mut write_item =
                |index: usize, out: &mut String| write(&items[index], style, level + 1, budget, out);
            group(['[', ']'], items.len(), style, level, budget, out, &mut write_item)
        }
        Value::Dict(items) => {
            let mut order: Vec<usize> = (0..items.len()).collect();
            if style.sorted {
                order.sort_by(|a, b| items[*a].0.order(&items[*b].0).unwrap_or(std::cmp::Ordering::Equal));
            }
            let mut write_item = |index: usize, out: &mut String| {
                let (key, item) = &items[order[index]];
                match key {
                    Value::Text(text) => quote(text, style.ascii, out),
                    Value::None => out.push_str("\"null\""),
                    Value::Bool(value) => out.push_str(if *value { "\"true\"" } else { "\"false\"" }),
                    Value::Int(value) => quote(&value.to_string(), true, out),
                    Value::Float(value) => quote(&number(*value), true, out),
                    other => return Err(format!("{} cannot be a key in JSON", other.kind())),
                }
                out.push_str(&style.key);
                write(item, style, level + 1, budget, out)
            };
            group(['{', '}'], items.len(), style, level, budget, out, &mut write_item)
        }
        other => Err(format!("{} has no JSON form", other.kind())),
    };
    budget.leave();
    result
}

fn group(
    [open, close]: [char; 2],
    count: usize,
    style: &Style,
    level: usize,
    budget: &Budget,
    out: &mut String,
    write_item: &mut dyn FnMut(usize, &mut String) -> Outcome<()>,
) -> Outcome<()> {
    out.push(open);
    let line = |level: usize, out: &mut String| {
        if let Some(indent) = &style.indent {
            budget.text(indent.len().saturating_mul(level).saturating_add(1))?;
            out.push('\n');
            out.push_str(&indent.repeat(level));
        }
        Ok::<_, String>(())
    };
    for index in 0..count {
        if index > 0 {
            out.push_str(&style.item);
        }
        line(level + 1, out)?;
        write_item(index, out)?;
        budget.step(1)?;
    }
    if count > 0 {
        line(level, out)?;
    }
    out.push(close);
    Ok(())
}

fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else {
        float_text(value)
    }
}

fn quote(text: &str, ascii: bool, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            letter if (letter as u32) < 0x20 || (ascii && !letter.is_ascii()) => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
}
