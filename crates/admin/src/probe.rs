//! `/healthz`, for probes and load balancers.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::api::Api;

pub(crate) fn router(api: Arc<Api>) -> Router {
    Router::new().route("/healthz", get(healthz)).with_state(api)
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
