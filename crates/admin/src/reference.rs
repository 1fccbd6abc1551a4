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
    /// What is searched for; empty for nothing.
    search: String,
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

impl Row {
    /// Whether all of these words, in lower case, are in it.
    fn has(&self, words: &str) -> bool {
        let text = format!("{} {} {} {}", self.method, self.path, self.summary, self.right);
        let text = text.to_lowercase();
        words.split_whitespace().all(|word| text.contains(word))
    }
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

pub(crate) async fn page(call: Call) -> Answer {
    let search = call.query.get("q").unwrap_or_default().trim().to_owned();
    let mut groups: Vec<(&'static str, Vec<Row>)> = vec![];
    for route in routes() {
        let row = row(&route);
        if !row.has(&search.to_lowercase()) {
            continue;
        }
        match groups.iter_mut().find(|(name, _)| *name == tag(&route)) {
            Some((_, rows)) => rows.push(row),
            None => groups.push((tag(&route), vec![row])),
        }
    }
    let page = Page { version: env!("CARGO_PKG_VERSION"), search, groups };
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

#[cfg(test)]
mod tests {
    use axum::http::Method;

    use crate::testing::Fixture;

    #[tokio::test(flavor = "multi_thread")]
    async fn requests_are_found_by_words_of_theirs() {
        let fixture = Fixture::new().await;
        let page = async |query: &str| {
            let answer = fixture.ask(Method::GET, &format!("/api/index.html{query}"), "").await;
            String::from_utf8(answer.body).unwrap()
        };
        let found = page("?q=delete%20QUEUES").await;
        assert!(found.contains("/api/queues/{vhost}/{queue}/contents"));
        assert!(!found.contains("/api/overview"));
        assert!(page("").await.contains("/api/overview"));
        let none = page("?q=%3Cb%3E").await;
        assert!(none.contains("No request") && !none.contains("<b>"));
        fixture.stop().await;
    }
}
