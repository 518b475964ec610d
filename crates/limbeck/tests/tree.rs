//! The README's tree names every source file with its first line. `UPDATE_TREE=1 cargo test --test tree` rewrites it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

const BEGIN: &str = "<!-- tree: begin -->\n";
const END: &str = "<!-- tree: end -->";

#[test]
fn the_tree_in_the_readme_is_the_tree_on_disk() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let path = root.join("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once(BEGIN).expect("README.md has the tree's first mark");
    let (shown, after) = rest.split_once(END).expect("README.md has the tree's last mark");
    let drawn = draw(root);
    if std::env::var_os("UPDATE_TREE").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{drawn}{END}{after}")).unwrap();
    } else {
        assert!(shown == drawn, "README.md's tree is old: UPDATE_TREE=1 cargo test --test tree");
    }
}

fn draw(root: &Path) -> String {
    let mut out = String::from("```text\n");
    let mut crates = children(&root.join("crates"));
    crates.retain(|path| path.join("src").is_dir());
    for krate in crates {
        writeln!(out, "crates/{}/src/", name(&krate)).unwrap();
        folder(&krate.join("src"), 1, &mut out);
    }
    writeln!(out, "examples/").unwrap();
    folder(&root.join("examples"), 1, &mut out);
    out.push_str("```\n");
    out
}

fn folder(path: &Path, depth: usize, out: &mut String) {
    for child in children(path) {
        let indent = "  ".repeat(depth);
        if child.is_dir() {
            writeln!(out, "{indent}{}/", name(&child)).unwrap();
            folder(&child, depth + 1, out);
        } else if child.extension().is_some_and(|extension| extension == "rs") {
            let label = format!("{indent}{}", name(&child));
            writeln!(out, "{label:<32} {}", purpose(&child)).unwrap();
        }
    }
}

/// The first sentence of a file's documentation.
fn purpose(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
    let paragraph: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
    let joined = paragraph.join(" ");
    assert!(!joined.is_empty(), "{} does not say what it is for", path.display());
    let sentence = joined.split(". ").next().unwrap_or_default();
    sentence.trim_end_matches('.').to_owned()
}

fn children(path: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}
