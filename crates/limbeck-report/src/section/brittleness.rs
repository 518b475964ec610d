//! How hard each network depends on single components.

use limbeck_results::{Audit, Brittleness, BrittlenessOf, SeedDifference, Slope};
use limbeck_stats::{Estimate, SEVERITY_THRESHOLD};
use maud::{Markup, Render, html};

use super::inside::unsolved;
use super::table::{Column, table};
use super::{numbers_below, section};
use crate::format::{self, Unit};
use crate::network::{Network, legend};
use crate::plot::{LinePlot, MeasuredPlot, MeasuredSeries, Series, Spacing};

const MEASURES: [(&str, Unit, fn(&Brittleness) -> &Estimate); 5] = [
    ("Mean damage", Unit::PointsAlready, |b| &b.mean),
    ("Worst component", Unit::PointsAlready, |b| &b.worst),
    ("Mean of the worst 5%", Unit::PointsAlready, |b| &b.worst_5_percent),
    ("Severity", Unit::Plain, |b| &b.severity),
    ("Gini", Unit::Plain, |b| &b.gini),
];

/// The section.
pub(crate) fn render(audit: &Audit) -> Markup {
    let of = &audit.brittleness;
    let mut networks = vec![(Network::Teacher, &of.teacher), (Network::Student, &of.student)];
    networks.extend(of.baseline.as_ref().map(|b| (Network::Baseline, b)));
    let shown: Vec<Network> = networks.iter().map(|(network, _)| *network).collect();
    let series: Vec<Series> = networks.iter().map(|(network, b)| curve(*network, &b.curve)).collect();
    let plot = LinePlot {
        title: "Damage by component, worst first",
        x_label: "share of components, worst first, %",
        y_label: "damage, points",
        series: &series,
        x_domain: Some((0.0, 100.0)),
        y_domain: Some((0.0, 100.0)),
        reference: Some((SEVERITY_THRESHOLD, "counts towards severity above this line")),
    };
    let body = html! {
        (unsolved(audit))
        div.grid {
            figure {
                h3 { "Damage curve" }
                (legend(&shown))
                (plot.render())
                figcaption {
                    "Damage of each component on its own, sorted. A curve that starts high and falls at once is a \
                     network with a single point of failure; a low flat one has spare parts."
                }
                (numbers_below("Numbers", curves(&networks)))
            }
            figure {
                h3 { "In figures" }
                div.scroll { (figures(&networks)) }
                figcaption {
                    "Damage m is 100 minus the score left, clamped to 0 and 100, in percentage points (pp). " (severity(of.alpha))
                    " Gini is 0 when all components matter equally and near 1 when one carries all."
                }
            }
            @if let Some(slope) = &of.slope { (compression(of, slope)) }
            (between(of))
        }
    };
    section(
        "brittleness",
        "Brittleness",
        "What happens to the score when one component fails. Less damage is sturdier.",
        body,
    )
}

/// Mean damage against the parameters saved: the teacher at nothing, the student where it is.
fn compression(of: &BrittlenessOf, slope: &Slope) -> Markup {
    let (start, Estimate { value, low, high }) = (of.teacher.mean, slope.beta);
    let saved = 100.0 * slope.compression;
    // The band is that of the slope alone: the teacher's own mean is where it starts.
    let end = |beta: f64| start.value + beta * slope.compression;
    let from = Estimate { value: start.value, low: start.value, high: start.value };
    let to = Estimate { value: end(value), low: end(low), high: end(high) };
    let plot = MeasuredPlot {
        title: "Mean damage against the parameters saved",
        x_label: "parameters saved, %",
        y_label: "mean damage, points",
        spacing: Spacing::Even,
        y_least: (0.0, 0.0),
        y_most: (-1e9, 1e9),
        reference: None,
        series: &[
            MeasuredSeries { network: Network::Student, points: vec![(0.0, from), (saved, to)] },
            MeasuredSeries { network: Network::Teacher, points: vec![(0.0, from)] },
        ],
    };
    let cost =
        Estimate { value: to.value - start.value, low: to.low - start.value, high: to.high - start.value };
    let columns = [Column::text("Measure"), Column::number("Value")];
    let rows = [
        [html! { "Slope β" span.ci { ", pp" } }, format::estimate(&slope.beta, Unit::Plain)],
        [html! { "Parameters saved C" }, format::in_unit(slope.compression, Unit::Percent).render()],
        [html! { "β C" span.ci { ", pp" } }, format::estimate(&cost, Unit::Plain)],
        [html! { "Mean damage of the teacher" span.ci { ", pp" } }, format::estimate(&start, Unit::Plain)],
        [
            html! { "Mean damage of the student" span.ci { ", pp" } },
            format::estimate(&of.student.mean, Unit::Plain),
        ],
    ];
    html! {
        figure {
            h3 { "What compression costs" }
            (legend(&[Network::Teacher, Network::Student]))
            (plot.render())
            figcaption {
                "The " (format::in_unit(slope.compression, Unit::Percent)) " of the parameters saved cost "
                (format::estimate(&cost, Unit::PointsAlready)) " of mean damage: slope β = "
                (format::estimate(&slope.beta, Unit::PointsAlready)) ". β = (mean damage of the student − that of the teacher) / C, with \
                 C the share saved; band: its 95% interval, paired over prompts. Above zero, the smaller network loses more by \
                 the ablation of single components, in this one training."
            }
            (numbers_below("Numbers", table(columns, rows)))
        }
    }
}

/// The differences of mean damage and severity, over trainings where there are several.
fn between(of: &BrittlenessOf) -> Markup {
    let Some(found) = &of.across_seeds else { return of_one_training(of) };
    let differences = [
        ("mean damage, student minus teacher", Unit::PointsAlready, &found.mean_student_minus_teacher),
        ("mean damage, student minus baseline", Unit::PointsAlready, &found.mean_student_minus_baseline),
        ("severity, student minus teacher", Unit::Plain, &found.severity_student_minus_teacher),
        ("severity, student minus baseline", Unit::Plain, &found.severity_student_minus_baseline),
    ];
    let each = |found: &SeedDifference| {
        found.by_seed.iter().map(|value| format::number(*value)).collect::<Vec<_>>().join(", ")
    };
    let rows = differences.into_iter().filter_map(|(name, unit, found)| {
        let found = found.as_ref()?;
        Some([
            name.render(),
            format::estimate(&found.difference, unit),
            html! { span.ci { (each(found)) } },
            html! { @if found.left_out > 0 { (found.left_out) } },
        ])
    });
    let columns = [
        Column::text("Difference"),
        Column::number(format!("Over {} trainings", found.seeds)),
        Column::text("Each training"),
        Column::number("Left out"),
    ];
    html! {
        figure {
            h3 { "Between the networks" }
            div.scroll { (table(columns, rows)) }
            figcaption {
                "Student and baseline of each seed. 95% intervals over trainings and prompts, crossed; one that holds 0 cannot tell the \
                 networks apart. Left out: trainings in which one of the two does not solve the task."
            }
        }
    }
}

/// Paired differences of networks trained once: said to be that.
fn of_one_training(of: &BrittlenessOf) -> Markup {
    let mean =
        |found: &Option<Estimate>| found.as_ref().map(|found| format::estimate(found, Unit::PointsAlready));
    let severity = |found: &Estimate| format::estimate(found, Unit::Plain);
    let differences = [
        (
            "student minus teacher",
            mean(&of.mean_student_minus_teacher),
            Some(severity(&of.severity_student_minus_teacher)),
        ),
        (
            "student minus baseline",
            mean(&of.mean_student_minus_baseline),
            of.severity_student_minus_baseline.as_ref().map(severity),
        ),
    ];
    let rows = differences
        .into_iter()
        .filter_map(|(name, mean, severity)| Some([name.render(), mean.unwrap_or_default(), severity?]));
    html! {
        figure {
            h3 { "Between the networks, of this one training" }
            (table([Column::text("Networks"), Column::number("Mean damage"), Column::number("Severity")], rows))
            figcaption {
                "Paired over prompts. How far another training of student and baseline would move these figures is not in the \
                 intervals: they allow no claim about distillation."
            }
        }
    }
}

/// What severity is, with the exponent that was used.
fn severity(alpha: f64) -> String {
    let rest = 100.0 - SEVERITY_THRESHOLD;
    let meaning = if alpha == 1.0 {
        format!("the damage beyond {SEVERITY_THRESHOLD} points as a share of {rest}")
    } else if alpha > 1.0 {
        "single heavy losses weigh more than many light ones".to_owned()
    } else {
        "many light losses weigh more than single heavy ones".to_owned()
    };
    format!(
        "Severity is the mean over components of (max(0, m − {SEVERITY_THRESHOLD}) / {rest})^α, here with α = {}: {meaning}.",
        format::setting(alpha),
    )
}

fn curve(network: Network, damages: &[f64]) -> Series {
    let count = damages.len().max(1) as f64;
    Series {
        class: network.name().to_owned(),
        name: network.name().to_owned(),
        points: damages
            .iter()
            .enumerate()
            .map(|(place, damage)| (100.0 * (place as f64 + 0.5) / count, *damage))
            .collect(),
    }
}

fn figures(networks: &[(Network, &Brittleness)]) -> Markup {
    let columns = std::iter::once(Column::text("Measure")).chain(
        networks.iter().map(|(network, _)| Column::stacked(html! { (network.key()) (network.name()) })),
    );
    let measures = MEASURES.iter().map(|(name, unit, part)| {
        let name = html! { (name) @if *unit == Unit::PointsAlready { span.ci { ", pp" } } };
        let cells = networks.iter().map(|(_, b)| format::estimate(part(b), Unit::Plain));
        std::iter::once(name).chain(cells).collect::<Vec<_>>()
    });
    let over = networks.iter().map(|(_, b)| html! { (b.over_20) span.ci { " of " (b.curve.len()) } });
    let over = std::iter::once(html! { "Components over 20 pp" }).chain(over).collect();
    table(columns, measures.chain([over]))
}

fn curves(networks: &[(Network, &Brittleness)]) -> Markup {
    let longest = networks.iter().map(|(_, b)| b.curve.len()).max().unwrap_or(0);
    let columns = std::iter::once(Column::number("Rank"))
        .chain(networks.iter().map(|(network, _)| Column::number(network.name())));
    let rows = (0..longest).map(|place| {
        let cells = networks.iter().map(move |(_, b)| match b.curve.get(place) {
            Some(damage) => format::number(*damage).render(),
            None => html! {},
        });
        std::iter::once((place + 1).render()).chain(cells)
    });
    table(columns, rows)
}
