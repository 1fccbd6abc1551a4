//! What people choose for themselves and their browser keeps: theme, virtual host, columns of lists.
//! In cookies, so that pages are right from the start and without scripts.

use axum::http::{HeaderMap, HeaderValue, header};
use percent_encoding::percent_decode_str;

use crate::limits;
use crate::links;

/// Choices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Preferences {
    /// `light`, `dark`, or empty: as the system has it.
    pub(crate) theme: &'static str,
    /// The virtual host that lists are about; empty for all.
    pub(crate) virtual_host: String,
    /// For lists, by name: the columns that are shown.
    columns: Vec<(String, Vec<String>)>,
}

const THEME: &str = "warren_theme";
const VIRTUAL_HOST: &str = "warren_vhost";
const COLUMNS: &str = "warren_columns_";

impl Preferences {
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        let mut read = Self::default();
        let lists = headers.get_all(header::COOKIE).iter().filter_map(|list| list.to_str().ok());
        let pairs = lists.flat_map(|list| list.split(';')).filter_map(|pair| pair.split_once('='));
        for (name, value) in pairs {
            let (name, value) = (name.trim(), value.trim());
            let text = percent_decode_str(value).decode_utf8_lossy().into_owned();
            if name == THEME {
                read.theme = theme(&text);
            } else if name == VIRTUAL_HOST {
                read.virtual_host = text;
            } else if let Some(list) = name.strip_prefix(COLUMNS) {
                let columns = text.split(',').map(str::to_owned).collect();
                read.columns.push((list.to_owned(), columns));
            }
        }
        read
    }

    /// The columns that somebody chose for a list.
    pub(crate) fn columns(&self, list: &str) -> Option<&[String]> {
        let found = self.columns.iter().find(|(name, _)| name == list);
        found.map(|(_, columns)| columns.as_slice())
    }
}

/// A theme that there is.
pub(crate) fn theme(text: &str) -> &'static str {
    ["light", "dark"].into_iter().find(|theme| *theme == text).unwrap_or("")
}

/// The header that keeps a theme.
pub(crate) fn keep_theme(theme: &str) -> Option<HeaderValue> {
    keep(THEME, theme)
}

/// The header that keeps a virtual host.
pub(crate) fn keep_virtual_host(name: &str) -> Option<HeaderValue> {
    keep(VIRTUAL_HOST, name)
}

/// The header that keeps the columns of a list; none of them for the usual ones.
pub(crate) fn keep_columns(list: &str, columns: &[&str]) -> Option<HeaderValue> {
    keep(&format!("{COLUMNS}{list}"), &columns.join(","))
}

fn keep(name: &str, value: &str) -> Option<HeaderValue> {
    let seconds = if value.is_empty() { 0 } else { limits::PREFERENCE_SECONDS };
    let value = links::encode(value);
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}");
    HeaderValue::try_from(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_come_back_as_they_were_kept() {
        let kept = [
            keep_theme("dark").unwrap(),
            keep_virtual_host("a;b/\u{e4}").unwrap(),
            keep_columns("queues", &["name", "ready"]).unwrap(),
        ];
        let pairs =
            kept.iter().map(|it| it.to_str().unwrap().split(';').next().unwrap().to_owned());
        let cookie = pairs.collect::<Vec<_>>().join("; ");
        let headers =
            HeaderMap::from_iter([(header::COOKIE, HeaderValue::try_from(cookie).unwrap())]);
        let read = Preferences::read(&headers);
        assert_eq!((read.theme, read.virtual_host.as_str()), ("dark", "a;b/\u{e4}"));
        assert_eq!(read.columns("queues").unwrap(), ["name", "ready"]);
        assert_eq!(read.columns("exchanges"), None);
    }

    #[test]
    fn a_theme_that_there_is_not_is_none() {
        assert_eq!(theme("dark"), "dark");
        assert_eq!(theme("\"><script>"), "");
        let removed = keep_theme("").unwrap();
        assert!(removed.to_str().unwrap().ends_with("Max-Age=0"));
    }
}
