//! Loss curves of every network trained in this run, term by term.

use limbeck_results::{CurvePoint, Training, TrainingRun};
use maud::{Markup, html};

use super::{figure, section};
use crate::format;
use crate::network::Network;
use crate::plot::{LinePlot, Series};

/// Points drawn at most; a longer log is thinned evenly, first and last kept.
const DRAWN: usize = 300;
/// Rows of the table below a plot.
const LISTED: usize = 25;

/// The section; absent when nothing was trained.
pub(crate) fn render(training: &Training) -> Markup {
    if training.runs.is_empty() {
        return html! {};
    }
    // The two that are compared stand side by side; the teacher's own training comes last.
    let mut runs: Vec<&TrainingRun> = training.runs.iter().collect();
    runs.sort_by_key(|run| run.network == Network::Teacher.name());
    let body = html! { div.grid { @for run in runs { (one(run)) } } };
    section(
        "training",
        "Training",
        "Each network's loss on its training batches: the weighted sum and every term it is made of.",
        body,
    )
}

/// Names of the terms in the order they first appear.
fn terms(run: &TrainingRun) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for term in run.curve.iter().flat_map(|point| &point.terms) {
        if !names.contains(&term.name.as_str()) {
            names.push(&term.name);
        }
    }
    names
}

fn term(point: &CurvePoint, name: &str) -> Option<f64> {
    point.terms.iter().find(|term| term.name == name).map(|term| term.value)
}

fn one(run: &TrainingRun) -> Markup {
    let names = terms(run);
    let window = run.curve.len() / 40;
    let points = |value: &dyn Fn(&CurvePoint) -> f64| -> Vec<(f64, f64)> {
        run.curve.iter().map(|point| (point.step as f64, value(point))).collect()
    };
    let mut series = Vec::new();
    let mut curve = |class: &str, name: &str, raw: Vec<(f64, f64)>| {
        if window > 1 {
            series.push(Series {
                class: format!("{class} raw"),
                name: name.to_owned(),
                points: thinned(&raw),
            });
        }
        let smooth = thinned(&running_mean(&raw, window));
        series.push(Series { class: class.to_owned(), name: name.to_owned(), points: smooth });
    };
    // A single term of weight one is the sum: one curve says it.
    let single = names.len() == 1 && run.curve.iter().all(|point| term(point, names[0]) == Some(point.loss));
    if !single {
        for (place, name) in names.iter().enumerate() {
            curve(&format!("term{}", place % 6), name, points(&|p| term(p, name).unwrap_or(f64::NAN)));
        }
    }
    curve("total", "loss", points(&|point| point.loss));
    let title = format!("Training loss of the {}", run.network);
    let plot = LinePlot {
        title: &title,
        x_label: "step",
        y_label: "loss",
        series: &series,
        x_domain: None,
        y_domain: None,
        reference: None,
    };
    let caption = format!(
        "{} steps, {} tokens. Lower is better; losses of different mixtures of terms cannot be compared.{}",
        format::count(run.steps),
        format::count(run.tokens),
        if window > 1 {
            format!(" Thin: as logged. Thick: running mean over {} logged steps.", window / 2 * 2 + 1)
        } else {
            String::new()
        },
    );
    let heading = html! {
        @if let Some(network) = Network::named(&run.network) { (network.key()) }
        (run.network)
    };
    let shown = html! { (plot.render()) (key(run, &names, single)) };
    figure(heading, shown, &caption, table(run, &names))
}

/// The curves' names, with the weight and the last value of each.
fn key(run: &TrainingRun, names: &[&str], single: bool) -> Markup {
    let last = run.curve.last();
    let total = if single { names[0] } else { "weighted sum" };
    let entry = |class: &str, name: &str, weight: Option<f64>, value: f64| {
        html! {
            span.entry {
                svg.key viewBox="0 0 22 10" width="22" height="10" aria-hidden="true" {
                    g class=(format!("line {class}")) { polyline points="0,5 22,5" {} }
                }
                (name)
                @if let Some(weight) = weight { span.ci { " ×\u{202f}" (format::number(weight)) } }
                " " span.ci { "last " (format::number(value)) }
            }
        }
    };
    html! {
        p.legend {
            @if let Some(last) = last {
                (entry("total", total, None, last.loss))
                @if !single {
                    @for (place, name) in names.iter().enumerate() {
                        @if let Some(point) = last.terms.iter().find(|term| term.name == *name) {
                            (entry(&format!("term{}", place % 6), name, Some(point.weight), point.value))
                        }
                    }
                }
            }
        }
    }
}

/// Mean of the finite values among the `window` points around each; a point that is not finite stays.
fn running_mean(points: &[(f64, f64)], window: usize) -> Vec<(f64, f64)> {
    if window < 2 {
        return points.to_vec();
    }
    let reach = window / 2;
    points
        .iter()
        .enumerate()
        .map(|(place, &(x, y))| {
            // The same reach on both sides, less at the ends: a lopsided mean would lag.
            let reach = reach.min(place).min(points.len() - 1 - place);
            let around = &points[place - reach..=place + reach];
            let finite: Vec<f64> = around.iter().map(|p| p.1).filter(|value| value.is_finite()).collect();
            if y.is_finite() { (x, finite.iter().sum::<f64>() / finite.len() as f64) } else { (x, y) }
        })
        .collect()
}

/// At most [`DRAWN`] points, evenly chosen.
fn thinned<T: Clone>(points: &[T]) -> Vec<T> {
    spread(points.len(), DRAWN).map(|place| points[place].clone()).collect()
}

/// At most `most` places of `0..count`, evenly spread, the ends among them.
fn spread(count: usize, most: usize) -> impl Iterator<Item = usize> {
    let taken = count.min(most);
    (0..taken).map(move |i| if taken < 2 { 0 } else { i * (count - 1) / (taken - 1) })
}

fn table(run: &TrainingRun, names: &[&str]) -> Markup {
    html! {
        table {
            thead { tr {
                th.n scope="col" { "Step" }
                th.n scope="col" { "Loss" }
                @for name in names { th.n scope="col" { (name) } }
            } }
            tbody {
                @for place in spread(run.curve.len(), LISTED) {
                    @let point = &run.curve[place];
                    tr {
                        td.n { (format::count(point.step)) }
                        td.n { (format::number(point.loss)) }
                        @for name in names {
                            td.n { (format::number(term(point, name).unwrap_or(f64::NAN))) }
                        }
                    }
                }
            }
        }
        @if run.curve.len() > LISTED {
            p.ci { (LISTED) " of " (format::count(run.curve.len() as u64)) " logged steps; results.json has all." }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_keeps_both_ends() {
        assert_eq!(spread(0, 5).count(), 0);
        assert_eq!(spread(1, 5).collect::<Vec<_>>(), [0]);
        assert_eq!(spread(3, 5).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(spread(101, 5).collect::<Vec<_>>(), [0, 25, 50, 75, 100]);
        assert_eq!(spread(7, 1).collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn a_running_mean_neither_lags_nor_smears_what_is_not_a_number() {
        let line: Vec<(f64, f64)> = (0..20).map(|i| (f64::from(i), f64::from(3 * i))).collect();
        // A straight line stays where it is.
        assert_eq!(running_mean(&line, 5), line);
        let mut broken = line.clone();
        broken[7].1 = f64::NAN;
        let smooth = running_mean(&broken, 5);
        assert_eq!(smooth.iter().filter(|point| point.1.is_nan()).count(), 1);
        assert!(smooth[7].1.is_nan());
    }
}
