//! Search in all names.

use std::sync::Arc;

use askama::Template;
use serde_json::Value;
use warren_admin::inner::Refusal;

use super::Routes;
use crate::format::grouped;
use crate::frame::Frame;
use crate::links;
use crate::reply::{Reply, go_to, page};
use crate::value::{items, number, text};
use crate::visit::Visit;

pub(crate) fn add(routes: Routes) -> Routes {
    routes.get("/search", show)
}

/// Names of a kind that are shown; there is a list of all.
const SHOWN: usize = 10;

#[derive(Template)]
#[template(path = "console/search.html")]
struct SearchPage {
    frame: Frame,
    search: String,
    kinds: Vec<Found>,
}

/// What there is of a kind.
#[derive(Debug, Default)]
struct Found {
    title: &'static str,
    /// How many, in words.
    count: String,
    /// The list of all of them; empty if they are all here.
    all: String,
    names: Vec<Name>,
}

/// A name, with where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Name {
    text: String,
    href: String,
    /// The virtual host, or what else tells it from others.
    note: String,
}

/// A kind of things with names.
struct Kind {
    title: &'static str,
    /// Its list in the API, with columns; and the list of the console.
    api: &'static str,
    list: &'static str,
    name: fn(&Value) -> Name,
}

const KINDS: [Kind; 6] = [
    Kind {
        title: "Queues",
        api: "/api/queues?columns=name,vhost&disable_stats=true",
        list: "/queues",
        name: |it| in_host(it, links::queue(text(it, "vhost"), text(it, "name"))),
    },
    Kind {
        title: "Exchanges",
        api: "/api/exchanges?columns=name,vhost&disable_stats=true",
        list: "/exchanges",
        name: |it| in_host(it, links::exchange(text(it, "vhost"), text(it, "name"))),
    },
    Kind {
        title: "Connections",
        api: "/api/connections?columns=name,vhost,user_provided_name,user&disable_stats=true",
        list: "/connections",
        name: |it| {
            let given = text(it, "user_provided_name");
            let name = text(it, "name");
            let (shown, note) = if given.is_empty() { (name, "") } else { (given, name) };
            named(shown, links::path(["connections", name]), note)
        },
    },
    Kind {
        title: "Policies",
        api: "/api/policies?columns=name,vhost",
        list: "/policies",
        name: |it| in_host(it, links::path(["policies", text(it, "vhost"), text(it, "name")])),
    },
    Kind {
        title: "Virtual hosts",
        api: "/api/vhosts?columns=name&disable_stats=true",
        list: "/vhosts",
        name: |it| named(text(it, "name"), links::path(["vhosts", text(it, "name")]), ""),
    },
    Kind {
        title: "Users",
        api: "/api/users?columns=name",
        list: "/users",
        name: |it| named(text(it, "name"), links::path(["users", text(it, "name")]), ""),
    },
];

fn named(name: &str, href: String, note: &str) -> Name {
    Name { text: name.to_owned(), href, note: note.to_owned() }
}

fn in_host(object: &Value, href: String) -> Name {
    named(text(object, "name"), href, &format!("in {}", text(object, "vhost")))
}

async fn show(visit: Arc<Visit>) -> Reply {
    let search = visit.query.get("q").trim();
    let mut kinds = vec![];
    if !search.is_empty() {
        for kind in KINDS {
            kinds.extend(find(&visit, &kind, search).await?);
        }
    }
    if let Some(only) = only(&kinds) {
        return Ok(go_to(&only.href));
    }
    let search = search.to_owned();
    page(&SearchPage { frame: Frame::new(&visit, "Search").await?, search, kinds })
}

/// What there is of a kind; nothing if there is none, or if the user may not know.
async fn find(visit: &Visit, kind: &Kind, search: &str) -> Result<Option<Found>, Refusal> {
    let shown = SHOWN.to_string();
    let pairs = [("page", "1"), ("page_size", shown.as_str()), ("name", search)];
    let query = links::query(pairs).replacen('?', "&", 1);
    let Some(answer) = visit.get_if_allowed(&format!("{}{query}", kind.api)).await? else {
        return Ok(None);
    };
    let mut names: Vec<Name> = items(&answer, "items").iter().map(kind.name).collect();
    if names.is_empty() {
        return Ok(None);
    }
    // Who is called just so comes first.
    names.sort_by_key(|name| name.text != search);
    let all = number(&answer, "filtered_count").unwrap_or(0);
    let list = format!("{}{}", kind.list, links::query([("q", search)]));
    Ok(Some(Found {
        title: kind.title,
        count: grouped(all),
        all: if all > names.len() as u64 { list } else { String::new() },
        names,
    }))
}

/// The only thing that was found, if there is no other.
fn only(kinds: &[Found]) -> Option<&Name> {
    match kinds {
        [one] if one.all.is_empty() => match one.names.as_slice() {
            [name] => Some(name),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: usize, all: &str) -> Found {
        let names = vec![named("a", "/queues/v/a".to_owned(), ""); names];
        Found { names, all: all.to_owned(), ..Found::default() }
    }

    #[test]
    fn the_only_thing_that_was_found_is_gone_to() {
        assert_eq!(only(&[found(1, "")]).unwrap().href, "/queues/v/a");
        assert_eq!(only(&[found(2, "")]), None);
        assert_eq!(only(&[found(1, ""), found(1, "")]), None);
        assert_eq!(only(&[found(1, "/queues?q=a")]), None);
        assert_eq!(only(&[]), None);
    }
}
