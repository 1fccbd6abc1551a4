//! The API described: as OpenAPI, and as a page for people.

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse};

use crate::answer::{self, Answer};
use crate::call::Call;
use crate::error::Error;
use crate::openapi::{self, parameter_texts, tag};
use crate::routes::{Parameters, Route, routes};

/// The page.
#[derive(Template)]
#[template(path = "api.html")]
struct Page {
    version: &'static str,
    groups: Vec<(&'static str, Vec<Row>)>,
}

/// A route.
struct Row {
    method: String,
    path: &'static str,
    right: &'static str,
    summary: &'static str,
    parameters: String,
}

/// Only what the page itself brings may be loaded.
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'";

pub(crate) async fn redirect(_call: Call) -> Answer {
    let location = [(header::LOCATION, HeaderValue::from_static("/api/index.html"))];
    Ok((StatusCode::MOVED_PERMANENTLY, location).into_response())
}

pub(crate) async fn openapi(_call: Call) -> Answer {
    answer::ok(&openapi::document(&routes()))
}

pub(crate) async fn page(_call: Call) -> Answer {
    let mut groups: Vec<(&'static str, Vec<Row>)> = vec![];
    for route in routes() {
        let row = row(&route);
        match groups.iter_mut().find(|(name, _)| *name == tag(&route)) {
            Some((_, rows)) => rows.push(row),
            None => groups.push((tag(&route), vec![row])),
        }
    }
    let page = Page { version: env!("CARGO_PKG_VERSION"), groups };
    let html = page.render().map_err(|error| Error::Internal(error.to_string()))?;
    let policy =
        [(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY))];
    Ok((policy, Html(html)).into_response())
}

fn row(route: &Route) -> Row {
    let names = route.parameters.iter().flat_map(|group| match group {
        Parameters::One(name, _) => vec![*name],
        group => parameter_texts(*group).iter().map(|(name, _)| *name).collect(),
    });
    Row {
        method: route.method.to_string(),
        path: route.path,
        right: route.right.name(),
        summary: route.summary,
        parameters: names.collect::<Vec<_>>().join(", "),
    }
}
