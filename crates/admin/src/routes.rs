//! What a route is: a path with a method, the right that it needs, what it takes and who answers.
//!
//! The table in `routes/table.rs`, with the files beside it, is the only place that names paths. The
//! router, who may do what, the answers to other methods and the OpenAPI document are made from it.

mod access;
mod objects;
mod own;
mod table;
#[cfg(test)]
mod tests;
mod waiting;

use std::pin::Pin;
use std::sync::Arc;

use axum::http::Method;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use warren_server::AuditResult;

pub(crate) use table::routes;

use crate::answer::Answer;
use crate::authorize::Right;
use crate::call::Call;

/// What answers a request.
type Handler =
    Arc<dyn Fn(Call) -> Pin<Box<dyn Future<Output = Answer> + Send>> + Send + Sync + 'static>;

/// Parameters of query strings that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parameters {
    /// Order and columns.
    List,
    /// Pages and the filter by name.
    Pages,
    /// Columns of a single object.
    Columns,
    /// Histories.
    Samples,
    /// Which counts of queues are given.
    Totals,
    /// One of its own: its name and what it is for.
    One(&'static str, &'static str),
}

/// A kind of request.
#[derive(Clone)]
pub(crate) struct Route {
    /// The method. GET stands for HEAD too.
    pub(crate) method: Method,
    /// The path, as axum writes it.
    pub(crate) path: &'static str,
    /// Who may send it.
    pub(crate) right: Right,
    /// What it is for, in a few words.
    pub(crate) summary: &'static str,
    /// The parameters of the query string.
    pub(crate) parameters: Vec<Parameters>,
    /// What the body holds, if it holds something.
    pub(crate) body: Option<fn(&mut SchemaGenerator) -> Schema>,
    /// What an answer with a body holds, where it has a type.
    pub(crate) answer: Option<fn(&mut SchemaGenerator) -> Schema>,
    /// The answer is a page for people.
    pub(crate) is_page: bool,
    /// What the audit log says of it, with the names of the path in braces, and what it comes to if
    /// nothing is made. Changes of definitions are told by the catalog and have none.
    pub(crate) audited: Option<(&'static str, AuditResult)>,
    /// Who answers.
    pub(crate) handler: Handler,
}

impl Route {
    /// A route. Everything else is added to it.
    pub(crate) fn new<F, A>(
        method: Method,
        path: &'static str,
        right: Right,
        summary: &'static str,
        handler: F,
    ) -> Self
    where
        F: Fn(Call) -> A + Send + Sync + 'static,
        A: Future<Output = Answer> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |call| Box::pin(handler(call)));
        let (parameters, body, answer, is_page, audited) = (vec![], None, None, false, None);
        Self { method, path, right, summary, parameters, body, answer, is_page, audited, handler }
    }

    /// With these parameters.
    pub(crate) fn with(mut self, parameters: &[Parameters]) -> Self {
        self.parameters.extend_from_slice(parameters);
        self
    }

    /// With a body of this type.
    pub(crate) fn takes<T: JsonSchema>(mut self) -> Self {
        self.body = Some(SchemaGenerator::subschema_for::<T>);
        self
    }

    /// With an answer of this type.
    pub(crate) fn gives<T: JsonSchema>(mut self) -> Self {
        self.answer = Some(SchemaGenerator::subschema_for::<T>);
        self
    }

    /// With a page for people as answer.
    pub(crate) fn page(mut self) -> Self {
        self.is_page = true;
        self
    }

    /// With a line in the audit log (see [`Self::audited`]).
    pub(crate) fn audited(mut self, what: &'static str, result: AuditResult) -> Self {
        self.audited = Some((what, result));
        self
    }

    /// The names in the path, in order.
    pub(crate) fn path_names(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }
}
