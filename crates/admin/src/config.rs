//! How HTTP is served.

use std::time::Duration;

use crate::limits;

/// What can be configured of the HTTP side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// The largest body of a request, in bytes.
    pub body_bytes_max: usize,
    /// Requests that are worked on at a time; more wait.
    pub requests_max: usize,
    /// How long a request may take.
    pub request_timeout: Duration,
    /// Origins of pages in browsers that may use the API, such as `https://example.com`; `*` is all
    /// of them, without credentials. None: pages of the broker itself only.
    pub cors_allow_origins: Vec<String>,
    /// How long a browser may remember the answer.
    pub cors_max_age: Duration,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            body_bytes_max: limits::BODY_BYTES,
            requests_max: limits::REQUESTS,
            request_timeout: limits::REQUEST_TIME,
            cors_allow_origins: vec![],
            cors_max_age: Duration::from_secs(1800),
        }
    }
}
