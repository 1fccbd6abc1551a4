//! What all requests and answers go through.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::any;
use tower::Layer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};
use tower_http::normalize_path::{NormalizePath, NormalizePathLayer};

use crate::api::Api;
use crate::config::HttpConfig;
use crate::routes::routes;
use crate::{dispatch, probe};

/// All that is served. What is below `/api` and is not there is told in the way of the API; what to
/// say of all else is up to the pages.
pub(crate) fn service(api: &Arc<Api>, pages: Router) -> NormalizePath<Router> {
    let mut router = dispatch::router(api, routes())
        .route("/api/{*path}", any(dispatch::no_such_path))
        .merge(probe::router(Arc::clone(api)))
        .merge(pages);
    if let Some(cors) = cors(&api.config) {
        router = router.layer(cors);
    }
    let router = router.layer(CompressionLayer::new()).layer(from_fn(add_headers));
    // Around the router: a path is looked up after this. Tools ask for `/api/queues/` as well.
    NormalizePathLayer::trim_trailing_slash().layer(router)
}

/// The answers to pages from elsewhere, if some may use the API.
fn cors(config: &HttpConfig) -> Option<CorsLayer> {
    let origins = &config.cors_allow_origins;
    let methods = [Method::GET, Method::HEAD, Method::PUT, Method::POST, Method::DELETE];
    let layer = CorsLayer::new().allow_methods(methods).max_age(config.cors_max_age);
    if origins.is_empty() {
        return None;
    }
    // A browser that sends passwords to whoever asks would be at anybody's service.
    if origins.iter().any(|origin| origin == "*") {
        let headers = [header::AUTHORIZATION, header::CONTENT_TYPE];
        return Some(layer.allow_origin(AllowOrigin::any()).allow_headers(headers));
    }
    let known = origins.iter().filter_map(|origin| HeaderValue::try_from(origin).ok());
    let layer = layer.allow_origin(AllowOrigin::list(known)).allow_credentials(true);
    Some(layer.allow_headers(AllowHeaders::mirror_request()))
}

/// Headers of all answers. What an answer says of itself stays.
async fn add_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    // In one line: some clients look at the first one only.
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding, origin"));
    let usual: [(HeaderName, &str); 4] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ];
    for (name, value) in usual {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
