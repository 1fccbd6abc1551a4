//! Routes that RabbitMQ does not have: about messages that wait, and where messages go.

use warren_server::AuditResult::{Created, Deleted, Updated};

use super::Parameters::One;
use super::Route;
use super::table::{delete, get, post, put};
use crate::authorize::Right::{Management, VirtualHost};
use crate::{explain, jobs, leases, waiting};

/// All of them.
pub(super) fn routes() -> Vec<Route> {
    let mut routes = of_messages();
    routes.extend(of_work());
    routes.extend(of_exchanges());
    routes
}

/// What waits in a queue.
fn of_messages() -> Vec<Route> {
    let truncate = One("truncate", "bytes of a body that are shown");
    vec![
        get(
            "/api/queues/{vhost}/{queue}/messages",
            VirtualHost,
            "Messages that wait, seen and not taken",
            waiting::browse,
        )
        .with(&[
            One("from", "the place to begin at, as the page before says"),
            One("count", "how many messages"),
            truncate,
            One("key", "only with this text in the routing key"),
            One("header", "only with this header: name, or name=value"),
            One("body", "only with this text in the body"),
            One("expression", "only if this CEL expression is true"),
        ])
        .gives::<waiting::Page>(),
        get(
            "/api/queues/{vhost}/{queue}/unacked",
            VirtualHost,
            "Deliveries that are not acknowledged",
            waiting::unacknowledged,
        )
        .with(&[One("page", "from 1 on"), One("page_size", "how many"), truncate])
        .gives::<waiting::UnacknowledgedPage>(),
        put(
            "/api/queues/{vhost}/{queue}/pause",
            VirtualHost,
            "Stops deliveries to consumers",
            waiting::pause,
        )
        .audited("pause queue {queue} in {vhost}", Updated),
        put(
            "/api/queues/{vhost}/{queue}/resume",
            VirtualHost,
            "Lets deliveries go on",
            waiting::resume,
        )
        .audited("resume queue {queue} in {vhost}", Updated),
    ]
}

/// Jobs over messages, and messages fetched for a time.
fn of_work() -> Vec<Route> {
    vec![
        post(
            "/api/queues/{vhost}/{queue}/jobs",
            VirtualHost,
            "Begins to delete, move or copy messages",
            jobs::post,
        )
        .audited("begin a job over messages of queue {queue} in {vhost}", Created)
        .takes::<jobs::PostJob>()
        .gives::<jobs::JobObject>(),
        get("/api/jobs", Management, "Jobs: one's own, or all", jobs::all)
            .gives::<Vec<jobs::JobObject>>(),
        get("/api/jobs/{job}", Management, "A job and how far it is", jobs::get)
            .gives::<jobs::JobObject>(),
        delete("/api/jobs/{job}", Management, "Ends a job", jobs::cancel)
            .audited("end job {job}", Deleted),
        post(
            "/api/queues/{vhost}/{queue}/lease",
            VirtualHost,
            "Fetches messages for a time",
            leases::post,
        )
        .takes::<leases::PostLease>()
        .gives::<leases::LeaseObject>(),
        post("/api/leases/{lease}", Management, "Settles messages of a lease", leases::settle)
            .takes::<leases::PostSettlement>()
            .gives::<leases::Settled>(),
    ]
}

/// Where messages of an exchange go.
fn of_exchanges() -> Vec<Route> {
    vec![
        post(
            "/api/exchanges/{vhost}/{exchange}/explain",
            VirtualHost,
            "Why a message would go where it would go",
            explain::post,
        )
        .takes::<explain::PostMessage>()
        .gives::<explain::ExplanationObject>(),
        get(
            "/api/exchanges/{vhost}/{exchange}/unroutable",
            VirtualHost,
            "The last messages that went nowhere",
            explain::unroutable,
        )
        .gives::<explain::UnroutablePage>(),
    ]
}
