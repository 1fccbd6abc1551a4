//! Why a request is refused, and what its client is told: one `match` from error to status and
//! body. The words are RabbitMQ's where clients or people search for them.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tracing::error;

use crate::answer;

/// What browsers and tools are asked for.
const CHALLENGE: &str = "Basic realm=\"RabbitMQ Management\"";

/// A reason to refuse a request.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum Error {
    /// No credentials, or none that are right.
    #[error("Login failed")]
    NotAuthenticated,
    /// There were too many failed logins.
    #[error("Too many failed logins, try again later")]
    TooManyLogins {
        /// How long to wait, in milliseconds.
        wait_ms: u64,
    },
    /// A browser sends the request, and not for a page of the broker's own.
    #[error("{0}")]
    NotOwnPage(&'static str),
    /// The login is good, the right is missing.
    #[error("{0}")]
    NotAuthorised(String),
    /// The request itself is wrong, or the broker refuses what it asks for.
    #[error("{0}")]
    BadRequest(String),
    /// A value is not what it should be: RabbitMQ's word for it, and the value.
    #[error("{0}: {1}")]
    BadTerm(&'static str, String),
    /// `page` or `page_size` is out of bounds.
    #[error("Invalid pagination parameters: page number {page}, page size {size}")]
    InvalidPage {
        /// As it was given.
        page: String,
        /// As it was given; `undefined` if it was not.
        size: String,
    },
    /// There are fewer pages.
    #[error("Page out of range, page: {page} page size: {size}, len: {length}")]
    PageOutOfRange {
        /// The page that was asked for.
        page: usize,
        /// How many objects a page has.
        size: usize,
        /// How many objects there are.
        length: usize,
    },
    /// The age and the step of samples do not fit together.
    #[error("Invalid range parameters: age {age}, incr {increment}")]
    InvalidRange {
        /// Seconds.
        age: i64,
        /// Seconds.
        increment: i64,
    },
    /// There is no such path, or no such object.
    #[error("Not Found")]
    NoSuchObject,
    /// There is no such object, and RabbitMQ says which.
    #[error("{0}")]
    NotFound(String),
    /// The path has other methods.
    #[error("the path does not have this method")]
    MethodNotAllowed {
        /// Those that it has, as the header `Allow` lists them.
        allowed: String,
    },
    /// The object is protected.
    #[error("{0}")]
    PreconditionFailed(String),
    /// The body is too large.
    #[error("Exceeded HTTP request body size limit of {limit} bytes")]
    BodyTooLarge {
        /// In bytes.
        limit: usize,
    },
    /// The broker cannot do it now.
    #[error("{0}")]
    Unavailable(String),
    /// A health check has failed: its own body, with `status` and `reason`.
    #[error("{0}")]
    Unhealthy(Value),
    /// A definitions file of which objects were refused: its report.
    #[error("{reason}")]
    Refused {
        /// The first object's reason.
        reason: String,
        /// What became of each object.
        report: Value,
    },
    /// A mistake of the broker's own.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    pub(crate) fn bad_request(reason: impl Into<String>) -> Self {
        Self::BadRequest(reason.into())
    }

    pub(crate) fn not_authorised(reason: impl Into<String>) -> Self {
        Self::NotAuthorised(reason.into())
    }

    /// The status that it is answered with.
    pub(crate) fn status(&self) -> StatusCode {
        self.kind().0
    }

    /// The status and the `error` of the body.
    fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NotAuthenticated => (StatusCode::UNAUTHORIZED, "not_authorized"),
            Self::NotAuthorised(_) => (StatusCode::UNAUTHORIZED, "not_authorised"),
            Self::TooManyLogins { .. } => (StatusCode::TOO_MANY_REQUESTS, "too_many_requests"),
            Self::NotOwnPage(_) => (StatusCode::FORBIDDEN, "forbidden"),
            Self::BadRequest(_) | Self::BadTerm(..) | Self::Refused { .. } => {
                (StatusCode::BAD_REQUEST, "bad_request")
            }
            Self::InvalidPage { .. } => (StatusCode::BAD_REQUEST, "invalid_pagination_parameters"),
            Self::PageOutOfRange { .. } => (StatusCode::BAD_REQUEST, "page_out_of_range"),
            Self::InvalidRange { .. } => (StatusCode::BAD_REQUEST, "invalid_range_parameters"),
            Self::NoSuchObject => (StatusCode::NOT_FOUND, "Object Not Found"),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
            Self::MethodNotAllowed { .. } => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::PreconditionFailed(_) => (StatusCode::PRECONDITION_FAILED, "precondition_failed"),
            Self::BodyTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large"),
            Self::Unavailable(_) | Self::Unhealthy(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "service_unavailable")
            }
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal_server_error"),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, kind) = self.kind();
        let reason = self.to_string();
        if matches!(self, Self::Internal(_)) {
            error!(reason, "a request has failed");
        }
        let mut body = json!({"error": kind, "reason": reason});
        let mut header = None;
        match self {
            Self::NotAuthenticated => {
                header = Some((header::WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE)));
            }
            Self::TooManyLogins { wait_ms } => {
                let seconds = HeaderValue::from(wait_ms.div_ceil(1000));
                header = Some((header::RETRY_AFTER, seconds));
            }
            Self::MethodNotAllowed { allowed } => {
                header = HeaderValue::try_from(allowed).ok().map(|it| (header::ALLOW, it));
            }
            Self::BadTerm(word, value) => body["reason"] = json!([word, value]),
            Self::Unhealthy(report) => body = report,
            Self::Refused { report, .. } => {
                if let (Value::Object(body), Value::Object(report)) = (&mut body, report) {
                    body.extend(report);
                }
            }
            Self::NotAuthorised(_)
            | Self::NotOwnPage(_)
            | Self::BadRequest(_)
            | Self::InvalidPage { .. }
            | Self::PageOutOfRange { .. }
            | Self::InvalidRange { .. }
            | Self::NoSuchObject
            | Self::NotFound(_)
            | Self::PreconditionFailed(_)
            | Self::BodyTooLarge { .. }
            | Self::Unavailable(_)
            | Self::Internal(_) => {}
        }
        let mut response = answer::json(status, &body);
        response.headers_mut().extend(header);
        response
    }
}
