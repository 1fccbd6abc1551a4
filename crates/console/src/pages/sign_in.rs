//! Signing in and out.

use std::net::SocketAddr;

use askama::Template;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Form, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;
use warren_admin::inner::{CSRF_FIELD, Purpose};

use crate::assets;
use crate::error::Error;
use crate::links;
use crate::preferences::Preferences;
use crate::reply::{error_page, go_to, own_path, page_with};
use crate::value::text;
use crate::visit::{Console, Pairs};

#[derive(Template)]
#[template(path = "console/sign_in.html")]
struct SignInPage {
    theme: &'static str,
    assets: &'static str,
    version: &'static str,
    next: String,
    user: String,
    error: Option<String>,
}

type Fields = Vec<(String, String)>;

pub(crate) fn router(console: Console) -> Router {
    Router::new()
        .route("/sign-in", get(show).post(sign_in))
        .route("/sign-out", post(sign_out))
        .with_state(console)
}

async fn show(
    State(console): State<Console>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Query(query): Query<Fields>,
    headers: HeaderMap,
) -> Response {
    let next = own_path(Pairs(query).get("next")).to_owned();
    if console.gate.visitor(&headers, peer, Purpose::Visit).is_some() {
        return go_to(&next);
    }
    form(&headers, StatusCode::OK, next, String::new(), None).await
}

async fn form(
    headers: &HeaderMap,
    status: StatusCode,
    next: String,
    user: String,
    error: Option<String>,
) -> Response {
    let theme = Preferences::read(headers).theme;
    let (assets, version) = (assets::FOLDER.as_str(), env!("CARGO_PKG_VERSION"));
    let page = SignInPage { theme, assets, version, next, user, error };
    match page_with(status, &page) {
        Ok(page) => page,
        Err(error) => error_page(None, &error).await,
    }
}

async fn sign_in(
    State(console): State<Console>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Form(fields): Form<Fields>,
) -> Response {
    let fields = Pairs(fields);
    let next = own_path(fields.get("next")).to_owned();
    let user = fields.get("username").to_owned();
    let pairs = ["username", "password"].map(|name| (name, fields.get(name)));
    let body = links::query(pairs).trim_start_matches('?').to_owned();
    let response = pass(&console, Method::POST, &headers, peer, body).await;
    let status = response.status();
    if status == StatusCode::OK {
        return with_cookies(go_to(&next), response.headers());
    }
    let body = to_bytes(response.into_body(), 64 * 1024).await.unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let error = match (status, text(&body, "error")) {
        (StatusCode::UNAUTHORIZED, "not_authorized") => "User or password is wrong.",
        (StatusCode::UNAUTHORIZED, _) => {
            "This user may not use the console: it has none of the tags for that."
        }
        (StatusCode::TOO_MANY_REQUESTS, _) => {
            "There were too many failed logins. Please try again in a while."
        }
        _ => "That did not work. Please try again.",
    };
    form(&headers, status, next, user, Some(error.to_owned())).await
}

async fn sign_out(
    State(console): State<Console>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Form(fields): Form<Fields>,
) -> Response {
    let Some(visitor) = console.gate.visitor(&headers, peer, Purpose::Visit) else {
        return go_to("/sign-in");
    };
    if !visitor.is_own_form(&headers, Pairs(fields).get(CSRF_FIELD)) {
        return error_page(None, &Error::Forged).await;
    }
    let mut headers = headers;
    if let Ok(token) = HeaderValue::try_from(visitor.csrf_token()) {
        headers.insert("x-csrf-token", token);
    }
    let response = pass(&console, Method::DELETE, &headers, peer, String::new()).await;
    with_cookies(go_to("/sign-in"), response.headers())
}

/// Sends a request for the session on to the API, with what the browser says of itself.
async fn pass(
    console: &Console,
    method: Method,
    headers: &HeaderMap,
    peer: SocketAddr,
    body: String,
) -> Response {
    let Ok(mut request) =
        Request::builder().method(method).uri("/api/login").body(Body::from(body))
    else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    *request.headers_mut() = headers.clone();
    request.headers_mut().remove(header::CONTENT_LENGTH);
    request.extensions_mut().insert(ConnectInfo(peer));
    console.gate.pass(request).await
}

fn with_cookies(mut response: Response, from: &HeaderMap) -> Response {
    for cookie in from.get_all(header::SET_COOKIE) {
        response.headers_mut().append(header::SET_COOKIE, cookie.clone());
    }
    response
}
