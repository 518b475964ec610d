//! How numbers are written: three significant digits, an em dash for what is not a number.

use limbeck_stats::Estimate;
use maud::{Markup, html};

/// Stands for a number that does not exist.
const ABSENT: &str = "—";

/// In which unit a measure is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// As it is.
    Plain,
    /// A share, shown in percent.
    Percent,
    /// A difference of shares, shown in percentage points.
    Points,
    /// Already in percentage points.
    PointsAlready,
}

impl Unit {
    /// The factor from the stored to the shown number.
    pub(crate) fn factor(self) -> f64 {
        match self {
            Self::Plain | Self::PointsAlready => 1.0,
            Self::Percent | Self::Points => 100.0,
        }
    }

    /// The number that is shown. Shares below a thousandth of a percent are rounding, and nothing.
    fn shown(self, value: f64) -> f64 {
        let shown = value * self.factor();
        if self == Self::Percent && shown.abs() < 1e-3 { 0.0 } else { shown }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Percent => "%",
            Self::Points | Self::PointsAlready => "\u{202f}pp",
        }
    }
}

/// Three significant digits.
pub(crate) fn number(value: f64) -> String {
    fixed(value, decimals(value))
}

/// Three significant digits with the unit's sign.
pub(crate) fn in_unit(value: f64, unit: Unit) -> String {
    let shown = unit.shown(value);
    if shown.is_finite() { format!("{}{}", number(shown), unit.suffix()) } else { ABSENT.to_owned() }
}

/// The first sentence of a text.
pub(crate) fn first_sentence(text: &str) -> &str {
    let end = text.match_indices(". ").map(|(at, _)| at + 1).find(|end| {
        // A sentence begins with a capital; "e.g. this" goes on.
        text[*end..].trim_start().starts_with(|first: char| first.is_uppercase())
    });
    end.map_or(text, |end| &text[..end])
}

/// A count with thousands set apart.
pub(crate) fn count(value: u64) -> String {
    grouped(&value.to_string())
}

/// A count of things: `1 head`, `25 heads`.
pub(crate) fn counted(value: usize, name: &str) -> String {
    format!("{} {name}{}", count(value as u64), if value == 1 { "" } else { "s" })
}

/// A large count in words of a table: `135 M`.
pub(crate) fn magnitude(value: u64) -> String {
    let exact = value as f64;
    match value {
        0..=9_999 => count(value),
        10_000..=999_999 => format!("{}\u{202f}k", number(exact / 1e3)),
        1_000_000..=999_999_999 => format!("{}\u{202f}M", number(exact / 1e6)),
        _ => format!("{}\u{202f}B", number(exact / 1e9)),
    }
}

/// Seconds as a reader says them.
pub(crate) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        ABSENT.to_owned()
    } else if seconds < 120.0 {
        format!("{}\u{202f}s", number(seconds))
    } else if seconds < 7200.0 {
        format!("{}\u{202f}min", number(seconds / 60.0))
    } else {
        format!("{}\u{202f}h", number(seconds / 3600.0))
    }
}

/// The three numbers of an estimate with the same decimals.
struct Parts {
    value: String,
    low: String,
    high: String,
}

fn parts(estimate: &Estimate, unit: Unit) -> Parts {
    let shown = [estimate.value, estimate.low, estimate.high].map(|v| unit.shown(v));
    let largest = shown.iter().filter(|v| v.is_finite()).fold(0.0, |m: f64, v| m.max(v.abs()));
    // Where the value is small beside its interval, the interval decides.
    let deciding = if shown[0].abs() * 10.0 >= largest { shown[0] } else { largest };
    let places = decimals(deciding);
    let [value, low, high] = shown.map(|v| fixed(v, places));
    Parts { value, low, high }
}

/// What stands beside a value of whose spread nothing is known.
const NO_INTERVAL: &str = "(no interval)";

/// `0.912 [0.880, 0.940]`, the interval muted.
pub(crate) fn estimate(estimate: &Estimate, unit: Unit) -> Markup {
    let Parts { value, low, high } = parts(estimate, unit);
    let suffix = if value == ABSENT { "" } else { unit.suffix() };
    let has_interval = estimate.has_interval() || value == ABSENT;
    html! {
        span.v { (value) (suffix) }
        " "
        span.ci { @if has_interval { "[" (low) ", " (high) "]" } @else { (NO_INTERVAL) } }
    }
}

/// The same without markup, for titles and plots.
pub(crate) fn estimate_text(estimate: &Estimate, unit: Unit) -> String {
    let Parts { value, low, high } = parts(estimate, unit);
    let suffix = if value == ABSENT { "" } else { unit.suffix() };
    if estimate.has_interval() || value == ABSENT {
        format!("{value}{suffix} [{low}, {high}]")
    } else {
        format!("{value}{suffix} {NO_INTERVAL}")
    }
}

/// A tick label: as many decimals as the step between ticks has.
pub(crate) fn tick(value: f64, step: f64) -> String {
    if value != 0.0 && (value.abs() >= 1e5 || step.abs() < 1e-4) {
        return number(value);
    }
    let places = (-step.abs().log10().floor()).clamp(0.0, 6.0);
    // 2.5 steps need one more place than their power of ten.
    let scaled = step * 10f64.powf(places);
    let places = places as usize + usize::from((scaled - scaled.round()).abs() > 1e-6);
    fixed(value, Some(places))
}

/// A number as a recipe says it: whole ones without decimals, others with two at most where that shows them.
pub(crate) fn setting(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e6 {
        format!("{value:.0}")
    } else if value.abs() < 0.01 {
        number(value)
    } else {
        tick(value, 0.01).trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

/// Decimals that leave three significant digits; none for scientific notation.
fn decimals(value: f64) -> Option<usize> {
    let size = value.abs();
    if !size.is_finite() || size == 0.0 {
        return Some(0);
    }
    if !(1e-4..1e7).contains(&size) {
        return None;
    }
    let digits_before = size.log10().floor() as i32;
    // 9.996 rounds to 10.0, not 10.00.
    let places = (2 - digits_before).max(0) as usize;
    let rounded = format!("{size:.places$}");
    let grew = rounded.parse::<f64>().is_ok_and(|r| r.log10().floor() as i32 > digits_before);
    Some(if grew { places.saturating_sub(1) } else { places })
}

fn fixed(value: f64, places: Option<usize>) -> String {
    if !value.is_finite() {
        return ABSENT.to_owned();
    }
    let Some(places) = places else {
        return scientific(value);
    };
    let digits = format!("{:.places$}", value.abs());
    let negative = value < 0.0 && digits.bytes().any(|b| (b'1'..=b'9').contains(&b));
    let digits = match digits.split_once('.') {
        Some((whole, fraction)) => format!("{}.{fraction}", grouped(whole)),
        None => grouped(&digits),
    };
    if negative { format!("−{digits}") } else { digits }
}

/// `1.23 × 10⁻⁵`.
fn scientific(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let text = format!("{:.2e}", value.abs());
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let raised: String = exponent
        .chars()
        .map(|c| match c {
            '-' => '⁻',
            '0' => '⁰',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            digit => char::from_u32('⁴' as u32 + (digit as u32 - '4' as u32)).unwrap_or(digit),
        })
        .collect();
    let sign = if value < 0.0 { "−" } else { "" };
    format!("{sign}{mantissa}\u{202f}×\u{202f}10{raised}")
}

/// Thousands set apart from five digits on.
fn grouped(digits: &str) -> String {
    if digits.len() < 5 {
        return digits.to_owned();
    }
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// At most `most` characters, an ellipsis for the rest.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// A token as a label of at most `most` characters: without the space around it, but never empty.
pub(crate) fn token(text: &str, most: usize) -> String {
    match text.trim() {
        "" if text.contains('\n') => "⏎".to_owned(),
        "" => "␣".to_owned(),
        word => shortened(word, most),
    }
}

/// A name from a file as a reader's words: `unseen_names` is "unseen names", `kl` is "KL".
pub(crate) fn words(name: &str) -> String {
    match name {
        "kl" | "ece" => name.to_uppercase(),
        _ => name.replace('_', " "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_significant_digits() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1.00"),
            (0.912_34, "0.912"),
            (9.996, "10.0"),
            (-12.345, "−12.3"),
            (1234.5, "1234"),
            (123_456.7, "123\u{202f}457"),
            (0.000_123_4, "0.000123"),
            (1.234e-5, "1.23\u{202f}×\u{202f}10⁻⁵"),
            (-6.789e14, "−6.79\u{202f}×\u{202f}10¹⁴"),
            (f64::NAN, "—"),
            (f64::INFINITY, "—"),
        ] {
            assert_eq!(number(value), text, "{value}");
        }
    }

    #[test]
    fn an_interval_shares_its_decimals() {
        let found = Estimate { value: 0.0004, low: -0.123, high: 0.13 };
        assert_eq!(estimate_text(&found, Unit::Plain), "0.000 [−0.123, 0.130]");
        let share = Estimate { value: 0.9934, low: 0.98, high: 1.0 };
        assert_eq!(estimate_text(&share, Unit::Percent), "99.3% [98.0, 100.0]");
        let rounding = Estimate { value: 7.88e-9, low: 0.0, high: 2.5e-8 };
        assert_eq!(estimate_text(&rounding, Unit::Percent), "0% [0, 0]");
        let broken = Estimate { value: f64::NAN, low: f64::NEG_INFINITY, high: 1.0 };
        assert_eq!(estimate_text(&broken, Unit::Percent), "— [—, 100]");
    }

    #[test]
    fn a_sentence_ends_at_its_stop() {
        let text = "Without MLP 0 it loses 26.6 points (25.4 to 27.8); 1 of 10. By severity it is equal.";
        assert_eq!(first_sentence(text), "Without MLP 0 it loses 26.6 points (25.4 to 27.8); 1 of 10.");
        assert_eq!(first_sentence("Nothing was measured."), "Nothing was measured.");
        assert_eq!(first_sentence(""), "");
    }

    #[test]
    fn ticks_show_what_the_step_needs() {
        assert_eq!(tick(0.5, 0.25), "0.50");
        assert_eq!(tick(40.0, 20.0), "40");
        assert_eq!(tick(2.5, 2.5), "2.5");
        assert_eq!(tick(0.0, 0.1), "0.0");
    }

    #[test]
    fn tokens_are_never_empty() {
        for (text, label) in
            [(" Ring", "Ring"), (" ", "␣"), ("\n\n", "⏎"), (" internationally", "internati…")]
        {
            assert_eq!(token(text, 10), label);
        }
    }

    #[test]
    fn settings_are_as_short_as_they_can_be() {
        for (value, text) in [(1.0, "1"), (1.5, "1.5"), (0.001, "0.00100"), (40.0, "40"), (f64::NAN, "—")] {
            assert_eq!(setting(value), text);
        }
    }
}
