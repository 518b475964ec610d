//! Operators between values, as Python has them.

use std::cmp::Ordering;

use super::ast::{Binary, Comparison};
use super::format::percent;
use super::scope::Budget;
use super::value::Value;
use super::{Outcome, Value as V};

pub(super) fn binary(operator: Binary, left: &Value, right: &Value, budget: &Budget) -> Outcome<Value> {
    for side in [left, right] {
        if let V::Undefined(name) = side {
            return Err(format!("{name} is undefined"));
        }
    }
    let (symbol, result) = match operator {
        Binary::Add => ("+", add(left, right, budget)?),
        Binary::Multiply => ("*", multiply(left, right, budget)?),
        Binary::Remainder => match left {
            V::Text(text) => return percent(text, right, budget),
            _ => ("%", arithmetic(operator, left, right)?),
        },
        Binary::Subtract => ("-", arithmetic(operator, left, right)?),
        Binary::Divide => ("/", arithmetic(operator, left, right)?),
        Binary::FloorDivide => ("//", arithmetic(operator, left, right)?),
        Binary::Power => ("**", arithmetic(operator, left, right)?),
    };
    result.ok_or_else(|| format!("{} {symbol} {} cannot be computed", left.kind(), right.kind()))
}

fn add(left: &Value, right: &Value, budget: &Budget) -> Outcome<Option<Value>> {
    let joined = |a: &[Value], b: &[Value]| {
        budget.items(a.len() + b.len())?;
        Ok([a, b].concat())
    };
    match (left, right) {
        (V::Text(a), V::Text(b)) => {
            budget.text(a.len() + b.len())?;
            Ok(Some(V::text([&**a, &**b].concat())))
        }
        (V::List(a), V::List(b)) => joined(a, b).map(|items| Some(V::list(items))),
        (V::Tuple(a), V::Tuple(b)) => joined(a, b).map(|items| Some(V::tuple(items))),
        _ => arithmetic(Binary::Add, left, right),
    }
}

fn multiply(left: &Value, right: &Value, budget: &Budget) -> Outcome<Option<Value>> {
    let (repeated, count) = match (left, right) {
        (V::Text(_) | V::List(_) | V::Tuple(_), count) => (left, count),
        (count, V::Text(_) | V::List(_) | V::Tuple(_)) => (right, count),
        _ => return arithmetic(Binary::Multiply, left, right),
    };
    let Some(count) = count.as_int() else {
        return Ok(None);
    };
    let count = usize::try_from(count).unwrap_or(0);
    let items = |items: &[Value]| {
        budget.items(items.len().saturating_mul(count))?;
        Ok::<_, String>(std::iter::repeat_n(items, count).flatten().cloned().collect::<Vec<Value>>())
    };
    Ok(match repeated {
        V::Text(text) => {
            budget.text(text.len().saturating_mul(count))?;
            Some(V::text(text.repeat(count)))
        }
        V::List(list) => Some(V::list(items(list)?)),
        V::Tuple(list) => Some(V::tuple(items(list)?)),
        _ => None,
    })
}

fn arithmetic(operator: Binary, left: &Value, right: &Value) -> Outcome<Option<Value>> {
    let zero = || Err("division by zero".to_owned());
    if let (Some(a), Some(b)) = (left.as_int(), right.as_int()) {
        let result = match operator {
            Binary::Add => a.checked_add(b),
            Binary::Subtract => a.checked_sub(b),
            Binary::Multiply => a.checked_mul(b),
            Binary::Divide if b == 0 => return zero(),
            Binary::Divide => return Ok(Some(V::Float(a as f64 / b as f64))),
            Binary::FloorDivide | Binary::Remainder if b == 0 => return zero(),
            // Python rounds towards minus infinity, and a remainder has the divisor's sign.
            Binary::FloorDivide => a
                .checked_div(b)
                .map(|quotient| quotient - i64::from(a.wrapping_rem(b) != 0 && (a < 0) != (b < 0))),
            Binary::Remainder => Some(a.wrapping_rem(b))
                .map(|rest| if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }),
            Binary::Power => match u32::try_from(b) {
                Ok(b) => a.checked_pow(b),
                Err(_) if b < 0 && a != 0 => return Ok(Some(V::Float((a as f64).powf(b as f64)))),
                Err(_) if b < 0 => return zero(),
                Err(_) => None,
            },
        };
        return result.map(|value| Some(V::Int(value))).ok_or_else(|| "a number beyond 64 bits".to_owned());
    }
    let (Some(a), Some(b)) = (left.as_float(), right.as_float()) else {
        return Ok(None);
    };
    Ok(Some(V::Float(match operator {
        Binary::Add => a + b,
        Binary::Subtract => a - b,
        Binary::Multiply => a * b,
        Binary::Divide | Binary::FloorDivide | Binary::Remainder if b == 0.0 => return zero(),
        Binary::Divide => a / b,
        Binary::FloorDivide => (a / b).floor(),
        Binary::Remainder => a - b * (a / b).floor(),
        Binary::Power => a.powf(b),
    })))
}

pub(super) fn compare(comparison: Comparison, left: &Value, right: &Value, budget: &Budget) -> Outcome<bool> {
    let ordered = |wanted: fn(Ordering) -> bool| {
        if let V::Undefined(name) = left {
            return Err(format!("{name} is undefined"));
        }
        Ok(wanted(left.order(right)?))
    };
    budget.scan(left.text_size().min(right.text_size()))?;
    if let (V::Dict(a), V::Dict(b)) = (left, right) {
        budget.step((a.len() as u64).saturating_mul(b.len() as u64) / 64)?;
    }
    match comparison {
        Comparison::Equal => Ok(left == right),
        Comparison::Unequal => Ok(left != right),
        Comparison::Less => ordered(Ordering::is_lt),
        Comparison::LessOrEqual => ordered(Ordering::is_le),
        Comparison::Greater => ordered(Ordering::is_gt),
        Comparison::GreaterOrEqual => ordered(Ordering::is_ge),
        Comparison::In => contains(right, left, budget),
        Comparison::NotIn => contains(right, left, budget).map(|there| !there),
    }
}

/// Python's `item in container`.
pub(super) fn contains(container: &Value, item: &Value, budget: &Budget) -> Outcome<bool> {
    match container {
        V::Text(text) => {
            budget.scan(text.len())?;
            match item {
                V::Text(part) => Ok(text.contains(&**part)),
                other => Err(format!("a text holds texts, not {}", other.kind())),
            }
        }
        V::Dict(items) => {
            budget.step(items.len() as u64 / 16)?;
            Ok(container.entry(item).is_some())
        }
        other => {
            let items = other.items(budget)?;
            budget.step(items.len() as u64 / 16)?;
            let each = if item.is_key() { 0 } else { item.text_size() };
            budget.scan(items.len().saturating_mul(each))?;
            Ok(items.iter().any(|known| known == item))
        }
    }
}
