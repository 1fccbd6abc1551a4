//! A page that asks whether something is really to be destroyed, and says what will be lost.

use askama::Template;
use axum::http::StatusCode;

use crate::form::Form;
use crate::frame::Frame;
use crate::reply::{Reply, page_with};
use crate::table::Table;

/// The question.
#[derive(Template)]
#[template(path = "console/confirm.html")]
pub(crate) struct Confirm {
    /// Its title is the question.
    pub(crate) frame: Frame,
    /// What will be lost, a paragraph each.
    pub(crate) text: Vec<String>,
    /// The same for each of many things; may be empty.
    pub(crate) losses: Table,
    /// The form that does it.
    pub(crate) form: Form,
}

impl Confirm {
    pub(crate) fn new(frame: Frame, text: Vec<String>, form: Form) -> Self {
        Self { frame, text, losses: Table::default(), form: form.dangerous() }
    }

    /// With a table of what will be lost.
    pub(crate) fn losses(mut self, losses: Table) -> Self {
        self.losses = losses;
        self
    }

    pub(crate) fn page(&self) -> Reply {
        self.page_with(StatusCode::OK)
    }

    /// The question once more: it could not be done.
    pub(crate) fn page_with(&self, status: StatusCode) -> Reply {
        page_with(status, self)
    }
}
