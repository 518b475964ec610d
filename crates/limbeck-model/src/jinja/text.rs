//! Operations on texts that filters and methods share.

use super::Outcome;
use super::filters::Args;
use super::scope::Budget;
use super::value::Value;

/// Where a text stands in its width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Center,
    Right,
}

pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            letter => out.push(letter),
        }
    }
    out
}

pub(super) fn capitalize(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    first + &letters.as_str().to_lowercase()
}

/// Letters behind one that `within` says is inside a word are small, the others large.
fn titled(text: &str, within: impl Fn(char) -> bool) -> String {
    let mut inside = false;
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if inside {
            out.extend(letter.to_lowercase());
        } else {
            out.extend(letter.to_uppercase());
        }
        inside = within(letter);
    }
    out
}

/// Python's `title`: a letter behind what is no letter is large.
pub(super) fn title(text: &str) -> String {
    titled(text, |letter| letter.is_lowercase() || letter.is_uppercase())
}

/// Jinja's `title`: words are what stands between white space, hyphens and opening brackets.
pub(super) fn title_words(text: &str) -> String {
    titled(text, |letter| !(letter.is_whitespace() || "-({[<".contains(letter)))
}

/// White space as Python has it: also the separators of files, groups, records and units.
pub(super) fn is_white(letter: char) -> bool {
    letter.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&letter)
}

pub(super) fn strip<'a>(text: &'a str, letters: Option<&str>, left: bool, right: bool) -> &'a str {
    let goes = |letter: char| letters.map_or(is_white(letter), |letters| letters.contains(letter));
    let text = if left { text.trim_start_matches(goes) } else { text };
    if right { text.trim_end_matches(goes) } else { text }
}

pub(super) fn strip_tags(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        let Some(close) = rest[open..].find('>') else {
            break;
        };
        out.push_str(&rest[..open]);
        rest = &rest[open + close + 1..];
    }
    out.push_str(rest);
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(super) fn url_encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"_.-~/".contains(&byte) {
            out.push(byte as char);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

pub(super) fn word_count(text: &str) -> usize {
    text.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'))
        .filter(|word| !word.is_empty())
        .count()
}

pub(super) fn replace(
    text: &str,
    wanted: &str,
    with: &str,
    count: Option<i64>,
    budget: &Budget,
) -> Outcome<Value> {
    let most = count.and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX);
    budget.scan(text.len())?;
    let found = text.matches(wanted).count().min(most);
    budget.text(text.len().saturating_add(found.saturating_mul(with.len())))?;
    Ok(Value::text(text.replacen(wanted, with, most)))
}

pub(super) fn justify(text: &str, width: i64, fill: char, side: Side, budget: &Budget) -> Outcome<Value> {
    let width = usize::try_from(width).unwrap_or(0);
    let missing = width.saturating_sub(text.chars().count());
    budget.text(text.len().saturating_add(missing.saturating_mul(fill.len_utf8())))?;
    let before = match side {
        Side::Left => 0,
        Side::Right => missing,
        // Python puts the odd one on the left when the width is odd.
        Side::Center => missing / 2 + (missing & width & 1),
    };
    let some = |count: usize| std::iter::repeat_n(fill, count).collect::<String>();
    Ok(Value::text(format!("{}{text}{}", some(before), some(missing - before))))
}

/// Jinja's `indent`.
pub(super) fn indent(text: &str, args: &Args<'_>, budget: &Budget) -> Outcome<Value> {
    let lines = text.matches('\n').count() + 1;
    let by = match args.get(0, "width") {
        Some(Value::Text(by)) => by.to_string(),
        _ => {
            let width = usize::try_from(args.int(0, "width", 4)?).unwrap_or(0);
            budget.text(width.saturating_mul(lines))?;
            " ".repeat(width)
        }
    };
    budget.text(text.len().saturating_add(lines.saturating_mul(by.len())))?;
    let (first, blank) = (args.flag(1, "first", false), args.flag(2, "blank", false));
    let mut out = String::new();
    // Jinja reads lines as `splitlines` does, with a newline put behind the text.
    let text = format!("{text}\n");
    let all = lines_of(&text, false);
    for (index, line) in all.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        if if index == 0 { first } else { blank || !line.is_empty() } {
            out.push_str(&by);
        }
        out.push_str(line);
    }
    Ok(Value::text(out))
}

/// Python's `splitlines`.
pub(super) fn lines_of(text: &str, keep: bool) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let breaks = |letter: char| {
            matches!(
                letter,
                '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
            )
        };
        let Some(at) = rest.find(breaks) else {
            lines.push(rest);
            break;
        };
        let length = if rest[at..].starts_with("\r\n") {
            2
        } else {
            rest[at..].chars().next().map_or(1, char::len_utf8)
        };
        lines.push(&rest[..if keep { at + length } else { at }]);
        rest = &rest[at + length..];
    }
    lines
}

/// Jinja's `truncate`.
pub(super) fn truncate(text: &str, args: &Args<'_>, budget: &Budget) -> Outcome<Value> {
    let length = usize::try_from(args.int(0, "length", 255)?).unwrap_or(0);
    let end = args.text(2, "end")?.unwrap_or_else(|| "...".into());
    let leeway = usize::try_from(args.int(3, "leeway", 5)?).unwrap_or(0);
    budget.text(text.len())?;
    let letters: Vec<char> = text.chars().collect();
    if letters.len() <= length.saturating_add(leeway) {
        return Ok(Value::text(text));
    }
    let cut: String = letters.iter().take(length.saturating_sub(end.chars().count())).collect();
    let cut = match args.flag(1, "killwords", false) {
        true => &cut,
        false => cut.rsplit_once(' ').map_or(cut.as_str(), |(before, _)| before),
    };
    Ok(Value::text(format!("{cut}{end}")))
}

/// Lines of at most `width` letters, broken at spaces; longer words are cut.
pub(super) fn word_wrap(text: &str, width: i64, budget: &Budget) -> Outcome<Value> {
    let width = usize::try_from(width).unwrap_or(0).max(1);
    budget.text(text.len().saturating_mul(2))?;
    let mut lines = Vec::new();
    for line in lines_of(text, false) {
        let mut current = String::new();
        for word in line.split(' ') {
            let mut word: Vec<char> = word.chars().collect();
            if !current.is_empty() && current.chars().count() + 1 + word.len() > width {
                lines.push(std::mem::take(&mut current));
            } else if !current.is_empty() {
                current.push(' ');
            }
            while word.len() > width {
                lines.push(word.drain(..width).collect());
            }
            current.extend(word);
        }
        lines.push(current);
    }
    Ok(Value::text(lines.join("\n")))
}

pub(super) fn file_size(value: &Value, binary: bool) -> Outcome<Value> {
    let bytes = value.as_float().ok_or_else(|| format!("{} is no size", value.kind()))?;
    let (base, units) = if binary {
        (1024.0, ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"])
    } else {
        (1000.0, ["kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"])
    };
    if bytes == 1.0 {
        return Ok(Value::text("1 Byte"));
    }
    if bytes < base {
        return Ok(Value::text(format!("{} Bytes", bytes as i64)));
    }
    let mut size = bytes / base;
    let mut unit = 0;
    while size >= base && unit + 1 < units.len() {
        size /= base;
        unit += 1;
    }
    Ok(Value::text(format!("{size:.1} {}", units[unit])))
}
