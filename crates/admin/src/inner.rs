//! The management API for the other parts of the program: requests without a socket, of people who
//! signed in with a browser.
//!
//! The console shows what the API tells and changes what the API lets its user change. So rights,
//! limits, the audit log and the words of refusals are the same, and stand in one place.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::response::Response;
use serde_json::Value;
use tower::ServiceExt;

use crate::api::Api;
use crate::authenticate::{Sender, Use, by_cookie};
use crate::dispatch;
use crate::forgery;
use crate::limits::INNER_ANSWER_BYTES;
pub use crate::limits::TRASH_PREFIX;
use crate::origin::Origin;
use crate::routes::routes;

/// The way to the API from within.
#[derive(Debug, Clone)]
pub struct Gate {
    api: Arc<Api>,
    router: Router,
}

/// Somebody who signed in with a browser, for one request of theirs.
#[derive(Debug, Clone)]
pub struct Visitor {
    gate: Gate,
    peer: SocketAddr,
    sender: Sender,
    origin: Origin,
}

/// Why the API did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// As the API answers.
    pub status: StatusCode,
    /// In the API's words.
    pub reason: String,
    /// The whole body, where there is more to tell.
    pub body: Value,
}

/// Whether a request is somebody's doing or only keeps a page up to date, which must not keep a
/// session alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Somebody did something.
    Visit,
    /// A page that is open is made again.
    Watch,
}

/// Mark of a request that comes from within: who sends it is known.
#[derive(Debug, Clone)]
pub(crate) struct Admitted {
    pub(crate) sender: Sender,
    pub(crate) origin: Origin,
}

impl Gate {
    pub(crate) fn new(api: &Arc<Api>) -> Self {
        Self { api: Arc::clone(api), router: dispatch::router(api, routes()) }
    }

    /// Who sent a request, by the cookie of the session; nothing if there is none that is good.
    #[must_use]
    pub fn visitor(
        &self,
        headers: &HeaderMap,
        peer: SocketAddr,
        purpose: Purpose,
    ) -> Option<Visitor> {
        let origin = Origin::of(headers, peer.ip(), &self.api.config.trusted_proxies);
        let state = self.api.management.catalog().snapshot();
        let kind = match purpose {
            Purpose::Visit => Use::Yes,
            Purpose::Watch => Use::No,
        };
        let sender = by_cookie(&self.api, &state, headers, &origin, kind)?;
        Some(Visitor { gate: self.clone(), peer, sender, origin })
    }

    /// Sends a request on to the API as it came from a browser: to sign in or out.
    pub async fn pass(&self, request: Request) -> Response {
        let answer = self.router.clone().oneshot(request).await;
        // A router does not fail.
        answer.unwrap_or_else(|never| match never {})
    }

    /// The addresses of what takes connections: protocol and address.
    #[must_use]
    pub fn listeners(&self) -> Vec<(&'static str, SocketAddr)> {
        let listeners = self.api.listeners();
        listeners.into_iter().map(|listener| (listener.protocol, listener.address)).collect()
    }
}

impl Visitor {
    /// The name of the user.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.sender.identity.user
    }

    /// Whether the user has a tag, or one that stands for it.
    #[must_use]
    pub fn has_tag(&self, tag: &str) -> bool {
        self.sender.identity.has_tag(tag)
    }

    /// What forms must bring in the field [`CSRF_FIELD`].
    #[must_use]
    pub fn csrf_token(&self) -> &str {
        self.sender.session.as_ref().map_or("", |session| session.csrf.expose())
    }

    /// Whether a form comes from a page of the broker's own: it shows the token, and the browser
    /// does not say that it is somebody else's.
    #[must_use]
    pub fn is_own_form(&self, headers: &HeaderMap, token: &str) -> bool {
        let session = self.sender.session.as_ref();
        session.is_some_and(|session| session.csrf.is(token))
            && forgery::check_page(&self.gate.api, &self.origin, headers).is_ok()
    }

    /// What the API gives at this path.
    ///
    /// # Errors
    ///
    /// As the API refuses it.
    pub async fn get(&self, path: &str) -> Result<Value, Refusal> {
        self.send(Method::GET, path, &[], None).await
    }

    /// Sends a request to the API.
    ///
    /// # Errors
    ///
    /// As the API refuses it.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Value, Refusal> {
        let response = self.answer(method, path, headers, body).await?;
        let status = response.status();
        let bytes = to_bytes(response.into_body(), INNER_ANSWER_BYTES).await;
        let bytes = bytes.map_err(|_| Refusal::new("the answer is too long for a page"))?;
        let value = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes)
                .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()))
        };
        if status.is_success() {
            return Ok(value);
        }
        Err(Refusal { status, reason: reason(&value), body: value })
    }

    /// Sends a request and gives the answer as it comes, however long it is.
    ///
    /// # Errors
    ///
    /// A path or a header that cannot be sent.
    pub async fn answer(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Response, Refusal> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes());
            let name = name.map_err(|error| Refusal::new(&error.to_string()))?;
            request = request.header(name, *value);
        }
        let body = match body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        let request = request.body(body).map_err(|error| Refusal::new(&error.to_string()));
        let mut request = request?;
        let (sender, origin) = (self.sender.clone(), self.origin.clone());
        request.extensions_mut().insert(Admitted { sender, origin });
        request.extensions_mut().insert(ConnectInfo(self.peer));
        Ok(self.gate.pass(request).await)
    }
}

/// The field of forms with the session's secret.
pub const CSRF_FIELD: &str = forgery::FIELD;

impl Refusal {
    fn new(reason: &str) -> Self {
        let (status, reason) = (StatusCode::BAD_REQUEST, reason.to_owned());
        Self { status, reason, body: Value::Null }
    }
}

/// Why the API refuses something, as text.
fn reason(body: &Value) -> String {
    let reason = body.get("reason").or_else(|| body.get("error")).unwrap_or(body);
    match reason {
        Value::String(text) => text.clone(),
        // A word and the value that it is about.
        Value::Array(parts) => {
            let text = |part: &Value| part.as_str().map_or_else(|| part.to_string(), str::to_owned);
            parts.iter().map(text).collect::<Vec<_>>().join(": ")
        }
        other => other.to_string(),
    }
}
