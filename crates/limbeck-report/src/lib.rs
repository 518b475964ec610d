//! A pure function from results to one HTML page.
//!
//! [`render_html`] gives a page that stands alone: styles and plots are inline, there is no script
//! and nothing is fetched. [`results_json`] gives the same facts to programs. [`render_audit`] is the
//! page of an audit alone.

mod audit_page;
mod format;
mod json;
mod network;
mod next;
mod page;
mod plot;
mod reproduction;
mod section;

pub use audit_page::{AuditPage, render_audit};
pub use json::results_json;
pub use next::{next_steps, weakest_part};
pub use page::render_html;
pub use reproduction::render_reproduction;
