//! Text as lines that fit the terminal.

use terminal_size::{Width, terminal_size_of};

/// Sentences in longer lines are hard to read, however wide the terminal.
const MOST: usize = 100;
/// Narrower terminals break lines themselves.
const LEAST: usize = 60;
/// Columns where stdout is no terminal.
const USUAL: usize = 120;

/// Columns of stdout.
pub(crate) fn columns() -> usize {
    terminal_size_of(std::io::stdout()).map_or(USUAL, |(Width(width), _)| usize::from(width).max(LEAST))
}

/// `text` in lines of at most `columns`, and of a hundred, the first led by `lead`, the others set in as far; nothing for
/// no words.
pub(crate) fn wrapped(text: &str, lead: &str, columns: usize) -> String {
    let (indent, columns) = (lead.chars().count(), columns.min(MOST));
    let mut lines = String::new();
    let mut line = String::new();
    let mut before = lead.to_owned();
    for word in text.split_whitespace() {
        if !line.is_empty() && indent + line.chars().count() + 1 + word.chars().count() > columns {
            lines += &format!("{before}{line}\n");
            line.clear();
            before = " ".repeat(indent);
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += word;
    }
    if line.is_empty() { lines } else { lines + &format!("{before}{line}\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_no_wider_than_a_screen() {
        let text = "word ".repeat(60);
        let lines = wrapped(&text, "- ", 80);
        assert!(lines.lines().count() > 1 && lines.lines().all(|line| line.len() <= 80));
        assert!(lines.starts_with("- word") && lines.lines().skip(1).all(|line| line.starts_with("  word")));
        assert_eq!(lines.split_whitespace().count(), 61);
        assert_eq!(wrapped(" ", "- ", 80), "");
        assert!(wrapped(&text, "", 500).lines().all(|line| line.len() <= MOST));
    }
}
