//! Pages of lists.

use std::ops::Range;

use serde_json::{Value, json};

use super::filter::Filter;
use crate::error::Error;
use crate::limits;
use crate::query::Query;

/// Which page a client wants.
#[derive(Debug)]
pub(super) struct Paging {
    number: usize,
    size: usize,
    /// Which objects are on pages at all. Without pages RabbitMQ does not filter.
    pub(super) filter: Filter,
}

/// A page that there is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    number: usize,
    size: usize,
    total: usize,
    filtered: usize,
}

impl Paging {
    /// Reads `page`, `page_size` and the filter; nothing without `page`.
    pub(super) fn read(query: &Query) -> Result<Option<Self>, Error> {
        let (page, size) = (query.get("page"), query.get("page_size"));
        let number = |text: Option<&str>| {
            let wrong = || Error::bad_request("Pagination parameters are invalid");
            text.map(|text| text.parse::<i64>().map_err(|_| wrong())).transpose()
        };
        let (number, wanted_size) = (number(page)?, number(size)?);
        let Some(number) = number else { return Ok(None) };
        let invalid = || Error::InvalidPage {
            page: page.unwrap_or_default().to_owned(),
            size: size.unwrap_or("undefined").to_owned(),
        };
        let number = usize::try_from(number).ok().filter(|number| *number > 0);
        let size = match wanted_size {
            None => Some(limits::PAGE_SIZE),
            Some(size) => usize::try_from(size).ok(),
        };
        let size = size.filter(|size| (1..=limits::PAGE_SIZE_MAX).contains(size));
        let (Some(number), Some(size)) = (number, size) else { return Err(invalid()) };
        Ok(Some(Self { number, size, filter: Filter::read(query)? }))
    }

    /// The page, if so many objects have it. The first one is always there.
    pub(super) fn page(&self, total: usize, filtered: usize) -> Result<Page, Error> {
        let Self { number, size, .. } = *self;
        let start = (number - 1).saturating_mul(size);
        if start > 0 && start >= filtered {
            return Err(Error::PageOutOfRange { page: number, size, length: filtered });
        }
        Ok(Page { number, size, total, filtered })
    }
}

impl Page {
    /// The places of its objects among those that were found.
    pub(super) fn range(&self) -> Range<usize> {
        let start = (self.number - 1) * self.size;
        start..(start + self.size).min(self.filtered)
    }

    /// What a client is given.
    pub(super) fn object(&self, items: Vec<Value>) -> Value {
        json!({
            "total_count": self.total,
            "item_count": items.len(),
            "filtered_count": self.filtered,
            "page": self.number,
            "page_size": self.size,
            "page_count": self.filtered.div_ceil(self.size),
            "items": Value::Array(items),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Option<Paging>, Error> {
        Paging::read(&Query::from(query))
    }

    #[test]
    fn there_are_pages_only_where_one_is_asked_for() {
        for query in ["", "page_size=5", "name=a&use_regex=true", "pagination=true"] {
            assert!(read(query).unwrap().is_none(), "{query}");
        }
        let paging = read("page=2&pagination=false").unwrap().unwrap();
        assert_eq!((paging.number, paging.size), (2, 100));
    }

    #[test]
    fn numbers_that_cannot_be_are_refused_in_rabbitmqs_words() {
        for (query, reason) in [
            ("page=a", "Pagination parameters are invalid"),
            ("page=1&page_size=", "Pagination parameters are invalid"),
            ("page_size=x", "Pagination parameters are invalid"),
            ("page=0", "Invalid pagination parameters: page number 0, page size undefined"),
            ("page=-1", "Invalid pagination parameters: page number -1, page size undefined"),
            ("page=1&page_size=0", "Invalid pagination parameters: page number 1, page size 0"),
            ("page=1&page_size=501", "Invalid pagination parameters: page number 1, page size 501"),
        ] {
            assert_eq!(read(query).unwrap_err().to_string(), reason, "{query}");
        }
    }

    #[test]
    fn the_last_page_is_shorter_and_there_is_none_behind_it() {
        let paging = |number| Paging { number, size: 10, filter: Filter::All };
        assert_eq!(paging(1).page(0, 0).unwrap().range(), 0..0);
        assert_eq!(paging(1).page(25, 25).unwrap().range(), 0..10);
        assert_eq!(paging(3).page(40, 25).unwrap().range(), 20..25);
        assert_eq!(
            paging(4).page(40, 30).unwrap_err().to_string(),
            "Page out of range, page: 4 page size: 10, len: 30"
        );
        assert!(paging(usize::MAX).page(40, 30).is_err());
        let object = paging(3).page(40, 25).unwrap().object(vec![json!({}); 5]);
        let expected = json!({
            "total_count": 40, "item_count": 5, "filtered_count": 25, "page": 3,
            "page_size": 10, "page_count": 3, "items": [{}, {}, {}, {}, {}],
        });
        assert_eq!(object, expected);
    }
}
