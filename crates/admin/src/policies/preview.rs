//! What a policy would hold for, before it is made.

use std::sync::Arc;
use std::time::Instant;

use schemars::JsonSchema;
use serde::Serialize;
use warren_engine::{AppliedPolicies, Policies};
use warren_server::catalog::Policy;
use warren_server::view::View;

use super::PutPolicy;
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::change::refused;
use crate::error::Error;
use crate::limits;

/// What a policy would hold for.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct PreviewObject {
    /// Queues that it would hold for.
    queues: usize,
    /// Exchanges that it would hold for.
    exchanges: usize,
    /// Queues and exchanges that it is for, and for which another policy would win.
    outranked: usize,
    /// Some of them, those first that it would hold for.
    items: Vec<PreviewedObject>,
    /// All names were looked at. Not if that takes too long.
    is_complete: bool,
}

/// A queue or an exchange that a policy is for.
#[derive(Debug, Serialize, JsonSchema)]
struct PreviewedObject {
    name: String,
    /// `queue` or `exchange`.
    kind: &'static str,
    /// The type of the queue or exchange.
    r#type: &'static str,
    /// The policy would hold for it.
    holds: bool,
    /// The policy that would win, if it is another one.
    winner: Option<String>,
    /// The policy that holds for it now.
    now: Option<String>,
}

/// The policies of a virtual host with the new one, and the new one alone.
struct Rehearsal {
    all: Arc<Policies>,
    alone: Policies,
    policy: Policy,
}

impl Rehearsal {
    fn name_of(&self, applied: &AppliedPolicies) -> Option<String> {
        let name = if self.policy.operator { applied.operator_policy() } else { applied.policy() };
        name.map(str::to_owned)
    }

    /// Of something that the policy is for, which one would win.
    fn judge(&self, alone: &AppliedPolicies, all: impl FnOnce() -> AppliedPolicies) -> Verdict {
        if alone.is_empty() {
            return Verdict::NotForIt;
        }
        match self.name_of(&all()) {
            Some(name) if name != self.policy.name => Verdict::Outranked(name),
            _ => Verdict::Holds,
        }
    }

    fn run(&self, view: &View) -> PreviewObject {
        let (begun, host) = (Instant::now(), self.policy.virtual_host.as_str());
        let mut preview = PreviewObject { is_complete: true, ..PreviewObject::default() };
        let mut outranked = vec![];
        for queue in view.queues(Some(host)).items {
            let (name, kind) = (queue.name(), queue.description.kind);
            let alone = self.alone.of_queue(name, kind);
            let verdict = self.judge(&alone, || self.all.of_queue(name, kind));
            let now = self.name_of(&queue.description.policies);
            let object = (name.to_owned(), "queue", kind.name(), now);
            preview.add(object, verdict, &mut outranked);
            if begun.elapsed() > limits::PREVIEW_TIME {
                preview.is_complete = false;
                break;
            }
        }
        for exchange in view.exchanges(Some(host)).items {
            let (name, kind) = (exchange.record.name.as_str(), exchange.record.kind);
            // Policies do not hold for the default exchange.
            if name.is_empty() {
                continue;
            }
            let alone = self.alone.of_exchange(name);
            let verdict = self.judge(&alone, || self.all.of_exchange(name));
            let now = self.name_of(&exchange.policies);
            preview.add((name.to_owned(), "exchange", kind.name(), now), verdict, &mut outranked);
            if begun.elapsed() > limits::PREVIEW_TIME {
                preview.is_complete = false;
                break;
            }
        }
        let room = limits::PREVIEW_OBJECTS - preview.items.len();
        preview.items.extend(outranked.into_iter().take(room));
        preview
    }
}

enum Verdict {
    NotForIt,
    Holds,
    Outranked(String),
}

impl PreviewObject {
    fn add(
        &mut self,
        (name, kind, r#type, now): (String, &'static str, &'static str, Option<String>),
        verdict: Verdict,
        outranked: &mut Vec<PreviewedObject>,
    ) {
        let (holds, winner) = match verdict {
            Verdict::NotForIt => return,
            Verdict::Holds => (true, None),
            Verdict::Outranked(winner) => (false, Some(winner)),
        };
        let (count, list) = match (holds, kind) {
            (false, _) => (&mut self.outranked, outranked),
            (true, "queue") => (&mut self.queues, &mut self.items),
            (true, _) => (&mut self.exchanges, &mut self.items),
        };
        *count += 1;
        if list.len() < limits::PREVIEW_OBJECTS {
            list.push(PreviewedObject { name, kind, r#type, holds, winner, now });
        }
    }
}

async fn answer(mut call: Call, operator: bool) -> Answer {
    call.virtual_host_to_change()?;
    let body: PutPolicy = call.json().await?;
    let policy = body.policy(call.path("vhost"), call.path("name"), operator)?;
    let catalog = call.api.management.catalog();
    let (all, alone) = catalog.rehearse_policy(&policy).map_err(refused)?;
    let view = call.api.view().await;
    let rehearsal = Rehearsal { all, alone, policy };
    let preview = tokio::task::spawn_blocking(move || rehearsal.run(&view)).await;
    answer::ok(&preview.map_err(|error| Error::Internal(error.to_string()))?)
}

pub(crate) async fn post(call: Call) -> Answer {
    answer(call, false).await
}

pub(crate) async fn post_of_operator(call: Call) -> Answer {
    answer(call, true).await
}

#[cfg(test)]
mod tests {
    use axum::http::{Method, StatusCode};
    use serde_json::json;

    use crate::testing::Fixture;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_preview_tells_what_a_policy_would_hold_for_and_what_wins_over_it() {
        let fixture = Fixture::new().await;
        for queue in ["orders", "orders.eu", "mail"] {
            fixture.ask(Method::PUT, &format!("/api/queues/%2F/{queue}"), "{}").await;
        }
        let winner = json!({"pattern": "eu$", "definition": {"max-length": 5}, "priority": 9});
        fixture.ask(Method::PUT, "/api/policies/%2F/eu", &winner.to_string()).await;
        let send = async |name: &str, body: &str| {
            let path = format!("/api/{name}/preview");
            fixture.send(Method::POST, &path, Some("guest"), &[], body.to_owned()).await
        };
        let body = json!({"pattern": "^orders", "definition": {"max-length": 7}}).to_string();
        let preview = send("policies/%2F/new", &body).await.json();
        assert_eq!((&preview["queues"], &preview["exchanges"]), (&json!(1), &json!(0)));
        assert_eq!(preview["outranked"], 1);
        assert_eq!(preview["items"][0]["name"], "orders");
        assert_eq!(preview["items"][1]["winner"], "eu");
        assert_eq!(preview["items"][1]["now"], "eu");
        // Operators' policies do not compete with those of users.
        let operator = send("operator-policies/%2F/new", &body).await.json();
        assert_eq!((&operator["queues"], &operator["outranked"]), (&json!(2), &json!(0)));
        // Changing the winner so that it is no longer for them is no preview of itself.
        let other = json!({"pattern": "^mail", "definition": {"max-length": 5}}).to_string();
        let preview = send("policies/%2F/eu", &other).await.json();
        assert_eq!((&preview["queues"], &preview["outranked"]), (&json!(1), &json!(0)));
        let wrong = send("policies/%2F/new", "{\"pattern\": \"(\", \"definition\": {}}").await;
        assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
        assert_eq!(
            fixture.ask(Method::GET, "/api/policies/%2F/new", "").await.status,
            StatusCode::NOT_FOUND
        );
        fixture.stop().await;
    }
}
