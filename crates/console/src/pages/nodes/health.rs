//! Checks of the broker's health, with what they find, in words.

use axum::http::StatusCode;
use warren_admin::inner::Refusal;

use crate::cell::{Cell, Tag, Tone};
use crate::sheet::Section;
use crate::table::{Head, Row, Table};
use crate::visit::Visit;

/// The checks: the path below `/api/health/checks`, what is looked at, and what is well.
const CHECKS: [(&str, &str, &str); 8] = [
    ("is-in-service", "The broker works", "It has not failed and answers."),
    ("alarms", "No alarm", "Memory and disk are enough; publishers are not stopped."),
    ("virtual-hosts", "Virtual hosts", "All of them run and answer."),
    ("ready-to-serve-clients", "Clients", "Clients can be served, and there is room for more."),
    ("below-node-connection-limit", "Room for connections", "The limit is not reached."),
    ("protocol-listener/amqp", "AMQP", "There is a port for AMQP clients."),
    ("metadata-store/initialized/with-data", "Definitions", "They can be read."),
    ("certificate-expiration/4/weeks", "Certificates", "None expires within four weeks."),
];

/// What the checks find.
pub(super) async fn section(visit: &Visit) -> Result<Section, Refusal> {
    let mut rows = vec![];
    let mut ill = 0;
    for (path, title, well) in CHECKS {
        let found = visit.get(&format!("/api/health/checks/{path}")).await;
        let (tag, words) = match found {
            Ok(_) => (Tag::new("well", "", Tone::Good), well.to_owned()),
            Err(refusal) if refusal.status == StatusCode::SERVICE_UNAVAILABLE => {
                ill += 1;
                (Tag::new("not well", "", Tone::Bad), words(&refusal))
            }
            Err(refusal) => return Err(refusal),
        };
        rows.push(Row {
            key: path.to_owned(),
            name: title.to_owned(),
            cells: vec![
                Cell::text(title),
                Cell::Tags(vec![tag]),
                Cell::text(words),
                Cell::Code(format!("/api/health/checks/{path}")),
            ],
            buttons: vec![],
        });
    }
    let heads = ["What", "Is", "That is", "Check"];
    let table = Table {
        caption: "Checks of health".to_owned(),
        heads: heads.map(|title| Head { title: title.to_owned(), ..Head::default() }).into(),
        rows,
        ..Table::default()
    };
    let section = Section::new("Health");
    let section = match ill {
        0 => section.text("All is well."),
        1 => section.hint(Tone::Bad, "One check is not well."),
        ill => section.hint(Tone::Bad, format!("{ill} checks are not well.")),
    };
    Ok(section.table(table))
}

/// Why something is not well.
fn words(refusal: &Refusal) -> String {
    let alarms = refusal.body.get("alarms").and_then(|alarms| alarms.as_array());
    let names = alarms.into_iter().flatten().filter_map(|it| it.get("resource")?.as_str());
    let names: Vec<_> = names.collect();
    if names.is_empty() {
        return format!("{}.", refusal.reason.trim_end_matches('.'));
    }
    format!("An alarm is on: {} is short, and publishers are stopped.", names.join(" and "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn alarms_are_told_by_what_is_short() {
        let refusal = |body| Refusal {
            status: StatusCode::SERVICE_UNAVAILABLE,
            reason: "There is one".to_owned(),
            body,
        };
        let alarms = json!({"alarms": [{"resource": "memory"}, {"resource": "disk"}]});
        assert!(words(&refusal(alarms)).contains("memory and disk"));
        assert_eq!(words(&refusal(json!({}))), "There is one.");
    }
}
