//! Why a page cannot be shown, in plain words.

use axum::http::{Method, StatusCode, Uri};
use warren_admin::inner::Refusal;

use crate::links;

/// A reason for which there is no page.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Nobody has signed in. The path that was asked for comes after that.
    #[error("Please sign in.")]
    SignIn {
        /// The path of the page to sign in with.
        path: String,
    },
    /// The API refuses it.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// There is no such page, or no such thing.
    #[error("There is nothing here. It may have been deleted, or the address is wrong.")]
    NotFound,
    /// The form was not sent by a page of the console, or by one of another session.
    #[error("The form is out of date. Please go back, load the page anew and try again.")]
    Forged,
    /// What was sent makes no sense.
    #[error("{0}")]
    Wrong(String),
    /// A mistake of the broker's own.
    #[error("The page cannot be made: {0}")]
    Internal(String),
}

impl Error {
    pub(crate) fn wrong(reason: impl Into<String>) -> Self {
        Self::Wrong(reason.into())
    }

    /// Nobody has signed in; after that, a page that was only looked at is shown.
    pub(crate) fn sign_in(method: &Method, uri: &Uri) -> Self {
        let wanted = uri.path_and_query().map_or("/", |wanted| wanted.as_str());
        let next = (*method == Method::GET && wanted != "/").then_some(("next", wanted));
        Self::SignIn { path: format!("/sign-in{}", links::query(next)) }
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::SignIn { .. } => StatusCode::SEE_OTHER,
            // The login is good, or there would be no page at all; the right is missing.
            Self::Refused(refusal) if refusal.status == StatusCode::UNAUTHORIZED => {
                StatusCode::FORBIDDEN
            }
            Self::Refused(refusal) => refusal.status,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Forged => StatusCode::FORBIDDEN,
            Self::Wrong(_) => StatusCode::BAD_REQUEST,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The heading of the page that tells of it.
    pub(crate) fn title(&self) -> &'static str {
        match self.status() {
            StatusCode::NOT_FOUND => "Not found",
            StatusCode::FORBIDDEN => "Not allowed",
            StatusCode::BAD_REQUEST => "That did not work",
            StatusCode::SERVICE_UNAVAILABLE => "Not now",
            _ => "Something went wrong",
        }
    }

    /// What is told of it.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Refused(refusal) => explain(refusal),
            other => other.to_string(),
        }
    }
}

/// A refusal of the API in words for people, with the API's own behind them.
pub(crate) fn explain(refusal: &Refusal) -> String {
    // The API says first that there is something, and after an empty line what.
    let reason = refusal.reason.trim().trim_start_matches("Validation failed").trim();
    match refusal.status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            format!("Your user may not do this ({reason}).")
        }
        StatusCode::NOT_FOUND => Error::NotFound.to_string(),
        _ => reason.to_owned(),
    }
}
