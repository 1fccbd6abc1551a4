//! All permissions at a glance, users by virtual hosts; and whether somebody may do something.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::change::edit_link;
use super::{heads, user_names};
use crate::cell::{Cell, Tag, Tone};
use crate::form::{Field, Form};
use crate::frame::Frame;
use crate::links;
use crate::reply::Reply;
use crate::sheet::{Section, Sheet};
use crate::table::{Row, Table};
use crate::value::{at, is_true, items, text};
use crate::visit::Visit;

/// More virtual hosts than this are not shown side by side.
const COLUMNS: usize = 12;

pub(super) async fn show(visit: Arc<Visit>) -> Reply {
    let frame = Frame::new(&visit, "Permissions").await?;
    let users = user_names(&visit).await?;
    let granted = visit.get("/api/permissions").await?;
    let hosts: Vec<String> = if visit.virtual_host().is_empty() {
        frame.virtual_hosts.clone()
    } else {
        vec![visit.virtual_host().to_owned()]
    };
    let tester = tester(&visit, &users, &frame).await?;
    let mut section = Section::new("Who may do what");
    if hosts.len() > COLUMNS {
        section = section.text(format!(
            "The first {COLUMNS} virtual hosts. For another one, choose it at the top, or look at its \
             own page."
        ));
    }
    let table = table(&users, &hosts[..hosts.len().min(COLUMNS)], items(&granted, ""));
    Sheet::new(frame)
        .intro("What each user may do in each virtual host, as patterns of names of queues and \
                exchanges. Tags say what users may do in this console; they are on the page of each \
                user.")
        .with(tester)
        .with(section.table(table))
        .answer()
}

fn table(users: &[String], hosts: &[String], granted: &[Value]) -> Table {
    let by_both: BTreeMap<(&str, &str), &Value> =
        granted.iter().map(|it| ((text(it, "user"), text(it, "vhost")), it)).collect();
    let rows = users.iter().map(|user| {
        let mut cells = vec![Cell::link(user, links::user(user))];
        for host in hosts {
            let words = by_both
                .get(&(user.as_str(), host.as_str()))
                .map_or_else(|| "nothing".to_owned(), |permission| short(permission));
            cells.push(Cell::link(words, edit_link(user, host)));
        }
        Row { key: user.clone(), name: user.clone(), cells, buttons: vec![] }
    });
    let mut titles = vec!["User"];
    titles.extend(hosts.iter().map(String::as_str));
    Table {
        caption: "Permissions".to_owned(),
        heads: heads(&titles),
        rows: rows.collect(),
        empty: "There is no user.".to_owned(),
        ..Table::default()
    }
}

/// A permission in few words.
fn short(permission: &Value) -> String {
    let rights = [("configure", "configure"), ("write", "write"), ("read", "read")];
    let patterns = rights.map(|(right, _)| text(permission, right));
    match patterns {
        [".*", ".*", ".*"] => return "everything".to_owned(),
        ["" | "^$", "" | "^$", "" | "^$"] => return "may connect".to_owned(),
        _ => {}
    }
    let parts = rights.iter().zip(patterns).filter_map(|((_, word), pattern)| match pattern {
        "" | "^$" => None,
        ".*" => Some((*word).to_owned()),
        pattern => Some(format!("{word} {pattern}")),
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// The tester, and its answer if it was asked.
async fn tester(
    visit: &Visit,
    users: &[String],
    frame: &Frame,
) -> Result<Section, warren_admin::inner::Refusal> {
    let query = &visit.query;
    let options = |names: &[String]| {
        names.iter().map(|name| (name.clone(), name.clone())).collect::<Vec<_>>()
    };
    let host = if query.has("vhost") { query.get("vhost") } else { frame.first_virtual_host() };
    let form = Form::new("/permissions", "Find out")
        .with(Field::choice("user", "User", options(users), query.get("user")))
        .with(Field::choice("vhost", "Virtual host", options(&frame.virtual_hosts), host))
        .with(
            Field::text("name", "Queue or exchange", query.get("name"))
                .required()
                .help("It need not be there"),
        )
        .with(
            Field::text("routing_key", "Routing key", query.get("routing_key"))
                .help("Only for exchanges of type topic"),
        )
        .question()
        .inline()
        .named("test");
    let section = Section::new("May a user do something?").form(form);
    if !query.has("user") || !query.has("name") {
        return Ok(section);
    }
    let path = links::path(["permissions", query.get("vhost"), query.get("user"), "check"]);
    let pairs = ["name", "routing_key"].map(|name| (name, query.get(name)));
    let asked = links::query(pairs.into_iter().filter(|(_, value)| !value.is_empty()));
    let answer = match visit.get(&format!("/api{path}{asked}")).await {
        Ok(answer) => answer,
        Err(refusal) => return Ok(section.hint(Tone::Bad, crate::error::explain(&refusal))),
    };
    Ok(if is_true(&answer, "has_permissions") {
        section.facts(answers(&answer))
    } else {
        let (user, host) = (query.get("user"), query.get("vhost"));
        section.hint(Tone::Bad, format!("No: {user} may not open the virtual host {host} at all."))
    })
}

fn answers(answer: &Value) -> Vec<(&'static str, Cell)> {
    let rights = [
        ("configure", "Declare and delete it (configure)"),
        ("write", "Put messages in (write)"),
        ("read", "Take messages out (read)"),
        ("publish_with_key", "Publish with the routing key"),
        ("bind_with_key", "Bind with the routing key"),
    ];
    let known = rights.into_iter().filter_map(|(member, words)| {
        let tag = match at(answer, member).as_bool()? {
            true => Tag::new("yes", "", Tone::Good),
            false => Tag::new("no", "", Tone::Bad),
        };
        Some((words, Cell::Tags(vec![tag])))
    });
    known.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn permissions_are_told_in_few_words() {
        let words = |configure: &str, write: &str, read: &str| {
            short(&json!({"configure": configure, "write": write, "read": read}))
        };
        assert_eq!(words(".*", ".*", ".*"), "everything");
        assert_eq!(words("", "^$", ""), "may connect");
        assert_eq!(words("", "^orders", ".*"), "write ^orders, read");
    }
}
