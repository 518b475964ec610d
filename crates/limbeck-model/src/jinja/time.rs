//! `strftime`, in UTC.

use std::fmt::Write as _;

use super::Outcome;

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A time in seconds since 1970 by Python's format.
pub(super) fn strftime(format: &str, seconds: i64) -> Outcome<String> {
    let days = seconds.div_euclid(86_400);
    let second_of_day = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
    let (year, month, day) = date(days);
    // 1 January 1970 was a Thursday.
    let weekday = (days + 4).rem_euclid(7);
    let day_of_year = days - first_day(year) + 1;
    let name = |names: &[&'static str], index: i64| names.get(index as usize).copied().unwrap_or_default();
    let (day_name, month_name) = (name(&DAYS, weekday), name(&MONTHS, month - 1));
    let twelve = if hour % 12 == 0 { 12 } else { hour % 12 };
    let half = if hour < 12 { "AM" } else { "PM" };
    let mut out = String::new();
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        let mut kind = letters.next();
        let plain = kind == Some('-');
        if plain {
            kind = letters.next();
        }
        let mut number = |value: i64, width: usize| {
            let _ = if plain { write!(out, "{value}") } else { write!(out, "{value:0width$}") };
        };
        match kind {
            Some('Y') => number(year, 4),
            Some('y') => number(year.rem_euclid(100), 2),
            Some('m') => number(month, 2),
            Some('d') => number(day, 2),
            Some('H') => number(hour, 2),
            Some('I') => number(twelve, 2),
            Some('M') => number(minute, 2),
            Some('S') => number(second, 2),
            Some('f') => number(0, 6),
            Some('j') => number(day_of_year, 3),
            Some('w') => number(weekday, 1),
            Some('u') => number(if weekday == 0 { 7 } else { weekday }, 1),
            Some('U') => number((day_of_year + 6 - weekday) / 7, 2),
            Some('W') => number((day_of_year + 6 - (weekday + 6) % 7) / 7, 2),
            Some('s') => number(seconds, 1),
            Some('e') => {
                let _ = write!(out, "{day:2}");
            }
            Some('A') => out.push_str(day_name),
            Some('a') => out.push_str(&day_name[..3]),
            Some('B') => out.push_str(month_name),
            Some('b' | 'h') => out.push_str(&month_name[..3]),
            Some('p') => out.push_str(half),
            Some('F') => {
                let _ = write!(out, "{year:04}-{month:02}-{day:02}");
            }
            Some('D' | 'x') => {
                let _ = write!(out, "{month:02}/{day:02}/{:02}", year.rem_euclid(100));
            }
            Some('T' | 'X') => {
                let _ = write!(out, "{hour:02}:{minute:02}:{second:02}");
            }
            Some('R') => {
                let _ = write!(out, "{hour:02}:{minute:02}");
            }
            Some('c') => {
                let _ = write!(
                    out,
                    "{} {} {day:2} {hour:02}:{minute:02}:{second:02} {year}",
                    &day_name[..3],
                    &month_name[..3]
                );
            }
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('%') => out.push('%'),
            // A time without a zone has neither.
            Some('Z' | 'z') => {}
            other => return Err(format!("strftime_now does not know %{}", other.unwrap_or(' '))),
        }
    }
    Ok(out)
}

/// Days from 1970 to the first of January.
fn first_day(year: i64) -> i64 {
    let before = year - 1;
    before * 365 + before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400) - 719_162
}

/// Year, month and day of the month, both from 1.
fn date(days: i64) -> (i64, i64, i64) {
    let mut year = 1970 + days.div_euclid(366);
    while first_day(year + 1) <= days {
        year += 1;
    }
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let mut rest = days - first_day(year);
    for (month, length) in
        [31, 28 + i64::from(leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31].into_iter().enumerate()
    {
        if rest < length {
            return (year, month as i64 + 1, rest + 1);
        }
        rest -= length;
    }
    (year, 12, 31)
}
