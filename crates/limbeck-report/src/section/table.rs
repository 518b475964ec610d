//! Tables: a heading over every column, a name before every row.

use maud::{Markup, Render, html};

/// A column: what stands above it, and how its cells are set.
pub(crate) struct Column {
    heading: Markup,
    class: Option<&'static str>,
}

impl Column {
    /// Words.
    pub(crate) fn text(heading: impl Render) -> Self {
        Self { heading: heading.render(), class: None }
    }

    /// Names that stay on one line.
    pub(crate) fn name(heading: impl Render) -> Self {
        Self { heading: heading.render(), class: Some("name") }
    }

    /// Words that may break anywhere.
    pub(crate) fn wrapped(heading: impl Render) -> Self {
        Self { heading: heading.render(), class: Some("wrap") }
    }

    /// Numbers.
    pub(crate) fn number(heading: impl Render) -> Self {
        Self { heading: heading.render(), class: Some("n") }
    }

    /// Numbers with their intervals below them.
    pub(crate) fn stacked(heading: impl Render) -> Self {
        Self { heading: heading.render(), class: Some("n stacked") }
    }
}

/// The table. The first cell of a row names it; cells without a column are left out.
pub(crate) fn table<C, R>(columns: C, rows: R) -> Markup
where
    C: IntoIterator<Item = Column>,
    R: IntoIterator,
    R::Item: IntoIterator<Item = Markup>,
{
    let columns: Vec<Column> = columns.into_iter().collect();
    html! {
        table {
            thead { tr { @for column in &columns { th class=[column.class] scope="col" { (column.heading) } } } }
            tbody {
                @for row in rows {
                    tr {
                        @for (place, (cell, column)) in row.into_iter().zip(&columns).enumerate() {
                            @if place == 0 {
                                th class=[column.class] scope="row" { (cell) }
                            } @else {
                                td class=[column.class] { (cell) }
                            }
                        }
                    }
                }
            }
        }
    }
}
