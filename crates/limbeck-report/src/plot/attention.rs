//! Where one head looks: a triangle of queries by keys.

use maud::{Markup, html};

use crate::format;
use crate::network::Network;

/// Shades that are told apart.
const SHADES: usize = 10;
/// Fainter cells are left out.
const LEAST: f64 = 0.02;
/// Room for the last token's text.
const TEXT: f64 = 62.0;

/// The map of one head: `attention` is the lower triangle row by row (query after query), values in `[0, 1]`.
///
/// Each token stands at the end of its own row, which is the top of its own column: one label serves both.
pub(crate) fn attention_map(title: &str, network: Network, tokens: &[String], attention: &[f64]) -> Markup {
    let count = tokens.len();
    let cell = (290.0 / count.max(1) as f64).clamp(3.0, 14.0);
    let (side, named) = (cell * count as f64, cell >= 8.0);
    let (width, height) = (side + TEXT, side + 2.0);
    let mut shades = vec![String::new(); SHADES + 1];
    let places = (0..count).flat_map(|query| (0..=query).map(move |key| (query, key)));
    for ((query, key), &value) in places.zip(attention) {
        if value.is_finite() && value >= LEAST {
            // The square root makes small weights visible.
            let shade = (value.min(1.0).sqrt() * SHADES as f64).round() as usize;
            let (x, y) = (cell * key as f64, cell * query as f64);
            shades[shade] += &format!("M{x:.1} {y:.1}h{cell:.1}v{cell:.1}h-{cell:.1}z");
        }
    }
    let steps: String = (0..count).map(|_| format!("h{cell:.2}v{cell:.2}")).collect();
    html! {
        svg.plot.attention viewBox=(format!("0 0 {width:.0} {height:.0}")) style=(format!("max-width:{:.0}px", width * 1.15))
            role="img" aria-label=(title) {
            path.ground d=(format!("M0 0{steps}H0z")) {}
            @for (shade, cells) in shades.iter().enumerate().filter(|(_, cells)| !cells.is_empty()) {
                path class=(format!("attended {}", network.name())) fill-opacity=(format!("{:.2}", shade as f64 / SHADES as f64))
                    d=(cells) {}
            }
            @if named {
                @for (place, token) in tokens.iter().enumerate() {
                    text.token x=(format!("{:.1}", cell * (place as f64 + 1.0) + 3.0))
                        y=(format!("{:.1}", cell * (place as f64 + 0.5) + 3.0)) { (format::token(token, 9)) }
                }
            }
        }
    }
}
