//! From the table of routes to a router: who sent a request, whether it may, who answers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequestParts, Path, Request};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;

use tracing::debug;
use warren_server::AuditResult;
use warren_server::catalog::State;

use crate::answer::Answer;
use crate::api::Api;
use crate::authenticate::{Sender, authenticate, nobody};
use crate::authorize::Right;
use crate::call::{Call, named_virtual_host};
use crate::error::Error;
use crate::forgery;
use crate::inner::Admitted;
use crate::live;
use crate::origin::Origin;
use crate::query::Query;
use crate::routes::Route;

/// A router that knows these routes.
pub(crate) fn router(api: &Arc<Api>, routes: Vec<Route>) -> Router {
    let mut paths: BTreeMap<&'static str, Vec<Route>> = BTreeMap::new();
    for route in routes {
        paths.entry(route.path).or_default().push(route);
    }
    let mut router = Router::new();
    for (path, routes) in paths {
        let (api, routes) = (Arc::clone(api), Arc::new(routes));
        let answer = move |request: Request| {
            let (api, routes) = (Arc::clone(&api), Arc::clone(&routes));
            async move { answer(api, &routes, request).await.into_response() }
        };
        router = router.route(path, any(answer));
    }
    router
}

/// Answers a request to a path that has these routes.
async fn answer(api: Arc<Api>, routes: &[Route], request: Request) -> Answer {
    let wanted = match *request.method() {
        Method::HEAD => &Method::GET,
        ref method => method,
    };
    if wanted == Method::OPTIONS {
        let allow = HeaderValue::try_from(allowed(routes));
        let allow = allow.map_err(|error| Error::Internal(error.to_string()))?;
        return Ok((StatusCode::OK, [(header::ALLOW, allow)]).into_response());
    }
    let Some(route) = routes.iter().find(|route| route.method == wanted) else {
        return Err(Error::MethodNotAllowed { allowed: allowed(routes) });
    };
    let call = admit(&api, route, request).await?;
    if route.method == Method::GET && route.right != Right::None && live::is_wanted(&call.headers) {
        return live::answer(route.clone(), call);
    }
    let actor = call.actor();
    let audited = route.audited.map(|(what, result)| (in_words(what, &call.path), result));
    let answer = carry_out(route, call).await;
    let status = answer.as_ref().map_or_else(Error::status, Response::status);
    debug!(method = %route.method, path = route.path, %status, user = actor.user, "answered");
    let Some((what, result)) = audited else { return answer };
    let outcome = match &answer {
        Ok(answer) if answer.status() == StatusCode::CREATED => Ok(AuditResult::Created),
        Ok(_) => Ok(result),
        Err(error) => Err(error.to_string()),
    };
    api.management.audit().done(actor, what, outcome);
    answer
}

/// A line of the audit log, with the names of the path in the place of `{name}`.
fn in_words(what: &str, path: &[(String, String)]) -> String {
    let mut parts = what.split('{');
    let mut text = parts.next().unwrap_or_default().to_owned();
    // Values are only written, never looked through: they may look like names.
    for part in parts {
        let (name, rest) = part.split_once('}').unwrap_or((part, ""));
        let value = path.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value);
        text.push_str(&format!("{value:?}{rest}"));
    }
    text
}

/// Lets a handler answer, when there is a place for it.
pub(crate) async fn carry_out(route: &Route, call: Call) -> Answer {
    let api = Arc::clone(&call.api);
    let Ok(_place) = api.places.acquire().await else {
        return Err(Error::Unavailable("the broker stops".to_owned()));
    };
    let answer = tokio::time::timeout(api.config.request_timeout, (route.handler)(call));
    answer
        .await
        .unwrap_or_else(|_| Err(Error::Unavailable("the broker did not answer in time".to_owned())))
}

/// The methods of a path, as `Allow` lists them.
fn allowed(routes: &[Route]) -> String {
    let mut methods: Vec<&str> = routes.iter().map(|route| route.method.as_str()).collect();
    if methods.contains(&"GET") {
        methods.insert(0, "HEAD");
    }
    methods.push("OPTIONS");
    methods.join(", ")
}

/// A request, if its sender has the right.
async fn admit(api: &Arc<Api>, route: &Route, request: Request) -> Result<Call, Error> {
    let (mut parts, body) = request.into_parts();
    let path = Path::<Vec<(String, String)>>::from_request_parts(&mut parts, &()).await;
    // Escapes that are no text name nothing.
    let Path(path) = path.map_err(|_| Error::NoSuchObject)?;
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().copied();
    let Some(ConnectInfo(peer)) = peer else {
        return Err(Error::Internal("a request has no peer".to_owned()));
    };
    let state = api.management.catalog().snapshot();
    let (sender, origin, body) = match parts.extensions.remove::<Admitted>() {
        // From within: who asked for it, and that it is no forgery, was found out there.
        Some(Admitted { sender, origin }) => (sender, origin, body),
        None => {
            let origin = Origin::of(&parts.headers, peer.ip(), &api.config.trusted_proxies);
            let (sender, body) =
                identify(api, route, &state, &parts.headers, &origin, body).await?;
            (sender, origin, body)
        }
    };
    let Sender { identity, session } = sender;
    let virtual_host = named_virtual_host(&path, &parts.headers);
    // What is not there is not found, whoever asks.
    let virtual_host = virtual_host.filter(|name| state.virtual_host(name).is_some());
    route.right.check(&state, &identity, virtual_host)?;
    let query = Query::read(&parts.uri)?;
    let (uri, headers, api, body) = (parts.uri, parts.headers, Arc::clone(api), body.into());
    Ok(Call { api, state, identity, session, origin, path, uri, query, headers, body })
}

/// Who sends a request, and its body. In a session, it is sent by a page of the broker's own.
async fn identify(
    api: &Arc<Api>,
    route: &Route,
    state: &State,
    headers: &HeaderMap,
    origin: &Origin,
    body: Body,
) -> Result<(Sender, Body), Error> {
    if route.right == Right::None {
        return Ok((Sender { identity: nobody(), session: None }, body));
    }
    let sender = authenticate(api, state, headers, origin).await?;
    let body = match &sender.session {
        Some(session) if route.method != Method::GET => {
            forgery::check(api, session, origin, headers, body).await?
        }
        _ => body,
    };
    Ok((sender, body))
}

/// What is answered where there is no route.
pub(crate) async fn no_such_path() -> Response {
    Error::NoSuchObject.into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_the_audit_log_is_what_it_is_even_if_it_looks_like_another() {
        let path = [("vhost", "{queue}"), ("queue", "{vhost} \"x\"")];
        let path = path.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let words = in_words("delete queue {queue} in {vhost}, at once", &path);
        assert_eq!(words, r#"delete queue "{vhost} \"x\"" in "{queue}", at once"#);
    }
}
