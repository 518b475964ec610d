//! Python's two ways to put values into a text: `'%s' % value` and `'{}'.format(value)`.

use super::scope::Budget;
use super::value::{Value, float_text};
use super::{Outcome, Value as V};

/// Fill, alignment, sign and so on of one value.
#[derive(Debug, Default, Clone, Copy)]
struct Spec {
    fill: Option<char>,
    align: Option<char>,
    sign: Option<char>,
    alternate: bool,
    zero: bool,
    comma: bool,
    width: usize,
    precision: Option<usize>,
    kind: Option<char>,
}

/// `text % values`.
pub(super) fn percent(text: &str, values: &Value, budget: &Budget) -> Outcome<Value> {
    let single = [values.clone()];
    let list: &[Value] = if let V::Tuple(items) = values { items } else { &single };
    let mut used = 0;
    let mut out = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        let mut spec = Spec::default();
        let mut key = None;
        if letters.next_if_eq(&'(').is_some() {
            let name: String = std::iter::from_fn(|| letters.next_if(|letter| *letter != ')')).collect();
            letters.next();
            key = Some(V::text(name));
        }
        while let Some(flag) = letters.next_if(|letter| "-+ #0".contains(*letter)) {
            match flag {
                '-' => spec.align = Some('<'),
                '#' => spec.alternate = true,
                '0' => spec.zero = true,
                sign => spec.sign = Some(sign),
            }
        }
        let number = |letters: &mut std::iter::Peekable<std::str::Chars<'_>>| {
            std::iter::from_fn(|| letters.next_if(char::is_ascii_digit)).fold(0_usize, |number, digit| {
                number.saturating_mul(10).saturating_add(digit.to_digit(10).unwrap_or(0) as usize)
            })
        };
        spec.width = number(&mut letters);
        if letters.next_if_eq(&'.').is_some() {
            spec.precision = Some(number(&mut letters));
        }
        let Some(kind) = letters.next() else {
            return Err("incomplete format".to_owned());
        };
        if kind == '%' {
            out.push('%');
            continue;
        }
        let value = match key {
            Some(key) => {
                values.entry(&key).cloned().ok_or_else(|| format!("{} is not given", key.to_text()))?
            }
            None => {
                used += 1;
                list.get(used - 1).cloned().ok_or("not enough arguments for format string")?
            }
        };
        if spec.align.is_none() && !spec.zero {
            spec.align = Some('>');
        }
        match kind {
            's' => out.push_str(&padded(cut(&value.to_text(), spec.precision), &spec, budget)?),
            'r' | 'a' => {
                let mut text = String::new();
                value.write_repr(&mut text);
                out.push_str(&padded(cut(&text, spec.precision), &spec, budget)?);
            }
            'd' | 'i' | 'u' => {
                let value = value.as_float().filter(|value| value.is_finite()).map_or_else(
                    || Err(format!("%{kind} takes a number, not {}", value.kind())),
                    |float| Ok(value.as_int().unwrap_or(float as i64)),
                )?;
                spec.kind = Some('d');
                out.push_str(&formatted(&V::Int(value), &spec, budget)?);
            }
            'f' | 'F' | 'e' | 'E' | 'g' | 'G' | 'x' | 'X' | 'o' | 'c' => {
                spec.kind = Some(kind);
                out.push_str(&formatted(&value, &spec, budget)?);
            }
            kind => return Err(format!("unsupported format character {kind:?}")),
        }
        budget.text(out.len())?;
    }
    if used < list.len() && !matches!(values, V::Dict(_)) {
        return Err("not all arguments converted during string formatting".to_owned());
    }
    budget.text(out.len())?;
    Ok(V::text(out))
}

/// `text.format(...)`.
pub(super) fn braces(
    text: &str,
    positional: &[Value],
    named: &[(String, Value)],
    budget: &Budget,
) -> Outcome<Value> {
    let mut out = String::new();
    let mut automatic = 0;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '{' if letters.next_if_eq(&'{').is_some() => out.push('{'),
            '}' if letters.next_if_eq(&'}').is_some() => out.push('}'),
            '}' => return Err("single '}' in format string".to_owned()),
            '{' => {
                let field: String = std::iter::from_fn(|| letters.next_if(|letter| *letter != '}')).collect();
                if letters.next().is_none() {
                    return Err("a '{' of the format is not closed".to_owned());
                }
                if field.contains('{') {
                    return Err("a format within a format is not read".to_owned());
                }
                let (path, spec) = field.split_once(':').unwrap_or((&field, ""));
                let (path, conversion) =
                    path.split_once('!').map_or((path, None), |(path, kind)| (path, Some(kind)));
                let end = path.find(['.', '[']).unwrap_or(path.len());
                let (name, rest) = path.split_at(end);
                let mut value = if name.is_empty() {
                    automatic += 1;
                    positional.get(automatic - 1).cloned()
                } else if let Ok(index) = name.parse::<usize>() {
                    positional.get(index).cloned()
                } else {
                    named.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
                }
                .ok_or_else(|| format!("the format names {name:?}, which is not given"))?;
                for step in rest.split(['.', '[']).filter(|step| !step.is_empty()) {
                    let step = step.trim_end_matches(']');
                    let found = match (&value, step.parse::<usize>()) {
                        (V::List(items) | V::Tuple(items), Ok(index)) => items.get(index).cloned(),
                        (value, _) => value.entry(&V::text(step)).cloned(),
                    };
                    value = found.ok_or_else(|| format!("the format names {step:?}, which is not there"))?;
                }
                if let Some(conversion) = conversion {
                    let mut text = String::new();
                    match conversion {
                        "r" | "a" => value.write_repr(&mut text),
                        _ => text.push_str(&value.to_text()),
                    }
                    value = V::text(text);
                }
                out.push_str(&formatted(&value, &spec_of(spec)?, budget)?);
                budget.text(out.len())?;
            }
            letter => out.push(letter),
        }
    }
    budget.text(out.len())?;
    Ok(V::text(out))
}

fn spec_of(text: &str) -> Outcome<Spec> {
    let mut spec = Spec::default();
    let mut letters: Vec<char> = text.chars().collect();
    let is_align = |letter: Option<&char>| letter.is_some_and(|letter| "<>^=".contains(*letter));
    if is_align(letters.get(1)) {
        (spec.fill, spec.align) = (Some(letters[0]), Some(letters[1]));
        letters.drain(..2);
    } else if is_align(letters.first()) {
        spec.align = Some(letters.remove(0));
    }
    let mut at = 0;
    let mut take = |wanted: &str| {
        let found = letters.get(at).copied().filter(|letter| wanted.contains(*letter));
        at += usize::from(found.is_some());
        found
    };
    spec.sign = take("+- ");
    spec.alternate = take("#").is_some();
    spec.zero = take("0").is_some();
    while let Some(digit) = take("0123456789") {
        spec.width = spec.width.saturating_mul(10).saturating_add(digit.to_digit(10).unwrap_or(0) as usize);
    }
    spec.comma = take(",_").is_some();
    if take(".").is_some() {
        let mut precision = 0_usize;
        while let Some(digit) = take("0123456789") {
            precision = precision.saturating_mul(10).saturating_add(digit.to_digit(10).unwrap_or(0) as usize);
        }
        spec.precision = Some(precision);
    }
    spec.kind = take("bcdeEfFgGnosxX%");
    if at < letters.len() {
        return Err(format!("invalid format specifier {text:?}"));
    }
    Ok(spec)
}

/// A value by its format.
fn formatted(value: &Value, spec: &Spec, budget: &Budget) -> Outcome<String> {
    // Precisions beyond this add zeros only, and are not what a template wants.
    let precision = spec.precision.map(|precision| precision.min(1000));
    let number = match (value, spec.kind) {
        (V::Text(_), None | Some('s')) | (_, Some('s')) => {
            let text = value.to_text();
            return padded(
                cut(&text, spec.precision),
                &Spec { align: spec.align.or(Some('<')), ..*spec },
                budget,
            );
        }
        (V::Int(_) | V::Bool(_) | V::Float(_), _) => value.as_float().unwrap_or(0.0),
        (_, None) if spec.width == 0 => return Ok(value.to_text().to_string()),
        (other, _) => return Err(format!("unsupported format for {}", other.kind())),
    };
    let negative = number < 0.0;
    let whole = value.as_int();
    let digits = match (spec.kind, whole) {
        (Some('c'), Some(code)) => {
            let letter = u32::try_from(code).ok().and_then(char::from_u32).ok_or("%c takes a character")?;
            return padded(letter.to_string(), spec, budget);
        }
        (Some('x'), Some(value)) => {
            format!("{}{:x}", if spec.alternate { "0x" } else { "" }, value.unsigned_abs())
        }
        (Some('X'), Some(value)) => {
            format!("{}{:X}", if spec.alternate { "0X" } else { "" }, value.unsigned_abs())
        }
        (Some('o'), Some(value)) => {
            format!("{}{:o}", if spec.alternate { "0o" } else { "" }, value.unsigned_abs())
        }
        (Some('b'), Some(value)) => {
            format!("{}{:b}", if spec.alternate { "0b" } else { "" }, value.unsigned_abs())
        }
        (Some('d' | 'n') | None, Some(value)) if precision.is_none() => {
            grouped(value.unsigned_abs().to_string(), spec.comma)
        }
        (Some('f' | 'F'), _) => grouped(format!("{:.*}", precision.unwrap_or(6), number.abs()), spec.comma),
        (Some('%'), _) => format!("{:.*}%", precision.unwrap_or(6), number.abs() * 100.0),
        (Some('e' | 'E'), _) => exponent(number.abs(), precision.unwrap_or(6), spec.kind == Some('E')),
        (Some('g' | 'G') | None, _) if precision.is_some() || spec.kind.is_some() => {
            general(number.abs(), precision.unwrap_or(6).max(1), spec.kind.is_none())
        }
        (None, None) => grouped(float_text(number.abs()), spec.comma),
        (kind, _) => return Err(format!("format {:?} does not fit {}", kind.unwrap_or('d'), value.kind())),
    };
    let sign = match (negative, spec.sign) {
        (true, _) => "-",
        (false, Some('+')) => "+",
        (false, Some(' ')) => " ",
        _ => "",
    };
    if (spec.zero && spec.align.is_none()) || spec.align == Some('=') {
        let length = sign.len() + digits.chars().count();
        budget.text(spec.width.max(length))?;
        let fill = spec.fill.unwrap_or(if spec.zero { '0' } else { ' ' });
        let fill: String = std::iter::repeat_n(fill, spec.width.saturating_sub(length)).collect();
        return Ok(format!("{sign}{fill}{digits}"));
    }
    padded(format!("{sign}{digits}"), &Spec { align: spec.align.or(Some('>')), ..*spec }, budget)
}

fn grouped(digits: String, comma: bool) -> String {
    if !comma {
        return digits;
    }
    let end = digits.find('.').unwrap_or(digits.len());
    let mut out = String::new();
    for (index, digit) in digits[..end].chars().enumerate() {
        if index > 0 && (end - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + &digits[end..]
}

fn exponent(number: f64, precision: usize, upper: bool) -> String {
    let text = format!("{number:.precision$e}");
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, power) = power.strip_prefix('-').map_or(('+', power), |power| ('-', power));
    let text = format!("{digits}e{sign}{power:0>2}");
    if upper { text.to_uppercase() } else { text }
}

/// `g`: `precision` digits that count, without zeros at the end.
fn general(number: f64, precision: usize, keep_point: bool) -> String {
    let text = format!("{:.*e}", precision - 1, number);
    let power: i32 = text.split_once('e').and_then(|(_, power)| power.parse().ok()).unwrap_or(0);
    let trim = |text: String| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    };
    if power < -4 || power >= precision as i32 {
        let text = exponent(number, precision - 1, false);
        let (digits, power) = text.split_once('e').unwrap_or((&text, "+00"));
        return format!("{}e{power}", trim(digits.to_owned()));
    }
    let text = trim(format!("{:.*}", (precision as i32 - 1 - power).max(0) as usize, number));
    if keep_point && !text.contains('.') { text + ".0" } else { text }
}

fn cut(text: &str, most: Option<usize>) -> String {
    most.map_or_else(|| text.to_owned(), |most| text.chars().take(most).collect())
}

/// A text filled up to its width.
fn padded(text: String, spec: &Spec, budget: &Budget) -> Outcome<String> {
    let length = text.chars().count();
    let missing = spec.width.saturating_sub(length);
    if missing == 0 {
        return Ok(text);
    }
    budget.text(text.len().saturating_add(missing.saturating_mul(4)))?;
    let fill = spec.fill.unwrap_or(' ');
    let before = match spec.align {
        Some('>' | '=') => missing,
        Some('^') => missing / 2,
        _ => 0,
    };
    let some = |count: usize| std::iter::repeat_n(fill, count).collect::<String>();
    Ok(format!("{}{text}{}", some(before), some(missing - before)))
}
