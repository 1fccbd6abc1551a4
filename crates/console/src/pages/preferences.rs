//! What people choose for themselves: the theme and the virtual host.

use std::sync::Arc;

use askama::Template;
use axum::http::{HeaderValue, header};

use super::Routes;
use crate::frame::Frame;
use crate::preferences::{keep_theme, keep_virtual_host, theme};
use crate::reply::{Reply, go_to, own_path, page};
use crate::visit::Visit;

pub(crate) fn add(routes: Routes) -> Routes {
    routes
        .get("/settings", settings)
        .post("/settings/theme", set_theme)
        .get("/select-vhost", select_virtual_host)
}

#[derive(Template)]
#[template(path = "console/settings.html")]
struct SettingsPage {
    frame: Frame,
    tags: String,
}

async fn settings(visit: Arc<Visit>) -> Reply {
    let whoami = visit.get("/api/whoami").await?;
    let tags = crate::value::items(&whoami, "tags");
    let tags = tags.iter().map(crate::value::plain).collect::<Vec<_>>().join(", ");
    page(&SettingsPage { frame: Frame::new(&visit, "Settings").await?, tags })
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
