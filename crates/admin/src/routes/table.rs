//! The table of all routes: those of the broker itself here, those of what is in it and of what users
//! may do beside.

use axum::http::Method;

use super::Parameters::{Columns, List, One, Pages, Samples, Totals};
use super::access::{of_permissions, of_policies_and_parameters, of_users};
use super::objects::{of_bindings, of_connections, of_exchanges, of_queues, of_virtual_hosts};
use super::{Parameters, Route};
use crate::answer::Answer;
use crate::authorize::Right::{self, Administrator, Management, Monitoring, VirtualHost};
use crate::call::Call;
use crate::definitions::{export, import};
use crate::{attention, audit, health, login, misc, nodes, overview, parameters, reference};

const ATTEMPTS: &str = "/api/auth/attempts/{node}";

/// Order, columns and pages.
pub(super) const LISTED: [Parameters; 2] = [List, Pages];

pub(super) fn get<F, A>(
    path: &'static str,
    right: Right,
    summary: &'static str,
    handler: F,
) -> Route
where
    F: Fn(Call) -> A + Send + Sync + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    Route::new(Method::GET, path, right, summary, handler)
}

pub(super) fn put<F, A>(
    path: &'static str,
    right: Right,
    summary: &'static str,
    handler: F,
) -> Route
where
    F: Fn(Call) -> A + Send + Sync + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    Route::new(Method::PUT, path, right, summary, handler)
}

pub(super) fn post<F, A>(
    path: &'static str,
    right: Right,
    summary: &'static str,
    handler: F,
) -> Route
where
    F: Fn(Call) -> A + Send + Sync + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    Route::new(Method::POST, path, right, summary, handler)
}

pub(super) fn delete<F, A>(
    path: &'static str,
    right: Right,
    summary: &'static str,
    handler: F,
) -> Route
where
    F: Fn(Call) -> A + Send + Sync + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    Route::new(Method::DELETE, path, right, summary, handler)
}

/// All routes.
pub(crate) fn routes() -> Vec<Route> {
    let groups = [
        of_the_broker(),
        of_the_node(),
        of_connections(),
        of_queues(),
        of_exchanges(),
        of_bindings(),
        of_virtual_hosts(),
        of_users(),
        of_permissions(),
        of_policies_and_parameters(),
        of_definitions(),
        of_health(),
        of_health_of_all(),
        super::waiting::routes(),
        super::own::routes(),
    ];
    groups.into_iter().flatten().collect()
}

fn of_the_broker() -> Vec<Route> {
    vec![
        get("/api", Right::None, "Goes to the reference", reference::redirect).page(),
        get("/api/index.html", Right::None, "The reference of this API", reference::page).page(),
        get("/api/openapi.json", Right::None, "This API as OpenAPI 3.1", reference::openapi),
        get("/api/overview", Management, "The broker at a glance", overview::get)
            .with(&[Columns, Samples, Totals]),
        get("/api/attention", Management, "What needs attention, the worst first", attention::get)
            .gives::<attention::Attention>(),
        get("/api/version", Right::None, "The version that clients are told", misc::version),
        get("/api/whoami", Management, "Who sends the request", misc::whoami)
            .gives::<misc::WhoAmI>(),
        get("/api/auth", Right::None, "How to log in to the console", misc::auth),
        post("/api/login", Right::None, "Begins a browser's session: a form", login::sign_in)
            .gives::<login::SignedIn>(),
        get("/api/login", Management, "The session of the cookie", login::signed_in)
            .gives::<login::SignedIn>(),
        delete("/api/login", Management, "Ends a browser's session", login::sign_out),
        get(ATTEMPTS, Monitoring, "How many logins there were, by protocol", login::attempts),
        delete(ATTEMPTS, Administrator, "Begins to count logins anew", login::reset_attempts),
        get(
            "/api/auth/attempts/{node}/source",
            Monitoring,
            "How many logins there were, by address and user",
            login::attempts_by_source,
        ),
        delete(
            "/api/auth/attempts/{node}/source",
            Administrator,
            "Begins to count logins anew",
            login::reset_attempts,
        ),
        get("/api/cluster-name", Management, "The cluster's name", parameters::get_cluster_name)
            .gives::<parameters::ClusterName>(),
        put("/api/cluster-name", Administrator, "Names the cluster", parameters::put_cluster_name)
            .takes::<parameters::ClusterName>(),
        get("/api/extensions", Management, "Parts of the console", misc::extensions),
        get("/api/audit", Administrator, "The audit log, the newest entry first", audit::get)
            .with(&[
                One("count", "how many entries"),
                One("below", "only entries with lower numbers, as the page before says"),
            ])
            .gives::<audit::Page>(),
    ]
}

/// The node, and what there is none of here.
fn of_the_node() -> Vec<Route> {
    vec![
        get("/api/nodes", Monitoring, "The nodes: one", nodes::all).with(&[List, Samples]),
        get("/api/nodes/{node}", Monitoring, "A node", nodes::get).with(&[Columns, Samples]),
        get("/api/nodes/{node}/memory", Monitoring, "Where memory is", nodes::memory),
        get(
            "/api/nodes/{node}/memory/relative",
            Monitoring,
            "Where memory is, in percent",
            nodes::memory,
        ),
        get("/api/feature-flags", Administrator, "Feature flags", misc::feature_flags)
            .with(&[List]),
        put(
            "/api/feature-flags/{name}/enable",
            Administrator,
            "Enables a feature flag; all are",
            misc::enable_feature_flag,
        ),
        get("/api/deprecated-features", Administrator, "Deprecated features: none", misc::nothing),
        get(
            "/api/deprecated-features/used",
            Administrator,
            "Deprecated features in use: none",
            misc::nothing,
        ),
        get(
            "/api/auth/hash_password/{password}",
            Administrator,
            "What is kept of a password",
            misc::hash_password,
        ),
        delete("/api/reset", Administrator, "Forgets the past of statistics", misc::reset),
        delete("/api/reset/{node}", Administrator, "Forgets the past of statistics", misc::reset),
        post(
            "/api/rebalance/queues",
            Administrator,
            "Spreads queues over nodes; there is one",
            misc::rebalance,
        ),
        get("/api/shovels", Monitoring, "Shovels that run: none", misc::nothing),
        get("/api/shovels/{vhost}", Monitoring, "Shovels that run: none", misc::nothing_there),
        get("/api/federation-links", Monitoring, "Federation links: none", misc::nothing),
        get(
            "/api/federation-links/{vhost}",
            Monitoring,
            "Federation links: none",
            misc::nothing_there,
        ),
        get("/api/stream/connections", Management, "Stream connections: none", misc::nothing),
        get("/api/stream/publishers", Management, "Stream publishers: none", misc::nothing),
        get("/api/stream/consumers", Management, "Stream consumers: none", misc::nothing),
    ]
}

fn of_definitions() -> Vec<Route> {
    let download = One("download", "the name of a file to save the answer as");
    let report = One("report", "true: the answer tells what became of each object");
    let dry_run = One("dry_run", "true: nothing is changed, and the answer tells what would be");
    let mut all = vec![];
    // The second one is the old name.
    for path in ["/api/definitions", "/api/all-configuration"] {
        all.push(get(path, Administrator, "All definitions", export::all).with(&[download]));
        all.push(
            post(path, Administrator, "Imports definitions", import::all)
                .with(&[report, dry_run])
                .takes::<import::File>(),
        );
    }
    let path = "/api/definitions/{vhost}";
    all.push(get(path, Administrator, "Definitions of one", export::one).with(&[download]));
    all.push(
        post(path, Administrator, "Imports definitions into one", import::one)
            .with(&[report, dry_run])
            .takes::<import::File>(),
    );
    all
}

fn of_health() -> Vec<Route> {
    vec![
        get(
            "/api/aliveness-test/{vhost}",
            VirtualHost,
            "Sends a message through",
            health::aliveness,
        ),
        get("/api/healthchecks/node", Management, "The old check of the node", health::node),
        get("/api/healthchecks/node/{node}", Management, "The old check of a node", health::node),
        get("/api/health/checks/alarms", Management, "No alarm is on", health::alarms),
        get("/api/health/checks/local-alarms", Management, "No alarm is on here", health::alarms),
        get(
            "/api/health/checks/certificate-expiration/{within}/{unit}",
            Management,
            "No certificate expires within a time",
            health::certificates,
        ),
        get("/api/health/checks/port-listener/{port}", Management, "A port is open", health::port),
        get(
            "/api/health/checks/protocol-listener/{protocol}",
            Management,
            "Protocols are spoken",
            health::protocol,
        ),
        get(
            "/api/health/checks/virtual-hosts",
            Management,
            "All virtual hosts run",
            health::virtual_hosts,
        ),
    ]
}

/// Of the health of a cluster and its definitions.
fn of_health_of_all() -> Vec<Route> {
    vec![
        get(
            "/api/health/checks/node-is-quorum-critical",
            Management,
            "Queues could do without this node",
            health::single_node,
        ),
        get(
            "/api/health/checks/node-is-mirror-sync-critical",
            Management,
            "Queues could do without this node",
            health::single_node,
        ),
        get(
            "/api/health/checks/quorum-queues-without-elected-leaders/all-vhosts",
            Management,
            "All quorum queues are served",
            health::virtual_hosts,
        ),
        get(
            "/api/health/checks/metadata-store/initialized",
            Management,
            "Definitions can be read",
            health::in_service,
        ),
        get(
            "/api/health/checks/metadata-store/initialized/with-data",
            Management,
            "There are definitions",
            health::definitions,
        ),
        get(
            "/api/health/checks/is-in-service",
            Right::None,
            "The broker works",
            health::in_service,
        ),
        get(
            "/api/health/checks/below-node-connection-limit",
            Right::None,
            "There is room for connections",
            health::below_connection_limit,
        ),
        get(
            "/api/health/checks/ready-to-serve-clients",
            Right::None,
            "Clients can be served",
            health::ready_for_clients,
        ),
        get(
            "/api/health/checks/reached-target-cluster-size",
            Right::None,
            "All nodes are there: one",
            health::cluster_size,
        ),
    ]
}
