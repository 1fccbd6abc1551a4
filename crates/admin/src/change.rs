//! Changes of definitions on behalf of a request, and what a refusal is over HTTP.

use warren_server::catalog::{CatalogError, Change, Done};

use crate::call::Call;
use crate::error::Error;

/// Makes a change.
pub(crate) async fn change(call: &Call, change: Change) -> Result<Done, Error> {
    call.api.management.catalog().change(&call.actor(), change).await.map_err(refused)
}

/// Makes several changes in order, as far as none is refused. Gives what became of the first.
pub(crate) async fn change_all(call: &Call, changes: Vec<Change>) -> Result<Done, Error> {
    let done = call.api.management.catalog().change_all(&call.actor(), changes).await;
    let done: Result<Vec<_>, _> = done.into_iter().collect();
    done.map(|all| all.first().copied().unwrap_or(Done::Unchanged)).map_err(refused)
}

/// The error of a refused change. What was deleted already is not found.
pub(crate) fn refused(error: CatalogError) -> Error {
    match error {
        CatalogError::VirtualHostNotFound { .. } => Error::NotFound("vhost_not_found".to_owned()),
        CatalogError::NotFound { .. } => Error::NoSuchObject,
        CatalogError::UserNotFound { name } => Error::BadTerm("no_such_user", name),
        CatalogError::Protected { .. } => Error::PreconditionFailed(error.to_string()),
        CatalogError::VirtualHostOrUserNotFound
        | CatalogError::InvalidPattern { .. }
        | CatalogError::InvalidName(_)
        | CatalogError::InvalidTag(_)
        | CatalogError::InvalidQueueType(_)
        | CatalogError::InvalidLimit(_)
        | CatalogError::InvalidPolicy(_)
        | CatalogError::InvalidParameter(_)
        | CatalogError::InvalidPassword(_)
        | CatalogError::TooMany { .. } => Error::BadRequest(error.to_string()),
        CatalogError::Store(_) => Error::Unavailable(error.to_string()),
    }
}
