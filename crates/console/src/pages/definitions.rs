//! Definitions: saved as a file, and read from one; first it is told what would become of each object.

mod report;

use std::sync::Arc;

use axum::http::{HeaderValue, Method, StatusCode, header};
use serde_json::Value;

use super::Routes;
use crate::cell::Tone;
use crate::error::{Error, explain};
use crate::form::{Field, Form};
use crate::frame::Frame;
use crate::links;
use crate::reply::{Reply, done};
use crate::sheet::{Part, Section, Sheet};
use crate::value::text;
use crate::visit::Visit;

pub(crate) fn add(routes: Routes) -> Routes {
    routes
        .get("/definitions", show)
        .get("/definitions/export", export)
        .post("/definitions/import", import)
}

async fn show(visit: Arc<Visit>) -> Reply {
    page(&visit, None).await
}

async fn page(visit: &Visit, error: Option<&Error>) -> Reply {
    let frame = Frame::new(visit, "Definitions").await?;
    let hosts = frame.virtual_hosts.clone();
    let file = |label: String, path: String| (label, path, true);
    let mut links = vec![file("All definitions".to_owned(), "/definitions/export".to_owned())];
    links.extend(hosts.iter().map(|host| {
        let query = links::query([("vhost", host.as_str())]);
        file(format!("Of {host}"), format!("/definitions/export{query}"))
    }));
    let save = Section::new("Save")
        .text(
            "A file in RabbitMQ's format of all users, virtual hosts, permissions, policies, \
             exchanges, queues and bindings. Messages are not in it. Passwords are in it as salted \
             hashes, which can be guessed at: keep it like a secret.",
        )
        .with(Part::Links(links));
    let read = Section::new("Read")
        .text(
            "A file that Warren or RabbitMQ wrote. First you see what would become of each object; \
             nothing is changed before you say so. What the file does not name stays as it is.",
        )
        .form(import_form(&hosts, visit, error));
    Sheet::new(frame).with(save).with(read).answer_with(error.map_or(StatusCode::OK, Error::status))
}

fn import_form(hosts: &[String], visit: &Visit, error: Option<&Error>) -> Form {
    let everywhere = [(String::new(), "where the file says".to_owned())];
    let hosts = hosts.iter().map(|host| (host.clone(), format!("everything into {host}")));
    let filled = &visit.form;
    // What was chosen as a file cannot be shown in its field again.
    let typed = if filled.has("text") { filled.get("text") } else { filled.get("file") };
    Form::new("/definitions/import", "Look at what it would do")
        .with(Field::file("file", "File"))
        .with(Field::lines("text", "Or its text", typed))
        .with(
            Field::choice(
                "vhost",
                "Where to",
                everywhere.into_iter().chain(hosts).collect::<Vec<_>>(),
                filled.get("vhost"),
            )
            .help(
                "Into one virtual host go its policies, exchanges, queues and bindings, not users.",
            ),
        )
        .long()
        .refused(error.map(Error::text))
}

/// The file, to be saved.
async fn export(visit: Arc<Visit>) -> Reply {
    let host = visit.query.get("vhost");
    let (api, name) = if host.is_empty() {
        ("/api/definitions".to_owned(), "definitions.json".to_owned())
    } else {
        (format!("/api/definitions{}", links::path([host])), file_name(host))
    };
    let mut response = visit.visitor.answer(Method::GET, &api, &[], None).await?;
    if response.status() == StatusCode::OK {
        let text = format!("attachment; filename=\"{name}\"");
        let value = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("attachment"));
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
        return Ok(response);
    }
    // The reason is told as on other pages.
    visit.get(&api).await?;
    Err(Error::NotFound)
}

/// A name for the file of a virtual host: letters and digits alone.
fn file_name(host: &str) -> String {
    let plain: String =
        host.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    let plain = plain.trim_matches('_');
    if plain.is_empty() {
        "definitions-vhost.json".to_owned()
    } else {
        format!("definitions-{plain}.json")
    }
}

/// Looks at what a file would do, or does it.
async fn import(visit: Arc<Visit>) -> Reply {
    let filled = &visit.form;
    let typed = if filled.has("file") { filled.get("file") } else { filled.get("text") };
    if typed.trim().is_empty() {
        let error = Error::wrong("Please choose a file, or put its text into the field.");
        return page(&visit, Some(&error)).await;
    }
    let file: Value = match serde_json::from_str(typed.trim_start_matches('\u{feff}')) {
        Ok(file @ Value::Object(_)) => file,
        Ok(_) => {
            let error = Error::wrong("The file is JSON, but no definitions: it is no object.");
            return page(&visit, Some(&error)).await;
        }
        Err(error) => {
            let error = Error::wrong(format!("The file is no JSON: {error}."));
            return page(&visit, Some(&error)).await;
        }
    };
    let host = filled.get("vhost");
    let api = match host {
        "" => "/api/definitions".to_owned(),
        host => format!("/api/definitions{}", links::path([host])),
    };
    let is_meant = filled.has("apply");
    let wish = if is_meant { "report=true" } else { "dry_run=true" };
    let answer = match visit.post(&format!("{api}?{wish}"), &file).await {
        Ok(report) => report,
        // Some objects were refused; what became of the others is told as well.
        Err(refusal) if refusal.body.get("objects").is_some() => refusal.body,
        Err(refusal) => return page(&visit, Some(&Error::from(refusal))).await,
    };
    if is_meant && crate::value::number(&answer, "failed") == Some(0) {
        let text = format!("The definitions are read: {}.", report::words(&answer, true));
        return done(&visit, text, "/definitions");
    }
    report_page(&visit, typed, host, &answer, is_meant).await
}

async fn report_page(
    visit: &Visit,
    typed: &str,
    host: &str,
    answer: &Value,
    is_done: bool,
) -> Reply {
    let title = if is_done { "What became of it" } else { "What it would do" };
    let frame = Frame::new(visit, title).await?.below("Definitions", "/definitions");
    let words = report::words(answer, is_done);
    let mut section = Section::new("In short").text(format!("{words}."));
    if report::has_problems(answer) {
        let text = if is_done {
            "Some objects were refused. The others are there now; the reasons stand below."
        } else {
            "Some objects would not become what the file says. The others are not kept from it."
        };
        section = section.hint(Tone::Warning, text);
    }
    if !is_done {
        let form = Form::new("/definitions/import", "Do it")
            .with(Field::hidden("text", typed))
            .with(Field::hidden("vhost", host))
            .with(Field::hidden("apply", "true"))
            .long()
            .back("/definitions");
        section = section.form(form);
    }
    Sheet::new(frame)
        .with(section)
        .with(report::section(answer, is_done))
        .answer_with(StatusCode::OK)
}

/// A refusal in words, where the API has no report.
pub(super) fn reason(entry: &Value) -> String {
    let refusal = warren_admin::inner::Refusal {
        status: StatusCode::BAD_REQUEST,
        reason: text(entry, "reason").to_owned(),
        body: Value::Null,
    };
    explain(&refusal)
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn files_have_names_that_systems_take() {
        assert_eq!(file_name("/"), "definitions-vhost.json");
        assert_eq!(file_name("eu/orders \"x\""), "definitions-eu_orders__x.json");
    }
}
