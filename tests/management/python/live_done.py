"""What is done to a broker at work over the HTTP API: connections closed, users and vhosts deleted,
limits, alarms, restarts."""

import pika
from api_base import (
    api,
    done,
    equal,
    eventually,
    get,
    step,
    unique,
)
from check import BROKER, control
from live_base import connected, one, segment, waiting

# What is done to connections.


def closed_with(connection):
    try:
        eventually("it ends", lambda: connection.process_data_events(0.1) and False)
    except pika.exceptions.ConnectionClosedByBroker as error:
        return error.reply_code, error.reply_text


@step("a connection is closed, with a reason")
def closed():
    for headers, text in (
        ({}, "CONNECTION_FORCED - Closed via management plugin"),
        ({"X-Reason": "Time to go"}, "CONNECTION_FORCED - Time to go"),
    ):
        with connected() as connection:
            name = waiting(connection, "it is told", lambda: one("/connections"))["name"]
            equal(done(f"DELETE /connections/{segment(name)}", headers=headers).status, 204)
            equal(closed_with(connection), (320, text))
        eventually("it is gone", lambda: get("/connections") == [])


@step("all connections of a user are closed")
def closed_user():
    name = unique("worker")
    done(f"PUT /users/{name}", {"password": "x", "tags": ""})
    permissions = {"configure": ".*", "write": ".*", "read": ".*"}
    done(f"PUT /permissions/%2F/{name}", permissions)
    with connected(name, "x") as mine, connected() as other:
        waiting(mine, "it is told", lambda: len(get(f"/connections/username/{name}")) == 1)
        waiting(other, "both are", lambda: len(get("/connections")) == 2)
        equal(done(f"DELETE /connections/username/{name}").status, 204)
        equal(closed_with(mine)[0], 320)
        other.process_data_events(0)
        eventually("one is left", lambda: len(get("/connections")) == 1)
    done(f"DELETE /users/{name}")
    eventually("all are gone", lambda: get("/connections") == [])


@step("a user who is deleted is disconnected")
def deleted_user():
    name = unique("worker")
    done(f"PUT /users/{name}", {"password": "x", "tags": ""})
    done(f"PUT /permissions/%2F/{name}", {"configure": ".*", "write": ".*", "read": ".*"})
    with connected(name, "x") as connection:
        waiting(connection, "it is told", lambda: one("/connections"))
        done(f"DELETE /users/{name}")
        try:
            equal(closed_with(connection)[0], 320)
        except AssertionError:
            # RabbitMQ 3.10.8 leaves it until it does something.
            assert BROKER == "rabbitmq", "the connection stays"
    eventually("it is gone", lambda: get("/connections") == [])


@step("a vhost that is deleted takes its connections with it")
def deleted_vhost():
    name = unique("live")
    done(f"PUT /vhosts/{name}", {})
    with connected(vhost=name) as connection:
        waiting(connection, "it is told", lambda: one("/connections"))
        done(f"DELETE /vhosts/{name}")
        equal(closed_with(connection)[0], 320)
    eventually("it is gone", lambda: get("/connections") == [])


@step("an exclusive queue and a connection that another user looks at")
def foreign():
    name = unique("viewer")
    done(f"PUT /users/{name}", {"password": "x", "tags": "management"})
    with connected() as connection:
        told = waiting(connection, "it is told", lambda: one("/connections"))["name"]
        viewer = (name, "x")
        equal(api("GET /connections", user=viewer).json, [])
        equal(api(f"GET /connections/{segment(told)}", user=viewer).status, 401)
        equal(api(f"DELETE /connections/{segment(told)}", user=viewer).status, 401)
        equal(connection.is_open, True)
    done(f"DELETE /users/{name}")


# Limits.


@step("a limit of a user's connections holds")
def limited_user():
    name = unique("worker")
    done(f"PUT /users/{name}", {"password": "x", "tags": ""})
    done(f"PUT /permissions/%2F/{name}", {"configure": ".*", "write": ".*", "read": ".*"})
    done(f"PUT /user-limits/{name}/max-connections", {"value": 1})
    done(f"PUT /user-limits/{name}/max-channels", {"value": 2})
    with connected(name, "x") as connection:
        try:
            with connected(name, "x"):
                raise AssertionError("a connection too many was opened")
        except pika.exceptions.AMQPConnectionError as error:
            assert "limit" in repr(error), repr(error)
        connection.channel()
        connection.channel()
        try:
            connection.channel()
            connection.process_data_events(1)
            raise AssertionError("a channel too many was opened")
        except (pika.exceptions.AMQPConnectionError, pika.exceptions.AMQPChannelError) as error:
            assert "limit" in repr(error), repr(error)
    done(f"DELETE /users/{name}")


@step("a limit of a vhost's connections holds")
def limited_vhost():
    name = unique("live")
    done(f"PUT /vhosts/{name}", {})
    done(f"PUT /vhost-limits/{name}/max-connections", {"value": 0})
    try:
        with connected(vhost=name):
            raise AssertionError("a connection too many was opened")
    except pika.exceptions.AMQPConnectionError as error:
        assert "limit" in repr(error), repr(error)
    done(f"DELETE /vhost-limits/{name}/max-connections")
    with connected(vhost=name):
        pass
    done(f"DELETE /vhosts/{name}")


# Alarms.


@step("a full disk is an alarm here too")
def alarm():
    control("block")
    try:
        for check in ("alarms", "local-alarms"):
            reply = eventually("the alarm is told", lambda: failing(check))
            body = reply.json
            equal(body["status"], "failed")
            assert body["reason"] and body["alarms"][0]["resource"].startswith("disk"), body
        eventually("the node tells it", lambda: get("/nodes")[0]["disk_free_alarm"])
    finally:
        control("unblock")
    eventually("it is over", lambda: api("GET /health/checks/alarms").status == 200)


def failing(check):
    reply = api(f"GET /health/checks/{check}")
    return reply if reply.status == 503 else None


# A restart.


@step("what is durable is there after a restart")
def restarted():
    done("PUT /vhosts/kept", {"description": "kept", "tags": "a"})
    done("PUT /queues/kept/q", {"durable": True, "arguments": {"x-max-length": 3}})
    done("PUT /queues/kept/gone", {"durable": False})
    done("PUT /exchanges/kept/x", {"type": "topic", "durable": True})
    done("POST /bindings/kept/e/x/q/q", {"routing_key": "a.#", "arguments": {"n": 1}})
    done("PUT /users/kept", {"password": "x", "tags": "monitoring"})
    done("PUT /permissions/kept/kept", {"configure": "^c", "write": "", "read": ".*"})
    done("PUT /topic-permissions/kept/kept", {"exchange": "x", "write": "^a", "read": ".*"})
    done("PUT /policies/kept/p", {"pattern": "q", "definition": {"message-ttl": 9}, "priority": 2})
    done(
        "PUT /operator-policies/kept/o",
        {"pattern": "q", "definition": {"max-length": 2}, "apply-to": "queues"},
    )
    done("PUT /vhost-limits/kept/max-queues", {"value": 7})
    done("PUT /user-limits/kept/max-channels", {"value": 8})
    done("PUT /global-parameters/kept", {"value": [1]})
    before = get("/definitions")
    before["queues"] = [it for it in before["queues"] if it["name"] != "gone"]
    for how in ("restart", "kill"):
        control(how)
        eventually("it answers", lambda: api("GET /whoami").status == 200)
        after = get("/definitions")
        for key, value in before.items():
            if isinstance(value, list):
                equal(sorted(map(repr, after[key])), sorted(map(repr, value)))
        equal(api("GET /whoami", user=("kept", "x")).status, 200)
    done("DELETE /vhosts/kept")
    done("DELETE /users/kept")
