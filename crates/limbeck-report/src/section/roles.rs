//! What became of each of the teacher's components: the flow from teacher to student, and the roles.

use limbeck_results::{Audit, Flow, Role, Roles, Standing, TeacherRole};
use maud::{Markup, Render, html};

use super::inside::unsolved;
use super::table::{Column, table};
use super::{numbers_below, section};
use crate::format::{self, Unit};
use crate::plot::{FlowPlot, Station, Stream};

/// Bars on a side at most; the rest are one bar.
const MOST: usize = 18;
/// Rows of the table before the reader asks for more.
const FIRST: usize = 12;

/// The section; absent without roles.
pub(crate) fn render(audit: &Audit) -> Markup {
    let Some(roles) = &audit.roles else {
        return html! {};
    };
    let body = html! {
        (unsolved(audit))
        div.abreast {
            figure {
                h3 { "From teacher to student" }
                (role_key())
                (flow(roles))
                figcaption {
                    "Bars: the points of the score lost when that component alone is removed, both sides to one scale, by \
                     layer from the top. Bands lead from each teacher component in use to its counterparts in the student."
                }
                (numbers_below("Numbers", flows(&roles.flow)))
            }
            figure {
                h3 { "Roles" }
                div.scroll { (counts(roles)) }
                figcaption { (rule(roles)) }
                (overloaded(roles))
            }
        }
        figure {
            h3 { "The teacher’s components, by the size of their drop" }
            (listing(roles))
        }
    };
    section(
        "roles",
        "What became of the teacher’s components",
        "Preserved: one counterpart of its own. Merged: the counterpart is shared with others. Split: several counterparts. \
         Discarded: in use in the teacher, with nothing like it in use in the student.",
        body,
    )
}

/// Style class of a role.
pub(crate) fn class(role: Option<Role>) -> &'static str {
    match role {
        Some(Role::Preserved) => "preserved",
        Some(Role::Merged) => "merged",
        Some(Role::Split) => "split",
        Some(Role::Discarded) => "discarded",
        Some(Role::Idle) => "idle",
        None => "new",
    }
}

fn role_key() -> Markup {
    let names = [
        (Some(Role::Preserved), "preserved"),
        (Some(Role::Merged), "merged"),
        (Some(Role::Split), "split"),
        (Some(Role::Discarded), "discarded"),
        (None, "new in the student"),
    ];
    html! {
        p.legend {
            @for (role, name) in names {
                span.entry {
                    svg.key viewBox="0 0 14 14" width="14" height="14" aria-hidden="true" {
                        rect class=(format!("stream {}", class(role))) x="0" y="2" width="14" height="10" {}
                    }
                    (name)
                }
            }
        }
    }
}

/// The bars of one side.
struct Side {
    /// Labels that have a bar of their own, by layer.
    labels: Vec<String>,
    /// How many share a bar below them.
    others: usize,
}

/// Everything that has no partner on the other side.
const NONE: &str = "—";

impl Side {
    /// `order` names all components by layer, `sums` what flows through each.
    fn new(order: &[String], sums: impl Fn(&str) -> f64) -> Side {
        let mut largest: Vec<(&String, f64)> =
            order.iter().map(|label| (label, sums(label))).filter(|(_, sum)| *sum > 0.0).collect();
        largest.sort_by(|a, b| b.1.total_cmp(&a.1));
        let others = largest.len().saturating_sub(MOST);
        largest.truncate(MOST);
        let labels = order.iter().filter(|label| largest.iter().any(|(large, _)| large == label));
        Side { labels: labels.cloned().collect(), others }
    }

    /// Place of a label's bar; the bar of the others comes after those with a name, the bar without partner last.
    fn place(&self, label: Option<&str>) -> usize {
        match label {
            Some(label) => self.labels.iter().position(|known| known == label).unwrap_or(self.labels.len()),
            None => self.labels.len() + usize::from(self.others > 0),
        }
    }

    fn stations(&self, last: (&str, bool), describe: impl Fn(&str) -> Station) -> Vec<Station> {
        let plain =
            |label: String, class| Station { title: label.clone(), label, note: String::new(), class };
        let mut stations: Vec<Station> = self.labels.iter().map(|label| describe(label)).collect();
        if self.others > 0 {
            stations.push(plain(format!("{} others", self.others), "idle"));
        }
        if last.1 {
            stations.push(plain(last.0.to_owned(), "idle"));
        }
        stations
    }
}

fn size(value: f64) -> f64 {
    if value.is_finite() { value.abs() } else { 0.0 }
}

fn flow(roles: &Roles) -> Markup {
    let sum = |of: &dyn Fn(&Flow) -> (Option<&str>, f64), label: &str| -> f64 {
        roles.flow.iter().map(of).filter(|(end, _)| *end == Some(label)).map(|(_, value)| size(value)).sum()
    };
    let at_teacher = |label: &str| sum(&|flow| (flow.teacher.as_deref(), flow.teacher_drop), label);
    let at_student = |label: &str| sum(&|flow| (flow.student.as_deref(), flow.student_drop), label);
    let order = |labels: Vec<&String>| labels.into_iter().cloned().collect::<Vec<_>>();
    let left = Side::new(&order(roles.teacher.iter().map(|role| &role.component).collect()), at_teacher);
    let right = Side::new(&order(roles.student.iter().map(|role| &role.component).collect()), at_student);
    // Bands between the same two bars are one.
    let mut streams: Vec<Stream> = Vec::new();
    for flow in &roles.flow {
        let (from, to) = (left.place(flow.teacher.as_deref()), right.place(flow.student.as_deref()));
        let widths = if flow.student.is_none() {
            (flow.teacher_drop, flow.teacher_drop)
        } else if flow.teacher.is_none() {
            (flow.student_drop, flow.student_drop)
        } else {
            (flow.teacher_drop, flow.student_drop)
        };
        let class = class(flow.role);
        match streams.iter_mut().find(|s| s.from == from && s.to == to && s.class == class) {
            Some(stream) => {
                stream.widths.0 += size(widths.0);
                stream.widths.1 += size(widths.1);
                stream.title += &format!("; {}", described(flow));
            }
            None => streams.push(Stream {
                from,
                to,
                widths: (size(widths.0), size(widths.1)),
                class,
                title: described(flow),
            }),
        }
    }
    let discarded = roles.flow.iter().any(|flow| flow.student.is_none());
    let fresh = roles.flow.iter().any(|flow| flow.teacher.is_none());
    let teacher = left.stations(("no source", fresh), |label| {
        let role = roles.teacher.iter().find(|role| role.component == label);
        Station {
            label: label.to_owned(),
            note: format::in_unit(role.map_or(f64::NAN, |role| role.drop), Unit::PointsAlready),
            class: "teacher",
            title: role.map_or_else(String::new, |role| format!("{label}: {}", role.role.name())),
        }
    });
    let student = right.stations(("discarded", discarded), |label| {
        let role = roles.student.iter().find(|role| role.component == label);
        let heavy = role.is_some_and(|role| role.standing == Standing::OverRelied);
        let drop = format::in_unit(role.map_or(f64::NAN, |role| role.drop), Unit::PointsAlready);
        Station {
            label: label.to_owned(),
            note: if heavy { format!("{drop} ▲") } else { drop },
            class: if heavy { "over" } else { "student" },
            title: role.map_or_else(String::new, |role| format!("{label}: {}", role.standing.name())),
        }
    });
    FlowPlot {
        title: "Flow of influence from the teacher’s components to the student’s",
        sides: ("teacher", "student"),
        stations: (&teacher, &student),
        streams: &streams,
    }
    .render()
}

fn described(flow: &Flow) -> String {
    let (from, to) = (flow.teacher.as_deref().unwrap_or(NONE), flow.student.as_deref().unwrap_or(NONE));
    let role = flow.role.map_or("new", Role::name);
    match flow.similarity {
        Some(similarity) => format!("{from} → {to}, {role}, similarity {}", format::number(similarity)),
        None => format!("{from} → {to}, {role}"),
    }
}

fn flows(flow: &[Flow]) -> Markup {
    let columns = [
        Column::text("Teacher → student"),
        Column::text("Role"),
        Column::number("Similarity"),
        Column::number("Drop in the teacher, pp"),
        Column::number("Drop in the student, pp"),
    ];
    let rows = flow.iter().map(|one| {
        let (from, to) = (one.teacher.as_deref().unwrap_or(NONE), one.student.as_deref().unwrap_or(NONE));
        [
            html! { (from) span.arrow { " → " } (to) },
            one.role.map_or("new", Role::name).render(),
            one.similarity.map_or_else(|| NONE.to_owned(), format::number).render(),
            format::number(one.teacher_drop).render(),
            format::number(one.student_drop).render(),
        ]
    });
    table(columns, rows)
}

/// A role's name with its colour.
fn named(role: Role) -> Markup {
    html! { span class=(format!("swatch {}", class(Some(role)))) {} (role.name()) }
}

fn counts(roles: &Roles) -> Markup {
    let columns = [
        Column::text("Role"),
        Column::number("Heads"),
        Column::number("MLPs"),
        Column::number("Of the influence"),
    ];
    let rows = roles.counts.iter().map(|count| {
        [
            named(count.role),
            count.heads.render(),
            count.mlps.render(),
            format::in_unit(count.influence, Unit::Percent).render(),
        ]
    });
    table(columns, rows)
}

fn rule(roles: &Roles) -> String {
    let rule = &roles.rule;
    format!(
        "The rule: a component is in use when its removal moves the score by at least {} points. Counterparts are in \
         use on both sides, alike by {} at least {} above chance, and within {} of the best that either has. A student \
         component is over-relied on when it drops more than {} times what its sources did and more than {} points. \
         Stability: share of {} resamples of prompts that give the same role.",
        format::number(rule.in_use),
        rule.measure.name(),
        format::number(rule.similar),
        format::number(rule.margin),
        format::number(rule.overload),
        format::number(rule.heavy),
        format::count(rule.resamples as u64),
    )
}

fn overloaded(roles: &Roles) -> Markup {
    let mut heavy: Vec<_> =
        roles.student.iter().filter(|role| role.standing == Standing::OverRelied).collect();
    heavy.sort_by(|a, b| b.drop.total_cmp(&a.drop));
    let all = heavy.len();
    heavy.truncate(FIRST);
    let listed = heavy.len();
    let columns = [
        Column::text("Component"),
        Column::number("Drop, pp"),
        Column::number("Inherited, pp"),
        Column::number("Stable"),
    ];
    let rows = heavy.into_iter().map(|role| {
        [
            role.component.render(),
            format::number(role.drop).render(),
            format::number(role.inherited_drop).render(),
            format::in_unit(role.stability, Unit::Percent).render(),
        ]
    });
    html! {
        @if all > 0 {
            h3.follows { "▲ Over-relied on in the student" }
            div.scroll { (table(columns, rows)) }
            @if all > listed { p.ci { "The heaviest " (listed) " of " (all) "." } }
        }
    }
}

fn listing(roles: &Roles) -> Markup {
    let mut order: Vec<&TeacherRole> = roles.teacher.iter().collect();
    order.sort_by(|a, b| size(b.drop).total_cmp(&size(a.drop)));
    let (shown, rest) = order.split_at(order.len().min(FIRST));
    html! {
        div.scroll { (outcomes(shown)) }
        @if !rest.is_empty() { (numbers_below(&format!("The other {}", rest.len()), outcomes(rest))) }
    }
}

fn outcomes(listed: &[&TeacherRole]) -> Markup {
    let columns = [
        Column::name("Teacher"),
        Column::number("Drop, pp"),
        Column::name("Role"),
        Column::number("Stable"),
        Column::wrapped("In the student"),
    ];
    let rows = listed.iter().map(|role| {
        [
            role.component.render(),
            format::number(role.drop).render(),
            named(role.role),
            format::in_unit(role.stability, Unit::Percent).render(),
            partners(role),
        ]
    });
    table(columns, rows)
}

fn partners(role: &TeacherRole) -> Markup {
    html! {
        @for (place, partner) in role.counterparts.iter().enumerate() {
            @if place > 0 { ", " }
            (partner.component) " " span.ci { "S " (format::number(partner.similarity)) ", drop " (format::number(partner.drop)) }
        }
        @if !role.shares_with.is_empty() { span.ci style="white-space:normal" { ", shared with " (role.shares_with.join(", ")) } }
        @if role.counterparts.is_empty() {
            @if let Some(near) = &role.nearest {
                span.ci { "nearest " (near.component) ", S " (format::number(near.similarity)) ", drop " (format::number(near.drop)) }
            } @else { span.ci { (NONE) } }
        }
    }
}
