//! Who sends a request.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tracing::info;
use warren_server::{AccessSource, Identity};

use crate::api::Api;
use crate::error::Error;

/// Finds out who sent a request, from its head and where it came from. Whoever cannot be told is
/// refused, and not told why.
pub(crate) async fn authenticate(
    api: &Arc<Api>,
    headers: &HeaderMap,
    peer: IpAddr,
) -> Result<Identity, Error> {
    let authorization = headers.get(header::AUTHORIZATION).ok_or(Error::NotAuthenticated)?;
    let authorization = authorization.to_str().map_err(|_| Error::NotAuthenticated)?;
    let (user, password) = basic(authorization).ok_or(Error::NotAuthenticated)?;
    api.management.log_in(&user, &password, peer).await.map_err(|reason| {
        info!(user, %peer, %reason, "a login by HTTP is refused");
        Error::NotAuthenticated
    })
}

/// Somebody who sends what needs no right.
pub(crate) fn nobody() -> Identity {
    Identity { user: "".into(), tags: vec![], access: AccessSource::Stored, expires_at: None }
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
}
