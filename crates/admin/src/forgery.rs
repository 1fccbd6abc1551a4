//! Requests that a browser was made to send by a page of somebody else's.
//!
//! A browser adds the cookie of a session by itself. So whoever changes something in a session must
//! show that the page is the broker's own, by the session's own secret, which other pages cannot
//! read: in the header `x-csrf-token`, or in the field `csrf_token` of a form. Basic and Bearer
//! credentials are added by nobody but whoever has them.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName};

use crate::api::Api;
use crate::error::Error;
use crate::origin::Origin;
use crate::sessions::Found;
use crate::{form, json};

/// The header with the session's secret.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-csrf-token");

/// The field of forms with it.
pub(crate) const FIELD: &str = "csrf_token";

/// Refuses a request that changes something in a session, unless a page of the broker's own sends
/// it. Gives the body back.
pub(crate) async fn check(
    api: &Api,
    session: &Found,
    origin: &Origin,
    headers: &HeaderMap,
    body: Body,
) -> Result<Body, Error> {
    check_page(api, origin, headers)?;
    let mut given = headers.get_all(HEADER).iter();
    if let (Some(token), None) = (given.next(), given.next()) {
        let is_good = token.to_str().is_ok_and(|token| session.csrf.is(token));
        return if is_good { Ok(body) } else { Err(WRONG) };
    }
    if !form::is_form(headers) {
        return Err(WRONG);
    }
    let body = json::read(headers, body, api.config.body_bytes_max).await?;
    let is_good = form::field(&body, FIELD).is_some_and(|token| session.csrf.is(&token));
    if is_good { Ok(body.into()) } else { Err(WRONG) }
}

/// Refuses a request that a browser sends for a page of somebody else's.
pub(crate) fn check_page(api: &Api, origin: &Origin, headers: &HeaderMap) -> Result<(), Error> {
    match origin.is_own(headers, &api.config.cors_allow_origins) {
        true => Ok(()),
        false => Err(Error::NotOwnPage("the request comes from another page")),
    }
}

const WRONG: Error = Error::NotOwnPage("the CSRF token is missing or wrong");
