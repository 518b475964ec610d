//! Text of strangers (keys, paths, names, what a model says) before a person's terminal sees it.

/// Longest piece of foreign text that is shown where it only names something.
pub const NAME_LENGTH: usize = 200;

/// Whether a character could move the cursor, recolour, hide or reorder text on a terminal or page. Line feeds and tabs
/// count as such too.
///
/// Control characters (C0, DEL, C1), the marks and overrides of the bidirectional algorithm, the separators of lines and
/// paragraphs, the byte order mark and the invisible tag characters.
pub fn is_unsafe(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// `text` with every [unsafe](is_unsafe) character but line feeds and tabs written out, such as `\u{1b}`.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_unsafe(letter) && letter != '\n' && letter != '\t' {
            shown.extend(letter.escape_unicode());
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// A name or key of a stranger on one line: as [`visible`], with line feeds and tabs written out too, cut after
/// [`NAME_LENGTH`] characters.
pub fn name(text: &str) -> String {
    let mut shown = String::new();
    for letter in text.chars().take(NAME_LENGTH) {
        match letter {
            '\n' | '\r' | '\t' => shown.extend(letter.escape_default()),
            letter if is_unsafe(letter) => shown.extend(letter.escape_unicode()),
            letter => shown.push(letter),
        }
    }
    if text.chars().nth(NAME_LENGTH).is_some() {
        shown.push_str("...");
    }
    shown
}

/// `text` cut after `most` characters, with the number of those left out.
pub fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => {
            let left = text[end..].chars().count();
            format!("{}... ({left} more characters)", &text[..end])
        }
    }
}

/// `text` without what gives access: the user and password of an address (`https://user:password@host`), and access tokens
/// of the Hugging Face hub (`hf_` and at least ten letters or digits).
pub fn without_secrets(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        clean.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || "/?#\"'`<>".contains(c)).unwrap_or(after.len());
        rest = match after[..end].rfind('@') {
            Some(sign) => {
                clean.push_str("(hidden)");
                &after[sign..]
            }
            None => after,
        };
    }
    clean.push_str(rest);
    without_tokens(&clean)
}

fn without_tokens(text: &str) -> String {
    const MARK: &str = "hf_";
    const SHORTEST: usize = 10;
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(MARK) {
        let (before, token) = rest.split_at(at);
        let end = token[MARK.len()..]
            .find(|c: char| !c.is_ascii_alphanumeric())
            .map_or(token.len(), |end| end + MARK.len());
        clean.push_str(before);
        let begins_word = !before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let secret = begins_word && end >= MARK.len() + SHORTEST;
        clean.push_str(if secret { "hf_(hidden)" } else { &token[..end] });
        rest = &token[end..];
    }
    clean + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_act_on_a_terminal_is_written_out() {
        assert_eq!(visible("a\u{1b}[2J\u{7}b\r\n\tc"), "a\\u{1b}[2J\\u{7}b\\u{d}\n\tc");
        assert_eq!(visible("x\u{202e}gpj.exe\u{2066}\u{9b}31m"), "x\\u{202e}gpj.exe\\u{2066}\\u{9b}31m");
        assert_eq!(visible("plain, é, 漢字, 👩\u{200d}🔬"), "plain, é, 漢字, 👩\u{200d}🔬");
        assert_eq!(name("a\nerror: b\u{1b}"), "a\\nerror: b\\u{1b}");
        assert_eq!(name(&"k".repeat(500)).len(), NAME_LENGTH + 3);
        assert_eq!(cut("abcdef", 4), "abcd... (2 more characters)");
        assert_eq!(cut("abcd", 4), "abcd");
    }

    #[test]
    fn secrets_are_hidden_and_the_rest_stays() {
        for (text, shown) in [
            ("https://me:pass@host/x", "https://(hidden)@host/x"),
            ("see http://u:p@a:8080/ and https://b/c@d", "see http://(hidden)@a:8080/ and https://b/c@d"),
            ("https://u:p@ss@host/", "https://(hidden)@host/"),
            ("hf:org/name@hf_abcdefghijklmnop", "hf:org/name@hf_(hidden)"),
            (
                "models/half_precision, hf_home, my_hf_abcdefghijklmnop",
                "models/half_precision, hf_home, my_hf_abcdefghijklmnop",
            ),
            ("nothing", "nothing"),
        ] {
            assert_eq!(without_secrets(text), shown);
        }
    }
}
