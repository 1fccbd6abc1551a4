//! A request as the handler of a page sees it: who sent it, what the path names, what was filled in.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{
    ConnectInfo, Form, FromRequest, FromRequestParts, Multipart, Path, Query, Request,
};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use serde_json::Value;
use warren_admin::inner::{CSRF_FIELD, Gate, Purpose, Refusal, Visitor};

use crate::error::Error;
use crate::notices::{Notice, Notices};
use crate::preferences::Preferences;

/// What all handlers work with.
#[derive(Debug, Clone)]
pub(crate) struct Console {
    /// The way to the API.
    pub(crate) gate: Gate,
    /// What people are told on the next page they see.
    pub(crate) notices: Arc<Notices>,
}

/// Mark of a request that only makes an open page again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watching;

/// Names with values, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pairs(pub(crate) Vec<(String, String)>);

/// A request of somebody who has signed in.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    pub(crate) visitor: Visitor,
    pub(crate) console: Console,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    /// What somebody chose before.
    pub(crate) preferences: Preferences,
    pub(crate) query: Pairs,
    /// What was filled in; nothing if the page is only looked at.
    pub(crate) form: Pairs,
    path: Vec<(String, String)>,
    purpose: Purpose,
}

impl Pairs {
    /// The first value of a name; empty if there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    /// All values of a name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether there is a value that is not empty.
    pub(crate) fn has(&self, name: &str) -> bool {
        !self.get(name).is_empty()
    }
}

impl Visit {
    /// Reads a request.
    ///
    /// # Errors
    ///
    /// Nobody has signed in; the form is none, is too long or was not sent by a page of the console.
    pub(crate) async fn read(console: &Console, request: Request) -> Result<Self, Error> {
        let (mut parts, body) = request.into_parts();
        let path = Path::<Vec<(String, String)>>::from_request_parts(&mut parts, &()).await;
        let Path(path) = path.map_err(|_| Error::NotFound)?;
        let query = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
        let Query(query) = query.map_err(|_| Error::wrong("The address cannot be read."))?;
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let Some(ConnectInfo(peer)) = peer else { return Err(Error::NotFound) };
        let watching = parts.extensions.get::<Watching>();
        let purpose = if watching.is_some() { Purpose::Watch } else { Purpose::Visit };
        let visitor = console.gate.visitor(&parts.headers, *peer, purpose);
        let visitor = visitor.ok_or_else(|| Error::sign_in(&parts.method, &parts.uri))?;
        let (headers, uri) = (parts.headers.clone(), parts.uri.clone());
        let form = if parts.method == Method::POST {
            read_form(&visitor, Request::from_parts(parts, body)).await?
        } else {
            Pairs::default()
        };
        let preferences = Preferences::read(&headers);
        let (query, console) = (Pairs(query), console.clone());
        Ok(Self { visitor, console, uri, headers, preferences, query, form, path, purpose })
    }

    /// A name in the path.
    pub(crate) fn path(&self, name: &str) -> &str {
        let found = self.path.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    /// What the API gives.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, Refusal> {
        self.visitor.get(path).await
    }

    /// What the API gives, or nothing where the user may not ask for it or there is nothing.
    pub(crate) async fn get_if_allowed(&self, path: &str) -> Result<Option<Value>, Refusal> {
        match self.visitor.get(path).await {
            Ok(value) => Ok(Some(value)),
            Err(refusal) => match refusal.status {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
                    Ok(None)
                }
                _ => Err(refusal),
            },
        }
    }

    /// Makes or changes something by the API.
    pub(crate) async fn put(&self, path: &str, body: &Value) -> Result<Value, Refusal> {
        self.visitor.send(Method::PUT, path, &[], Some(body)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value, Refusal> {
        self.visitor.send(Method::POST, path, &[], Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<Value, Refusal> {
        self.visitor.send(Method::DELETE, path, &[], None).await
    }

    /// Tells the user something on the next page they see.
    pub(crate) fn tell(&self, notice: Notice) {
        self.console.notices.add(self.visitor.csrf_token(), notice);
    }

    /// What the user is to be told now. An open page that is made again tells nothing.
    pub(crate) fn take_notices(&self) -> Vec<Notice> {
        match self.purpose {
            Purpose::Visit => self.console.notices.take(self.visitor.csrf_token()),
            Purpose::Watch => vec![],
        }
    }

    /// Whether the user may change everything.
    pub(crate) fn administers(&self) -> bool {
        self.visitor.has_tag("administrator")
    }

    /// Whether the user may see everything that runs.
    pub(crate) fn monitors(&self) -> bool {
        self.administers() || self.visitor.has_tag("monitoring")
    }

    /// Whether the user may make policies.
    pub(crate) fn makes_policies(&self) -> bool {
        self.administers() || self.visitor.has_tag("policymaker")
    }

    /// The virtual host that lists are about; empty for all.
    pub(crate) fn virtual_host(&self) -> &str {
        &self.preferences.virtual_host
    }
}

async fn read_form(visitor: &Visitor, request: Request) -> Result<Pairs, Error> {
    let headers = request.headers().clone();
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let form = if kind.is_some_and(|kind| kind.starts_with("multipart/form-data")) {
        read_parts(request).await?
    } else {
        let form = Form::<Vec<(String, String)>>::from_request(request, &()).await;
        let Form(form) = form.map_err(|rejection| not_a_form(rejection.status()))?;
        Pairs(form)
    };
    if !visitor.is_own_form(&headers, form.get(CSRF_FIELD)) {
        return Err(Error::Forged);
    }
    Ok(form)
}

/// A form with files in it, each of which is a text.
async fn read_parts(request: Request) -> Result<Pairs, Error> {
    let parts = Multipart::from_request(request, &()).await;
    let mut parts = parts.map_err(|rejection| not_a_form(rejection.status()))?;
    let mut form = vec![];
    while let Some(part) = parts.next_field().await.map_err(|error| not_a_form(error.status()))? {
        let name = part.name().unwrap_or_default().to_owned();
        let bytes = part.bytes().await.map_err(|error| not_a_form(error.status()))?;
        let text = String::from_utf8(bytes.into());
        let text = text.map_err(|_| Error::wrong("The file is no text in UTF-8."))?;
        form.push((name, text));
    }
    Ok(Pairs(form))
}

fn not_a_form(status: StatusCode) -> Error {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => Error::wrong("What was sent is too large."),
        _ => Error::wrong("What was sent is no form."),
    }
}
