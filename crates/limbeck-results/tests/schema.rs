//! The schema names what programs rely on, and what is written can be read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use limbeck_results::{Alignment, Component, ComponentKind, Estimate, Match, StudentScores, schema};

fn estimate() -> Estimate {
    Estimate { value: 0.5, low: 0.25, high: 0.75 }
}

#[test]
fn the_schema_has_every_promised_path() {
    let schema = schema();
    let definition = |name: &str| schema["$defs"][name]["properties"].clone();
    for (owner, keys) in [
        ("Evaluation", vec!["teacher", "student", "baseline", "comparisons", "shifts"]),
        ("TeacherScores", vec!["accuracy", "loss", "perplexity", "ece"]),
        ("StudentScores", vec!["accuracy", "loss", "agreement", "kl"]),
        ("Audit", vec!["alignment", "brittleness", "teacher", "student", "baseline"]),
        ("Alignment", vec!["a", "similarity", "influence", "bound"]),
        ("BrittlenessOf", vec!["teacher", "student", "baseline"]),
        ("Brittleness", vec!["mean", "worst", "severity", "gini", "curve"]),
        ("Estimate", vec!["value", "low", "high"]),
    ] {
        for key in keys {
            assert!(definition(owner).get(key).is_some(), "{owner}.{key}");
        }
    }
    assert!(schema["properties"]["evaluation"].is_object());
}

#[test]
fn estimates_are_written_as_three_numbers() {
    let scores = StudentScores {
        accuracy: estimate(),
        loss: estimate(),
        perplexity: estimate(),
        ece: estimate(),
        agreement: estimate(),
        kl: estimate(),
    };
    let written = serde_json::to_value(&scores).unwrap();
    let expected = serde_json::json!({"value": 0.5, "low": 0.25, "high": 0.75});
    assert_eq!(written["kl"], expected);
    assert_eq!(serde_json::from_value::<StudentScores>(written).unwrap(), scores);
}

#[test]
fn what_is_not_a_number_is_null_and_reads_back() {
    let component = Component {
        kind: ComponentKind::Head,
        layer: 7,
        head: Some(11),
        score: f64::INFINITY,
        drop: Estimate { value: f64::NAN, low: 1.0, high: f64::NEG_INFINITY },
    };
    let text = serde_json::to_string(&component).unwrap();
    assert!(text.contains("\"score\":null") && text.contains("\"value\":null"), "{text}");
    let back: Component = serde_json::from_str(&text).unwrap();
    assert!(back.score.is_nan() && back.drop.value.is_nan() && back.drop.low == 1.0);
    assert_eq!(back.label(), "7.11");

    let alignment = Alignment {
        a: estimate(),
        similarity: estimate(),
        influence: estimate(),
        influence_weighted_similarity: estimate(),
        bound: (f64::NAN, 0.9),
        permutation: None,
        matches: vec![Match {
            teacher: "0.0".into(),
            student: "0.0".into(),
            kind: ComponentKind::Head,
            similarity: f64::NAN,
            teacher_influence: 0.5,
            student_influence: 0.5,
        }],
    };
    let text = serde_json::to_string(&alignment).unwrap();
    let back: Alignment = serde_json::from_str(&text).unwrap();
    assert!(back.bound.0.is_nan() && back.bound.1 == 0.9 && back.matches[0].similarity.is_nan());
}

#[test]
fn a_string_where_a_number_belongs_is_refused() {
    let found = serde_json::from_str::<Estimate>(r#"{"value": "much", "low": 0, "high": 1}"#);
    assert!(found.unwrap_err().to_string().contains("much"));
    assert!(serde_json::from_str::<Estimate>(r#"{"low": 0, "high": 1}"#).is_err());
}
