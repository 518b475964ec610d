//! Plots as inline SVG. Each is drawn some 440 units wide, so that on a phone its text keeps a
//! readable size, and takes its colours from the page's style.

mod attention;
mod flow;
mod frame;
mod graph;
mod heat;
mod interval;
mod line;
mod measured;
mod scale;

pub(crate) use attention::attention_map;
pub(crate) use flow::{FlowPlot, Station, Stream};
pub(crate) use graph::{GraphEdge, GraphNode, GraphPlot};
pub(crate) use heat::{HeatCell, HeatMap, heat_key};
pub(crate) use interval::{IntervalRow, difference_strip, interval_plot};
pub(crate) use line::{LinePlot, Series};
pub(crate) use measured::{MeasuredPlot, MeasuredSeries, Spacing};
pub(crate) use scale::extent;

/// Width of a plot in its own units.
pub(crate) const WIDTH: f64 = 440.0;
