//! Virtual hosts: the list, and one of them with its figures, settings, limits and permissions.

mod change;

use std::sync::Arc;

use serde_json::Value;

use super::{Routes, limits, permissions};
use crate::cell::{Cell, Tag, Tone};
use crate::chart::{Chart, Range, Unit};
use crate::form::{Field, Form};
use crate::frame::Frame;
use crate::links;
use crate::list::{self, List};
use crate::reply::Reply;
use crate::sheet::{Part, Section, Sheet};
use crate::table::Column;
use crate::value::{at, is_true, items, number, plain, text};
use crate::visit::Visit;

pub(crate) fn add(routes: Routes) -> Routes {
    routes
        .get("/vhosts", show_all)
        .get("/vhosts/new", change::begin)
        .post("/vhosts/new", change::create)
        .get("/vhosts/{name}", show)
        .post("/vhosts/{name}", change::update)
        .get("/vhosts/{name}/delete", change::ask)
        .post("/vhosts/{name}/delete", change::delete)
}

async fn show_all(visit: Arc<Visit>) -> Reply {
    list::show(&visit, &LIST, visit.administers()).await
}

const LIST: List = List {
    title: "Virtual hosts",
    path: "/vhosts",
    noun: ("virtual host", "virtual hosts"),
    intro: "A virtual host has exchanges, queues, permissions and policies of its own. Clients choose \
            one when they connect.",
    api: "/api/vhosts",
    has_virtual_hosts: false,
    columns: &COLUMNS,
    key: |host| text(host, "name").to_owned(),
    add: Some(("Add a virtual host", "/vhosts/new")),
    bulk: &[],
    empty: "Your user may not see any virtual host. An administrator can give it permissions.",
};

const COLUMNS: [Column; 10] = [
    Column::new("name", "Name", "name", |it| {
        Cell::link(text(it, "name"), links::virtual_host(text(it, "name")))
    }),
    Column::new("description", "Description", "description", |it| Cell::text_at(it, "description")),
    Column::new("tags", "Tags", "tags", tags).unsorted(),
    Column::new("protected", "Protected", "protected_from_deletion", |it| {
        Cell::yes_at(it, "protected_from_deletion")
    })
    .on_wish(),
    Column::new("default_type", "Type of new queues", "default_queue_type", |it| {
        Cell::text(default_type(it))
    })
    .on_wish(),
    Column::new("ready", "Ready", "messages_ready", |it| Cell::count_at(it, "messages_ready"))
        .number()
        .help("Messages that wait"),
    Column::new("unacked", "Unacked", "messages_unacknowledged", |it| {
        Cell::count_at(it, "messages_unacknowledged")
    })
    .number()
    .help("Messages that consumers have and did not acknowledge yet"),
    Column::new("in", "In", "message_stats.publish_details.rate", |it| {
        Cell::rate_at(it, "message_stats.publish_details.rate")
    })
    .number()
    .help("Messages published, a second"),
    Column::new("out", "Out", "message_stats.deliver_get_details.rate", |it| {
        Cell::rate_at(it, "message_stats.deliver_get_details.rate")
    })
    .number()
    .help("Messages delivered or fetched, a second"),
    Column::new("traffic", "From clients", "recv_oct_details.rate", |it| {
        Cell::byte_rate_at(it, "recv_oct_details.rate")
    })
    .number()
    .on_wish()
    .help("Bytes that come from clients, a second"),
];

fn tags(host: &Value) -> Cell {
    let tags: Vec<_> = items(host, "tags").iter().map(|tag| Tag::plain(plain(tag), "")).collect();
    if tags.is_empty() { Cell::Nothing } else { Cell::Tags(tags) }
}

/// The type of new queues, where one is set.
fn default_type(host: &Value) -> &str {
    match text(host, "default_queue_type") {
        "undefined" | "" => "classic",
        kind => kind,
    }
}

async fn show(visit: Arc<Visit>) -> Reply {
    let name = visit.path("name");
    let samples = Range::wanted(&visit).parameters(&["lengths", "msg_rates", "data_rates"]);
    let api = format!("/api{}", links::virtual_host(name));
    let host = visit.get(&format!("{api}?{samples}")).await?;
    let own = links::virtual_host(name);
    let frame = Frame::new(&visit, name).await?.below("Virtual hosts", "/vhosts");
    let mut sheet = Sheet::new(frame).ranges(&visit, 4);
    if visit.administers() {
        sheet = sheet.danger("Delete", format!("{own}/delete"));
    }
    let sheet = sheet
        .live(Section::bare().with(Part::Figures(figures(&visit, &host).await?)))
        .live(Section::bare().charts(charts(&host)))
        .live(Section::new("What it is").facts(facts(&host)).with(links_of(name)));
    if !visit.administers() {
        return sheet.answer();
    }
    let granted = visit.get(&format!("{api}/permissions")).await?;
    let topics = visit.get(&format!("{api}/topic-permissions")).await?;
    let set = visit.get(&format!("/api/vhost-limits{}", links::path([name]))).await?;
    let set = items(&set, "").first().map_or(&Value::Null, |limits| at(limits, "value"));
    let users = permissions::user_names(&visit).await?;
    sheet
        .with(Section::new("Settings").form(settings_form(&host, own.clone()).named("settings")))
        .with(Section::new("Limits").form(limits::host_form(name, set, &own)))
        .with(
            Section::new("Permissions")
                .text("Users who may open this virtual host, and what they may do in it.")
                .table(permissions::of_host(items(&granted, ""), &own))
                .form(permissions::grant_form(Some(users.clone()), None, name, &own)),
        )
        .with(
            Section::new("Topic permissions")
                .text(
                    "Which routing keys users may use at exchanges of type topic. Where none is \
                       set, all keys are allowed.",
                )
                .table(permissions::topics_of_host(items(&topics, ""), &own))
                .form(permissions::topic_form(Some(users), None, name, &own)),
        )
        .answer()
}

async fn figures(
    visit: &Visit,
    host: &Value,
) -> Result<Vec<(&'static str, Cell)>, warren_admin::inner::Refusal> {
    let name = text(host, "name");
    let mut figures = vec![
        ("Messages that wait", Cell::count_at(host, "messages_ready")),
        ("Unacknowledged", Cell::count_at(host, "messages_unacknowledged")),
        ("Published", Cell::rate_at(host, "message_stats.publish_details.rate")),
        ("Delivered", Cell::rate_at(host, "message_stats.deliver_get_details.rate")),
    ];
    let part = links::path([name]);
    let lists = [
        ("Queues", format!("/api/queues{part}")),
        ("Exchanges", format!("/api/exchanges{part}")),
        ("Connections", format!("/api/vhosts{part}/connections")),
    ];
    for (title, list) in lists {
        figures.push((title, Cell::count(count(visit, &list).await?)));
    }
    Ok(figures)
}

/// How many objects a list has, if it may be seen.
async fn count(visit: &Visit, list: &str) -> Result<Option<u64>, warren_admin::inner::Refusal> {
    let path = format!("{list}?page=1&page_size=1&columns=name&disable_stats=true");
    let found = visit.get_if_allowed(&path).await?;
    Ok(found.and_then(|page| number(&page, "total_count")))
}

fn charts(host: &Value) -> Vec<Chart> {
    let lines = [("Ready", "messages_ready"), ("Unacknowledged", "messages_unacknowledged")];
    let rates = [("Published", "publish"), ("Delivered", "deliver_get"), ("Acknowledged", "ack")];
    let bytes = [("From clients", "recv_oct"), ("To clients", "send_oct")];
    vec![
        Chart::new("queued", "Messages in queues", Unit::Count, host, &lines),
        Chart::new("rates", "Messages a second", Unit::Rate, at(host, "message_stats"), &rates),
        Chart::new("bytes", "Bytes a second", Unit::ByteRate, host, &bytes),
    ]
}

fn facts(host: &Value) -> Vec<(&'static str, Cell)> {
    let states = at(host, "cluster_state").as_object();
    let is_running = states.is_some_and(|it| it.values().all(|state| state == "running"));
    let state = if is_running {
        Tag::new("running", "", Tone::Good)
    } else {
        Tag::new("not running", "Some node does not run it", Tone::Bad)
    };
    let protection =
        if is_true(host, "protected_from_deletion") { "yes: it cannot be deleted" } else { "no" };
    vec![
        ("Description", Cell::text_at(host, "description")),
        ("Tags", tags(host)),
        ("State", Cell::Tags(vec![state])),
        ("Type of new queues", Cell::text(default_type(host))),
        ("Protected from deletion", Cell::text(protection)),
    ]
}

/// The lists of what is in it.
fn links_of(name: &str) -> Part {
    let lists = [
        ("Queues", "/queues"),
        ("Exchanges", "/exchanges"),
        ("Bindings", "/bindings"),
        ("Connections", "/connections"),
        ("Policies", "/policies"),
        ("Topology", "/topology"),
    ];
    let link = |(label, path): (&str, &str)| {
        let query = links::query([("vhost", name), ("next", path)]);
        (label.to_owned(), format!("/select-vhost{query}"), false)
    };
    Part::Links(lists.map(link).into())
}

/// The form of what can be set.
fn settings_form(host: &Value, action: String) -> Form {
    let tags: Vec<_> = items(host, "tags").iter().map(plain).collect();
    let kinds = [
        ("classic", "classic: in memory and on disk of this node"),
        ("quorum", "quorum: durable, with a limit of redeliveries"),
        ("stream", "stream: a log that can be read again and again"),
    ];
    Form::new(action, "Save")
        .with(Field::text("description", "Description", text(host, "description")))
        .with(Field::text("tags", "Tags", tags.join(", ")).help("With commas between them."))
        .with(
            Field::choice("default_queue_type", "Type of new queues", kinds, default_type(host))
                .help("For queues whose declaration does not say which type they have."),
        )
        .with(
            Field::check(
                "protected",
                "Protected from deletion",
                is_true(host, "protected_from_deletion"),
            )
            .help("It cannot be deleted until this is taken back."),
        )
}
