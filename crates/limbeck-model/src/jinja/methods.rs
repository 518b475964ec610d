//! Methods of Python's texts, lists, dictionaries and numbers. Those that change a list or dictionary are refused, as transformers'
//! environment refuses them.

use std::rc::Rc;

use super::filters::Args;
use super::format::braces;
use super::render::Machine;
use super::sequences::pair;
use super::text::{self, Side};
use super::value::{LoopState, Value};
use super::{Outcome, scope::Budget};

const OF_TEXT: [&str; 42] = [
    "capitalize",
    "casefold",
    "center",
    "count",
    "endswith",
    "expandtabs",
    "find",
    "format",
    "index",
    "isalnum",
    "isalpha",
    "isascii",
    "isdecimal",
    "isdigit",
    "isidentifier",
    "islower",
    "isnumeric",
    "isspace",
    "istitle",
    "isupper",
    "join",
    "ljust",
    "lower",
    "lstrip",
    "partition",
    "removeprefix",
    "removesuffix",
    "replace",
    "rfind",
    "rindex",
    "rjust",
    "rpartition",
    "rsplit",
    "rstrip",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "swapcase",
    "title",
    "upper",
    "zfill",
];
const OF_LIST: [&str; 3] = ["count", "index", "copy"];
const OF_DICT: [&str; 5] = ["get", "items", "keys", "values", "copy"];
/// Methods that change what they are called on.
const CHANGING: [&str; 12] = [
    "append",
    "clear",
    "extend",
    "insert",
    "pop",
    "popitem",
    "remove",
    "reverse",
    "setdefault",
    "sort",
    "update",
    "add",
];

/// Whether a value has a method of that name.
pub(super) fn exists(value: &Value, name: &str) -> bool {
    match value {
        Value::Text(_) => OF_TEXT.contains(&name),
        Value::List(_) => OF_LIST.contains(&name) || CHANGING.contains(&name),
        Value::Tuple(_) => matches!(name, "count" | "index"),
        Value::Dict(_) => {
            OF_DICT.contains(&name) || matches!(name, "clear" | "pop" | "popitem" | "setdefault" | "update")
        }
        Value::Float(_) => name == "is_integer",
        Value::Int(_) | Value::Bool(_) => name == "bit_length",
        Value::Cycler(_) => matches!(name, "next" | "reset"),
        _ => false,
    }
}

/// What a loop says of itself; methods are left to calls.
pub(super) fn loop_attribute(state: &Rc<LoopState>, name: &str) -> Option<Value> {
    let (index, count) = (state.index.get(), state.items.len());
    let number = |value: usize| Value::Int(value as i64);
    let item = |at: Option<usize>| {
        let item = at.and_then(|at| state.items.get(at).cloned());
        item.unwrap_or_else(|| Value::undefined(format!("loop.{name}: there is none")))
    };
    Some(match name {
        "index" => number(index + 1),
        "index0" => number(index),
        "revindex" => number(count - index),
        "revindex0" => number(count - index - 1),
        "first" => Value::Bool(index == 0),
        "last" => Value::Bool(index + 1 == count),
        "length" => number(count),
        "depth" => number(state.depth),
        "depth0" => number(state.depth - 1),
        "previtem" => item(index.checked_sub(1)),
        "nextitem" => item(Some(index + 1)),
        _ => return None,
    })
}

pub(super) fn call(
    machine: &Machine,
    value: &Value,
    name: &str,
    positional: &[Value],
    named: &[(String, Value)],
) -> Outcome<Value> {
    let args = Args { positional, named };
    let budget = &machine.budget;
    match value {
        Value::Text(text) => of_text(machine, text, name, &args),
        Value::List(_) | Value::Dict(_) if CHANGING.contains(&name) => {
            Err(format!("{name} would change a {}: templates may not", value.kind()))
        }
        Value::List(items) | Value::Tuple(items) => {
            budget.step(items.len() as u64 / 16)?;
            let each = positional.first().filter(|wanted| !wanted.is_key()).map_or(0, Value::text_size);
            budget.scan(items.len().saturating_mul(each))?;
            match name {
                "copy" => Ok(value.clone()),
                "count" => {
                    let wanted = args.get(0, "value").ok_or("count takes a value")?;
                    Ok(Value::Int(items.iter().filter(|item| *item == wanted).count() as i64))
                }
                _ => {
                    let wanted = args.get(0, "value").ok_or("index takes a value")?;
                    let at = items.iter().position(|item| item == wanted);
                    at.map(|at| Value::Int(at as i64))
                        .ok_or_else(|| "the value is not in the list".to_owned())
                }
            }
        }
        Value::Dict(items) => {
            budget.items(items.len())?;
            match name {
                "items" => Ok(Value::list(items.iter().map(pair).collect())),
                "keys" => Ok(Value::list(items.iter().map(|(key, _)| key.clone()).collect())),
                "values" => Ok(Value::list(items.iter().map(|(_, item)| item.clone()).collect())),
                "copy" => Ok(value.clone()),
                _ => {
                    let key = args.get(0, "key").ok_or("get takes a key")?;
                    let found = value.entry(key).cloned();
                    Ok(found.unwrap_or_else(|| args.get(1, "default").cloned().unwrap_or(Value::None)))
                }
            }
        }
        Value::Float(number) => Ok(Value::Bool(number.fract() == 0.0)),
        Value::Int(number) => Ok(Value::Int(i64::from(64 - number.unsigned_abs().leading_zeros()))),
        Value::Bool(value) => Ok(Value::Int(i64::from(*value))),
        Value::Cycler(cycler) => {
            if name == "reset" {
                cycler.at.set(0);
                return Ok(Value::None);
            }
            let at = cycler.at.get();
            cycler.at.set((at + 1) % cycler.items.len().max(1));
            Ok(cycler.items.get(at).cloned().unwrap_or(Value::None))
        }
        Value::Loop(state) => match name {
            "cycle" if !positional.is_empty() => Ok(positional[state.index.get() % positional.len()].clone()),
            "changed" => {
                if positional.iter().any(|value| !value.is_plain()) {
                    return Err("loop.changed takes plain values".to_owned());
                }
                budget.scan(
                    positional.iter().fold(0, |sum: usize, value| sum.saturating_add(value.text_size())),
                )?;
                let changed = state.changed.borrow().as_deref() != Some(positional);
                *state.changed.borrow_mut() = Some(positional.to_vec());
                Ok(Value::Bool(changed))
            }
            _ => Err(format!("a loop has no {name:?}")),
        },
        other => Err(format!("{} has no method {name:?}", other.kind())),
    }
}

fn of_text(machine: &Machine, text: &Rc<str>, name: &str, args: &Args<'_>) -> Outcome<Value> {
    let budget = &machine.budget;
    budget.scan(text.len())?;
    let made = |text: &str| {
        budget.text(text.len())?;
        Ok(Value::text(text))
    };
    let wanted = |name: &str| args.text(0, name)?.ok_or_else(|| format!("the method takes a text as {name}"));
    let all = |test: fn(char) -> bool| Ok(Value::Bool(!text.is_empty() && text.chars().all(test)));
    match name {
        "strip" | "lstrip" | "rstrip" => {
            let letters = args.text(0, "chars")?;
            made(text::strip(text, letters.as_deref(), name != "rstrip", name != "lstrip"))
        }
        "upper" => made(&text.to_uppercase()),
        "lower" => made(&text.to_lowercase()),
        "casefold" => made(&text.to_lowercase().replace('ß', "ss")),
        "capitalize" => made(&text::capitalize(text)),
        "title" => made(&text::title(text)),
        "swapcase" => {
            let swap = |letter: char| -> String {
                if letter.is_uppercase() {
                    letter.to_lowercase().collect()
                } else {
                    letter.to_uppercase().collect()
                }
            };
            made(&text.chars().map(swap).collect::<String>())
        }
        "removeprefix" => made(text.strip_prefix(&*wanted("prefix")?).unwrap_or(text)),
        "removesuffix" => made(text.strip_suffix(&*wanted("suffix")?).unwrap_or(text)),
        "startswith" | "endswith" => {
            let text = within(text, args);
            let test =
                |part: &str| if name == "startswith" { text.starts_with(part) } else { text.ends_with(part) };
            match args.get(0, "prefix") {
                Some(Value::Text(part)) => Ok(Value::Bool(test(part))),
                Some(Value::Tuple(parts)) => {
                    Ok(Value::Bool(parts.iter().any(|part| part.as_text().is_some_and(|part| test(part)))))
                }
                _ => Err(format!("{name} takes a text or a tuple of texts")),
            }
        }
        "split" | "rsplit" => split(text, name == "rsplit", args, budget),
        "splitlines" => {
            let lines = text::lines_of(text, args.flag(0, "keepends", false));
            budget.items(lines.len())?;
            budget.text(text.len())?;
            Ok(Value::list(lines.into_iter().map(Value::text).collect()))
        }
        "partition" | "rpartition" => {
            let by = wanted("sep")?;
            if by.is_empty() {
                return Err("empty separator".to_owned());
            }
            budget.text(text.len())?;
            let parts = match name {
                "partition" => text.split_once(&*by).map_or([text, "", ""], |(a, b)| [a, &by, b]),
                _ => text.rsplit_once(&*by).map_or(["", "", text], |(a, b)| [a, &by, b]),
            };
            Ok(Value::tuple(parts.into_iter().map(Value::text).collect()))
        }
        "replace" => {
            let with = args.text(1, "new")?.ok_or("replace takes two texts")?;
            text::replace(text, &wanted("old")?, &with, args.get(2, "count").and_then(Value::as_int), budget)
        }
        "find" | "rfind" | "index" | "rindex" => {
            let part = wanted("sub")?;
            let searched = within(text, args);
            let skipped = (searched.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
            let at = if name.starts_with('r') { searched.rfind(&*part) } else { searched.find(&*part) };
            match at.and_then(|at| text.get(..skipped + at)) {
                Some(before) => Ok(Value::Int(before.chars().count() as i64)),
                None if name.ends_with("index") => Err("substring not found".to_owned()),
                None => Ok(Value::Int(-1)),
            }
        }
        "count" => {
            let part = wanted("sub")?;
            let searched = within(text, args);
            let count =
                if part.is_empty() { searched.chars().count() + 1 } else { searched.matches(&*part).count() };
            Ok(Value::Int(count as i64))
        }
        "join" => {
            let items = args.get(0, "iterable").ok_or("join takes a list")?.items(budget)?;
            let mut texts = Vec::with_capacity(items.len());
            for item in items.iter() {
                let part = item.as_text().ok_or_else(|| format!("join takes texts, not {}", item.kind()))?;
                texts.push(&**part);
            }
            budget.text(texts.iter().map(|part| part.len().saturating_add(text.len())).sum())?;
            Ok(Value::text(texts.join(text)))
        }
        "format" => braces(text, args.positional, args.named, budget),
        "center" | "ljust" | "rjust" => {
            let side = match name {
                "center" => Side::Center,
                "ljust" => Side::Left,
                _ => Side::Right,
            };
            let fill = args.text(1, "fillchar")?.and_then(|fill| fill.chars().next()).unwrap_or(' ');
            text::justify(text, args.int(0, "width", 0)?, fill, side, budget)
        }
        "zfill" => {
            let (sign, digits) = match text.chars().next() {
                Some('-' | '+') => text.split_at(1),
                _ => ("", &**text),
            };
            let filled = text::justify(
                digits,
                args.int(0, "width", 0)?.saturating_sub(sign.len() as i64),
                '0',
                Side::Right,
                budget,
            )?;
            made(&format!("{sign}{}", filled.to_text()))
        }
        "expandtabs" => {
            let size = usize::try_from(args.int(0, "tabsize", 8)?).unwrap_or(0);
            budget.text(text.len().saturating_add(text.matches('\t').count().saturating_mul(size)))?;
            let (mut out, mut column) = (String::new(), 0);
            for letter in text.chars() {
                if letter == '\t' && size > 0 {
                    let count = size - column % size;
                    out.extend(std::iter::repeat_n(' ', count));
                    column += count;
                } else if letter != '\t' {
                    out.push(letter);
                    column = if matches!(letter, '\n' | '\r') { 0 } else { column + 1 };
                }
            }
            Ok(Value::text(out))
        }
        "isdecimal" => all(is_decimal),
        "isdigit" => all(|letter| {
            is_decimal(letter) || matches!(letter, '²' | '³' | '¹' | '⁰'..='⁹' | '₀'..='₉' | '①'..='⑨')
        }),
        "isidentifier" => {
            let begins = text.chars().next().is_some_and(|letter| letter.is_alphabetic() || letter == '_');
            Ok(Value::Bool(begins && text.chars().all(|letter| letter.is_alphanumeric() || letter == '_')))
        }
        "isnumeric" => all(char::is_numeric),
        "isalpha" => all(char::is_alphabetic),
        "isalnum" => all(char::is_alphanumeric),
        "isspace" => all(text::is_white),
        "isascii" => Ok(Value::Bool(text.is_ascii())),
        "islower" | "isupper" => {
            let cased = text.chars().any(|letter| letter.is_lowercase() || letter.is_uppercase());
            let wrong =
                |letter: char| if name == "islower" { letter.is_uppercase() } else { letter.is_lowercase() };
            Ok(Value::Bool(cased && !text.chars().any(wrong)))
        }
        "istitle" => Ok(Value::Bool(text.chars().any(char::is_alphabetic) && text::title(text) == **text)),
        other => Err(format!("str has no method {other:?}")),
    }
}

/// The zeros of scripts that write decimal numbers, each followed by the other nine digits.
const ZEROS: [u32; 20] = [
    0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xe50, 0xed0,
    0xf20, 0x1040, 0x17e0, 0x1810, 0xff10,
];

fn is_decimal(letter: char) -> bool {
    ZEROS.iter().any(|zero| (*zero..zero + 10).contains(&(letter as u32)))
}

/// The part of a text that `start` and `stop`, the second and third argument, bound.
fn within<'a>(text: &'a str, args: &Args<'_>) -> &'a str {
    let count = text.chars().count() as i64;
    let place = |at: usize, default: i64| {
        let bound = args.positional.get(at).and_then(Value::as_int).unwrap_or(default);
        let bound = if bound < 0 { bound.saturating_add(count).max(0) } else { bound.min(count) };
        text.char_indices().nth(bound as usize).map_or(text.len(), |(at, _)| at)
    };
    if args.positional.len() < 2 {
        return text;
    }
    let (start, stop) = (place(1, 0), place(2, count));
    text.get(start..stop.max(start)).unwrap_or_default()
}

fn split(text: &str, from_right: bool, args: &Args<'_>, budget: &Budget) -> Outcome<Value> {
    let by = args.text(0, "sep")?;
    let most = args.get(1, "maxsplit").and_then(Value::as_int).and_then(|most| usize::try_from(most).ok());
    budget.text(text.len())?;
    let mut parts: Vec<&str> = Vec::new();
    match by.as_deref() {
        Some("") => return Err("empty separator".to_owned()),
        Some(by) => {
            let most = most.map_or(usize::MAX, |most| most.saturating_add(1));
            if from_right {
                parts.extend(text.rsplitn(most, by));
                parts.reverse();
            } else {
                parts.extend(text.splitn(most, by));
            }
        }
        None => {
            let most = most.unwrap_or(usize::MAX);
            let mut rest = text::strip(text, None, true, true);
            while !rest.is_empty() {
                let at = if from_right { rest.rfind(text::is_white) } else { rest.find(text::is_white) };
                let Some(at) = at.filter(|_| parts.len() < most) else {
                    break;
                };
                let behind = at + rest[at..].chars().next().map_or(1, char::len_utf8);
                if from_right {
                    parts.push(&rest[behind..]);
                    rest = text::strip(&rest[..at], None, false, true);
                } else {
                    parts.push(&rest[..at]);
                    rest = text::strip(&rest[behind..], None, true, false);
                }
            }
            if !rest.is_empty() {
                // With a limit, the rest keeps the white space at its far end.
                parts.push(if most == usize::MAX { rest } else { far_end(text, rest, from_right) });
            }
            if from_right {
                parts.reverse();
            }
        }
    }
    budget.items(parts.len())?;
    Ok(Value::list(parts.into_iter().map(Value::text).collect()))
}

/// `rest`, a part of `text` that was stripped at both ends, with the white space at the end that splitting did not come from.
fn far_end<'a>(text: &'a str, rest: &'a str, from_right: bool) -> &'a str {
    let start = rest.as_ptr() as usize - text.as_ptr() as usize;
    if from_right { &text[..start + rest.len()] } else { &text[start..] }
}
