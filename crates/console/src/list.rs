//! Lists: search, order, pages, choice of columns, things to do with many rows, files of values. One
//! page for all of them; each says what it lists.

use askama::Template;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::IntoResponse;
use serde_json::Value;
use warren_admin::inner::Refusal;

use crate::csv;
use crate::error::Error;
use crate::format::grouped;
use crate::frame::Frame;
use crate::limits;
use crate::links::{self, encode};
use crate::preferences::keep_columns;
use crate::reply::{Reply, go_to, page};
use crate::tab::Tab;
use crate::table::{Column, Head, Row, Table};
use crate::value::{items, number};
use crate::visit::Visit;

/// What is listed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct List {
    /// The heading of the page, and its path.
    pub(crate) title: &'static str,
    pub(crate) path: &'static str,
    /// What one of the objects is called, and many of them.
    pub(crate) noun: (&'static str, &'static str),
    /// A sentence below the heading; may be empty.
    pub(crate) intro: &'static str,
    /// The API's list. Lists of virtual hosts have them below this path.
    pub(crate) api: &'static str,
    pub(crate) has_virtual_hosts: bool,
    pub(crate) columns: &'static [Column],
    /// What an object is called in forms: enough to find it again.
    pub(crate) key: fn(&Value) -> String,
    /// The label and the page by which one is added; none if that is not done here.
    pub(crate) add: Option<(&'static str, &'static str)>,
    /// What can be done with several at once: the value that a form sends, and its label. They are
    /// sent to `PATH/bulk` as `action`, with a field `row` for each.
    pub(crate) bulk: &'static [(&'static str, &'static str)],
    /// What to do next if there is none.
    pub(crate) empty: &'static str,
}

/// A list as somebody wants to see it.
#[derive(Template)]
#[template(path = "console/list.html")]
struct ListPage {
    frame: Frame,
    list: List,
    /// Lists that stand beside this one.
    tabs: Vec<Tab>,
    search: String,
    sort: String,
    direction: String,
    size: usize,
    table: Table,
    choice: Vec<Choice>,
    /// What is shown of how many, in words.
    count: String,
    pages: Vec<PageLink>,
    csv: String,
    json: String,
    may_add: bool,
    has_search: bool,
}

/// A column that can be chosen.
struct Choice {
    name: &'static str,
    title: &'static str,
    is_shown: bool,
}

/// A page of the list that can be gone to.
struct PageLink {
    text: String,
    href: String,
    is_here: bool,
}

/// What somebody wants of a list.
struct Wish<'a> {
    visit: &'a Visit,
    list: &'a List,
    page: usize,
    size: usize,
    /// Objects whose names begin so are shown only if they are searched for; may be empty.
    hidden: &'static str,
    shown: Vec<&'static Column>,
    sort: Option<&'static Column>,
    is_descending: bool,
}

/// The page of a list; or a file of its values; or the choice of columns is kept.
pub(crate) async fn show(visit: &Visit, list: &List, may_add: bool) -> Reply {
    show_without(visit, list, may_add, "").await
}

/// The same without objects whose names begin so, unless they are searched for.
pub(crate) async fn show_without(
    visit: &Visit,
    list: &List,
    may_add: bool,
    hidden: &'static str,
) -> Reply {
    let wish = Wish { hidden, ..Wish::read(visit, list) };
    if visit.query.has("columns") || visit.query.has("usual_columns") {
        return wish.keep_columns();
    }
    match visit.query.get("format") {
        "csv" => return wish.csv().await,
        "json" => return wish.json().await,
        _ => {}
    }
    let answer = match wish.ask(wish.page).await {
        // There were more pages a moment ago.
        Err(refusal) if wish.page > 1 && refusal.reason.contains("out of range") => {
            wish.ask(1).await?
        }
        // The virtual host that was chosen is gone.
        Err(refusal) if refusal.status == StatusCode::NOT_FOUND && wish.has_host() => {
            let all = links::query([("vhost", ""), ("next", list.path)]);
            return Ok(go_to(&format!("/select-vhost{all}")));
        }
        answer => answer?,
    };
    page(&wish.page(&answer, Frame::new(visit, list.title).await?, may_add))
}

impl<'a> Wish<'a> {
    fn read(visit: &'a Visit, list: &'a List) -> Self {
        let chosen = visit.preferences.columns(list.path.trim_start_matches('/'));
        let is_shown = |column: &&Column| match chosen {
            Some(chosen) => chosen.iter().any(|name| name == column.name),
            None => column.usual,
        };
        let first = list.columns.iter().take(1);
        let others = list.columns.iter().skip(1).filter(is_shown);
        let sort = visit.query.get("sort");
        let sizes = limits::PAGE_SIZES.into_iter();
        let size = visit.query.get("size").parse().ok();
        Self {
            visit,
            list,
            page: visit.query.get("page").parse().unwrap_or(1).max(1),
            size: sizes.into_iter().find(|it| Some(*it) == size).unwrap_or(limits::PAGE_SIZE),
            hidden: "",
            shown: first.chain(others).collect(),
            sort: list.columns.iter().find(|column| column.name == sort && column.sorts),
            is_descending: visit.query.get("dir") == "desc",
        }
    }

    /// Whether it is about one virtual host.
    fn has_host(&self) -> bool {
        self.list.has_virtual_hosts && !self.visit.virtual_host().is_empty()
    }

    fn search(&self) -> &str {
        self.visit.query.get("q").trim()
    }

    /// The path of the list in the API, with what the query string says of order and parts.
    fn api(&self, columns: &[&Column], page: Option<usize>) -> String {
        let host = self.visit.virtual_host();
        let path = match self.list.api {
            list if !self.list.has_virtual_hosts || host.is_empty() => list.to_owned(),
            // Names of connections would stand where those of virtual hosts do.
            "/api/connections" => format!("/api/vhosts/{}/connections", encode(host)),
            "/api/channels" => format!("/api/vhosts/{}/channels", encode(host)),
            list => format!("{list}/{}", encode(host)),
        };
        let mut wanted: Vec<&str> = vec!["name", "vhost"];
        for column in columns {
            wanted.push(column.path);
            wanted.extend(column.also);
        }
        wanted.sort_unstable();
        wanted.dedup();
        let mut pairs = vec![("columns", wanted.join(","))];
        if let Some(page) = page {
            pairs.push(("page", page.to_string()));
            pairs.push(("page_size", self.size.to_string()));
            pairs.push(("name", self.search().to_owned()));
        }
        if !self.search().to_lowercase().contains(self.hidden.trim_end_matches('.')) {
            pairs.push(("without", self.hidden.to_owned()));
        }
        if let Some(sort) = self.sort {
            pairs.push(("sort", sort.path.to_owned()));
            pairs.push(("sort_reverse", self.is_descending.to_string()));
        }
        path + &links::query(pairs.iter().map(|(name, value)| (*name, value.as_str())))
    }

    async fn ask(&self, page: usize) -> Result<Value, Refusal> {
        self.visit.get(&self.api(&self.shown, Some(page))).await
    }

    /// The address of this list with some other wishes.
    fn href(&self, other: &[(&str, &str)]) -> String {
        let mut pairs: Vec<(&str, &str)> = vec![];
        for (name, value) in &self.visit.query.0 {
            let is_other = other.iter().any(|(key, _)| key == name);
            let is_known = ["q", "sort", "dir", "size", "page"].contains(&name.as_str());
            if is_known && !is_other && !value.is_empty() {
                pairs.push((name, value));
            }
        }
        pairs.extend(other.iter().filter(|(_, value)| !value.is_empty()));
        format!("{}{}", self.list.path, links::query(pairs))
    }

    fn heads(&self) -> Vec<Head> {
        let head = |column: &&'static Column| {
            let is_sorted = self.sort.is_some_and(|sort| sort.name == column.name);
            // Numbers are looked at from the largest one on.
            let is_next_descending = if is_sorted { !self.is_descending } else { column.is_number };
            let direction = if is_next_descending { "desc" } else { "asc" };
            let wishes = [("sort", column.name), ("dir", direction), ("page", "")];
            let href = if column.sorts { self.href(&wishes) } else { String::new() };
            let sorted = match (is_sorted, self.is_descending) {
                (false, _) => "",
                (true, false) => "ascending",
                (true, true) => "descending",
            };
            Head { href, sorted, ..Head::of(column) }
        };
        self.shown.iter().map(head).collect()
    }

    fn page(&self, answer: &Value, frame: Frame, may_add: bool) -> ListPage {
        let objects = items(answer, "items");
        let rows = objects.iter().map(|it| Row::of(&self.shown, it, self.list.key)).collect();
        let all = number(answer, "total_count").unwrap_or(0);
        let found = number(answer, "filtered_count").unwrap_or(0);
        let here = number(answer, "page").unwrap_or(1);
        let empty = if all > 0 { "Nothing matches the search." } else { self.list.empty };
        let table = Table {
            caption: self.list.title.to_owned(),
            heads: self.heads(),
            rows,
            empty: empty.to_owned(),
            is_choice: !self.list.bulk.is_empty(),
        };
        let choice = |column: &'static Column| Choice {
            name: column.name,
            title: column.title,
            is_shown: self.shown.iter().any(|shown| shown.name == column.name),
        };
        ListPage {
            frame,
            list: *self.list,
            tabs: tabs(self.list.path),
            search: self.search().to_owned(),
            sort: self.sort.map_or("", |sort| sort.name).to_owned(),
            direction: if self.is_descending { "desc" } else { "asc" }.to_owned(),
            size: self.size,
            table,
            choice: self.list.columns.iter().skip(1).map(choice).collect(),
            count: count_text(self.list.noun, all, found, here, self.size),
            pages: self.pages(here, number(answer, "page_count").unwrap_or(1)),
            csv: self.href(&[("format", "csv"), ("page", "")]),
            json: self.href(&[("format", "json"), ("page", "")]),
            may_add,
            has_search: all > 0,
        }
    }

    /// The first, the last, and those around this one.
    fn pages(&self, here: u64, count: u64) -> Vec<PageLink> {
        if count < 2 {
            return vec![];
        }
        let mut numbers: Vec<u64> = (here.saturating_sub(2)..=here + 2).collect();
        numbers.extend([1, count]);
        numbers.retain(|number| (1..=count).contains(number));
        numbers.sort_unstable();
        numbers.dedup();
        let link = |number: u64| PageLink {
            text: grouped(number),
            href: self.href(&[("page", &number.to_string())]),
            is_here: number == here,
        };
        numbers.into_iter().map(link).collect()
    }

    fn keep_columns(&self) -> Reply {
        let wanted: Vec<&str> = if self.visit.query.has("usual_columns") {
            vec![]
        } else {
            let names = self.visit.query.all("columns");
            let known = |name: &&str| self.list.columns.iter().any(|column| column.name == *name);
            names.filter(known).collect()
        };
        let mut response = go_to(&self.href(&[]));
        let kept = keep_columns(self.list.path.trim_start_matches('/'), &wanted);
        response.headers_mut().extend(kept.map(|value| (header::SET_COOKIE, value)));
        Ok(response)
    }

    /// All that is found, as the API gives it.
    async fn json(&self) -> Reply {
        let mut response = self.all().await?;
        response.headers_mut().insert(header::CONTENT_DISPOSITION, self.file_name("json"));
        Ok(response)
    }

    /// All that is found, with all columns, as it comes.
    async fn all(&self) -> Reply {
        let columns: Vec<_> = self.list.columns.iter().collect();
        let mut path = self.api(&columns, None);
        if !self.search().is_empty() {
            path = path + "&named=" + &encode(self.search());
        }
        Ok(self.visit.visitor.answer(Method::GET, &path, &[], None).await?)
    }

    async fn csv(&self) -> Reply {
        let response = self.all().await?;
        if response.status() != StatusCode::OK {
            return Err(Error::wrong("The list cannot be read."));
        }
        let kind = HeaderValue::from_static("text/csv; charset=utf-8");
        let headers =
            [(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, self.file_name("csv"))];
        Ok((headers, csv::body(self.list.columns, response.into_body())).into_response())
    }

    fn file_name(&self, extension: &str) -> HeaderValue {
        let name = self.list.path.trim_start_matches('/');
        let text = format!("attachment; filename=\"{name}.{extension}\"");
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("attachment"))
    }
}

/// Lists that stand side by side, each with its heading and path.
const BESIDE: [[(&str, &str); 2]; 2] = [
    [("Policies", "/policies"), ("Operator policies", "/operator-policies")],
    [("Of components", "/parameters"), ("Global", "/global-parameters")],
];

/// The lists beside that of a path, with itself; none if it is alone.
fn tabs(path: &str) -> Vec<Tab> {
    let lists = BESIDE.iter().find(|lists| lists.iter().any(|(_, other)| *other == path));
    let tab = |(title, href): &(&'static str, &str)| Tab {
        title,
        href: (*href).to_owned(),
        is_here: *href == path,
        count: String::new(),
    };
    lists.into_iter().flatten().map(tab).collect()
}

fn count_text(noun: (&str, &str), all: u64, found: u64, page: u64, size: usize) -> String {
    let (one, many) = noun;
    let of_all = if all == 1 { format!("1 {one}") } else { format!("{} {many}", grouped(all)) };
    let size = size as u64;
    match (found == all, found <= size) {
        (true, true) => of_all,
        (false, true) => format!("{} of {of_all}", grouped(found)),
        (is_all, false) => {
            let (first, last) = ((page - 1) * size + 1, found.min(page * size));
            let range = format!("{} to {} of ", grouped(first), grouped(last));
            let found = if is_all { String::new() } else { format!("{} of ", grouped(found)) };
            format!("{range}{found}{of_all}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_of_how_many_is_told_in_words() {
        let text = |all, found, page| count_text(("queue", "queues"), all, found, page, 50);
        assert_eq!(text(0, 0, 1), "0 queues");
        assert_eq!(text(1, 1, 1), "1 queue");
        assert_eq!(text(40, 3, 1), "3 of 40 queues");
        assert_eq!(text(100_000, 100_000, 3), "101 to 150 of 100,000 queues");
        assert_eq!(text(100_000, 120, 3), "101 to 120 of 120 of 100,000 queues");
    }
}
