//! What is served beside the API: `/healthz` for probes and load balancers, and a page that says what
//! runs.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use tracing::error;
use warren_server::HostCounts;

use crate::api::Api;

/// What the page shows.
#[derive(Template)]
#[template(path = "status.html")]
struct StatusPage {
    version: &'static str,
    uptime: String,
    failure: Option<String>,
    alarm: Option<&'static str>,
    virtual_hosts: Vec<HostCounts>,
    amqp_address: String,
}

/// Only what the page itself brings may be loaded.
pub(crate) const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'";

pub(crate) fn router(api: Arc<Api>) -> Router {
    Router::new()
        .route("/", get(status_page))
        .route("/healthz", get(healthz))
        .route("/style.css", get(style))
        .with_state(api)
}

/// 200 while the store works, 503 with the reason after it has failed. An alarm is named, but is no
/// failure: to start the broker anew, or to send consumers elsewhere, would not end it.
async fn healthz(State(api): State<Arc<Api>>) -> Response {
    let status = api.management.status();
    match (status.failure(), status.alarm().reason()) {
        (None, None) => (StatusCode::OK, "ok\n").into_response(),
        (None, Some(alarm)) => {
            (StatusCode::OK, format!("ok, but publishers are blocked: {alarm}\n")).into_response()
        }
        (Some(reason), _) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response()
        }
    }
}

/// How long the status page waits for counts.
const COUNTS_WAIT: std::time::Duration = std::time::Duration::from_secs(1);

async fn status_page(State(api): State<Arc<Api>>) -> Response {
    let status = api.management.status();
    let page = StatusPage {
        version: env!("CARGO_PKG_VERSION"),
        uptime: duration_text(status.uptime_seconds()),
        failure: status.failure(),
        alarm: status.alarm().reason(),
        // A shard that waits for the disk has no counts to give; all else can be told.
        virtual_hosts: tokio::time::timeout(COUNTS_WAIT, status.summary())
            .await
            .unwrap_or_default(),
        amqp_address: api
            .management
            .listeners()
            .first()
            .map(|listener| listener.address.to_string())
            .unwrap_or_default(),
    };
    match page.render() {
        Ok(html) => {
            let policy = [
                (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
                (header::CACHE_CONTROL, "no-store"),
            ];
            (policy, Html(html)).into_response()
        }
        Err(reason) => {
            error!(%reason, "cannot render the status page");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn style() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/css; charset=utf-8")],
        include_str!("../../../templates/style.css"),
    )
}

/// A duration in the two largest units that matter.
fn duration_text(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::duration_text;

    #[test]
    fn durations_show_the_two_units_that_matter() {
        let cases = [(0, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (3_600, "1 h 0 min")];
        for (seconds, text) in cases.into_iter().chain([(90_061, "1 d 1 h")]) {
            assert_eq!(duration_text(seconds), text);
        }
    }
}
