//! Filters over lists, and slices.

use std::cmp::Ordering;
use std::rc::Rc;

use super::filters::{self, Args};
use super::render::Machine;
use super::scope::Budget;
use super::value::Value;
use super::{Outcome, predicates};

pub(super) fn apply(machine: &Machine, name: &str, value: &Value, args: &Args<'_>) -> Outcome<Value> {
    let budget = &machine.budget;
    let items = || {
        let items = value.items(budget)?;
        budget.items(items.len())?;
        budget.scan(value.text_size())?;
        Ok::<_, String>(items)
    };
    match name {
        "length" | "count" => match value.length() {
            Some(length) => Ok(Value::Int(length as i64)),
            None => Err(format!("{} has no length", value.kind())),
        },
        "list" => Ok(Value::List(items()?)),
        "items" => match value {
            Value::Dict(pairs) => {
                budget.items(pairs.len())?;
                Ok(Value::list(pairs.iter().map(pair).collect()))
            }
            Value::Undefined(_) => Ok(Value::list(Vec::new())),
            other => Err(format!("{} has no items", other.kind())),
        },
        "first" => Ok(items()?
            .first()
            .cloned()
            .unwrap_or_else(|| Value::undefined("no first item, sequence was empty"))),
        "last" => Ok(items()?
            .last()
            .cloned()
            .unwrap_or_else(|| Value::undefined("no last item, sequence was empty"))),
        "reverse" => {
            let mut items = items()?.to_vec();
            items.reverse();
            if let Value::Text(_) = value {
                let texts: Vec<Rc<str>> = items.iter().map(Value::to_text).collect();
                return Ok(Value::text(texts.concat()));
            }
            Ok(Value::list(items))
        }
        "join" => {
            let between = args.get(0, "d").map_or_else(|| "".into(), Value::to_text);
            let attribute = args.get(1, "attribute");
            let mut texts: Vec<Rc<str>> = Vec::new();
            for item in items()?.iter() {
                let item = match attribute {
                    Some(path) => look_up(item, path)?,
                    None => item.clone(),
                };
                texts.push(machine.text_of(&item)?);
            }
            let size: usize = texts.iter().map(|text| text.len().saturating_add(between.len())).sum();
            budget.text(size)?;
            Ok(Value::text(texts.join(&*between)))
        }
        "map" => {
            let mut made = Vec::new();
            let attribute = args.named.iter().find(|(name, _)| name == "attribute").map(|(_, path)| path);
            for item in items()?.iter() {
                made.push(match attribute {
                    Some(path) => {
                        let found = look_up(item, path)?;
                        let default = args.named.iter().find(|(name, _)| name == "default");
                        match (found, default) {
                            (Value::Undefined(_), Some((_, default))) => default.clone(),
                            (found, _) => found,
                        }
                    }
                    None => {
                        let filter = args.text(0, "filter")?.ok_or("map takes a filter or an attribute")?;
                        if !filters::exists(&filter) {
                            return Err(format!("unknown filter {filter:?}"));
                        }
                        budget.enter()?;
                        let made = filters::apply(
                            machine,
                            &filter,
                            item,
                            args.positional.get(1..).unwrap_or_default(),
                            args.named,
                        )?;
                        budget.leave();
                        made
                    }
                });
            }
            Ok(Value::list(made))
        }
        "select" | "reject" | "selectattr" | "rejectattr" => {
            let by_attribute = name.ends_with("attr");
            let mut rest = args.positional;
            let mut path = None;
            if by_attribute {
                let (first, others) = rest.split_first().ok_or("the filter takes an attribute")?;
                (path, rest) = (Some(first), others);
            }
            let test = match rest.first() {
                Some(test) => Some(test.as_text().ok_or("a test is named by a text")?),
                None => None,
            };
            if let Some(test) = test.filter(|test| !predicates::exists(test)) {
                return Err(format!("unknown test {test:?}"));
            }
            let wanted = name.starts_with("select");
            let mut kept = Vec::new();
            for item in items()?.iter() {
                let tested = match path {
                    Some(path) => look_up(item, path)?,
                    None => item.clone(),
                };
                let holds = match test {
                    Some(test) => {
                        predicates::holds(test, &tested, rest.get(1..).unwrap_or_default(), budget)?
                    }
                    None => tested.is_true(),
                };
                if holds == wanted {
                    kept.push(item.clone());
                }
            }
            Ok(Value::list(kept))
        }
        "sort" => {
            let path = args.get(2, "attribute");
            sorted(
                items()?.to_vec(),
                path,
                args.flag(1, "case_sensitive", false),
                args.flag(0, "reverse", false),
                budget,
            )
            .map(Value::list)
        }
        "dictsort" => {
            let Value::Dict(pairs) = value else {
                return Err(format!("{} is no dictionary", value.kind()));
            };
            let at = match args.text(1, "by")?.as_deref() {
                None | Some("key") => 0,
                Some("value") => 1,
                Some(other) => return Err(format!("dictsort has no {other:?}; key and value are there")),
            };
            budget.items(pairs.len())?;
            let pairs = pairs.iter().map(pair).collect();
            let by = Value::Int(at);
            sorted(
                pairs,
                Some(&by),
                args.flag(0, "case_sensitive", false),
                args.flag(2, "reverse", false),
                budget,
            )
            .map(Value::list)
        }
        "unique" => {
            let path = args.get(1, "attribute");
            let case = args.flag(0, "case_sensitive", false);
            let mut seen: Vec<Value> = Vec::new();
            let mut kept = Vec::new();
            for item in items()?.iter() {
                let key = key_of(item, path, case)?;
                let each = if key.is_key() { 0 } else { key.text_size() };
                budget.step(1 + seen.len() as u64 / 4)?;
                budget.scan(seen.len().saturating_mul(each))?;
                if !seen.contains(&key) {
                    seen.push(key);
                    kept.push(item.clone());
                }
            }
            Ok(Value::list(kept))
        }
        "min" | "max" => {
            let path = args.get(1, "attribute");
            let sorted = sorted(
                items()?.to_vec(),
                path,
                args.flag(0, "case_sensitive", false),
                name == "max",
                budget,
            )?;
            Ok(sorted.into_iter().next().unwrap_or_else(|| Value::undefined("no item, sequence was empty")))
        }
        "sum" => {
            let mut sum = args.get(1, "start").cloned().unwrap_or(Value::Int(0));
            for item in items()?.iter() {
                let item = match args.get(0, "attribute") {
                    Some(Value::None) | None => item.clone(),
                    Some(path) => look_up(item, path)?,
                };
                sum = super::operators::binary(super::ast::Binary::Add, &sum, &item, budget)?;
            }
            Ok(sum)
        }
        "batch" => {
            let size = usize::try_from(args.int(0, "linecount", 0)?).unwrap_or(0).max(1);
            let fill = args.get(1, "fill_with").filter(|fill| !matches!(fill, Value::None));
            let mut batches = Vec::new();
            for chunk in items()?.chunks(size) {
                let mut chunk = chunk.to_vec();
                if let Some(fill) = fill {
                    budget.items(size)?;
                    chunk.resize(size, fill.clone());
                }
                batches.push(Value::list(chunk));
            }
            Ok(Value::list(batches))
        }
        "slice" => {
            let count = usize::try_from(args.int(0, "slices", 0)?).unwrap_or(0).max(1);
            budget.items(count)?;
            let items = items()?;
            let fill = args.get(1, "fill_with").filter(|fill| !matches!(fill, Value::None));
            let (each, longer) = (items.len() / count, items.len() % count);
            let mut rest = items.as_slice();
            let mut parts = Vec::with_capacity(count);
            for index in 0..count {
                let (part, others) = rest.split_at(each + usize::from(index < longer));
                rest = others;
                let mut part = part.to_vec();
                if let Some(fill) = fill.filter(|_| index >= longer && longer > 0) {
                    part.push(fill.clone());
                }
                parts.push(Value::list(part));
            }
            Ok(Value::list(parts))
        }
        "groupby" => {
            let path = args.get(0, "attribute").ok_or("groupby takes an attribute")?;
            let case = args.flag(2, "case_sensitive", false);
            let sorted = sorted(items()?.to_vec(), Some(path), case, false, budget)?;
            let mut groups: Vec<(Value, Value, Vec<Value>)> = Vec::new();
            for item in sorted {
                let key = key_of(&item, Some(path), case)?;
                match groups.last_mut() {
                    Some((last, _, members)) if *last == key => members.push(item),
                    _ => groups.push((key, look_up(&item, path)?, vec![item])),
                }
            }
            // Groups are read by position and by name.
            let group = |(_, grouper, members): (Value, Value, Vec<Value>)| {
                Value::tuple(vec![grouper, Value::list(members)])
            };
            Ok(Value::list(groups.into_iter().map(group).collect()))
        }
        other => Err(format!("unknown filter {other:?}")),
    }
}

pub(super) fn pair((key, item): &(Value, Value)) -> Value {
    Value::tuple(vec![key.clone(), item.clone()])
}

/// An item by a path of names and positions with points between.
fn look_up(item: &Value, path: &Value) -> Outcome<Value> {
    let mut value = item.clone();
    let text = path.to_text();
    for step in text.split('.') {
        let by_position = step.parse::<usize>().ok();
        value = match (&value, by_position) {
            (Value::List(items) | Value::Tuple(items), Some(at)) => {
                items.get(at).cloned().unwrap_or_else(|| Value::undefined(step))
            }
            (Value::Undefined(_), _) => return Ok(value),
            (value, _) => match value.entry(&Value::text(step)) {
                Some(found) => found.clone(),
                None => super::expressions::attribute(value, step)?,
            },
        };
    }
    Ok(value)
}

fn key_of(item: &Value, path: Option<&Value>, case_sensitive: bool) -> Outcome<Value> {
    let key = match path {
        Some(Value::None) | None => item.clone(),
        Some(path) => look_up(item, path)?,
    };
    Ok(match &key {
        Value::Text(text) if !case_sensitive => Value::text(text.to_lowercase()),
        _ => key,
    })
}

fn sorted(
    items: Vec<Value>,
    path: Option<&Value>,
    case_sensitive: bool,
    reverse: bool,
    budget: &Budget,
) -> Outcome<Vec<Value>> {
    let mut keyed: Vec<(Value, Value)> = items
        .into_iter()
        .map(|item| Ok((key_of(&item, path, case_sensitive)?, item)))
        .collect::<Outcome<_>>()?;
    budget.step(keyed.len() as u64)?;
    let size = keyed.iter().fold(0, |sum: usize, (key, _)| sum.saturating_add(key.text_size()));
    budget.scan(size.saturating_mul(keyed.len().max(2).ilog2() as usize))?;
    let mut failure = None;
    keyed.sort_by(|a, b| {
        let order = a.0.order(&b.0).unwrap_or_else(|reason| {
            failure = Some(reason);
            Ordering::Equal
        });
        if reverse { order.reverse() } else { order }
    });
    match failure {
        Some(reason) => Err(reason),
        None => Ok(keyed.into_iter().map(|(_, item)| item).collect()),
    }
}

/// `value[start:stop:step]`.
pub(super) fn slice(value: &Value, [start, stop, step]: [Option<i64>; 3], budget: &Budget) -> Outcome<Value> {
    let step = step.unwrap_or(1);
    if step == 0 {
        return Err("slice step cannot be zero".to_owned());
    }
    let pick = |length: usize| {
        let length = length as i64;
        let clamp = |bound: i64, low: i64, high: i64| {
            let bound = if bound < 0 { bound.saturating_add(length) } else { bound };
            bound.clamp(low, high)
        };
        let (first, last) = if step > 0 {
            (start.map_or(0, |at| clamp(at, 0, length)), stop.map_or(length, |at| clamp(at, 0, length)))
        } else {
            (
                start.map_or(length - 1, |at| clamp(at, -1, length - 1)),
                stop.map_or(-1, |at| clamp(at, -1, length - 1)),
            )
        };
        let mut at = Vec::new();
        let mut next = first;
        while if step > 0 { next < last } else { next > last } {
            at.push(next as usize);
            next = next.saturating_add(step);
        }
        at
    };
    match value {
        Value::Undefined(name) => Err(format!("{name} is undefined")),
        Value::Text(text) => {
            budget.text(text.len())?;
            let letters: Vec<char> = text.chars().collect();
            budget.items(letters.len() / 8)?;
            let picked: String = pick(letters.len()).into_iter().filter_map(|at| letters.get(at)).collect();
            Ok(Value::text(picked))
        }
        Value::List(items) | Value::Tuple(items) => {
            budget.items(items.len())?;
            let picked = pick(items.len()).into_iter().filter_map(|at| items.get(at).cloned()).collect();
            Ok(if let Value::Tuple(_) = value { Value::tuple(picked) } else { Value::list(picked) })
        }
        other => Err(format!("{} cannot be sliced", other.kind())),
    }
}
