//! From a template's text to tokens, with Jinja's rules of white space (`trim_blocks`, `lstrip_blocks`, `-` and `+`).

use super::JinjaError;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// Text between tags.
    Data(String),
    VariableBegin,
    VariableEnd,
    BlockBegin,
    BlockEnd,
    Name(String),
    Text(String),
    Int(i64),
    Float(f64),
    Symbol(&'static str),
    End,
}

#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) token: Token,
    pub(super) line: usize,
}

/// Longest first, so that `//` is not two of `/`.
const SYMBOLS: [&str; 26] = [
    "**", "//", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "<", ">", "=", "(", ")", "[", "]", "{",
    "}", ".", ":", ",", "|", ";",
];

pub(super) fn lex(source: &str) -> Result<Vec<Placed>, JinjaError> {
    let mut source = source.replace("\r\n", "\n").replace('\r', "\n");
    // Jinja drops one newline at the end of a template.
    if source.ends_with('\n') {
        source.pop();
    }
    let mut lexer = Lexer { source: &source, at: 0, line: 1, tokens: Vec::new() };
    lexer.template()?;
    let line = lexer.line;
    lexer.tokens.push(Placed { token: Token::End, line });
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    line: usize,
    tokens: Vec<Placed>,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn error(&self, reason: impl Into<String>) -> JinjaError {
        JinjaError { line: self.line, reason: reason.into() }
    }

    fn advance(&mut self, bytes: usize) {
        self.line += self.source[self.at..self.at + bytes].matches('\n').count();
        self.at += bytes;
    }

    fn push(&mut self, token: Token) {
        self.tokens.push(Placed { token, line: self.line });
    }

    fn template(&mut self) -> Result<(), JinjaError> {
        // Whether the data that follows loses its white space at the beginning: `-%}`.
        let mut strip = false;
        loop {
            if strip {
                let white = self.rest().len() - self.rest().trim_start().len();
                self.advance(white);
            }
            let rest = self.rest();
            let found = rest
                .match_indices('{')
                .find(|(at, _)| matches!(rest.as_bytes().get(at + 1), Some(b'{' | b'%' | b'#')));
            let Some((until, _)) = found else {
                self.data(rest, false, false);
                self.advance(rest.len());
                return Ok(());
            };
            let kind = rest.as_bytes()[until + 1];
            let sign = rest.as_bytes().get(until + 2).copied();
            let block = kind != b'{';
            self.data(&rest[..until], sign == Some(b'-'), block && !matches!(sign, Some(b'+' | b'-')));
            self.advance(until + 2);
            if matches!(sign, Some(b'-' | b'+')) {
                self.advance(1);
            }
            strip = match kind {
                b'#' => self.comment()?,
                b'%' => self.block()?,
                _ => self.variable()?,
            };
        }
    }

    /// Text before a tag; with `lstrip` the white space between the line's beginning and the tag goes.
    fn data(&mut self, text: &str, strip: bool, lstrip: bool) {
        let mut kept = text;
        if strip {
            kept = text.trim_end();
        } else if lstrip {
            let line = text.rfind('\n').map_or(0, |at| at + 1);
            // The tag is first in its line when the text reaches back to a newline or to the template's beginning.
            let begins =
                line > 0 || self.source[..self.at].is_empty() || self.source[..self.at].ends_with('\n');
            if begins && text[line..].trim().is_empty() {
                kept = &text[..line];
            }
        }
        if !kept.is_empty() {
            self.push(Token::Data(kept.to_owned()));
        }
    }

    /// Behind a block or comment: `-` strips, and otherwise one newline goes unless `+` keeps it.
    fn trim_newline(&mut self, keep: bool) {
        if !keep && self.rest().starts_with('\n') {
            self.advance(1);
        }
    }

    fn comment(&mut self) -> Result<bool, JinjaError> {
        let Some(end) = self.rest().find("#}") else {
            return Err(self.error("a comment is not closed"));
        };
        let body = &self.rest()[..end];
        let (strip, keep) = (body.ends_with('-'), body.ends_with('+'));
        self.advance(end + 2);
        if !strip {
            self.trim_newline(keep);
        }
        Ok(strip)
    }

    fn variable(&mut self) -> Result<bool, JinjaError> {
        self.push(Token::VariableBegin);
        let strip = self.inside("}}", Token::VariableEnd)?;
        Ok(strip == Some(b'-'))
    }

    fn block(&mut self) -> Result<bool, JinjaError> {
        let rest = self.rest();
        let word = rest.trim_start();
        if let Some(after) = word.strip_prefix("raw") {
            let after = after.trim_start();
            if let Some(close) = ["-%}", "+%}", "%}"].into_iter().find(|close| after.starts_with(close)) {
                self.advance(rest.len() - after.len() + close.len());
                return self.raw(close == "-%}");
            }
        }
        self.push(Token::BlockBegin);
        let sign = self.inside("%}", Token::BlockEnd)?;
        if sign != Some(b'-') {
            self.trim_newline(sign == Some(b'+'));
        }
        Ok(sign == Some(b'-'))
    }

    fn raw(&mut self, strip: bool) -> Result<bool, JinjaError> {
        let rest = self.rest();
        for (at, _) in rest.match_indices("{%") {
            let inside = rest[at + 2..].strip_prefix(['-', '+']).unwrap_or(&rest[at + 2..]);
            let Some(after) = inside.trim_start().strip_prefix("endraw").map(str::trim_start) else {
                continue;
            };
            let Some(close) = ["-%}", "+%}", "%}"].into_iter().find(|close| after.starts_with(close)) else {
                continue;
            };
            let mut text = &rest[..at];
            if strip {
                text = text.trim_start();
            }
            let sign = rest.as_bytes().get(at + 2).copied();
            self.data(text, sign == Some(b'-'), !matches!(sign, Some(b'-' | b'+')) && text.contains('\n'));
            self.advance(rest.len() - after.len() + close.len());
            if close != "-%}" {
                self.trim_newline(close == "+%}");
            }
            return Ok(close == "-%}");
        }
        Err(self.error("{% raw %} has no {% endraw %}"))
    }

    /// Tokens up to the tag's end; gives its sign.
    fn inside(&mut self, close: &str, end: Token) -> Result<Option<u8>, JinjaError> {
        let mut open = 0_usize;
        loop {
            let rest = self.rest();
            let white = rest.len() - rest.trim_start().len();
            self.advance(white);
            let rest = self.rest();
            let Some(first) = rest.chars().next() else {
                return Err(self.error(format!("a tag is not closed by {close}")));
            };
            if open == 0 {
                let sign = rest.as_bytes()[0];
                let signed = matches!(sign, b'-' | b'+') && rest[1..].starts_with(close);
                if signed || rest.starts_with(close) {
                    self.push(end);
                    self.advance(close.len() + usize::from(signed));
                    return Ok(signed.then_some(sign));
                }
            }
            match first {
                '"' | '\'' => self.string(first)?,
                '0'..='9' => self.number()?,
                letter if letter.is_alphabetic() || letter == '_' => {
                    let end = rest.find(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
                    let name = &rest[..end.unwrap_or(rest.len())];
                    self.push(Token::Name(name.to_owned()));
                    self.advance(name.len());
                }
                _ => {
                    let Some(symbol) = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol)) else {
                        return Err(self.error(format!("unexpected character {first:?}")));
                    };
                    match symbol {
                        "(" | "[" | "{" => open += 1,
                        ")" | "]" | "}" => {
                            open = open
                                .checked_sub(1)
                                .ok_or_else(|| self.error(format!("unexpected {symbol:?}")))?;
                        }
                        _ => {}
                    }
                    self.push(Token::Symbol(symbol));
                    self.advance(symbol.len());
                }
            }
        }
    }

    fn string(&mut self, quote: char) -> Result<(), JinjaError> {
        let rest = &self.rest()[1..];
        let mut escaped = false;
        let mut end = None;
        for (at, letter) in rest.char_indices() {
            match letter {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                letter if letter == quote => {
                    end = Some(at);
                    break;
                }
                _ => {}
            }
        }
        let Some(end) = end else {
            return Err(self.error("a text is not closed"));
        };
        let text = unescape(&rest[..end]).map_err(|reason| self.error(reason))?;
        self.push(Token::Text(text));
        self.advance(end + 2);
        Ok(())
    }

    fn number(&mut self) -> Result<(), JinjaError> {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let radix = match bytes.get(1) {
            Some(b'x' | b'X') if bytes[0] == b'0' => 16,
            Some(b'o' | b'O') if bytes[0] == b'0' => 8,
            Some(b'b' | b'B') if bytes[0] == b'0' => 2,
            _ => 10,
        };
        let too_large = |text: &str| self.error(format!("{text} is too large a number"));
        if radix != 10 {
            let end = rest[2..].find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
            let text = &rest[..end.map_or(rest.len(), |end| end + 2)];
            let digits = text[2..].replace('_', "");
            let value = i64::from_str_radix(&digits, radix).map_err(|_| too_large(text))?;
            self.push(Token::Int(value));
            self.advance(text.len());
            return Ok(());
        }
        let digits = |from: usize| {
            bytes[from..].iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'_').count()
        };
        let mut end = digits(0);
        let mut float = false;
        if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
            end += 1 + digits(end + 1);
            float = true;
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let count = bytes.get(end + 1 + sign).map_or(0, |_| digits(end + 1 + sign));
            if count > 0 {
                end += 1 + sign + count;
                float = true;
            }
        }
        let text = rest[..end].replace('_', "");
        let token = match float {
            true => Token::Float(text.parse().map_err(|_| too_large(&text))?),
            false => Token::Int(text.parse().map_err(|_| too_large(&text))?),
        };
        self.push(token);
        self.advance(end);
        Ok(())
    }
}

/// Python's escapes.
fn unescape(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            out.push(letter);
            continue;
        }
        let Some(kind) = letters.next() else {
            out.push('\\');
            break;
        };
        let simple = match kind {
            '\n' => continue,
            '\\' | '\'' | '"' => Some(kind),
            'a' => Some('\u{7}'),
            'b' => Some('\u{8}'),
            'f' => Some('\u{c}'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'v' => Some('\u{b}'),
            _ => None,
        };
        if let Some(simple) = simple {
            out.push(simple);
            continue;
        }
        let (radix, most, exact) = match kind {
            'x' => (16, 2, true),
            'u' => (16, 4, true),
            'U' => (16, 8, true),
            '0'..='7' => (8, 3, false),
            _ => {
                out.extend(['\\', kind]);
                continue;
            }
        };
        let mut digits = String::new();
        if !exact {
            digits.push(kind);
        }
        while digits.len() < most && letters.peek().is_some_and(|letter| letter.is_digit(radix)) {
            digits.extend(letters.next());
        }
        let code =
            (digits.len() == most || !exact).then(|| u32::from_str_radix(&digits, radix).ok()).flatten();
        out.push(code.and_then(char::from_u32).ok_or_else(|| format!("\\{kind}{digits} is no character"))?);
    }
    Ok(out)
}
