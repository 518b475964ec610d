//! Where the heads with the largest drops look.

use limbeck_results::{AttentionPicture, Audit, HeadPicture, NetworkAudit};
use maud::{Markup, html};

use super::{numbers_below, section};
use crate::format::{self, Unit};
use crate::network::Network;
use crate::plot::attention_map;

/// Strongest links listed below a map.
const LISTED: usize = 12;

/// The section; absent without pictures.
pub(crate) fn render(audit: &Audit) -> Markup {
    let networks: Vec<_> = super::influence::networks(audit)
        .into_iter()
        .filter_map(|(network, found)| Some((network, found, found.attention.as_ref()?)))
        .collect();
    let Some((_, _, first)) = networks.first() else {
        return html! {};
    };
    let body = html! {
        p.prompt { (prompt(&first.tokens)) }
        @for (network, found, picture) in &networks {
            h3 { (network.key()) (network.name()) }
            div.grid.three { @for head in &picture.heads { (one(*network, found, picture, head)) } }
        }
    };
    section(
        "attention",
        "Where the decisive heads look",
        "Mean attention over the prompts of the example’s layout, for the heads whose removal costs most. Each row is a query, each \
         column a key; a token stands at the end of its row and at the top of its column. The last row is the \
         position that answers.",
        body,
    )
}

/// The text of a prompt: tokens of whole words do not hold the spaces between them.
fn prompt(tokens: &[String]) -> String {
    let spaced = tokens.iter().any(|token| token.contains(char::is_whitespace));
    tokens.join(if spaced { "" } else { " " })
}

fn one(network: Network, found: &NetworkAudit, picture: &AttentionPicture, head: &HeadPicture) -> Markup {
    let component = found.components.iter().find(|component| component.label() == head.component);
    let title = format!("Attention of head {} of the {}", head.component, network.name());
    html! {
        figure {
            p.caption {
                b { (head.component) }
                @if let Some(component) = component { " " span.ci { "drop " (format::in_unit(component.drop.value, Unit::PointsAlready)) } }
                @if let Some(pattern) = pattern(found, head) { " " span.ci { "· " (pattern) } }
            }
            (attention_map(&title, network, &picture.tokens, &head.attention))
            (numbers_below("Strongest links", links(picture, head)))
        }
    }
}

/// What the head is called, if anything.
fn pattern(found: &NetworkAudit, head: &HeadPicture) -> Option<&'static str> {
    let described = found.head_descriptions.as_ref()?.heads.iter().find(|one| one.head == head.component)?;
    Some(described.pattern?.name())
}

fn links(picture: &AttentionPicture, head: &HeadPicture) -> Markup {
    let count = picture.tokens.len();
    let places = (0..count).flat_map(|query| (0..=query).map(move |key| (query, key)));
    let mut links: Vec<_> = places.zip(&head.attention).filter(|(_, value)| value.is_finite()).collect();
    links.sort_by(|a, b| b.1.total_cmp(a.1));
    // A head that rests on the first token says nothing by that.
    let told = links.iter().filter(|((_, key), _)| *key > 0).take(LISTED);
    html! {
        table {
            thead { tr { th scope="col" { "From → to" } th.n scope="col" { "Attention" } } }
            tbody {
                @for ((query, key), value) in told {
                    tr {
                        th scope="row" {
                            (format::token(&picture.tokens[*query], usize::MAX)) span.ci { " " (query) } span.arrow { " → " }
                            (format::token(&picture.tokens[*key], usize::MAX)) span.ci { " " (key) }
                        }
                        td.n { (format::number(**value)) }
                    }
                }
            }
        }
    }
}
