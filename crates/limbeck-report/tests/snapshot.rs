//! The page of a small run, line by line, without its style.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use limbeck_report::{render_html, results_json};
use limbeck_results::Results;

fn small() -> Results {
    let mut results = common::realistic();
    results.audit = Some(common::audit(2, 2));
    results.evaluation.shifts.truncate(1);
    results.training.runs.remove(0);
    for run in &mut results.training.runs {
        run.curve = run.curve.iter().step_by(80).cloned().collect();
    }
    results
}

#[test]
fn page() {
    let page = render_html(&small());
    let (before, rest) = page.split_once("<style>").unwrap();
    let (_, after) = rest.split_once("</style>").unwrap();
    insta::assert_snapshot!(format!("{before}{after}").replace("><", ">\n<"));
}

#[test]
fn json() {
    let mut results = small();
    results.audit = None;
    results.training.runs.truncate(1);
    insta::assert_snapshot!(results_json(&results).unwrap());
}
