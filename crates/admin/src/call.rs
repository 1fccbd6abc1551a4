//! A request on its way to its handler: who sent it, what its path names, what it holds.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::http::{HeaderMap, Uri};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use warren_server::Identity;
use warren_server::catalog::{Actor, State, Via};

use crate::api::Api;
use crate::authorize::{has_virtual_host, monitors};
use crate::error::Error;
use crate::json;
use crate::origin::Origin;
use crate::query::Query;
use crate::sessions::Found;

/// A request that may be answered.
#[derive(Debug)]
pub(crate) struct Call {
    /// What handlers work with.
    pub(crate) api: Arc<Api>,
    /// All definitions, as they were when the request came.
    pub(crate) state: Arc<State>,
    /// Who sent it; nobody where the route needs no right.
    pub(crate) identity: Identity,
    /// The browser's session, if it was sent in one.
    pub(crate) session: Option<Found>,
    /// Where it came from.
    pub(crate) origin: Origin,
    /// The names in the path.
    pub(crate) path: Vec<(String, String)>,
    /// As it was sent.
    pub(crate) uri: Uri,
    /// The query string.
    pub(crate) query: Query,
    /// The head.
    pub(crate) headers: HeaderMap,
    /// The body, unread. The lock is never waited for: it is there so that several threads, one
    /// after the other, may hold a reference to the request.
    pub(crate) body: Mutex<Body>,
}

impl Call {
    /// A name in the path. Every handler stands behind paths that have the names it asks for.
    pub(crate) fn path(&self, name: &str) -> &str {
        let found = self.path.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    /// The name of an exchange in the path: `amq.default` stands for the default one.
    pub(crate) fn exchange(&self, name: &str) -> &str {
        match self.path(name) {
            "amq.default" => "",
            name => name,
        }
    }

    /// The virtual host that the path names, if it is there.
    pub(crate) fn virtual_host(&self) -> Result<&str, Error> {
        let name = self.path("vhost");
        self.state.virtual_host(name).map(|_| name).ok_or(Error::NoSuchObject)
    }

    /// The virtual host that is to be changed: if it is missing, RabbitMQ says so.
    pub(crate) fn virtual_host_to_change(&self) -> Result<&str, Error> {
        self.virtual_host().map_err(|_| Error::NotFound("vhost_not_found".to_owned()))
    }

    /// The virtual host that a list is about, if it is about one: that of the path, or of the header
    /// `X-Vhost`.
    pub(crate) fn one_virtual_host(&self) -> Result<Option<&str>, Error> {
        if self.path.iter().any(|(key, _)| key == "vhost") {
            return self.virtual_host().map(Some);
        }
        Ok(named_virtual_host(&self.path, &self.headers))
    }

    /// Whether a list shows what is in this virtual host.
    pub(crate) fn sees_virtual_host(&self, name: &str) -> bool {
        monitors(&self.identity) || has_virtual_host(&self.state, &self.identity, name)
    }

    /// Who makes a change.
    pub(crate) fn actor(&self) -> Actor {
        Actor {
            user: self.identity.user.to_string(),
            address: Some(self.origin.address),
            via: Via::Http,
        }
    }

    /// The body, whole.
    pub(crate) async fn bytes(&mut self) -> Result<Vec<u8>, Error> {
        self.bytes_up_to(self.api.config.body_bytes_max).await
    }

    /// The body, whole, if it is not longer than this.
    pub(crate) async fn bytes_up_to(&mut self, limit: usize) -> Result<Vec<u8>, Error> {
        let body = self.body.get_mut().unwrap_or_else(PoisonError::into_inner);
        json::read(&self.headers, std::mem::take(body), limit).await
    }

    /// The body, as the type that the route takes.
    pub(crate) async fn json<T: DeserializeOwned + JsonSchema>(&mut self) -> Result<T, Error> {
        let bytes = self.bytes().await?;
        json::typed(&json::object(&bytes)?)
    }
}

/// The virtual host that a request names, in its path or its head.
pub(crate) fn named_virtual_host<'a>(
    path: &'a [(String, String)],
    headers: &'a HeaderMap,
) -> Option<&'a str> {
    match path.iter().find(|(key, _)| key == "vhost") {
        Some((_, name)) => Some(name),
        None => headers.get("x-vhost")?.to_str().ok().filter(|name| !name.is_empty()),
    }
}
