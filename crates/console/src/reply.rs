//! What handlers of pages answer with, and what browsers are told to do with it.

use askama::Template;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use tracing::error;

use crate::error::Error;
use crate::frame::Frame;
use crate::notices::Notice;
use crate::visit::Visit;

/// What a handler gives back.
pub(crate) type Reply = Result<Response, Error>;

/// A page.
pub(crate) fn page(template: &impl Template) -> Reply {
    page_with(StatusCode::OK, template)
}

/// A page with another status than usual.
pub(crate) fn page_with(status: StatusCode, template: &impl Template) -> Reply {
    let html = template.render().map_err(|error| Error::Internal(error.to_string()))?;
    let headers = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((status, headers, Html(html)).into_response())
}

/// Goes on to another page of the console.
pub(crate) fn go_to(path: &str) -> Response {
    let path = HeaderValue::try_from(path).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, path)]).into_response()
}

/// Goes on to another page, which tells what was done.
pub(crate) fn done(visit: &Visit, text: impl Into<String>, path: &str) -> Reply {
    visit.tell(Notice::done(text));
    Ok(go_to(path))
}

/// A page of the console that a form or an address names: nothing that leads elsewhere.
pub(crate) fn own_path(path: &str) -> &str {
    let is_own = path.starts_with('/')
        && !path.starts_with("//")
        && path.chars().all(|c| c.is_ascii_graphic() && c != '\\');
    if is_own { path } else { "/" }
}

#[derive(Template)]
#[template(path = "console/error.html")]
struct ErrorPage {
    frame: Frame,
    text: String,
}

#[derive(Template)]
#[template(path = "console/lost.html")]
struct LostPage {
    title: &'static str,
    text: String,
}

/// The page that tells why there is no other one.
pub(crate) async fn error_page(visit: Option<&Visit>, reason: &Error) -> Response {
    if let Error::SignIn { path } = reason {
        return go_to(path);
    }
    if let Error::Internal(reason) = reason {
        error!(reason, "a page cannot be made");
    }
    let (title, text) = (reason.title(), reason.text());
    let framed = match visit {
        Some(visit) => Frame::new(visit, title).await.ok(),
        None => None,
    };
    let page = match framed {
        Some(frame) => page_with(reason.status(), &ErrorPage { frame, text }),
        None => page_with(reason.status(), &LostPage { title, text }),
    };
    page.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// What a page may load and do: what the broker itself serves, and no script or style in the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; \
     base-uri 'none'";

/// Adds the policy to all that the console serves.
pub(crate) async fn add_policy(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers: [(HeaderName, &str); 3] = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        // With none at all, browsers would not say that a form comes from a page of ours.
        (header::REFERRER_POLICY, "same-origin"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::own_path;

    #[test]
    fn a_path_that_leads_elsewhere_is_not_followed() {
        for own in ["/", "/queues?q=a%20b", "/queues/%2F/x"] {
            assert_eq!(own_path(own), own);
        }
        for other in
            ["", "//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nb", "x"]
        {
            assert_eq!(own_path(other), "/", "{other}");
        }
    }
}
