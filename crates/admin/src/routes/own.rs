//! Routes that RabbitMQ does not have: about rules and the broker itself.

use super::Parameters::One;
use super::Route;
use super::table::{get, post};
use crate::authorize::Right::{Administrator, Monitoring, Policymaker};
use crate::permissions::check;
use crate::policies::{self, preview};
use crate::{configuration, logs, memory, without_effect};

/// All of them.
pub(super) fn routes() -> Vec<Route> {
    vec![
        post(
            "/api/policies/{vhost}/{name}/preview",
            Policymaker,
            "What a policy would hold for, without making it",
            preview::post,
        )
        .takes::<policies::PutPolicy>()
        .gives::<preview::PreviewObject>(),
        post(
            "/api/operator-policies/{vhost}/{name}/preview",
            Administrator,
            "What an operator policy would hold for",
            preview::post_of_operator,
        )
        .takes::<policies::PutPolicy>()
        .gives::<preview::PreviewObject>(),
        get(
            "/api/permissions/{vhost}/{user}/check",
            Administrator,
            "What a user may do with a name",
            check::get,
        )
        .with(&[
            One("name", "the queue or exchange, which need not be there"),
            One("routing_key", "a routing key, if it is an exchange of type topic"),
        ])
        .gives::<check::CheckObject>(),
        get(
            "/api/arguments-without-effect",
            Monitoring,
            "Arguments and settings that mean nothing here",
            without_effect::get,
        )
        .gives::<Vec<without_effect::WithoutEffect>>(),
        get("/api/memory", Monitoring, "What the memory consists of", memory::get)
            .gives::<memory::MemoryObject>(),
        get("/api/logs", Administrator, "The last lines of the log, the newest first", logs::get)
            .with(&[
                One("level", "error, warn, info or debug: lines that matter as much, or more"),
                One("text", "only lines with this in them"),
                One("count", "how many lines"),
                One("below", "only lines with lower numbers, as the page before says"),
            ])
            .gives::<logs::Page>(),
        get(
            "/api/configuration",
            Administrator,
            "The configuration in effect, without secrets",
            configuration::get,
        ),
    ]
}
