//! A broker in the test's own process, asked through the router without a socket.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tower::ServiceExt;
use warren_server::catalog::{Actor, Change, PasswordChange, Via};
use warren_server::config::{Config, Identity, Limits, Mechanism, Password};
use warren_server::{Broker, StorageOptions};

use crate::api::Api;
use crate::{HttpConfig, layers};

/// A broker and its API. Its folder goes with it.
pub(crate) struct Fixture {
    pub(crate) api: Arc<Api>,
    broker: Broker,
    _folder: tempfile::TempDir,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

fn config(data_dir: &Path) -> Config {
    let (segment_bytes, spare_segments, reserve_bytes) = (64 << 10, 0, 0);
    Config {
        data_dir: data_dir.to_owned(),
        amqp_listen: ([127, 0, 0, 1], 0).into(),
        default_user: "guest".to_owned(),
        default_pass: Password("guest".to_owned()),
        default_user_tags: vec!["administrator".to_owned()],
        default_vhost: "/".to_owned(),
        default_permissions: [(); 3].map(|()| ".*".to_owned()),
        has_defaults: true,
        password_hashing: warren_server::catalog::Hashing::default(),
        loopback_users: vec![],
        handshake_timeout: Duration::from_secs(10),
        heartbeat_seconds: 60,
        frame_max: 131_072,
        channel_max: 2047,
        message_bytes_max: 1 << 20,
        limits: Limits::default(),
        identity: Identity::default(),
        auth_mechanisms: vec![Mechanism::Plain],
        anonymous_login_user: "guest".to_owned(),
        disk_free_limit: 0,
        memory_limit: None,
        consumer_timeout: None,
        checkpoint_interval: Duration::from_secs(1),
        storage: StorageOptions {
            segment_bytes,
            spare_segments,
            reserve_bytes,
            ..StorageOptions::default()
        },
        count_logins_by_source: false,
        oauth: None,
    }
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::with(HttpConfig::default()).await
    }

    pub(crate) async fn with(config: HttpConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let broker = Broker::start(self::config(&folder.path().join("data"))).await.unwrap();
        let management = broker.management();
        let api = Arc::new(Api::new(management, ([127, 0, 0, 1], 15672).into(), config));
        Self { api, broker, _folder: folder }
    }

    pub(crate) async fn stop(self) {
        drop(self.api);
        self.broker.stop().await;
    }

    /// Makes changes.
    pub(crate) async fn change(&self, changes: Vec<Change>) {
        let actor = Actor { user: "guest".to_owned(), address: None, via: Via::Http };
        for done in self.api.management.catalog().change_all(&actor, changes).await {
            done.unwrap();
        }
    }

    /// A change that makes a user whose password is the name.
    pub(crate) async fn user(&self, name: &str, tags: &[&str]) -> Change {
        let password = Password(name.to_owned());
        let hash = self.api.management.hash_password(&password).await.unwrap();
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        Change::PutUser { name: name.to_owned(), password: PasswordChange::Set(hash), tags }
    }

    /// Sends a request of the first user.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: &str) -> Answer {
        self.send(method, path, Some("guest"), &[], body.to_owned()).await
    }

    /// Sends a request as a user whose password is the name, or as nobody.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        user: Option<&str>,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(user) = user {
            let credentials = STANDARD.encode(format!("{user}:{user}"));
            request = request.header("authorization", format!("Basic {credentials}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(body.into()).unwrap();
        let peer: SocketAddr = ([127, 0, 0, 1], 40_000).into();
        request.extensions_mut().insert(ConnectInfo(peer));
        let response = layers::service(&self.api, Router::new()).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap().into();
        Answer { status: parts.status, headers: parts.headers, body }
    }
}
