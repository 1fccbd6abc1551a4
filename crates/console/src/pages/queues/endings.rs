//! What changes a queue as a whole: pausing it, purging it, deleting it.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::chosen::{KEEP, keep_field};
use super::head::{Head, api, named, queue};
use crate::confirm::Confirm;
use crate::error::Error;
use crate::form::{Field, Form};
use crate::limits;
use crate::links;
use crate::notices::Notice;
use crate::pages::Routes;
use crate::pages::trash::{self, messages, wait_for};
use crate::reply::{Reply, done, go_to};
use crate::value::{items, number, text};
use crate::visit::Visit;

pub(super) fn add(routes: Routes) -> Routes {
    routes
        .post("/queues/{vhost}/{name}/pause", pause)
        .post("/queues/{vhost}/{name}/resume", resume)
        .get("/queues/{vhost}/{name}/purge", ask_purge)
        .post("/queues/{vhost}/{name}/purge", purge)
        .get("/queues/{vhost}/{name}/delete", ask_delete)
        .post("/queues/{vhost}/{name}/delete", delete)
}

async fn pause(visit: Arc<Visit>) -> Reply {
    set_paused(&visit, "pause", "Paused: consumers get nothing until it is resumed.").await
}

async fn resume(visit: Arc<Visit>) -> Reply {
    set_paused(&visit, "resume", "Resumed: consumers get messages again.").await
}

async fn set_paused(visit: &Visit, what: &str, text: &str) -> Reply {
    let (virtual_host, name) = named(visit);
    visit.put(&format!("{}/{what}", api(virtual_host, name)), &json!({})).await?;
    done(visit, text, &links::queue(virtual_host, name))
}

async fn ask_purge(visit: Arc<Visit>) -> Reply {
    purge_page(&visit, None).await
}

async fn purge_page(visit: &Visit, error: Option<Error>) -> Reply {
    let queue = queue(visit, "").await?;
    let head = Head::of(&queue, "");
    let ready = number(&queue, "messages_ready").unwrap_or(0);
    let held = number(&queue, "messages_unacknowledged").unwrap_or(0);
    let mut text = vec![match ready {
        0 => "No message waits at this moment: there is nothing to purge.".to_owned(),
        1 => "1 message that waits is taken out of the queue.".to_owned(),
        ready => format!("{} that wait are taken out of the queue.", messages(ready)),
    }];
    if held > 0 {
        text.push(format!(
            "{} that consumers have stay with them; what they reject comes back.",
            messages(held)
        ));
    }
    let form = Form::new(format!("{}/purge", head.path), "Purge")
        .with(keep_field(ready, visit.form.get("undo")))
        .back(&*head.path)
        .refused(error.as_ref().map(Error::text));
    let frame = head.frame_below(visit, &format!("Purge {}?", head.name)).await?;
    let status = error.as_ref().map_or(StatusCode::OK, Error::status);
    Confirm::new(frame, text, form).page_with(status)
}

async fn purge(visit: Arc<Visit>) -> Reply {
    let (virtual_host, name) = named(&visit);
    let purged = match visit.form.get("undo") {
        KEEP => purge_to_trash(&visit, virtual_host, name).await,
        _ => {
            let contents = format!("{}/contents", api(virtual_host, name));
            match visit.delete(&contents).await {
                Ok(_) => done(&visit, "Purged.", &links::queue(virtual_host, name)),
                Err(refusal) => Err(refusal.into()),
            }
        }
    };
    match purged {
        Ok(response) => Ok(response),
        Err(error) => purge_page(&visit, Some(error)).await,
    }
}

async fn purge_to_trash(visit: &Visit, virtual_host: &str, name: &str) -> Reply {
    let bin = trash::bin(visit, virtual_host, name).await?;
    let job = bin.take(visit, name, &json!({})).await?;
    let job = wait_for(visit, job, limits::JOB_PATIENCE).await?;
    let count = messages(number(&job, "done").unwrap_or(0));
    let page = format!("/jobs/{}", number(&job, "id").unwrap_or(0));
    match text(&job, "state") {
        "running" => {
            let text = "It is being purged. What is taken out is kept for ten minutes.";
            Ok(go_to(&bin.tell(visit, text, &page)))
        }
        "done" => {
            let text = format!("Purged: {count}. For ten minutes they are kept.");
            Ok(go_to(&bin.tell(visit, text, &links::queue(virtual_host, name))))
        }
        _ => {
            let reason = text(&job, "reason");
            visit.tell(Notice::error(format!("Not all was purged, but {count}. {reason}")));
            Ok(go_to(&page))
        }
    }
}

async fn ask_delete(visit: Arc<Visit>) -> Reply {
    delete_page(&visit, None).await
}

async fn delete_page(visit: &Visit, error: Option<Error>) -> Reply {
    let queue = queue(visit, "").await?;
    let head = Head::of(&queue, "");
    let path = format!("{}/bindings?columns=source", api(&head.virtual_host, &head.name));
    let bindings = visit.get(&path).await?;
    let bindings = items(&bindings, "").iter().filter(|it| !text(it, "source").is_empty()).count();
    let was_sent = error.is_some();
    let check =
        |name: &str, label: &str| Field::check(name, label, was_sent && visit.form.has(name));
    let form = Form::new(format!("{}/delete", head.path), "Delete the queue")
        .with(check("if_empty", "Only if no message waits in it by then"))
        .with(check("if_unused", "Only if it has no consumer by then"))
        .back(&*head.path)
        .refused(error.as_ref().map(Error::text));
    let frame = head.frame_below(visit, &format!("Delete {}?", head.name)).await?;
    let status = error.as_ref().map_or(StatusCode::OK, Error::status);
    Confirm::new(frame, losses(&queue, bindings), form).page_with(status)
}

/// What goes with a queue.
fn losses(queue: &Value, bindings: usize) -> Vec<String> {
    let count = |member| number(queue, member).unwrap_or(0);
    let (ready, held) = (count("messages_ready"), count("messages_unacknowledged"));
    let mut text = vec![match (ready, held) {
        (0, 0) => "No message is in it at this moment.".to_owned(),
        (ready, 0) => format!("{} that wait.", messages(ready)),
        (0, held) => format!("{} that consumers have: they cannot come back.", messages(held)),
        (ready, held) => format!(
            "{} that wait, and {} that consumers have and that cannot come back.",
            messages(ready),
            messages(held)
        ),
    }];
    match count("consumers") {
        0 => {}
        1 => text.push("1 consumer, which is told that the queue is gone.".to_owned()),
        many => text.push(format!("{many} consumers, which are told that the queue is gone.")),
    }
    match bindings {
        0 => {}
        1 => text.push("The binding that leads messages to it.".to_owned()),
        many => text.push(format!("The {many} bindings that lead messages to it.")),
    }
    text.push("This cannot be undone.".to_owned());
    text
}

async fn delete(visit: Arc<Visit>) -> Reply {
    let (virtual_host, name) = named(&visit);
    let conditions = [("if-empty", "if_empty"), ("if-unused", "if_unused")];
    let conditions = conditions.into_iter().filter(|(_, field)| visit.form.has(field));
    let query = links::query(conditions.map(|(parameter, _)| (parameter, "true")));
    match visit.delete(&format!("{}{query}", api(virtual_host, name))).await {
        Ok(_) => done(&visit, format!("The queue {name} is deleted."), "/queues"),
        Err(refusal) => delete_page(&visit, Some(refusal.into())).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_with_a_queue_is_told_before_it_goes() {
        let queue = json!({"messages_ready": 1200, "messages_unacknowledged": 1, "consumers": 2});
        assert_eq!(
            losses(&queue, 1),
            [
                "1,200 messages that wait, and 1 message that consumers have and that cannot come \
                 back.",
                "2 consumers, which are told that the queue is gone.",
                "The binding that leads messages to it.",
                "This cannot be undone.",
            ]
        );
        assert_eq!(losses(&json!({}), 0).len(), 2);
    }
}
