//! Closing connections: one of them, or several that were chosen in the list.

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use tokio::task::JoinSet;
use warren_admin::inner::Refusal;

use super::path;
use crate::bulk::Outcome;
use crate::confirm::Confirm;
use crate::form::{Field, Form};
use crate::frame::Frame;
use crate::limits;
use crate::links::encode;
use crate::notices::Notice;
use crate::reply::{Reply, done, go_to};
use crate::value::{number, text};
use crate::visit::Visit;

/// What a client is told if nobody says otherwise.
const REASON: &str = "Closed by an administrator";

const CONSEQUENCES: &str = "What its consumers did not acknowledge goes back to the queues and is \
     delivered again. Exclusive queues of the connection are deleted with their messages. Most \
     clients connect anew by themselves.";

/// The question before one is closed.
pub(super) async fn ask(visit: Arc<Visit>) -> Reply {
    let name = visit.path("name");
    let columns = "columns=name,user,vhost,channels,user_provided_name";
    let connection = visit.get(&format!("/api/connections/{}?{columns}", encode(name))).await?;
    let frame = Frame::new(&visit, "Close this connection?").await?;
    let frame = frame.below("Connections", "/connections").below(super::peer(name), path(name));
    let given = text(&connection, "user_provided_name");
    let given =
        if given.is_empty() { String::new() } else { format!(" (\u{201c}{given}\u{201d})") };
    let what = format!(
        "The connection {name}{given} of the user {} is closed, with its {}.",
        text(&connection, "user"),
        channels(number(&connection, "channels").unwrap_or(0)),
    );
    let form = Form::new(format!("{}/close", path(name)), "Close the connection");
    let form = form.with(reason_field()).back(path(name));
    Confirm::new(frame, vec![what, CONSEQUENCES.to_owned()], form).page()
}

fn channels(count: u64) -> String {
    if count == 1 { "channel".to_owned() } else { format!("{count} channels") }
}

fn reason_field() -> Field {
    let help = "The client is told so, as the reason of the close.";
    Field::text("reason", "Reason", REASON).help(help)
}

/// Closes one.
pub(super) async fn one(visit: Arc<Visit>) -> Reply {
    let name = visit.path("name");
    close(&visit, name).await?;
    let told = match visit.get(&format!("/api/connections/{}?columns=state", encode(name))).await {
        Err(refusal) if refusal.status == StatusCode::NOT_FOUND => {
            format!("The connection {name} is closed.")
        }
        _ => format!("The connection {name} is being closed; its client has not confirmed it yet."),
    };
    done(&visit, told, "/connections")
}

async fn close(visit: &Visit, name: &str) -> Result<(), Refusal> {
    let reason = visit.form.get("reason").trim();
    let reason = if reason.is_empty() { REASON } else { reason };
    // Heads of requests hold letters of ASCII alone.
    let reason: String =
        reason.chars().map(|c| if c.is_ascii_graphic() { c } else { ' ' }).collect();
    let path = format!("/api/connections/{}", encode(name));
    let closed = visit.visitor.send(Method::DELETE, &path, &[("x-reason", &reason)], None).await;
    closed.map(|_| ())
}

/// Asks whether the chosen ones are to be closed, and closes them when that was confirmed.
pub(super) async fn several(visit: Arc<Visit>) -> Reply {
    let chosen: Vec<&str> = visit.form.all("row").collect();
    if chosen.is_empty() {
        visit.tell(Notice::error("No connection was chosen. Tick those that are meant."));
        return Ok(go_to("/connections"));
    }
    if visit.form.has("confirmed") {
        return close_all(&visit, &chosen).await;
    }
    let count = chosen.len();
    let what = if count == 1 { "1 connection".to_owned() } else { format!("{count} connections") };
    let frame = Frame::new(&visit, format!("Close {what}?")).await?;
    let frame = frame.below("Connections", "/connections");
    let mut form = Form::new("/connections/bulk", format!("Close {what}")).with(reason_field());
    form = form.with(Field::hidden("action", "close")).with(Field::hidden("confirmed", "true"));
    for name in &chosen {
        form = form.with(Field::hidden("row", *name));
    }
    let names = format!("Closed are: {}.", chosen.join(", "));
    let text = vec![names, CONSEQUENCES.to_owned()];
    Confirm::new(frame, text, form.back("/connections")).page()
}

async fn close_all(visit: &Arc<Visit>, chosen: &[&str]) -> Reply {
    let mut outcome = Outcome::default();
    for some in chosen.chunks(limits::CLOSED_AT_A_TIME) {
        let mut closing = JoinSet::new();
        for name in some {
            let (visit, name) = (Arc::clone(visit), (*name).to_owned());
            closing.spawn(async move { (close(&visit, &name).await, name) });
        }
        for (result, name) in closing.join_all().await {
            match result {
                // It went by itself.
                Err(refusal) if refusal.status == StatusCode::NOT_FOUND => {
                    outcome.add(name, Ok(()));
                }
                result => outcome.add(name, result),
            }
        }
    }
    outcome.tell(visit, ("connection", "connections"), "closed");
    Ok(go_to("/connections"))
}
