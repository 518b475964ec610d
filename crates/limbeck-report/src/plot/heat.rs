//! A grid of shaded cells with their numbers.

use maud::{Markup, html};

use crate::format;

const CELL: f64 = 30.0;
const ROW: f64 = 22.0;
const LEFT: f64 = 24.0;
const TOP: f64 = 20.0;
/// Column names longer than this stand upright.
const LEVEL: usize = 3;
/// Height of a character that stands upright.
const UPRIGHT: f64 = 6.6;
const GAP: f64 = 6.0;

/// Above this share of the scale a number is written in the colour of the page.
const STRONG: f64 = 0.55;

/// One cell.
pub(crate) struct HeatCell {
    /// Row from the top.
    pub(crate) row: usize,
    /// Column from the left.
    pub(crate) column: usize,
    /// What is shaded and written.
    pub(crate) value: f64,
    /// Shown when the cell is pointed at.
    pub(crate) title: String,
}

/// A grid of rows and columns.
pub(crate) struct HeatMap<'a> {
    /// What the grid shows, for readers who cannot see it.
    pub(crate) title: &'a str,
    /// Number of rows.
    pub(crate) rows: usize,
    /// Names of the columns.
    pub(crate) columns: &'a [String],
    /// The cells; places without one stay empty.
    pub(crate) cells: &'a [HeatCell],
    /// The magnitude that is shaded fully.
    pub(crate) full: f64,
    /// Whether the last column stands apart from the others.
    pub(crate) apart: bool,
}

/// How strongly a magnitude is shaded: the square root of its share, so that small ones show.
pub(super) fn strength(value: f64, full: f64) -> f64 {
    if !value.is_finite() || full <= 0.0 { 0.0 } else { (value.abs() / full).min(1.0).sqrt() }
}

pub(super) fn side(value: f64) -> &'static str {
    if value < 0.0 { "helps" } else { "harms" }
}

impl HeatMap<'_> {
    /// The grid. Its width follows from its columns, so that grids side by side have equal cells.
    pub(crate) fn render(&self) -> Markup {
        let longest = self.columns.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let upright = longest > LEVEL;
        let top = if upright { UPRIGHT * longest as f64 + 8.0 } else { TOP };
        let width = LEFT + CELL * self.columns.len() as f64 + GAP;
        let height = top + ROW * self.rows as f64;
        let x = |column: usize| {
            let apart = if self.apart && column + 1 == self.columns.len() { GAP } else { 0.0 };
            LEFT + CELL * column as f64 + apart
        };
        html! {
            svg.plot.heat viewBox=(format!("0 0 {width:.0} {height:.0}"))
                style=(format!("max-width:{:.0}px", width * 1.4)) role="img" aria-label=(self.title) {
                @for (column, name) in self.columns.iter().enumerate() {
                    @let middle = x(column) + CELL / 2.0;
                    @if upright {
                        text.tick transform=(format!("translate({:.1} {:.1}) rotate(-90)", middle + 4.0, top - 5.0)) { (name) }
                    } @else {
                        text.tick x=(format!("{middle:.1}")) y="13" text-anchor="middle" { (name) }
                    }
                }
                @for row in 0..self.rows {
                    text.tick x=(LEFT - 6.0) y=(format!("{:.1}", top + ROW * (row as f64 + 0.5) + 4.0))
                        text-anchor="end" { (row) }
                }
                @for cell in self.cells { (self.cell(cell, x(cell.column), top + ROW * cell.row as f64)) }
            }
        }
    }

    fn cell(&self, cell: &HeatCell, x: f64, y: f64) -> Markup {
        let strength = strength(cell.value, self.full);
        let number = whole(cell.value);
        let strong = strength > STRONG;
        let long = number.chars().count() > 3;
        html! {
            g {
                title { (cell.title) }
                rect.cell x=(format!("{:.1}", x + 0.75)) y=(format!("{:.1}", y + 0.75))
                    width=(CELL - 1.5) height=(ROW - 1.5) rx="2" {}
                rect class=(side(cell.value)) x=(format!("{:.1}", x + 0.75))
                    y=(format!("{:.1}", y + 0.75)) width=(CELL - 1.5) height=(ROW - 1.5) rx="2"
                    fill-opacity=(format!("{strength:.3}")) {}
                text.number.strong[strong].long[long] x=(format!("{:.1}", x + CELL / 2.0)) y=(format!("{:.1}", y + ROW / 2.0 + 4.0))
                    text-anchor="middle" { (number) }
            }
        }
    }
}

/// A cell has room for whole numbers.
fn whole(value: f64) -> String {
    if value.abs() >= 1000.0 {
        return if value < 0.0 { "≪0" } else { "≫" }.to_owned();
    }
    if !value.is_finite() {
        return format::number(value);
    }
    format::tick(value, 1.0)
}

/// The colour scale of grids with the given full magnitude.
pub(crate) fn heat_key(full: f64, low: f64) -> Markup {
    let steps = [0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0];
    let helpful: Vec<f64> =
        steps.iter().rev().filter(|s| **s > 0.0 && low < 0.0).map(|s| -s * full).collect();
    let values: Vec<f64> = helpful
        .into_iter()
        .filter(|value| *value >= low * 1.01)
        .chain(steps.iter().map(|share| share * full))
        .collect();
    let width = 36.0 * values.len() as f64;
    html! {
        svg.heatkey viewBox=(format!("0 0 {width} 34")) width=(width) height="34" role="img"
            aria-label="Colour scale" {
            @for (place, value) in values.iter().enumerate() {
                @let x = 36.0 * place as f64;
                rect class=(side(*value)) x=(x) y="2" width="35" height="13"
                    fill-opacity=(format!("{:.3}", strength(*value, full))) {}
                text.tick x=(x + 18.0) y="29" text-anchor="middle" { (format::tick(*value, if value.fract() == 0.0 { 1.0 } else { 0.1 })) }
            }
        }
    }
}
