//! What the names of a data set's files say: what is no data, which split, which configuration.

use super::source;

/// What a split is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// The names say nothing.
    None,
    /// To learn from.
    Train,
    /// To choose by.
    Validation,
    /// To measure on.
    Test,
    /// A split of another name.
    Other,
}

/// A split by its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Split {
    pub(super) role: Role,
    pub(super) name: String,
}

impl Split {
    /// No split.
    pub(super) fn none() -> Self {
        Self { role: Role::None, name: "files of no split".to_owned() }
    }

    /// A split that is called so.
    pub(super) fn named(name: &str) -> Self {
        let role = role_of(name).unwrap_or(Role::Other);
        Self { role, name: name.to_owned() }
    }
}

/// The words that stand for splits, as in Hugging Face datasets.
const KEYWORDS: [(Role, &str, &[&str]); 3] = [
    (Role::Validation, "validation", &["validation", "valid", "val", "dev"]),
    (Role::Test, "test", &["test", "testing", "eval", "evaluation"]),
    (Role::Train, "train", &["train", "training"]),
];

/// The role that the words of a name give; where several do, one that is not trained on.
fn role_of(name: &str) -> Option<Role> {
    let lower = name.to_lowercase();
    let words: Vec<&str> = lower.split(|letter: char| !letter.is_alphabetic()).collect();
    KEYWORDS
        .iter()
        .find(|(_, _, keywords)| words.iter().any(|word| keywords.contains(word)))
        .map(|(role, _, _)| *role)
}

/// Whether the word names a split that is not trained on.
pub(super) fn is_held_out(word: &str) -> bool {
    matches!(role_of(word), Some(Role::Validation | Role::Test))
}

fn plain(role: Role) -> Split {
    let name = KEYWORDS.iter().find(|(known, _, _)| *known == role).map_or("", |(_, name, _)| name);
    Split { role, name: name.to_owned() }
}

/// The split of a file: by a folder's name, else by its own. In `SPLIT-00000-of-00003.parquet` all that stands
/// before the numbers is the split's name.
pub(super) fn split_of(path: &str) -> Split {
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    if let Some(role) = folders.split('/').rev().find_map(role_of) {
        return plain(role);
    }
    match (role_of(source::stem(name)), sharded(name)) {
        (Some(_), Some(split)) => Split::named(split),
        (Some(role), None) => plain(role),
        (None, Some(split)) if folders == "data" || folders.ends_with("/data") => Split::named(split),
        (None, _) => Split::none(),
    }
}

/// `SPLIT` of `SPLIT-00000-of-00003`, also with a hash behind.
fn sharded(name: &str) -> Option<&str> {
    let stem = source::stem(name);
    let at = stem.find("-of-")?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (split, number) = stem[..at].rsplit_once('-')?;
    let count = stem[at + 4..].split('-').next().unwrap_or_default();
    (digits(number) && digits(count) && !split.is_empty()).then_some(split)
}

/// The folder before whatever says the split of a file; none where nothing does.
fn split_prefix(path: &str) -> Option<&str> {
    let mut end = 0;
    for part in path.split('/') {
        let last = end + part.len() == path.len();
        let words = if last { source::stem(part) } else { part };
        if role_of(words).is_some() {
            return Some(path[..end].trim_end_matches('/'));
        }
        end += part.len() + 1;
    }
    None
}

/// The folder of the configuration that a file belongs to: what stands before its split.
pub(super) fn prefix_of(path: &str) -> &str {
    split_prefix(path).unwrap_or_else(|| path.rsplit_once('/').map_or("", |(folder, _)| folder))
}

/// Folders that each have a split of the same role: configurations, as (label, folder). Empty when there is one.
pub(super) fn configurations(paths: &[String]) -> Vec<(String, String)> {
    let mut found: Vec<(Role, &str)> =
        paths.iter().filter_map(|path| Some((split_of(path).role, split_prefix(path)?))).collect();
    found.sort();
    found.dedup();
    let repeated = found.windows(2).any(|pair| pair[0].0 == pair[1].0);
    if !repeated {
        return Vec::new();
    }
    let mut folders: Vec<&str> = found.into_iter().map(|(_, folder)| folder).collect();
    folders.sort_unstable();
    folders.dedup();
    let label = |folder: &str| match folder.strip_prefix("data/").unwrap_or(folder) {
        "" | "data" => "default".to_owned(),
        name => name.to_owned(),
    };
    folders.into_iter().map(|folder| (label(folder), folder.to_owned())).collect()
}

/// Why a file is no data, by its name; none when it may be.
pub(super) fn no_data(path: &str) -> Option<&'static str> {
    let parts: Vec<&str> = path.split('/').collect();
    let (folders, name) = (&parts[..parts.len() - 1], parts[parts.len() - 1]);
    if parts.iter().any(|part| part.starts_with('.') || part.starts_with("__")) {
        return Some("hidden");
    }
    let packaging =
        |part: &&str| part.ends_with(".dist-info") || part.ends_with(".egg-info") || *part == "node_modules";
    if folders.iter().any(packaging) {
        return Some("papers of a package");
    }
    let lower = name.to_lowercase();
    let (stem, ending) = lower.split_once('.').unwrap_or((&lower, ""));
    let words: Vec<&str> = stem.split(|letter: char| !letter.is_alphanumeric()).collect();
    let text = matches!(ending, "md" | "txt" | "text" | "rst" | "html" | "");
    let first = words.first().copied().unwrap_or_default();
    if text && (DOCUMENTS_BY_FIRST_WORD.contains(&first) || DOCUMENTS.contains(&words.join("_").as_str())) {
        return Some("documents about the data");
    }
    if matches!(ending, "json" | "yaml" | "yml") && INFOS.contains(&stem) {
        return Some("infos about the data");
    }
    None
}

/// Documents whose name begins so, whatever follows (`README_zh.md`, `LICENSE-MIT.txt`).
const DOCUMENTS_BY_FIRST_WORD: [&str; 4] = ["readme", "license", "licence", "copying"];
/// Documents of just this name.
const DOCUMENTS: [&str; 13] = [
    "authors",
    "changelog",
    "citation",
    "code_of_conduct",
    "contributing",
    "contributors",
    "copyright",
    "data_card",
    "datacard",
    "dataset_card",
    "datasheet",
    "notice",
    "requirements",
];
/// JSON files that describe a data set or package.
const INFOS: [&str; 12] = [
    "config",
    "croissant",
    "dataset_dict",
    "dataset_info",
    "dataset_infos",
    "datapackage",
    "dataset-metadata",
    "manifest",
    "package",
    "package-lock",
    "schema",
    "state",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_are_found_in_folders_before_files() {
        for (path, role, name) in [
            ("train.jsonl", Role::Train, "train"),
            ("data/train-00000-of-00003.parquet", Role::Train, "train"),
            ("data/train_sft-00000-of-00003-a1b2.parquet", Role::Train, "train_sft"),
            ("data/unsupervised-00000-of-00001.parquet", Role::Other, "unsupervised"),
            ("shard-00000-of-00001.parquet", Role::None, "files of no split"),
            ("my.train.v2.jsonl", Role::Train, "train"),
            ("train2.jsonl.gz", Role::Train, "train"),
            ("Validation/a.jsonl", Role::Validation, "validation"),
            ("dev/train.jsonl", Role::Validation, "validation"),
            ("en/valid.csv", Role::Validation, "validation"),
            ("a_test.json", Role::Test, "test"),
            ("eval-set.jsonl", Role::Test, "test"),
            ("train-test.jsonl", Role::Test, "test"),
            ("contest.jsonl", Role::None, "files of no split"),
            ("trainer.jsonl", Role::None, "files of no split"),
        ] {
            assert_eq!(split_of(path), Split { role, name: name.to_owned() }, "{path}");
        }
    }

    #[test]
    fn configurations_are_folders_that_repeat_a_split() {
        let of = |paths: &[&str]| -> Vec<String> {
            let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
            configurations(&paths).into_iter().map(|(label, _)| label).collect()
        };
        assert_eq!(of(&["en/train.jsonl", "en/test.jsonl", "de/train.jsonl"]), ["de", "en"]);
        assert_eq!(of(&["data/en/train/a.jsonl", "data/de/train/a.jsonl"]), ["de", "en"]);
        assert_eq!(of(&["train.jsonl", "extra/train.jsonl"]), ["default", "extra"]);
        assert!(of(&["train/en.jsonl", "train/de.jsonl", "test/en.jsonl"]).is_empty());
        assert!(of(&["data/train.jsonl", "eval/test.jsonl", "data/b.jsonl"]).is_empty());
        assert!(of(&["a/x.txt", "b/y.txt"]).is_empty());
    }

    #[test]
    fn documents_infos_and_hidden_files_are_no_data() {
        for path in [
            "README.md",
            "readme.txt",
            "README_zh.md",
            "sub/LICENSE.txt",
            "LICENCE-MIT",
            "CITATION.md",
            "dataset_infos.json",
            "train/state.json",
            "dataset_dict.json",
            ".git/config.json",
            ".ipynb_checkpoints/train.jsonl",
            "data/._train.jsonl",
            "__MACOSX/train.jsonl",
            ".cache/huggingface/x.json",
            "x.dist-info/top_level.txt",
            "package.json",
        ] {
            assert!(no_data(path).is_some(), "{path}");
        }
        for path in
            ["license_questions.jsonl", "train.jsonl", "notices/a.txt", "readme.jsonl", "my.config.jsonl"]
        {
            assert!(no_data(path).is_none(), "{path}");
        }
    }
}
