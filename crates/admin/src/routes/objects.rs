//! Routes of what is in the broker: connections, queues, exchanges, bindings and virtual hosts.

use warren_server::AuditResult::{Deleted, Unchanged};

use super::Parameters::{Columns, One, Samples, Totals};
use super::table::{LISTED, delete, get, post, put};
use super::{Parameters, Route};
use crate::authorize::Right::{Administrator, Management, Owner, VirtualHost, Visible};
use crate::{
    bindings, channels, connections, consumers, exchanges, messages, object_limits, permissions,
    policies, queues, vhosts,
};

const HOLDING: Parameters =
    One("holding", "true: only queues that hold messages, or have lost some");

pub(super) fn of_connections() -> Vec<Route> {
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
            "Closes a connection, with the header X-Reason as reason; waits up to a second for its client",
            connections::delete,
        )
        .audited("close connection {connection}", Deleted),
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
            "Closes all connections of a user; waits up to a second for the clients",
            connections::delete_of_user,
        )
        .audited("close all connections of {username}", Deleted),
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

pub(super) fn of_queues() -> Vec<Route> {
    vec![
        get("/api/queues", Management, "Queues", queues::all)
            .with(&LISTED)
            .with(&[Samples, Totals, HOLDING])
            .gives::<Vec<queues::QueueObject>>(),
        get("/api/queues/detailed", Management, "Queues, with all there is", queues::all)
            .with(&LISTED)
            .with(&[Samples])
            .gives::<Vec<queues::QueueObject>>(),
        get("/api/queues/{vhost}", Visible, "Queues there", queues::all)
            .with(&LISTED)
            .with(&[Samples, Totals, HOLDING])
            .gives::<Vec<queues::QueueObject>>(),
        get("/api/queues/{vhost}/{queue}", Visible, "A queue", queues::get)
            .with(&[Columns, Samples, Totals])
            .gives::<queues::QueueObject>(),
        put("/api/queues/{vhost}/{queue}", VirtualHost, "Declares a queue", queues::put)
            .audited("declare queue {queue} in {vhost}", Unchanged)
            .takes::<queues::PutQueue>(),
        delete("/api/queues/{vhost}/{queue}", VirtualHost, "Deletes a queue", queues::delete)
            .audited("delete queue {queue} in {vhost}", Deleted)
            .with(&[
                One("if-empty", "true: only if there is no message in it"),
                One("if-unused", "true: only if it has no consumer"),
            ]),
        get("/api/queues/{vhost}/{queue}/bindings", Visible, "Its bindings", bindings::of_queue)
            .with(&LISTED)
            .gives::<Vec<bindings::BindingObject>>(),
        get(
            "/api/queues/{vhost}/{queue}/policies",
            Visible,
            "What would hold for a queue of this name, there or not",
            policies::of_queue_named,
        )
        .with(&[
            Columns,
            One("type", "classic, quorum or stream; classic if it is not given"),
            One("arguments", "the arguments that it would have, as a JSON object"),
        ])
        .gives::<policies::Outlook>(),
        delete(
            "/api/queues/{vhost}/{queue}/contents",
            VirtualHost,
            "Deletes all messages that wait",
            queues::purge,
        )
        .audited("purge queue {queue} in {vhost}", Deleted),
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

pub(super) fn of_exchanges() -> Vec<Route> {
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
        .audited("declare exchange {exchange} in {vhost}", Unchanged)
        .takes::<exchanges::PutExchange>(),
        delete(
            "/api/exchanges/{vhost}/{exchange}",
            VirtualHost,
            "Deletes an exchange",
            exchanges::delete,
        )
        .audited("delete exchange {exchange} in {vhost}", Deleted)
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
    ]
}

pub(super) fn of_bindings() -> Vec<Route> {
    const BETWEEN: &str = "/api/bindings/{vhost}/e/{source}/{kind}/{destination}";
    const BINDING: &str = "/api/bindings/{vhost}/e/{source}/{kind}/{destination}/{properties}";
    vec![
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
            .audited("bind {destination} to {source} in {vhost}", Unchanged)
            .takes::<bindings::PostBinding>(),
        get(BINDING, Visible, "A binding", bindings::get)
            .with(&[Columns])
            .gives::<bindings::BindingObject>(),
        delete(BINDING, VirtualHost, "Unbinds", bindings::delete)
            .audited("unbind {destination} from {source} in {vhost}, {properties}", Deleted),
    ]
}

pub(super) fn of_virtual_hosts() -> Vec<Route> {
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
