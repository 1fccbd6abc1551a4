"""Publishing and getting messages."""

import base64

from api_base import (
    BAD,
    EMPTY,
    NOT_FOUND,
    REFUSED,
    Raw,
    api,
    bad,
    case,
    done,
    equal,
    error,
    eventually,
    has,
    missing,
    prepared,
    starts,
    step,
)

V = "/queues/messages"
X = "/exchanges/messages"
PUBLISH = f"POST {X}/amq.default/publish"


def message(payload="m", key="q", **more):
    body = {"properties": {}, "routing_key": key, "payload": payload, "payload_encoding": "string"}
    return {**body, **more}


def without(name):
    return {key: value for key, value in message().items() if key != name}


def fetch(count=1, ackmode="ack_requeue_false", encoding="auto", queue="q", **more):
    body = {"count": count, "ackmode": ackmode, "encoding": encoding, **more}
    return done(f"POST {V}/{queue}/get", body).json


prepared("PUT /vhosts/messages", (f"PUT {V}/q", {"durable": True}), (f"PUT {V}/other", {}))
case("a message that reaches a queue", PUBLISH, message(), (200, {"routed": True}))
case("a message that reaches none", PUBLISH, message(key="none"), (200, {"routed": False}))
case("without properties", PUBLISH, without("properties"), missing("properties"), BAD)
case("without a routing key", PUBLISH, without("routing_key"), missing("routing_key"), BAD)
case("without a payload", PUBLISH, without("payload"), missing("payload"), BAD)
case("without an encoding", PUBLISH, without("payload_encoding"), missing("payload_encoding"), BAD)
case(
    "with an unknown encoding",
    PUBLISH,
    message(payload_encoding="hex"),
    (400, bad(["unsupported_encoding", "hex"])),
    BAD,
)
case(
    "with a payload that is not base64",
    PUBLISH,
    message("?", payload_encoding="base64"),
    (400, bad(["not_base64", "?"])),
    BAD,
)
case(
    "to an exchange that is not there",
    f"POST {X}/none/publish",
    message(),
    (400, bad("404 NOT_FOUND - no exchange 'none' in vhost 'messages'")),
    NOT_FOUND,
)
case(
    "to a vhost that is not there",
    "POST /exchanges/nowhere/amq.default/publish",
    message(),
    REFUSED,
    NOT_FOUND,
)
case("publishing cannot be got", f"GET {X}/amq.default/publish", None, 405)
case(
    "publishing something that is not JSON",
    PUBLISH,
    Raw(b"{"),
    (400, error("bad_request", "not_json")),
)
case("an unknown property", PUBLISH, message(properties={"colour": 1}), (200, {"routed": True}))
case(
    "an unknown type of property",
    PUBLISH,
    message(properties={"delivery_mode": "two"}),
    (400, bad(["not_int", "delivery_mode"])),
    BAD,
)
case(
    "an expiration that is no number",
    PUBLISH,
    message(properties={"expiration": "soon"}),
    (400, bad(starts("406 PRECONDITION_FAILED - invalid expiration 'soon'"))),
)
case(
    "a user that is another",
    PUBLISH,
    message(properties={"user_id": "other"}),
    (
        400,
        bad(
            "406 PRECONDITION_FAILED - user_id property set to 'other' "
            "but authenticated user was 'guest'"
        ),
    ),
)


@step("a message comes back as it was published")
def whole():
    done(f"DELETE {V}/q/contents")
    properties = {
        "content_type": "text/plain",
        "content_encoding": "utf-8",
        "delivery_mode": 2,
        "priority": 3,
        "correlation_id": "c",
        "reply_to": "r",
        "expiration": "3600000",
        "message_id": "i",
        "timestamp": 1700000000,
        "type": "t",
        "user_id": "guest",
        "app_id": "a",
        "headers": {"n": 1, "f": 1.5, "s": "x", "b": True, "l": [1, "two"], "t": {"u": {"v": 2}}},
    }
    done(PUBLISH, message("héllo", properties=properties))
    (found,) = fetch()
    equal(found.pop("properties"), properties)
    expected = {
        "payload_bytes": 6,
        "redelivered": False,
        "exchange": "",
        "routing_key": "q",
        "message_count": 0,
        "payload": "héllo",
        "payload_encoding": "string",
    }
    equal(found, expected)


@step("a message without properties has an empty object of them")
def no_properties():
    done(PUBLISH, message())
    (found,) = fetch()
    assert found["properties"] in ({}, []), found


@step("bytes that are no text come as base64, and text does if asked for")
def encodings():
    binary = base64.b64encode(b"\xff\x00\xfe").decode()
    done(PUBLISH, message(binary, payload_encoding="base64"))
    done(PUBLISH, message("text"))
    done(PUBLISH, message("text"))
    done(PUBLISH, message(base64.b64encode("ü".encode()).decode(), payload_encoding="base64"))
    first, second = fetch(2)
    equal(
        (first["payload"], first["payload_encoding"], first["payload_bytes"]), (binary, "base64", 3)
    )
    equal((second["payload"], second["payload_encoding"]), ("text", "string"))
    (third,) = fetch(encoding="base64")
    equal((third["payload"], third["payload_encoding"]), ("dGV4dA==", "base64"))
    (fourth,) = fetch()
    equal(
        (fourth["payload"], fourth["payload_encoding"], fourth["payload_bytes"]), ("ü", "string", 2)
    )


@step("what was got can be published as it came")
def again():
    done(PUBLISH, message("again", properties={"headers": {"a": 1}}))
    (found,) = fetch()
    done(PUBLISH, found)
    (second,) = fetch()
    equal((second["payload"], second["properties"]), ("again", {"headers": {"a": 1}}))


@step("a payload is cut where it is asked to be")
def cut():
    done(PUBLISH, message("0123456789"))
    (found,) = fetch(ackmode="ack_requeue_true", truncate=4)
    equal((found["payload"], found["payload_bytes"]), ("0123", 10))
    (found,) = fetch(truncate=100)
    equal(found["payload"], "0123456789")


@step("requeued messages stay, in order, and are redelivered")
def requeued():
    for payload in ("1", "2", "3"):
        done(PUBLISH, message(payload))
    for ackmode, redelivered in (("ack_requeue_true", False), ("reject_requeue_true", True)):
        found = fetch(10, ackmode)
        equal([it["payload"] for it in found], ["1", "2", "3"])
        equal([it["redelivered"] for it in found], [redelivered] * 3)
        equal([it["message_count"] for it in found], [2, 1, 0])
    equal([it["payload"] for it in fetch(2)], ["1", "2"])
    equal([it["payload"] for it in fetch(5, "reject_requeue_false")], ["3"])
    equal(fetch(5), [])


@step("what is rejected goes to the exchange for dead letters")
def rejected():
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "other"}
    done(f"PUT {V}/dying", {"arguments": arguments})
    done(PUBLISH, message("letter", "dying"))
    fetch(ackmode="reject_requeue_false", queue="dying")
    (letter,) = eventually("the letter comes", lambda: fetch(queue="other"))
    equal(letter["properties"]["headers"]["x-first-death-reason"], "rejected")


GET = f"POST {V}/q/get"
RIGHT = {"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto"}
case("getting from an empty queue", GET, RIGHT, (200, []))
for name in RIGHT:
    case(
        f"getting without {name}",
        GET,
        {key: value for key, value in RIGHT.items() if key != name},
        missing(name),
        BAD,
    )
case("getting with an unknown ackmode", GET, {**RIGHT, "ackmode": "maybe"}, 500, BAD)
case(
    "getting with an unknown encoding",
    GET,
    {**RIGHT, "encoding": "hex"},
    (400, bad("Unsupported encoding. Please use auto or base64.")),
    BAD,
)
case(
    "getting with a count that is no number",
    GET,
    {**RIGHT, "count": "many"},
    (400, bad(["not_integer", "many"])),
    BAD,
)
case("getting with a count in a string", GET, {**RIGHT, "count": "1"}, (200, []))
case("getting none", GET, {**RIGHT, "count": 0}, (200, []))
case("getting a negative count", GET, {**RIGHT, "count": -1}, (200, []), BAD)
case(
    "getting with a truncation that is no number",
    GET,
    {**RIGHT, "truncate": "x"},
    (400, bad(["not_integer", "x"])),
    BAD,
)
case(
    "getting from a queue that is not there",
    f"POST {V}/none/get",
    RIGHT,
    (404, error("not_found", "NOT_FOUND - no queue 'none' in vhost 'messages'")),
    NOT_FOUND,
)
case("getting is a POST", f"GET {V}/q/get", None, 405)
case(
    "the old way to say requeue",
    GET,
    {"count": 1, "requeue": True, "encoding": "auto"},
    missing("ackmode"),
    BAD,
)


@step("a purge empties a queue")
def purged():
    for _ in range(3):
        done(PUBLISH, message())
    reply = done(f"DELETE {V}/q/contents")
    equal((reply.status, reply.raw), (204, b""))
    equal(fetch(5), [])


@step("an exchange that is internal cannot be published to")
def internal():
    done(f"PUT {X}/inside", {"type": "fanout", "internal": True})
    reply = api(f"POST {X}/inside/publish", message())
    text = "403 ACCESS_REFUSED - cannot publish to internal exchange 'inside' in vhost 'messages'"
    equal((reply.status, reply.json), (400, {"error": "bad_request", "reason": text}))


@step("a message over a queue's limit that rejects is told")
def nacked():
    arguments = {"x-max-length": 1, "x-overflow": "reject-publish"}
    done(f"PUT {V}/small", {"arguments": arguments})
    done(PUBLISH, message(key="small"))
    reply = api(PUBLISH, message(key="small"))
    text = "rejected Unable to publish message. Check queue limits."
    equal((reply.status, reply.json), (400, {"error": "bad_request", "reason": text}))


@step("a message goes by the exchange's rules")
def routed():
    done(f"PUT {X}/topics", {"type": "topic"})
    done("POST /bindings/messages/e/topics/q/q", {"routing_key": "a.*"})
    publish = f"POST {X}/topics/publish"
    equal(done(publish, message(key="a.b")).json, {"routed": True})
    equal(done(publish, message(key="a.b.c")).json, {"routed": False})
    equal([(it["exchange"], it["routing_key"]) for it in fetch(5)], [("topics", "a.b")])


@step("a megabyte goes through")
def large():
    payload = "x" * (1 << 20)
    done(PUBLISH, message(payload))
    (found,) = fetch()
    equal((len(found["payload"]), found["payload_bytes"]), (1 << 20, 1 << 20))


case("what is in a queue is counted", f"GET {V}/q", None, (200, has(name="q")))
case("the vhost goes", "DELETE /vhosts/messages", None, (204, EMPTY))
