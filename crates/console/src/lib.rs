//! The console: pages by which people see what the broker does and change it.
//!
//! ```text
//! browser -> visit (who is it, what do they want?) -> a page's handler -> template
//!                                                       |
//!                                                  the management API, from within
//! ```
//! A page shows what the API tells its user, and changes what the API lets its user change; it knows
//! nothing of the broker besides. Everything is plain HTML, links and forms. Scripts only keep a page
//! up to date, draw charts and answer keys.

mod assets;
mod bulk;
mod cell;
mod chart;
mod confirm;
mod csv;
mod error;
mod form;
mod format;
mod frame;
mod limits;
mod links;
mod list;
mod live;
mod notices;
mod pages;
mod preferences;
mod reply;
mod sheet;
mod tab;
mod table;
mod value;
mod visit;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn;
use warren_admin::inner::Gate;

use crate::notices::Notices;
use crate::visit::Console;

/// All pages and what they load.
pub fn router(gate: Gate) -> Router {
    let console = Console { gate, notices: Arc::new(Notices::default()) };
    let pages = pages::router(console.clone());
    let live = live::router(pages.clone());
    let lost = move |request| pages::lost(console, request);
    let all = pages.merge(live).merge(assets::router()).fallback(lost);
    all.layer(from_fn(reply::add_policy))
}
