//! What people choose for themselves: the theme and the virtual host.

use std::sync::Arc;

use axum::http::{HeaderValue, header};
use serde_json::Value;

use super::Routes;
use crate::cell::{Cell, Tag};
use crate::frame::Frame;
use crate::preferences::{keep_theme, keep_virtual_host, theme};
use crate::reply::{Reply, go_to, own_path};
use crate::sheet::{Section, Sheet};
use crate::table::{Head, Row, Table};
use crate::value::{items, plain};
use crate::visit::Visit;

pub(crate) fn add(routes: Routes) -> Routes {
    routes
        .get("/settings", settings)
        .post("/settings/theme", set_theme)
        .get("/select-vhost", select_virtual_host)
}

async fn settings(visit: Arc<Visit>) -> Reply {
    let whoami = visit.get("/api/whoami").await?;
    let tags = items(&whoami, "tags").iter().map(|tag| Tag::plain(plain(tag), ""));
    let you =
        vec![("User", Cell::text(visit.visitor.user())), ("Tags", Cell::Tags(tags.collect()))];
    let browser = vec![
        (
            "Theme",
            Cell::text(match visit.preferences.theme {
                "" => "as the system has it",
                theme => theme,
            }),
        ),
        (
            "Virtual host",
            Cell::text(match visit.virtual_host() {
                "" => "all",
                host => host,
            }),
        ),
    ];
    let mut sheet = Sheet::new(Frame::new(&visit, "Settings").await?)
        .with(Section::new("You").facts(you))
        .with(
            Section::new("This browser")
                .text(
                    "Theme, virtual host and the columns of lists are kept in this browser alone. \
                     They are chosen where they are shown: the theme and the virtual host at the top \
                     of every page, columns beside each list. Press ? on any page for the keys.",
                )
                .facts(browser),
        );
    if visit.administers() {
        sheet = sheet.with(configuration(&visit.get("/api/configuration").await?));
    }
    sheet.answer()
}

/// The configuration in effect, by its keys.
fn configuration(configuration: &Value) -> Section {
    let row = |(key, value): (&String, &Value)| Row {
        key: key.clone(),
        name: key.clone(),
        cells: vec![Cell::Code(key.clone()), Cell::Code(plain(value))],
        buttons: vec![],
    };
    let heads = ["Key", "Value"];
    let table = Table {
        caption: "Configuration in effect".to_owned(),
        heads: heads.map(|title| Head { title: title.to_owned(), ..Head::default() }).into(),
        rows: configuration.as_object().into_iter().flatten().map(row).collect(),
        ..Table::default()
    };
    Section::new("Configuration in effect")
        .text(
            "What the broker was started with, from its file and its flags. Changes take effect at \
             the next start. Passwords and keys are not shown.",
        )
        .table(table)
}

async fn set_theme(visit: Arc<Visit>) -> Reply {
    let chosen = keep_theme(theme(visit.form.get("theme")));
    Ok(keep(own_path(visit.form.get("next")), chosen))
}

/// A choice of what is shown, which can be in an address.
async fn select_virtual_host(visit: Arc<Visit>) -> Reply {
    let chosen = keep_virtual_host(visit.query.get("vhost"));
    Ok(keep(own_path(visit.query.get("next")), chosen))
}

fn keep(next: &str, cookie: Option<HeaderValue>) -> axum::response::Response {
    let mut response = go_to(next);
    response.headers_mut().extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
    response
}
