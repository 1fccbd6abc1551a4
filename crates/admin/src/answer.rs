//! What handlers answer with.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::error::Error;

/// What a handler gives back.
pub(crate) type Answer = Result<Response, Error>;

/// 200 with an object or a list.
pub(crate) fn ok(body: &impl Serialize) -> Answer {
    Ok(json(StatusCode::OK, body))
}

/// A body of JSON.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => json_bytes(status, bytes.into()),
        // What we serialise has text for keys and numbers that JSON knows; this is for the day
        // when it has not.
        Err(reason) => {
            tracing::error!(%reason, "an answer cannot be written as JSON");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A body that is JSON already.
pub(crate) fn json_bytes(status: StatusCode, body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (status, headers, body).into_response()
}

/// 204: done, and nothing to tell.
pub(crate) fn done() -> Answer {
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// What a PUT answers: 201 for something new, 204 for a change.
pub(crate) fn put(is_new: bool) -> Answer {
    let status = if is_new { StatusCode::CREATED } else { StatusCode::NO_CONTENT };
    Ok(status.into_response())
}

/// 201 with the place of what was made.
pub(crate) fn created(location: &str) -> Answer {
    let Ok(location) = HeaderValue::try_from(location) else {
        return Err(Error::Internal(format!("{location:?} cannot stand in a header")));
    };
    Ok((StatusCode::CREATED, [(header::LOCATION, location)]).into_response())
}
