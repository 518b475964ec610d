//! The configurations that a data set's card names: the `configs` list in the YAML head of README.md.
//!
//! Of YAML only what such heads consist of is read: block mappings and lists, plain and quoted words, lists in brackets.

/// One entry of `configs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CardConfiguration {
    /// `config_name`.
    pub(super) name: String,
    /// `default: true`, or the name `default`.
    pub(super) default: bool,
    /// `data_dir`: only files below it.
    pub(super) folder: Option<String>,
    /// `data_files`: split and patterns; the split is empty where the card gives patterns alone.
    pub(super) files: Vec<(String, Vec<String>)>,
}

/// Reads the head of a card; none when it has no `configs`.
///
/// # Errors
/// The line and what about it is not understood.
pub(super) fn configurations(card: &str) -> Result<Vec<CardConfiguration>, (usize, String)> {
    let lines: Vec<&str> = card.trim_start_matches('\u{feff}').lines().map(str::trim_end).collect();
    if lines.first() != Some(&"---") {
        return Ok(Vec::new());
    }
    let end = lines.iter().skip(1).position(|line| *line == "---").map_or(lines.len(), |at| at + 1);
    let Some(start) = lines[..end].iter().position(|line| line.starts_with("configs:")) else {
        return Ok(Vec::new());
    };
    let mut parser = Parser { lines: &lines[..end], at: start + 1, depth: 0 };
    if !lines[start]["configs:".len()..].trim().is_empty() {
        return Err((start + 1, "expected the list of configurations on the lines below".to_owned()));
    }
    let Yaml::List(entries) = parser.block(0)? else {
        return Err((start + 2, "expected a list, each entry with `- config_name:`".to_owned()));
    };
    entries.into_iter().map(|entry| configuration(entry).map_err(|reason| (start + 1, reason))).collect()
}

fn configuration(entry: Yaml) -> Result<CardConfiguration, String> {
    let Yaml::Map(keys) = entry else {
        return Err("a configuration is no mapping".to_owned());
    };
    let mut found =
        CardConfiguration { name: "default".to_owned(), default: false, folder: None, files: Vec::new() };
    for (key, value) in keys {
        match (key.as_str(), value) {
            ("config_name", Yaml::Word(name)) => found.name = name,
            ("default", Yaml::Word(word)) => found.default = word == "true",
            ("data_dir", Yaml::Word(folder)) => {
                found.folder = Some(folder.trim_matches('/').trim_start_matches("./").to_owned());
            }
            ("data_files", value) => found.files = files(value)?,
            _ => {}
        }
    }
    found.default |= found.name == "default";
    Ok(found)
}

/// `data_files`: patterns, or a list of `split` and `path`, or a mapping of splits.
fn files(value: Yaml) -> Result<Vec<(String, Vec<String>)>, String> {
    match value {
        Yaml::Word(pattern) => Ok(vec![(String::new(), vec![pattern])]),
        Yaml::Map(splits) => splits.into_iter().map(|(split, value)| Ok((split, patterns(value)?))).collect(),
        Yaml::List(entries) if entries.iter().all(|entry| matches!(entry, Yaml::Word(_))) => {
            Ok(vec![(String::new(), patterns(Yaml::List(entries))?)])
        }
        Yaml::List(entries) => entries
            .into_iter()
            .map(|entry| {
                let Yaml::Map(keys) = entry else {
                    return Err("an entry of `data_files` is no mapping".to_owned());
                };
                let (mut split, mut paths) = (String::new(), Vec::new());
                for (key, value) in keys {
                    match (key.as_str(), value) {
                        ("split", Yaml::Word(name)) => split = name,
                        ("path", value) => paths = patterns(value)?,
                        _ => {}
                    }
                }
                Ok((split, paths))
            })
            .collect(),
    }
}

fn patterns(value: Yaml) -> Result<Vec<String>, String> {
    match value {
        Yaml::Word(pattern) => Ok(vec![pattern]),
        Yaml::List(entries) => entries
            .into_iter()
            .map(|entry| match entry {
                Yaml::Word(pattern) => Ok(pattern),
                _ => Err("a pattern of `data_files` is no text".to_owned()),
            })
            .collect(),
        Yaml::Map(_) => Err("the patterns of `data_files` are a mapping".to_owned()),
    }
}

/// As much of YAML as is read.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Yaml {
    Word(String),
    List(Vec<Yaml>),
    Map(Vec<(String, Yaml)>),
}

/// Deepest nesting that is followed.
const MAX_DEPTH: usize = 8;

struct Parser<'a> {
    lines: &'a [&'a str],
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    /// Steps over blank lines and comments; the indentation and the text of the next line.
    fn peek(&mut self) -> Option<(usize, &str)> {
        while let Some(line) = self.lines.get(self.at) {
            let text = line.trim_start();
            if !text.is_empty() && !text.starts_with('#') {
                return Some((line.len() - text.len(), text));
            }
            self.at += 1;
        }
        None
    }

    fn wrong<T>(&self, reason: &str) -> Result<T, (usize, String)> {
        Err((self.at + 1, reason.to_owned()))
    }

    /// A list or mapping whose lines are indented by `least` or more; all of it by as much as its first.
    fn block(&mut self, least: usize) -> Result<Yaml, (usize, String)> {
        let Some((indent, text)) = self.peek().map(|(indent, text)| (indent, text.to_owned())) else {
            return self.wrong("expected something below");
        };
        if indent < least {
            return self.wrong("expected deeper indentation");
        }
        if is_item(&text) { self.list(indent) } else { self.map(indent, None) }
    }

    /// One level deeper; an error ends the reading, so only a success steps back.
    fn enter(&mut self) -> Result<(), (usize, String)> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { self.wrong("more than 8 levels") } else { Ok(()) }
    }

    fn list(&mut self, indent: usize) -> Result<Yaml, (usize, String)> {
        self.enter()?;
        let mut items = Vec::new();
        while let Some((found, text)) = self.peek().map(|(found, text)| (found, text.to_owned())) {
            if found != indent || !is_item(&text) {
                if found > indent {
                    return self.wrong("this indentation fits nothing above");
                }
                break;
            }
            let rest = text[1..].trim_start();
            let inner = indent + text.len() - rest.len();
            if rest.is_empty() {
                self.at += 1;
                items.push(self.block(indent + 1)?);
            } else if key_of(rest).is_some() {
                items.push(self.map(inner, Some(rest.to_owned()))?);
            } else {
                items.push(self.scalar(rest)?);
                self.at += 1;
            }
        }
        self.depth -= 1;
        Ok(Yaml::List(items))
    }

    /// `first` is the text of a mapping's first line where it stands behind a dash.
    fn map(&mut self, indent: usize, mut first: Option<String>) -> Result<Yaml, (usize, String)> {
        self.enter()?;
        let mut keys = Vec::new();
        loop {
            let text = match first.take() {
                Some(text) => text,
                None => match self.peek() {
                    Some((found, text)) if found == indent && !is_item(text) => text.to_owned(),
                    Some((found, _)) if found > indent => {
                        return self.wrong("this indentation fits nothing above");
                    }
                    _ => break,
                },
            };
            let Some((key, rest)) = key_of(&text) else {
                return self.wrong("expected `key: value`");
            };
            let (key, rest) = (key.to_owned(), rest.to_owned());
            if rest.is_empty() {
                self.at += 1;
                // A list may stand as deep as the key it belongs to.
                let value = match self.peek() {
                    Some((found, text)) if found == indent && is_item(text) => self.list(indent)?,
                    Some((found, _)) if found > indent => self.block(indent + 1)?,
                    _ => Yaml::Word(String::new()),
                };
                keys.push((key, value));
            } else {
                let value = self.scalar(&rest)?;
                self.at += 1;
                keys.push((key, value));
            }
        }
        self.depth -= 1;
        Ok(Yaml::Map(keys))
    }

    fn scalar(&self, text: &str) -> Result<Yaml, (usize, String)> {
        if let Some(inside) = text.strip_prefix('[') {
            let Some(inside) = inside.strip_suffix(']') else {
                return self.wrong("a list in brackets must end on its line");
            };
            let words = inside.split(',').map(str::trim).filter(|word| !word.is_empty());
            return Ok(Yaml::List(words.map(|word| Yaml::Word(unquoted(word))).collect()));
        }
        if text.starts_with(['{', '&', '*', '|', '>', '!']) {
            return self.wrong("only plain words, quoted ones and lists in brackets are read here");
        }
        Ok(Yaml::Word(unquoted(text)))
    }
}

fn is_item(text: &str) -> bool {
    text == "-" || text.starts_with("- ")
}

/// `key: rest`; a colon inside a word (a URL) makes no key.
fn key_of(text: &str) -> Option<(&str, &str)> {
    if text.starts_with(['"', '\'', '[', '{']) {
        return None;
    }
    match text.split_once(": ") {
        Some((key, rest)) => Some((key.trim(), rest.trim())),
        None => text.strip_suffix(':').map(|key| (key.trim(), "")),
    }
}

fn unquoted(text: &str) -> String {
    let quoted = |mark: char| text.strip_prefix(mark).and_then(|rest| rest.strip_suffix(mark));
    match quoted('"').or_else(|| quoted('\'')) {
        Some(inside) => inside.to_owned(),
        None => text.split(" #").next().unwrap_or(text).trim_end().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files_of(list: &[(&str, &[&str])]) -> Vec<(String, Vec<String>)> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        list.iter().map(|(split, patterns)| ((*split).to_owned(), owned(patterns))).collect()
    }

    #[test]
    fn every_way_of_writing_configurations_is_read() {
        let card = "---\nlicense: mit\ntags:\n- a\nconfigs:\n- config_name: main\n  data_files:\n  - split: train\n    path: main/train-*\n  - split: test\n    path:\n    - main/test-*\n    - \"main/more.jsonl\"\n  default: true\n- config_name: socratic # the other\n  data_dir: socratic\n\n- config_name: plain\n  data_files: 'plain/*.jsonl'\n- config_name: flow\n  data_files: [\"a.jsonl\", b.jsonl]\n- config_name: mapping\n  data_files:\n    train: x/*\n    validation: [y]\nsize_categories:\n- n<1K\n---\n# Card\nconfigs:\n- not this\n";
        let found = configurations(card).unwrap();
        let names: Vec<&str> = found.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["main", "socratic", "plain", "flow", "mapping"]);
        assert!(found[0].default && !found[1].default);
        assert_eq!(
            found[0].files,
            files_of(&[("train", &["main/train-*"]), ("test", &["main/test-*", "main/more.jsonl"])])
        );
        assert_eq!((found[1].folder.as_deref(), found[1].files.len()), (Some("socratic"), 0));
        assert_eq!(found[2].files, files_of(&[("", &["plain/*.jsonl"])]));
        assert_eq!(found[3].files, files_of(&[("", &["a.jsonl", "b.jsonl"])]));
        assert_eq!(found[4].files, files_of(&[("train", &["x/*"]), ("validation", &["y"])]));
    }

    #[test]
    fn a_card_without_configurations_has_none_and_a_strange_one_is_named_by_line() {
        for card in ["", "# Card\nconfigs:\n- a", "---\nlicense: mit\n---\ntext"] {
            assert_eq!(configurations(card).unwrap(), []);
        }
        for (card, line) in [
            ("---\nconfigs: {a: b}\n---\n", 2),
            ("---\nconfigs:\n- config_name: a\n  data_files: [x,\n---\n", 4),
            ("---\nconfigs:\n- config_name: a\n     data_files: x\n---\n", 4),
            ("---\nconfigs:\n- config_name: a\n  data_files: {train: x}\n---\n", 4),
        ] {
            assert_eq!(configurations(card).unwrap_err().0, line, "{card}");
        }
    }
}
