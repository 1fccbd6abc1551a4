//! Signing in and out with a browser, and how many logins there were.

use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use warren_server::AccessSource;
use warren_server::attempts::{Counts, SourceCounts};

use crate::answer::{self, Answer};
use crate::authenticate;
use crate::authorize::Right;
use crate::call::Call;
use crate::error::Error;
use crate::misc::WhoAmI;
use crate::sessions::Holder;
use crate::{cookie, forgery, form, limits};

/// Who has signed in.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SignedIn {
    #[serde(flatten)]
    who: WhoAmI,
    /// What requests that change something must bring in the header `x-csrf-token`.
    csrf_token: String,
}

/// `POST /api/login`: a form with `username` and `password` begins a session.
pub(crate) async fn sign_in(mut call: Call) -> Answer {
    forgery::check_page(&call.api, &call.origin, &call.headers)?;
    if !form::is_form(&call.headers) {
        return Err(Error::bad_request("the body must be a form with username and password"));
    }
    let body = call.bytes_up_to(limits::LOGIN_BYTES).await?;
    let missing = || Error::bad_request("key_missing: username or password");
    let username = form::field(&body, "username").ok_or_else(missing)?;
    let password = form::field(&body, "password").ok_or_else(missing)?;
    let Call { api, state, origin, .. } = &call;
    let identity = authenticate::log_in(api, &username, &password, origin.address).await?;
    Right::Management.check(state, &identity, None)?;
    let who = WhoAmI::new(api, &identity);
    // As it was before the login: if it is changed just now, the session does not outlive that.
    let password = match identity.access {
        AccessSource::Stored => state.user(&identity.user).and_then(|user| user.password.clone()),
        AccessSource::Scopes(_) => None,
    };
    let begun = api.sessions.begin(Holder { identity, password }, api.uptime());
    let begun = begun.map_err(|error| Error::Internal(error.to_string()))?;
    let csrf_token = begun.csrf.expose().to_owned();
    let mut response = answer::json(StatusCode::OK, &SignedIn { who, csrf_token });
    let set = cookie::set(&begun.name, origin.is_secure);
    response.headers_mut().extend(set.map(|value| (header::SET_COOKIE, value)));
    // The answer is nobody else's, and nothing to be kept.
    response.headers_mut().insert(header::CACHE_CONTROL, NO_STORE);
    Ok(response)
}

const NO_STORE: axum::http::HeaderValue = axum::http::HeaderValue::from_static("no-store");

/// `GET /api/login`: who has signed in, for a page that was loaded anew.
pub(crate) async fn signed_in(call: Call) -> Answer {
    let session = call.session.as_ref().ok_or(Error::NoSuchObject)?;
    let csrf_token = session.csrf.expose().to_owned();
    let body = SignedIn { who: WhoAmI::new(&call.api, &call.identity), csrf_token };
    let mut response = answer::json(StatusCode::OK, &body);
    response.headers_mut().insert(header::CACHE_CONTROL, NO_STORE);
    Ok(response)
}

/// `DELETE /api/login`: the session is over.
pub(crate) async fn sign_out(call: Call) -> Answer {
    let is_secure = call.origin.is_secure;
    if let Some(name) = cookie::of(&call.headers, is_secure) {
        call.api.sessions.end(name);
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    let removed = cookie::remove(is_secure).map(|value| (header::SET_COOKIE, value));
    response.headers_mut().extend(removed);
    Ok(response)
}

/// How many logins there were, for each protocol.
pub(crate) async fn attempts(call: Call) -> Answer {
    check_node(&call)?;
    let counts = call.api.management.attempts().counts();
    let all = counts.into_iter().map(|(protocol, counts)| with(json!({}), protocol.name(), counts));
    answer::ok(&all.collect::<Vec<_>>())
}

/// The same for each address and user name.
pub(crate) async fn attempts_by_source(call: Call) -> Answer {
    check_node(&call)?;
    let counts = call.api.management.attempts().counts_by_source();
    let all = counts.into_iter().map(|SourceCounts { address, user, protocol, counts }| {
        let source = json!({"remote_address": address, "username": user});
        with(source, protocol.name(), counts)
    });
    answer::ok(&all.collect::<Vec<_>>())
}

/// Begins to count logins anew.
pub(crate) async fn reset_attempts(call: Call) -> Answer {
    check_node(&call)?;
    call.api.management.attempts().reset_counts();
    answer::done()
}

fn check_node(call: &Call) -> Result<(), Error> {
    if call.path("node") == call.api.node_name { Ok(()) } else { Err(Error::NoSuchObject) }
}

fn with(mut object: Value, protocol: &str, counts: Counts) -> Value {
    object["protocol"] = json!(protocol);
    object["auth_attempts"] = json!(counts.all());
    object["auth_attempts_failed"] = json!(counts.failed);
    object["auth_attempts_succeeded"] = json!(counts.succeeded);
    object
}
