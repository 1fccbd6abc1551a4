//! The pages, each in a file of its own, and the paths that lead to them.

mod audit;
mod binding_form;
mod bindings;
mod channels;
mod connections;
mod consumers;
mod definitions;
mod exchanges;
mod jobs;
mod limits;
mod logs;
mod message;
mod nodes;
mod overview;
mod parameters;
mod permissions;
mod policies;
mod preferences;
mod publish;
mod queues;
mod sign_in;
mod trash;
mod users;
mod vhosts;

use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::response::Response;
use axum::routing::{get, post};

use crate::error::Error;
use crate::reply::{Reply, error_page};
use crate::visit::{Console, Visit};

/// All pages.
pub(crate) fn router(console: Console) -> Router {
    let mut routes = Routes { console: console.clone(), router: Router::new() };
    for add in [
        audit::add,
        bindings::add,
        channels::add,
        connections::add,
        consumers::add,
        definitions::add,
        exchanges::add,
        jobs::add,
        limits::add,
        logs::add,
        nodes::add,
        overview::add,
        parameters::add,
        permissions::add,
        policies::add,
        preferences::add,
        publish::add,
        queues::add,
        trash::add,
        users::add,
        vhosts::add,
    ] {
        routes = add(routes);
    }
    let signing = sign_in::router(console);
    routes.router.merge(signing).layer(DefaultBodyLimit::max(crate::limits::FORM_BYTES))
}

/// An address without a page. Whoever has not signed in is told the same: it may be a program that
/// looks for something which other brokers have.
pub(crate) async fn lost(console: Console, request: Request) -> Response {
    let visit = Visit::read(&console, request).await.ok();
    error_page(visit.as_ref(), &Error::NotFound).await
}

/// Routes of pages for people who have signed in.
pub(crate) struct Routes {
    console: Console,
    router: Router,
}

type Answered = Pin<Box<dyn Future<Output = Response> + Send>>;

impl Routes {
    /// A page that is looked at.
    pub(crate) fn get<F, A>(mut self, path: &str, handler: F) -> Self
    where
        F: Fn(Arc<Visit>) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Reply> + Send + 'static,
    {
        let answer = answer_with(self.console.clone(), handler);
        self.router = self.router.route(path, get(answer));
        self
    }

    /// A form that is sent.
    pub(crate) fn post<F, A>(mut self, path: &str, handler: F) -> Self
    where
        F: Fn(Arc<Visit>) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Reply> + Send + 'static,
    {
        let answer = answer_with(self.console.clone(), handler);
        self.router = self.router.route(path, post(answer));
        self
    }
}

/// From the handler of a page to one of requests: who sent it, and what is shown if there is no page.
fn answer_with<F, A>(
    console: Console,
    handler: F,
) -> impl Fn(Request) -> Answered + Clone + Send + Sync + 'static
where
    F: Fn(Arc<Visit>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Reply> + Send + 'static,
{
    move |request| {
        let (console, handler) = (console.clone(), handler.clone());
        Box::pin(async move {
            let visit = match Visit::read(&console, request).await {
                Ok(visit) => Arc::new(visit),
                Err(error) => return error_page(None, &error).await,
            };
            match handler(Arc::clone(&visit)).await {
                Ok(response) => response,
                Err(error) => error_page(Some(&visit), &error).await,
            }
        })
    }
}
