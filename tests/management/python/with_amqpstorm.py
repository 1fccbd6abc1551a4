"""Checks with amqpstorm's client of the management API; connections to look at are its own too."""

import contextlib
from urllib.parse import quote

import amqpstorm
from amqpstorm.management import ApiError, ManagementApi
from api_base import HOST, HTTP, checks, equal, eventually, unique
from check import PORT, Skip

api = ManagementApi(f"http://{HOST}:{HTTP}", "guest", "guest", timeout=20)


@contextlib.contextmanager
def connected():
    with amqpstorm.Connection(HOST, "guest", "guest", port=PORT) as connection:
        with connection.channel() as channel:
            yield connection, channel


def refused(code, function, *arguments, **more):
    try:
        function(*arguments, **more)
    except ApiError as error:
        equal(error.error_code, code)
    else:
        raise AssertionError(f"no {code} came")


def ours(found):
    """The one connection that is there, when it is told."""
    return found[0] if len(found) == 1 and found[0].get("user") == "guest" else None


@checks("who, where and how much")
def server():
    equal(api.whoami()["name"], "guest")
    overview = api.overview()
    for key in ("rabbitmq_version", "management_version", "cluster_name", "node", "object_totals"):
        assert overview[key], key
    for key in ("queue_totals", "message_stats", "listeners", "contexts", "exchange_types"):
        assert key in overview, key
    (node,) = api.nodes()
    equal(api.node(node["name"])["name"], overview["node"])
    assert node["running"] and node["mem_used"] > 0 and node["uptime"] > 0, node
    equal(api.cluster_name(), {"name": overview["cluster_name"]})


@checks("the server is alive and well")
def alive():
    equal(api.aliveness_test("/"), {"status": "ok"})
    refused(404, api.aliveness_test, "nowhere")


@checks("the old health check")
def health():
    try:
        equal(api.healthchecks.get()["status"], "ok")
        equal(api.healthchecks.get(node=api.overview()["node"])["status"], "ok")
    except ApiError as error:
        # RabbitMQ 4 has it no more.
        equal(error.error_code, 404)
        raise Skip("the server has no such check any more") from error


@checks("queues are declared, listed, found and deleted")
def queues():
    names = [unique(f"storm {number} ") for number in range(7)]
    for name in names:
        api.queue.declare(name, durable=True, arguments={"x-max-length": 5})
    queue = api.queue.get(names[0])
    equal(
        (queue["name"], queue["durable"], queue["arguments"]), (names[0], True, {"x-max-length": 5})
    )
    listed = [it["name"] for it in api.queue.list()]
    assert set(names) <= set(listed), listed
    equal(sorted(it["name"] for it in api.queue.list("/", page_size=2)), sorted(listed))
    equal(len(api.queue.list(name="STORM ", page_size=3)), 7)
    equal(len(api.queue.list(name="^storm [0-2]", use_regex=True, page_size=100)), 3)
    assert len(api.queue.list(show_all=True)) >= len(listed)
    for name in names:
        api.queue.delete(name)
    refused(404, api.queue.get, names[0])
    refused(404, api.queue.delete, names[0])


@checks("a queue declared otherwise is refused")
def inequivalent():
    name = unique("storm")
    api.queue.declare(name, durable=True)
    refused(400, api.queue.declare, name, durable=False)
    api.queue.declare(name, durable=True, passive=True)
    refused(404, api.queue.declare, unique("none"), passive=True)
    api.queue.delete(name)


@checks("exchanges are declared, bound, unbound and deleted")
def exchanges():
    source, other, name = unique("storm-x"), unique("storm-y"), unique("storm")
    api.exchange.declare(
        source, "topic", durable=True, arguments={"alternate-exchange": "amq.fanout"}
    )
    api.exchange.declare(other, "fanout", auto_delete=True, internal=True)
    api.queue.declare(name)
    exchange = api.exchange.get(source)
    equal((exchange["type"], exchange["durable"]), ("topic", True))
    equal(exchange["arguments"], {"alternate-exchange": "amq.fanout"})
    assert {source, other} <= {it["name"] for it in api.exchange.list(page_size=5)}
    api.queue.bind(name, source, "a.b")
    api.queue.bind(name, source, "with.arguments", arguments={"n": 1})
    api.exchange.bind(other, source, "a.*.c")
    equal(
        sorted(it["routing_key"] for it in api.exchange.bindings(source)),
        ["a.*.c", "a.b", "with.arguments"],
    )
    found = {it["routing_key"]: it for it in api.queue.bindings(name)}
    equal(set(found), {name, "a.b", "with.arguments"})
    equal(found["with.arguments"]["arguments"], {"n": 1})
    api.queue.unbind(name, source, "a.b")
    api.queue.unbind(name, source, properties_key=found["with.arguments"]["properties_key"])
    (binding,) = api.exchange.bindings(source)
    # This client writes the key into the path as it is; RabbitMQ escapes it once more.
    api.exchange.unbind(other, source, properties_key=quote(binding["properties_key"], ""))
    equal(api.exchange.bindings(source), [])
    equal([it["source"] for it in api.queue.bindings(name)], [""])
    api.exchange.delete(source)
    refused(404, api.exchange.get, source)
    api.exchange.delete(other)
    api.queue.delete(name)


@checks("messages are published, got, requeued, cut and purged")
def messages():
    name = unique("storm")
    api.queue.declare(name)
    equal(api.basic.publish("one", name, properties={"headers": {"a": 1}}), {"routed": True})
    equal(api.basic.publish("lost", unique("none")), {"routed": False})
    (found,) = api.basic.get(name, requeue=True)
    equal((found.body, found.properties["headers"]), ("one", {"a": 1}))
    (found,) = api.basic.get(name, requeue=True, to_dict=True, truncate=2)
    equal((found["payload"], found["redelivered"], found["payload_bytes"]), ("on", True, 3))
    (found,) = api.basic.get(name)
    equal(found.body, "one")
    equal(api.basic.get(name), [])
    api.basic.publish("YmluYXJ5", name, payload_encoding="base64")
    (found,) = api.basic.get(name, to_dict=True)
    equal(found["payload"], "binary")
    for _ in range(3):
        api.basic.publish("x", name)
    api.queue.purge(name)
    equal(api.basic.get(name, count=10), [])
    refused(400, api.basic.publish, "x", name, exchange=unique("none"))
    refused(404, api.basic.get, unique("none"))
    api.queue.delete(name)


@checks("users and what they may do")
def users():
    name = unique("ann")
    api.user.create(name, "secret", tags="monitoring")
    equal(api.user.get(name)["tags"], ["monitoring"])
    assert name in [it["name"] for it in api.user.list()]
    equal(api.user.get_permissions(name), [])
    api.user.set_permission(name, "/", configure_regex="^c", write_regex="^w", read_regex="^r")
    expected = {"user": name, "vhost": "/", "configure": "^c", "write": "^w", "read": "^r"}
    equal(api.user.get_permission(name, "/"), expected)
    equal(api.user.get_permissions(name), [expected])
    assert expected in api.virtual_host.get_permissions("/")
    own = ManagementApi(f"http://{HOST}:{HTTP}", name, "secret")
    equal(own.whoami()["name"], name)
    refused(401, own.user.list)
    api.user.delete_permission(name, "/")
    refused(404, api.user.get_permission, name, "/")
    others = [unique("bob"), unique("eve")]
    for other in others:
        api.user.create(other, "x")
    api.user.delete(others)
    api.user.delete(name)
    for gone in [name, *others]:
        refused(404, api.user.get, gone)
    refused(401, own.whoami)


@checks("virtual hosts")
def vhosts():
    name = unique("storm/vhost")
    api.virtual_host.create(name)
    equal(api.virtual_host.get(name)["name"], name)
    assert name in [it["name"] for it in api.virtual_host.list()]
    equal([it["user"] for it in api.virtual_host.get_permissions(name)], ["guest"])
    api.queue.declare("q", virtual_host=name)
    equal([it["name"] for it in api.queue.list(name)], ["q"])
    exchanges = [it["name"] for it in api.exchange.list(name)]
    assert {"", "amq.direct", "amq.fanout", "amq.headers", "amq.topic"} <= set(exchanges), exchanges
    api.virtual_host.delete(name)
    refused(404, api.virtual_host.get, name)
    refused(404, api.queue.list, name)


@checks("connections and channels are seen, and a connection is closed")
def connections():
    with connected() as (connection, channel):
        found = eventually("a connection is told", lambda: ours(api.connection.list()))
        equal((found["protocol"], found["vhost"], found["state"]), ("AMQP 0-9-1", "/", "running"))
        equal(found["client_properties"]["product"], "AMQPStorm")
        equal(api.connection.get(found["name"])["name"], found["name"])
        equal(len(api.connection.list(name=found["name"], page_size=10)), 1)
        channels = eventually("its channel is told", api.channel.list)
        equal([it["number"] for it in channels], [1])
        equal(api.channel.get(channels[0]["name"])["connection_details"]["name"], found["name"])
        api.connection.close(found["name"], reason="Go home")
        try:
            eventually(
                "the connection ends", lambda: channel.check_for_errors() or channel.is_closed
            )
        except amqpstorm.AMQPConnectionError as error:
            assert "Go home" in str(error), error
        eventually("it is gone", lambda: not api.connection.list())
        refused(404, api.connection.get, found["name"])


@checks("a wrong password is refused")
def login():
    refused(401, ManagementApi(f"http://{HOST}:{HTTP}", "guest", "wrong").overview)


checks.run()
