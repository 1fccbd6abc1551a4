//! How HTTP is served.

use std::time::Duration;

use warren_server::LogTail;

use crate::limits;
use crate::origin::TrustedProxies;
use crate::sessions::SessionRules;

/// What can be configured of the HTTP side.
#[derive(Debug, Clone)]
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
    /// When sessions of browsers end.
    pub sessions: SessionRules,
    /// Proxies whose word is taken for where a request comes from.
    pub trusted_proxies: TrustedProxies,
    /// The last lines of the broker's log.
    pub log: LogTail,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            body_bytes_max: limits::BODY_BYTES,
            requests_max: limits::REQUESTS,
            request_timeout: limits::REQUEST_TIME,
            cors_allow_origins: vec![],
            cors_max_age: Duration::from_secs(1800),
            sessions: SessionRules { idle: limits::SESSION_IDLE, longest: limits::SESSION_LONGEST },
            trusted_proxies: TrustedProxies::default(),
            log: LogTail::default(),
        }
    }
}

/// Whether a text is the origin of a page: a scheme and a host, perhaps with a port; or `*`, which is
/// all of them.
#[must_use]
pub fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_host = |host: &str| {
        !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-.:[]".contains(c))
    };
    text == "*" || host.is_some_and(is_host)
}

#[cfg(test)]
mod tests {
    use super::is_origin;

    #[test]
    fn an_origin_has_a_scheme_and_a_host_and_no_path() {
        for origin in ["*", "https://example.com", "http://localhost:8080", "http://[::1]:80"] {
            assert!(is_origin(origin), "{origin}");
        }
        for other in ["", "example.com", "https://", "https://a/", "https://a b", "ftp://a", "**"] {
            assert!(!is_origin(other), "{other}");
        }
    }
}
