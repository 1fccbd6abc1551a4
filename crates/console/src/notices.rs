//! What people are told on the next page they see: that something was done, or why not.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::error::explain;
use crate::limits;
use warren_admin::inner::Refusal;

/// Something to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) text: String,
    pub(crate) is_error: bool,
    /// What else can be done about it: a label and the path that a form is sent to.
    pub(crate) action: Option<(String, String)>,
    /// Pages that it is about: labels and paths.
    pub(crate) links: Vec<(String, String)>,
}

/// Notices that wait, for each session.
#[derive(Debug, Default)]
pub(crate) struct Notices(Mutex<HashMap<String, Vec<Notice>>>);

impl Notice {
    pub(crate) fn done(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_error: false, action: None, links: vec![] }
    }

    pub(crate) fn error(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_error: true, action: None, links: vec![] }
    }

    pub(crate) fn refused(refusal: &Refusal) -> Self {
        Self::error(explain(refusal))
    }

    /// With a button that sends a form to a path.
    pub(crate) fn with_action(mut self, label: &str, path: String) -> Self {
        self.action = Some((label.to_owned(), path));
        self
    }

    /// With links to pages that it is about.
    pub(crate) fn with_links(mut self, links: Vec<(String, String)>) -> Self {
        self.links = links;
        self
    }
}

impl Notices {
    /// Adds one for a session. Of too many the oldest go.
    pub(crate) fn add(&self, session: &str, notice: Notice) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= limits::NOTICE_SESSIONS && !waiting.contains_key(session) {
            waiting.clear();
        }
        let of_session = waiting.entry(session.to_owned()).or_default();
        if of_session.len() >= limits::NOTICES {
            of_session.remove(0);
        }
        of_session.push(notice);
    }

    /// Takes those of a session.
    pub(crate) fn take(&self, session: &str) -> Vec<Notice> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.remove(session).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_told_once_and_to_its_session_alone() {
        let notices = Notices::default();
        notices.add("a", Notice::done("one"));
        notices.add("a", Notice::error("two"));
        assert!(notices.take("b").is_empty());
        assert_eq!(notices.take("a"), [Notice::done("one"), Notice::error("two")]);
        assert!(notices.take("a").is_empty());
        for number in 0..20 {
            notices.add("a", Notice::done(number.to_string()));
        }
        let left = notices.take("a");
        assert_eq!((left.len(), left[0].text.as_str()), (limits::NOTICES, "12"));
    }
}
