"""Definitions on their way from a RabbitMQ to the broker and back to a fresh RabbitMQ: nothing is
lost, and users log in with the passwords that they had.

WARREN_RECORD_DEFINITIONS names a file that the export of the first RabbitMQ is written to, which is
what `rabbitmq-3.10.8-definitions.json` in tests/fixtures is."""

import json
import os
import pathlib
import socket

import pika
from api_base import HOST, api, checks, done, equal, eventually, get, step
from check import BROKER, CONTROL, PORT, Skip, control
from definitions_state import PASSWORDS, fill

FIXTURE = pathlib.Path(__file__).parents[2] / "fixtures/rabbitmq-3.10.8-definitions.json"
# What names a cluster, and is another one for each.
OWN = ("cluster_name", "internal_cluster_id")
SECTIONS = (
    "users vhosts permissions topic_permissions parameters global_parameters policies queues "
    "exchanges bindings"
).split()
# By what things of a section are found again.
KEYS = {
    "users": ["name"],
    "vhosts": ["name"],
    "permissions": ["vhost", "user"],
    "topic_permissions": ["vhost", "user", "exchange"],
    "parameters": ["component", "vhost", "name"],
    "global_parameters": ["name"],
    "policies": ["vhost", "name"],
    "queues": ["vhost", "name"],
    "exchanges": ["vhost", "name"],
    "bindings": ["vhost", "source", "destination_type", "destination", "routing_key", "arguments"],
}


class Other:
    """A fresh RabbitMQ beside the broker."""

    def __init__(self):
        with socket.create_connection((HOST, CONTROL)) as stream:
            stream.sendall(b"rabbitmq\n")
            answer = stream.makefile().readline().split()
        if answer[:1] == ["unavailable"]:
            raise Skip("there is no RabbitMQ")
        assert answer[:1] == ["ok"], answer
        self.amqp, self.http = int(answer[1]), int(answer[2])


seen = {}


def origin():
    if "origin" not in seen:
        raise Skip("there is no RabbitMQ to begin with")
    return seen["origin"]


def indexed(definitions, section):
    found = {}
    for thing in definitions.get(section, []):
        key = json.dumps([thing.get(name) for name in KEYS[section]], sort_keys=True)
        assert key not in found, f"{section} has {key} twice"
        found[key] = thing
    for name in OWN:
        found.pop(json.dumps([name]), None)
    return found


def same(found, expected, section):
    """Each thing is there with all that it had, and no other one."""
    found, expected = indexed(found, section), indexed(expected, section)
    equal(sorted(found), sorted(expected))
    for key, thing in expected.items():
        kept = {name: found[key].get(name, "nothing") for name in thing}
        equal(kept, thing)


@step("a RabbitMQ is filled with everything that definitions can have")
def filled():
    first = Other()
    fill(first.http)
    seen["origin"] = get("/definitions", port=first.http)
    seen["orders"] = get("/definitions/orders", port=first.http)
    if path := os.environ.get("WARREN_RECORD_DEFINITIONS"):
        text = json.dumps(seen["origin"], indent=1, ensure_ascii=False, sort_keys=True)
        pathlib.Path(path).write_text(text + "\n")
    for section in SECTIONS:
        assert seen["origin"][section], section


@step("the recorded export is what RabbitMQ exports")
def recorded():
    fixture = json.loads(FIXTURE.read_text())
    for section in SECTIONS:
        # The hash of this user's password has another salt each time.
        for definitions in (fixture, origin()):
            definitions["users"] = [it for it in definitions["users"] if it["name"] != "guest"]
        same(origin(), fixture, section)


@step("the recorded export is imported")
def imported():
    fixture = FIXTURE.read_text()
    reply = api("POST /definitions", json.loads(fixture))
    equal((reply.status, reply.raw), (204, b""))
    seen["expected"] = json.loads(fixture)


for section in SECTIONS:

    @step(f"nothing of {section} is lost")
    def kept(section=section):
        same(get("/definitions"), seen["expected"], section)


@step("it can be imported again, and changes nothing")
def again():
    before = get("/definitions")
    equal(done("POST /definitions", seen["expected"]).status, 204)
    after = get("/definitions")
    for section in SECTIONS:
        same(after, before, section)


def connect(user, password, vhost="/", port=PORT):
    credentials = pika.PlainCredentials(user, password)
    return pika.BlockingConnection(pika.ConnectionParameters(HOST, port, vhost, credentials))


for name, password in PASSWORDS.items():

    @step(f"user {name} logs in with the old password, and with no other")
    def logs_in(name=name, password=password):
        connect(name, password, "orders").close()
        for wrong in ("wrong", ""):
            try:
                connect(name, wrong, "orders").close()
            except pika.exceptions.AMQPConnectionError:
                continue
            raise AssertionError(f"{name} got in with {wrong!r}")
        expected = 401 if name == "untagged" else 200
        equal(api("GET /whoami", user=(name, password)).status, expected)


@step("a user whose hash is empty gets in with nothing")
def empty():
    for password in ("", "x", "empty"):
        try:
            connect("empty", password, "orders").close()
        except pika.exceptions.AMQPConnectionError:
            continue
        raise AssertionError(f"got in with {password!r}")


@step("messages go by the imported exchanges and bindings")
def routed():
    connection = connect("md5", PASSWORDS["md5"], "orders")
    channel = connection.channel()
    channel.confirm_delivery()
    channel.basic_publish("topics", "order.new.eu", b"by topic")
    headers = pika.BasicProperties(headers={"kind": "invoice", "size": 5})
    channel.basic_publish("headers", "", b"by headers", headers)
    channel.basic_publish("chain", "any", b"by the alternate exchange")
    found = {}
    for queue in ("classic", "matched", "unrouted"):
        found[queue] = eventually(f"it comes to {queue}", lambda q=queue: channel.basic_get(q)[2])
    equal(
        found,
        {
            "classic": b"by topic",
            "matched": b"by headers",
            "unrouted": b"by the alternate exchange",
        },
    )
    for exchange in ("hashed", "random", "recent", "modulus"):
        channel.basic_publish(exchange, "k", b"one of them", mandatory=True)
    connection.close()


@step("permissions, topic permissions and limits hold as they did")
def held():
    name = "limited"
    connection = connect(name, PASSWORDS[name], "orders")
    for queue, allowed in (("l-own", True), ("other", False)):
        channel = connection.channel()
        try:
            channel.queue_declare(queue, exclusive=True)
            assert allowed, f"{queue} was declared"
        except pika.exceptions.ChannelClosedByBroker as error:
            equal((error.reply_code, allowed), (403, False))
    try:
        connect(name, PASSWORDS[name], "orders").close()
        raise AssertionError("a second connection was opened")
    except pika.exceptions.AMQPConnectionError as error:
        assert "limit" in repr(error), repr(error)
    connection.close()


@step("policies apply to the imported queues")
def applied():
    def told():
        queue = get("/queues/orders/classic")
        return queue if queue.get("policy") == "all keys" else None

    queue = eventually("the policy is told", told)
    equal(queue["operator_policy"], "operator")
    equal(queue["effective_policy_definition"]["max-length"], 100)
    equal(get("/exchanges/orders/covered")["policy"], "alternate")


@step("the broker's export goes back into a fresh RabbitMQ")
def back():
    origin()
    seen["last"] = Other()
    exported = get("/definitions")
    equal(done("POST /definitions", exported, port=seen["last"].http).status, 204)
    returned = get("/definitions", port=seen["last"].http)
    for section in SECTIONS:
        same(returned, seen["expected"], section)


@step("and there users still log in with their old passwords")
def back_in():
    origin()
    for name, password in PASSWORDS.items():
        connect(name, password, "orders", seen["last"].amqp).close()


TRANSIENT = ("matched", "fanout")


def durable(definitions):
    """Without what does not outlive a restart."""
    kept = dict(definitions)
    for section in ("queues", "exchanges", "bindings"):
        kept[section] = [
            it
            for it in definitions[section]
            if not {it.get("name"), it.get("source"), it.get("destination")} & set(TRANSIENT)
        ]
    return kept


@step("everything that is durable is there after a restart")
def restarted():
    before = durable(get("/definitions"))
    control("restart")
    eventually("it answers", lambda: api("GET /whoami").status == 200)
    for section in SECTIONS:
        same(get("/definitions"), before, section)


@step("the export of a vhost goes into another one")
def vhost():
    done("PUT /vhosts/second", {})
    orders = seen.get("orders") or get("/definitions/orders")
    equal(done("POST /definitions/second", orders).status, 204)
    second = get("/definitions/second")
    for section in ("queues", "exchanges", "bindings", "policies", "parameters"):
        for thing in orders[section] + second[section]:
            # RabbitMQ 3.10.8 tells it of policies, and of nothing else.
            thing.pop("vhost", None)
        same(second, orders, section)
    done("DELETE /vhosts/second")


@step("policies that mirror queues, as files of RabbitMQ 3 have them, are no obstacle")
def mirrored():
    definition = {"ha-mode": "all", "ha-sync-mode": "automatic", "max-length": 5}
    policy = {"vhost": "orders", "name": "mirrored", "pattern": "^m", "apply-to": "queues"}
    policy |= {"definition": definition, "priority": 0}
    equal(done("POST /definitions", {"policies": [policy]}).status, 204)
    found = get("/policies/orders/mirrored")["definition"]
    equal(found["max-length"], 5)
    assert found.items() <= definition.items(), found
    done("DELETE /policies/orders/mirrored")


@step("an exchange type that the broker does not have is told, by name")
def unknown():
    exchange = {"vhost": "orders", "name": "odd", "type": "x-odd", "durable": True}
    exchange |= {"auto_delete": False, "internal": False, "arguments": {}}
    reply = api("POST /definitions", {"exchanges": [exchange]})
    equal(reply.status, 400)
    if BROKER == "warren":
        assert "x-odd" in str(reply.json["reason"]), reply
    equal(api("GET /exchanges/orders/odd").status, 404)


checks.run()
