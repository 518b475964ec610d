//! The three networks, and how each looks in every plot: colour, shape and dash together, so that
//! none has to be told by colour alone.

use maud::{Markup, html};

/// One of the networks compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Network {
    /// The teacher.
    Teacher,
    /// The distilled student.
    Student,
    /// The same student without the teacher.
    Baseline,
}

impl Network {
    /// Its name in the page, which is also its style class.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Teacher => "teacher",
            Self::Student => "student",
            Self::Baseline => "baseline",
        }
    }

    /// The network a training run names, if it is one of the three.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Teacher, Self::Student, Self::Baseline].into_iter().find(|n| n.name() == name)
    }

    /// Its mark at a point of a plot.
    pub(crate) fn mark(self, x: f64, y: f64) -> Markup {
        let class = format!("mark {}", self.name());
        match self {
            Self::Teacher => {
                let points = format!(
                    "{:.1},{:.1} {:.1},{:.1} {:.1},{:.1} {:.1},{:.1}",
                    x,
                    y - 5.0,
                    x + 5.0,
                    y,
                    x,
                    y + 5.0,
                    x - 5.0,
                    y
                );
                html! { polygon class=(class) points=(points) {} }
            }
            Self::Student => html! {
                circle class=(class) cx=(format!("{x:.1}")) cy=(format!("{y:.1}")) r="4.5" {}
            },
            Self::Baseline => html! {
                rect class=(class) x=(format!("{:.1}", x - 4.0)) y=(format!("{:.1}", y - 4.0))
                    width="8" height="8" {}
            },
        }
    }

    /// Its mark beside text.
    pub(crate) fn key(self) -> Markup {
        html! {
            svg.key viewBox="0 0 14 14" width="14" height="14" aria-hidden="true" {
                (self.mark(7.0, 7.0))
            }
        }
    }
}

/// The marks and names of several networks.
pub(crate) fn legend(networks: &[Network]) -> Markup {
    html! {
        p.legend {
            @for network in networks {
                span.entry { (network.key()) (network.name()) }
            }
        }
    }
}
