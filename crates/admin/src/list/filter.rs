//! The filter by name.

use regex::{Regex, RegexBuilder};

use super::Entry;
use crate::error::Error;
use crate::limits;
use crate::query::Query;

/// Which names are wanted.
#[derive(Debug)]
pub(super) enum Filter {
    /// All of them.
    All,
    /// Those with this in them, in lower case.
    Part(String),
    /// Those that a pattern finds something in.
    Pattern(Regex),
    /// None: the pattern is none. RabbitMQ answers with an empty list too.
    None,
}

impl Filter {
    /// Reads `name` and `use_regex`. The time that a pattern takes grows with the length of the
    /// names alone, and its memory is bounded, so that no client can keep the broker busy with it.
    pub(super) fn read(query: &Query) -> Result<Self, Error> {
        let name = match Self::part(query, "name")? {
            Self::Part(_) if query.is_true("use_regex") => query.get("name").unwrap_or_default(),
            filter => return Ok(filter),
        };
        let pattern = RegexBuilder::new(name)
            .case_insensitive(true)
            .size_limit(limits::FILTER_BYTES)
            .dfa_size_limit(limits::FILTER_BYTES)
            .build();
        Ok(pattern.map_or(Self::None, Self::Pattern))
    }

    /// Reads a parameter that is a part of a name.
    pub(super) fn part(query: &Query, parameter: &str) -> Result<Self, Error> {
        let Some(part) = query.get(parameter).filter(|part| !part.is_empty()) else {
            return Ok(Self::All);
        };
        if part.chars().count() > limits::FILTER_CHARACTERS {
            let limit = limits::FILTER_CHARACTERS;
            let text = format!("{parameter} is longer than {limit} characters");
            return Err(Error::bad_request(text));
        }
        Ok(Self::Part(part.to_lowercase()))
    }

    fn finds(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Part(part) if part.is_ascii() => {
                let (name, part) = (name.as_bytes(), part.as_bytes());
                name.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
            }
            Self::Part(part) => name.to_lowercase().contains(part),
            Self::Pattern(pattern) => pattern.is_match(name),
            Self::None => false,
        }
    }

    /// Leaves those that are wanted.
    pub(super) fn retain<T: Entry>(&self, entries: &mut Vec<T>) {
        if !matches!(self, Self::All) {
            let other = |names: [&str; 2]| names.iter().any(|it| !it.is_empty() && self.finds(it));
            entries.retain(|entry| self.finds(entry.name()) || other(entry.other_names()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_a_part_or_a_pattern_whatever_their_case() {
        for (query, found) in [
            ("", vec!["Orders", "orders.eu", "x(1", "\u{c4}pfel"]),
            ("name=", vec!["Orders", "orders.eu", "x(1", "\u{c4}pfel"]),
            ("name=ORD", vec!["Orders", "orders.eu"]),
            ("name=(1", vec!["x(1"]),
            ("name=.&use_regex=false", vec!["orders.eu"]),
            ("name=%C3%A4p", vec!["\u{c4}pfel"]),
            ("name=^ord.*s$&use_regex=true", vec!["Orders"]),
            ("name=%C3%A4&use_regex=true", vec!["\u{c4}pfel"]),
            ("name=(&use_regex=true", vec![]),
            ("name=((a{900}){900}){900}&use_regex=true", vec![]),
        ] {
            let filter = Filter::read(&Query::from(query)).unwrap();
            let names = ["Orders", "orders.eu", "x(1", "\u{c4}pfel"];
            let kept: Vec<_> = names.into_iter().filter(|name| filter.finds(name)).collect();
            assert_eq!(kept, found, "{query}");
        }
    }

    #[test]
    fn a_pattern_that_would_take_for_ever_elsewhere_takes_no_time() {
        let query = Query::from("name=(a*)*b%7C(a%7Caa)*b&use_regex=true");
        let filter = Filter::read(&query).unwrap();
        let name = "a".repeat(250);
        let started = std::time::Instant::now();
        for _ in 0..10_000 {
            assert!(!filter.finds(&name));
        }
        assert!(started.elapsed() < std::time::Duration::from_secs(5));
    }

    #[test]
    fn a_name_has_its_limit() {
        let query = format!("name={}", "a".repeat(1025));
        assert!(Filter::read(&Query::from(query.as_str())).is_err());
    }
}
