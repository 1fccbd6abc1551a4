//! What all lists have in common: the filter by name, the order, the page, the columns.
//!
//! A list may hold a hundred thousand objects of which one page is wanted. So filter and order look
//! at the objects themselves, and JSON is made for the page alone.

mod columns;
mod filter;
mod key;
mod page;
#[cfg(test)]
mod tests;
mod whole;

use filter::Filter;
use page::Paging;
use whole::whole;

pub(crate) use columns::Columns;
pub(crate) use key::Key;

use std::cmp::Ordering;
use std::ops::Range;

use serde::Serialize;
use serde_json::Value;

use crate::answer::{self, Answer};
use crate::call::Call;
use crate::error::Error;
use crate::query::Query;

/// An object of a list.
pub(crate) trait Entry: Send + 'static {
    /// The name that the filter looks at.
    fn name(&self) -> &str;

    /// Other names by which it is found.
    fn other_names(&self) -> [&str; 2] {
        ["", ""]
    }

    /// The value that stands at this path in the object's JSON, for sorting; `Key::Missing` if
    /// there is none.
    fn key(&self, path: &[&str]) -> Key<'_>;
}

/// Objects of which there are few, as JSON.
impl Entry for Value {
    fn name(&self) -> &str {
        self.get("name").and_then(Self::as_str).unwrap_or_default()
    }

    fn key(&self, path: &[&str]) -> Key<'_> {
        let found = path.iter().try_fold(self, |value, part| value.get(part));
        match found {
            Some(Self::Bool(value)) => Key::Boolean(*value),
            Some(Self::String(text)) => Key::Text(text),
            Some(Self::Number(number)) => match number.as_i64() {
                Some(integer) => Key::Integer(integer),
                None => number.as_f64().map_or(Key::Missing, Key::Float),
            },
            Some(Self::Null | Self::Array(_) | Self::Object(_)) | None => Key::Missing,
        }
    }
}

/// A list of objects of which there are few, as a request wants it.
pub(crate) async fn list(call: &Call, objects: Vec<Value>, usual: &[&str]) -> Answer {
    Wishes::read(&call.query, usual)?.answer(objects, Value::clone).await
}

/// A single object, with the columns that a request wants.
pub(crate) fn one(call: &Call, object: &impl Serialize) -> Answer {
    answer::ok(&Columns::read(&call.query)?.of(object)?)
}

/// How a client wants a list.
#[derive(Debug)]
pub(crate) struct Wishes {
    paging: Option<Paging>,
    /// Objects whose names begin so are not there.
    without: Option<String>,
    /// Only these are there.
    named: Filter,
    order: Order,
    /// Which parts of the objects.
    pub(crate) columns: Columns,
}

/// In which order.
#[derive(Debug, PartialEq, Eq)]
enum Order {
    /// By these paths, one after the other.
    By { paths: Vec<Vec<String>>, reverse: bool },
    /// By the paths that lists of the kind are ordered by where the client does not say; the
    /// objects may be given in that order.
    Usual { paths: Vec<Vec<String>>, reverse: bool, is_given: bool },
    /// As it comes.
    Any,
}

impl Wishes {
    /// Reads the parameters; without `sort` the order is that of these paths.
    pub(crate) fn read(query: &Query, usual: &[&str]) -> Result<Self, Error> {
        let parts = |path: &str| path.split('.').map(str::to_owned).collect::<Vec<_>>();
        let mut paths: Vec<_> = usual.iter().map(|path| parts(path)).collect();
        let reverse = query.is_true("sort_reverse");
        let order = match query.get("sort") {
            // RabbitMQ's way to have no order at all.
            Some("") => Order::Any,
            Some(path) => {
                let path = parts(path);
                if path.len() > crate::limits::PATH_PARTS {
                    return Err(Error::bad_request("the path to sort by has too many parts"));
                }
                paths.retain(|other| *other != path);
                paths.insert(0, path);
                Order::By { paths, reverse }
            }
            None => Order::Usual { paths, reverse, is_given: false },
        };
        let without = query.get("without").filter(|prefix| !prefix.is_empty()).map(str::to_owned);
        let (paging, columns) = (Paging::read(query)?, Columns::read(query)?);
        Ok(Self { paging, without, named: Filter::part(query, "named")?, order, columns })
    }

    /// The objects are given in the usual order.
    pub(crate) fn given_in_order(mut self) -> Self {
        match &mut self.order {
            Order::Usual { is_given, .. } => *is_given = true,
            // What is the same to the first path stays as it came.
            Order::By { paths, .. } => paths.truncate(1),
            Order::Any => {}
        }
        self
    }

    /// Filters and orders the objects, and makes JSON of the page or of all. A long list is worked
    /// on beside the tasks that serve sockets.
    pub(crate) async fn answer<T: Entry, J: Serialize>(
        self,
        entries: Vec<T>,
        object: impl Fn(&T) -> J + Send + Sync + 'static,
    ) -> Answer {
        if entries.len() <= crate::limits::LIST_AT_ONCE {
            return self.answer_now(entries, object);
        }
        let work = tokio::task::spawn_blocking(move || self.answer_now(entries, object));
        work.await.map_err(|error| Error::Internal(error.to_string()))?
    }

    fn answer_now<T: Entry, J: Serialize>(
        self,
        mut entries: Vec<T>,
        object: impl Fn(&T) -> J + Send + Sync + 'static,
    ) -> Answer {
        let Self { paging, without, named, order, columns } = self;
        if let Some(prefix) = without {
            entries.retain(|entry| !entry.name().starts_with(&prefix));
        }
        named.retain(&mut entries);
        let Some(paging) = paging else {
            let order = order.of(&entries, 0..entries.len());
            return whole(entries, order, move |entry| columns.of(&object(entry)));
        };
        let total = entries.len();
        paging.filter.retain(&mut entries);
        let page = paging.page(total, entries.len())?;
        let order = order.of(&entries, page.range());
        let items = order.iter().map(|at| columns.of(&object(&entries[*at as usize])));
        answer::ok(&page.object(items.collect::<Result<_, _>>()?))
    }
}

impl Order {
    /// The places of the objects that come into this range, in order.
    fn of<T: Entry>(&self, entries: &[T], range: Range<usize>) -> Vec<u32> {
        let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        let wanted = range.start.min(entries.len())..range.end.min(entries.len());
        match self {
            Self::Any | Self::Usual { reverse: false, is_given: true, .. } => {
                (0..count).skip(wanted.start).take(wanted.len()).collect()
            }
            Self::Usual { reverse: true, is_given: true, .. } => {
                (0..count).rev().skip(wanted.start).take(wanted.len()).collect()
            }
            Self::Usual { paths, reverse, is_given: false } | Self::By { paths, reverse } => {
                sorted(entries, paths, *reverse, wanted)
            }
        }
    }
}

/// The places of the objects that come into a range when they are ordered by paths.
fn sorted<T: Entry>(
    entries: &[T],
    paths: &[Vec<String>],
    reverse: bool,
    range: Range<usize>,
) -> Vec<u32> {
    let paths: Vec<Vec<&str>> =
        paths.iter().map(|path| path.iter().map(String::as_str).collect()).collect();
    let Some((first, others)) = paths.split_first() else {
        return (0..).skip(range.start).take(range.len()).collect();
    };
    // The first value decides for most: it is looked up once for each object.
    let keys = entries.iter().map(|entry| entry.key(first));
    let mut order: Vec<(Key<'_>, u32)> = keys.zip(0..).collect();
    let compare = |(key, left): &(Key<'_>, u32), (other, right): &(Key<'_>, u32)| {
        let (a, b) = (&entries[*left as usize], &entries[*right as usize]);
        let mut rest = others.iter().map(|path| a.key(path).compare(&b.key(path)));
        let found = match key.compare(other) {
            Ordering::Equal => rest.find(|it| it.is_ne()),
            found => Some(found),
        };
        // Objects that are the same to all keys stay as they came.
        let found = found.unwrap_or_else(|| left.cmp(right));
        if reverse { found.reverse() } else { found }
    };
    // The page alone has to be in order: the others come before it or after it.
    if range.end < order.len() {
        order.select_nth_unstable_by(range.end, compare);
        order.truncate(range.end);
    }
    if range.start > 0 && range.start < order.len() {
        order.select_nth_unstable_by(range.start, compare);
    }
    let mut page = order.split_off(range.start.min(order.len()));
    page.sort_unstable_by(compare);
    page.into_iter().map(|(_, at)| at).collect()
}
