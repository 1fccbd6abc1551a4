//! A virtual host as a picture: which exchanges lead to which queues, and who consumes from them; and
//! the same as a table.

mod collect;
mod draw;
mod fold;
mod graph;
mod layout;
mod order;

use std::sync::Arc;

use askama::Template;

use super::Routes;
use crate::cell::Cell;
use crate::form::{Field, Form};
use crate::format::grouped;
use crate::frame::Frame;
use crate::reply::{Reply, page};
use crate::table::{Head, Row, Table};
use crate::visit::Visit;
use graph::{Edge, Graph, Kind, Node};

pub(crate) fn add(routes: Routes) -> Routes {
    routes.get("/topology", show)
}

/// Ways that the table lists.
const LISTED: usize = 1_000;

#[derive(Template)]
#[template(path = "console/topology.html")]
struct TopologyPage {
    frame: Frame,
    form: Form,
    /// What is shown, in words.
    count: String,
    is_folded: bool,
    /// Why there is no picture; else empty.
    nothing: &'static str,
    svg: String,
    table: Table,
    /// Ways that are not in the table.
    unlisted: usize,
}

/// What somebody wants to see.
struct Wish {
    host: String,
    name: String,
    /// Nodes that no way leads from or to.
    has_unbound: bool,
    /// The default exchange, which leads to every queue.
    has_default: bool,
}

async fn show(visit: Arc<Visit>) -> Reply {
    let frame = Frame::new(&visit, "Topology").await?;
    let wish = Wish::read(&visit, &frame);
    let told = collect::ask(&visit, &wish.host).await?;
    let made = {
        let (host, has_default) = (wish.host.clone(), wish.has_default);
        let (name, has_unbound) = (wish.name.clone(), wish.has_unbound);
        // Of a large virtual host it is some work.
        tokio::task::spawn_blocking(move || {
            make(collect::graph(&told, &host, has_default), &host, &name, has_unbound)
        })
    };
    let made = made.await.map_err(|error| crate::error::Error::Internal(error.to_string()))?;
    let nothing = match (made.graph.nodes.is_empty(), wish.name.is_empty()) {
        (false, _) => "",
        (true, false) => "No exchange, queue or connection is called so.",
        (true, true) => {
            "No exchange leads to a queue here, and nobody consumes. Bind a queue to an exchange, \
             or show what is not bound, too."
        }
    };
    page(&TopologyPage {
        form: wish.form(&frame),
        count: count_text(&made.graph),
        is_folded: made.is_folded,
        nothing,
        table: table(&made.graph),
        unlisted: made.graph.edges.len().saturating_sub(LISTED),
        svg: made.svg,
        frame,
    })
}

impl Wish {
    fn read(visit: &Visit, frame: &Frame) -> Self {
        let host = match visit.query.get("vhost") {
            "" => frame.first_virtual_host(),
            host => host,
        };
        Self {
            host: host.to_owned(),
            name: visit.query.get("q").trim().to_owned(),
            has_unbound: visit.query.has("unbound"),
            has_default: visit.query.has("default"),
        }
    }

    fn form(&self, frame: &Frame) -> Form {
        let hosts = frame.virtual_hosts.iter().map(|name| (name.clone(), name.clone()));
        let mut form = Form::new("/topology", "Show").question().inline();
        if frame.virtual_hosts.len() > 1 {
            form = form.with(Field::choice("vhost", "Virtual host", hosts, self.host.as_str()));
        }
        form.with(Field::text("q", "Around the name", self.name.as_str()))
            .with(Field::check("unbound", "What is not bound, too", self.has_unbound))
            .with(Field::check("default", "The default exchange", self.has_default))
    }
}

/// A graph as it is shown.
struct Made {
    graph: Graph,
    is_folded: bool,
    svg: String,
}

fn make(mut graph: Graph, host: &str, name: &str, has_unbound: bool) -> Made {
    if !name.is_empty() {
        graph.keep(&graph.around(name));
    }
    if !has_unbound && name.is_empty() {
        graph.keep(&graph.connected());
    }
    let is_folded = fold::fold(&mut graph, host);
    graph.join();
    let svg = if graph.nodes.is_empty() { String::new() } else { draw::picture(&graph) };
    Made { graph, is_folded, svg }
}

fn count_text(graph: &Graph) -> String {
    let count = |kind: Kind, one: &str, many: &str| {
        let of_kind = graph.nodes.iter().filter(|node| node.kind == kind);
        match of_kind.map(|node| node.count).sum::<u64>() {
            1 => format!("1 {one}"),
            count => format!("{} {many}", grouped(count)),
        }
    };
    format!(
        "{}, {}, {}",
        count(Kind::Exchange, "exchange", "exchanges"),
        count(Kind::Queue, "queue", "queues"),
        count(Kind::Consumers, "connection that consumes", "connections that consume")
    )
}

/// All ways as a table: from, by what, to.
fn table(graph: &Graph) -> Table {
    let heads =
        [("From", false), ("How", false), ("Key", false), ("To", false), ("Waiting there", true)];
    let head = |(title, is_number): (&str, bool)| Head {
        title: title.to_owned(),
        is_number,
        ..Head::default()
    };
    let row = |edge: &Edge| {
        let (from, to) = (&graph.nodes[edge.from], &graph.nodes[edge.to]);
        let link = |node: &Node| Cell::link(draw::shown(node), node.href.as_str());
        let keys = edge.keys.join(", ");
        let waiting = (to.kind == Kind::Queue).then_some(to.depth);
        let cells = vec![
            link(from),
            Cell::text(edge.way.words()),
            if keys.is_empty() { Cell::Nothing } else { Cell::Code(keys) },
            link(to),
            Cell::count(waiting),
        ];
        let key = format!("{} {} {}", from.href, edge.way.class(), to.href);
        Row { key, name: draw::shown(from).to_owned(), cells, buttons: vec![] }
    };
    Table {
        caption: "Ways of messages".to_owned(),
        heads: heads.into_iter().map(head).collect(),
        rows: graph.edges.iter().take(LISTED).map(row).collect(),
        empty: "Nothing leads to anything else.".to_owned(),
        is_choice: false,
    }
}
