//! Functions of the environment: `range`, `dict`, `namespace`, `raise_exception`, `strftime_now`, `cycler`, `joiner`.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::Outcome;
use super::render::Machine;
use super::time::strftime;
use super::value::{Cycler, Value};

pub(super) const NAMES: [&str; 7] =
    ["range", "dict", "namespace", "raise_exception", "strftime_now", "cycler", "joiner"];

/// Most numbers of a range, as the sandbox of Jinja has it.
const MOST_RANGE: u64 = 100_000;

pub(super) fn call(
    machine: &Machine,
    name: &str,
    positional: Vec<Value>,
    named: Vec<(String, Value)>,
) -> Outcome<Value> {
    match name {
        "range" => range(machine, &positional),
        "dict" => {
            let mut items = match positional.first() {
                Some(Value::Dict(items)) => items.to_vec(),
                Some(pairs) => {
                    let pair = |pair: &Value| match pair.items(&machine.budget)?.as_slice() {
                        [key, item] => Ok((key.clone(), item.clone())),
                        _ => Err("dict() takes pairs".to_owned()),
                    };
                    pairs.items(&machine.budget)?.iter().map(pair).collect::<Outcome<Vec<_>>>()?
                }
                None => Vec::new(),
            };
            machine.budget.items(items.len() + named.len())?;
            for (key, item) in named {
                let key = Value::text(key);
                match items.iter_mut().find(|(known, _)| *known == key) {
                    Some((_, old)) => *old = item,
                    None => items.push((key, item)),
                }
            }
            Ok(Value::dict(items))
        }
        "namespace" => {
            let mut items: Vec<(String, Value)> = Vec::new();
            if let Some(Value::Dict(given)) = positional.first() {
                items.extend(given.iter().map(|(key, item)| (key.to_text().to_string(), item.clone())));
            }
            items.extend(named);
            if let Some((_, value)) = items.iter().find(|(_, value)| !value.is_plain()) {
                return Err(format!("a {} cannot be kept in a namespace", value.kind()));
            }
            Ok(Value::Namespace(Rc::new(RefCell::new(items))))
        }
        "raise_exception" => {
            Err(positional.first().map_or("the template refuses".into(), |said| said.to_text().to_string()))
        }
        "strftime_now" => {
            let format = positional.first().and_then(Value::as_text).ok_or("strftime_now takes a format")?;
            machine.budget.text(format.len().saturating_mul(32))?;
            Ok(Value::text(strftime(format, machine.now)?))
        }
        "cycler" => Ok(Value::Cycler(Rc::new(Cycler { items: positional, at: Cell::new(0) }))),
        _ => {
            let text = positional.into_iter().next().or_else(|| Some(named.into_iter().next()?.1));
            let text = text.map_or_else(|| ", ".into(), |text| text.to_text());
            Ok(Value::Joiner(Rc::new((text, Cell::new(false)))))
        }
    }
}

fn range(machine: &Machine, given: &[Value]) -> Outcome<Value> {
    let numbers: Option<Vec<i64>> = given.iter().map(Value::as_int).collect();
    let (start, stop, step) = match numbers.as_deref() {
        Some([stop]) => (0, *stop, 1),
        Some([start, stop]) => (*start, *stop, 1),
        Some([start, stop, step]) if *step != 0 => (*start, *stop, *step),
        _ => return Err("range() takes one to three integers, the last not 0".to_owned()),
    };
    let (span, stride) = if step > 0 {
        (stop.checked_sub(start), step)
    } else {
        (start.checked_sub(stop), step.saturating_neg())
    };
    let span = span.map_or(u64::MAX, |span| u64::try_from(span).unwrap_or(0));
    let count = span.div_ceil(stride.unsigned_abs());
    if count > MOST_RANGE {
        return Err(format!("range of {count} numbers; at most {MOST_RANGE} are made"));
    }
    machine.budget.items(count as usize)?;
    Ok(Value::list((0..count as i64).map(|index| Value::Int(start + index * step)).collect()))
}
