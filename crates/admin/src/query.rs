//! The query string of a request.

use axum::extract::Query as Pairs;
use axum::http::Uri;

use crate::error::Error;

/// Parameters of a query string, in their order; the first of a name counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the query string. Escapes that are no text are refused.
    pub(crate) fn read(uri: &Uri) -> Result<Self, Error> {
        let pairs = Pairs::<Vec<(String, String)>>::try_from_uri(uri);
        pairs.map(|Pairs(pairs)| Self(pairs)).map_err(|error| Error::bad_request(error.body_text()))
    }

    /// A parameter's value.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether a parameter is `true`.
    pub(crate) fn is_true(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    /// A parameter that is a number, if it is there and is one.
    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.get(name)?.parse().ok()
    }
}

#[cfg(test)]
impl From<&str> for Query {
    fn from(text: &str) -> Self {
        Self::read(&format!("/?{text}").parse().unwrap()).unwrap()
    }
}
