//! The table of all routes.

use axum::http::Method;

use super::Parameters::{Columns, List, One, Pages, Samples, Totals};
use super::{Parameters, Route};
use crate::answer::Answer;
use crate::authorize::Right::{
    self, Administrator, Management, Monitoring, Owner, Policymaker, VirtualHost, Visible,
};
use crate::call::Call;
use crate::definitions::{export, import};
use crate::{
    bindings, channels, connections, consumers, exchanges, health, login, messages, misc, nodes,
    object_limits, overview, parameters, permissions, policies, queues, reference, users, vhosts,
};

const ATTEMPTS: &str = "/api/auth/attempts/{node}";

/// Order, columns and pages.
const LISTED: [Parameters; 2] = [List, Pages];

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
        of_connections(),
        of_queues(),
        of_exchanges_and_bindings(),
        of_virtual_hosts(),
        of_users(),
        of_policies_and_parameters(),
        of_definitions(),
        of_health(),
        super::waiting::routes(),
    ];
    groups.into_iter().flatten().collect()
}

fn of_the_broker() -> Vec<Route> {
    vec![
        get("/api", Right::None, "Goes to the reference", reference::redirect),
        get("/api/index.html", Right::None, "The reference of this API", reference::page),
        get("/api/openapi.json", Right::None, "This API as OpenAPI 3.1", reference::openapi),
        get("/api/overview", Management, "The broker at a glance", overview::get)
            .with(&[Columns, Samples, Totals]),
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

fn of_connections() -> Vec<Route> {
    vec![
        get("/api/connections", Management, "Connections", connections::all)
            .with(&LISTED)
            .with(&[Samples, Totals])
            .gives::<Vec<connections::ConnectionObject>>(),
        get("/api/vhosts/{vhost}/connections", Visible, "Connections there", connections::all)
            .with(&LISTED)
            .with(&[Samples, Totals])
            .gives::<Vec<connections::ConnectionObject>>(),
        get("/api/connections/{connection}", Owner, "A connection", connections::get)
            .with(&[Columns, Samples])
            .gives::<connections::ConnectionObject>(),
        delete(
            "/api/connections/{connection}",
            Owner,
            "Closes a connection, with the header X-Reason as reason",
            connections::delete,
        ),
        get(
            "/api/connections/username/{username}",
            Owner,
            "Connections of a user",
            connections::of_user,
        )
        .with(&LISTED),
        delete(
            "/api/connections/username/{username}",
            Owner,
            "Closes all connections of a user",
            connections::delete_of_user,
        ),
        get(
            "/api/connections/{connection}/channels",
            Owner,
            "Its channels",
            channels::of_connection,
        )
        .with(&LISTED)
        .gives::<Vec<channels::ChannelObject>>(),
        get(
            "/api/connections/{connection}/sessions",
            Owner,
            "Its AMQP 1.0 sessions: none",
            connections::sessions,
        ),
        get("/api/channels", Management, "Channels", channels::all)
            .with(&LISTED)
            .with(&[Samples, Totals])
            .gives::<Vec<channels::ChannelObject>>(),
        get("/api/vhosts/{vhost}/channels", Visible, "Channels there", channels::all)
            .with(&LISTED)
            .with(&[Samples, Totals])
            .gives::<Vec<channels::ChannelObject>>(),
        get("/api/channels/{channel}", Owner, "A channel", channels::get)
            .with(&[Columns, Samples])
            .gives::<channels::ChannelObject>(),
        get("/api/consumers", Management, "Consumers", consumers::all)
            .with(&LISTED)
            .gives::<Vec<consumers::ConsumerObject>>(),
        get("/api/consumers/{vhost}", Visible, "Consumers there", consumers::all)
            .with(&LISTED)
            .gives::<Vec<consumers::ConsumerObject>>(),
    ]
}

fn of_queues() -> Vec<Route> {
    vec![
        get("/api/queues", Management, "Queues", queues::all)
            .with(&LISTED)
            .with(&[Samples, Totals])
            .gives::<Vec<queues::QueueObject>>(),
        get("/api/queues/detailed", Management, "Queues, with all there is", queues::all)
            .with(&LISTED)
            .with(&[Samples])
            .gives::<Vec<queues::QueueObject>>(),
        get("/api/queues/{vhost}", Visible, "Queues there", queues::all)
            .with(&LISTED)
            .with(&[Samples, Totals])
            .gives::<Vec<queues::QueueObject>>(),
        get("/api/queues/{vhost}/{queue}", Visible, "A queue", queues::get)
            .with(&[Columns, Samples, Totals])
            .gives::<queues::QueueObject>(),
        put("/api/queues/{vhost}/{queue}", VirtualHost, "Declares a queue", queues::put)
            .takes::<queues::PutQueue>(),
        delete("/api/queues/{vhost}/{queue}", VirtualHost, "Deletes a queue", queues::delete).with(
            &[
                One("if-empty", "true: only if there is no message in it"),
                One("if-unused", "true: only if it has no consumer"),
            ],
        ),
        get("/api/queues/{vhost}/{queue}/bindings", Visible, "Its bindings", bindings::of_queue)
            .with(&LISTED)
            .gives::<Vec<bindings::BindingObject>>(),
        delete(
            "/api/queues/{vhost}/{queue}/contents",
            VirtualHost,
            "Deletes all messages that wait",
            queues::purge,
        ),
        post("/api/queues/{vhost}/{queue}/get", VirtualHost, "Fetches messages", messages::get)
            .takes::<messages::Get>()
            .gives::<Vec<messages::Message>>(),
        post(
            "/api/queues/{vhost}/{queue}/actions",
            Administrator,
            "Mirrors of queues, of which there are none",
            queues::act,
        )
        .takes::<queues::Act>(),
    ]
}

fn of_exchanges_and_bindings() -> Vec<Route> {
    const BETWEEN: &str = "/api/bindings/{vhost}/e/{source}/{kind}/{destination}";
    const BINDING: &str = "/api/bindings/{vhost}/e/{source}/{kind}/{destination}/{properties}";
    vec![
        get("/api/exchanges", Management, "Exchanges", exchanges::all)
            .with(&LISTED)
            .with(&[Samples, Totals])
            .gives::<Vec<exchanges::ExchangeObject>>(),
        get("/api/exchanges/{vhost}", Visible, "Exchanges there", exchanges::all)
            .with(&LISTED)
            .with(&[Samples, Totals])
            .gives::<Vec<exchanges::ExchangeObject>>(),
        get("/api/exchanges/{vhost}/{exchange}", Visible, "An exchange", exchanges::get)
            .with(&[Columns, Samples, Totals])
            .gives::<exchanges::ExchangeObject>(),
        put(
            "/api/exchanges/{vhost}/{exchange}",
            VirtualHost,
            "Declares an exchange",
            exchanges::put,
        )
        .takes::<exchanges::PutExchange>(),
        delete(
            "/api/exchanges/{vhost}/{exchange}",
            VirtualHost,
            "Deletes an exchange",
            exchanges::delete,
        )
        .with(&[One("if-unused", "true: only if nothing is bound to it")]),
        post(
            "/api/exchanges/{vhost}/{exchange}/publish",
            VirtualHost,
            "Publishes a message",
            messages::publish,
        )
        .takes::<messages::Publish>()
        .gives::<messages::Published>(),
        get(
            "/api/exchanges/{vhost}/{exchange}/bindings/source",
            Visible,
            "Bindings from it",
            bindings::from_exchange,
        )
        .with(&LISTED)
        .gives::<Vec<bindings::BindingObject>>(),
        get(
            "/api/exchanges/{vhost}/{exchange}/bindings/destination",
            Visible,
            "Bindings to it",
            bindings::to_exchange,
        )
        .with(&LISTED)
        .gives::<Vec<bindings::BindingObject>>(),
        get("/api/bindings", Management, "Bindings", bindings::all)
            .with(&LISTED)
            .gives::<Vec<bindings::BindingObject>>(),
        get("/api/bindings/{vhost}", Visible, "Bindings there", bindings::all)
            .with(&LISTED)
            .gives::<Vec<bindings::BindingObject>>(),
        get(BETWEEN, Visible, "Bindings between two; kind is e or q", bindings::between)
            .with(&LISTED)
            .gives::<Vec<bindings::BindingObject>>(),
        post(BETWEEN, VirtualHost, "Binds; the header Location names it", bindings::post)
            .takes::<bindings::PostBinding>(),
        get(BINDING, Visible, "A binding", bindings::get)
            .with(&[Columns])
            .gives::<bindings::BindingObject>(),
        delete(BINDING, VirtualHost, "Unbinds", bindings::delete),
    ]
}

fn of_virtual_hosts() -> Vec<Route> {
    vec![
        get("/api/vhosts", Management, "Virtual hosts", vhosts::all)
            .with(&LISTED)
            .with(&[Samples, Totals])
            .gives::<Vec<vhosts::VirtualHostObject>>(),
        get("/api/vhosts/{vhost}", Visible, "A virtual host", vhosts::get)
            .with(&[Columns, Samples, Totals])
            .gives::<vhosts::VirtualHostObject>(),
        put("/api/vhosts/{vhost}", Administrator, "Makes or changes a virtual host", vhosts::put)
            .takes::<vhosts::PutVirtualHost>(),
        delete(
            "/api/vhosts/{vhost}",
            Administrator,
            "Deletes a virtual host and all in it",
            vhosts::delete,
        ),
        post(
            "/api/vhosts/{vhost}/deletion/protection",
            Administrator,
            "Protects it from deletion",
            vhosts::protect,
        ),
        delete(
            "/api/vhosts/{vhost}/deletion/protection",
            Administrator,
            "Allows its deletion",
            vhosts::unprotect,
        ),
        post(
            "/api/vhosts/{vhost}/start/{node}",
            Administrator,
            "Starts it on a node; it runs",
            vhosts::start,
        ),
        get(
            "/api/vhosts/{vhost}/permissions",
            Administrator,
            "Who may do what there",
            permissions::of_virtual_host,
        )
        .with(&LISTED)
        .gives::<Vec<permissions::PermissionObject>>(),
        get(
            "/api/vhosts/{vhost}/topic-permissions",
            Administrator,
            "Routing keys of users there",
            permissions::topics_of_virtual_host,
        )
        .with(&LISTED)
        .gives::<Vec<permissions::TopicPermissionObject>>(),
        get("/api/vhost-limits", Management, "Limits of virtual hosts", object_limits::of_hosts)
            .with(&LISTED)
            .gives::<Vec<object_limits::VirtualHostLimitsObject>>(),
        get("/api/vhost-limits/{vhost}", Visible, "Its limits", object_limits::of_hosts)
            .with(&LISTED)
            .gives::<Vec<object_limits::VirtualHostLimitsObject>>(),
        put("/api/vhost-limits/{vhost}/{name}", Administrator, "Sets a limit", object_limits::put)
            .takes::<object_limits::PutLimit>(),
        delete(
            "/api/vhost-limits/{vhost}/{name}",
            Administrator,
            "Lifts a limit",
            object_limits::delete,
        ),
    ]
}

fn of_users() -> Vec<Route> {
    const TOPICS: &str = "/api/topic-permissions/{vhost}/{user}";
    const TOPIC: &str = "/api/topic-permissions/{vhost}/{user}/{exchange}";
    vec![
        get("/api/users", Administrator, "Users", users::all)
            .with(&LISTED)
            .gives::<Vec<users::UserObject>>(),
        get(
            "/api/users/without-permissions",
            Administrator,
            "Users that may use no virtual host",
            users::without_permissions,
        )
        .with(&LISTED)
        .gives::<Vec<users::UserObject>>(),
        post("/api/users/bulk-delete", Administrator, "Deletes users", users::bulk_delete)
            .takes::<users::BulkDelete>(),
        get("/api/users/{user}", Administrator, "A user", users::get)
            .with(&[Columns])
            .gives::<users::UserObject>(),
        put("/api/users/{user}", Administrator, "Makes or changes a user", users::put)
            .takes::<users::PutUser>(),
        delete("/api/users/{user}", Administrator, "Deletes a user", users::delete),
        get(
            "/api/users/{user}/permissions",
            Administrator,
            "What the user may",
            permissions::of_user,
        )
        .with(&LISTED)
        .gives::<Vec<permissions::PermissionObject>>(),
        get(
            "/api/users/{user}/topic-permissions",
            Administrator,
            "Routing keys of the user",
            permissions::topics_of_user,
        )
        .with(&LISTED)
        .gives::<Vec<permissions::TopicPermissionObject>>(),
        get("/api/user-limits", Administrator, "Limits of users", object_limits::of_users)
            .with(&LISTED)
            .gives::<Vec<object_limits::UserLimitsObject>>(),
        get("/api/user-limits/{user}", Owner, "Limits of a user", object_limits::of_user)
            .with(&LISTED)
            .gives::<Vec<object_limits::UserLimitsObject>>(),
        put(
            "/api/user-limits/{user}/{name}",
            Administrator,
            "Sets a limit",
            object_limits::put_of_user,
        )
        .takes::<object_limits::PutLimit>(),
        delete(
            "/api/user-limits/{user}/{name}",
            Administrator,
            "Lifts a limit",
            object_limits::delete_of_user,
        ),
        get("/api/permissions", Administrator, "Who may do what", permissions::all)
            .with(&LISTED)
            .gives::<Vec<permissions::PermissionObject>>(),
        get("/api/permissions/{vhost}/{user}", Administrator, "What a user may", permissions::get)
            .with(&[Columns])
            .gives::<permissions::PermissionObject>(),
        put("/api/permissions/{vhost}/{user}", Administrator, "Grants", permissions::put)
            .takes::<permissions::PutPermission>(),
        delete("/api/permissions/{vhost}/{user}", Administrator, "Takes away", permissions::delete),
        get("/api/topic-permissions", Administrator, "Routing keys", permissions::all_topics)
            .with(&LISTED)
            .gives::<Vec<permissions::TopicPermissionObject>>(),
        get(TOPICS, Administrator, "Routing keys of a user", permissions::get_topics)
            .with(&LISTED)
            .gives::<Vec<permissions::TopicPermissionObject>>(),
        get(TOPIC, Administrator, "The same, with an exchange", permissions::get_topics)
            .with(&LISTED)
            .gives::<Vec<permissions::TopicPermissionObject>>(),
        put(TOPICS, Administrator, "Grants routing keys", permissions::put_topic)
            .takes::<permissions::PutTopicPermission>(),
        delete(TOPICS, Administrator, "Takes them all away", permissions::delete_topics),
        delete(TOPIC, Administrator, "Takes them away", permissions::delete_topics),
    ]
}

fn of_policies_and_parameters() -> Vec<Route> {
    const POLICY: &str = "/api/policies/{vhost}/{name}";
    const OF_OPERATOR: &str = "/api/operator-policies/{vhost}/{name}";
    const PARAMETER: &str = "/api/parameters/{component}/{vhost}/{name}";
    const GLOBAL: &str = "/api/global-parameters/{name}";
    vec![
        get("/api/policies", Management, "Policies", policies::all)
            .with(&LISTED)
            .gives::<Vec<policies::PolicyObject>>(),
        get("/api/policies/{vhost}", Visible, "Policies there", policies::all)
            .with(&LISTED)
            .gives::<Vec<policies::PolicyObject>>(),
        get(POLICY, Visible, "A policy", policies::get)
            .with(&[Columns])
            .gives::<policies::PolicyObject>(),
        put(POLICY, Policymaker, "Makes or changes a policy", policies::put)
            .takes::<policies::PutPolicy>(),
        delete(POLICY, Policymaker, "Deletes a policy", policies::delete),
        get("/api/operator-policies", Management, "Operator policies", policies::all_of_operator)
            .with(&LISTED)
            .gives::<Vec<policies::PolicyObject>>(),
        get("/api/operator-policies/{vhost}", Visible, "Those there", policies::all_of_operator)
            .with(&LISTED)
            .gives::<Vec<policies::PolicyObject>>(),
        get(OF_OPERATOR, Visible, "An operator policy", policies::get_of_operator)
            .with(&[Columns])
            .gives::<policies::PolicyObject>(),
        put(OF_OPERATOR, Administrator, "Makes or changes one", policies::put_of_operator)
            .takes::<policies::PutPolicy>(),
        delete(OF_OPERATOR, Administrator, "Deletes one", policies::delete_of_operator),
        get("/api/parameters", Policymaker, "Parameters of components", parameters::all)
            .with(&LISTED)
            .gives::<Vec<parameters::ParameterObject>>(),
        get("/api/parameters/{component}", Policymaker, "Those of one", parameters::all)
            .with(&LISTED)
            .gives::<Vec<parameters::ParameterObject>>(),
        get("/api/parameters/{component}/{vhost}", Policymaker, "Those there", parameters::all)
            .with(&LISTED)
            .gives::<Vec<parameters::ParameterObject>>(),
        get(PARAMETER, Policymaker, "A parameter", parameters::get)
            .with(&[Columns])
            .gives::<parameters::ParameterObject>(),
        put(PARAMETER, Policymaker, "Makes or changes a parameter", parameters::put)
            .takes::<parameters::PutParameter>(),
        delete(PARAMETER, Policymaker, "Deletes a parameter", parameters::delete),
        get("/api/global-parameters", Policymaker, "Global parameters", parameters::all_global)
            .with(&LISTED)
            .gives::<Vec<parameters::GlobalParameterObject>>(),
        get(GLOBAL, Policymaker, "A global parameter", parameters::get_global)
            .with(&[Columns])
            .gives::<parameters::GlobalParameterObject>(),
        put(GLOBAL, Policymaker, "Makes or changes one", parameters::put_global)
            .takes::<parameters::PutParameter>(),
        delete(GLOBAL, Policymaker, "Deletes one", parameters::delete_global),
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
