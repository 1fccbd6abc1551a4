//! The HTTP side of the broker: RabbitMQ's management API, and `/healthz` for probes and load
//! balancers. The console's pages are served beside them.
//!
//! ```text
//! socket -> layers (paths, origins, compression) -> dispatch (who, may they?) -> a handler
//!                                                      |                          |
//!                                                   routes: the one table       the broker's handle
//! ```
//! A handler stands in the file of its resource. It reads definitions, asks the view for what lives,
//! or sends requests to the engine as a client with the user's rights would.

mod answer;
mod api;
mod attention;
mod audit;
mod authenticate;
mod authorize;
mod bindings;
mod call;
mod change;
mod channels;
mod config;
mod configuration;
mod connections;
mod consumers;
mod cookie;
pub mod definitions;
mod dispatch;
mod error;
mod exchanges;
mod explain;
mod field_table;
mod forgery;
mod form;
mod health;
pub mod inner;
mod jobs;
mod json;
mod layers;
mod leases;
pub mod limits;
mod list;
mod live;
mod login;
mod logs;
mod memory;
mod messages;
mod misc;
mod nodes;
mod object_limits;
mod openapi;
mod origin;
mod overview;
mod parameters;
mod permissions;
mod policies;
mod probe;
mod properties;
mod query;
mod queues;
mod reference;
mod routes;
mod samples;
mod session;
mod sessions;

#[cfg(test)]
mod testing;
mod time;
mod totals;
mod users;
mod vhosts;
mod waiting;
mod without_effect;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum::extract::Request;
use axum::{Router, ServiceExt};
use warren_server::Management;

use crate::api::Api;
pub use crate::config::{HttpConfig, is_origin};
use crate::inner::Gate;
pub use crate::origin::TrustedProxies;
pub use crate::sessions::SessionRules;

/// Serves HTTP on a listener that does not block, until `stop` is done. `pages` are served beside the
/// API, which they reach through the gate.
///
/// # Errors
///
/// What the system says if the listener cannot be used.
pub async fn serve(
    listener: TcpListener,
    management: Management,
    config: HttpConfig,
    pages: impl FnOnce(Gate) -> Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let http_address = listener.local_addr()?;
    let api = Arc::new(Api::new(management, http_address, config));
    let service = layers::service(&api, pages(Gate::new(&api)));
    let service = ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(service);
    axum::serve(listener, service).with_graceful_shutdown(stop).await
}
