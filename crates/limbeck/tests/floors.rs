//! Imports between the floors only go down.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{CargoOpt, DependencyKind, MetadataCommand};

/// What each crate may import of the others; tests may use the testkit besides.
const FLOORS: &[(&str, &[&str])] = &[
    ("limbeck-stats", &[]),
    ("limbeck-results", &["stats"]),
    ("limbeck-data", &[]),
    ("limbeck-kernels", &[]),
    ("limbeck-model", &["data", "kernels"]),
    ("limbeck-teach", &["data", "kernels", "model"]),
    ("limbeck-distill", &["data", "kernels", "model", "results", "stats", "teach"]),
    ("limbeck-eval", &["data", "kernels", "model", "results", "stats", "teach"]),
    ("limbeck-audit", &["data", "eval", "kernels", "model", "results", "stats"]),
    ("limbeck-report", &["results", "stats"]),
    ("limbeck-testkit", &["data", "model"]),
    (
        "limbeck",
        &["audit", "data", "distill", "eval", "kernels", "model", "report", "results", "stats", "teach"],
    ),
];

#[test]
fn imports_only_go_down() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    let mut command = MetadataCommand::new();
    command.manifest_path(manifest).no_deps().features(CargoOpt::AllFeatures);
    let metadata = command.exec().unwrap();
    let allowed: BTreeMap<&str, BTreeSet<String>> = FLOORS
        .iter()
        .map(|(name, below)| (*name, below.iter().map(|one| format!("limbeck-{one}")).collect()))
        .collect();
    let mut seen = BTreeSet::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        let floor = allowed.get(name).unwrap_or_else(|| panic!("{name} is in no floor: add it to the table"));
        seen.insert(name.to_owned());
        for dependency in &package.dependencies {
            if !dependency.name.starts_with("limbeck") {
                continue;
            }
            let in_tests = dependency.kind == DependencyKind::Development;
            assert!(
                floor.contains(&dependency.name) || (in_tests && dependency.name == "limbeck-testkit"),
                "{name} must not import {}",
                dependency.name
            );
        }
    }
    assert_eq!(seen.len(), FLOORS.len(), "the table names a crate that is gone: {seen:?}");
}
