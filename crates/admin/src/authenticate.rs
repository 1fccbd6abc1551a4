//! Who sends a request.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tracing::info;
use warren_server::catalog::State;
use warren_server::{AccessSource, Identity, LoginError};

use crate::api::Api;
use crate::cookie;
use crate::error::Error;
use crate::origin::Origin;
pub(crate) use crate::sessions::Use;
use crate::sessions::{Found, Holder};

/// Who sent a request, and how that is known.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    /// Who.
    pub(crate) identity: Identity,
    /// The session of the request's cookie, if that is how. A browser sends it by itself, whoever
    /// made it send the request.
    pub(crate) session: Option<Found>,
}

/// Finds out who sent a request, from its head and where it came from. Whoever cannot be told is
/// refused, and not told why.
pub(crate) async fn authenticate(
    api: &Arc<Api>,
    state: &State,
    headers: &HeaderMap,
    origin: &Origin,
) -> Result<Sender, Error> {
    let Some(authorization) = headers.get(header::AUTHORIZATION) else {
        return by_cookie(api, state, headers, origin, Use::Yes).ok_or(Error::NotAuthenticated);
    };
    let authorization = authorization.to_str().map_err(|_| Error::NotAuthenticated)?;
    let identity = match (basic(authorization), bearer(authorization)) {
        (Some((user, password)), _) => log_in(api, &user, &password, origin.address).await?,
        (None, Some(token)) => {
            let found = api.management.log_in_by_token(token, origin.address).await;
            found.map_err(|reason| refused("", origin.address, &reason))?
        }
        (None, None) => return Err(Error::NotAuthenticated),
    };
    Ok(Sender { identity, session: None })
}

/// Who comes with a name and a password, or a token in place of it.
pub(crate) async fn log_in(
    api: &Arc<Api>,
    user: &str,
    password: &str,
    address: IpAddr,
) -> Result<Identity, Error> {
    let found = api.management.log_in(user, password, address).await;
    found.map_err(|reason| refused(user, address, &reason))
}

fn refused(user: &str, address: IpAddr, reason: &LoginError) -> Error {
    info!(user, %address, %reason, "a login by HTTP is refused");
    match reason {
        LoginError::TooMany { wait_ms } => Error::TooManyLogins { wait_ms: *wait_ms },
        LoginError::Credentials | LoginError::NotLocal | LoginError::Token(_) => {
            Error::NotAuthenticated
        }
    }
}

/// Who the session of a cookie belongs to, if it is good.
pub(crate) fn by_cookie(
    api: &Api,
    state: &State,
    headers: &HeaderMap,
    origin: &Origin,
    kind: Use,
) -> Option<Sender> {
    let name = cookie::of(headers, origin.is_secure)?;
    let session =
        api.sessions.find(name, api.uptime(), kind, |holder| match &holder.identity.access {
            // The user is still there, with the same password.
            AccessSource::Stored => {
                let user = state.user(&holder.identity.user);
                user.is_some_and(|user| user.password == holder.password)
            }
            AccessSource::Scopes(_) => {
                holder.identity.expires_at.is_none_or(|at| api.management.clock() < at)
            }
        })?;
    Some(Sender { identity: now_of(&session.holder, state), session: Some(session) })
}

/// Who somebody is that signed in a while ago: tags may be others by now.
fn now_of(holder: &Holder, state: &State) -> Identity {
    let mut identity = holder.identity.clone();
    if identity.access == AccessSource::Stored {
        let user = state.user(&identity.user);
        identity.tags = user.map(|user| user.tags.clone()).unwrap_or_default();
    }
    identity
}

/// Somebody who sends what needs no right.
pub(crate) fn nobody() -> Identity {
    Identity { user: "".into(), tags: vec![], access: AccessSource::Stored, expires_at: None }
}

/// The token of RFC 6750.
fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Name and password of HTTP's basic authentication.
fn basic(authorization: &str) -> Option<(String, String)> {
    let (scheme, credentials) = authorization.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let credentials = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (user, password) = credentials.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_password_are_read_from_basic_credentials() {
        let of = |text: &str| basic(&format!("Basic {}", STANDARD.encode(text)));
        let pair = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        assert_eq!(of("guest:guest"), pair("guest", "guest"));
        assert_eq!(of("a:b:c"), pair("a", "b:c"));
        assert_eq!(of("\u{e4}:\u{1f600}"), pair("\u{e4}", "\u{1f600}"));
        assert_eq!(of("guest:"), pair("guest", ""));
        assert_eq!(of("guest"), None);
        assert_eq!(basic("basic Z3Vlc3Q6Z3Vlc3Q="), pair("guest", "guest"));
        for wrong in ["", "Basic", "Basic ", "Basic ???", "Bearer abc", "Basic/w==", "Basic /w=="] {
            assert_eq!(basic(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_token_is_read_from_bearer_credentials() {
        assert_eq!(bearer("Bearer a.b.c"), Some("a.b.c"));
        assert_eq!(bearer("bearer  a.b.c "), Some("a.b.c"));
        for wrong in ["", "Bearer", "Basic a.b.c", "Bearera.b.c"] {
            assert_eq!(bearer(wrong), None, "{wrong}");
        }
    }
}
