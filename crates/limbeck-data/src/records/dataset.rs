//! Which files of a folder are its data: documents, infos and hidden files left out, splits and configurations apart.
//!
//! Splits are found as Hugging Face datasets finds them: by the words `train`, `validation` (`valid`, `val`, `dev`) and
//! `test` (`eval`, ...) in the names of folders, else of files. Files of no split beside a training split are left out;
//! where no file says `train`, they are what is trained on. What was left out, and why, is in [`DataSet::notes`].

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::ReadOptions;
use super::card;
use super::layout::{self, Role, Split};
use super::source::{self, KNOWN_KINDS, Kind};
use crate::{DataError, file, hash, pattern};

/// Longest card that is read, in bytes.
const MAX_CARD: u64 = 4 << 20;

/// One data file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DataFile {
    pub(super) path: PathBuf,
    pub(super) kind: Kind,
}

/// The files of a data set, by split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataSet {
    pub(super) root: PathBuf,
    pub(super) train: Vec<DataFile>,
    /// Validation before test.
    pub(super) held_out: Vec<(String, Vec<DataFile>)>,
    notes: Vec<String>,
}

/// Looks at a file or folder and decides what of it is read.
///
/// # Errors
/// Nothing there; a pipe or device; a file of no known kind; a folder without data, with several configurations and none
/// chosen, with the same data in two formats, or with nothing but a test split.
pub fn data_set(path: &Path, options: &ReadOptions) -> Result<DataSet, DataError> {
    let facts = fs::metadata(path).map_err(DataError::io("open", path))?;
    if facts.is_dir() {
        return Folder { root: path, options, notes: Vec::new() }.data_set();
    }
    file::regular(path)?;
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let kind = source::kind(&name).ok_or_else(|| DataError::Unsupported {
        path: path.to_path_buf(),
        found: "a file of no known kind".to_owned(),
        expected: KNOWN_KINDS.to_owned(),
    })?;
    Ok(DataSet {
        root: path.to_path_buf(),
        train: vec![DataFile { path: path.to_path_buf(), kind }],
        held_out: Vec::new(),
        notes: Vec::new(),
    })
}

impl DataSet {
    /// Names of the splits that are kept from training, `validation` before `test`.
    pub fn held_out_splits(&self) -> impl Iterator<Item = &str> {
        self.held_out.iter().map(|(name, _)| name.as_str())
    }

    /// Number of files trained on.
    pub fn training_files(&self) -> usize {
        self.train.len()
    }

    /// What was left out and how files were told apart, a sentence each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// A folder being looked at.
struct Folder<'a> {
    root: &'a Path,
    options: &'a ReadOptions,
    notes: Vec<String>,
}

impl Folder<'_> {
    fn wrong(&self, found: impl Into<String>, expected: impl Into<String>) -> DataError {
        DataError::Unsupported {
            path: self.root.to_path_buf(),
            found: found.into(),
            expected: expected.into(),
        }
    }

    fn data_set(mut self) -> Result<DataSet, DataError> {
        let all = hash::list_files(self.root)?;
        let (mut names, asked) = self.visible(&all)?;
        self.choose_formats(&mut names)?;
        let card = if self.options.glob.is_none() { self.card_configurations()? } else { Vec::new() };
        let splits = match self.choose_card(&card)? {
            Some(chosen) => self.splits_of_card(chosen, &names)?,
            None => self.splits_of_names(names, &asked)?,
        };
        self.divide(splits, &asked)
    }

    /// The data files that are not documents, infos or hidden, and those that the pattern names in full.
    fn visible(&mut self, all: &[String]) -> Result<(Vec<String>, Vec<String>), DataError> {
        let glob = self.options.glob.as_deref();
        let (mut names, mut asked) = (Vec::new(), Vec::new());
        let mut left: BTreeMap<&'static str, Vec<&str>> = BTreeMap::new();
        for name in all {
            if glob.is_some_and(|glob| pattern::names_in_full(glob, name)) {
                self.known(name)?;
                asked.push(name.clone());
                names.push(name.clone());
                continue;
            }
            let fits = glob.is_none_or(|glob| pattern::matches(glob, name));
            if !fits {
                continue;
            }
            if let Some(reason) = layout::no_data(name) {
                left.entry(reason).or_default().push(name);
            } else if source::kind(name).is_some() {
                names.push(name.clone());
            } else if glob.is_some() {
                self.known(name)?;
            } else {
                left.entry("of no known kind").or_default().push(name);
            }
        }
        for (reason, files) in &left {
            self.notes.push(format!("left out, {reason}: {}", few(files)));
        }
        if names.is_empty() {
            let total = all.len();
            let found = match glob {
                Some(glob) => format!("none of its {total} files fits `{glob}`"),
                None if all.iter().any(|name| name.ends_with(".arrow")) => format!(
                    "no data file among its {total} files, but .arrow, as `save_to_disk` writes (`to_parquet` writes what is read)"
                ),
                None => format!("no data file among its {total} files"),
            };
            let found = [vec![found], self.notes.clone()].concat().join("; ");
            return Err(self.wrong(found, KNOWN_KINDS));
        }
        Ok((names, asked))
    }

    fn known(&self, name: &str) -> Result<Kind, DataError> {
        source::kind(name).ok_or_else(|| DataError::Unsupported {
            path: self.root.join(name),
            found: "a file of no known kind".to_owned(),
            expected: KNOWN_KINDS.to_owned(),
        })
    }

    /// Texts beside tables are about the data, not of it, unless texts are what is wanted and there are more of them;
    /// one table in two formats would be read twice.
    fn choose_formats(&mut self, names: &mut Vec<String>) -> Result<(), DataError> {
        let is_text = |name: &String| source::kind(name) == Some(Kind::Text);
        let texts = names.iter().filter(|name| is_text(name)).count();
        let tables = names.len() - texts;
        if self.options.glob.is_none() && texts > 0 && tables > 0 {
            let keep_texts = self.options.prefer_texts && texts >= tables;
            let (kept, left): (Vec<String>, Vec<String>) =
                names.drain(..).partition(|name| is_text(name) == keep_texts);
            let [what, beside] = if keep_texts { ["tables", "texts"] } else { ["texts", "tables"] };
            self.notes.push(format!(
                "left out, {what} beside {beside} (data.glob chooses otherwise): {}",
                few(&left)
            ));
            *names = kept;
        }
        let mut stems: BTreeMap<&str, &str> = BTreeMap::new();
        for name in names.iter().filter(|name| !is_text(name)) {
            let stem = source::stem(name);
            if let Some(other) = stems.insert(stem, name) {
                return Err(self.wrong(
                    format!("`{other}` and `{name}`, which look like the same data in two formats"),
                    "one format, chosen with data.glob",
                ));
            }
        }
        Ok(())
    }

    fn card_configurations(&self) -> Result<Vec<card::CardConfiguration>, DataError> {
        let path = self.root.join("README.md");
        let Ok(facts) = fs::metadata(&path) else { return Ok(Vec::new()) };
        if !facts.is_file() || facts.len() > MAX_CARD {
            return Ok(Vec::new());
        }
        let bytes = fs::read(&path).map_err(DataError::io("read", &path))?;
        card::configurations(&String::from_utf8_lossy(&bytes)).map_err(|(line, reason)| DataError::Record {
            file: path.clone(),
            unit: "line",
            row: Some(line as u64),
            column: Some("configs".to_owned()),
            found: reason,
            expected: "configurations that can be read, or data.glob, with which the card is not asked"
                .to_owned(),
        })
    }

    /// The card's configuration that is asked for, or its only one, or its default.
    fn choose_card<'c>(
        &mut self,
        card: &'c [card::CardConfiguration],
    ) -> Result<Option<&'c card::CardConfiguration>, DataError> {
        if card.is_empty() {
            return Ok(None);
        }
        let names: Vec<&str> = card.iter().map(|one| one.name.as_str()).collect();
        let chosen = match &self.options.configuration {
            Some(wanted) => card.iter().find(|one| one.name == *wanted),
            None if card.len() == 1 => card.first(),
            None => card.iter().find(|one| one.default),
        };
        let Some(chosen) = chosen else { return Err(self.which_configuration(&names)) };
        if card.len() > 1 {
            let others: Vec<&str> = names.into_iter().filter(|name| *name != chosen.name).collect();
            let why = if self.options.configuration.is_some() { "" } else { ", the card's default" };
            self.notes.push(format!(
                "configuration `{}`{why}; left out (data.config chooses another): {}",
                chosen.name,
                few(&others)
            ));
        }
        Ok(Some(chosen))
    }

    fn which_configuration(&self, names: &[&str]) -> DataError {
        let all = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let found = match &self.options.configuration {
            Some(wanted) => format!("no configuration `{wanted}` among {all}"),
            None => format!("{} configurations: {all}", names.len()),
        };
        self.wrong(found, "one of them, named by data.config")
    }

    /// The files of a configuration that the card lists.
    fn splits_of_card(
        &self,
        chosen: &card::CardConfiguration,
        names: &[String],
    ) -> Result<Vec<(Split, String)>, DataError> {
        let inside: Vec<&String> = match &chosen.folder {
            Some(folder) if !folder.is_empty() => {
                names.iter().filter(|name| name.starts_with(&format!("{folder}/"))).collect()
            }
            _ => names.iter().collect(),
        };
        if chosen.files.is_empty() {
            let inside: Vec<String> = inside.into_iter().cloned().collect();
            return Ok(inside.into_iter().map(|name| (layout::split_of(&name), name)).collect());
        }
        let mut found = Vec::new();
        for (split, patterns) in &chosen.files {
            for wanted in patterns {
                let wanted = match &chosen.folder {
                    Some(folder) if !folder.is_empty() => format!("{folder}/{wanted}"),
                    _ => wanted.trim_start_matches("./").to_owned(),
                };
                if wanted.contains(['[', ']', '{', '}']) || wanted.contains("://") {
                    return Err(self.wrong(
                        format!("the pattern `{wanted}` in the card's configuration `{}`", chosen.name),
                        "patterns of `*`, `?` and `**`; choose the files with data.glob",
                    ));
                }
                let before = found.len();
                for name in names.iter().filter(|name| pattern::fits_from_root(&wanted, name)) {
                    let split = if split.is_empty() { layout::split_of(name) } else { Split::named(split) };
                    found.push((split, name.clone()));
                }
                if found.len() == before {
                    return Err(self.wrong(
                        format!("no file for `{wanted}` of the card's configuration `{}`", chosen.name),
                        "the files that the card names, or data.glob to choose others",
                    ));
                }
            }
        }
        Ok(found)
    }

    /// The files by the words in their names, of one configuration where folders are several.
    fn splits_of_names(
        &mut self,
        names: Vec<String>,
        asked: &[String],
    ) -> Result<Vec<(Split, String)>, DataError> {
        let folders = layout::configurations(&names);
        if folders.is_empty() {
            if let Some(wanted) = &self.options.configuration {
                let inside: Vec<String> =
                    names.into_iter().filter(|name| name.starts_with(&format!("{wanted}/"))).collect();
                if inside.is_empty() {
                    return Err(self.wrong(
                        "one configuration only",
                        format!("a folder `{wanted}` with data, as data.config says; leave it out"),
                    ));
                }
                return Ok(inside.into_iter().map(|name| (layout::split_of(&name), name)).collect());
            }
            return Ok(names.into_iter().map(|name| (layout::split_of(&name), name)).collect());
        }
        let labels: Vec<&str> = folders.iter().map(|(label, _)| label.as_str()).collect();
        let chosen = match &self.options.configuration {
            Some(wanted) => folders.iter().find(|(label, _)| label == wanted),
            // A folder whose files were all asked for by name needs no choice.
            None if names.iter().all(|name| asked.contains(name)) => {
                return Ok(names.into_iter().map(|name| (layout::split_of(&name), name)).collect());
            }
            None => None,
        };
        let Some((label, prefix)) = chosen else { return Err(self.which_configuration(&labels)) };
        let others: Vec<&str> = labels.iter().copied().filter(|other| other != label).collect();
        self.notes.push(format!("configuration `{label}`; left out: {}", few(&others)));
        Ok(names
            .iter()
            .filter(|name| layout::prefix_of(name) == *prefix)
            .map(|name| (layout::split_of(name), name.clone()))
            .collect())
    }

    /// What is trained on and what is held out.
    fn divide(mut self, splits: Vec<(Split, String)>, asked: &[String]) -> Result<DataSet, DataError> {
        let mut by_split: BTreeMap<Split, Vec<String>> = BTreeMap::new();
        for (split, name) in splits {
            // What the pattern names in full is taken as it is.
            let split = if asked.contains(&name) { Split::none() } else { split };
            let files = by_split.entry(split).or_default();
            if !files.contains(&name) {
                files.push(name);
            }
        }
        let of_role = |role: Role| by_split.iter().filter(move |(split, _)| split.role == role);
        let training: Vec<&str> = of_role(Role::Train).map(|(split, _)| split.name.as_str()).collect();
        if training.len() > 1 {
            return Err(self.wrong(
                format!("{} training splits: {}", training.len(), training.join(", ")),
                "one of them, chosen with data.glob",
            ));
        }
        let role = if training.is_empty() { Role::None } else { Role::Train };
        let mut train: Vec<String> = of_role(role).flat_map(|(_, files)| files.clone()).collect();
        let unnamed: Vec<String> = of_role(Role::None).flat_map(|(_, files)| files.clone()).collect();
        if role == Role::Train && !asked.is_empty() {
            train.extend(unnamed);
        } else if role == Role::Train && !unnamed.is_empty() {
            self.notes.push(format!(
                "left out, of no split beside a training split (data.glob chooses otherwise): {}",
                few(&unnamed)
            ));
        }
        let mut held_out = Vec::new();
        for role in [Role::Validation, Role::Test] {
            for (split, files) in of_role(role) {
                held_out.push((split.name.clone(), files.clone()));
            }
        }
        if train.is_empty() {
            let (split, files) = match held_out.as_slice() {
                [one] if self.options.glob.is_some() => one.clone(),
                _ => {
                    let names: Vec<&str> = by_split.keys().map(|split| split.name.as_str()).collect();
                    return Err(self.wrong(
                        format!("only {}, and no training split", names.join(", ")),
                        "files to train on, chosen with data.glob",
                    ));
                }
            };
            self.notes.push(format!("trained on the {split} split, which data.glob chooses"));
            train = files;
            held_out.clear();
        }
        let others: Vec<&str> = of_role(Role::Other).map(|(split, _)| split.name.as_str()).collect();
        if !others.is_empty() {
            self.notes.push(format!("splits left out (data.glob chooses otherwise): {}", few(&others)));
        }
        let files = |names: Vec<String>| -> Result<Vec<DataFile>, DataError> {
            let mut names = names;
            names.sort();
            names
                .iter()
                .map(|name| Ok(DataFile { path: self.root.join(name), kind: self.known(name)? }))
                .collect()
        };
        let train = files(train)?;
        let held_out = held_out
            .into_iter()
            .map(|(split, names)| Ok((split, files(names)?)))
            .collect::<Result<_, DataError>>()?;
        Ok(DataSet { root: self.root.to_path_buf(), train, held_out, notes: self.notes })
    }
}

/// The first names of a list, and how many more.
fn few(names: &[impl AsRef<str>]) -> String {
    let mut text = names
        .iter()
        .take(4)
        .map(|name| name.as_ref().escape_debug().to_string())
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > 4 {
        text += &format!(" and {} more", names.len() - 4);
    }
    text
}
